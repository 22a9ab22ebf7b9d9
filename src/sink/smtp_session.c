/*
 * How a session gets ready for messages: greeting, EHLO or HELO, STARTTLS, AUTH. Called by smtp_dialogue.c.
 */
#include "sink/smtp_session.h"

#include <stdio.h>

#include "base/hash.h"

/* Any line of AUTH fits: what was said is wiped, so it must not leave copies where a buffer grew. */
#define AUTH_ROOM 1024

/* ---- commands ---- */

static void
say_hello(struct smtp_dialogue *d, enum smtp_step step)
{
	memset(&d->offers, 0, sizeof(d->offers));
	buf_printf(&d->out, "%s %.*s\r\n", smtp_doing[step], STR_ARG(d->policy->helo));
	smtp_ask(d, step);
}

static void
put_base64_line(struct smtp_dialogue *d, struct str s)
{
	buf_put_base64(&d->out, s.p, s.n);
	buf_puts(&d->out, "\r\n");
}

static void
auth_plain(struct smtp_dialogue *d, const char *command)
{
	char secret[sizeof(*d->login) + 2];
	int n =
	    snprintf(secret, sizeof(secret), "%c%s%c%s", 0, d->login->user, 0, d->login->password);

	buf_puts(&d->out, command);
	put_base64_line(d, str_make(secret, (size_t)n));
	wipe(secret, sizeof(secret));
	smtp_ask(d, SMTP_AUTH_PLAIN);
}

static void
begin_auth(struct smtp_dialogue *d)
{
	buf_reserve(&d->out, AUTH_ROOM);
	if (!d->tls && !d->policy->insecure_auth) {
		smtp_end(d, SINK_HELD, 0,
		    "the password is not sent without TLS, which the server does not offer");
	} else if (d->offers.auth_plain) {
		auth_plain(d, "AUTH PLAIN ");
	} else if (d->offers.auth_login) {
		buf_puts(&d->out, "AUTH LOGIN\r\n");
		smtp_ask(d, SMTP_AUTH_LOGIN);
	} else {
		smtp_end(d, SINK_HELD, 0, "the server offers neither AUTH PLAIN nor AUTH LOGIN");
	}
}

static void
get_ready(struct smtp_dialogue *d)
{
	d->step = SMTP_IDLE;
	d->want = SMTP_READY;
}

/* The server's offers are known. */
static void
go_on(struct smtp_dialogue *d)
{
	bool must = d->policy->starttls == SMTP_TLS_REQUIRED;

	if (!d->tls && d->policy->starttls != SMTP_TLS_OFF && d->offers.starttls) {
		buf_puts(&d->out, "STARTTLS\r\n");
		smtp_ask(d, SMTP_STARTTLS);
	} else if (!d->tls && must) {
		smtp_end(d, SINK_HELD, 0, "the server does not offer STARTTLS");
	} else if (d->login != NULL) {
		begin_auth(d);
	} else {
		get_ready(d);
	}
}

/* ---- answers ---- */

void
smtp_session_line(void *arg, unsigned number, struct str text)
{
	struct smtp_dialogue *d = arg;
	struct smtp_offers *o = &d->offers;
	struct str word = str_split(&text, ' ');

	if (d->step != SMTP_EHLO || number == 0)
		return;
	o->starttls |= str_ieq(word, STR("STARTTLS"));
	o->pipelining |= str_ieq(word, STR("PIPELINING"));
	o->eight_bit |= str_ieq(word, STR("8BITMIME"));
	o->utf8 |= str_ieq(word, STR("SMTPUTF8"));
	if (str_ieq(word, STR("SIZE"))) {
		o->size = true;
		if (text.p == NULL || str_to_u64(str_trim(text), &o->size_max))
			o->size_max = 0;
	}
	if (str_ieq(word, STR("AUTH")) || str_ieq(str_sub(word, 0, 5), STR("AUTH="))) {
		struct str first = str_from(word, 5);

		o->auth_plain |= str_ieq(first, STR("PLAIN"));
		o->auth_login |= str_ieq(first, STR("LOGIN"));
		while (text.p != NULL) {
			word = str_split(&text, ' ');
			o->auth_plain |= str_ieq(word, STR("PLAIN"));
			o->auth_login |= str_ieq(word, STR("LOGIN"));
		}
	}
}

static void
on_hello(struct smtp_dialogue *d)
{
	bool unknown = d->step == SMTP_EHLO && d->reply.code >= 500;

	if (d->reply.code == 250)
		go_on(d);
	else if (unknown && d->policy->starttls != SMTP_TLS_REQUIRED && d->login == NULL)
		say_hello(d, SMTP_HELO); /* which offers nothing */
	else
		smtp_refused(d);
}

static void
on_auth(struct smtp_dialogue *d)
{
	int code = d->reply.code;

	if (code == 235 && (d->step == SMTP_AUTH_PLAIN || d->step == SMTP_AUTH_PASSWORD)) {
		get_ready(d);
	} else if (code == 334 && d->step == SMTP_AUTH_PLAIN && !d->asked_again) {
		d->asked_again = true; /* it wants it on a line of its own */
		auth_plain(d, "");
	} else if (code == 334 && d->step == SMTP_AUTH_LOGIN) {
		put_base64_line(d, str_of(d->login->user));
		smtp_ask(d, SMTP_AUTH_USER);
	} else if (code == 334 && d->step == SMTP_AUTH_USER) {
		put_base64_line(d, str_of(d->login->password));
		smtp_ask(d, SMTP_AUTH_PASSWORD);
	} else {
		smtp_refused(d);
	}
}

static void
on_starttls(struct smtp_dialogue *d)
{
	if (d->reply.code != 220) {
		smtp_refused(d);
		return;
	}
	d->step = SMTP_HANDSHAKE;
	d->want = SMTP_WANT_TLS;
}

void
smtp_dialogue_secured(struct smtp_dialogue *d)
{
	assert(d->want == SMTP_WANT_TLS);
	d->tls = true;
	say_hello(d, SMTP_EHLO);
}

void
smtp_session_reply(struct smtp_dialogue *d)
{
	switch (d->step) {
	case SMTP_GREETING:
		if (d->reply.code == 220)
			say_hello(d, SMTP_EHLO);
		else
			smtp_refused(d);
		break;
	case SMTP_EHLO:
	case SMTP_HELO:
		on_hello(d);
		break;
	case SMTP_STARTTLS:
		on_starttls(d);
		break;
	default:
		on_auth(d);
		break;
	}
}
