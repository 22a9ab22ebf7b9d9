/*
 * See status.h.
 */
#include "admin/status.h"

#include "admin/api.h"
#include "base/clock.h"
#include "gate/limit_admin.h"
#include "status/figures.h"
#include "zone/series.h"

static bool
is_stopping(void)
{
	return zone_stop_deadline(figures_server()->zone) != 0;
}

/* The server is as old as the master, whose first act is to start the shipper; a worker knows how old it is itself. */
static void
write_server(struct json_writer *w)
{
	const struct figures_server *server = figures_server();

	json_put_cstr(w, "version", server->version);
	json_put_time(w, "time", clock_wall());
	json_put_time(w, "started", server->started);
	json_put_seconds(w, "uptime_seconds", clock_wall() - server->started);
	json_put_u64(w, "configuration", server->configuration);
	json_put_str(w, "state_dir", server->state_dir);
	if (server->error_log.n > 0)
		json_put_str(w, "error_log", server->error_log);
	else
		json_put_null(w, "error_log");
	json_put_bool(w, "stopping", is_stopping());
}

static void
write_processes(struct json_writer *w)
{
	struct figures_process p;
	uint64_t open, active;
	unsigned slot = 0, running = 0, stuck = 0, missing = 0;

	while (figures_next_process(&slot, &p)) {
		running += p.state == FIGURES_RUNNING || p.state == FIGURES_STOPPING;
		stuck += p.state == FIGURES_STUCK;
		missing += p.state == FIGURES_MISSING;
	}
	figures_connections(&open, &active);
	json_open(w, "processes", '{');
	json_put_u64(w, "running", running);
	json_put_u64(w, "stuck", stuck);
	json_put_u64(w, "missing", missing);
	json_put_u64(w, "workers", figures_workers());
	json_put_u64(w, "workers_wanted", figures_server()->workers);
	json_close(w);
	json_open(w, "connections", '{');
	json_put_u64(w, "open", open);
	json_put_u64(w, "active", active);
	json_close(w);
}

/* Of all streams together. */
struct totals {
	uint64_t n, held, full, bytes, records, retrying;
	uint64_t letters[DLQ_STATES];
	int64_t oldest;
};

static void
add_stream(struct totals *t, const struct figures_stream *f)
{
	t->n++;
	t->held += f->delivery.held || f->delivery.breaker != DELIVERY_CLOSED;
	t->full += f->space.full || f->space.failed;
	t->bytes += f->space.used;
	t->records += f->waiting;
	t->retrying += f->counts.retry_waiting;
	for (int i = 0; i < DLQ_STATES; i++)
		t->letters[i] += f->letters[i];
	if (f->delivery.oldest != 0 && (t->oldest == 0 || f->delivery.oldest < t->oldest))
		t->oldest = f->delivery.oldest;
}

static void
write_letters(struct json_writer *w, const uint64_t letters[DLQ_STATES])
{
	json_open(w, "dead_letters", '{');
	for (int i = 0; i < DLQ_STATES; i++)
		json_put_u64(w, dlq_state_name((enum dlq_state)i), letters[i]);
	json_close(w);
}

static void
write_stream_totals(struct json_writer *w)
{
	struct totals t = { .n = 0 };
	struct figures_stream f;

	for (struct stream_conf *s = stream_first(figures_server()->conf); s; s = s->next) {
		figures_stream(s, &f);
		add_stream(&t, &f);
	}
	json_open(w, "streams", '{');
	json_put_u64(w, "configured", t.n);
	json_put_u64(w, "held", t.held);
	json_put_u64(w, "full", t.full);
	json_put_u64(w, "spool_bytes", t.bytes);
	json_put_u64(w, "waiting_records", t.records);
	json_put_u64(w, "retrying", t.retrying);
	json_put_time(w, "oldest", t.oldest);
	json_close(w);
	write_letters(w, t.letters);
}

static void
write_zone(struct json_writer *w)
{
	struct series_usage u;

	series_usage(&u);
	json_open(w, "zone", '{');
	json_put_cstr(w, "name", zone_name(figures_server()->zone));
	json_put_bool(w, "kept", zone_has_file(figures_server()->zone));
	json_put_u64(w, "size_bytes", u.size);
	json_put_u64(w, "used_bytes", u.used);
	json_put_u64(w, "series", u.entries);
	json_put_u64(w, "dropped", u.dropped);
	json_close(w);
	json_put_cstr(w, "limits", limit_admin_state());
}

static int
show_status(struct api_call *call)
{
	struct json_writer *w = call->json;

	json_open(w, NULL, '{');
	write_server(w);
	write_processes(w);
	write_stream_totals(w);
	write_zone(w);
	json_close(w);
	return 200;
}

static void
write_pid(struct json_writer *w, const struct figures_process *p)
{
	if (p->pid != 0)
		json_put_i64(w, "pid", p->pid);
	else
		json_put_null(w, "pid");
}

/* The master gives none: who asks is its child, and would not be there without it. */
static void
write_heartbeat(struct json_writer *w, const struct figures_process *p)
{
	bool given = p->heartbeat_age >= 0;

	json_put_time(w, "last_heartbeat", given ? clock_wall() - p->heartbeat_age : clock_wall());
	if (given) {
		json_put_seconds(w, "heartbeat_age_seconds", p->heartbeat_age);
		json_put_seconds(w, "uptime_seconds", p->uptime);
	} else {
		json_put_null(w, "heartbeat_age_seconds");
		json_put_null(w, "uptime_seconds");
	}
}

