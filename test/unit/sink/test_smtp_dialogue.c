/* sink/smtp_reply, smtp_dialogue, smtp_outcome: the protocol without a network. Which command follows which answer, at every split point of the answers; what each
 * refusal means; and servers that do not keep to the rules. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "sink/smtp_dialogue.h"
#include "unit/guard.h"
#include "unit/unit.h"

/* ---- replies ---- */

struct lines {
	char text[512];
};

static void
collect(void *arg, unsigned number, struct str text)
{
	struct lines *l = arg;

	snprintf(l->text + strlen(l->text), sizeof(l->text) - strlen(l->text), "%u:%.*s|", number,
	    STR_ARG(text));
}

/* What it comes to, in one piece and in single bytes, its last byte the last one readable. */
static void
reply_is(const char *in, int code, const char *text, const char *each)
{
	struct smtp_reply *r = malloc(sizeof(*r));
	struct guard g;
	struct str whole;

	guard_init(&g, 4096);
	whole = guard_tail(&g, str_of(in));
	for (unsigned step = 1; step < 3; step++) {
		struct lines l = { "" };
		size_t at = 0;

		smtp_reply_init(r);
		while (at < whole.n && r->code == 0) {
			size_t n = step == 1 ? 1 : whole.n - at;
			ssize_t used = smtp_reply_take(r, str_sub(whole, at, n), collect, &l);

			assert_true(used > 0);
			at += (size_t)used;
		}
		assert_int_equal(r->code, code);
		assert_int_equal(r->text_n, strlen(text));
		assert_memory_equal(r->text, text, r->text_n);
		assert_string_equal(l.text, each);
	}
	guard_fini(&g);
	free(r);
}

static ssize_t
reply_error(const char *in)
{
	struct smtp_reply *r = malloc(sizeof(*r));
	ssize_t used;

	smtp_reply_init(r);
	used = smtp_reply_take(r, str_of(in), NULL, NULL);
	free(r);
	return used;
}

static void
test_replies(void **state)
{
	(void)state;
	reply_is("220 hello\r\n", 220, "hello", "0:hello|");
	reply_is("250\r\n", 250, "", "0:|");
	reply_is("250 \n", 250, "", "0:|");
	reply_is("250-one\r\n250-\r\n250 two\r\n", 250, "one two", "0:one|1:|2:two|");
	reply_is("550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", 550, "5.1.1 no such user",
	    "0:5.1.1 no|1:5.1.1 such|2:5.1.1 user|");
	reply_is("421 bye\r\n250 more", 421, "bye", "0:bye|");
}

