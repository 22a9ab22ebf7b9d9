/*
 * status, streams, workers, health: what the server says of itself.
 */
#include <stdio.h>

#include "base/json.h"
#include "ctl/ctl.h"
#include "ctl/document.h"

/* ---- status ---- */

static void
put_server(struct buf *out, struct str d, struct buf *room)
{
	char age[32];

	table_format_age(document_double(d, "uptime_seconds"), age);
	buf_put_str(out, document_text(d, "version", room));
	buf_printf(out, ", up %s, configuration %llu%s", age,
	    (unsigned long long)document_u64(d, "configuration"),
	    document_true(d, "stopping") ? ", stopping" : "");
}

static void
put_processes(struct buf *out, struct str d)
{
	buf_printf(out, "%llu running, %llu stuck, %llu missing; workers %llu of %llu",
	    (unsigned long long)document_u64(d, "processes.running"),
	    (unsigned long long)document_u64(d, "processes.stuck"),
	    (unsigned long long)document_u64(d, "processes.missing"),
	    (unsigned long long)document_u64(d, "processes.workers"),
	    (unsigned long long)document_u64(d, "processes.workers_wanted"));
}

static void
put_streams(struct buf *out, struct str d, struct buf *room)
{
	char bytes[32];
	struct str oldest;

	table_format_bytes(document_u64(d, "streams.spool_bytes"), bytes);
	buf_printf(out, "%llu, %llu held, %llu full; %s in the spool",
	    (unsigned long long)document_u64(d, "streams.configured"),
	    (unsigned long long)document_u64(d, "streams.held"),
	    (unsigned long long)document_u64(d, "streams.full"), bytes);
	oldest = document_text(d, "streams.oldest", room);
	if (oldest.n > 0)
		buf_printf(out, ", oldest of %.*s", STR_ARG(oldest));
}

static void
put_zone(struct buf *out, struct str d)
{
	char used[32], size[32];

	table_format_bytes(document_u64(d, "zone.used_bytes"), used);
	table_format_bytes(document_u64(d, "zone.size_bytes"), size);
	buf_printf(out, "%s of %s used, %llu series, %llu dropped", used, size,
	    (unsigned long long)document_u64(d, "zone.series"),
	    (unsigned long long)document_u64(d, "zone.dropped"));
}

static void
line(struct table *t, const char *name, struct buf *text)
{
	table_cstr(t, name);
	table_cell(t, buf_str(text));
	buf_reset(text);
}

static void
print_status(struct str d)
{
	struct table t;
	struct buf text, room;

	buf_init(&text, 0);
	buf_init(&room, 0);
	table_init(&t, "");
	put_server(&text, d, &room);
	line(&t, "sluice", &text);
	buf_put_str(&text, document_text(d, "state_dir", &room));
	line(&t, "state", &text);
	put_processes(&text, d);
	line(&t, "processes", &text);
	buf_printf(&text, "%llu open, %llu active",
	    (unsigned long long)document_u64(d, "connections.open"),
	    (unsigned long long)document_u64(d, "connections.active"));
	line(&t, "connections", &text);
	put_streams(&text, d, &room);
	line(&t, "streams", &text);
	buf_printf(&text, "%llu pending, %llu being sent again",
	    (unsigned long long)document_u64(d, "dead_letters.pending"),
	    (unsigned long long)document_u64(d, "dead_letters.reprocessing"));
	line(&t, "dead letters", &text);
	put_zone(&text, d);
	line(&t, "zone", &text);
	buf_put_str(&text, document_text(d, "limits", &room));
	line(&t, "limits", &text);
	table_print(&t);
	buf_fini(&text);
	buf_fini(&room);
}

int
status_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ctl_show(ctl, "/api/status", print_status);
}

/* ---- streams, workers ---- */

/* Seconds, where the document has any. */
static void
age_cell(struct table *t, struct str object, const char *path)
{
	struct str raw = document_get(object, path);

	if (raw.n > 0 && !str_is(raw, "null"))
		table_age(t, document_double(object, path));
	else
		table_cstr(t, NULL);
}

