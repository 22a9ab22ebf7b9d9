/*
 * The table of commands.
 */
#include "ctl/ctl.h"

#include "ctl/manual.h"

static const struct ctl_option limits_options[] = {
	{ "top", "N", "how many clients are listed, those with the most requests first (20)" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option keys_new_options[] = {
	{ "role", "ROLE", "admin, service or user (default: user)" },
	{ "expires", "WHEN", "a time such as 2027-01-01T00:00:00Z, or from now: 90d, 12h" },
	{ "file", "FILE", "the keys file (default: keys, beside sluice.conf)" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option keys_options[] = {
	{ "file", "FILE", "the keys file (default: keys, beside sluice.conf)" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option logs_options[] = {
	{ "errors", "[N]", "the last N lines that tell of an error (default: 20)" },
	{ "slow", "[N]", "the N requests that took longest (default: 20)" },
	{ NULL, NULL, NULL },
};

const struct ctl_command ctl_commands[] = {
	{ "status", "", 0, 0, NULL, status_run, "what is up, waiting, failing, in short", NULL },
	{ "streams", "", 0, 0, NULL, streams_run,
	    "each stream: what waits, since when, where it goes, and how that goes", NULL },
	{ "workers", "", 0, 0, NULL, workers_run,
	    "every process with its heartbeat, restarts and connections", NULL },
	{ "health", "", 0, 0, NULL, health_run,
	    "exit status 0 if a record could be accepted now, else 1",
	    "For the health check of a container. A server that cannot be reached is not healthy. "
	    "What is wrong without keeping records out is shown, too, and is no failure." },
	{ "limits list", "", 0, 0, limits_options, limits_list_run,
	    "the rate limits in force, and who talks most", NULL },
	{ "limits reset", "PATTERN", 1, 1, NULL, limits_reset_run,
	    "forgets what is known of clients, punishments included",
	    "A key is ratelimit:ENDPOINT:IDENTIFIER as limits list shows it; * stands for "
	    "anything: "
	    "'ratelimit:usage:*'." },
	{ "keys new", "NAME", 1, 1, keys_new_options, keys_new_run,
	    "makes an API key and prints it, once",
	    "The file, which is made if need be, keeps only its SHA-256. A server that uses the "
	    "file "
	    "takes the key within two seconds. No server needs to run." },
	{ "keys list", "", 0, 0, keys_options, keys_list_run, "the keys of a file", NULL },
	{ "keys revoke", "NAME", 1, 1, keys_options, keys_revoke_run, "takes a key out of the file",
	    "A server that uses the file refuses the key within two seconds." },
	{ "logs", "[FILE]", 0, 1, logs_options, logs_run,
	    "recent errors, or the slowest requests, of a log",
	    "Reads the server's own log, logfmt or JSON, and access logs in nginx's combined form, "
	    "logfmt or JSON. Without FILE the log that the server writes now; - is standard input. "
	    "Requests count as errors from status 400 on." },
	{ "dlq list", "", 0, 0, dlq_list_options, dlq_list_run,
	    "dead letters, newest first, those that the options choose",
	    "What could not be delivered waits here until somebody, or a rule, decides." },
	{ "dlq show", "ID", 1, 1, dlq_show_options, dlq_show_run,
	    "one dead letter: its error, payload and history", NULL },
	{ "dlq reprocess", "", 0, 0, dlq_reprocess_options, dlq_reprocess_run,
	    "sends dead letters again: all that are pending, or those that the options choose",
	    "Who wanted it, and why, stays on record with each. They go the way all data goes, "
	    "with "
	    "its limits, as a job that dlq jobs shows and dlq cancel takes back." },
	{ "dlq discard", "", 0, 0, dlq_discard_options, dlq_discard_run,
	    "gives up the dead letters that the options choose",
	    "At least one of --ids, --all, --stream, --type and --match is needed. They can be "
	    "seen, "
	    "and with --force sent again, until the retention has passed." },
	{ "dlq cancel", "JOB", 1, 1, dlq_cancel_options, dlq_cancel_run,
	    "takes back what of a job is not on its way", NULL },
	{ "dlq jobs", "", 0, 0, NULL, dlq_jobs_run,
	    "what was sent again, newest first, and how far that is", NULL },
	{ "dlq stats", "", 0, 0, dlq_stats_options, dlq_stats_run,
	    "dead letters by state, error type, stream and hour", NULL },
	{ "dlq rules", "", 0, 0, NULL, dlq_rules_run,
	    "the rules by which dead letters are sent again, and what they did", NULL },
	{ "deliveries", "STREAM", 1, 1, deliveries_options, deliveries_run,
	    "attempts to deliver a stream's messages, newest first", NULL },
	{ "spool ls", "[PATH|STREAM]", 0, 1, NULL, spool_ls_run,
	    "the files that wait on disk, with their records, size and age",
	    "Of a stream, a file, any folder, or all that is in the state folder, which is where "
	    "the "
	    "admin socket (-s) is. No server needs to run." },
	{ "spool cat", "PATH|STREAM", 1, 1, NULL, spool_cat_run, "prints their records",
	    "As they were taken in, a line end behind each. On a terminal control characters are "
	    "shown, not sent. What is damaged is passed over, and makes the exit status 1." },
	{ "spool verify", "[PATH|STREAM]", 0, 1, NULL, spool_verify_run,
	    "reads them and compares every checksum; exit status 1 if one is damaged",
	    "The end of a file that is being written, or whose writer died, is \"unfinished\": no "
	    "record of it was acknowledged. Nothing is changed." },
	{ "spool purge", "STREAM", 1, 1, spool_purge_options, spool_purge_run,
	    "gives up what waits in a stream of messages",
	    "All that is not on its way, and stays on record as dropped: sluicectl deliveries. It "
	    "cannot be taken back. The server does it, so it must run." },
	{ "help", "[COMMAND]", 0, 2, NULL, help_run, "explains a command, or lists them all",
	    NULL },
	{ .name = NULL },
};
