/*
 * How any text becomes lines of a mail: encoded words of a header (RFC 2047), quoted-printable (RFC 2045), dot-stuffing (RFC 5321,
 * 4.5.2). Pure; failures stick in the buffer.
 */
#ifndef SLUICE_SINK_SMTP_ENCODE_H
#define SLUICE_SINK_SMTP_ENCODE_H

#include "base/buf.h"

#define SMTP_TEXT_LINE_MAX 998 /* bytes of a line without its CR LF (RFC 5322, 2.1.1) */

/* "Name: text" and CR LF, folded, with the text as it is where that is printable ASCII, else in encoded words. Control characters become blanks: no
 * text ends the header, or begins another. text: valid UTF-8. */
void smtp_put_header(struct buf *out, const char *name, struct str text);
/* The display name of a mailbox, in quotes or in encoded words; *column: where the line stands, before and after. */
void smtp_put_phrase(struct buf *out, struct str name, size_t *column);

/* What a body needs. */
enum smtp_transfer { SMTP_7BIT, SMTP_8BIT, SMTP_QUOTED };
/* eight_bit: the server takes it. */
enum smtp_transfer smtp_transfer_of(struct str body, bool eight_bit);
/* The body in lines, dot-stuffed; its last line ended even if it was not. LF and CR LF are line ends; a CR by itself stays one, quoted. */
void smtp_put_body(struct buf *out, struct str body, enum smtp_transfer how);

#endif
