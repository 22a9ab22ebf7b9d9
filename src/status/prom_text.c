/*
 * Numbers and labels of the Prometheus text, by hand: a scrape may have a million of each. Pure; called by prom.c and prom_table.c.
 */
#include "base/utf8.h"
#include "status/prom_priv.h"

static uint64_t
power_of_ten(unsigned n)
{
	static const uint64_t powers[PROM_DECIMALS_MAX + 1] = { 1, 10, 100, 1000, 10000, 100000,
		1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000,
		10000000000000, 100000000000000, 1000000000000000, 10000000000000000,
		100000000000000000, 1000000000000000000 };

	assert(n <= PROM_DECIMALS_MAX);
	return powers[n];
}

char *
prom_put_decimal(char *to, uint64_t v, unsigned decimals)
{
	uint64_t unit, part;

	if (decimals == 0)
		return str_put_u64(to, v);
	unit = power_of_ten(decimals);
	part = v % unit;
	to = str_put_u64(to, v / unit);
	if (part == 0)
		return to;
	for (; part % 10 == 0; decimals--)
		part /= 10;
	*to = '.';
	for (unsigned i = decimals; i > 0; i--, part /= 10)
		to[i] = (char)('0' + part % 10);
	return to + 1 + decimals;
}

char *
prom_put_signed(char *to, int64_t v, unsigned decimals)
{
	if (v >= 0)
		return prom_put_decimal(to, (uint64_t)v, decimals);
	*to++ = '-';
	return prom_put_decimal(to, -(uint64_t)v, decimals);
}

void
prom_bounds_init(struct prom_bounds *b, const int64_t *bounds, unsigned n, unsigned decimals)
{
	assert(n <= METRIC_BOUNDS_MAX);
	b->n = n + 1;
	for (unsigned i = 0; i <= n; i++) {
		struct prom_bound *at = &b->at[i];
		char *to = prom_copy(at->text, STR("le=\""));

		to = i < n ? prom_put_signed(to, bounds[i], decimals) : prom_copy(to, STR("+Inf"));
		*to++ = '"';
		at->n = (size_t)(to - at->text);
	}
}

/* ---- labels ---- */

/* How many bytes from the start of s stand in a label as they are. */
static size_t
plain_length(struct str s)
{
	size_t at = 0, n;

	while (at < s.n) {
		unsigned char c = (unsigned char)s.p[at];

		if (c < ' ' || c == 0x7f || c == '"' || c == '\\')
			break;
		n = utf8_len(s.p + at, s.n - at);
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

/* The byte at the start of s, which cannot stand as it is. */
static void
put_escaped(struct buf *b, struct str s, bool printable)
{
	unsigned char c = (unsigned char)s.p[0];

	if (c == '\n') {
		buf_put(b, "\\n", 2);
	} else if (c == '"') {
		buf_put(b, "\\\"", 2);
	} else if (c == '\\' && (printable || s.n < 2 || s.p[1] != 'x')) {
		buf_put(b, "\\\\", 2);
	} else {
		buf_put(b, "\\\\x", 3);
		buf_put_hex(b, &c, 1);
	}
}

static void
put_label(struct buf *b, const char *name, struct str value, bool printable)
{
	size_t n;

	if (b->n > 0)
		buf_putc(b, ',');
	buf_puts(b, name);
	buf_put(b, "=\"", 2);
	while (value.n > 0) {
		n = plain_length(value);
		buf_put(b, value.p, n);
		value = str_from(value, n);
		if (value.n > 0) {
			put_escaped(b, value, printable);
			value = str_from(value, 1);
		}
	}
	buf_putc(b, '"');
}

void
prom_label(struct buf *b, const char *name, struct str value)
{
	put_label(b, name, value, false);
}

void
prom_label_printable(struct buf *b, const char *name, struct str value)
{
	put_label(b, name, value, true);
}
