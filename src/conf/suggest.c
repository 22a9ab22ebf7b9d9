/*
 * "Did you mean": the name that is nearest to one that nobody knows.
 */
#include "conf/conf_priv.h"

#define NAME_MAX_LEN 48

/* The least number of letters to insert, drop, change or swap with their neighbour (optimal string
 * alignment). Both at most NAME_MAX_LEN long. */
static unsigned
distance(struct str a, struct str b)
{
	unsigned char rows[3][NAME_MAX_LEN + 1] = { { 0 } };
	unsigned char *before = rows[0], *last = rows[1], *now = rows[2], *spare;

	for (size_t j = 0; j <= b.n; j++)
		last[j] = (unsigned char)j;
	for (size_t i = 1; i <= a.n; i++) {
		now[0] = (unsigned char)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned change = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);

			now[j] = (unsigned char)MIN(change, MIN(last[j], now[j - 1]) + 1u);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				now[j] = (unsigned char)MIN(now[j], before[j - 2] + 1u);
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b.n];
}

void
conf_nearest_init(struct conf_nearest *n, struct str name)
{
	/* A third of the letters may be wrong, and three at most. */
	*n = (struct conf_nearest){ .name = name, .best = MIN(name.n / 3, 3u) + 1 };
	if (name.n < 2 || name.n > NAME_MAX_LEN)
		n->best = 0;
}

void
conf_nearest_offer(struct conf_nearest *n, const char *candidate)
{
	struct str name = str_of(candidate);
	unsigned d;

	if (n->best == 0 || name.n > NAME_MAX_LEN)
		return;
	d = distance(n->name, name);
	if (d < n->best) {
		n->best = d;
		n->found = candidate;
	}
}

struct search {
	struct conf_nearest nearest;
	unsigned context;
};

static void
consider(const struct conf_row *row, const struct conf_module *module, void *arg)
{
	struct search *s = arg;

	(void)module;
	if (row->contexts & s->context)
		conf_nearest_offer(&s->nearest, row->name);
}

const char *
conf_suggest(struct str name, unsigned context)
{
	struct search s = { .context = context };

	conf_nearest_init(&s.nearest, name);
	conf_each_row(consider, &s);
	s.context = ~0u;
	if (!s.nearest.found)
		conf_each_row(consider, &s);
	return s.nearest.found;
}
