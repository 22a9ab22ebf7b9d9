/*
 * The main context: what the master needs to know. Also the list of all modules, in layer order.
 */
#ifndef SLUICE_SERVER_CORE_H
#define SLUICE_SERVER_CORE_H

#include "conf/conf.h"

struct core_conf {
	struct str state_dir, admin_socket, user, pid_path, error_log;
	bool run_as_daemon;
	uint64_t workers; /* 0: one a usable core */
	uint64_t worker_connections, nofile, idempotency_keys;
	int64_t shutdown_timeout;
	int log_level, log_style;
};

#define CORE_STATE_DIR "/var/lib/sluice" /* the default */
/* Longest state_dir: every path below it fits fixed buffers. */
#define CORE_STATE_DIR_MAX 240

/* Registers every module of the server, once, before the first parse. */
void core_register(void);
/* Parses, checks and applies: a configuration ready to run, or NULL with the messages in *messages (malloc'ed, the caller frees; may be set on success too:
 * warnings). globals: -g, or NULL. */
struct conf *core_load(const char *path, const char *globals, unsigned port, char **messages);
/* What the main context says, after core_load. */
const struct core_conf *core_of(struct conf *c);
/* Usable cores: scheduler affinity and cgroup quota obeyed. At least 1. */
unsigned core_cpus(void);

#endif
