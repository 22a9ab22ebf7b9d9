/*
 * Packing: the sources of a bundle, merged into one gzip whose header carries the bundle's id. Step 9 of the durability protocol.
 * Runs as a whole on a helper, so that the shipper's loop goes on uploading meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/file.h"
#include "ship/bundle.h"
#include "ship/merge.h"
#include "ship/path.h"
#include "sink/gzid.h"
#include "spool/keys.h"

#define PACK_BUFFER (128u * 1024)

struct packer {
	z_stream z;
	gz_header header;
	unsigned char extra[GZID_EXTRA_LEN];
	int fd;
	uint64_t at; /* bytes of the file written */
	size_t in_n; /* bytes gathered in in[] */
	struct bundle_packed *out;
	unsigned char in[PACK_BUFFER];
	unsigned char gz[PACK_BUFFER];
};

static int
deflate_gathered(struct packer *p, int flush)
{
	int err = 0, z;

	p->z.next_in = p->in;
	p->z.avail_in = (uInt)p->in_n;
	p->in_n = 0;
	do {
		size_t n;

		p->z.next_out = p->gz;
		p->z.avail_out = sizeof(p->gz);
		z = deflate(&p->z, flush);
		if (z == Z_STREAM_ERROR)
			return ERR_IO;
		n = sizeof(p->gz) - p->z.avail_out;
		if (n > 0)
			err = file_write_all(p->fd, p->gz, n, (off_t)p->at);
		p->at += n;
	} while (err == 0 && (p->z.avail_out == 0 || (flush == Z_FINISH && z != Z_STREAM_END)));
	return err;
}

static int
put(struct packer *p, const char *data, size_t n)
{
	while (n > 0) {
		size_t room = sizeof(p->in) - p->in_n;
		size_t some = MIN(n, room);
		int err;

		memcpy(p->in + p->in_n, data, some);
		p->in_n += some;
		data += some;
		n -= some;
		if (p->in_n < sizeof(p->in))
			continue;
		err = deflate_gathered(p, Z_NO_FLUSH);
		if (err != 0)
			return err;
	}
	return 0;
}

/* A body too long for the reader's buffer goes through ours. *last: its last byte. */
static int
put_long_body(struct packer *p, struct reader *from, char *last)
{
	uint64_t at = 0;

	for (;;) {
		ssize_t n;
		int err = 0;

		if (p->in_n == sizeof(p->in))
			err = deflate_gathered(p, Z_NO_FLUSH);
		if (err != 0)
			return err;
		n = reader_body(from, at, p->in + p->in_n, sizeof(p->in) - p->in_n);
		if (n <= 0)
			return (int)n;
		p->in_n += (size_t)n;
		at += (uint64_t)n;
		*last = (char)p->in[p->in_n - 1];
	}
}

static int
put_record(struct packer *p, const struct reader_record *r, struct reader *from)
{
	char last = '\n';
	int err;

	if (r->body.p != NULL) {
		err = put(p, r->body.p, r->body.n);
		if (r->body.n > 0)
			last = r->body.p[r->body.n - 1];
	} else {
		err = put_long_body(p, from, &last);
	}
	if (err == 0 && last != '\n')
		err = put(p, "\n", 1);
	keys_note(r->attrs, r->frame.time);
	p->out->records++;
	p->out->bytes += r->frame.body_len;
	return err;
}

static int
pack_all(struct packer *p, struct merge *m)
{
	struct reader_record record;
	struct reader *from;
	int got;

	while ((got = merge_next(m, &record, &from)) > 0) {
		int err = put_record(p, &record, from);

		if (err != 0)
			return err;
	}
	if (got == 0)
		got = deflate_gathered(p, Z_FINISH);
	p->out->gz_bytes = p->at;
	return got ? got : gzid_put_records(p->fd, p->out->records);
}

static int
open_sources(const struct bundle *b, const char *dir, bool failing, struct merge **out)
{
	struct path *paths = calloc(b->n_sources, sizeof(*paths));
	struct merge_source *sources = calloc(b->n_sources, sizeof(*sources));
	int err = ERR_NOMEM;

	if (paths == NULL || sources == NULL)
		goto done;
	for (unsigned i = 0; i < b->n_sources; i++) {
		sources[i].path = path_join(&paths[i], dir, "aggregation", b->sources[i].name);
		sources[i].length = b->sources[i].length;
		sources[i].id = b->sources[i].id;
	}
	err = merge_open(sources, b->n_sources, failing, out);
done:
	free(paths);
	free(sources);
	return err;
}

static int
start_gzip(struct packer *p, const struct bundle *b, int level)
{
	gzid_extra(&b->id, p->extra);
	p->header = (gz_header){ .extra = p->extra, .extra_len = sizeof(p->extra), .os = 3 };
	if (deflateInit2(&p->z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	deflateSetHeader(&p->z, &p->header);
	return 0;
}

/* Writes, syncs and closes path. */
static int
write_part(struct packer *p, struct merge *m, const char *path)
{
	int err = file_unlink(path);

	if (err != 0)
		return err;
	p->fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
	if (p->fd < 0)
		return p->fd;
	err = pack_all(p, m);
	file_crash_point("ship.part_written");
	if (err == 0)
		err = file_sync(p->fd);
	if (file_close(p->fd) != 0 && err == 0)
		err = errno == ENOSPC ? ERR_NOSPACE : ERR_IO;
	file_crash_point("ship.part_synced");
	return err;
}

/* Before the gz is there: from then on a scan would remove them. */
static int
keep_damaged(const struct bundle *b, const char *dir, struct packer *p, struct merge *m)
{
	struct path path;
	int err = 0;

	for (unsigned i = 0; i < b->n_sources && err == 0; i++) {
		p->out->damaged[i] = merge_skipped(m, i) > 0;
		p->out->skipped += merge_skipped(m, i);
		if (p->out->damaged[i])
			err = bundle_keep_damaged(dir,
			    path_join(&path, dir, "aggregation", b->sources[i].name),
			    b->sources[i].name);
	}
	return err;
}

static int
pack_to(const struct bundle *b, const char *dir, struct packer *p, struct merge *m)
{
	struct path part, gz, folder;
	int err = write_part(p, m, path_of_id(&part, dir, "uploading", &b->id, ".part"));

	if (err == 0)
		err = keep_damaged(b, dir, p, m);
	if (err == 0)
		err = file_rename(part.s, path_of_id(&gz, dir, "uploading", &b->id, ".gz"));
	if (err != 0) {
		file_unlink(part.s);
		return err;
	}
	file_crash_point("ship.gz_renamed");
	err = file_sync_dir(path_join(&folder, dir, NULL, "uploading"));
	file_crash_point("ship.gz_folder_synced");
	return err;
}

int
bundle_pack(const struct bundle *b, const char *dir, const struct bundle_packing *how,
    struct bundle_packed *out)
{
	struct packer *p = calloc(1, sizeof(*p));
	struct merge *m = NULL;
	int err = ERR_NOMEM;

	memset(out, 0, sizeof(*out));
	if (p == NULL)
		return err;
	p->out = out;
	err = open_sources(b, dir, how->failing, &m);
	if (err == 0)
		err = start_gzip(p, b, how->level);
	if (err == 0) {
		err = pack_to(b, dir, p, m);
		deflateEnd(&p->z);
	}
	if (m != NULL)
		merge_close(m);
	free(p);
	return err;
}
