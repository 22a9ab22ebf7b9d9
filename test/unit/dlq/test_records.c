/* dlq/records: a bundle, page by page, as large as it may be and as damaged. */
#include "dlq/records.h"

#include <zlib.h>

#include "unit/dlq/harness.h"

struct page {
	unsigned n;
	uint64_t first, total;
	uint64_t sizes;
	char text[4][32]; /* of the first ones */
	size_t longest;
};

static void
visit(void *arg, const struct records_one *r)
{
	struct page *p = arg;

	if (p->n == 0)
		p->first = r->number;
	assert_int_equal(r->number, p->first + p->n);
	if (p->n < 4)
		snprintf(
		    p->text[p->n], sizeof(p->text[0]), "%.*s", (int)MIN(r->text.n, 31), r->text.p);
	p->n++;
	p->sizes += r->size;
	p->longest = MAX(p->longest, r->text.n);
}

static int
page(struct dlq *d, unsigned n, uint64_t skip, unsigned limit, struct page *p)
{
	memset(p, 0, sizeof(*p));
	return records_read(d, id_of(n), skip, limit, &p->total, visit, p);
}

/* A bundle of this text as the letter n; cut: so many bytes are missing at its end. */
static void
add_bundle(struct dlq *d, struct tmp *t, unsigned n, struct str text, uint64_t records, size_t cut)
{
	struct dlq_letter l = letter(n, "mail", "");
	char path[200];
	struct stat st;
	gzFile f;

	snprintf(path, sizeof(path), "%s/%u.gz", t->dir, n);
	f = gzopen(path, "w");
	assert_non_null(f);
	assert_int_equal(gzwrite(f, text.p, (unsigned)text.n), (int)text.n);
	assert_int_equal(gzclose(f), Z_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - (off_t)cut), 0);
	l.kind = DLQ_BUNDLE;
	l.m.path = path;
	l.m.length = (uint64_t)st.st_size - cut;
	l.m.body = STR("");
	l.m.body.p = NULL;
	l.records = records;
	assert_int_equal(dlq_add(d, &l), 0);
}

TEST(pages)
{
	struct dlq *d = open_store(arg);
	struct buf b;
	struct page p;

	buf_init(&b, 0);
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "{\"r\":%d}\n", i);
	add_bundle(d, arg, 1, buf_str(&b), 1000, 0);
	assert_int_equal(page(d, 1, 0, 3, &p), 0);
	assert_int_equal(p.n, 3);
	assert_int_equal(p.total, 1000);
	assert_string_equal(p.text[0], "{\"r\":0}");
	assert_string_equal(p.text[2], "{\"r\":2}");
	assert_int_equal(page(d, 1, 998, 50, &p), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.first, 998);
	assert_string_equal(p.text[1], "{\"r\":999}");
	assert_int_equal(page(d, 1, 1000, 50, &p), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.total, 1000);
	assert_int_equal(page(d, 1, UINT64_MAX, 50, &p), 0);
	assert_int_equal(p.n, 0);
	buf_fini(&b);
	dlq_close(d);
}

/* Lines without an end, empty ones, none at all; counts that the header has wrong. */
TEST(odd_texts)
{
	struct dlq *d = open_store(arg);
	struct page p;

	add_bundle(d, arg, 1, STR("a\n\nb"), 7, 0);
	assert_int_equal(page(d, 1, 0, 9, &p), 0);
	assert_int_equal(p.n, 3);
	assert_int_equal(p.total, 3);
	assert_string_equal(p.text[1], "");
	assert_string_equal(p.text[2], "b");
	assert_int_equal(page(d, 1, 2, 1, &p), 0);
	assert_string_equal(p.text[0], "b");
	assert_int_equal(page(d, 1, 3, 1, &p), 0);
	assert_int_equal(p.total, 3);
	add_bundle(d, arg, 2, STR(""), 0, 0);
	assert_int_equal(page(d, 2, 0, 9, &p), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.total, 0);
	dlq_close(d);
}

/* What unpacks to far more than it is: only the beginning of a record is held. */
TEST(huge_records)
{
	struct dlq *d = open_store(arg);
	size_t huge = 20u << 20;
	struct buf b;
	struct page p;
	char *at;

	buf_init(&b, 0);
	at = buf_reserve(&b, huge);
	memset(at, 'x', huge);
	buf_added(&b, huge);
	buf_puts(&b, "\nshort\n");
	add_bundle(d, arg, 1, buf_str(&b), 2, 0);
	assert_int_equal(page(d, 1, 0, 9, &p), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.longest, RECORDS_TEXT_MAX);
	assert_int_equal(p.sizes, huge + 5);
	assert_string_equal(p.text[1], "short");
	buf_fini(&b);
	dlq_close(d);
}

TEST(what_cannot_be_read)
{
	struct dlq *d = open_store(arg);
	struct dlq_files files;
	struct page p;

	assert_int_equal(page(d, 9, 0, 9, &p), ERR_NOT_FOUND);
	assert_int_equal(add(d, 1, "mail", "no bundle"), 0);
	assert_int_equal(page(d, 1, 0, 9, &p), ERR_UNSUPPORTED);
	add_bundle(d, arg, 2, STR("one\ntwo\n"), 2, 5);
	assert_int_equal(page(d, 2, 0, 9, &p), ERR_CORRUPT);
	assert_int_equal(p.n, 2); /* only its checksum is gone */
	add_bundle(d, arg, 3, STR("one\ntwo\n"), 2, 0);
	assert_int_equal(dlq_find_files(d, id_of(3), &files), 0);
	assert_int_equal(file_replace(files.file, "no gzip", 7), 0);
	assert_int_equal(page(d, 3, 0, 9, &p), ERR_CORRUPT);
	assert_int_equal(unlink(files.file), 0);
	assert_int_equal(page(d, 3, 0, 9, &p), ERR_NOT_FOUND);
	dlq_close(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages),
		cmocka_unit_test(odd_texts),
		cmocka_unit_test(huge_records),
		cmocka_unit_test(what_cannot_be_read),
	};

	log_threshold = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