static void
write_health(struct json_writer *w, const struct figures_process *p)
{
	char name[FIGURES_NAME_MAX];
	const char *why;
	bool healthy = figures_is_healthy(p, &why);

	figures_process_name(p, name);
	json_put_cstr(w, "name", name);
	json_put_cstr(w, "health", healthy ? "healthy" : "unhealthy");
	json_put_cstr(w, "error", why);
}

static void
write_process(struct json_writer *w, const struct figures_process *p)
{
	json_open(w, NULL, '{');
	write_health(w, p);
	json_put_cstr(w, "role", p->role);
	json_put_u64(w, "slot", p->slot);
	write_pid(w, p);
	json_put_cstr(w, "status", figures_state_name(p->state));
	write_heartbeat(w, p);
	json_put_u64(w, "restarts", p->restarts);
	json_put_u64(w, "configuration", p->configuration);
	json_put_u64(w, "connections", p->connections);
	json_put_u64(w, "active", p->active);
	json_close(w);
}

static int
show_workers(struct api_call *call)
{
	struct json_writer *w = call->json;
	struct figures_process p;
	unsigned slot = 0;

	json_open(w, NULL, '{');
	json_open(w, "workers", '[');
	while (figures_next_process(&slot, &p))
		write_process(w, &p);
	json_close(w);
	json_close(w);
	return 200;
}

static const char *
mode_name(int mode)
{
	return mode == STREAM_BUNDLE ? "bundle" : mode == STREAM_OBJECT ? "object" : "message";
}

static const char *
stream_state(const struct figures_stream *f)
{
	if (f->space.failed)
		return "failed";
	if (f->space.full)
		return "full";
	if (!f->reported)
		return "unknown";
	if (f->delivery.held)
		return "held";
	return f->delivery.breaker == DELIVERY_CLOSED ? "ok" : "away";
}

static void
write_delivery(struct json_writer *w, const struct figures_stream *f)
{
	const struct delivery *d = &f->delivery;
	int64_t age = d->oldest != 0 ? clock_wall() - d->oldest : 0;

	json_put_u64(w, "waiting_records", f->waiting);
	json_put_u64(w, "retrying", f->counts.retry_waiting);
	json_put_u64(w, "waiting_bytes", d->waiting_bytes);
	json_put_u64(w, "waiting_files", d->waiting_files);
	json_put_time(w, "oldest", d->oldest);
	json_put_seconds(w, "oldest_seconds", MAX(age, 0));
	json_put_u64(w, "sent_objects", d->sent_objects);
	json_put_u64(w, "sent_bytes", d->sent_bytes);
	json_put_u64(w, "failures", d->failures);
	json_put_cstr(w, "breaker", figures_breaker_name(f));
	json_put_cstr(w, "last_error", d->why[0] ? d->why : NULL);
	json_put_time(w, "as_of", d->at);
}

static void
write_attempts(struct json_writer *w, const struct delivery_counts *c)
{
	static const char *const names[] = { "confirmed", "taken", "again", "held", "permanent",
		"poison" };

	_Static_assert(ARRAY_LEN(names) == ARRAY_LEN(c->attempts), "a name an outcome");
	json_open(w, "attempts", '{');
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_put_u64(w, names[i], c->attempts[i]);
	json_close(w);
	json_put_u64(w, "retries", c->retries);
}

static void
write_stream(struct json_writer *w, const struct stream_conf *s)
{
	struct figures_stream f;

	figures_stream(s, &f);
	json_open(w, NULL, '{');
	json_put_str(w, "name", s->name);
	json_put_cstr(w, "mode", mode_name(s->mode));
	json_put_str(w, "sink", s->sink->destination);
	json_put_cstr(w, "status", stream_state(&f));
	json_put_u64(w, "spool_bytes", f.space.used);
	json_put_u64(w, "spool_limit_bytes", f.space.limit);
	json_put_u64(w, "room_bytes", f.space.room);
	write_delivery(w, &f);
	write_attempts(w, &f.counts);
	write_letters(w, f.letters);
	json_close(w);
}

static int
show_streams(struct api_call *call)
{
	struct json_writer *w = call->json;

	json_open(w, NULL, '{');
	json_open(w, "streams", '[');
	for (struct stream_conf *s = stream_first(figures_server()->conf); s; s = s->next)
		write_stream(w, s);
	json_close(w);
	json_close(w);
	return 200;
}

static const struct api_endpoint endpoints[] = {
	{ "GET", "/api/status", ROLE_ADMIN, show_status,
	    "version, age, processes, connections, streams in short" },
	{ "GET", "/api/workers", ROLE_ADMIN, show_workers,
	    "every process with its heartbeat, restarts and connections" },
	{ "GET", "/api/streams", ROLE_ADMIN, show_streams,
	    "each stream: what waits, where it goes, how that goes" },
	{ .path = NULL },
};

void
admin_status_register(void)
{
	api_add(endpoints);
}
