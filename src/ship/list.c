/*
 * The list of a bundle: text form, writing it durably, reading it back. See bundle.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"
#include "ship/bundle.h"
#include "ship/path.h"
#include "sink/sink.h"

#define LIST_MAX (64u * 1024)

struct bundle *
bundle_new(void)
{
	return calloc(1, sizeof(struct bundle));
}

void
bundle_free(struct bundle *b)
{
	free(b);
}

int
bundle_make_key(struct bundle *b, struct str prefix)
{
	struct buf key;
	int err;

	buf_init_fixed(&key, b->key, sizeof(b->key));
	err = sink_bundle_key(
	    prefix, b->hour, str_of(b->host), b->n, b->unique ? &b->id : NULL, &key);
	if (err == 0)
		buf_putc(&key, '\0');
	return err ? err : buf_failed(&key);
}

void
bundle_encode(const struct bundle *b, struct buf *out)
{
	size_t start = out->n;
	char id[2 * ID_LEN + 1];

	id_text(b->id, id);
	buf_printf(out, "sluice-bundle 1\nid %s\nhour %" PRId64 "\nn %u\nunique %d\n", id, b->hour,
	    b->n, b->unique);
	buf_printf(out, "host %s\nkey %s\n", b->host, b->key);
	for (unsigned i = 0; i < b->n_sources; i++) {
		id_text(b->sources[i].id, id);
		buf_printf(out, "source %s %" PRIu64 " %s\n", id, b->sources[i].length,
		    b->sources[i].name);
	}
	if (!buf_failed(out))
		buf_printf(out, "end %08" PRIx32 "\n", crc32c(0, out->p + start, out->n - start));
}

static int
decode_source(struct str value, struct bundle *b)
{
	struct bundle_source *s = &b->sources[b->n_sources];

	if (b->n_sources == BUNDLE_MAX_SOURCES || id_parse(str_split(&value, ' '), &s->id) != 0 ||
	    str_to_u64(str_split(&value, ' '), &s->length) != 0 || value.n == 0 ||
	    str_find(value, '/') >= 0 || !str_copyz(s->name, sizeof(s->name), value))
		return ERR_CORRUPT;
	b->n_sources++;
	return 0;
}

static int
decode_number(struct str value, uint64_t max, uint64_t *out)
{
	return str_to_u64(value, out) != 0 || *out > max ? ERR_CORRUPT : 0;
}

static int
decode_line(struct str name, struct str value, struct bundle *b)
{
	uint64_t number = 0;
	int err = ERR_CORRUPT;

	if (str_is(name, "id")) {
		err = id_parse(value, &b->id);
	} else if (str_is(name, "hour")) {
		err = decode_number(value, INT64_MAX, &number);
		b->hour = (int64_t)number;
	} else if (str_is(name, "n")) {
		err = decode_number(value, UINT32_MAX, &number);
		b->n = (unsigned)number;
	} else if (str_is(name, "unique")) {
		err = decode_number(value, 1, &number);
		b->unique = number == 1;
	} else if (str_is(name, "host")) {
		err = str_copyz(b->host, sizeof(b->host), value) ? 0 : ERR_CORRUPT;
	} else if (str_is(name, "key")) {
		err = str_copyz(b->key, sizeof(b->key), value) ? 0 : ERR_CORRUPT;
	} else if (str_is(name, "source")) {
		err = decode_source(value, b);
	}
	return err ? ERR_CORRUPT : 0;
}

/* The text before a valid end line, or ERR_CORRUPT. */
static int
check_end(struct str *text)
{
	const size_t end_len = sizeof("end 00000000\n") - 1;
	char end[sizeof("end 00000000\n")];

	if (text->n < end_len)
		return ERR_CORRUPT;
	text->n -= end_len;
	snprintf(end, sizeof(end), "end %08" PRIx32 "\n", crc32c(0, text->p, text->n));
	return memcmp(text->p + text->n, end, end_len) == 0 ? 0 : ERR_CORRUPT;
}

int
bundle_decode(struct str text, struct bundle *out)
{
	memset(out, 0, sizeof(*out));
	if (check_end(&text) != 0 || !str_is(str_split(&text, '\n'), "sluice-bundle 1"))
		return ERR_CORRUPT;
	while (text.n > 0) {
		struct str line = str_split(&text, '\n');
		struct str name = str_split(&line, ' ');

		if (decode_line(name, line, out) != 0)
			return ERR_CORRUPT;
	}
	return out->key[0] != '\0' && out->n_sources > 0 ? 0 : ERR_CORRUPT;
}

static int
write_synced(const char *path, struct str text)
{
	int fd, err;

	err = file_unlink(path);
	if (err != 0)
		return err;
	fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	err = file_write_all(fd, text.p, text.n, 0);
	file_crash_point("ship.list_written");
	if (err == 0)
		err = file_sync(fd);
	if (file_close(fd) != 0 && err == 0)
		err = ERR_IO;
	return err;
}

int
bundle_write_list(const struct bundle *b, const char *dir)
{
	struct path tmp, list, folder;
	struct buf text;
	int err;

	buf_init(&text, LIST_MAX);
	bundle_encode(b, &text);
	err = buf_failed(&text);
	if (err == 0)
		err = write_synced(
		    path_of_id(&tmp, dir, "aggregation", &b->id, ".tmp"), buf_str(&text));
	buf_fini(&text);
	if (err != 0)
		return err;
	file_crash_point("ship.list_synced");
	err = file_rename(tmp.s, path_of_id(&list, dir, "aggregation", &b->id, ".list"));
	if (err != 0)
		return err;
	file_crash_point("ship.list_renamed");
	err = file_sync_dir(path_join(&folder, dir, NULL, "aggregation"));
	file_crash_point("ship.list_folder_synced");
	return err;
}

int
bundle_read_list(const char *dir, const struct id *id, struct bundle *out)
{
	struct path list;
	char *text;
	size_t n;
	int err =
	    file_read_all(path_of_id(&list, dir, "aggregation", id, ".list"), LIST_MAX, &text, &n);

	if (err == ERR_TOO_LARGE)
		return ERR_CORRUPT;
	if (err != 0)
		return err;
	err = bundle_decode(str_make(text, n), out);
	if (err == 0 && !id_eq(out->id, *id))
		err = ERR_CORRUPT;
	free(text);
	return err;
}
