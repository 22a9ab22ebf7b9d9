/*
 * `daemon on`: away from the terminal. Who started us waits until we serve, and learns by our exit status if we cannot.
 */
#ifndef SLUICE_SERVER_DAEMON_H
#define SLUICE_SERVER_DAEMON_H

#include <stdbool.h>

/* Goes on in a child, in a session of its own, with the same streams and folder; the caller's
 * process waits for daemon_ready and ends with status 0, or with the child's own when that ends
 * before. -1 with errno: there was no child. keep_streams: stdin, stdout and stderr stay open
 * after daemon_ready. */
int daemon_detach(bool keep_streams);
/* Lets whoever waits go. Without daemon_detach it does nothing. */
void daemon_ready(void);

#endif
