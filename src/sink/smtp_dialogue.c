/*
 * See smtp_dialogue.h: bytes to answers, and from the message to its verdict. How a session gets ready for messages is in smtp_session.c, what a refusal
 * means in smtp_outcome.c.
 */
#include "sink/smtp_dialogue.h"

#include <stdio.h>

#include "base/hash.h"
#include "sink/smtp_outcome.h"
#include "sink/smtp_session.h"

const char *const smtp_doing[] = {
	[SMTP_GREETING] = "greeting",
	[SMTP_EHLO] = "EHLO",
	[SMTP_HELO] = "HELO",
	[SMTP_STARTTLS] = "STARTTLS",
	[SMTP_HANDSHAKE] = "TLS",
	[SMTP_AUTH_PLAIN] = "AUTH",
	[SMTP_AUTH_LOGIN] = "AUTH",
	[SMTP_AUTH_USER] = "AUTH",
	[SMTP_AUTH_PASSWORD] = "AUTH",
	[SMTP_IDLE] = "idle",
	[SMTP_RSET] = "RSET",
	[SMTP_MAIL] = "MAIL",
	[SMTP_RCPT] = "RCPT",
	[SMTP_DATA] = "DATA",
	[SMTP_TEXT] = "message",
	[SMTP_ENDED] = "end",
};

void
smtp_dialogue_init(
    struct smtp_dialogue *d, const struct smtp_policy *policy, const struct smtp_login *login)
{
	memset(d, 0, sizeof(*d));
	d->policy = policy;
	d->login = login;
	d->tls = policy->tls;
	d->step = SMTP_GREETING;
	d->want = SMTP_WANT_READ;
	buf_init(&d->out, 0);
	smtp_reply_init(&d->reply);
}

void
smtp_dialogue_fini(struct smtp_dialogue *d)
{
	if (d->out.p != NULL)
		wipe(d->out.p, d->out.cap);
	buf_fini(&d->out);
}

/* ---- ends ---- */

void
smtp_end(struct smtp_dialogue *d, enum sink_outcome outcome, int code, const char *why)
{
	d->verdict.outcome = outcome;
	d->verdict.code = code;
	snprintf(d->verdict.why, sizeof(d->verdict.why), "%s", why);
	d->step = SMTP_ENDED;
	d->want = SMTP_OVER;
}

void
smtp_dialogue_fail(struct smtp_dialogue *d, int err, const char *what)
{
	char why[sizeof(d->verdict.why)];

	if (d->want == SMTP_OVER)
		return;
	if (d->step == SMTP_IDLE || d->step == SMTP_HANDSHAKE)
		snprintf(why, sizeof(why), "%s", what ? what : err_text(err));
	else
		snprintf(
		    why, sizeof(why), "%s (%s)", what ? what : err_text(err), smtp_doing[d->step]);
	d->lost = err == ERR_CLOSED;
	smtp_end(d, classify_error(err), 0, why);
}

/* The last reply, as a text for people; of a recipient's refusal with his address. */
static void
describe(const struct smtp_dialogue *d, char *why, size_t cap)
{
	bool rcpt = d->step == SMTP_RCPT && d->answered < d->envelope->n_to;
	struct str to = rcpt ? d->envelope->to[d->answered] : STR("");
	size_t n;

	classify_why(why, cap, d->reply.code, str_make(d->reply.text, d->reply.text_n), STR(""));
	n = strlen(why);
	if (d->step != SMTP_TEXT && n + to.n + 20 < cap)
		snprintf(why + n, cap - n, " (%s%s%.*s)", smtp_doing[d->step], rcpt ? " " : "",
		    STR_ARG(to));
}

static enum sink_outcome
judge(const struct smtp_dialogue *d)
{
	return smtp_judge(d->policy, d->step, d->reply.code,
	    smtp_enhanced(str_make(d->reply.text, d->reply.text_n)));
}

void
smtp_refused(struct smtp_dialogue *d)
{
	char why[sizeof(d->verdict.why)];

	describe(d, why, sizeof(why));
	smtp_end(d, judge(d), d->reply.code, why);
}