static void
test_no_replies(void **state)
{
	static const char *const none[] = { "hello\r\n", "22 x\r\n", "2200 x\r\n", "120 x\r\n",
		"620 x\r\n", "220+x\r\n", "\r\n", "25a x\r\n", "250-a\r\n251 b\r\n", "250 a\rb\r\n",
		"HTTP/1.1 400 Bad Request\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (reply_error(none[i]) != ERR_PROTOCOL)
			fail_msg("taken: %s", none[i]);
}

static void
test_endless(void **state)
{
	struct smtp_reply *r = malloc(sizeof(*r));
	ssize_t used = 0;
	unsigned n;

	(void)state;
	smtp_reply_init(r);
	for (n = 0; used >= 0; n++)
		used = smtp_reply_take(r, STR("2"), NULL, NULL);
	assert_int_equal(used, ERR_TOO_LARGE);
	assert_int_equal(n, SMTP_LINE_MAX + 1);
	smtp_reply_init(r);
	for (n = 0, used = 0; used >= 0; n++)
		used = smtp_reply_take(r, STR("250-x\r\n"), NULL, NULL);
	assert_int_equal(used, ERR_TOO_LARGE);
	assert_int_equal(n, SMTP_LINES_MAX + 1);
	free(r);
}

static void
test_enhanced(void **state)
{
	(void)state;
	assert_true(str_is(smtp_enhanced(STR("5.7.1 denied")), "5.7.1"));
	assert_true(str_is(smtp_enhanced(STR("4.0.255")), "4.0.255"));
	assert_int_equal(smtp_enhanced(STR("5.7.1234 x")).n, 0);
	assert_int_equal(smtp_enhanced(STR("5.7.x")).n, 0);
	assert_int_equal(smtp_enhanced(STR("3.1.1 x")).n, 0);
	assert_int_equal(smtp_enhanced(STR("5.1")).n, 0);
	assert_int_equal(smtp_enhanced(STR("5.1.1x")).n, 0);
	assert_int_equal(smtp_enhanced(STR("")).n, 0);
}

/* ---- sessions ---- */

/* What we say, and what is answered. NULL we: at once; "TLS": a handshake. */
struct turn {
	const char *we, *they;
};

static struct smtp_policy policy;
static struct smtp_login login;
static struct smtp_dialogue *d;
static struct str to[3];
static struct smtp_envelope envelope;
static const char text[] = "Subject: x\r\n\r\nhello\r\n.\r\n";
/* The bytes of the server are cut at this one, over all turns. */
static size_t cut_at, fed;

static int
setup(void **state)
{
	(void)state;
	policy = (struct smtp_policy){ .helo = STR("me.example"), .fixed_sender = true };
	login = (struct smtp_login){ "joe", "secret" };
	to[0] = STR("a@x.example");
	to[1] = STR("b@x.example");
	to[2] = STR("c@x.example");
	envelope = (struct smtp_envelope){
		.from = STR("me@x.example"), .to = to, .n_to = 1, .message = str_of(text)
	};
	cut_at = SIZE_MAX;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (d != NULL)
		smtp_dialogue_fini(d);
	free(d);
	d = NULL;
	return 0;
}

static void
begin(bool with_login)
{
	teardown(NULL);
	d = malloc(sizeof(*d));
	smtp_dialogue_init(d, &policy, with_login ? &login : NULL);
	fed = 0;
}

static void
feed(const char *they)
{
	struct str in = str_of(they);

	if (cut_at > fed && cut_at < fed + in.n) {
		smtp_dialogue_take(d, str_sub(in, 0, cut_at - fed));
		in = str_from(in, cut_at - fed);
		fed = cut_at;
	}
	smtp_dialogue_take(d, in);
	fed += in.n;
}

static void
play(const struct turn *turns)
{
	for (; turns->we || turns->they; turns++) {
		if (turns->we && strcmp(turns->we, "TLS") == 0) {
			assert_int_equal(smtp_dialogue_want(d), SMTP_WANT_TLS);
			smtp_dialogue_secured(d);
			continue;
		}
		if (turns->we) {
			struct str out = smtp_dialogue_output(d);
			char said[600];

			if (smtp_dialogue_want(d) != SMTP_WANT_WRITE)
				fail_msg("want %d in place of \"%s\": %s", smtp_dialogue_want(d),
				    turns->we, d->verdict.why);
			assert_true(str_copyz(said, sizeof(said), out));
			assert_string_equal(said, turns->we);
			smtp_dialogue_wrote(d);
		}
		assert_int_equal(smtp_dialogue_want(d), SMTP_WANT_READ);
		if (turns->they)
			feed(turns->they);
	}
}

#define EHLO "EHLO me.example\r\n"
#define GREET                      \
	{                          \
		NULL, "220 hi\r\n" \
	}
#define NOTHING            \
	{                  \
		NULL, NULL \
	}

/* Up to where a message may be sent. */
static void
get_ready(const char *offers)
{
	const struct turn turns[] = { GREET, { EHLO, offers }, NOTHING };

	begin(false);
	play(turns);
	assert_int_equal(smtp_dialogue_want(d), SMTP_READY);
}

static void
send_it(const struct turn *turns)
{
	smtp_dialogue_send(d, &envelope);
	play(turns);
}

static void
verdict_is(enum smtp_want want, enum sink_outcome outcome, int code, const char *why)
{
	assert_string_equal(d->verdict.why, why);
	assert_int_equal(d->verdict.outcome, outcome);
	assert_int_equal(d->verdict.code, code);
	assert_int_equal(smtp_dialogue_want(d), want);
}

static const struct turn plain_session[] = { GREET,
	{ EHLO, "250-mx\r\n250-SIZE 1000\r\n250 8BITMIME\r\n" }, NOTHING };
static const struct turn plain_message[] = { { "MAIL FROM:<me@x.example> SIZE=24\r\n",
						 "250 2.1.0 ok\r\n" },
	{ "RCPT TO:<a@x.example>\r\n", "250-2.1.5\r\n250 2.1.5 ok\r\n" },
	{ "DATA\r\n", "354 go\r\n" }, { text, "250 2.0.0 queued as 17\r\n" }, NOTHING };

static void
test_message(void **state)
{
	(void)state;
	for (cut_at = 0; cut_at < 220; cut_at++) {
		begin(false);
		play(plain_session);
		for (unsigned i = 0; i < 2; i++) {
			send_it(plain_message);
			verdict_is(SMTP_READY, SINK_CONFIRMED, 250, "250 2.0.0 queued as 17");
			assert_true(d->text_sent);
			assert_false(d->spent);
		}
	}
	assert_true(fed < cut_at); /* all of them */
}

static void
test_pipelining(void **state)
{
	const struct turn message[] = { { "MAIL FROM:<me@x.example>\r\nRCPT TO:<a@x.example>\r\n"
					  "RCPT TO:<b@x.example>\r\n",
					    "250 ok\r\n250 ok\r\n251 will forward\r\n" },
		{ "DATA\r\n", "354 go\r\n" }, { text, "250 ok\r\n" }, NOTHING };

	(void)state;
	envelope.n_to = 2;
	for (cut_at = 0; cut_at < 120; cut_at++) {
		get_ready("250-mx\r\n250 PIPELINING\r\n");
		send_it(message);
		verdict_is(SMTP_READY, SINK_CONFIRMED, 250, "250 ok");
	}
}

static void
test_hello_falls_back(void **state)
{
	const struct turn turns[] = { GREET, { EHLO, "502 5.5.1 what?\r\n" },
		{ "HELO me.example\r\n", "250 mx\r\n" }, NOTHING };
	const struct turn refused[] = { GREET, { EHLO, "500 what?\r\n" },
		{ "HELO me.example\r\n", "550 go away\r\n" }, NOTHING };

	(void)state;
	begin(false);
	play(turns);
	assert_int_equal(smtp_dialogue_want(d), SMTP_READY);
	begin(false);
	play(refused);
	verdict_is(SMTP_OVER, SINK_HELD, 550, "550 go away (HELO)");
	/* HELO has neither TLS nor a login. */
	policy.starttls = SMTP_TLS_REQUIRED;
	begin(false);
	play((const struct turn[]){ GREET, { EHLO, "500 what?\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_HELD, 500, "500 what? (EHLO)");
}

/* ---- TLS, login ---- */

static void
test_starttls(void **state)
{
	const struct turn turns[] = { GREET,
		{ EHLO, "250-mx\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n" },
		{ "STARTTLS\r\n", "220 2.0.0 go\r\n" }, { "TLS", NULL },
		{ EHLO, "250-mx\r\n250 AUTH PLAIN\r\n" },
		{ "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "235 welcome\r\n" }, NOTHING };

	(void)state;
	for (policy.starttls = SMTP_TLS_ON; policy.starttls <= SMTP_TLS_REQUIRED; policy.starttls++)
		for (cut_at = 0; cut_at < 130; cut_at++) {
			begin(true);
			play(turns);
			assert_int_equal(smtp_dialogue_want(d), SMTP_READY);
			assert_false(d->offers.auth_login); /* was said before TLS */
			assert_false(d->offers.starttls);
		}
}

/* Whatever is said behind the 220 in plain text would be taken for said under TLS. */
static void
test_command_injection(void **state)
{
	static const char *const tails[] = { "250-evil\r\n250 AUTH PLAIN\r\n", "2", "\r\n", "\0" };

	(void)state;
	policy.starttls = SMTP_TLS_ON;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++)
		for (unsigned piece = 0; piece < 2; piece++) {
			char reply[100];
			size_t n = (size_t)snprintf(reply, sizeof(reply), "220 go\r\n");
			size_t tail = MAX(strlen(tails[i]), (size_t)1);

			memcpy(reply + n, tails[i], tail);
			begin(true);
			play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 STARTTLS\r\n" },
			    { "STARTTLS\r\n", NULL }, NOTHING });
			if (piece) {
				smtp_dialogue_take(d, str_make(reply, n));
				assert_int_equal(smtp_dialogue_want(d), SMTP_WANT_TLS);
				smtp_dialogue_take(d, str_make(reply + n, tail));
			} else {
				smtp_dialogue_take(d, str_make(reply, n + tail));
			}
			verdict_is(SMTP_OVER, SINK_HELD, 0,
			    "bytes behind the answer to STARTTLS: somebody may be in between");
		}
}

static void
test_tls_is_missing(void **state)
{
	(void)state;
	policy.starttls = SMTP_TLS_REQUIRED;
	begin(false);
	play((const struct turn[]){ GREET, { EHLO, "250 mx\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_HELD, 0, "the server does not offer STARTTLS");
	begin(false);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 STARTTLS\r\n" },
	    { "STARTTLS\r\n", "454 4.7.0 not now\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_AGAIN, 454, "454 4.7.0 not now (STARTTLS)");
	begin(false);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 STARTTLS\r\n" },
	    { "STARTTLS\r\n", "501 no\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_HELD, 501, "501 no (STARTTLS)");
	/* The password stays here. */
	policy.starttls = SMTP_TLS_ON;
	begin(true);
	play((const struct turn[]){
	    GREET, { EHLO, "250-mx\r\n250 AUTH PLAIN LOGIN\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_HELD, 0,
	    "the password is not sent without TLS, which the server does not offer");
	policy.starttls = SMTP_TLS_OFF;
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 STARTTLS\r\n" }, NOTHING });
	assert_int_equal(smtp_dialogue_want(d), SMTP_OVER);
}

#define LOGIN_TURNS                                   \
	{ "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n" }, \
	{                                             \
		"am9l\r\n", "334 UGFzc3dvcmQ6\r\n"    \
	}

static void
test_auth(void **state)
{
	(void)state;
	policy.tls = true;
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 AUTH CRAM-MD5 LOGIN\r\n" },
	    LOGIN_TURNS, { "c2VjcmV0\r\n", "235 ok\r\n" }, NOTHING });
	assert_int_equal(smtp_dialogue_want(d), SMTP_READY);
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 AUTH=LOGIN PLAIN\r\n" },
	    { "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "334 \r\n" },
	    { "AGpvZQBzZWNyZXQ=\r\n", "235 ok\r\n" }, NOTHING });
	assert_int_equal(smtp_dialogue_want(d), SMTP_READY);
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 AUTH LOGIN\r\n" }, LOGIN_TURNS,
	    { "c2VjcmV0\r\n", "535 5.7.8 bad password\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_HELD, 535, "535 5.7.8 bad password (AUTH)");
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 AUTH PLAIN\r\n" },
	    { "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "454 4.7.0 directory away\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_AGAIN, 454, "454 4.7.0 directory away (AUTH)");
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 AUTH GSSAPI\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_HELD, 0, "the server offers neither AUTH PLAIN nor AUTH LOGIN");
	/* Asked for it for ever. */
	begin(true);
	play((const struct turn[]){ GREET, { EHLO, "250-mx\r\n250 AUTH PLAIN\r\n" },
	    { "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", "334 \r\n" },
	    { "AGpvZQBzZWNyZXQ=\r\n", "334 \r\n" }, NOTHING });
	assert_int_equal(smtp_dialogue_want(d), SMTP_OVER);
}

/* ---- refusals ---- */

#define MAIL "MAIL FROM:<me@x.example>\r\n"
#define RCPT "RCPT TO:<a@x.example>\r\n"

static void
test_greetings(void **state)
{
	static const struct {
		const char *they;
		enum sink_outcome outcome;
		const char *why;
	} table[] = {
		{ "554 5.3.2 no\r\n", SINK_HELD, "554 5.3.2 no (greeting)" },
		{ "421 busy\r\n", SINK_AGAIN, "421 busy (greeting)" },
		{ "450 later\r\n", SINK_AGAIN, "450 later (greeting)" },
		{ "250 hi\r\n", SINK_AGAIN, "250 hi (greeting)" },
		{ "354 hi\r\n", SINK_AGAIN, "354 hi (greeting)" },
		{ "SSH-2.0-x\r\n", SINK_AGAIN, "the server's answer is no SMTP (greeting)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		begin(false);
		feed(table[i].they);
		assert_string_equal(d->verdict.why, table[i].why);
		assert_int_equal(d->verdict.outcome, table[i].outcome);
		assert_int_equal(smtp_dialogue_want(d), SMTP_OVER);
	}
}

/* Refused at MAIL, RCPT, DATA or behind the text, with and without pipelining; the connection is used again, after RSET. */
static void
test_refusals(void **state)
{
	static const struct {
		const char *at, *they;
		bool any_sender;
		enum sink_outcome outcome;
		const char *why;
	} table[] = {
		{ MAIL, "451 4.3.0 later\r\n", false, SINK_AGAIN, "451 4.3.0 later (MAIL)" },
		{ MAIL, "550 5.1.8 no\r\n", false, SINK_PERMANENT, "550 5.1.8 no (MAIL)" },
		{ MAIL, "550 5.7.1 denied\r\n", false, SINK_HELD, "550 5.7.1 denied (MAIL)" },
		{ MAIL, "550 5.7.1 denied\r\n", true, SINK_PERMANENT, "550 5.7.1 denied (MAIL)" },
		{ MAIL, "530 5.7.0 log in\r\n", true, SINK_HELD, "530 5.7.0 log in (MAIL)" },
		{ MAIL, "552 5.3.4 too big\r\n", false, SINK_PERMANENT,
		    "552 5.3.4 too big (MAIL)" },
		{ MAIL, "221 hm\r\n", false, SINK_AGAIN, "221 hm (MAIL)" },
		{ RCPT, "550 5.1.1 no such user\r\n", false, SINK_PERMANENT,
		    "550 5.1.1 no such user (RCPT a@x.example)" },
		{ RCPT, "450 4.2.0 greylisted\r\n", false, SINK_AGAIN,
		    "450 4.2.0 greylisted (RCPT a@x.example)" },
		{ RCPT, "554 5.7.1 relay denied\r\n", false, SINK_PERMANENT,
		    "554 5.7.1 relay denied (RCPT a@x.example)" },
		{ RCPT, "530 log in\r\n", false, SINK_HELD, "530 log in (RCPT a@x.example)" },
		{ "DATA\r\n", "451 full\r\n", false, SINK_AGAIN, "451 full (DATA)" },
		{ "DATA\r\n", "554 no\r\n", false, SINK_PERMANENT, "554 no (DATA)" },
		{ text, "452 4.3.1 full\r\n", false, SINK_AGAIN, "452 4.3.1 full" },
		{ text, "550 5.7.1 spam\r\n", false, SINK_PERMANENT, "550 5.7.1 spam" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		static const char *const steps[] = { MAIL, RCPT, "DATA\r\n", text };
		bool over = false;

		policy.fixed_sender = !table[i].any_sender;
		get_ready("250 mx\r\n");
		smtp_dialogue_send(d, &envelope);
		for (size_t k = 0; !over; k++) {
			over = strcmp(table[i].at, steps[k]) == 0;
			play((const struct turn[]){ { steps[k], over     ? table[i].they
								: k == 2 ? "354 go\r\n"
									 : "250 ok\r\n" },
			    NOTHING });
		}
		verdict_is(SMTP_READY, table[i].outcome, atoi(table[i].they), table[i].why);
		smtp_dialogue_send(d, &envelope);
		if (table[i].at != text) {
			play((const struct turn[]){ { "RSET\r\n", "250 ok\r\n" }, NOTHING });
		}
		play((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "250 ok\r\n" },
		    { "DATA\r\n", "354 go\r\n" }, { text, "250 ok\r\n" }, NOTHING });
		verdict_is(SMTP_READY, SINK_CONFIRMED, 250, "250 ok");
	}
}

/* All of them or none: the worst of their answers counts, and no DATA follows. */
static void
test_several_recipients(void **state)
{
	static const struct {
		const char *answers[3];
		enum sink_outcome outcome;
		const char *why;
	} table[] = {
		{ { "250 ok\r\n", "450 later\r\n", "250 ok\r\n" }, SINK_AGAIN,
		    "450 later (RCPT b@x.example)" },
		{ { "450 later\r\n", "550 never\r\n", "250 ok\r\n" }, SINK_PERMANENT,
		    "550 never (RCPT b@x.example)" },
		{ { "550 never\r\n", "450 later\r\n", "451 later\r\n" }, SINK_PERMANENT,
		    "550 never (RCPT a@x.example)" },
		{ { "450 later\r\n", "530 log in\r\n", "250 ok\r\n" }, SINK_HELD,
		    "530 log in (RCPT b@x.example)" },
		{ { "530 log in\r\n", "250 ok\r\n", "550 never\r\n" }, SINK_PERMANENT,
		    "550 never (RCPT c@x.example)" },
	};
	static const char *const commands[] = { RCPT, "RCPT TO:<b@x.example>\r\n",
		"RCPT TO:<c@x.example>\r\n" };
	char reply[200];

	(void)state;
	envelope.n_to = 3;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		get_ready("250 mx\r\n");
		send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, NOTHING });
		for (size_t k = 0; k < 3; k++)
			play(
			    (const struct turn[]){ { commands[k], table[i].answers[k] }, NOTHING });
		verdict_is(SMTP_READY, table[i].outcome, atoi(table[i].why), table[i].why);
		snprintf(reply, sizeof(reply), "250 ok\r\n%s%s%s", table[i].answers[0],
		    table[i].answers[1], table[i].answers[2]);
		get_ready("250-mx\r\n250 PIPELINING\r\n");
		send_it((const struct turn[]){
		    { MAIL RCPT "RCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\n", reply },
		    NOTHING });
		verdict_is(SMTP_READY, table[i].outcome, atoi(table[i].why), table[i].why);
	}
}

/* What the server says to the recipients of a sender it has refused says nothing of them. */
static void
test_pipelined_refusal(void **state)
{
	(void)state;
	get_ready("250-mx\r\n250 PIPELINING\r\n");
	send_it((const struct turn[]){
	    { MAIL RCPT, "451 later\r\n503 5.5.1 MAIL first\r\n" }, NOTHING });
	verdict_is(SMTP_READY, SINK_AGAIN, 451, "451 later (MAIL)");
	/* It takes the recipient all the same: still no DATA. */
	get_ready("250-mx\r\n250 PIPELINING\r\n");
	send_it((const struct turn[]){ { MAIL RCPT, "451 later\r\n250 ok\r\n" }, NOTHING });
	verdict_is(SMTP_READY, SINK_AGAIN, 451, "451 later (MAIL)");
}

static void
test_own_rules(void **state)
{
	struct classify_rule done = { .from = 550, .to = 550, .outcome = SINK_CONFIRMED };
	struct classify_rule rules = {
		.next = &done, .from = 554, .to = 554, .outcome = SINK_AGAIN
	};

	(void)state;
	policy.rules = &rules;
	get_ready("250 mx\r\n");
	send_it(
	    (const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "554 5.7.1 no\r\n" }, NOTHING });
	verdict_is(SMTP_READY, SINK_AGAIN, 554, "554 5.7.1 no (RCPT a@x.example)");
	/* "done": as if it had been taken. The others get theirs. */
	envelope.n_to = 2;
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "550 no\r\n" },
	    { "RCPT TO:<b@x.example>\r\n", "250 ok\r\n" }, { "DATA\r\n", "354 go\r\n" },
	    { text, "250 ok\r\n" }, NOTHING });
	verdict_is(SMTP_READY, SINK_CONFIRMED, 250, "250 ok");
	envelope.n_to = 1;
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "550 no\r\n" }, NOTHING });
	assert_int_equal(d->verdict.outcome, SINK_CONFIRMED);
	/* Not so where no message is in question. */
	begin(false);
	feed("550 no\r\n");
	assert_int_equal(d->verdict.outcome, SINK_AGAIN);
}

