/*
 * Refusals of the gate (auth, limits), in the form that the path's clients expect: {"message":"…"}, and below /v1/ the OpenAI error
 * object.
 */
#ifndef SLUICE_GATE_REFUSE_H
#define SLUICE_GATE_REFUSE_H

#include "http/server.h"

/* Is this a path whose clients speak OpenAI's protocol (/v1, /v1/…)? */
bool refuse_is_openai(const struct http_request *r);
/* The OpenAI error object: {"error":{"message":…,"type":…,"param":null,"code":…}}. code NULL: null. Parks. */
int refuse_openai(
    struct http_request *r, int status, const char *message, const char *type, const char *code);
/* Either of the two. Parks. */
int refuse(
    struct http_request *r, int status, const char *message, const char *type, const char *code);

#endif
