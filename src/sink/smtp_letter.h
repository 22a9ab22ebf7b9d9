/*
 * A record as a mail: sender, recipients, subject and body by the templates of the sink, checked (smtp_letter_read); then the message as it goes over
 * the wire, in the form that the server takes (smtp_letter_write). Pure; on large records both take their time.
 */
#ifndef SLUICE_SINK_SMTP_LETTER_H
#define SLUICE_SINK_SMTP_LETTER_H

#include "sink/sink.h"
#include "sink/smtp_address.h"
#include "sink/smtp_dialogue.h"
#include "sink/smtp_template.h"

#define SMTP_RECIPIENTS_MAX 100

/* What a sink's configuration says of its messages. */
struct smtp_form {
	struct smtp_template from, to, subject, body;
	uint64_t max_recipients;
};

struct smtp_letter {
	/* the expanded texts, which the rest points into */
	struct buf from_text, to_text, subject, body;
	struct smtp_mailbox from, *to;
	struct str *addresses; /* of the recipients, for the envelope */
	unsigned n_to;
	bool utf8;         /* an address is not ASCII */
	char trace_id[33]; /* "": none */
};

/* record: the whole of it. 0; else out->outcome, why say what is wrong: SINK_POISON for a record that is not what the templates need (no JSON, a member
 * missing, text that is not UTF-8), SINK_PERMANENT for one that can be read but not be sent (no valid address, too many), SINK_AGAIN without memory. letter is to
 * be freed in any case. */
int smtp_letter_read(struct smtp_letter *letter, const struct smtp_form *form,
    const struct sink_message *m, struct str record, struct sink_result *out);
void smtp_letter_free(struct smtp_letter *letter);

/* Header, body and the final dot, each line ended by CR LF, none longer than RFC 5322 allows. The same for every attempt at the same server. eight_bit: it takes
 * 8BITMIME; *used_eight_bit: that is needed. Failures stick in out. */
void smtp_letter_write(const struct smtp_letter *letter, const struct sink_message *m,
    bool eight_bit, bool *used_eight_bit, struct buf *out);

#endif
