/*
 * See tries.h.
 */
#include "ship/tries.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"

#define TRIES_MAX 1024

void
tries_add(struct tries *t, const struct sink_result *r, int64_t now)
{
	if (t->n++ == 0)
		t->first = now;
	t->last = now;
	t->status = r->status;
	str_copyz(t->why, sizeof(t->why), str_of(r->why));
}

static int
take_number(struct str *line, uint64_t max, uint64_t *out)
{
	return str_to_u64(str_split(line, ' '), out) != 0 || *out > max ? ERR_CORRUPT : 0;
}

static int
decode(struct str text, struct tries *out)
{
	struct str line = str_split(&text, '\n');
	uint64_t n = 0, first = 0, last = 0, status = 0;

	if (take_number(&line, UINT32_MAX, &n) || take_number(&line, INT64_MAX, &first) ||
	    take_number(&line, INT64_MAX, &last) || take_number(&line, 999, &status))
		return ERR_CORRUPT;
	*out = (struct tries){ (unsigned)n, (int64_t)first, (int64_t)last, (int)status, "" };
	str_copyz(out->why, sizeof(out->why), line);
	return 0;
}

int
tries_read(const char *path, struct tries *out)
{
	char *text = NULL;
	size_t n;
	int err = file_read_all(path, TRIES_MAX, &text, &n);

	*out = (struct tries){ 0 };
	if (err == ERR_NOT_FOUND)
		return 0;
	if (err == 0)
		err = decode(str_make(text, n), out);
	free(text);
	if (err != ERR_CORRUPT && err != ERR_TOO_LARGE)
		return err;
	log_event(LOG_ERROR, "ship", "damaged count of attempts passed over", LOG_S("file", path),
	    LOG_END);
	return 0;
}

/* What a destination said may hold anything. */
static void
put_line(struct buf *b, const char *why)
{
	for (; *why; why++)
		buf_putc(b, (unsigned char)*why < ' ' ? ' ' : *why);
	buf_putc(b, '\n');
}

int
tries_write(const char *path, const struct tries *t)
{
	char mem[TRIES_MAX];
	struct buf b;

	buf_init_fixed(&b, mem, sizeof(mem));
	buf_printf(&b, "%u %" PRId64 " %" PRId64 " %d ", t->n, t->first, t->last,
	    t->status < 0 ? 0 : t->status);
	put_line(&b, t->why);
	return buf_failed(&b) ? buf_failed(&b) : file_replace(path, b.p, b.n);
}
