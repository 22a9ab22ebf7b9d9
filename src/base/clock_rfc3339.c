/*
 * Reading RFC 3339 times, as people and programs write them in filters.
 */
#include "base/clock.h"

#define YEAR_MIN 1970
#define YEAR_MAX 2261 /* int64_t nanoseconds end in 2262 */
#define FRACTION_MAX 9

/* What is left of the text; `bad` sticks. */
struct scan {
	struct str rest;
	bool bad;
};

static bool
has_digit(const struct scan *s)
{
	return s->rest.n > 0 && s->rest.p[0] >= '0' && s->rest.p[0] <= '9';
}

/* Exactly n digits. */
static int
take_number(struct scan *s, unsigned n)
{
	int value = 0;

	for (; n > 0; n--) {
		if (!has_digit(s)) {
			s->bad = true;
			return 0;
		}
		value = value * 10 + (s->rest.p[0] - '0');
		s->rest = str_from(s->rest, 1);
	}
	return value;
}

/* One of these characters, which is returned; else 0 and bad. */
static char
take_one(struct scan *s, const char *of)
{
	char c = s->rest.n > 0 ? s->rest.p[0] : 0;

	if (c == 0 || strchr(of, c) == NULL) {
		s->bad = true;
		return 0;
	}
	s->rest = str_from(s->rest, 1);
	return c;
}

/* ".123", if there is one, as nanoseconds. */
static int
take_fraction(struct scan *s)
{
	int64_t unit = NS_PER_S, value = 0;
	unsigned digits = 0;

	if (s->rest.n == 0 || s->rest.p[0] != '.')
		return 0;
	s->rest = str_from(s->rest, 1);
	for (; has_digit(s); digits++) {
		unit /= 10;
		value += unit * take_number(s, 1);
	}
	s->bad |= digits == 0 || digits > FRACTION_MAX;
	return (int)value;
}

/* "Z" or "+09:00", as nanoseconds ahead of UTC. */
static int64_t
take_offset(struct scan *s)
{
	char sign = take_one(s, "Zz+-");
	int hours, minutes;

	if (sign != '+' && sign != '-')
		return 0;
	hours = take_number(s, 2);
	take_one(s, ":");
	minutes = take_number(s, 2);
	s->bad |= hours > 23 || minutes > 59;
	return (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60 * NS_PER_S;
}

/* A day or an hour that does not exist comes back as another one. */
static bool
exists(const struct clock_utc *t, int64_t wall_ns)
{
	struct clock_utc back;

	clock_split(wall_ns, &back);
	return back.year == t->year && back.month == t->month && back.day == t->day &&
	       back.hour == t->hour && back.minute == t->minute && back.second == t->second;
}

int
clock_parse_rfc3339(struct str s, int64_t *wall_ns)
{
	struct scan in = { s, false };
	struct clock_utc t = { 0 };
	int64_t offset, at;

	t.year = take_number(&in, 4);
	take_one(&in, "-");
	t.month = take_number(&in, 2);
	take_one(&in, "-");
	t.day = take_number(&in, 2);
	take_one(&in, "Tt");
	t.hour = take_number(&in, 2);
	take_one(&in, ":");
	t.minute = take_number(&in, 2);
	take_one(&in, ":");
	t.second = take_number(&in, 2);
	t.nanosecond = take_fraction(&in);
	offset = take_offset(&in);
	if (in.bad || in.rest.n > 0 || t.year < YEAR_MIN || t.year > YEAR_MAX || t.month < 1 ||
	    t.month > 12)
		return ERR_BAD;
	at = clock_join(&t);
	if (!exists(&t, at) || at < offset)
		return ERR_BAD;
	*wall_ns = at - offset;
	return 0;
}
