/*
 * Fuzzes what the admin API is told about dead letters: the first byte chooses a body or a query and what it is read as. What is taken keeps its
 * bounds; what is refused says why.
 */
#include <stdlib.h>

#include "admin/dlq_input.h"
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"

static void
check_filter(const struct dlq_filter *f)
{
	require(f->state >= -1 && f->state < DLQ_STATES && f->type >= -1 && f->type < DLQ_TYPES);
	require(f->q.n <= 200 && f->stream.n <= 64 && utf8_valid(f->q) && utf8_valid(f->stream));
	require(f->after >= 0 && f->before >= 0);
}

static int
read_page(struct fields *f, struct str text)
{
	struct dlq_page page;
	int err = dlq_input_page(f, text, &page);

	if (err == 0) {
		require(page.page >= 1 && page.per_page >= 1);
		require(page.per_page <= DLQ_INPUT_PER_PAGE_MAX);
		check_filter(&page.filter);
	}
	return err;
}

static int
read_wish(struct fields *f, struct str text, bool reprocess)
{
	struct dlq_wish w;
	int err = dlq_input_wish(f, reprocess, text, &w);

	if (err == 0) {
		require(w.ids.given != w.has_filter);
		require(w.ids.n <= DLQ_INPUT_IDS_MAX && (w.has_filter || w.ids.n > 0));
		require(w.operator.n <= DLQ_NAME_MAX && w.reason.n <= DLQ_REASON_MAX);
		require(w.delay >= 0 && w.override_delay >= 0);
		require(w.delay <= FIELDS_DURATION_MAX && w.override_delay <= FIELDS_DURATION_MAX);
		check_filter(&w.filter);
	}
	dlq_wish_fini(&w);
	return err;
}

static int
read_order(struct fields *f, struct str text, bool purge)
{
	struct dlq_order o;
	int err = purge ? dlq_input_purge(f, text, &o) : dlq_input_cancel(f, text, &o);

	if (err == 0 && purge)
		require(o.stream.n > 0 && o.reason.n > 0);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct fields f = { .arena = &arena };
	struct str text = str_make(size ? data + 1 : data, size ? size - 1 : 0);
	unsigned what = size ? data[0] % 5 : 0;
	uint64_t bad;
	int err;

	if (what != 0 && json_check_text(text, &bad) != 0)
		return 0; /* never gets that far */
	arena_init(&arena, 1 << 20);
	err = what == 0  ? read_page(&f, text)
	      : what < 3 ? read_wish(&f, text, what == 1)
			 : read_order(&f, text, what == 3);
	require(err == 0 || err == ERR_NOMEM || (err == ERR_BAD && f.why[0] != '\0'));
	arena_fini(&arena);
	return 0;
}
