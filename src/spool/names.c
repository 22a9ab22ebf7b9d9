/*
 * See names.h. A set with a limit is sorted and cut whenever it holds twice as many.
 */
#include "spool/names.h"

#include <stdlib.h>

#include "base/file.h"

struct collect {
	struct names *set;
	const char *suffix;
	bool cut; /* v[limit - 1] is the greatest that counts */
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

void
names_sort(struct names *set)
{
	if (set->n > 1)
		qsort(set->v, set->n, NAME_CAP, by_name);
}

int
names_add(struct names *set, const char *name)
{
	if (set->n == set->cap) {
		size_t cap = set->cap ? 2 * set->cap : 64;
		void *v = realloc(set->v, cap * NAME_CAP);

		if (v == NULL)
			return ERR_NOMEM;
		set->v = v;
		set->cap = cap;
	}
	strcpy(set->v[set->n++], name);
	return 0;
}

static void
cut(struct names *set)
{
	names_sort(set);
	if (set->limit > 0)
		set->n = MIN(set->n, set->limit);
}

static int
collect_one(const char *name, void *arg)
{
	struct collect *c = arg;
	struct names *set = c->set;
	bool wanted = *c->suffix != '\0' ? str_ends(str_of(name), str_of(c->suffix))
					 : name_kind(str_of(name)) == NAME_SEALED;
	int err;

	if (!wanted || strlen(name) >= NAME_CAP)
		return 0;
	set->seen++;
	if (c->cut && strcmp(name, set->v[set->limit - 1]) > 0)
		return 0;
	err = names_add(set, name);
	if (err == 0 && set->limit > 0 && set->n == 2 * set->limit) {
		cut(set);
		c->cut = true;
	}
	return err;
}

int
names_list(struct names *set, const char *dir, const char *suffix)
{
	struct collect c = { .set = set, .suffix = suffix };
	int err = file_each(dir, collect_one, &c);

	cut(set);
	return err;
}

bool
names_has(const struct names *set, const char *name)
{
	return set->n > 0 && bsearch(name, set->v, set->n, NAME_CAP, by_name) != NULL;
}

void
names_fini(struct names *set)
{
	free(set->v);
	*set = (struct names){ .v = NULL };
}
