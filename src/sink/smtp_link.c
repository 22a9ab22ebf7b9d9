/*
 * Connections to a mail server: each moves the bytes of one dialogue (smtp_dialogue.c) and is kept between messages for a while. Called by smtp.c.
 *
 * An idle one is watched by the loop: whatever the server says unasked, its end included, closes it. The last given back is the first taken
 * again, so that the surplus ages and goes. Whoever goes says QUIT in a task of his own, so that nobody waits for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "sink/smtp_priv.h"

#define QUIT_TIME (2 * NS_PER_S)

enum { IDLE_MAX = 64 };

/* ---- ends ---- */

static void
link_free(struct smtp_link *l)
{
	list_del(&l->link);
	if (l->idle)
		l->sink->n_idle--;
	conn_close(&l->conn);
	smtp_dialogue_fini(&l->dialogue);
	free(l);
}

/* The answer is waited for, so that the server does not find the connection reset. */
static void
leave(void *arg)
{
	struct smtp_link *l = arg;
	struct smtp_sink *s = l->sink;
	int64_t deadline = clock_mono() + QUIT_TIME;

	if (conn_write(&l->conn, "QUIT\r\n", 6, 0, deadline) == 0)
		conn_read(&l->conn, l->in, sizeof(l->in), deadline);
	link_free(l);
	smtp_sink_release(s);
}

static void
link_quit(struct smtp_link *l)
{
	list_del(&l->link);
	if (l->idle)
		l->sink->n_idle--;
	l->idle = false;
	l->conn.io.on_event = NULL;
	if (task_go("smtp quit", leave, l, NULL) == 0)
		l->sink->users++;
	else
		link_free(l);
}

/* ---- the pool ---- */

static void
expire(struct timer *t)
{
	struct smtp_sink *s = CONTAINER_OF(t, struct smtp_sink, timer);

	while (!list_empty(&s->idle)) {
		struct smtp_link *l = CONTAINER_OF(s->idle.next, struct smtp_link, link);

		if (l->idle_since + s->conf->keepalive > clock_cached_mono()) {
			timer_set(t, l->idle_since + s->conf->keepalive);
			return;
		}
		link_quit(l);
	}
}

static void
on_event(struct io *io, unsigned events)
{
	struct smtp_link *l = CONTAINER_OF(io, struct smtp_link, conn.io);

	(void)events;
	if (l->idle)
		link_free(l);
}

void
smtp_pool_init(struct smtp_sink *s)
{
	list_init(&s->idle);
	s->timer.fire = expire;
}

void
smtp_pool_fini(struct smtp_sink *s)
{
	timer_clear(&s->timer);
	while (!list_empty(&s->idle))
		link_quit(CONTAINER_OF(s->idle.next, struct smtp_link, link));
}

static struct smtp_link *
take_idle(struct smtp_sink *s)
{
	struct smtp_link *l;

	if (list_empty(&s->idle))
		return NULL;
	l = CONTAINER_OF(s->idle.prev, struct smtp_link, link);
	list_del(&l->link);
	l->idle = false;
	s->n_idle--;
	return l;
}

/* Nothing has come since the last answer. The loop may still think so after a read that took just what there was. */
static bool
is_silent(struct smtp_link *l)
{
	if (!l->conn.tls && !(l->conn.io.ready & (IO_READ | IO_HUP)))
		return true;
	return conn_read_now(&l->conn, l->in, 1) == ERR_AGAIN;
}

void
smtp_link_give(struct smtp_link *l)
{
	struct smtp_sink *s = l->sink;

	if (smtp_dialogue_want(&l->dialogue) == SMTP_OVER || !is_silent(l)) {
		link_free(l);
		return;
	}
	if (s->conf->keepalive == 0 || l->dialogue.spent) {
		link_quit(l);
		return;
	}
	if (!conn_idle(&l->conn)) {
		link_free(l);
		return;
	}
	if (s->n_idle >= IDLE_MAX)
		link_quit(CONTAINER_OF(s->idle.next, struct smtp_link, link));
	l->used = l->idle = true;
	l->idle_since = clock_cached_mono();
	list_push(&s->idle, &l->link);
	s->n_idle++;
	if (!timer_armed(&s->timer))
		timer_set(&s->timer, l->idle_since + s->conf->keepalive);
}

/* ---- the dialogue ---- */

static int64_t
step_deadline(const struct smtp_link *l, int64_t deadline)
{
	return MIN(deadline, clock_mono() + l->sink->conf->timeout);
}

static void
receive(struct smtp_link *l, int64_t deadline)
{
	ssize_t n = conn_read(&l->conn, l->in, sizeof(l->in), step_deadline(l, deadline));

	if (n > 0)
		smtp_dialogue_take(&l->dialogue, str_make(l->in, (size_t)n));
	else
		smtp_dialogue_fail(&l->dialogue, n == 0 ? ERR_CLOSED : (int)n, NULL);
}

/* A server that closes while we write has often said why before. */
static void
transmit(struct smtp_link *l, int64_t deadline)
{
	struct smtp_dialogue *d = &l->dialogue;
	struct str out = smtp_dialogue_output(d);
	int err = conn_write(&l->conn, out.p, out.n, l->sink->conf->timeout, deadline);
	ssize_t n;

	if (err != 0 && err != ERR_CLOSED) {
		smtp_dialogue_fail(d, err, NULL);
		return;
	}
	smtp_dialogue_wrote(d);
	if (err == 0)
		return;
	n = conn_read_now(&l->conn, l->in, sizeof(l->in));
	if (n > 0)
		smtp_dialogue_take(d, str_make(l->in, (size_t)n));
	if (smtp_dialogue_want(d) != SMTP_READY)
		smtp_dialogue_fail(d, ERR_CLOSED, NULL);
	d->spent = true;
}

