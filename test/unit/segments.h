/*
 * Segments made by hand, for the tests of what reads them.
 */
#ifndef SLUICE_TEST_SEGMENTS_H
#define SLUICE_TEST_SEGMENTS_H

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "spool/segment.h"

struct made {
	struct segment_header header;
	struct buf bytes;
	uint64_t frames;
};

static inline void
made_init(struct made *m, int64_t created, uint32_t slot, uint64_t sequence)
{
	unsigned char head[SEGMENT_HEADER_LEN];

	m->header = (struct segment_header){ .id = id_new(),
		.created = created,
		.slot = slot,
		.generation = 1,
		.sequence = sequence };
	m->frames = 0;
	buf_init(&m->bytes, 0);
	segment_encode_header(&m->header, head);
	buf_put(&m->bytes, head, sizeof(head));
}

static inline void
made_frame(struct made *m, int64_t time, const char *user, struct str attrs, struct str body)
{
	unsigned char head[SEGMENT_FRAME_LEN];
	struct segment_frame f = { .time = time,
		.body_len = body.n,
		.number = m->frames++,
		.attrs_len = (uint32_t)attrs.n,
		.user_len = (uint16_t)strlen(user) };

	f.crc = segment_frame_crc(&m->header.id, m->bytes.n, &f);
	f.crc = crc32c(f.crc, user, strlen(user));
	f.crc = crc32c(f.crc, attrs.p, attrs.n);
	f.crc = crc32c(f.crc, body.p, body.n);
	segment_encode_frame(&f, head);
	buf_put(&m->bytes, head, sizeof(head));
	buf_puts(&m->bytes, user);
	buf_put_str(&m->bytes, attrs);
	buf_put_str(&m->bytes, body);
}

/* Writes it to dir/name and forgets the bytes. */
static inline void
made_write(struct made *m, const char *dir, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, m->bytes.p, m->bytes.n), (ssize_t)m->bytes.n);
	close(fd);
	buf_fini(&m->bytes);
}

#endif
