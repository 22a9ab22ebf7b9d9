/*
 * See smtp_letter.h. Called by smtp.c, on a helper where the record is large.
 */
#include "sink/smtp_letter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "sink/smtp_encode.h"

enum { COLUMN_MAX = 76 };

static int refuse(struct sink_result *out, enum sink_outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
refuse(struct sink_result *out, enum sink_outcome outcome, const char *fmt, ...)
{
	va_list args;

	out->outcome = outcome;
	va_start(args, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, args);
	va_end(args);
	return ERR_BAD;
}

static int
no_memory(struct sink_result *out)
{
	return refuse(out, SINK_AGAIN, "%s", err_text(ERR_NOMEM));
}

/* ---- values ---- */

/* "00-<32 hex>-<16 hex>-<2 hex>": the middle of it; else nothing. */
static void
find_trace_id(struct str traceparent, char out[33])
{
	struct str id = str_sub(traceparent, 3, 32);
	struct id parsed;

	out[0] = '\0';
	if (traceparent.n >= 55 && traceparent.p[2] == '-' && traceparent.p[35] == '-' &&
	    id_parse(id, &parsed) == 0)
		id_text(parsed, out);
}

static int
check_json(const struct smtp_form *form, struct str record, struct sink_result *out)
{
	uint64_t at;

	if (!form->from.has_json && !form->to.has_json && !form->subject.has_json &&
	    !form->body.has_json)
		return 0;
	if (json_check_text(record, &at) == 0)
		return 0;
	return refuse(
	    out, SINK_POISON, "the record is not JSON (at byte %llu)", (unsigned long long)at);
}

/* One template's text. what: which, for the reason. */
static int
expand(const struct smtp_template *t, const char *what, const struct smtp_values *v,
    struct buf *text, struct sink_result *out)
{
	struct str missing = STR("");
	int err = smtp_template_expand(t, v, text, &missing);

	if (err == ERR_NOMEM || buf_failed(text))
		return no_memory(out);
	if (err == ERR_NOT_FOUND)
		return refuse(out, SINK_POISON, "the record has no \"%.*s\", which %s needs",
		    STR_ARG(str_sub(missing, 0, 80)), what);
	if (err)
		return refuse(
		    out, SINK_POISON, "the record is no JSON object, which %s needs", what);
	if (!utf8_valid(buf_str(text)))
		return refuse(out, SINK_POISON, "%s is not valid UTF-8", what);
	return 0;
}

static int
expand_all(struct smtp_letter *l, const struct smtp_form *form, const struct smtp_values *v,
    struct sink_result *out)
{
	int err = expand(&form->from, "from", v, &l->from_text, out);

	if (!err)
		err = expand(&form->to, "to", v, &l->to_text, out);
	if (!err)
		err = expand(&form->subject, "subject", v, &l->subject, out);
	if (!err)
		err = expand(&form->body, "body", v, &l->body, out);
	return err;
}

/* ---- addresses ---- */

static int
bad_address(struct sink_result *out, const char *what, struct str bad)
{
	char shown[100];
	size_t n = 0;

	/* Whole characters only. */
	while (n < bad.n && n + utf8_len(bad.p + n, bad.n - n) <= sizeof(shown))
		n += utf8_len(bad.p + n, bad.n - n);
	for (size_t i = 0; i < n; i++)
		shown[i] = (unsigned char)bad.p[i] < ' ' || bad.p[i] == 0x7f ? '?' : bad.p[i];
	return refuse(out, SINK_PERMANENT, "%s: \"%.*s\" is no mail address", what, (int)n, shown);
}

static int
read_from(struct smtp_letter *l, struct sink_result *out)
{
	struct str list = buf_str(&l->from_text), bad = STR("");

	if (smtp_mailbox_next(&list, &l->from, &bad) != 1)
		return bad_address(out, "from", bad);
	if (list.p != NULL)
		return refuse(out, SINK_PERMANENT, "from: there are several addresses");
	l->utf8 = l->from.utf8;
	return 0;
}

static int
read_to(struct smtp_letter *l, uint64_t max, struct sink_result *out)
{
	struct str list = buf_str(&l->to_text), bad = STR("");
	int more;

	l->to = calloc(max, sizeof(*l->to));
	l->addresses = calloc(max, sizeof(*l->addresses));
	if (l->to == NULL || l->addresses == NULL)
		return no_memory(out);
	for (;;) {
		struct smtp_mailbox box;

		if ((more = smtp_mailbox_next(&list, &box, &bad)) != 1)
			break;
		if (l->n_to == max)
			return refuse(out, SINK_PERMANENT, "to: more than %llu addresses",
			    (unsigned long long)max);
		l->utf8 |= box.utf8;
		l->addresses[l->n_to] = box.address;
		l->to[l->n_to++] = box;
	}
	if (more < 0 || l->n_to == 0)
		return bad_address(out, "to", bad);
	return 0;
}

int
smtp_letter_read(struct smtp_letter *l, const struct smtp_form *form, const struct sink_message *m,
    struct str record, struct sink_result *out)
{
	struct smtp_values v = {
		.id = str_of(m->id), .user = m->user, .stream = m->stream, .body = record
	};
	int err;

	memset(l, 0, sizeof(*l));
	buf_init(&l->from_text, 0);
	buf_init(&l->to_text, 0);
	buf_init(&l->subject, 0);
	buf_init(&l->body, 0);
	find_trace_id(m->traceparent, l->trace_id);
	v.trace_id = str_of(l->trace_id);
	err = check_json(form, record, out);
	if (!err)
		err = expand_all(l, form, &v, out);
	if (!err)
		err = read_from(l, out);
	return err ? err : read_to(l, form->max_recipients, out);
}

void
smtp_letter_free(struct smtp_letter *l)
{
	buf_fini(&l->from_text);
	buf_fini(&l->to_text);
	buf_fini(&l->subject);
	buf_fini(&l->body);
	free(l->to);
	free(l->addresses);
}

/* ---- the message ---- */

static void
put_mailbox(struct buf *out, const struct smtp_mailbox *box, size_t *column)
{
	struct buf name;

	if (box->name.n == 0) {
		buf_put_str(out, box->address);
		*column += box->address.n;
		return;
	}
	buf_init(&name, 0);
	smtp_name_text(box->name, &name);
	smtp_put_phrase(out, buf_str(&name), column);
	if (buf_failed(&name))
		out->err = buf_failed(&name);
	buf_fini(&name);
	if (*column + box->address.n + 4 > COLUMN_MAX) {
		buf_puts(out, "\r\n");
		*column = 0;
	}
	buf_printf(out, " <%.*s>", STR_ARG(box->address));
	*column += box->address.n + 3;
}

static void
put_mailboxes(struct buf *out, const char *name, const struct smtp_mailbox *box, unsigned n)
{
	size_t column = strlen(name) + 2;

	buf_printf(out, "%s: ", name);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0) {
			buf_puts(out, ",\r\n ");
			column = 1;
		}
		put_mailbox(out, &box[i], &column);
	}
	buf_puts(out, "\r\n");
}

