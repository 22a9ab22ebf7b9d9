/*
 * `spool purge`: an operator gives up what waits in a stream of messages. The server does it, since it knows what is on its way; who wanted it, and
 * why, stays on record with each message.
 */
#include <stdio.h>

#include "base/json_write.h"
#include "ctl/ctl.h"
#include "ctl/document.h"

enum { REASON, OPERATOR };

const struct ctl_option spool_purge_options[] = {
	[REASON] = { "reason", "TEXT", "why, for the record; it is needed" },
	[OPERATOR] = { "operator", "NAME", "on whose record it goes (the login name)" },
	{ NULL, NULL, NULL },
};

int
spool_purge_run(struct ctl *ctl, const struct ctl_args *args)
{
	struct ctl_reply reply;
	struct json_writer w;
	struct buf body;
	int status;

	if (args->option[REASON] == NULL || args->option[REASON][0] == '\0')
		return ctl_complain(
		    CTL_USAGE, "why? --reason TEXT is needed; see sluicectl help spool purge");
	buf_init(&body, 0);
	json_init(&w, &body);
	json_open(&w, NULL, '{');
	json_put_cstr(&w, "stream", args->v[0]);
	json_put_cstr(&w, "operator", ctl_operator(args->option[OPERATOR]));
	json_put_cstr(&w, "reason", args->option[REASON]);
	json_close(&w);
	status = ctl_send(ctl, "POST", "/api/spool/purge", buf_str(&body), &reply);
	buf_fini(&body);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		fwrite(reply.body.p, 1, reply.body.n, stdout);
	else
		printf("%llu purged\n",
		    (unsigned long long)document_u64(buf_str(&reply.body), "purged"));
	buf_fini(&reply.body);
	return CTL_DONE;
}
