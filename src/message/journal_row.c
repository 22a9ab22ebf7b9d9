/*
 * See journal_row.h.
 */
#include "message/journal_row.h"

#include "base/clock.h"
#include "base/le.h"

#define MAGIC "SLUIJRN1"
#define VERSION 1
#define ATTEMPT_LEN 88
#define TRIED_LEN 56
#define ERROR_MAX JOURNAL_ERROR_MAX

void
journal_encode_header(const struct journal_header *h, unsigned char out[JOURNAL_HEADER_LEN])
{
	memset(out, 0, JOURNAL_HEADER_LEN);
	memcpy(out, MAGIC, 8);
	le_put(out + 8, VERSION, 2);
	le_put(out + 10, JOURNAL_HEADER_LEN, 2);
	memcpy(out + 16, h->id.b, ID_LEN);
	le_put(out + 32, h->number, 8);
	le_put(out + 44, crc32c(0, out, 44), 4);
}

int
journal_decode_header(const unsigned char *p, size_t n, struct journal_header *h)
{
	if (n < JOURNAL_HEADER_LEN || memcmp(p, MAGIC, 8) != 0 || le_get(p + 8, 2) != VERSION ||
	    le_get(p + 10, 2) != JOURNAL_HEADER_LEN || le_get(p + 44, 4) != crc32c(0, p, 44))
		return ERR_CORRUPT;
	memcpy(h->id.b, p + 16, ID_LEN);
	h->number = le_get(p + 32, 8);
	return OK;
}

/* ---- writing ---- */

static size_t
padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static size_t
length_of(const struct journal_record *r)
{
	size_t error = MIN(r->row.error.n, (size_t)ERROR_MAX);

	switch (r->kind) {
	case JOURNAL_ATTEMPT:
		return padded(ATTEMPT_LEN + error);
	case JOURNAL_TRIED:
		return padded(TRIED_LEN + error);
	case JOURNAL_DONE:
		return JOURNAL_ROW_MIN + r->n_bits;
	case JOURNAL_FORGET:
	case JOURNAL_CHECKPOINT:
		break;
	}
	return JOURNAL_ROW_MIN;
}

static unsigned
status_field(int status)
{
	return status > 0 && status <= UINT16_MAX ? (unsigned)status : 0;
}

static void
put_error(unsigned char *length, unsigned char *text, struct str error)
{
	size_t n = MIN(error.n, (size_t)ERROR_MAX);

	le_put(length, n, 2);
	if (n)
		memcpy(text, error.p, n);
}

static void
put_attempt(unsigned char *p, const struct journal_row *row)
{
	int64_t us = MAX(row->duration, INT64_C(0)) / NS_PER_US;

	p[7] = (unsigned char)row->result;
	memcpy(p + 32, row->message.b, ID_LEN);
	le_put(p + 48, (uint64_t)row->time, 8);
	le_put(p + 56, (uint64_t)MIN(us, (int64_t)UINT32_MAX), 4);
	le_put(p + 60, row->attempt, 4);
	le_put(p + 64, status_field(row->status), 2);
	memcpy(p + 72, row->trace, sizeof(row->trace));
	put_error(p + 66, p + ATTEMPT_LEN, row->error);
}

static void
put_tried(unsigned char *p, const struct journal_record *r)
{
	le_put(p + 32, (uint64_t)r->first, 8);
	le_put(p + 40, (uint64_t)r->row.time, 8);
	le_put(p + 48, r->row.attempt, 4);
	le_put(p + 52, status_field(r->row.status), 2);
	put_error(p + 54, p + TRIED_LEN, r->row.error);
}

void
journal_put(struct buf *out, const struct journal_record *r)
{
	size_t n = length_of(r);
	unsigned char *p = (unsigned char *)buf_reserve(out, n);

	assert(n <= JOURNAL_ROW_MAX && n % 8 == 0);
	if (!p)
		return;
	memset(p, 0, n);
	le_put(p + 4, n, 2);
	p[6] = (unsigned char)r->kind;
	memcpy(p + 8, r->row.segment.b, ID_LEN);
	le_put(p + 24, r->row.number, 8);
	if (r->kind == JOURNAL_ATTEMPT)
		put_attempt(p, &r->row);
	else if (r->kind == JOURNAL_TRIED)
		put_tried(p, r);
	else if (r->kind == JOURNAL_DONE) {
		p[7] = r->below;
		if (r->n_bits)
			memcpy(p + JOURNAL_ROW_MIN, r->bits, r->n_bits);
	}
	buf_added(out, n);
}