static void
test_said_beforehand(void **state)
{
	(void)state;
	get_ready("250-mx\r\n250 SIZE 10\r\n");
	smtp_dialogue_send(d, &envelope);
	verdict_is(SMTP_READY, SINK_PERMANENT, 0, "the message has 24 bytes, the server takes 10");
	envelope.utf8 = true;
	get_ready("250-mx\r\n250-SIZE\r\n250 8BITMIME\r\n");
	smtp_dialogue_send(d, &envelope);
	verdict_is(SMTP_READY, SINK_PERMANENT, 0,
	    "an address is not ASCII, and the server does not offer SMTPUTF8");
	envelope.eight_bit = true;
	get_ready("250-mx\r\n250-size 18446744073709551616\r\n250-8bitmime\r\n250 smtputf8\r\n");
	send_it((const struct turn[]){
	    { "MAIL FROM:<me@x.example> SIZE=24 BODY=8BITMIME SMTPUTF8\r\n", "250 ok\r\n" },
	    NOTHING });
}

/* ---- servers that go, or do not keep to the rules ---- */

static void
test_421(void **state)
{
	(void)state;
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "421 4.3.2 closing\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_AGAIN, 421, "421 4.3.2 closing (MAIL)");
	/* Behind an answer that settles the matter: it stands, but nothing more goes here. */
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "250 ok\r\n" },
	    { "DATA\r\n", "354 go\r\n" }, { text, "250 ok\r\n421 closing\r\n" }, NOTHING });
	verdict_is(SMTP_READY, SINK_CONFIRMED, 250, "250 ok");
	assert_true(d->spent);
}

