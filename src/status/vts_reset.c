/*
 * Resetting and deleting nodes: what the control API does with them. A reset writes what the node has counted so far into SERIES_BASELINE,
 * which readers subtract, and begins an era (vts_node.h): no block of another process is written, so nobody has to stop counting.
 */
#include "base/clock.h"
#include "status/vts_node.h"

/* One series for all: the number of resets is a word of its SERIES_BASELINE, where any process may write it. */
static const struct metric_row state_rows[] = { { .type = METRIC_RAW, .words = 1 } };
static struct metric_set state = {
	.name = "vts_state", .rows = state_rows, .n_rows = ARRAY_LEN(state_rows)
};

const vts_word *vts_reset_count;

void
vts_reset_register(void)
{
	metric_register(&state);
}

static void
touch(vts_word *words, void *arg)
{
	(void)words;
	(void)arg;
}

static bool
find_state(struct series_view *view)
{
	series_get(&state, STR(""));
	return series_find(&state, STR(""), view);
}

/* Without a zone, or without room in it, there are no resets. */
const vts_word *
vts_find_resets(void)
{
	static const vts_word none;
	struct series_view view;

	vts_reset_count = &none;
	if (find_state(&view) && series_edit(&state, &view, SERIES_BASELINE, touch, NULL) == 0)
		vts_reset_count = series_block(&state, &view, SERIES_BASELINE);
	return vts_reset_count;
}

uint64_t
vts_era(const struct series *s)
{
	struct series_view view = { .index = s->index };
	const struct vts_block *b;

	b = (const struct vts_block *)series_block(s->set, &view, SERIES_BASELINE);
	return b != NULL ? vts_load(&b->era) : 0;
}