/* The message's fate is known; the session lives. */
static void
conclude(struct smtp_dialogue *d)
{
	d->envelope = NULL;
	d->step = SMTP_IDLE;
	d->want = SMTP_READY;
}

/* A reply that refuses the message, or one of its recipients: the worst counts. */
static void
note_refusal(struct smtp_dialogue *d)
{
	enum sink_outcome outcome = judge(d);

	if (smtp_severity(outcome) <= smtp_severity(d->verdict.outcome))
		return;
	d->verdict.outcome = outcome;
	d->verdict.code = d->reply.code;
	describe(d, d->verdict.why, sizeof(d->verdict.why));
}

/* ---- commands ---- */

void
smtp_ask(struct smtp_dialogue *d, enum smtp_step step)
{
	d->step = step;
	d->want = SMTP_WANT_WRITE;
	if (buf_failed(&d->out))
		smtp_dialogue_fail(d, buf_failed(&d->out), NULL);
}

static void
put_mail(struct smtp_dialogue *d)
{
	const struct smtp_envelope *e = d->envelope;

	buf_printf(&d->out, "MAIL FROM:<%.*s>", STR_ARG(e->from));
	if (d->offers.size)
		buf_printf(&d->out, " SIZE=%zu", e->message.n);
	if (e->eight_bit)
		buf_puts(&d->out, " BODY=8BITMIME");
	if (e->utf8)
		buf_puts(&d->out, " SMTPUTF8");
	buf_puts(&d->out, "\r\n");
}

static void
put_rcpt(struct smtp_dialogue *d, unsigned i)
{
	buf_printf(&d->out, "RCPT TO:<%.*s>\r\n", STR_ARG(d->envelope->to[i]));
}

static void
ask_mail(struct smtp_dialogue *d)
{
	put_mail(d);
	for (unsigned i = 0; d->offers.pipelining && i < d->envelope->n_to; i++)
		put_rcpt(d, i);
	d->dirty = true;
	smtp_ask(d, SMTP_MAIL);
}

/* False, with the verdict, where the server has said beforehand that it will not take it. */
static bool
may_send(struct smtp_dialogue *d, const struct smtp_envelope *e)
{
	struct smtp_verdict *v = &d->verdict;

	*v = (struct smtp_verdict){ .outcome = SINK_PERMANENT };
	if (e->utf8 && !d->offers.utf8)
		snprintf(v->why, sizeof(v->why),
		    "an address is not ASCII, and the server does not offer SMTPUTF8");
	else if (d->offers.size_max > 0 && e->message.n > d->offers.size_max)
		snprintf(v->why, sizeof(v->why), "the message has %zu bytes, the server takes %llu",
		    e->message.n, (unsigned long long)d->offers.size_max);
	else
		*v = (struct smtp_verdict){ .outcome = SINK_CONFIRMED };
	return v->outcome == SINK_CONFIRMED;
}

void
smtp_dialogue_send(struct smtp_dialogue *d, const struct smtp_envelope *e)
{
	assert(d->want == SMTP_READY);
	d->answered = d->accepted = 0;
	d->sender_refused = d->text_sent = false;
	if (!may_send(d, e))
		return;
	d->envelope = e;
	if (!d->dirty) {
		ask_mail(d);
		return;
	}
	buf_puts(&d->out, "RSET\r\n");
	smtp_ask(d, SMTP_RSET);
}

/* ---- answers ---- */

/* All recipients have their answers: the message goes to all of them or to none. */
static void
on_recipients(struct smtp_dialogue *d)
{
	if (d->sender_refused || d->verdict.outcome != SINK_CONFIRMED || d->accepted == 0) {
		conclude(d);
		return;
	}
	buf_puts(&d->out, "DATA\r\n");
	smtp_ask(d, SMTP_DATA);
}

static void
on_rcpt(struct smtp_dialogue *d)
{
	if (d->reply.code / 10 == 25)
		d->accepted++;
	else if (!d->sender_refused)
		note_refusal(d);
	d->answered++;
	if (d->answered == d->envelope->n_to) {
		on_recipients(d);
	} else if (!d->offers.pipelining) {
		put_rcpt(d, d->answered);
		smtp_ask(d, SMTP_RCPT);
	}
}

