/*
 * The mail sink's cores over any bytes. The first byte says which: a dialogue with a server that says the rest, cut into pieces by the second byte; or a
 * record, from which a letter is made. A dialogue must say whole lines only and never two things at once; a letter must be lines that a server takes,
 * with one end, and a header that the record did not write.
 */
#include <stdlib.h>

#include "sink/smtp_letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- a dialogue ---- */

static const struct smtp_login login = { "joe", "secret" };
static const struct str to[2] = { STR_INIT("a@x.example"), STR_INIT("b@x.example") };
static const struct smtp_envelope envelope = {
	.from = STR_INIT("me@x.example"),
	.to = to,
	.n_to = 2,
	.message = STR_INIT("a: b\r\n\r\nc\r\n.\r\n"),
};

/* One or more whole lines. */
static void
check_output(struct str out)
{
	must(out.n > 2 && str_ends(out, STR("\r\n")));
	for (size_t i = 0; i < out.n; i++) {
		must(out.p[i] != '\0');
		must(out.p[i] != '\n' || (i > 0 && out.p[i - 1] == '\r'));
		must(out.p[i] != '\r' || out.p[i + 1] == '\n');
	}
}

/* Until the server is to speak. False: it is over. */
static bool
listen_again(struct smtp_dialogue *d)
{
	for (unsigned sent = 0;;) {
		switch (smtp_dialogue_want(d)) {
		case SMTP_WANT_READ:
			return true;
		case SMTP_WANT_WRITE:
			check_output(smtp_dialogue_output(d));
			smtp_dialogue_wrote(d);
			break;
		case SMTP_WANT_TLS:
			smtp_dialogue_secured(d);
			break;
		case SMTP_READY:
			d->login = NULL;
			if (d->spent || sent++ > 0)
				return false;
			smtp_dialogue_send(d, &envelope);
			break;
		case SMTP_OVER:
			return false;
		}
	}
}

static void
converse(unsigned options, unsigned step, struct str in)
{
	struct smtp_policy policy = { .helo = STR("me.example"),
		.starttls = (int)(options % 3),
		.tls = options & 4,
		.insecure_auth = options & 8,
		.fixed_sender = options & 16 };
	struct smtp_dialogue *d = malloc(sizeof(*d));

	smtp_dialogue_init(d, &policy, options & 32 ? &login : NULL);
	while (in.n > 0 && listen_again(d)) {
		size_t n = MIN(in.n, (size_t)step + 1);

		smtp_dialogue_take(d, str_sub(in, 0, n));
		in = str_from(in, n);
	}
	if (listen_again(d))
		smtp_dialogue_fail(d, ERR_CLOSED, NULL);
	must(memchr(d->verdict.why, 0, sizeof(d->verdict.why)) != NULL);
	must(d->tls || !(options & 32) || policy.insecure_auth ||
	     d->verdict.outcome != SINK_CONFIRMED || d->verdict.why[0] == '\0');
	smtp_dialogue_fini(d);
	free(d);
}

/* ---- a letter ---- */

static const char *const fields[] = { "Date: ", "From: ", "To: ", "Subject: ", "Message-ID: ",
	"Auto-Submitted: ", "X-Sluice-Stream: ", "MIME-Version: ", "Content-Type: ",
	"Content-Transfer-Encoding: " };

static void
check_letter(struct str wire, bool eight_bit)
{
	size_t next = 0;
	bool header = true;

	must(str_ends(wire, STR("\r\n.\r\n")));
	while (wire.n > 3) {
		struct str line = str_split(&wire, '\n');

		must(line.n > 0 && str_find(line, '\r') == (ptrdiff_t)line.n - 1);
		line.n--;
		must(line.n <= 999 && str_find(line, '\0') < 0);
		must(!str_is(line, "."));
		for (size_t i = 0; i < line.n; i++)
			must((unsigned char)line.p[i] < 0x80 || eight_bit || header);
		if (header && line.n == 0) {
			must(next == ARRAY_LEN(fields));
			header = false;
		} else if (header && line.p[0] != ' ') {
			must(next < ARRAY_LEN(fields) && str_starts(line, str_of(fields[next])));
			next++;
		}
	}
	must(!header && str_is(wire, ".\r\n"));
}

static void
make_letter(bool eight_bit, struct str record)
{
	static struct arena arena;
	static struct smtp_form form = { .max_recipients = 5 };
	static const char *const texts[] = { "Us <us@x.example>", "$json.to", "${json.s}",
		"$json.b" };
	struct smtp_template *templates[] = { &form.from, &form.to, &form.subject, &form.body };
	struct sink_message m = { .id = "0123456789abcdef0123456789abcdef",
		.stream = STR("mails"),
		.received = INT64_C(1795309323) * 1000000000 };
	struct sink_result result;
	struct smtp_letter letter;
	struct buf wire;
	struct str bad;
	bool used;

	for (size_t i = 0; form.body.n == 0 && i < ARRAY_LEN(texts); i++)
		must(smtp_template_compile(&arena, str_of(texts[i]), templates[i], &bad) == 0);
	buf_init(&wire, 0);
	if (smtp_letter_read(&letter, &form, &m, record, &result) == 0) {
		smtp_letter_write(&letter, &m, eight_bit, &used, &wire);
		must(buf_failed(&wire) == 0 && (eight_bit || !used));
		check_letter(buf_str(&wire), used);
	}
	smtp_letter_free(&letter);
	buf_fini(&wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] & 0x80)
		make_letter(data[1] & 1, str_make(data + 2, size - 2));
	else
		converse(data[0], data[1], str_make(data + 2, size - 2));
	return 0;
}
