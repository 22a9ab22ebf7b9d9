/*
 * What follows a durable gz: the sources go (step 10), and after the store confirmed, the list and the gz (step 12).
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/bundle.h"
#include "ship/keys.h"
#include "ship/path.h"
#include "spool/segment.h"

/* True if the file at path is the segment with this id. */
static bool
is_segment(const char *path, const struct id *id)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	struct segment_header h;
	int fd = file_open(path, O_RDONLY);
	bool is;

	if (fd < 0)
		return false;
	is = file_read_full(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	     segment_decode_header(head, sizeof(head), &h) == 0 && id_eq(h.id, *id);
	file_close(fd);
	return is;
}

static int
set_aside(const char *dir, const char *path, const char *name)
{
	struct path folder, to;
	int err = file_make_dirs(path_join(&folder, dir, NULL, "corrupt"));

	if (err == 0)
		err = file_rename(path, path_join(&to, dir, "corrupt", name));
	log_event(LOG_ERROR, "ship", "damaged segment set aside", LOG_S("file", to.s), LOG_ERR(err),
	    LOG_END);
	return err;
}

int
bundle_unlink_sources(const struct bundle *b, const char *dir, const bool *keep)
{
	static const char *const places[] = { "aggregation", NULL };
	struct path path;
	bool in_stream = false;
	int err = keys_sync();

	for (unsigned i = 0; i < b->n_sources && err == 0; i++)
		for (unsigned k = 0; k < ARRAY_LEN(places) && err == 0; k++) {
			path_join(&path, dir, places[k], b->sources[i].name);
			if (!is_segment(path.s, &b->sources[i].id))
				continue;
			if (keep != NULL && keep[i])
				err = set_aside(dir, path.s, b->sources[i].name);
			else
				err = file_unlink(path.s);
			in_stream = in_stream || places[k] == NULL;
			file_crash_point("ship.source_unlinked");
		}
	if (err == 0)
		err = file_sync_dir(path_join(&path, dir, NULL, "aggregation"));
	if (err == 0 && in_stream)
		err = file_sync_dir(dir);
	file_crash_point("ship.sources_synced");
	return err;
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
	return err ? err : file_unlink(sent.s);
}
