/*
 * The line for each request in the server's own log: at level info, or error from status 400 on.
 *
 *	http: request done method=PUT uri=/usage status=204 latency_ms=1.204 remote_ip=… request_id=… …
 *	http: request error method=PUT uri=/usage status=401 …
 *
 * `access_log off;` leaves it out. A method or target that was not understood is empty.
 */
#ifndef SLUICE_GATE_ACCESS_LOG_H
#define SLUICE_GATE_ACCESS_LOG_H

/* Registers it with http/server.h. Called once, before serving. */
void access_log_register(void);

#endif
