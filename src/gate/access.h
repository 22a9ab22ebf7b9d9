/*
 * `allow` and `deny`: who may, by address. A phase of http/server.h, behind the limits by address and
 * before auth. The first rule that holds the client's address counts; no rule: allowed. Answers 403.
 */
#ifndef SLUICE_GATE_ACCESS_H
#define SLUICE_GATE_ACCESS_H

/* Registers the rows and the phase. */
void access_register(void);

#endif
