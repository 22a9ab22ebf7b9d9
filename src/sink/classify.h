/*
 * What a destination's answer means for the delivery of a message: a table of rules by status, with the operator's own (`classify STATUS CLASS;` in a
 * stream) before it. Pure. Called by the sinks of messages.
 *
 *	done        the destination has it
 *	transient   the same again may work: retried, then a dead letter
 *	held        wrong set-up, not a wrong message: the breaker opens, nothing is counted, the stream waits
 *	permanent   the same again fails again: a dead letter at once
 *	poison      it is not even what the destination can read: a dead letter that no rule sends again
 */
#ifndef SLUICE_SINK_CLASSIFY_H
#define SLUICE_SINK_CLASSIFY_H

#include "conf/conf.h"
#include "sink/sink.h"

enum classify_protocol { CLASSIFY_HTTP, CLASSIFY_SMTP };

/* Statuses from..to. Of a list the first that fits holds. */
struct classify_rule {
	struct classify_rule *next;
	int from, to;
	enum sink_outcome outcome;
};

/* own: the operator's rules, or NULL. A status that no rule names, 0 (none was understood) included, is SINK_AGAIN. */
enum sink_outcome classify_status(
    enum classify_protocol protocol, const struct classify_rule *own, int status);
/* There was no answer, but this error: SINK_HELD for what only an operator can change (a certificate), else SINK_AGAIN. */
enum sink_outcome classify_error(int err);

/* "503 Service Unavailable: disk full": status, the answer's own words for it (may be empty), and the first line of its text that holds something.
 * Control characters and what is not UTF-8 are written as \xNN; cut at a whole character. */
void classify_why(char *out, size_t cap, int status, struct str reason, struct str text);

/* The rules of a stream's scope. NULL: none. */
const struct classify_rule *classify_rules(const struct conf_scope *scope);
void classify_conf_register(void);

#endif
