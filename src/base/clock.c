/*
 * Clocks, the civil calendar, and the date forms the protocols want. Called from everywhere.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

enum { DAY_SECONDS = 86400, ERA_DAYS = 146097, ERA_YEARS = 400 };

static const char weekdays[7][10] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
	"Oct", "Nov", "Dec" };

/* Written by the loop, read by helper threads too. 0 before the first refresh. */
static _Atomic int64_t cached_mono, cached_wall;

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

void
clock_refresh(void)
{
	atomic_store_explicit(&cached_wall, clock_wall(), memory_order_relaxed);
	atomic_store_explicit(&cached_mono, clock_mono(), memory_order_relaxed);
}

static int64_t
cached(_Atomic int64_t *value)
{
	int64_t v = atomic_load_explicit(value, memory_order_relaxed);

	if (likely(v))
		return v;
	clock_refresh();
	return atomic_load_explicit(value, memory_order_relaxed);
}

int64_t
clock_cached_mono(void)
{
	return cached(&cached_mono);
}

int64_t
clock_cached_wall(void)
{
	return cached(&cached_wall);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * The calendar is counted in years that begin on 1 March, so that the leap day is the last of its
 * year, and in eras of 400 years, which all have the same number of days. Day 0 of era 0 is 1 March
 * of year 0.
 */
enum { EPOCH_DAY = 719468 }; /* 1 January 1970 */

static int64_t
days_from_date(int64_t year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = floor_div(y, ERA_YEARS);
	int64_t of_era = y - era * ERA_YEARS;
	int64_t march_month = (month + 9) % 12;
	int64_t of_year = (153 * march_month + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAY;
}

static void
date_from_days(int64_t days, struct clock_utc *out)
{
	int64_t z = days + EPOCH_DAY;
	int64_t era = floor_div(z, ERA_DAYS);
	int64_t d = z - era * ERA_DAYS;
	int64_t of_era = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	int64_t of_year = d - (365 * of_era + of_era / 4 - of_era / 100);
	int64_t march_month = (5 * of_year + 2) / 153;

	out->day = (int)(of_year - (153 * march_month + 2) / 5 + 1);
	out->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	out->year = (int)(era * ERA_YEARS + of_era + (out->month <= 2));
	out->weekday = (int)(days + 4 - floor_div(days + 4, 7) * 7);
}

void
clock_split(int64_t wall_ns, struct clock_utc *out)
{
	int64_t seconds = floor_div(wall_ns, NS_PER_S);
	int64_t days = floor_div(seconds, DAY_SECONDS);
	int of_day = (int)(seconds - days * DAY_SECONDS);

	date_from_days(days, out);
	out->hour = of_day / 3600;
	out->minute = of_day / 60 % 60;
	out->second = of_day % 60;
	out->nanosecond = (int)(wall_ns - seconds * NS_PER_S);
}

int64_t
clock_join(const struct clock_utc *utc)
{
	int64_t days = days_from_date(utc->year, utc->month, utc->day);
	int64_t seconds = days * DAY_SECONDS + utc->hour * 3600 + utc->minute * 60 + utc->second;

	return seconds * NS_PER_S + utc->nanosecond;
}

/* Writes v in exactly n digits; returns what follows. */
static char *
put_digits(char *to, int v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + n;
}

static char *
put_char(char *to, char c)
{
	*to = c;
	return to + 1;
}

/* YYYY MM DD with sep between, unless it is 0. */
static char *
put_date(char *to, const struct clock_utc *t, char sep)
{
	to = put_digits(to, t->year, 4);
	if (sep)
		to = put_char(to, sep);
	to = put_digits(to, t->month, 2);
	if (sep)
		to = put_char(to, sep);
	return put_digits(to, t->day, 2);
}

static char *
put_time(char *to, const struct clock_utc *t, char sep)
{
	to = put_digits(to, t->hour, 2);
	if (sep)
		to = put_char(to, sep);
	to = put_digits(to, t->minute, 2);
	if (sep)
		to = put_char(to, sep);
	return put_digits(to, t->second, 2);
}

void
clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_LEN + 1])
{
	struct clock_utc t;
	char *to = out;

	clock_split(wall_ns, &t);
	to = put_date(to, &t, '-');
	to = put_char(to, 'T');
	to = put_time(to, &t, ':');
	to = put_char(to, '.');
	to = put_digits(to, (int)(t.nanosecond / NS_PER_MS), 3);
	memcpy(to, "Z", 2);
}

void
clock_http(int64_t wall_ns, char out[CLOCK_HTTP_LEN + 1])
{
	struct clock_utc t;
	char *to = out;

	clock_split(wall_ns, &t);
	memcpy(to, weekdays[t.weekday], 3);
	memcpy(to + 3, ", ", 2);
	to = put_digits(to + 5, t.day, 2);
	to = put_char(to, ' ');
	memcpy(to, months[t.month - 1], 3);
	to = put_char(to + 3, ' ');
	to = put_digits(to, t.year, 4);
	to = put_char(to, ' ');
	to = put_time(to, &t, ':');
	memcpy(to, " GMT", 5);
}

