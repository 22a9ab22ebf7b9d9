/*
 * What the dialogue's two files share: smtp_dialogue.c, which has the bytes and the messages, and smtp_session.c, which gets a session ready for them.
 */
#ifndef SLUICE_SINK_SMTP_SESSION_H
#define SLUICE_SINK_SMTP_SESSION_H

#include "sink/smtp_dialogue.h"

/* ---- smtp_session.c ---- */

/* A reply came at a step before SMTP_IDLE. */
void smtp_session_reply(struct smtp_dialogue *d);
/* A line of any reply: those of EHLO's say what the server offers. arg: the dialogue. */
void smtp_session_line(void *arg, unsigned number, struct str text);

/* ---- smtp_dialogue.c ---- */

/* What each step is called where it failed. */
extern const char *const smtp_doing[];

/* What is in d->out is to be sent, and then an answer to be waited for. */
void smtp_ask(struct smtp_dialogue *d, enum smtp_step step);
/* The session is over. */
void smtp_end(struct smtp_dialogue *d, enum sink_outcome outcome, int code, const char *why);
/* The same, because of the reply that just came. */
void smtp_refused(struct smtp_dialogue *d);

#endif
