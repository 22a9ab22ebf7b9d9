/*
 * Encoding and decoding of log files' headers, frames and contents. Does no I/O; see frame.h.
 */
#include "dlq/frame.h"

#include "base/le.h"

#define VERSION 1
#define CRC_SEED_LEN (ID_LEN + 8)

static const char file_magic[8] = { 'S', 'L', 'U', 'I', 'D', 'L', 'Q', '1' };
static const char frame_magic[4] = { 'D', 'L', 'f', 'r' };

/* ---- the file's header ---- */

void
frame_encode_file(const struct frame_file *f, unsigned char out[FRAME_FILE_HEADER_LEN])
{
	memset(out, 0, FRAME_FILE_HEADER_LEN);
	memcpy(out, file_magic, sizeof(file_magic));
	le_put(out + 8, VERSION, 2);
	le_put(out + 10, FRAME_FILE_HEADER_LEN, 2);
	le_put(out + 12, f->number, 4);
	memcpy(out + 16, f->id.b, ID_LEN);
	le_put(out + 32, (uint64_t)f->created, 8);
	le_put(out + 60, crc32c(0, out, 60), 4);
}

int
frame_decode_file(const unsigned char *p, size_t n, struct frame_file *f)
{
	if (n < FRAME_FILE_HEADER_LEN || memcmp(p, file_magic, sizeof(file_magic)) != 0)
		return ERR_CORRUPT;
	if (le_get(p + 60, 4) != crc32c(0, p, 60))
		return ERR_CORRUPT;
	if (le_get(p + 8, 2) != VERSION || le_get(p + 10, 2) != FRAME_FILE_HEADER_LEN)
		return ERR_CORRUPT;
	f->number = (uint32_t)le_get(p + 12, 4);
	memcpy(f->id.b, p + 16, ID_LEN);
	f->created = (int64_t)le_get(p + 32, 8);
	return OK;
}

/* ---- writing ---- */

size_t
frame_begin(struct buf *out, enum frame_type type, struct id entry)
{
	unsigned char head[FRAME_HEAD_LEN] = { 0 };
	size_t begun = out->n;

	memcpy(head, frame_magic, sizeof(frame_magic));
	head[12] = (unsigned char)type;
	memcpy(head + 16, entry.b, ID_LEN);
	buf_put(out, head, sizeof(head));
	return begun;
}

void
frame_end(struct buf *out, size_t begun)
{
	if (!buf_failed(out))
		le_put((unsigned char *)out->p + begun + 8, out->n - begun - FRAME_HEAD_LEN, 4);
}

void
frame_put_number(struct buf *out, uint64_t v, unsigned bytes)
{
	unsigned char b[8];

	le_put(b, v, bytes);
	buf_put(out, b, bytes);
}

void
frame_put_string(struct buf *out, struct str s)
{
	assert(s.n <= UINT16_MAX);
	frame_put_number(out, s.n, 2);
	buf_put_str(out, s);
}

void
frame_put_change(struct buf *out, const struct frame_change *c)
{
	frame_put_number(out, c->kind, 1);
	frame_put_number(out, c->state, 1);
	frame_put_number(out, c->type, 1);
	frame_put_number(out, (uint64_t)c->outcome, 1);
	frame_put_number(out, (uint64_t)c->time, 8);
	frame_put_number(out, (uint64_t)c->duration, 8);
	frame_put_number(out, (uint32_t)c->status, 4);
	frame_put_number(out, c->attempts, 4);
	frame_put_number(out, c->tries, 4);
	frame_put_number(out, c->reprocessed, 4);
	frame_put_number(out, c->by_rule, 4);
	frame_put_number(out, (uint64_t)c->last_attempt, 8);
	frame_put_number(out, (uint64_t)c->due, 8);
	frame_put_number(out, (uint64_t)c->resolved, 8);
	frame_put_number(out, (uint64_t)c->since, 8);
	buf_put(out, c->job.b, ID_LEN);
	frame_put_string(out, c->error);
	frame_put_string(out, c->by);
	frame_put_string(out, c->reason);
}

void
frame_put_letter(struct buf *out, const struct frame_letter *l)
{
	frame_put_change(out, &l->now);
	frame_put_number(out, l->kind, 1);
	frame_put_number(out, l->flags, 1);
	frame_put_number(out, l->born, 8);
	frame_put_number(out, l->size, 8);
	frame_put_number(out, l->records, 8);
	frame_put_number(out, (uint64_t)l->created, 8);
	frame_put_number(out, (uint64_t)l->dead, 8);
	for (unsigned i = 0; i < LETTER_STRINGS; i++)
		frame_put_string(out, l->strings[i]);
	frame_put_number(out, l->left_out, 4);
	frame_put_number(out, l->n_past, 2);
}

/* ---- a frame's place ---- */

static uint32_t
crc_of(const unsigned char *p, size_t total, const struct id *file, uint64_t offset)
{
	unsigned char seed[CRC_SEED_LEN];

	memcpy(seed, file->b, ID_LEN);
	le_put(seed + ID_LEN, offset, 8);
	return crc32c(crc32c(0, seed, sizeof(seed)), p + 8, total - 8);
}

