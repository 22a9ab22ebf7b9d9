/*
 * limits list, limits reset: the rate limits of a running server.
 */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/document.h"

static void
print_store(struct str d)
{
	struct table t;

	table_init(&t, "STORE >CELLS >USED >EVICTED >FULL >RESETS");
	document_cell(&t, d, "store.state");
	table_u64(&t, document_u64(d, "store.cells") + document_u64(d, "store.wide_cells"));
	table_u64(&t, document_u64(d, "store.used") + document_u64(d, "store.wide_used"));
	table_u64(&t, document_u64(d, "store.evicted"));
	table_u64(&t, document_u64(d, "store.full"));
	table_u64(&t, document_u64(d, "store.resets"));
	table_print(&t);
}

static void
print_policies(struct str d)
{
	struct str policies = document_get(d, "policies"), policy, limits, limit;
	size_t at = 0, inner;
	struct table t;

	table_init(&t, "POLICY LIMIT >COUNT >PERIOD >BURST WINDOW >SCALE");
	while (document_next(policies, &at, &policy)) {
		limits = document_get(policy, "limits");
		inner = 0;
		while (document_next(limits, &inner, &limit)) {
			document_cell(&t, policy, "name");
			document_cell(&t, limit, "policy");
			document_cell(&t, limit, "count");
			table_age(&t, document_double(limit, "period"));
			document_cell(&t, limit, "limit");
			document_cell(&t, limit, "window");
			document_cell(&t, policy, "scale_percent");
		}
	}
	if (t.cells > t.columns)
		putchar('\n');
	table_print(&t);
}

static void
print_talkers(struct str d)
{
	struct str top = document_get(d, "top"), talker;
	size_t at = 0;
	struct table t;

	table_init(&t, "KEY LIMIT >RECENT >REQUESTS >LIMITED >REMAINING >WAIT");
	while (document_next(top, &at, &talker)) {
		document_cell(&t, talker, "key");
		document_cell(&t, talker, "policy");
		document_cell(&t, talker, "recent");
		document_cell(&t, talker, "requests");
		document_cell(&t, talker, "limited");
		document_cell(&t, talker, "remaining");
		table_age(&t, document_double(talker, "retry_after"));
	}
	putchar('\n');
	table_print(&t);
}

static void
print_all(struct str d)
{
	print_store(d);
	print_policies(d);
	print_talkers(d);
}

int
limits_list_run(struct ctl *ctl, const struct ctl_args *args)
{
	char target[64];
	uint64_t top = 20;

	if (args->option[0] != NULL &&
	    (str_to_u64(str_of(args->option[0]), &top) != 0 || top > 1000))
		return ctl_complain(CTL_USAGE, "--top: a number up to 1000 is needed");
	snprintf(target, sizeof(target), "/api/limits?top=%u", (unsigned)top);
	return ctl_show(ctl, target, print_all);
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
