/*
 * sluicectl: what its files share. A command is a row of a table (commands.c), which parsing, help and manual read. Commands print a table
 * for people or, with --json, one JSON document; they return an exit status.
 */
#ifndef SLUICE_CTL_CTL_H
#define SLUICE_CTL_CTL_H

#include "base/buf.h"

/* Exit statuses. */
enum { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_UNREACHABLE = 3 };

#define CTL_OPTIONS_MAX 16

/* "--errors", "--file=FILE"; value NULL: none; in brackets: may be left out, and is a number. */
struct ctl_option {
	const char *name, *value, *help;
};

/* What was given to a command. */
struct ctl_args {
	int n;
	char **v; /* arguments that are no options */
	/* by place in the command's options: NULL: not given; "": without a value */
	const char *option[CTL_OPTIONS_MAX];
};

/* What holds for any command. */
struct ctl {
	const char *socket, *url; /* url NULL: the socket */
	const char *ca_file;      /* NULL: the system's */
	struct buf key;           /* API key; wiped at the end */
	bool json;
};

struct ctl_command {
	const char *name; /* one word or two: "keys new" */
	const char *args; /* "NAME", "[FILE]" */
	int min_args, max_args;
	const struct ctl_option *options; /* ends with a NULL name; NULL: none */
	int (*run)(struct ctl *ctl, const struct ctl_args *args);
	const char *help;    /* one line */
	const char *details; /* more sentences, or NULL */
};

extern const struct ctl_command ctl_commands[]; /* ends with a NULL name */

/* "sluicectl: …" on stderr; returns status. */
int ctl_complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- request.c ---- */

struct ctl_reply {
	int status;
	struct buf body; /* the caller frees it with buf_fini */
};

/* One request to the server. CTL_DONE with the answer, whatever its status, or an exit status after a message. */
int ctl_request(struct ctl *ctl, const char *method, const char *target, struct str body,
    struct ctl_reply *out);
/* The same, where only an answer below 400 is of use: the error of another one is told. Its document is valid JSON. */
int ctl_send(struct ctl *ctl, const char *method, const char *target, struct str body,
    struct ctl_reply *out);
/* The same without a body. */
int ctl_get(struct ctl *ctl, const char *method, const char *target, struct ctl_reply *out);

/* GETs a document and prints it: as it is with --json, else by print. Returns the command's exit status. */
int ctl_show(struct ctl *ctl, const char *target, void (*print)(struct str document));

/* Tells of a refusal what the server says of it, {"error":…} or {"message":…}. Returns CTL_REFUSED. */
int ctl_refused(const struct ctl_reply *reply);
/* Adds a parameter to a target's query, where there is a value (NULL: none). */
void ctl_add_parameter(struct buf *target, const char *name, const char *value);
/* On whose record a decision goes: what was given, else the login name. Valid until the next call. */
const char *ctl_operator(const char *given);

/* ---- the commands ---- */

int status_run(struct ctl *ctl, const struct ctl_args *args);
int streams_run(struct ctl *ctl, const struct ctl_args *args);
int workers_run(struct ctl *ctl, const struct ctl_args *args);
int health_run(struct ctl *ctl, const struct ctl_args *args);
int limits_list_run(struct ctl *ctl, const struct ctl_args *args);
int limits_reset_run(struct ctl *ctl, const struct ctl_args *args);
int keys_new_run(struct ctl *ctl, const struct ctl_args *args);
int keys_list_run(struct ctl *ctl, const struct ctl_args *args);
int keys_revoke_run(struct ctl *ctl, const struct ctl_args *args);
int logs_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_list_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_show_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_reprocess_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_discard_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_cancel_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_jobs_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_stats_run(struct ctl *ctl, const struct ctl_args *args);
int dlq_rules_run(struct ctl *ctl, const struct ctl_args *args);
int deliveries_run(struct ctl *ctl, const struct ctl_args *args);
int spool_ls_run(struct ctl *ctl, const struct ctl_args *args);
int spool_cat_run(struct ctl *ctl, const struct ctl_args *args);
int spool_verify_run(struct ctl *ctl, const struct ctl_args *args);
int spool_purge_run(struct ctl *ctl, const struct ctl_args *args);

/* Of commands whose options are many: beside their commands. */
extern const struct ctl_option dlq_list_options[], dlq_show_options[], dlq_reprocess_options[],
    dlq_discard_options[], dlq_cancel_options[], dlq_stats_options[], deliveries_options[],
    spool_purge_options[];

#endif
