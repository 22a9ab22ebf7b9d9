/*
 * Frames: what is written is read, at its own place only; anything else is refused, at every length and with every bit turned.
 */
#include "unit/dlq/harness.h"
#include "unit/guard.h"

static struct frame_change
some_change(void)
{
	return (struct frame_change){ .kind = DLQ_EV_REPROCESS,
		.state = DLQ_REPROCESSING,
		.type = DLQ_PERMANENT,
		.outcome = SINK_PERMANENT,
		.time = 1,
		.duration = -2,
		.status = -3,
		.attempts = 4,
		.tries = 12,
		.reprocessed = 5,
		.by_rule = 6,
		.last_attempt = INT64_MAX,
		.due = INT64_MIN,
		.resolved = 9,
		.since = 10,
		.job = id_of(11),
		.error = STR("error"),
		.by = STR(""),
		.reason = STR("reason") };
}

static void
check_change(const struct frame_change *c)
{
	assert_int_equal(c->kind, DLQ_EV_REPROCESS);
	assert_int_equal(c->state, DLQ_REPROCESSING);
	assert_int_equal(c->type, DLQ_PERMANENT);
	assert_int_equal(c->outcome, SINK_PERMANENT);
	assert_int_equal(c->time, 1);
	assert_int_equal(c->duration, -2);
	assert_int_equal(c->status, -3);
	assert_int_equal(c->attempts, 4);
	assert_int_equal(c->tries, 12);
	assert_int_equal(c->reprocessed, 5);
	assert_int_equal(c->by_rule, 6);
	assert_true(c->last_attempt == INT64_MAX && c->due == INT64_MIN);
	assert_int_equal(c->resolved, 9);
	assert_int_equal(c->since, 10);
	assert_true(id_eq(c->job, id_of(11)));
	assert_true(str_is(c->error, "error") && c->by.n == 0 && str_is(c->reason, "reason"));
}

static void
file_header(void **state)
{
	struct frame_file f = { 77, id_of(5), 123 }, g = { 0 };
	unsigned char p[FRAME_FILE_HEADER_LEN];

	(void)state;
	frame_encode_file(&f, p);
	assert_int_equal(frame_decode_file(p, sizeof(p), &g), 0);
	assert_int_equal(g.number, 77);
	assert_true(id_eq(g.id, f.id));
	assert_int_equal(g.created, 123);
	assert_int_equal(frame_decode_file(p, sizeof(p) - 1, &g), ERR_CORRUPT);
	for (size_t bit = 0; bit < 8 * sizeof(p); bit++) {
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(frame_decode_file(p, sizeof(p), &g), ERR_CORRUPT);
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void
event_frame(struct buf *out)
{
	struct frame_change c = some_change();
	size_t begun = frame_begin(out, FRAME_EVENT, id_of(3));

	frame_put_change(out, &c);
	frame_end(out, begun);
	assert_int_equal(buf_failed(out), 0);
}

static void
places(void **state)
{
	struct id file = id_of(1), other = id_of(2);
	struct frame_change c;
	struct frame f;
	struct buf b;
	unsigned char *p;

	(void)state;
	buf_init(&b, 0);
	event_frame(&b);
	p = (unsigned char *)b.p;
	assert_int_equal(frame_bind(p, &file, 640), b.n);
	assert_int_equal(frame_decode(p, b.n, &f), 0);
	assert_int_equal(f.type, FRAME_EVENT);
	assert_true(id_eq(f.entry, id_of(3)));
	assert_int_equal(frame_total(&f), b.n);
	assert_true(frame_holds(p, &f, &file, 640));
	assert_false(frame_holds(p, &f, &file, 641));
	assert_false(frame_holds(p, &f, &other, 640));
	assert_int_equal(frame_take_change(&f.contents, &c), 0);
	check_change(&c);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(frame_decode(p, n, &f), ERR_CORRUPT);
	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_true(
		    frame_decode(p, b.n, &f) == ERR_CORRUPT || !frame_holds(p, &f, &file, 640));
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	buf_fini(&b);
}

static void
letter_contents(struct buf *out)
{
	struct frame_letter l = { .now = some_change(),
		.kind = DLQ_OBJECT,
		.flags = FRAME_FILE | FRAME_LIST,
		.born = 100,
		.size = 200,
		.records = 300,
		.created = 400,
		.dead = 500,
		.left_out = 600,
		.n_past = 2 };

	for (unsigned i = 0; i < LETTER_STRINGS; i++)
		l.strings[i] = str_make("abcdefgh", i + 1);
	l.now.kind = FRAME_COPY;
	frame_put_letter(out, &l);
	l.now.kind = DLQ_EV_REPROCESS;
	frame_put_change(out, &l.now);
	frame_put_change(out, &l.now);
	buf_puts(out, "payload");
	assert_int_equal(buf_failed(out), 0);
}

static void
letters(void **state)
{
	struct frame_letter l;
	struct frame_change c;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	letter_contents(&b);
	assert_int_equal(frame_take_letter(buf_str(&b), &l), 0);
	assert_int_equal(l.now.kind, FRAME_COPY);
	l.now.kind = DLQ_EV_REPROCESS;
	check_change(&l.now);
	assert_int_equal(l.kind, DLQ_OBJECT);
	assert_int_equal(l.flags, FRAME_FILE | FRAME_LIST);
	assert_true(l.born == 100 && l.size == 200 && l.records == 300);
	assert_true(l.created == 400 && l.dead == 500 && l.left_out == 600 && l.n_past == 2);
	for (unsigned i = 0; i < LETTER_STRINGS; i++)
		assert_true(str_eq(l.strings[i], str_make("abcdefgh", i + 1)));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(frame_take_change(&l.past, &c), 0);
		check_change(&c);
	}
	assert_int_equal(l.past.n, 0);
	assert_true(str_is(l.payload, "payload"));
	buf_fini(&b);
}

/* Cut anywhere, with an unreadable page behind. */
static void
cut_contents(void **state)
{
	struct frame_letter l;
	struct guard g;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	letter_contents(&b);
	guard_init(&g, b.n);
	for (size_t n = 0; n < b.n - 7; n++)
		assert_int_equal(
		    frame_take_letter(guard_tail(&g, str_make(b.p, n)), &l), ERR_CORRUPT);
	guard_fini(&g);
	buf_fini(&b);
}

static void
contents_out_of_range(void **state)
{
	static const struct {
		size_t at;
		char value;
	} rows[] = { { 0, FRAME_KINDS }, { 1, DLQ_STATES }, { 2, DLQ_TYPES },
		{ 3, SINK_POISON + 1 }, { 0, DLQ_EV_DISCARDED } };
	struct frame_letter l;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_init(&b, 0);
		letter_contents(&b);
		b.p[rows[i].at] = rows[i].value;
		assert_int_equal(frame_take_letter(buf_str(&b), &l), ERR_CORRUPT);
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_header),
		cmocka_unit_test(places),
		cmocka_unit_test(letters),
		cmocka_unit_test(cut_contents),
		cmocka_unit_test(contents_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
