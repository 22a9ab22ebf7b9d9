/*
 * The client's side of SMTP without I/O (RFC 5321; STARTTLS: RFC 3207; AUTH: RFC 4954; SIZE, 8BITMIME, SMTPUTF8, PIPELINING): bytes of the server in, bytes
 * for it out. smtp_link.c moves them.
 *
 *	greeting, EHLO (or HELO), STARTTLS, EHLO, AUTH      ──> ready
 *	ready, smtp_dialogue_send: MAIL, RCPT …, DATA, text ──> ready, with a verdict
 *	anything that ends the session                      ──> over, with a verdict
 *
 * Promises: no command leaves before the answer it depends on (MAIL and its RCPTs go together where the server offers PIPELINING, DATA never with
 * them, so that a message goes to all of its recipients or to none); what was said before TLS is forgotten; a byte that arrives behind the
 * answer to STARTTLS ends the session, since it would pass for one said under TLS; credentials leave only under TLS unless the policy allows more.
 */
#ifndef SLUICE_SINK_SMTP_DIALOGUE_H
#define SLUICE_SINK_SMTP_DIALOGUE_H

#include "base/buf.h"
#include "sink/classify.h"
#include "sink/smtp_reply.h"

enum smtp_starttls { SMTP_TLS_OFF, SMTP_TLS_ON /* where offered */, SMTP_TLS_REQUIRED };

struct smtp_login {
	char user[256], password[256];
};

/* Borrowed for the dialogue's life. */
struct smtp_policy {
	struct str helo; /* our name */
	int starttls;
	bool tls; /* the connection is under TLS from its start */
	bool insecure_auth;
	bool fixed_sender;                 /* the same for all messages: its refusal is ours */
	const struct classify_rule *rules; /* the operator's own; NULL: none */
};

/* What the server offers; of the last EHLO. */
struct smtp_offers {
	bool starttls, pipelining, eight_bit, utf8, size, auth_plain, auth_login;
	uint64_t size_max; /* 0: no limit told */
};

struct smtp_envelope {
	struct str from; /* addresses as they go between < and > */
	const struct str *to;
	unsigned n_to;
	struct str message;   /* dot-stuffed, ends in CR LF . CR LF */
	bool eight_bit, utf8; /* it needs 8BITMIME, SMTPUTF8 */
};

struct smtp_verdict {
	enum sink_outcome outcome;
	int code; /* the server's; 0: none */
	char why[240];
};

enum smtp_want {
	SMTP_WANT_WRITE, /* smtp_dialogue_output, all of it, then smtp_dialogue_wrote */
	SMTP_WANT_READ,  /* smtp_dialogue_take */
	SMTP_WANT_TLS,   /* a handshake, then smtp_dialogue_secured */
	SMTP_READY,      /* for a message; verdict: of the last one */
	SMTP_OVER        /* close the connection; verdict: why */
};

enum smtp_step {
	SMTP_GREETING,
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_STARTTLS,
	SMTP_HANDSHAKE,
	SMTP_AUTH_PLAIN,
	SMTP_AUTH_LOGIN, /* then its user's, then its password's answer */
	SMTP_AUTH_USER,
	SMTP_AUTH_PASSWORD,
	SMTP_IDLE,
	SMTP_RSET,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_TEXT, /* the message itself */
	SMTP_ENDED
};

struct smtp_dialogue {
	const struct smtp_policy *policy;
	const struct smtp_login *login; /* NULL: none; needed until it is ready */
	struct smtp_offers offers;
	struct smtp_verdict verdict;
	bool spent;     /* ready, but not for another message */
	bool text_sent; /* of the last message, as far as it came: its fate is the server's */
	bool lost;      /* over because the connection was closed */
	/* private */
	enum smtp_step step;
	enum smtp_want want;
	bool tls, dirty; /* dirty: a transaction was begun and not finished */
	bool asked_again, sender_refused;
	struct smtp_reply reply;
	struct buf out;
	const struct smtp_envelope *envelope;
	unsigned answered, accepted; /* recipients */
};

/* login NULL: none. */
void smtp_dialogue_init(
    struct smtp_dialogue *d, const struct smtp_policy *policy, const struct smtp_login *login);
/* Wipes. */
void smtp_dialogue_fini(struct smtp_dialogue *d);
static inline enum smtp_want
smtp_dialogue_want(const struct smtp_dialogue *d)
{
	return d->want;
}
struct str smtp_dialogue_output(const struct smtp_dialogue *d);
void smtp_dialogue_wrote(struct smtp_dialogue *d);
/* Bytes of the server, as they come: any number, at any place of a reply. */
void smtp_dialogue_take(struct smtp_dialogue *d, struct str in);
void smtp_dialogue_secured(struct smtp_dialogue *d);
/* Ready only. The envelope is borrowed until it is ready again, or over. */
void smtp_dialogue_send(struct smtp_dialogue *d, const struct smtp_envelope *e);
/* The connection is lost, a deadline has passed, …: over, with a verdict that says at what. what: NULL, or a text in place of err's. */
void smtp_dialogue_fail(struct smtp_dialogue *d, int err, const char *what);

#endif
