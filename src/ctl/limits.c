/*
 * limits list, limits reset: the rate limits of a running server.
 */
#include <stdio.h>

#include "base/json.h"
#include "ctl/ctl.h"
#include "ctl/document.h"
#include "ctl/table.h"

static void
text_cell(struct table *t, struct str object, const char *path, struct buf *room)
{
	struct str s = document_text(object, path, room);

	table_cell(t, s.n > 0 ? s : STR("-"));
}

/* One element of the array that the document has under this name; false: no more. */
static bool
next(struct str array, size_t *at, struct str *element)
{
	struct str name;

	return array.n > 0 && array.p[0] == '[' && json_next(array, at, &name, element) == 1;
}

static void
print_store(struct str d)
{
	struct table t;
	struct buf room;

	buf_init(&room, 0);
	table_init(&t, "STORE >CELLS >USED >EVICTED >FULL >RESETS");
	text_cell(&t, d, "store.state", &room);
	table_u64(&t, document_u64(d, "store.cells") + document_u64(d, "store.wide_cells"));
	table_u64(&t, document_u64(d, "store.used") + document_u64(d, "store.wide_used"));
	table_u64(&t, document_u64(d, "store.evicted"));
	table_u64(&t, document_u64(d, "store.full"));
	table_u64(&t, document_u64(d, "store.resets"));
	table_print(&t);
	buf_fini(&room);
}

static void
print_policies(struct str d)
{
	struct str policies = document_get(d, "policies"), policy, limits, limit;
	size_t at = 0, inner;
	struct table t;
	struct buf room;

	buf_init(&room, 0);
	table_init(&t, "POLICY LIMIT >COUNT >PERIOD >BURST WINDOW >SCALE");
	while (next(policies, &at, &policy)) {
		limits = document_get(policy, "limits");
		inner = 0;
		while (next(limits, &inner, &limit)) {
			text_cell(&t, policy, "name", &room);
			text_cell(&t, limit, "policy", &room);
			text_cell(&t, limit, "count", &room);
			table_age(&t, document_double(limit, "period"));
			text_cell(&t, limit, "limit", &room);
			text_cell(&t, limit, "window", &room);
			text_cell(&t, policy, "scale_percent", &room);
		}
	}
	if (t.cells > t.columns)
		putchar('\n');
	table_print(&t);
	buf_fini(&room);
}

static void
print_talkers(struct str d)
{
	struct str top = document_get(d, "top"), talker;
	size_t at = 0;
	struct table t;
	struct buf room;

	buf_init(&room, 0);
	table_init(&t, "KEY LIMIT >RECENT >REQUESTS >LIMITED >REMAINING >WAIT");
	while (next(top, &at, &talker)) {
		text_cell(&t, talker, "key", &room);
		text_cell(&t, talker, "policy", &room);
		text_cell(&t, talker, "recent", &room);
		text_cell(&t, talker, "requests", &room);
		text_cell(&t, talker, "limited", &room);
		text_cell(&t, talker, "remaining", &room);
		table_age(&t, document_double(talker, "retry_after"));
	}
	putchar('\n');
	table_print(&t);
	buf_fini(&room);
}

int
limits_list_run(struct ctl *ctl, const struct ctl_args *args)
{
	char target[64];
	struct ctl_reply reply;
	struct str d;
	uint64_t top = 20;
	int status;

	if (args->option[0] != NULL &&
	    (str_to_u64(str_of(args->option[0]), &top) != 0 || top > 1000))
		return ctl_complain(CTL_USAGE, "--top: a number up to 1000 is needed");
	snprintf(target, sizeof(target), "/api/limits?top=%u", (unsigned)top);
	status = ctl_get(ctl, "GET", target, &reply);
	if (status != CTL_DONE)
		return status;
	d = buf_str(&reply.body);
	if (ctl->json) {
		fwrite(d.p, 1, d.n, stdout);
	} else {
		print_store(d);
		print_policies(d);
		print_talkers(d);
	}
	buf_fini(&reply.body);
	return CTL_DONE;
}

int
limits_reset_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct ctl_reply reply;
	struct buf target;
	struct str d;
	int status;

	buf_init(&target, 0);
	buf_puts(&target, "/api/limits?pattern=");
	buf_put_percent(&target, str_of(args->v[0]), true);
	status = ctl_get(ctl, "DELETE", buf_cstr(&target), &reply);
	buf_fini(&target);
	if (status != CTL_DONE)
		return status;
	d = buf_str(&reply.body);
	if (ctl->json)
		fwrite(d.p, 1, d.n, stdout);
	else
		printf("reset; %llu of the clients listed fit\n",
		    (unsigned long long)document_u64(d, "known"));
	buf_fini(&reply.body);
	return CTL_DONE;
}
