/* sink/smtp_template, smtp_address, smtp_encode, smtp_letter: from a record to the lines of a mail. What is in a record never becomes a line of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "sink/smtp_encode.h"
#include "sink/smtp_letter.h"
#include "unit/unit.h"

/* ---- addresses ---- */

static void
test_addresses(void **state)
{
	static const char *const good[] = { "a@b", "joe.doe+tag@mx.example", "a@[192.0.2.1]",
		"a@[IPv6:2001:db8::1]", "\"a b\"@x.example", "\"a\\\"b\"@x.example",
		"\"a@b\"@x.example", "!#$%&'*+-/=?^_`{|}~@x.example", "1@2.example",
		"jos\xc3\xa9@x.example", "a@b\xc3\xbc.example" };
	static const char *const bad[] = { "", "@", "a", "a@", "@b", "a@b@c", "a b@x.example",
		".a@x.example", "a.@x.example", "a..b@x.example", "a@x..example", "a@.example",
		"a@x.example.", "a@-x.example", "a@x-.example", "a@x_y.example", "a@[1.2.3]",
		"a@[::1]", "a@[IPv6:1.2.3.4]", "a@[]", "a@[192.0.2.1", "\"a@x.example",
		"\"a\"b\"@x.example", "\"a\\\"@x.example", "a\"b@x.example", "a@x.example\n",
		"a\r\nRCPT TO:<b@c>@x.example", "\"a\nb\"@x.example", "a@x .example",
		"<a@x.example>", "a@x.example>", "a,b@x.example", "(a)b@x.example",
		"\xff@x.example", "a@\xc3.example", "a\x7f@x.example" };
	bool utf8;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!smtp_address_ok(str_of(good[i]), &utf8))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (smtp_address_ok(str_of(bad[i]), &utf8))
			fail_msg("taken: %s", bad[i]);
	assert_false(smtp_address_ok(STR("a\0b@x.example"), &utf8));
	assert_true(smtp_address_ok(STR("jos\xc3\xa9@x.example"), &utf8));
	assert_true(utf8);
	assert_true(smtp_address_ok(STR("joe@x.example"), &utf8));
	assert_false(utf8);
}

/* n letters, in labels of 50 where they are a domain. */
static struct str
long_address(char *room, size_t local, size_t domain)
{
	size_t n = 0;

	for (size_t i = 0; i < local; i++)
		room[n++] = 'a';
	room[n++] = '@';
	for (size_t i = 0; i < domain; i++)
		room[n++] = i % 51 == 50 ? '.' : 'd';
	return str_make(room, n);
}

static void
test_long_addresses(void **state)
{
	char room[600];
	bool utf8;

	(void)state;
	assert_true(smtp_address_ok(long_address(room, 64, 20), &utf8));
	assert_false(smtp_address_ok(long_address(room, 65, 20), &utf8));
	assert_true(smtp_address_ok(long_address(room, 50, 203), &utf8));
	assert_false(smtp_address_ok(long_address(room, 50, 205), &utf8));
	memset(room, 'd', 66);
	memcpy(room, "a@", 2);
	assert_true(smtp_address_ok(str_make(room, 65), &utf8));
	assert_false(smtp_address_ok(str_make(room, 66), &utf8));
}

