/*
 * Shared by the smtp sink's files: smtp_conf.c, smtp_record.c, smtp_link.c and smtp.c.
 */
#ifndef SLUICE_SINK_SMTP_PRIV_H
#define SLUICE_SINK_SMTP_PRIV_H

#include "net/dial.h"
#include "sink/smtp.h"
#include "sink/smtp_dialogue.h"
#include "sink/smtp_letter.h"

/* ---- smtp_conf.c ---- */

struct smtp_conf {
	struct str host;
	uint16_t port;
	bool tls; /* from the start: smtps */
	int starttls;
	bool insecure_auth;
	struct str user, password; /* user empty: no login */
	const char *password_file; /* NULL: the password is here */
	const char *ca_file;
	struct str helo; /* empty: the host's name */
	int64_t timeout, keepalive;
	uint64_t max_size;
	struct smtp_form form;
};

int smtp_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out);
int smtp_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf);
/* Reads the password where it stands. Blocks for a file. 0, or an error with why; out is wiped then. */
int smtp_login_load(const struct smtp_conf *conf, struct smtp_login *out, char *why, size_t cap);

/* ---- smtp_record.c ---- */

/* The whole record of m, its Content-Encoding undone, to out, which has a limit. Blocks for a file. 0, or ERR_BAD with a result of SINK_POISON (cannot be decoded),
 * SINK_PERMANENT (larger than out may be) or SINK_AGAIN (cannot be read just now). */
int smtp_record_read(const struct sink_message *m, struct buf *out, struct sink_result *result);

/* ---- smtp_link.c: connections ---- */

struct smtp_sink {
	struct sink sink;
	const struct smtp_conf *conf;
	struct smtp_policy policy;
	struct tls_client *tls; /* NULL: tls_why says why there is none */
	char tls_why[160], helo[256];
	struct dns_resolver *resolver;
	/* kept connections, the one idle for longest first */
	struct list idle;
	unsigned n_idle;
	struct timer timer;
	unsigned users; /* who opened it, and connections that are saying goodbye */
};

struct smtp_link {
	struct list link;
	struct smtp_sink *sink;
	struct conn conn;
	struct smtp_dialogue dialogue;
	int64_t idle_since;
	bool idle, used; /* used: a message went over it before */
	char in[4096];
};

void smtp_pool_init(struct smtp_sink *s);
/* Lets go of what is kept. Never parks. */
void smtp_pool_fini(struct smtp_sink *s);
/* One user less; the last one frees it (smtp.c). */
void smtp_sink_release(struct smtp_sink *s);
/* A connection that is ready for a message: a kept one unless fresh, else a new one. NULL: verdict says why. Parks. */
struct smtp_link *smtp_link_take(
    struct smtp_sink *s, bool fresh, int64_t deadline, struct smtp_verdict *verdict);
/* Sends one message; the verdict is in l->dialogue then. True: it is unknown to the server, because a kept connection had been closed meanwhile: a fresh
 * one may do. Parks. */
bool smtp_link_send(struct smtp_link *l, const struct smtp_envelope *e, int64_t deadline);
/* Keeps it for the next message, or says QUIT and closes it. Never parks. */
void smtp_link_give(struct smtp_link *l);

#endif