static void
test_answers_unasked(void **state)
{
	(void)state;
	begin(false);
	feed("220 hi\r\n250 mx\r\n");
	verdict_is(SMTP_OVER, SINK_AGAIN, 0, "the server answered before it was asked (EHLO)");
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){
	    { MAIL, "250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_AGAIN, 0, "the server answered before it was asked (RCPT)");
	assert_false(d->text_sent);
}

static void
test_out_of_place(void **state)
{
	(void)state;
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "354 go\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_AGAIN, 354, "354 go (MAIL)");
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "250 ok\r\n" },
	    { "DATA\r\n", "250 ok\r\n" }, NOTHING });
	verdict_is(SMTP_OVER, SINK_AGAIN, 250, "250 ok (DATA)");
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "250 ok\r\n" },
	    { "DATA\r\n", "354 go\r\n" }, { text, "354 go on\r\n" }, NOTHING });
	assert_int_equal(smtp_dialogue_want(d), SMTP_OVER);
	assert_int_equal(d->verdict.outcome, SINK_AGAIN);
}

static void
test_losses(void **state)
{
	(void)state;
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, NULL }, NOTHING });
	smtp_dialogue_fail(d, ERR_CLOSED, NULL);
	verdict_is(SMTP_OVER, SINK_AGAIN, 0, "closed by peer (MAIL)");
	assert_true(d->lost);
	get_ready("250 mx\r\n");
	send_it((const struct turn[]){ { MAIL, "250 ok\r\n" }, { RCPT, "250 ok\r\n" },
	    { "DATA\r\n", "354 go\r\n" }, { text, NULL }, NOTHING });
	smtp_dialogue_fail(d, ERR_TIMEOUT, NULL);
	verdict_is(SMTP_OVER, SINK_AGAIN, 0, "timed out (message)");
	assert_true(d->text_sent);
	assert_false(d->lost);
	/* What is over stays what it is. */
	smtp_dialogue_fail(d, ERR_CLOSED, NULL);
	smtp_dialogue_take(d, STR("250 ok\r\n"));
	verdict_is(SMTP_OVER, SINK_AGAIN, 0, "timed out (message)");
}

