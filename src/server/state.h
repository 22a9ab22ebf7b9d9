/*
 * The state folder as the master prepares it: made, handed to the configured user, locked against a second server.
 */
#ifndef SLUICE_SERVER_STATE_H
#define SLUICE_SERVER_STATE_H

#include "server/process.h"

/* Makes state_dir and locks it (state_dir/lock holds our pid). Waits while children of a server that died still finish; a live server is an error. Blocks. 0, or an
 * error after a log line. The descriptor stays open, in children too. */
int state_lock(const struct core_conf *core);
/* Makes the streams' folders, as the configured user. 0, or an error after a log line. */
int state_prepare(struct conf *c);
/* As root, with another user configured: file calls are the user's until state_act_as_root(). 0, or an error after a log line. */
int state_act_as_user(const struct core_conf *core);
int state_act_as_root(void);
/* The zone file (zone/zone.h): memory, after a log line, if none can be made. Blocks. NULL without memory. */
struct zone *state_open_zone(struct conf *c, unsigned slots);
/* The table of idempotency keys (spool/idem.h). Blocks. NULL after a log line: the server works without, refusing requests that carry a key. */
struct idem *state_open_keys(const struct core_conf *core, struct zone *z);
/* Gives a log file that was just made, and is still empty, to the configured user: children open it again by its name. */
void state_give_log(const struct core_conf *core);
/* pid file: `pid`, or state_dir/sluice.pid. */
void state_pid_path(const struct core_conf *core, char *out, size_t cap);
int state_write_pid(const struct core_conf *core);
void state_remove_pid(const struct core_conf *core);

#endif
