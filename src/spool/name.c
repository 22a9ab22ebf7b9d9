/*
 * Making and recognising the names of segments. The name's uniqueness is what keeps a rename from replacing acknowledged
 * data, also when the clock steps back and a pid comes round again.
 */
#include "spool/name.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/spool_priv.h"

/* Takes a run of digits off the front of *s: how many. */
static size_t
take_digits(struct str *s)
{
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	*s = str_from(*s, n);
	return n;
}

static bool
take_char(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

enum name_kind
name_kind(struct str name)
{
	if (take_digits(&name) != 8 || !take_char(&name, 'T') || take_digits(&name) != 15 ||
	    !take_char(&name, 'Z') || !take_char(&name, '.') || take_digits(&name) == 0 ||
	    !take_char(&name, '.') || take_digits(&name) == 0)
		return NAME_OTHER;
	if (name.n == 0)
		return NAME_SEALED;
	if (str_is(name, NAME_OPEN_SUFFIX))
		return NAME_OPEN;
	return str_is(name, NAME_PART_SUFFIX) ? NAME_PART : NAME_OTHER;
}

void
name_make(char out[NAME_CAP], int64_t wall_ns, uint64_t seq)
{
	struct clock_utc t;

	clock_split(wall_ns, &t);
	snprintf(out, NAME_CAP, "%04u%02u%02uT%02u%02u%02u%09uZ.%ld.%llu", (unsigned)t.year % 10000,
	    (unsigned)t.month % 100, (unsigned)t.day % 100, (unsigned)t.hour % 100,
	    (unsigned)t.minute % 100, (unsigned)t.second % 100,
	    (unsigned)t.nanosecond % 1000000000u, (long)getpid(), (unsigned long long)seq);
}

/* Sealed before claimed: a file on its way from one to the other is met in the second. */
bool
name_taken(const char *dir, const char *bare, const char *own)
{
	static const struct {
		const char *folder, *suffix;
	} forms[] = {
		{ "", NAME_OPEN_SUFFIX },
		{ "", NAME_PART_SUFFIX },
		{ "", "" },
		{ "aggregation/", "" },
		{ "uploading/", "" },
		{ "", "" },
	};
	char path[SPOOL_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (*own && strcmp(forms[i].suffix, own) == 0)
			continue;
		snprintf(
		    path, sizeof(path), "%s/%s%s%s", dir, forms[i].folder, bare, forms[i].suffix);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}
