/*
 * What follows a durable gz: the sources go (step 10), and after the store confirmed, the list and the gz (step 12).
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/bundle.h"
#include "ship/path.h"
#include "ship/tries.h"
#include "spool/keys.h"
#include "spool/segment.h"

/* 1 if the file at path is the segment with this id, 0 if it is another or none; or an error: then nobody knows. */
static int
is_segment(const char *path, const struct id *id)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	struct segment_header h;
	ssize_t got;
	int fd = file_open(path, O_RDONLY);

	if (fd < 0)
		return fd == ERR_NOT_FOUND ? 0 : fd;
	got = file_read_full(fd, head, sizeof(head), 0);
	file_close(fd);
	if (got < 0)
		return (int)got;
	return segment_decode_header(head, (size_t)got, &h) == 0 && id_eq(h.id, *id);
}

int
bundle_keep_damaged(const char *dir, const char *path, const char *name)
{
	struct path folder, to;
	int err = file_make_dirs(path_join(&folder, dir, NULL, "corrupt"));

	if (err == 0)
		err = file_link(path, path_join(&to, dir, "corrupt", name));
	if (err == ERR_EXISTS)
		return 0;
	if (err == 0)
		err = file_sync_dir(folder.s);
	log_event(
	    LOG_ERROR, "ship", "damaged segment kept", LOG_S("file", to.s), LOG_ERR(err), LOG_END);
	return err;
}

/* Source i, if it lies in this place. 1 if it did, 0 if not, or an error. */
static int
remove_source(const struct bundle *b, unsigned i, const char *dir, const char *place, bool keep)
{
	struct path path;
	int is = is_segment(path_join(&path, dir, place, b->sources[i].name), &b->sources[i].id);
	int err;

	/* Of what is damaged the header may be, too; its name is in the list. */
	if (is != 1 && !(is == ERR_IO && keep))
		return is;
	err = keep ? bundle_keep_damaged(dir, path.s, b->sources[i].name) : 0;
	if (err == 0)
		err = file_unlink(path.s);
	file_crash_point("ship.source_unlinked");
	return err ? err : 1;
}

int
bundle_unlink_sources(const struct bundle *b, const char *dir, const bool *keep)
{
	bool in_stream = false;
	struct path path;
	int got = keys_sync();

	for (unsigned i = 0; i < b->n_sources && got >= 0; i++) {
		bool kept = keep != NULL && keep[i];

		got = remove_source(b, i, dir, "aggregation", kept);
		if (got == 0) {
			got = remove_source(b, i, dir, NULL, kept);
			in_stream = in_stream || got == 1;
		}
	}
	if (got >= 0)
		got = file_sync_dir(path_join(&path, dir, NULL, "aggregation"));
	if (got == 0 && in_stream)
		got = file_sync_dir(dir);
	file_crash_point("ship.sources_synced");
	return got;
}

int
bundle_finish(const char *dir, const struct id *id)
{
	struct path list, sent, gz, folder;
	int err;

	path_of_id(&sent, dir, "aggregation", id, ".sent");
	path_of_id(&list, dir, "aggregation", id, ".list");
	if (access(list.s, F_OK) == 0) {
		err = file_rename(list.s, sent.s);
		if (err != 0)
			return err;
	}
	file_crash_point("ship.sent_renamed");
	err = file_sync_dir(path_join(&folder, dir, NULL, "aggregation"));
	if (err != 0)
		return err;
	file_crash_point("ship.sent_synced");
	err = file_unlink(path_of_id(&gz, dir, "uploading", id, ".gz"));
	if (err == 0)
		err = file_sync_dir(path_join(&folder, dir, NULL, "uploading"));
	file_crash_point("ship.gz_unlinked");
	if (err == 0)
		err = file_unlink(path_of_id(&gz, dir, "uploading", id, TRIES_SUFFIX));
	return err ? err : file_unlink(sent.s);
}
