/*
 * Mail addresses and lists of them: "a@b.example", "Name <a@b.example>, \"Doe, J.\" <j@b.example>". Pure; what is found points into the text.
 */
#ifndef SLUICE_SINK_SMTP_ADDRESS_H
#define SLUICE_SINK_SMTP_ADDRESS_H

#include "base/buf.h"

struct smtp_mailbox {
	struct str name;    /* as it stood, with its quotes and backslashes; may be empty */
	struct str address; /* valid */
	bool utf8;          /* the address is not ASCII */
};

#define SMTP_ADDRESS_MAX 254 /* RFC 5321, 4.5.3.1.3, without < and > */
#define SMTP_NAME_MAX 256

/* True for a mailbox of RFC 5321, 4.1.2 (UTF-8 allowed as in RFC 6531): dots or a quoted string before the "@", a host name or an address literal
 * behind it; lengths within limits, no control characters. *utf8: it is not ASCII. */
bool smtp_address_ok(struct str s, bool *utf8);
/* Behind the last "@". */
struct str smtp_address_domain(struct str address);
/* A host name or address literal, as it stands behind "@" or EHLO. */
bool smtp_domain_ok(struct str s, bool *utf8);

/* Cuts the first mailbox off *list, with the comma behind it. 1; 0 at the end; ERR_BAD: no mailbox, *bad is the text that is none. */
int smtp_mailbox_next(struct str *list, struct smtp_mailbox *out, struct str *bad);
/* The display name without quotes and backslashes, to out. */
void smtp_name_text(struct str name, struct buf *out);

#endif
