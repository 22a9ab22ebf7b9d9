/*
 * What the traffic statistics know of the zone as a whole: how often nodes were reset, and whether an earlier dump is in it. One series, whose
 * words are in the pseudo-slot SERIES_BASELINE, where any process may write them.
 */
#include "status/vts_priv.h"

enum { WORD_RESETS, WORD_RESTORED, WORDS };

static const struct metric_row rows[] = {
	{ .type = METRIC_RAW, .words = WORDS, .fold = vts_fold_state, .labels = VTS_LAYOUT },
};
static struct metric_set state = { .name = "vts_state", .rows = rows, .n_rows = 1 };

const vts_word *vts_reset_count;

void
vts_state_register(void)
{
	metric_register(&state);
}

void
vts_fold_state(uint64_t *into, const uint64_t *from)
{
	for (unsigned i = 0; i < WORDS; i++)
		into[i] = MAX(into[i], from[i]);
}

static void
touch(vts_word *words, void *arg)
{
	(void)words;
	(void)arg;
}

static void
count_reset(vts_word *words, void *arg)
{
	(void)arg;
	vts_add(&words[WORD_RESETS], 1);
}

static void
set_restored(vts_word *words, void *arg)
{
	(void)arg;
	vts_store(&words[WORD_RESTORED], 1);
}

/* Edits the words, which are made if they are not there yet; NULL: there is no zone, or no room. */
static const vts_word *
edit(void (*how)(vts_word *words, void *arg))
{
	struct series_view view;

	series_get(&state, STR(""));
	if (!series_find(&state, STR(""), &view) ||
	    series_edit(&state, &view, SERIES_BASELINE, how, NULL) != 0)
		return NULL;
	return series_block(&state, &view, SERIES_BASELINE);
}

/* Without the words there are no resets. */
const vts_word *
vts_find_resets(void)
{
	static const vts_word none;
	const vts_word *words = edit(touch);

	return vts_reset_count = words != NULL ? &words[WORD_RESETS] : &none;
}

bool
vts_state_ready(void)
{
	return edit(touch) != NULL;
}

void
vts_state_count_reset(void)
{
	(void)edit(count_reset);
}

bool
vts_state_restored(void)
{
	const vts_word *words = edit(touch);

	return words != NULL && vts_load(&words[WORD_RESTORED]) != 0;
}

void
vts_state_set_restored(void)
{
	(void)edit(set_restored);
}
