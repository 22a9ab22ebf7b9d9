/*
 * Fuzzes what the gate makes of clients' bytes: values in lines of access logs must not end a line or
 * a quote, lists of addresses from proxies must be read to a verdict that the next look confirms.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "gate/log_escape.h"
#include "gate/real_ip.h"

static void
check_escaped(enum log_escape how, struct str out)
{
	for (size_t i = 0; i < out.n; i++)
		require((unsigned char)out.p[i] >= ' ');
	if (how == LOG_ESCAPE_DEFAULT)
		require(str_find(out, '"') < 0);
	else
		require(utf8_valid(out));
}

static void
check_json(struct str out)
{
	struct buf text;
	uint64_t bad;

	buf_init(&text, 0);
	buf_putc(&text, '"');
	buf_put_str(&text, out);
	buf_putc(&text, '"');
	require(json_check_text(buf_str(&text), &bad) == 0);
	buf_fini(&text);
}

static void
escape(struct str value)
{
	static const enum log_escape forms[] = { LOG_ESCAPE_DEFAULT, LOG_ESCAPE_JSON,
		LOG_ESCAPE_LOGFMT };
	char *out = malloc(LOG_ESCAPE_ROOM(value.n));

	for (size_t i = 0; out && i < ARRAY_LEN(forms); i++) {
		size_t n = log_escape(forms[i], value, out);

		require(n <= LOG_ESCAPE_ROOM(value.n));
		check_escaped(forms[i], str_make(out, n));
		if (forms[i] == LOG_ESCAPE_JSON)
			check_json(str_make(out, n));
	}
	free(out);
}

static void
read_list(struct str list)
{
	struct cidr_table trusted = { 0 };
	struct addr first, again;
	struct arena arena;
	struct cidr net;
	char text[ADDR_TEXT_MAX];

	arena_init(&arena, 0);
	require(cidr_parse(STR("10.0.0.0/8"), &net) == 0);
	require(cidr_add(&trusted, &arena, &net, 1) == 0);
	require(cidr_finish(&trusted, &arena, CIDR_FIRST) == 0);
	require(addr_parse_ip(STR("10.1.1.1"), 1, &first) == 0);
	again = first;
	require(real_ip_read(list, &trusted, true, &first) ==
		real_ip_read(list, &trusted, true, &again));
	require(addr_eq(&first, &again));
	/* What was found is an address that can be written and read. */
	addr_text(&first, false, text);
	require(addr_parse_ip(str_of(text), 0, &again) == 0);
	arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	escape(str_make(data, size));
	read_list(str_make(data, size));
	return 0;
}