static void
test_lists(void **state)
{
	static const struct {
		const char *list, *found; /* "name=address|"; "!": no mailbox */
	} table[] = {
		{ "", "" },
		{ "  ", "" },
		{ "a@b", "=a@b|" },
		{ " a@b , c@d ", "=a@b|=c@d|" },
		{ "Joe <a@b>", "Joe=a@b|" },
		{ "<a@b>", "=a@b|" },
		{ "\"Doe, J. <x@y>\" <a@b>,c@d", "Doe, J. <x@y>=a@b|=c@d|" },
		{ "\"a,b\"@x", "=\"a,b\"@x|" },
		{ "\"q\\\"q\" q <a@b>", "q\"q q=a@b|" },
		{ "a@b,", "!" },
		{ ",a@b", "!" },
		{ "a@b,,c@d", "=a@b|!" },
		{ "a@b c@d", "!" },
		{ "Joe <a@b> x", "!" },
		{ "Joe <a@b", "!" },
		{ "Joe a@b>", "!" },
		{ "Joe <>", "!" },
		{ "<", "!" },
		{ ">", "!" },
		{ "\"Joe <a@b>", "!" },
		{ "a@b\r\nBcc: c@d", "!" },
		{ "a@b RCPT TO:<c@d>", "!" },
		{ "a@b <c@d>", "!" },
		{ "Joe (Doe) <c@d>", "!" },
		{ "\"a\rb\" <c@d>", "!" },
		{ "a <b> <c@d>", "!" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct str list = str_of(table[i].list), bad;
		struct smtp_mailbox box;
		struct buf found;
		int more;

		buf_init(&found, 0);
		while ((more = smtp_mailbox_next(&list, &box, &bad)) == 1) {
			smtp_name_text(box.name, &found);
			buf_printf(&found, "=%.*s|", STR_ARG(box.address));
		}
		if (more < 0)
			buf_puts(&found, "!");
		assert_string_equal(buf_cstr(&found), table[i].found);
		buf_fini(&found);
	}
}

/* ---- templates ---- */

static struct arena arena;
static const struct smtp_values values = {
	.id = STR_INIT("ID"),
	.user = STR_INIT("joe"),
	.stream = STR_INIT("mails"),
	.trace_id = STR_INIT("TRACE"),
	.body = STR_INIT(
	    " {\"name\":\"J\\u00f6rg\",\"n\":17.50,\"yes\":true,\"none\":null,"
	    "\"o\":{\"a\":[1,{\"b\":\"deep\"}]},\"twice\":1,\"twice\":2,"
	    "\"a\\\"b\":\"esc\",\"with-dash\":\"d\",\"\":\"empty\",\"n\\u0061me2\":\"u\"}"),
};

static int
compile(const char *text, struct smtp_template *t)
{
	struct str bad;

	return smtp_template_compile(&arena, str_of(text), t, &bad);
}

static void
expands(const char *text, const char *expected)
{
	struct smtp_template t;
	struct str missing;
	struct buf out;

	buf_init(&out, 0);
	if (compile(text, &t) || smtp_template_expand(&t, &values, &out, &missing))
		fail_msg("does not expand: %s", text);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void
lacks(const char *text, const char *member)
{
	struct smtp_template t;
	struct str missing = STR("");
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(compile(text, &t), 0);
	assert_int_equal(smtp_template_expand(&t, &values, &out, &missing), ERR_NOT_FOUND);
	assert_true(str_is(missing, member));
	buf_fini(&out);
}

static void
test_templates(void **state)
{
	static const char *const wrong[] = { "$", "a $ b", "$x", "$jsonx", "$json", "$json.", "${",
		"${}", "${id", "${json.}", "${json..a}", "${json.a.}", "${id.x}", "$1",
		"$json..a" };
	struct smtp_template t;

	(void)state;
	arena_init(&arena, 0);
	expands("", "");
	expands("plain", "plain");
	expands("$id $user/$stream-$trace_id.", "ID joe/mails-TRACE.");
	expands("$id.x ${id}x", "ID.x IDx");
	expands("$$5 $$$id", "$5 $ID");
	expands("Hello $json.name.", "Hello J\xc3\xb6rg.");
	expands("$json.n,$json.yes", "17.50,true");
	expands("${json.with-dash}${json.name}s", "dJ\xc3\xb6rgs");
	expands("$json.o.a.1.b ${json.o.a.0}", "deep 1");
	expands("$json.o", "{\"a\":[1,{\"b\":\"deep\"}]}");
	expands("$json.twice", "2");
	expands("${json.a\"b}", "esc");
	expands("$json.name2", "u");
	lacks("$json.gone", "gone");
	lacks("$json.none", "none");
	lacks("$json.name.x", "name.x");
	lacks("$json.o.a.2", "o.a.2");
	lacks("$json.o.a.x", "o.a.x");
	lacks("$json.n.x", "n.x");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (compile(wrong[i], &t) != ERR_BAD)
			fail_msg("taken: %s", wrong[i]);
	assert_int_equal(compile("a@b", &t), 0);
	assert_true(t.fixed && !t.has_json);
	assert_int_equal(compile("a $$", &t), 0);
	assert_true(t.fixed);
	assert_int_equal(compile("$json.a", &t), 0);
	assert_true(!t.fixed && t.has_json);
	arena_fini(&arena);
}

/* ---- encodings ---- */

static void
header_is(const char *text, const char *expected)
{
	struct buf out;

	buf_init(&out, 0);
	smtp_put_header(&out, "Subject", str_of(text));
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

/* No line is longer than max, none is empty or begins with anything but the header's name or a blank. */
static void
check_header(struct str header, size_t max)
{
	assert_true(str_ends(header, STR("\r\n")));
	for (bool first = true; header.n > 0; first = false) {
		struct str line = str_split(&header, '\n');

		assert_true(line.n > 1 && line.p[line.n - 1] == '\r');
		assert_true(str_find(line, '\r') == (ptrdiff_t)line.n - 1);
		assert_true(line.n - 1 <= max);
		assert_true(first ? str_starts(line, STR("Subject: ")) : line.p[0] == ' ');
		assert_true(first || str_trim(str_sub(line, 0, line.n - 1)).n > 0);
	}
}

static void
test_headers(void **state)
{
	(void)state;
	header_is("", "Subject: \r\n");
	header_is("hello", "Subject: hello\r\n");
	header_is(" two  words ", "Subject: two  words\r\n");
	header_is("a\r\nBcc: x@y", "Subject: a  Bcc: x@y\r\n");
	header_is("a\nb\x01\x7f"
		  "c",
	    "Subject: a b  c\r\n");
	/* RFC 2047: B of UTF-8 */
	header_is("gr\xc3\xbc\xc3\x9f", "Subject: =?UTF-8?B?Z3LDvMOf?=\r\n");
	header_is("\xc3\xbc\r\nBcc: x", "Subject: =?UTF-8?B?w7wgIEJjYzogeA==?=\r\n");
	/* What looks like an encoded word would be decoded. */
	header_is("=?x?=", "Subject: =?UTF-8?B?PT94Pz0=?=\r\n");
	header_is("1 =2", "Subject: 1 =2\r\n");
	header_is("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb "
		  "cccccccccccccccccccccccccccccc",
	    "Subject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n "
	    "cccccccccccccccccccccccccccccc\r\n");
}

static void
test_long_headers(void **state)
{
	static const char *const pieces[] = { "a", "\xc3\xbc", "\xf0\x9f\x98\x80", " ", "word ",
		"w\r\n", "\xe2\x82\xac x" };
	struct buf in, out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		for (unsigned n = 1; n < 1500; n += n < 100 ? 1 : 97) {
			buf_init(&in, 0);
			buf_init(&out, 0);
			buf_puts(&in, "x");
			for (unsigned k = 0; k < n; k++)
				buf_puts(&in, pieces[i]);
			buf_puts(&in, "x");
			smtp_put_header(&out, "Subject", buf_str(&in));
			check_header(buf_str(&out), pieces[i][0] == 'a' ? 998 : i == 3 ? 998 : 78);
			buf_fini(&in);
			buf_fini(&out);
		}
}

static void
body_is(const char *body, bool eight_bit, enum smtp_transfer how, const char *expected)
{
	struct buf out;

	assert_int_equal(smtp_transfer_of(str_of(body), eight_bit), how);
	buf_init(&out, 0);
	smtp_put_body(&out, str_of(body), how);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void
test_bodies(void **state)
{
	(void)state;
	body_is("", true, SMTP_7BIT, "");
	body_is("a", true, SMTP_7BIT, "a\r\n");
	body_is("a\nb\r\n\n", true, SMTP_7BIT, "a\r\nb\r\n\r\n");
	body_is(".\n..\na.\n", false, SMTP_7BIT, "..\r\n...\r\na.\r\n");
	body_is("\xc3\xbc\n.", true, SMTP_8BIT, "\xc3\xbc\r\n..\r\n");
	body_is("\xc3\xbc=\n.\n", false, SMTP_QUOTED, "=C3=BC=3D\r\n..\r\n");
	body_is("a\rb", true, SMTP_QUOTED, "a=0Db\r\n");
	body_is("a\r\r\nb", true, SMTP_QUOTED, "a=0D\r\nb\r\n");
	body_is("tab\t \x01 \n", true, SMTP_QUOTED, "tab\t =01=20\r\n");
	/* The end of a mail is not found within it. */
	body_is("x\r\n.\r\nMAIL FROM:<a@b>\r\n", true, SMTP_7BIT, "x\r\n..\r\nMAIL FROM:<a@b>\r\n");
	body_is("x\n.\r\nQUIT", true, SMTP_7BIT, "x\r\n..\r\nQUIT\r\n");
	body_is("x\r.\rQUIT", true, SMTP_QUOTED, "x=0D.=0DQUIT\r\n");
}

/* Undoes quoted-printable and dot-stuffing. */
static void
decode(struct str wire, struct buf *out)
{
	while (wire.n > 0) {
		struct str line = str_split(&wire, '\n');

		assert_true(line.n > 0 && line.p[line.n - 1] == '\r');
		line.n--;
		assert_true(line.n <= 77);
		if (line.n > 0 && line.p[0] == '.')
			line = str_from(line, 1);
		assert_true(line.n <= 76);
		if (line.n > 0)
			assert_true(line.p[line.n - 1] != ' ' && line.p[line.n - 1] != '\t');
		for (size_t i = 0; i < line.n; i++) {
			static const char digits[] = "0123456789ABCDEF";
			const char *high, *low;

			if (line.p[i] != '=') {
				buf_putc(out, line.p[i]);
			} else if (i + 1 < line.n) {
				assert_true(i + 2 < line.n);
				high = strchr(digits, line.p[i + 1]);
				low = strchr(digits, line.p[i + 2]);
				assert_true(high != NULL && low != NULL);
				buf_putc(out, (char)((high - digits) * 16 + (low - digits)));
				i += 2;
			}
		}
		if (line.n == 0 || line.p[line.n - 1] != '=')
			buf_putc(out, '\n');
	}
}

static void
test_quoted_printable(void **state)
{
	char text[400];
	struct buf wire, back;
	uint64_t seed = 17;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = 1 + round % (sizeof(text) - 2);

		for (size_t i = 0; i < n; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			text[i] = "ab .=\t\n\xc3\xbc.x\x01 -"[(seed >> 33) % 15];
		}
		text[n] = '\n';
		buf_init(&wire, 0);
		buf_init(&back, 0);
		smtp_put_body(&wire, str_make(text, n + 1), SMTP_QUOTED);
		decode(buf_str(&wire), &back);
		assert_int_equal(back.n, n + 1);
		assert_memory_equal(back.p, text, n + 1);
		buf_fini(&wire);
		buf_fini(&back);
	}
}

static void
test_long_lines(void **state)
{
	char *text = malloc(3000);

	(void)state;
	memset(text, 'x', 3000);
	assert_int_equal(smtp_transfer_of(str_make(text, 998), true), SMTP_7BIT);
	assert_int_equal(smtp_transfer_of(str_make(text, 999), true), SMTP_QUOTED);
	text[998] = '\r';
	text[999] = '\n';
	assert_int_equal(smtp_transfer_of(str_make(text, 1998), true), SMTP_7BIT);
	free(text);
}

/* ---- whole letters ---- */

static struct smtp_form form;
static struct smtp_letter letter;
static struct sink_result result;
static struct sink_message message = {
	.id = "0123456789abcdef0123456789abcdef",
	.stream = STR_INIT("mails"),
	.user = STR_INIT("joe"),
	.traceparent = STR_INIT("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
	.received = INT64_C(1795309323) * NS_PER_S,
};

static void
make_form(const char *from, const char *to, const char *subject, const char *body)
{
	arena_init(&arena, 0);
	assert_int_equal(compile(from, &form.from), 0);
	assert_int_equal(compile(to, &form.to), 0);
	assert_int_equal(compile(subject, &form.subject), 0);
	assert_int_equal(compile(body, &form.body), 0);
	form.max_recipients = 3;
}

static int
read_letter(const char *record)
{
	result = (struct sink_result){ .outcome = SINK_CONFIRMED };
	return smtp_letter_read(&letter, &form, &message, str_of(record), &result);
}

static void
forget(void)
{
	smtp_letter_free(&letter);
	arena_fini(&arena);
}

static void
letter_is(const char *record, bool eight_bit, const char *expected)
{
	struct buf out;
	bool used;

	if (read_letter(record))
		fail_msg("%s", result.why);
	buf_init(&out, 0);
	smtp_letter_write(&letter, &message, eight_bit, &used, &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void
test_letter(void **state)
{
	(void)state;
	make_form("Prime Check <noreply@p.example>", "$json.email", "$json.n is prime",
	    "Good news, $json.name!\nThe number $json.n is a prime number.\n");
	letter_is("{\"email\":\"a@x.example, \\\"B\\u00fc\\\" "
		  "<b@x.example>\",\"n\":17,\"name\":\"Zo\xc3\xab\"}",
	    true,
	    "Date: Sun, 22 Nov 2026 01:02:03 +0000\r\n"
	    "From: \"Prime Check\" <noreply@p.example>\r\n"
	    "To: a@x.example,\r\n"
	    " =?UTF-8?B?QsO8?= <b@x.example>\r\n"
	    "Subject: 17 is prime\r\n"
	    "Message-ID: <0123456789abcdef0123456789abcdef@p.example>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "X-Sluice-Stream: mails\r\n"
	    "X-Sluice-Trace-Id: 4bf92f3577b34da6a3ce929d0e0e4736\r\n"
	    "X-Sluice-Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n"
	    "\r\n"
	    "Good news, Zo\xc3\xab!\r\n"
	    "The number 17 is a prime number.\r\n"
	    ".\r\n");
	assert_int_equal(letter.n_to, 2);
	assert_true(str_is(letter.addresses[1], "b@x.example"));
	assert_false(letter.utf8);
	forget();
}

static void
refused(const char *record, enum sink_outcome outcome, const char *why)
{
	if (read_letter(record) == 0)
		fail_msg("taken: %s", record);
	assert_string_equal(result.why, why);
	assert_int_equal(result.outcome, outcome);
	smtp_letter_free(&letter);
}

static void
test_unfit_records(void **state)
{
	(void)state;
	make_form("me@x.example", "$json.to", "s", "$body");
	refused("hello", SINK_POISON, "the record is not JSON (at byte 0)");
	refused("{\"to\":\"a@b\"", SINK_POISON, "the record is not JSON (at byte 11)");
	refused("", SINK_POISON, "the record is not JSON (at byte 0)");
	refused("[1]", SINK_POISON, "the record is no JSON object, which to needs");
	refused("{}", SINK_POISON, "the record has no \"to\", which to needs");
	refused("{\"to\":null}", SINK_POISON, "the record has no \"to\", which to needs");
	refused("{\"to\":\"\"}", SINK_PERMANENT, "to: \"\" is no mail address");
	refused("{\"to\":\"joe\"}", SINK_PERMANENT, "to: \"joe\" is no mail address");
	refused("{\"to\":17}", SINK_PERMANENT, "to: \"17\" is no mail address");
	refused("{\"to\":\"a@b\\r\\nRCPT TO:<c@d>\"}", SINK_PERMANENT,
	    "to: \"a@b??RCPT TO:<c@d>\" is no mail address");
	refused("{\"to\":\"\\\"Joe\\r\\nBcc: x\\\" <a@b>\"}", SINK_PERMANENT,
	    "to: \"\"Joe??Bcc: x\" <a@b>\" is no mail address");
	refused("{\"to\":\"a@b\\u0000\"}", SINK_PERMANENT, "to: \"a@b?\" is no mail address");
	refused("{\"to\":\"a@b,a@b,a@b,a@b\"}", SINK_PERMANENT, "to: more than 3 addresses");
	arena_fini(&arena);
	make_form("$user@x.example, me@x.example", "a@b", "s", "$body");
	refused("x", SINK_PERMANENT, "from: there are several addresses");
	arena_fini(&arena);
	make_form("a@b", "a@b", "s", "$body");
	refused("caf\xe9", SINK_POISON, "body is not valid UTF-8");
	arena_fini(&arena);
}

/* Whatever stands in a record, no line of the header begins with it. */
static void
test_no_injection(void **state)
{
	static const char evil[] =
	    "{\"x\":\"v\\r\\nBcc: evil@x.example\\r\\n\\r\\nbody\\n.\\nMAIL\"}";
	struct buf out;
	bool used;

	(void)state;
	make_form("a@b", "c@d", "$json.x", "text\n");
	assert_int_equal(read_letter(evil), 0);
	assert_int_equal(letter.n_to, 1);
	buf_init(&out, 0);
	smtp_letter_write(&letter, &message, true, &used, &out);
	for (const char *line = buf_cstr(&out); line; line = strchr(line, '\n')) {
		line += *line == '\n';
		assert_false(strncasecmp(line, "bcc", 3) == 0 || strncmp(line, "MAIL", 4) == 0 ||
			     strncmp(line, "body", 4) == 0);
	}
	assert_non_null(strstr(out.p, "\r\n\r\ntext\r\n.\r\n"));
	buf_fini(&out);
	forget();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_long_addresses),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_long_headers),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_quoted_printable),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_letter),
		cmocka_unit_test(test_unfit_records),
		cmocka_unit_test(test_no_injection),
	};

	return cmocka_run_group_tests_name("smtp_letter", tests, NULL, NULL);
}
