/*
 * See path.h.
 */
#include "ship/path.h"

#include <stdio.h>

#include "base/hash.h"

const char *
path_join(struct path *p, const char *dir, const char *sub, const char *name)
{
	int n = sub ? snprintf(p->s, sizeof(p->s), "%s/%s/%s", dir, sub, name)
		    : snprintf(p->s, sizeof(p->s), "%s/%s", dir, name);

	assert(n > 0 && (size_t)n < sizeof(p->s));
	(void)n;
	return p->s;
}

const char *
path_of_id(
    struct path *p, const char *dir, const char *sub, const struct id *id, const char *suffix)
{
	char name[2 * ID_LEN + 16];

	id_text(*id, name);
	strcpy(name + 2 * ID_LEN, suffix);
	return path_join(p, dir, sub, name);
}
