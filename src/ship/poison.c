/*
 * What lies in corrupt/ becomes known to an operator: each file there is a dead letter of the type poison, which has the file for its payload. It is
 * never sent again; once the letter is discarded, the file in corrupt/ goes as well. Called by the planners after each look at the disk.
 *
 * A letter is found again by its id: of a segment that in its header (a name's digest, where that cannot be read), of a bundle its own. So the
 * same file makes one letter, however often it is looked at.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ship/path.h"
#include "ship/ship_priv.h"
#include "spool/segment.h"

struct poisoned {
	struct id id;
	int64_t created;
	uint64_t size;
	char name[SCAN_NAME_MAX];
};

struct cellar {
	const char *dir; /* the stream's */
	size_t n;
	struct poisoned *v; /* heap */
	/* of one file */
	struct path path, list;
	bool has_list;
};

/* ---- on a helper ---- */

static void
id_of_file(struct poisoned *p, const unsigned char *head, size_t n)
{
	unsigned char digest[SHA256_LEN];
	struct segment_header h;

	if (id_parse(str_sub(str_of(p->name), 0, (size_t)2 * ID_LEN), &p->id) == 0)
		return;
	if (segment_decode_header(head, n, &h) == 0) {
		p->id = h.id;
		p->created = h.created;
		return;
	}
	sha256(p->name, strlen(p->name), digest);
	memcpy(p->id.b, digest, sizeof(p->id.b));
}

static int
look_at_file(const char *dir, struct poisoned *p)
{
	unsigned char head[SEGMENT_HEADER_LEN];
	struct path path;
	struct stat st;
	ssize_t got;
	int fd = file_open(path_join(&path, dir, "corrupt", p->name), O_RDONLY);

	if (fd < 0)
		return fd;
	got = file_read_full(fd, head, sizeof(head), 0);
	if (fstat(fd, &st) == 0) {
		p->size = (uint64_t)st.st_size;
		p->created = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	}
	file_close(fd);
	id_of_file(p, head, got > 0 ? (size_t)got : 0);
	return 0;
}

static int
list_on_disk(void *arg)
{
	struct cellar *c = arg;
	struct names names = { .v = NULL };
	struct path folder;
	int err = names_list(&names, path_join(&folder, c->dir, NULL, "corrupt"), "");

	if (err == 0)
		err = names_list(&names, folder.s, ".gz");
	if (err == 0 && names.n > 0)
		c->v = calloc(names.n, sizeof(*c->v));
	for (size_t i = 0; i < names.n && c->v != NULL; i++) {
		strcpy(c->v[c->n].name, names.v[i]);
		c->n += look_at_file(c->dir, &c->v[c->n]) == 0;
	}
	names_fini(&names);
	return err;
}

static int
find_list_on_disk(void *arg)
{
	struct cellar *c = arg;

	c->has_list = access(c->list.s, F_OK) == 0;
	return 0;
}

static int
remove_on_disk(void *arg)
{
	struct cellar *c = arg;
	int err = file_unlink(c->path.s);

	return err ? err : file_unlink(c->list.s);
}

/* ---- on the planner's task ---- */

static int
add(struct ship_stream *s, struct cellar *c, const struct poisoned *p)
{
	bool object = s->conf->mode == STREAM_OBJECT;
	struct dlq_letter letter = { .id = p->id,
		.kind = object ? DLQ_OBJECT : DLQ_BUNDLE,
		.type = DLQ_POISON,
		.why = "damaged on disk: what could still be read of it was sent",
		.m = { .stream = s->conf->name,
		    .received = p->created,
		    .path = c->path.s,
		    .length = p->size },
		.list = c->has_list ? c->list.s : NULL,
		.records = object };
	int err;

	if (object)
		letter.why = "damaged on disk: it does not hold what its checksum is of";
	id_text(p->id, letter.m.id);
	err = dlq_add(s->ship->dlq, &letter);
	if (err == 0)
		delivery_metrics_dead(&s->metrics.delivery, DLQ_POISON);
	return err;
}

static int
tell(struct ship_stream *s, struct cellar *c, const struct poisoned *p)
{
	struct dlq_entry e;
	int err = dlq_find(s->ship->dlq, p->id, &e);

	path_join(&c->path, c->dir, "corrupt", p->name);
	path_of_id(&c->list, c->dir, "corrupt", &p->id, ".list");
	if (err == 0)
		return e.state == DLQ_DISCARDED ? ship_block(remove_on_disk, c) : 0;
	(void)ship_block(find_list_on_disk, c);
	return add(s, c, p);
}

void
poison_tell(struct ship_stream *s)
{
	struct cellar *c = s->ship->dlq ? calloc(1, sizeof(*c)) : NULL;
	int err;

	if (c == NULL)
		return;
	c->dir = s->conf->dir;
	err = ship_block(list_on_disk, c);
	for (size_t i = 0; i < c->n && err == 0; i++)
		err = tell(s, c, &c->v[i]);
	if (err != 0)
		log_event(LOG_ERROR, "ship", "damaged files are not known as dead letters yet",
		    LOG_STR("stream", s->conf->name), LOG_ERR(err), LOG_END);
	free(c->v);
	free(c);
}
