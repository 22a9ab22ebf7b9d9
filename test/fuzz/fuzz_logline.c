/*
 * Lines of logs of any bytes. What is taken points into the line or its own room; the file under test belongs to a program, so it is taken
 * in whole.
 */
#include <stdlib.h>

#include "ctl/log_line.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct log_line *l, struct str line, struct str s)
{
	bool in_line = s.p >= line.p && s.p + s.n <= line.p + line.n;
	bool in_room = s.p >= l->room && s.p + s.n <= l->room + sizeof(l->room);

	if (s.n > 0 && !in_line && !in_room)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct log_line l;
	struct str line = str_make(data, size);

	if (!log_line_parse(line, &l))
		return 0;
	check(&l, line, l.time);
	check(&l, line, l.level);
	check(&l, line, l.area);
	check(&l, line, l.message);
	check(&l, line, l.method);
	check(&l, line, l.uri);
	check(&l, line, l.client);
	check(&l, line, l.request_id);
	if (l.latency < -1 || l.latency > LATENCY_MAX + 1000000 || l.status < 0 || l.status > 999)
		abort();
	return 0;
}