static void
stream_row(struct table *t, struct str s)
{
	document_cell(t, s, "name");
	document_cell(t, s, "status");
	table_bytes(t, document_u64(s, "spool_bytes"));
	table_u64(t, document_u64(s, "waiting_records"));
	if (str_is(document_get(s, "oldest"), "null"))
		table_cstr(t, NULL);
	else
		age_cell(t, s, "oldest_seconds");
	table_u64(t, document_u64(s, "retrying"));
	table_u64(t,
	    document_u64(s, "dead_letters.pending") + document_u64(s, "dead_letters.reprocessing"));
	table_u64(t, document_u64(s, "sent_objects"));
	table_u64(t, document_u64(s, "failures"));
	document_cell(t, s, "sink");
	document_cell(t, s, "last_error");
}

static void
worker_row(struct table *t, struct str p)
{
	document_cell(t, p, "role");
	table_u64(t, document_u64(p, "slot"));
	document_cell(t, p, "pid");
	document_cell(t, p, "status");
	age_cell(t, p, "heartbeat_age_seconds");
	age_cell(t, p, "uptime_seconds");
	table_u64(t, document_u64(p, "restarts"));
	table_u64(t, document_u64(p, "configuration"));
	table_u64(t, document_u64(p, "connections"));
	table_u64(t, document_u64(p, "active"));
	document_cell(t, p, "error");
}

/* One row an element. */
static void
print_rows(struct str array, const char *heads, void (*row)(struct table *, struct str))
{
	struct str element;
	struct table t;
	size_t at = 0;

	table_init(&t, heads);
	while (document_next(array, &at, &element))
		row(&t, element);
	table_print(&t);
}

static void
print_streams(struct str d)
{
	print_rows(document_get(d, "streams"),
	    "STREAM STATUS >SPOOL >RECORDS >OLDEST >RETRYING >DEAD >SENT >FAILURES SINK ERROR",
	    stream_row);
}

static void
print_workers(struct str d)
{
	print_rows(document_get(d, "workers"),
	    "ROLE >SLOT >PID STATUS >HEARTBEAT >UP >RESTARTS >CONFIGURATION >CONNECTIONS >ACTIVE "
	    "ERROR",
	    worker_row);
}

int
streams_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ctl_show(ctl, "/api/streams", print_streams);
}

int
workers_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return ctl_show(ctl, "/api/workers", print_workers);
}

/* ---- health ---- */

static void
print_health(struct str d)
{
	struct str reasons = document_get(d, "reasons"), raw;
	struct buf text, visible;
	size_t at = 0;

	buf_init(&text, 0);
	buf_init(&visible, 0);
	table_put_visible(&visible, document_text(d, "status", &text));
	buf_putc(&visible, '\n');
	while (document_next(reasons, &at, &raw)) {
		buf_reset(&text);
		(void)json_unquote(raw, &text);
		buf_puts(&visible, "  ");
		table_put_visible(&visible, buf_str(&text));
		buf_putc(&visible, '\n');
	}
	fwrite(visible.p, 1, visible.n, stdout);
	buf_fini(&text);
	buf_fini(&visible);
}

/* Its exit status is 0 or 1 whatever happens: a container's health check knows no other. */
int
health_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct ctl_reply reply;
	struct str d;
	uint64_t bad;

	(void)args;
	if (ctl_request(ctl, "GET", "/health?verbose=1", str_make(NULL, 0), &reply) != CTL_DONE)
		return CTL_REFUSED;
	d = buf_str(&reply.body);
	if (json_check_text(d, &bad) != 0)
		ctl_complain(CTL_REFUSED, "the server answers %d, and not with JSON", reply.status);
	else if (ctl->json)
		fwrite(d.p, 1, d.n, stdout);
	else
		print_health(d);
	buf_fini(&reply.body);
	return reply.status == 200 ? CTL_DONE : CTL_REFUSED;
}
