/*
 * See table.h.
 */
#include "ctl/table.h"

#include <stdio.h>

#include "base/utf8.h"

/* What takes part of a line on a terminal: characters, not bytes. Wide ones are counted as one. */
static size_t
columns_of(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* C1 controls hide in two bytes of UTF-8. */
static bool
is_control(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0];

	return c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

void
table_put_visible(struct buf *out, struct str s)
{
	while (s.n > 0) {
		size_t n = utf8_len(s.p, s.n);

		if (n == 0 || is_control(s.p, n)) {
			n = n ? n : 1;
			for (size_t i = 0; i < n; i++)
				buf_printf(out, "\\x%02x", (unsigned char)s.p[i]);
		} else {
			buf_put(out, s.p, n);
		}
		s = str_from(s, n);
	}
}

void
table_init(struct table *t, const char *heads)
{
	struct str rest = str_of(heads);

	*t = (struct table){ .columns = heads[0] ? 0 : 2 };
	buf_init(&t->text, 0);
	while (rest.n > 0) {
		struct str head = str_split(&rest, ' ');

		assert(t->columns < TABLE_COLUMNS_MAX);
		t->right[t->columns] = head.n > 0 && head.p[0] == '>';
		t->columns++;
	}
	rest = str_of(heads);
	while (rest.n > 0) {
		struct str head = str_split(&rest, ' ');

		table_cell(t, str_from(head, head.n > 0 && head.p[0] == '>'));
	}
}

void
table_cell(struct table *t, struct str s)
{
	unsigned column = t->cells++ % t->columns;
	size_t from = t->text.n, width;

	table_put_visible(&t->text, s);
	width = columns_of(str_from(buf_str(&t->text), from));
	t->width[column] = MAX(t->width[column], width);
	buf_putc(&t->text, '\0');
}

void
table_cstr(struct table *t, const char *s)
{
	table_cell(t, s && s[0] ? str_of(s) : STR("-"));
}

void
table_u64(struct table *t, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	table_cstr(t, text);
}

void
table_format_bytes(uint64_t bytes, char out[32])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, 32, "%u B", (unsigned)bytes);
		return;
	}
	for (v /= 1024; v >= 1023.95 && unit + 1 < ARRAY_LEN(units); unit++)
		v /= 1024;
	snprintf(out, 32, "%.1f %s", v, units[unit]);
}

void
table_format_age(double seconds, char out[32])
{
	unsigned long long s = seconds > 0 && seconds < 1e15 ? (unsigned long long)seconds : 0;

	if (seconds < 10)
		snprintf(out, 32, "%.1fs", seconds > 0 ? seconds : 0);
	else if (s < 60)
		snprintf(out, 32, "%llus", s);
	else if (s < 3600)
		snprintf(out, 32, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 32, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, 32, "%llud%02lluh", s / 86400, s / 3600 % 24);
}

void
table_bytes(struct table *t, uint64_t bytes)
{
	char text[32];

	table_format_bytes(bytes, text);
	table_cstr(t, text);
}

void
table_age(struct table *t, double seconds)
{
	char text[32];

	table_format_age(seconds, text);
	table_cstr(t, text);
}

static void
print_cell(const struct table *t, unsigned column, struct str cell)
{
	int pad = (int)(t->width[column] - columns_of(cell));
	bool last = column + 1 == t->columns;

	if (t->right[column])
		printf("%*s%.*s", pad, "", STR_ARG(cell));
	else
		printf("%.*s%*s", STR_ARG(cell), last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

void
table_print(struct table *t)
{
	struct str rest = buf_str(&t->text);

	for (unsigned i = 0; rest.n > 0; i++)
		print_cell(t, i % t->columns, str_split(&rest, '\0'));
	if (buf_failed(&t->text))
		fputs("(out of memory)\n", stdout);
	buf_fini(&t->text);
}
