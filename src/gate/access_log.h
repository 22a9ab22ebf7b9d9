/*
 * Lines for requests: nginx's `log_format` and `access_log`.
 *
 *	log_format main '$remote_addr "$request" $status';
 *	access_log /var/log/sluice/access.log main buffer=32k flush=1s if=$loggable;
 *
 * Where no access_log is in force, each request is a line of the server's own log, at level info, or
 * error from status 400 on:
 *
 *	http: request done method=PUT uri=/usage status=204 latency_ms=1.204 remote_ip=… request_id=… …
 *
 * `access_log off;` leaves both out. A method or target that was not understood is empty.
 */
#ifndef SLUICE_GATE_ACCESS_LOG_H
#define SLUICE_GATE_ACCESS_LOG_H

#include "conf/conf.h"

/* Registers the rows, the metric and the step. Called once, before the first parse and the zone. */
void access_log_register(void);

/* In the master, for a configuration that is to be in force: opens its files, new ones for this user
 * (-1: nobody's). They are closed when it is freed. 0, or an error after a log line. */
int access_log_open(struct conf *c, uid_t uid, gid_t gid);
/* In the master, for one that is no longer in force: before it forks again, or the files stay open in
 * children that know nothing of them. */
void access_log_close(struct conf *c);
/* On USR1: the master first, as it may make files that children may only open. */
void access_log_reopen(struct conf *c, uid_t uid, gid_t gid);
/* In a worker: at the end of each turn; and before it ends. */
void access_log_flush(void);
void access_log_finish(struct conf *c);

#endif