/* "Sun, 22 Nov 2026 01:02:03 +0000": RFC 9110's form but for the zone. */
static void
put_date(struct buf *out, int64_t wall_ns)
{
	char text[CLOCK_HTTP_LEN + 1];

	clock_http(wall_ns, text);
	buf_printf(out, "Date: %.*s+0000\r\n", CLOCK_HTTP_LEN - 3, text);
}

static void
put_header(const struct smtp_letter *l, const struct sink_message *m, struct buf *out)
{
	struct str domain = smtp_address_domain(l->from.address);

	put_date(out, m->received);
	put_mailboxes(out, "From", &l->from, 1);
	put_mailboxes(out, "To", l->to, l->n_to);
	smtp_put_header(out, "Subject", buf_str(&l->subject));
	buf_printf(out, "Message-ID: <%s@%.*s>\r\n", m->id, STR_ARG(domain));
	buf_puts(out, "Auto-Submitted: auto-generated\r\n");
	smtp_put_header(out, "X-Sluice-Stream", m->stream);
	if (l->trace_id[0]) {
		buf_printf(out, "X-Sluice-Trace-Id: %s\r\n", l->trace_id);
		smtp_put_header(out, "X-Sluice-Traceparent", m->traceparent);
	}
}

void
smtp_letter_write(const struct smtp_letter *l, const struct sink_message *m, bool eight_bit,
    bool *used_eight_bit, struct buf *out)
{
	static const char *const names[] = {
		[SMTP_7BIT] = "7bit", [SMTP_8BIT] = "8bit", [SMTP_QUOTED] = "quoted-printable"
	};
	enum smtp_transfer how = smtp_transfer_of(buf_str(&l->body), eight_bit);

	*used_eight_bit = how == SMTP_8BIT;
	put_header(l, m, out);
	buf_puts(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
	buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n", names[how]);
	smtp_put_body(out, buf_str(&l->body), how);
	buf_puts(out, ".\r\n");
}
