/*
 * nginx's units: sizes and times, read and written; and key=value arguments.
 */
#include <stdio.h>

#include "conf/conf_priv.h"

static bool
is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

/* Takes the digits at the start of *s. False if there are none, or too many. */
static bool
take_number(struct str *s, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < s->n && is_digit(s->p[i]); i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s->p[i] - '0'), &v))
			return false;
	*s = str_from(*s, i);
	*out = v;
	return i > 0;
}

static const struct {
	char letter;
	unsigned shift;
} size_units[] = { { 'g', 30 }, { 'm', 20 }, { 'k', 10 }, { 'b', 0 } };

int
conf_parse_size(struct str s, uint64_t *out)
{
	uint64_t v;

	if (!take_number(&s, &v) || s.n > 1)
		return ERR_BAD;
	if (s.n == 0) {
		*out = v;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(size_units); i++) {
		if ((s.p[0] | 0x20) != size_units[i].letter)
			continue;
		if (v > UINT64_MAX >> size_units[i].shift)
			return ERR_BAD;
		*out = v << size_units[i].shift;
		return 0;
	}
	return ERR_BAD;
}

void
conf_format_size(uint64_t bytes, char out[CONF_UNIT_LEN])
{
	for (size_t i = 0; bytes && i + 1 < ARRAY_LEN(size_units); i++) {
		unsigned shift = size_units[i].shift;

		if (bytes & (((uint64_t)1 << shift) - 1))
			continue;
		snprintf(out, CONF_UNIT_LEN, "%llu%c", (unsigned long long)(bytes >> shift),
		    size_units[i].letter);
		return;
	}
	snprintf(out, CONF_UNIT_LEN, "%llu", (unsigned long long)bytes);
}

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S (1000 * NS_PER_MS)

/* Largest first; each may stand once, in this order. */
static const struct time_unit {
	const char *name;
	int64_t ns;
} time_units[] = {
	{ "y", 365 * 86400 * NS_PER_S },
	{ "M", 30 * 86400 * NS_PER_S },
	{ "w", 7 * 86400 * NS_PER_S },
	{ "d", 86400 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "s", NS_PER_S },
	{ "ms", NS_PER_MS },
};

#define UNIT_SECONDS 6

/* Takes a unit off *s: its index in time_units, that of seconds where there is none, or -1. */
static int
take_time_unit(struct str *s)
{
	if (s->n == 0 || s->p[0] == ' ')
		return UNIT_SECONDS;
	for (size_t i = ARRAY_LEN(time_units); i-- > 0;) {
		struct str name = str_of(time_units[i].name);

		if (!str_starts(*s, name))
			continue;
		*s = str_from(*s, name.n);
		return (int)i;
	}
	return -1;
}

static void
skip_spaces(struct str *s)
{
	while (s->n && s->p[0] == ' ')
		*s = str_from(*s, 1);
}

/* A hundred years: moments that lie a few of these ahead can still be told. */
#define TIME_MAX (INT64_C(100) * 365 * 24 * 3600 * NS_PER_S)

int
conf_parse_time(struct str s, int64_t *ns)
{
	int64_t total = 0;
	int last = -1;

	do {
		uint64_t v;
		int64_t part;
		int unit;

		if (!take_number(&s, &v) || v > INT64_MAX)
			return ERR_BAD;
		unit = take_time_unit(&s);
		if (unit <= last)
			return ERR_BAD;
		last = unit;
		if (__builtin_mul_overflow((int64_t)v, time_units[unit].ns, &part) ||
		    __builtin_add_overflow(total, part, &total) || total > TIME_MAX)
			return ERR_BAD;
		skip_spaces(&s);
	} while (s.n);
	*ns = total;
	return 0;
}

void
conf_format_time(int64_t ns, char out[CONF_UNIT_LEN])
{
	int64_t ms = ns / NS_PER_MS;

	if (ms % 1000)
		snprintf(out, CONF_UNIT_LEN, "%lldms", (long long)ms);
	else if (ms == 0 || ms % 60000)
		snprintf(out, CONF_UNIT_LEN, "%llds", (long long)(ms / 1000));
	else if (ms % 3600000)
		snprintf(out, CONF_UNIT_LEN, "%lldm", (long long)(ms / 60000));
	else
		snprintf(out, CONF_UNIT_LEN, "%lldh", (long long)(ms / 3600000));
}

bool
conf_arg_kv(const struct conf_node *n, unsigned i, const char *key, struct str *value)
{
	struct str arg, k = str_of(key);

	if (i >= n->n_args)
		return false;
	arg = n->args[i];
	if (!str_starts(arg, k) || arg.n == k.n || arg.p[k.n] != '=')
		return false;
	*value = str_from(arg, k.n + 1);
	return true;
}
