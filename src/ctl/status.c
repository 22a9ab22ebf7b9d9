/*
 * status, streams, workers, health: what the server says of itself.
 */
#include <stdio.h>

#include "base/json.h"
#include "ctl/ctl.h"
#include "ctl/document.h"
#include "ctl/table.h"

/* Asks for the document; with --json prints it and is done: then *doc is empty. */
static int
ask(struct ctl *ctl, const char *target, struct ctl_reply *reply, struct str *doc)
{
	int status = ctl_get(ctl, "GET", target, reply);

	*doc = buf_str(&reply->body);
	if (status != CTL_DONE || !ctl->json)
		return status;
	fwrite(doc->p, 1, doc->n, stdout);
	*doc = str_make(NULL, 0);
	buf_fini(&reply->body);
	return status;
}

static void
text_cell(struct table *t, struct str object, const char *path, struct buf *room)
{
	struct str s = document_text(object, path, room);

	table_cell(t, s.n > 0 ? s : STR("-"));
}

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

int
status_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct ctl_reply reply;
	struct str d;
	struct table t;
	struct buf text, room;
	int status = ask(ctl, "/api/status", &reply, &d);

	(void)args;
	if (status != CTL_DONE || d.n == 0)
		return status;
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
	put_zone(&text, d);
	line(&t, "zone", &text);
	buf_put_str(&text, document_text(d, "limits", &room));
	line(&t, "limits", &text);
	table_print(&t);
	buf_fini(&text);
	buf_fini(&room);
	buf_fini(&reply.body);
	return CTL_DONE;
}

/* ---- streams, workers ---- */

static void
stream_row(struct table *t, struct str s, struct buf *room)
{
	text_cell(t, s, "name", room);
	text_cell(t, s, "status", room);
	table_bytes(t, document_u64(s, "spool_bytes"));
	table_u64(t, document_u64(s, "waiting_files"));
	if (document_text(s, "oldest", room).n > 0)
		table_age(t, document_double(s, "oldest_seconds"));
	else
		table_cstr(t, NULL);
	table_u64(t, document_u64(s, "sent_objects"));
	table_bytes(t, document_u64(s, "sent_bytes"));
	table_u64(t, document_u64(s, "failures"));
	text_cell(t, s, "sink", room);
	text_cell(t, s, "last_error", room);
}

static void
worker_row(struct table *t, struct str p, struct buf *room)
{
	static const char *const ages[] = { "heartbeat_age_seconds", "uptime_seconds" };

	text_cell(t, p, "role", room);
	table_u64(t, document_u64(p, "slot"));
	text_cell(t, p, "pid", room);
	text_cell(t, p, "status", room);
	for (size_t i = 0; i < ARRAY_LEN(ages); i++)
		if (document_text(p, ages[i], room).n > 0)
			table_age(t, document_double(p, ages[i]));
		else
			table_cstr(t, NULL);
	table_u64(t, document_u64(p, "restarts"));
	table_u64(t, document_u64(p, "configuration"));
	table_u64(t, document_u64(p, "connections"));
	table_u64(t, document_u64(p, "active"));
}

/* One row an element of the array that the document has under this name. */
static int
list(struct ctl *ctl, const char *target, const char *member, const char *heads,
    void (*row)(struct table *, struct str, struct buf *))
{
	struct ctl_reply reply;
	struct str d, name, element, array;
	struct table t;
	struct buf room;
	size_t at = 0;
	int status = ask(ctl, target, &reply, &d);

	if (status != CTL_DONE || d.n == 0)
		return status;
	buf_init(&room, 0);
	table_init(&t, heads);
	array = document_get(d, member);
	while (array.n > 0 && array.p[0] == '[' && json_next(array, &at, &name, &element) == 1)
		row(&t, element, &room);
	table_print(&t);
	buf_fini(&room);
	buf_fini(&reply.body);
	return CTL_DONE;
}

int
streams_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return list(ctl, "/api/streams", "streams",
	    "STREAM STATUS >SPOOL >FILES >OLDEST >SENT >BYTES >FAILURES SINK ERROR", stream_row);
}

int
workers_run(struct ctl *ctl, const struct ctl_args *args)
{
	(void)args;
	return list(ctl, "/api/workers", "workers",
	    "ROLE >SLOT >PID STATUS >HEARTBEAT >UP >RESTARTS >CONFIGURATION >CONNECTIONS >ACTIVE",
	    worker_row);
}

/* ---- health ---- */

static void
print_health(struct str d)
{
	struct str reasons = document_get(d, "reasons"), name, raw;
	struct buf text, visible;
	size_t at = 0;

	buf_init(&text, 0);
	buf_init(&visible, 0);
	table_put_visible(&visible, document_text(d, "status", &text));
	buf_putc(&visible, '\n');
	while (reasons.n > 0 && reasons.p[0] == '[' && json_next(reasons, &at, &name, &raw) == 1) {
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
