/* s3/xml: events of well-formed documents, refusal of everything else, and what S3 error
 * documents say. */
#include "s3/xml.h"
#include "unit/guard.h"
#include "unit/unit.h"

/* The events of doc as text: "<a>", "text", "</a>", "$" for the end, "!" for ERR_BAD. */
static void
trace(struct str doc, struct buf *out)
{
	struct xml x;
	int event;

	xml_init(&x, doc);
	while ((event = xml_next(&x)) >= 0 && event != XML_END) {
		if (event != XML_TEXT) {
			buf_puts(out, event == XML_OPEN ? "<" : "</");
			buf_put_str(out, x.name);
			buf_putc(out, '>');
		} else if (xml_put_text(&x, out)) {
			event = ERR_BAD;
			break;
		}
	}
	buf_putc(out, event == XML_END ? '$' : '!');
}

static void
check(const char *doc, const char *expected)
{
	struct guard g;
	struct buf b;

	guard_init(&g, strlen(doc));
	buf_init(&b, 0);
	trace(guard_tail(&g, str_of(doc)), &b);
	assert_string_equal(buf_cstr(&b), expected);
	buf_fini(&b);
	guard_fini(&g);
}

static void
test_events(void **state)
{
	(void)state;
	check("<a/>", "<a></a>$");
	check("\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- c --><a x='1' y = \">\">t</a >\n",
	    "<a>t</a>$");
	check("<a><b>1</b><!-- - --><?pi?><b/>2</a>", "<a><b>1</b><b></b>2</a>$");
	check("<a>x&lt;&gt;&amp;&quot;&apos;y</a>", "<a>x<>&\"'y</a>$");
	check("<a>&#65;&#x42;&#xe9;&#x20AC;&#x1F600;</a>",
	    "<a>AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80</a>$");
	check("<a><![CDATA[<b>&amp;]]]></a>", "<a><b>&amp;]</a>$");
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "", "  ", "text", "<", "<a", "<a>", "<a></b>", "</a>",
		"<a/><b/>", "<a/>text", "<a x></a>", "<a x=1></a>", "<a x='1'y='2'/>", "<a x='<'/>",
		"<a x='1", "<!DOCTYPE a><a/>", "<1/>", "<a><![CDATA[x</a>", "<a><!-- x</a>", "<a",
		"< a/>", "<a / >", "<a></a", "<a></ a>" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf b;

		buf_init(&b, 0);
		trace(str_of(bad[i]), &b);
		if (b.p[b.n - 1] != '!')
			fail_msg("accepted: %s", bad[i]);
		buf_fini(&b);
	}
	check("<a>&nbsp;</a>", "<a>!");
	check("<a>&amp</a>", "<a>!");
	check("<a>&#;</a>", "<a>!");
	check("<a>&#x;</a>", "<a>!");
	check("<a>&#0;</a>", "<a>!");
	check("<a>&#xD800;</a>", "<a>!");
	check("<a>&#x110000;</a>", "<a>!");
	check("<a>&#99999999999;</a>", "<a>!");
}

static void
test_depth(void **state)
{
	struct buf b;
	struct xml x;
	int event = 0;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < XML_MAX_DEPTH + 1; i++)
		buf_puts(&b, "<a>");
	xml_init(&x, buf_str(&b));
	for (int i = 0; i < XML_MAX_DEPTH; i++)
		assert_int_equal(xml_next(&x), XML_OPEN);
	event = xml_next(&x);
	assert_int_equal(event, ERR_BAD);
	buf_fini(&b);
}

static const char no_such_bucket[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist &amp; never "
    "did</Message><BucketName>b</BucketName><Nested><Code>Other</Code></Nested>"
    "<RequestId>4442587FB7D0A2F9</RequestId></Error>";

static void
test_s3_error(void **state)
{
	struct xml_s3_error e;

	(void)state;
	assert_int_equal(xml_parse_s3_error(str_of(no_such_bucket), &e), 0);
	assert_string_equal(e.code, "NoSuchBucket");
	assert_string_equal(e.message, "The specified bucket does not exist & never did");
	assert_string_equal(e.request_id, "4442587FB7D0A2F9");
	assert_string_equal(e.region, "");
	assert_int_equal(xml_parse_s3_error(
			     STR("<Error xmlns='x'><Code>PermanentRedirect</Code><Region>eu-west-1"
				 "</Region></Error>"),
			     &e),
	    0);
	assert_string_equal(e.code, "PermanentRedirect");
	assert_string_equal(e.region, "eu-west-1");
	assert_int_equal(xml_parse_s3_error(STR("<html><Code>x</Code></html>"), &e), ERR_BAD);
	assert_int_equal(xml_parse_s3_error(STR("Bad Gateway"), &e), ERR_BAD);
}

/* No prefix of a document is a document, and none is read over. */
static void
test_prefixes(void **state)
{
	struct xml_s3_error e;
	struct guard g;

	(void)state;
	guard_init(&g, sizeof(no_such_bucket));
	for (size_t n = 0; n < sizeof(no_such_bucket) - 1; n++) {
		struct str doc = guard_tail(&g, str_make(no_such_bucket, n));

		assert_int_equal(xml_parse_s3_error(doc, &e), ERR_BAD);
	}
	guard_fini(&g);
}

static void
test_long_values_are_cut(void **state)
{
	struct xml_s3_error e;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "<Error><Code>");
	for (int i = 0; i < 5000; i++)
		buf_putc(&b, 'c');
	buf_puts(&b, "</Code><Message>m<!-- -->n</Message></Error>");
	assert_int_equal(xml_parse_s3_error(buf_str(&b), &e), 0);
	assert_int_equal(strlen(e.code), sizeof(e.code) - 1);
	assert_string_equal(e.message, "mn");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_s3_error),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_long_values_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