/* A server's words do not end the line in a log, and are cut at a whole character. */
static void
test_words_are_safe(void **state)
{
	char reply[600];

	(void)state;
	begin(false);
	feed("554 bad\x1b[31m\x01 \xff\r\n");
	verdict_is(SMTP_OVER, SINK_HELD, 554, "554 bad\\x1b[31m\\x01 \\xff (greeting)");
	snprintf(reply, sizeof(reply), "554 %0*d\r\n", 500, 0);
	begin(false);
	feed(reply);
	assert_true(strlen(d->verdict.why) < sizeof(d->verdict.why));
	assert_int_equal(d->verdict.code, 554);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_replies),
		CASE(test_no_replies),
		CASE(test_endless),
		CASE(test_enhanced),
		CASE(test_message),
		CASE(test_pipelining),
		CASE(test_hello_falls_back),
		CASE(test_starttls),
		CASE(test_command_injection),
		CASE(test_tls_is_missing),
		CASE(test_auth),
		CASE(test_greetings),
		CASE(test_refusals),
		CASE(test_several_recipients),
		CASE(test_pipelined_refusal),
		CASE(test_own_rules),
		CASE(test_said_beforehand),
		CASE(test_421),
		CASE(test_answers_unasked),
		CASE(test_out_of_place),
		CASE(test_losses),
		CASE(test_words_are_safe),
	};

	return cmocka_run_group_tests_name("smtp_dialogue", tests, NULL, NULL);
}
