/*
 * See smtp_outcome.h. Called by smtp_dialogue.c.
 *
 *	4xx, 421                                        again
 *	5xx before MAIL (greeting, EHLO, TLS, AUTH)      held: no message is in question yet
 *	530, 534, 535, 538                               held: we are to log in, or to do so differently
 *	5xx with 5.7.x to MAIL, one sender for all       held: it is the sender, or we, who may not send here
 *	5xx otherwise                                    permanent
 *
 * 5.7.x to RCPT stays permanent: servers say it of single recipients, too, and one of those must not hold up all messages behind it.
 */
#include "sink/smtp_outcome.h"

enum sink_outcome
smtp_judge(const struct smtp_policy *p, enum smtp_step step, int code, struct str enhanced)
{
	enum sink_outcome outcome = classify_status(CLASSIFY_SMTP, p->rules, code);

	if (outcome == SINK_CONFIRMED && (step < SMTP_MAIL || code < 400))
		return SINK_AGAIN; /* the rules know statuses, not that this one refuses */
	if (outcome != SINK_PERMANENT)
		return outcome;
	if (step < SMTP_MAIL)
		return SINK_HELD;
	if (step == SMTP_MAIL && p->fixed_sender && str_starts(enhanced, STR("5.7.")))
		return SINK_HELD;
	return SINK_PERMANENT;
}

int
smtp_severity(enum sink_outcome outcome)
{
	switch (outcome) {
	case SINK_CONFIRMED:
		return 0;
	case SINK_HELD:
		return 2;
	case SINK_PERMANENT:
		return 3;
	case SINK_POISON:
		return 4;
	default:
		return 1;
	}
}