static void
secure(struct smtp_link *l, int64_t deadline)
{
	struct smtp_sink *s = l->sink;
	char why[160];
	int err;

	if (s->tls == NULL) {
		smtp_dialogue_fail(&l->dialogue, ERR_TLS, s->tls_why);
		return;
	}
	err = tls_connect(&l->conn, s->tls, s->conf->host, step_deadline(l, deadline));
	if (err == 0) {
		smtp_dialogue_secured(&l->dialogue);
		return;
	}
	snprintf(why, sizeof(why), "TLS with %.*s: %s", STR_ARG(str_sub(s->conf->host, 0, 80)),
	    tls_error_text(&l->conn));
	smtp_dialogue_fail(&l->dialogue, err, why);
}

/* Until the dialogue is ready or over. */
static void
converse(struct smtp_link *l, int64_t deadline)
{
	for (;;) {
		switch (smtp_dialogue_want(&l->dialogue)) {
		case SMTP_WANT_READ:
			receive(l, deadline);
			break;
		case SMTP_WANT_WRITE:
			transmit(l, deadline);
			break;
		case SMTP_WANT_TLS:
			secure(l, deadline);
			break;
		case SMTP_READY:
		case SMTP_OVER:
			return;
		}
	}
}

/* ---- beginning ---- */

struct login_job {
	const struct smtp_conf *conf;
	struct smtp_login login;
	char why[160];
};

static int
load_login(void *arg)
{
	struct login_job *job = arg;

	return smtp_login_load(job->conf, &job->login, job->why, sizeof(job->why));
}

/* Reads the password anew for each connection: it may have changed, and nothing keeps it meanwhile. NULL: verdict says why. */
static struct login_job *
open_login(struct smtp_sink *s, struct smtp_verdict *verdict)
{
	struct login_job *job = calloc(1, sizeof(*job));
	int err;

	*verdict = (struct smtp_verdict){ .outcome = SINK_AGAIN };
	if (job == NULL) {
		snprintf(verdict->why, sizeof(verdict->why), "%s", err_text(ERR_NOMEM));
		return NULL;
	}
	job->conf = s->conf;
	if (s->conf->user.n == 0)
		return job;
	err = s->conf->password_file ? offload(OFFLOAD_MISC, load_login, job) : load_login(job);
	if (err == 0)
		return job;
	verdict->outcome = err == ERR_CANCELLED || err == ERR_NOMEM ? SINK_AGAIN : SINK_HELD;
	snprintf(verdict->why, sizeof(verdict->why), "%s", job->why[0] ? job->why : err_text(err));
	free(job);
	return NULL;
}

static int
connect_link(struct smtp_link *l, int64_t deadline, struct smtp_verdict *verdict)
{
	struct smtp_sink *s = l->sink;
	struct dial_target target = { .host = s->conf->host,
		.port = s->conf->port,
		.tls = s->conf->tls ? s->tls : NULL,
		.resolver = s->resolver,
		.connect_timeout = s->conf->timeout };
	int err = dial(&l->conn, &target, deadline, verdict->why, sizeof(verdict->why));

	verdict->outcome = classify_error(err);
	l->conn.io.on_event = err ? NULL : on_event;
	return err;
}

static struct smtp_link *
link_new(struct smtp_sink *s, int64_t deadline, struct smtp_verdict *verdict)
{
	struct login_job *job = open_login(s, verdict);
	struct smtp_link *l = job ? calloc(1, sizeof(*l)) : NULL;

	if (l != NULL) {
		list_init(&l->link);
		l->sink = s;
		smtp_dialogue_init(&l->dialogue, &s->policy, s->conf->user.n ? &job->login : NULL);
		if (connect_link(l, deadline, verdict) == 0) {
			converse(l, deadline);
			*verdict = l->dialogue.verdict;
		} else {
			smtp_dialogue_fail(&l->dialogue, ERR_CLOSED, verdict->why);
		}
		l->dialogue.login = NULL;
		if (smtp_dialogue_want(&l->dialogue) == SMTP_OVER) {
			link_free(l);
			l = NULL;
		}
	} else if (job != NULL) {
		snprintf(verdict->why, sizeof(verdict->why), "%s", err_text(ERR_NOMEM));
	}
	if (job != NULL)
		wipe(job, sizeof(*job));
	free(job);
	return l;
}

struct smtp_link *
smtp_link_take(struct smtp_sink *s, bool fresh, int64_t deadline, struct smtp_verdict *verdict)
{
	struct smtp_link *l = fresh ? NULL : take_idle(s);

	return l ? l : link_new(s, deadline, verdict);
}

bool
smtp_link_send(struct smtp_link *l, const struct smtp_envelope *e, int64_t deadline)
{
	struct smtp_dialogue *d = &l->dialogue;

	smtp_dialogue_send(d, e);
	converse(l, deadline);
	return l->used && smtp_dialogue_want(d) == SMTP_OVER && !d->text_sent &&
	       (d->lost || d->verdict.code == 421);
}
