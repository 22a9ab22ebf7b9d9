/*
 * `sink smtp URL from=… to=… subject=… body=…;`: one mail a record, to a mail server. Called by message/ through smtp_ops.
 *
 *	the record is no JSON, lacks a member, is no text         poison
 *	no valid address, too large, 5xx                          permanent
 *	TLS, login, 5xx ahead of the first message, 530 …         held
 *	connection, time-outs, 4xx                                again
 *
 * At least once: an attempt whose last answer is lost is made again, with the same Message-ID. A message goes to all of its recipients or to none.
 * Many tasks send side by side, each over a connection of its own; connections are kept for a while. A server that is slow fills no
 * memory: each attempt has its deadline, and there are no more of them than `concurrency` allows.
 *
 *	smtp_conf.c      the line of the configuration
 *	smtp_record.c    the record's bytes
 *	smtp_letter.c    templates, addresses, the message (smtp_template.c, smtp_address.c, smtp_encode.c)
 *	smtp_link.c      connections, each with a dialogue (smtp_dialogue.c, smtp_reply.c, smtp_outcome.c)
 */
#include "sink/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/conf.h"
#include "sink/smtp_priv.h"

enum { SMALL = 32 * 1024 }; /* bytes of a record that is read and written here, not on a helper */

/* One attempt; on the heap. */
struct delivery {
	struct smtp_sink *sink;
	const struct sink_message *m;
	struct sink_result *result;
	int64_t deadline;
	struct buf record, wire;
	struct smtp_letter letter;
	struct smtp_envelope envelope;
	bool eight_bit; /* the server takes it */
};

/* ---- open, close ---- */

/* Where it is not used it need not be there; where it is, the reason is kept until it is needed. */
static int
open_tls(struct smtp_sink *s, char *why, size_t cap)
{
	const struct smtp_conf *conf = s->conf;
	int err;

	if (!conf->tls && conf->starttls == SMTP_TLS_OFF)
		return 0;
	err = tls_client_new(conf->ca_file, &s->tls, s->tls_why, sizeof(s->tls_why));
	if (err == 0 || (!conf->tls && conf->starttls == SMTP_TLS_ON && conf->ca_file == NULL))
		return 0;
	snprintf(why, cap, "%s", s->tls_why);
	return err;
}

/* EHLO wants the host's full name; servers on the way may not like a bare one, but there is no better. */
static struct str
own_name(struct smtp_sink *s)
{
	bool utf8;

	if (s->conf->helo.n > 0)
		return s->conf->helo;
	if (gethostname(s->helo, sizeof(s->helo) - 1) != 0 ||
	    !smtp_domain_ok(str_of(s->helo), &utf8) || utf8)
		snprintf(s->helo, sizeof(s->helo), "localhost");
	return str_of(s->helo);
}

static int
smtp_open(const struct sink_conf *conf, struct sink **out, char *why, size_t cap)
{
	struct smtp_sink *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		snprintf(why, cap, "%s", err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	s->sink.ops = &smtp_ops;
	s->conf = conf->arg;
	s->users = 1;
	if ((err = open_tls(s, why, cap))) {
		free(s);
		return err;
	}
	s->policy = (struct smtp_policy){ .helo = own_name(s),
		.starttls = s->conf->starttls,
		.tls = s->conf->tls,
		.insecure_auth = s->conf->insecure_auth,
		.fixed_sender = s->conf->form.from.fixed,
		.rules = classify_rules(conf->scope) };
	s->resolver = http_scope_resolver(conf->scope);
	smtp_pool_init(s);
	*out = &s->sink;
	return 0;
}

void
smtp_sink_release(struct smtp_sink *s)
{
	if (--s->users > 0)
		return;
	if (s->tls)
		tls_client_free(s->tls);
	free(s);
}

static void
smtp_close(struct sink *sink)
{
	struct smtp_sink *s = CONTAINER_OF(sink, struct smtp_sink, sink);

	smtp_pool_fini(s);
	smtp_sink_release(s);
}

/* ---- send ---- */

static void
finish(struct delivery *d, enum sink_outcome outcome, int status, const char *why)
{
	d->result->outcome = outcome;
	d->result->status = status;
	snprintf(d->result->why, sizeof(d->result->why), "%s", why);
}

/* Runs step here where the record is small and at hand, else on a helper. False: it did not run, or failed; the result says so. */
static bool
run(struct delivery *d, int (*step)(void *), bool here)
{
	int err = here ? step(d) : offload(OFFLOAD_MISC, step, d);

	if (err == 0)
		return true;
	if (d->result->why[0] == '\0')
		finish(d, SINK_AGAIN, 0, err_text(err));
	return false;
}

static int
compose(void *arg)
{
	struct delivery *d = arg;
	int err = smtp_record_read(d->m, &d->record, d->result);

	return err ? err
		   : smtp_letter_read(
			 &d->letter, &d->sink->conf->form, d->m, buf_str(&d->record), d->result);
}

static int
write_out(void *arg)
{
	struct delivery *d = arg;

	buf_reset(&d->wire);
	smtp_letter_write(&d->letter, d->m, d->eight_bit, &d->envelope.eight_bit, &d->wire);
	d->envelope.message = buf_str(&d->wire);
	return buf_failed(&d->wire);
}

/* Over one connection. True: it was a kept one that had ended, and a fresh one may do. */
static bool
deliver_once(struct delivery *d, bool fresh)
{
	struct smtp_verdict v;
	struct smtp_link *l = smtp_link_take(d->sink, fresh, d->deadline, &v);
	bool again = false;

	if (!l) {
		finish(d, v.outcome, v.code, v.why);
		return false;
	}
	d->eight_bit = l->dialogue.offers.eight_bit;
	d->result->why[0] = '\0';
	if (run(d, write_out, d->letter.body.n <= SMALL)) {
		again = smtp_link_send(l, &d->envelope, d->deadline) && !task_cancelled();
		finish(d, l->dialogue.verdict.outcome, l->dialogue.verdict.code,
		    l->dialogue.verdict.why);
	}
	smtp_link_give(l);
	return again;
}

static void
deliver(struct delivery *d)
{
	bool small = d->m->body.p && d->m->body.n <= SMALL && d->m->content_encoding.n == 0;

	buf_init(&d->record, d->sink->conf->max_size);
	buf_init(&d->wire, 0);
	if (!run(d, compose, small))
		return;
	d->envelope = (struct smtp_envelope){ .from = d->letter.from.address,
		.to = d->letter.addresses,
		.n_to = d->letter.n_to,
		.utf8 = d->letter.utf8 };
	if (deliver_once(d, false))
		deliver_once(d, true);
}

static void
smtp_send(
    struct sink *sink, const struct sink_message *m, int64_t deadline, struct sink_result *out)
{
	struct delivery *d = calloc(1, sizeof(*d));

	*out = (struct sink_result){ .outcome = SINK_AGAIN };
	if (!d) {
		snprintf(out->why, sizeof(out->why), "%s", err_text(ERR_NOMEM));
		return;
	}
	d->sink = CONTAINER_OF(sink, struct smtp_sink, sink);
	d->m = m;
	d->result = out;
	d->deadline = deadline;
	deliver(d);
	smtp_letter_free(&d->letter);
	buf_fini(&d->record);
	buf_fini(&d->wire);
	free(d);
}

const struct sink_ops smtp_ops = {
	.kind = "smtp",
	.parse = smtp_parse,
	.check = smtp_check,
	.open = smtp_open,
	.send = smtp_send,
	.close = smtp_close,
};