static void
on_mail(struct smtp_dialogue *d)
{
	bool good = d->reply.code == 250;

	d->sender_refused = !good;
	if (!good)
		note_refusal(d);
	if (d->offers.pipelining) {
		d->step = SMTP_RCPT; /* their answers come, whatever this one was */
	} else if (!good) {
		conclude(d);
	} else {
		put_rcpt(d, 0);
		smtp_ask(d, SMTP_RCPT);
	}
}

static void
on_data(struct smtp_dialogue *d)
{
	if (d->reply.code == 354) {
		d->text_sent = true;
		smtp_ask(d, SMTP_TEXT);
		return;
	}
	note_refusal(d);
	conclude(d);
}

static void
on_text(struct smtp_dialogue *d)
{
	if (d->reply.code / 100 != 2)
		note_refusal(d);
	else
		describe(d, d->verdict.why, sizeof(d->verdict.why));
	d->verdict.code = d->reply.code;
	d->dirty = false;
	conclude(d);
}

/* Neither yes nor no: what follows would be guesswork. */
static bool
is_out_of_place(const struct smtp_dialogue *d)
{
	static const int also[] = { [SMTP_AUTH_PLAIN] = 334,
		[SMTP_AUTH_LOGIN] = 334,
		[SMTP_AUTH_USER] = 334,
		[SMTP_DATA] = 354,
		[SMTP_ENDED] = 0 };
	int code = d->reply.code;

	if (code >= 400)
		return false;
	if (d->step == SMTP_DATA || d->step == SMTP_AUTH_LOGIN || d->step == SMTP_AUTH_USER)
		return code != also[d->step];
	return code >= 300 && code != also[d->step];
}

static void
on_reply(struct smtp_dialogue *d)
{
	if (d->reply.code == 421) {
		smtp_refused(d); /* the server closes the connection */
		return;
	}
	if (is_out_of_place(d)) {
		char why[sizeof(d->verdict.why)];

		describe(d, why, sizeof(why));
		smtp_end(d, SINK_AGAIN, d->reply.code, why);
		return;
	}
	switch (d->step) {
	case SMTP_RSET:
		if (d->reply.code == 250)
			ask_mail(d);
		else
			smtp_refused(d);
		break;
	case SMTP_MAIL:
		on_mail(d);
		break;
	case SMTP_RCPT:
		on_rcpt(d);
		break;
	case SMTP_DATA:
		on_data(d);
		break;
	case SMTP_TEXT:
		on_text(d);
		break;
	default:
		smtp_session_reply(d);
		break;
	}
}

/* ---- bytes ---- */

struct str
smtp_dialogue_output(const struct smtp_dialogue *d)
{
	return d->step == SMTP_TEXT ? d->envelope->message : buf_str(&d->out);
}

void
smtp_dialogue_wrote(struct smtp_dialogue *d)
{
	assert(d->want == SMTP_WANT_WRITE);
	if (d->login != NULL && d->out.p != NULL)
		wipe(d->out.p, d->out.cap);
	buf_reset(&d->out);
	d->want = SMTP_WANT_READ;
}

/* Bytes that answer nothing. */
static void
on_excess(struct smtp_dialogue *d)
{
	if (d->want == SMTP_WANT_TLS)
		smtp_dialogue_fail(
		    d, ERR_TLS, "bytes behind the answer to STARTTLS: somebody may be in between");
	else if (d->want == SMTP_READY)
		d->spent = true; /* the verdict stands */
	else
		smtp_dialogue_fail(d, ERR_PROTOCOL, "the server answered before it was asked");
}

void
smtp_dialogue_take(struct smtp_dialogue *d, struct str in)
{
	while (in.n > 0 && d->want != SMTP_OVER) {
		ssize_t used;

		if (d->want != SMTP_WANT_READ) {
			on_excess(d);
			return;
		}
		used = smtp_reply_take(&d->reply, in, smtp_session_line, d);
		if (used < 0) {
			smtp_dialogue_fail(d, ERR_PROTOCOL,
			    used == ERR_TOO_LARGE ? "the server's answer does not end"
						  : "the server's answer is no SMTP");
			return;
		}
		in = str_from(in, (size_t)used);
		if (d->reply.code != 0)
			on_reply(d);
	}
}