size_t
frame_bind(unsigned char *frame, const struct id *file, uint64_t offset)
{
	size_t total = FRAME_HEAD_LEN + (size_t)le_get(frame + 8, 4);

	le_put(frame + 4, crc_of(frame, total, file, offset), 4);
	return total;
}

int
frame_decode(const unsigned char *p, uint64_t room, struct frame *f)
{
	uint64_t n;

	if (room < FRAME_HEAD_LEN || memcmp(p, frame_magic, sizeof(frame_magic)) != 0)
		return ERR_CORRUPT;
	n = le_get(p + 8, 4);
	if (n > FRAME_CONTENTS_MAX || n > room - FRAME_HEAD_LEN || p[12] < FRAME_LETTER ||
	    p[12] > FRAME_HOURS || p[13] || p[14] || p[15])
		return ERR_CORRUPT;
	f->type = p[12];
	memcpy(f->entry.b, p + 16, ID_LEN);
	f->contents = str_make(p + FRAME_HEAD_LEN, n);
	return OK;
}

bool
frame_holds(const unsigned char *p, const struct frame *f, const struct id *file, uint64_t offset)
{
	return le_get(p + 4, 4) == crc_of(p, frame_total(f), file, offset);
}

/* ---- reading ---- */

int
frame_take_number(struct str *s, unsigned bytes, uint64_t *out)
{
	if (s->n < bytes)
		return ERR_CORRUPT;
	*out = le_get((const unsigned char *)s->p, bytes);
	*s = str_from(*s, bytes);
	return OK;
}

int
frame_take_string(struct str *s, struct str *out)
{
	uint64_t n;

	if (frame_take_number(s, 2, &n) || s->n < n)
		return ERR_CORRUPT;
	*out = str_make(s->p, n);
	*s = str_from(*s, n);
	return OK;
}

/* For lists of numbers whose room was looked at before. */
static uint64_t
number(struct str *s, unsigned bytes)
{
	uint64_t v = 0;

	(void)frame_take_number(s, bytes, &v);
	return v;
}

static struct id
take_id(struct str *s)
{
	struct id id;

	memcpy(id.b, s->p, ID_LEN);
	*s = str_from(*s, ID_LEN);
	return id;
}

#define CHANGE_FIXED (4 + 2 * 8 + 5 * 4 + 4 * 8 + ID_LEN)
#define LETTER_FIXED (2 + 5 * 8)

int
frame_take_change(struct str *s, struct frame_change *c)
{
	if (s->n < CHANGE_FIXED)
		return ERR_CORRUPT;
	c->kind = (unsigned)number(s, 1);
	c->state = (enum dlq_state)number(s, 1);
	c->type = (enum dlq_type)number(s, 1);
	c->outcome = (int)number(s, 1);
	c->time = (int64_t)number(s, 8);
	c->duration = (int64_t)number(s, 8);
	c->status = (int32_t)number(s, 4);
	c->attempts = (uint32_t)number(s, 4);
	c->tries = (uint32_t)number(s, 4);
	c->reprocessed = (uint32_t)number(s, 4);
	c->by_rule = (uint32_t)number(s, 4);
	c->last_attempt = (int64_t)number(s, 8);
	c->due = (int64_t)number(s, 8);
	c->resolved = (int64_t)number(s, 8);
	c->since = (int64_t)number(s, 8);
	c->job = take_id(s);
	if (c->kind >= FRAME_KINDS || c->state >= DLQ_STATES || c->type >= DLQ_TYPES ||
	    c->outcome > SINK_POISON)
		return ERR_CORRUPT;
	if (frame_take_string(s, &c->error) || frame_take_string(s, &c->by) ||
	    frame_take_string(s, &c->reason))
		return ERR_CORRUPT;
	return OK;
}

/* Passes over n changes. */
static int
take_past(struct str *s, unsigned n, struct str *out)
{
	struct frame_change c;

	*out = *s;
	while (n-- > 0) {
		if (frame_take_change(s, &c))
			return ERR_CORRUPT;
	}
	out->n -= s->n;
	return OK;
}

int
frame_take_letter(struct str s, struct frame_letter *l)
{
	if (frame_take_change(&s, &l->now) || s.n < LETTER_FIXED)
		return ERR_CORRUPT;
	l->kind = (enum dlq_kind)number(&s, 1);
	l->flags = (unsigned)number(&s, 1);
	l->born = number(&s, 8);
	l->size = number(&s, 8);
	l->records = number(&s, 8);
	l->created = (int64_t)number(&s, 8);
	l->dead = (int64_t)number(&s, 8);
	if (l->kind >= DLQ_KINDS || (l->now.kind != DLQ_EV_DEAD && l->now.kind != FRAME_COPY))
		return ERR_CORRUPT;
	for (unsigned i = 0; i < LETTER_STRINGS; i++) {
		if (frame_take_string(&s, &l->strings[i]))
			return ERR_CORRUPT;
	}
	if (s.n < 6)
		return ERR_CORRUPT;
	l->left_out = (uint32_t)number(&s, 4);
	l->n_past = (uint16_t)number(&s, 2);
	if (take_past(&s, l->n_past, &l->past))
		return ERR_CORRUPT;
	l->payload = s;
	return OK;
}