static uint32_t
row_crc(const unsigned char *p, size_t n, const struct id *file, uint64_t offset)
{
	unsigned char place[ID_LEN + 8];

	memcpy(place, file->b, ID_LEN);
	le_put(place + ID_LEN, offset, 8);
	return crc32c(crc32c(0, place, sizeof(place)), p + 4, n - 4);
}

void
journal_bind(unsigned char *rows, size_t n, const struct id *file, uint64_t offset)
{
	for (size_t at = 0; at < n;) {
		size_t length = (size_t)le_get(rows + at + 4, 2);

		assert(length >= JOURNAL_ROW_MIN && length <= n - at);
		le_put(rows + at, row_crc(rows + at, length, file, offset + at), 4);
		at += length;
	}
}

/* ---- reading ---- */

/* An error text of so many bytes behind `fixed` others fills the row. */
static bool
get_error(const unsigned char *p, size_t length, size_t fixed, size_t n, struct str *out)
{
	if (length != padded(fixed + n) || n > ERROR_MAX)
		return false;
	*out = str_make((const char *)p + fixed, n);
	return true;
}

static bool
get_attempt(const unsigned char *p, size_t n, struct journal_row *row)
{
	if (n < ATTEMPT_LEN || p[7] >= JOURNAL_RESULTS || le_get(p + 68, 4) != 0)
		return false;
	row->result = p[7];
	memcpy(row->message.b, p + 32, ID_LEN);
	row->time = (int64_t)le_get(p + 48, 8);
	row->duration = (int64_t)le_get(p + 56, 4) * NS_PER_US;
	row->attempt = (unsigned)le_get(p + 60, 4);
	row->status = (int)le_get(p + 64, 2);
	memcpy(row->trace, p + 72, sizeof(row->trace));
	return get_error(p, n, ATTEMPT_LEN, (size_t)le_get(p + 66, 2), &row->error);
}

static bool
get_tried(const unsigned char *p, size_t n, struct journal_record *r)
{
	if (n < TRIED_LEN || p[7] != 0)
		return false;
	r->first = (int64_t)le_get(p + 32, 8);
	r->row.time = (int64_t)le_get(p + 40, 8);
	r->row.attempt = (unsigned)le_get(p + 48, 4);
	r->row.status = (int)le_get(p + 52, 2);
	return get_error(p, n, TRIED_LEN, (size_t)le_get(p + 54, 2), &r->row.error);
}

static bool
get_done(const unsigned char *p, size_t n, struct journal_record *r)
{
	r->below = p[7] == 1;
	r->bits = p + JOURNAL_ROW_MIN;
	r->n_bits = n - JOURNAL_ROW_MIN;
	return p[7] <= 1 && r->row.number % 64 == 0 &&
	       r->row.number + 8 * (uint64_t)r->n_bits <= JOURNAL_NUMBER_MAX;
}

static bool
get_contents(const unsigned char *p, size_t n, struct journal_record *out)
{
	switch (out->kind) {
	case JOURNAL_ATTEMPT:
		return get_attempt(p, n, &out->row);
	case JOURNAL_TRIED:
		return get_tried(p, n, out);
	case JOURNAL_DONE:
		return get_done(p, n, out);
	case JOURNAL_FORGET:
	case JOURNAL_CHECKPOINT:
		break;
	}
	return n == JOURNAL_ROW_MIN && p[7] == 0;
}

ssize_t
journal_get(const unsigned char *p, size_t n, const struct id *file, uint64_t offset,
    struct journal_record *out)
{
	size_t length;

	if (n < JOURNAL_ROW_MIN)
		return ERR_NEED_MORE;
	length = (size_t)le_get(p + 4, 2);
	if (length < JOURNAL_ROW_MIN || length > JOURNAL_ROW_MAX || length % 8 != 0 ||
	    p[6] < JOURNAL_ATTEMPT || p[6] > JOURNAL_CHECKPOINT)
		return ERR_BAD;
	if (length > n)
		return ERR_NEED_MORE;
	*out = (struct journal_record){ .kind = p[6], .row.number = le_get(p + 24, 8) };
	memcpy(out->row.segment.b, p + 8, ID_LEN);
	if (out->row.number >= JOURNAL_NUMBER_MAX || !get_contents(p, length, out) ||
	    le_get(p, 4) != row_crc(p, length, file, offset))
		return ERR_BAD;
	return (ssize_t)length;
}
