/*
 * The auth step: who sends this request. One step, chosen a location by `auth`; a phase of http/server.h.
 *
 *	auth user_token;  the USER_TOKEN header's value is the user's name; without one 401
 *	auth none;        nobody is asked (default)
 */
#ifndef SLUICE_GATE_AUTH_H
#define SLUICE_GATE_AUTH_H

#include "conf/conf.h"

#define AUTH_USER_MAX 256

extern struct conf_module auth_module;
/* Registers the rows and the phase. */
void auth_register(void);

/* May this be a user's name? 1 to AUTH_USER_MAX bytes of valid UTF-8 without control characters. */
bool auth_user_ok(struct str user);

#endif