void
clock_amz(int64_t wall_ns, char out[CLOCK_AMZ_LEN + 1])
{
	struct clock_utc t;
	char *to = out;

	clock_split(wall_ns, &t);
	to = put_date(to, &t, 0);
	to = put_char(to, 'T');
	to = put_time(to, &t, 0);
	memcpy(to, "Z", 2);
}

void
clock_hour(int64_t wall_ns, char out[CLOCK_HOUR_LEN + 1])
{
	struct clock_utc t;
	char *to = out;

	clock_split(wall_ns, &t);
	to = put_date(to, &t, 0);
	to = put_digits(to, t.hour, 2);
	*to = '\0';
}

/*
 * The three forms of an HTTP date, each as a pattern: a letter of "dmyYHMS" reads that many digits
 * of a part, 'b' a month's name, 'w' a short and 'W' a long weekday's name, '_' a digit or a space;
 * anything else stands for itself.
 */
static const char *const http_forms[] = {
	"w, dd b YYYY HH:MM:SS GMT",
	"W, dd-b-yy HH:MM:SS GMT",
	"w b _d HH:MM:SS YYYY",
};

/* Takes one of the names (its first len bytes, 0: all of it) off the front of *s: its index or
 * -1. */
static int
take_weekday(struct str *s, size_t len)
{
	for (int i = 0; i < 7; i++) {
		struct str name = str_sub(str_of(weekdays[i]), 0, len ? len : SIZE_MAX);

		if (str_starts(*s, name)) {
			*s = str_from(*s, name.n);
			return i;
		}
	}
	return -1;
}

static int
take_month(struct str *s)
{
	for (int i = 0; i < 12; i++) {
		if (str_starts(*s, str_of(months[i]))) {
			*s = str_from(*s, 3);
			return i + 1;
		}
	}
	return -1;
}

static int *
part_of(struct clock_utc *t, char letter)
{
	switch (letter) {
	case '_':
	case 'd':
		return &t->day;
	case 'y':
	case 'Y':
		return &t->year;
	case 'H':
		return &t->hour;
	case 'M':
		return &t->minute;
	case 'S':
		return &t->second;
	default:
		return NULL;
	}
}

static int
match_one(char letter, struct str *s, struct clock_utc *t)
{
	int *part = part_of(t, letter);
	char c;

	if (letter == 'w' || letter == 'W')
		return take_weekday(s, letter == 'w' ? 3 : 0) < 0 ? ERR_BAD : 0;
	if (letter == 'b') {
		t->month = take_month(s);
		return t->month < 0 ? ERR_BAD : 0;
	}
	if (s->n == 0)
		return ERR_BAD;
	c = s->p[0];
	*s = str_from(*s, 1);
	if (letter == '_' && c == ' ')
		return 0;
	if (!part)
		return c == letter ? 0 : ERR_BAD;
	if (c < '0' || c > '9')
		return ERR_BAD;
	*part = *part * 10 + (c - '0');
	return 0;
}

static int
match_form(const char *form, struct str s, struct clock_utc *t)
{
	*t = (struct clock_utc){ 0 };
	for (; *form; form++) {
		/* The G, M and T of "GMT" are no letters of the pattern. */
		if (strcmp(form, "GMT") == 0)
			return str_is(s, "GMT") ? 0 : ERR_BAD;
		if (match_one(*form, &s, t))
			return ERR_BAD;
	}
	return s.n == 0 ? 0 : ERR_BAD;
}

static bool
in_range(const struct clock_utc *t)
{
	static const int month_days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);

	/* int64_t nanoseconds end in 2262; second 60 is a leap second and rolls over. */
	if (t->year < 1700 || t->year > 2261)
		return false;
	if (t->day < 1 || t->day > month_days[t->month - 1] ||
	    (t->month == 2 && t->day == 29 && !leap))
		return false;
	return t->hour < 24 && t->minute < 60 && t->second <= 60;
}

/* RFC 9110, 5.6.7: a two-digit year that would be more than 50 years ahead is the last past year of
 * those digits. */
static int
century(int two_digits)
{
	struct clock_utc now;
	int year;

	clock_split(clock_cached_wall(), &now);
	year = now.year - now.year % 100 + two_digits;
	return year > now.year + 50 ? year - 100 : year;
}

int
clock_parse_http(struct str s, int64_t *wall_ns)
{
	for (size_t i = 0; i < ARRAY_LEN(http_forms); i++) {
		struct clock_utc t;

		if (match_form(http_forms[i], s, &t))
			continue;
		if (strchr(http_forms[i], 'y'))
			t.year = century(t.year);
		if (!in_range(&t))
			return ERR_BAD;
		*wall_ns = clock_join(&t);
		return 0;
	}
	return ERR_BAD;
}
