/*
 * Sorted sets of file names. See scan.h.
 */
#include <stdlib.h>

#include "base/file.h"
#include "ship/scan.h"

struct collect {
	struct names *set;
	const char *suffix;
};

static int
collect_one(const char *name, void *arg)
{
	struct collect *c = arg;
	size_t n = strlen(name);
	bool wanted = *c->suffix != '\0' ? str_ends(str_of(name), str_of(c->suffix))
					 : name_kind(str_of(name)) == NAME_SEALED;

	if (!wanted || n >= SCAN_NAME_MAX)
		return 0;
	if (c->set->n == c->set->cap) {
		size_t cap = c->set->cap ? 2 * c->set->cap : 64;
		void *v = realloc(c->set->v, cap * SCAN_NAME_MAX);

		if (v == NULL)
			return ERR_NOMEM;
		c->set->v = v;
		c->set->cap = cap;
	}
	memcpy(c->set->v[c->set->n++], name, n + 1);
	return 0;
}

int
names_list(struct names *set, const char *dir, const char *suffix)
{
	struct collect c = { set, suffix };

	return file_each(dir, collect_one, &c);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

void
names_sort(struct names *set)
{
	if (set->n > 1)
		qsort(set->v, set->n, SCAN_NAME_MAX, by_name);
}

bool
names_has(const struct names *set, const char *name)
{
	return set->n > 0 && bsearch(name, set->v, set->n, SCAN_NAME_MAX, by_name) != NULL;
}

void
names_fini(struct names *set)
{
	free(set->v);
	*set = (struct names){ NULL, 0, 0 };
}
