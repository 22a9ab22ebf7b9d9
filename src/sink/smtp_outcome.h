/*
 * What a mail server's refusal means for the delivery: the table by status of sink/classify.h, with what the step at which it came adds.
 */
#ifndef SLUICE_SINK_SMTP_OUTCOME_H
#define SLUICE_SINK_SMTP_OUTCOME_H

#include "sink/smtp_dialogue.h"

/* enhanced: "5.7.1", or empty. */
enum sink_outcome smtp_judge(
    const struct smtp_policy *p, enum smtp_step step, int code, struct str enhanced);
/* Of several recipients' the outcome with the most severity holds: what waiting cannot mend outweighs the rest. */
int smtp_severity(enum sink_outcome outcome);

#endif
