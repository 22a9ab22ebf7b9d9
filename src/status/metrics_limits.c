/*
 * Rate limits as a dashboard shows them beside their counters (gate/limit_metrics.c): whether they can be checked, and who asks most.
 */
#include <stdlib.h>

#include "gate/limit_admin.h"
#include "status/metrics.h"
#include "status/metrics_families.h"

/* So few, because each is a series of its own in the scraper, and clients come and go. */
#define TOP 10

/* Long keys are cut, so two may look alike; a series is told once. */
static bool
is_repeated(const struct talker *top, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (memcmp(top[k].text, top[i].text, sizeof(top[i].text)) == 0)
			return true;
	return false;
}

static void
put_talker(struct prom *p, const struct talker *t)
{
	struct str key = str_of(t->text);
	struct buf labels;

	buf_init(&labels, 0);
	prom_label(&labels, "key", key);
	prom_label(&labels, "policy", str_of(t->text + MIN(key.n + 1, (size_t)TALKERS_TEXT)));
	prom_count(p, buf_str(&labels), t->score);
	buf_fini(&labels);
}

void
metrics_collect_limits(struct prom *p)
{
	struct str state = str_of(limit_admin_state());
	struct talker *top;
	unsigned n;

	if (str_is(state, "off"))
		return;
	metrics_family(p, FAMILY_LIMIT_STORE);
	prom_count(p, STR(""), str_is(state, "ok"));
	top = malloc(TOP * sizeof(*top));
	n = top ? limit_admin_top(top, TOP) : 0;
	if (n > 0)
		metrics_family(p, FAMILY_LIMIT_TOP);
	for (unsigned i = 0; i < n; i++)
		if (!is_repeated(top, i))
			put_talker(p, &top[i]);
	free(top);
}
