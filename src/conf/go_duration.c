/*
 * Durations as Go writes them, for config.yml: numbers with an optional fraction, each with a unit
 * (ns us µs ms s m h), in any order; or a bare 0.
 */
#include "conf/conf_priv.h"

/* Longer names before those they start with. */
static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* micro sign */
	{ "\xce\xbcs", 1000 }, /* Greek mu */
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60 * INT64_C(1000000000) },
	{ "h", 3600 * INT64_C(1000000000) },
};

static size_t
count_digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* The unit's length in nanoseconds, taken off *s; 0: none. */
static int64_t
take_unit(struct str *s)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_starts(*s, str_of(units[i].name)))
			continue;
		*s = str_from(*s, strlen(units[i].name));
		return units[i].ns;
	}
	return 0;
}

static int
take_part(struct str *s, int64_t *total)
{
	struct str whole = str_sub(*s, 0, count_digits(*s)), fraction = STR("");
	uint64_t v = 0;
	int64_t unit, part;

	*s = str_from(*s, whole.n);
	if (s->n && s->p[0] == '.') {
		*s = str_from(*s, 1);
		fraction = str_sub(*s, 0, count_digits(*s));
		*s = str_from(*s, fraction.n);
	}
	if (whole.n + fraction.n == 0 || (whole.n && (str_to_u64(whole, &v) || v > INT64_MAX)))
		return ERR_BAD;
	unit = take_unit(s);
	if (unit == 0 || __builtin_mul_overflow((int64_t)v, unit, &part))
		return ERR_BAD;
	for (size_t i = 0; i < fraction.n && unit; i++) {
		unit /= 10;
		if (__builtin_add_overflow(part, (fraction.p[i] - '0') * unit, &part))
			return ERR_BAD;
	}
	return __builtin_add_overflow(*total, part, total) ? ERR_BAD : 0;
}

int
conf_parse_go_duration(struct str s, int64_t *ns)
{
	*ns = 0;
	if (str_is(s, "0"))
		return 0;
	if (s.n == 0)
		return ERR_BAD;
	while (s.n)
		if (take_part(&s, ns))
			return ERR_BAD;
	return 0;
}
