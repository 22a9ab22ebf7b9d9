/*
 * The configuration over any bytes: the first byte says which language. Nothing may crash; what
 * parses is dumped as text that parses to the same text again; refused means a message. include is
 * left to the unit tests, so that no file is opened here.
 */
#include <stdlib.h>

#include "unit/conf/demo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *
parse(const char *name, struct str text)
{
	struct conf *c = conf_new();
	int err;

	if (!c)
		abort();
	conf_set_port(c, 8080);
	err = conf_parse_text(c, name, text);
	if ((err != 0) != (conf_errors(c) != 0) || (err && conf_messages(c).n == 0))
		abort();
	return c;
}

static void
dump_twice(struct conf *c)
{
	struct buf first, second;
	struct conf *again;

	buf_init(&first, 0);
	buf_init(&second, 0);
	conf_dump(c, &first);
	again = parse("dump", str_make(first.n ? first.p : "", first.n));
	if (conf_errors(again))
		abort();
	conf_dump(again, &second);
	if (first.err || second.err || first.n != second.n ||
	    (first.n && memcmp(first.p, second.p, first.n) != 0))
		abort();
	buf_fini(&first);
	buf_fini(&second);
	conf_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct conf *c;

	conf_register(&demo_module);
	if (size < 1 || memmem(data, size, "include", 7))
		return 0;
	c = parse(data[0] & 1 ? "f.yml" : "f", str_from(text, 1));
	if (conf_errors(c) == 0) {
		dump_twice(c);
		if (conf_check(c) == 0)
			conf_apply(c);
		conf_messages(c);
	}
	conf_free(c);
	return 0;
}
