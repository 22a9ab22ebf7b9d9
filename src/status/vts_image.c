/*
 * See vts_image.h.
 */
#include "status/vts_image.h"

#include "base/hash.h"
#include "status/vts_priv.h"

#define MAGIC "SLUICVTS"
#define HEADER_LEN 24
#define TRAILER_LEN 16
#define RECORD_HEAD 8 /* length, kind, parts, length of the key */
#define PAIR_LEN 10

/* ---- numbers ---- */

static void
put(struct buf *out, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_putc(out, (char)(v >> (8 * i)));
}

static uint64_t
get(const char *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | (unsigned char)p[bytes];
	return v;
}

/* ---- from a node ---- */

uint64_t *
vts_image_words(struct vts_image *i, enum vts_part part, unsigned *n)
{
	void *const blocks[VTS_PARTS] = { &i->node, &i->duration, &i->code };
	static const unsigned sizes[VTS_PARTS] = { sizeof(i->node), sizeof(i->duration),
		sizeof(i->code) };

	*n = sizes[part] / sizeof(uint64_t);
	return blocks[part];
}

static void
take_node(const struct vts_entry *e, struct vts_node_block *to)
{
	struct vts_samples samples;
	struct vts_node node;
	struct wide v;

	vts_read(e, &node);
	vts_read_samples(e, &samples);
	for (unsigned i = 0; i < VTS_COUNTERS; i++) {
		v = vts_total(e, i, true);
		to->counters[i] = v.low;
		to->over[i] = v.high;
	}
	to->min_us = node.timed ? node.min_us + 1 : 0;
	to->max_us = node.max_us;
	to->first_ms = (uint64_t)node.first_ms;
	to->last_ms = (uint64_t)node.last_ms;
	for (unsigned i = 0; i < samples.n; i++)
		to->samples[i] = vts_sample(samples.of[i].time_ms, samples.of[i].msec);
	to->next = samples.n;
}

static void
take_duration(const struct vts_histogram *h, struct vts_duration_block *to, int64_t since_ms)
{
	to->n = h->n;
	to->since = (uint64_t)since_ms;
	to->sum_us = h->sum_us;
	for (unsigned i = 0; i < h->n; i++) {
		to->bounds_us[i] = (uint64_t)h->bounds_us[i];
		to->counts[i] = h->counts[i];
	}
	to->counts[VTS_BOUNDS_MAX] = h->counts[h->n];
}

void
vts_image_take(const struct vts_entry *e, struct vts_image *out)
{
	struct vts_histogram h;
	struct vts_codes codes;

	memset(out, 0, sizeof(*out));
	out->kind = e->kind;
	out->key = e->view.key;
	out->parts = 1u << VTS_NODE;
	take_node(e, &out->node);
	vts_read_histogram(e, &h);
	if (h.n > 0) {
		out->parts |= 1u << VTS_DURATION;
		take_duration(&h, &out->duration, (int64_t)out->node.first_ms);
	}
	vts_read_codes(e, &codes);
	if (codes.n > 0 || codes.other > 0)
		out->parts |= 1u << VTS_CODE;
	for (unsigned i = 0; i < codes.n; i++)
		vts_add_code(&out->code, codes.of[i].code, codes.of[i].count);
	out->code.of[VTS_CODES_MAX] += codes.other;
}

/* ---- writing ---- */

void
vts_image_put_header(struct buf *out, int64_t now_ms)
{
	buf_puts(out, MAGIC);
	put(out, VTS_IMAGE_VERSION, 4);
	put(out, 0, 4);
	put(out, (uint64_t)now_ms, 8);
}

static unsigned
count_words(const uint64_t *words, unsigned n)
{
	unsigned some = 0;

	for (unsigned i = 0; i < n; i++)
		some += words[i] != 0;
	return some;
}

static void
put_words(struct buf *out, const uint64_t *words, unsigned n)
{
	put(out, count_words(words, n), 2);
	for (unsigned i = 0; i < n; i++)
		if (words[i] != 0) {
			put(out, i, 2);
			put(out, words[i], 8);
		}
}

void
vts_image_put(struct buf *out, struct vts_image *i)
{
	size_t length = RECORD_HEAD - 4 + i->key.n;
	const uint64_t *words;
	unsigned n;

	for (unsigned part = 0; part < VTS_PARTS; part++)
		if (i->parts >> part & 1) {
			words = vts_image_words(i, part, &n);
			length += 2 + PAIR_LEN * count_words(words, n);
		}
	put(out, length, 4);
	put(out, i->kind, 1);
	put(out, i->parts, 1);
	put(out, i->key.n, 2);
	buf_put_str(out, i->key);
	for (unsigned part = 0; part < VTS_PARTS; part++)
		if (i->parts >> part & 1) {
			words = vts_image_words(i, part, &n);
			put_words(out, words, n);
		}
}

void
vts_image_put_trailer(struct buf *out, uint64_t records, uint32_t crc)
{
	size_t start = out->n;

	put(out, 0, 4);
	put(out, records, 8);
	if (!buf_failed(out))
		put(out, crc32c(crc, out->p + start, out->n - start), 4);
}

/* ---- reading ---- */

static bool
get_words(struct str *in, uint64_t *words, unsigned n)
{
	unsigned some, at;

	if (in->n < 2)
		return false;
	some = (unsigned)get(in->p, 2);
	*in = str_from(*in, 2);
	if (in->n < (size_t)some * PAIR_LEN)
		return false;
	for (; some > 0; some--, *in = str_from(*in, PAIR_LEN)) {
		at = (unsigned)get(in->p, 2);
		if (at >= n)
			return false;
		words[at] = get(in->p + 2, 8);
	}
	return true;
}

ssize_t
vts_image_get(struct str records, struct vts_image *out)
{
	struct str in;
	uint64_t *words;
	size_t length, key;
	unsigned n;

	if (records.n == 0)
		return 0;
	length = records.n < RECORD_HEAD ? 0 : get(records.p, 4);
	if (length < RECORD_HEAD - 4 || length > records.n - 4)
		return ERR_BAD;
	memset(out, 0, sizeof(*out));
	out->kind = (unsigned char)records.p[4];
	out->parts = (unsigned char)records.p[5];
	key = get(records.p + 6, 2);
	in = str_sub(records, RECORD_HEAD, length - (RECORD_HEAD - 4));
	if (out->kind >= VTS_KINDS || out->parts >> VTS_PARTS || in.n < key)
		return ERR_BAD;
	out->key = str_sub(in, 0, key);
	in = str_from(in, key);
	for (unsigned part = 0; part < VTS_PARTS; part++) {
		words = vts_image_words(out, part, &n);
		if ((out->parts >> part & 1) && !get_words(&in, words, n))
			return ERR_BAD;
	}
	return in.n == 0 ? (ssize_t)(4 + length) : ERR_BAD;
}

int
vts_image_check(struct str file, struct str *records)
{
	static struct vts_image image; /* large; the contents do not matter */
	const char *trailer = file.p + file.n - TRAILER_LEN;
	uint64_t n = 0;
	ssize_t used;

	if (file.n < HEADER_LEN + TRAILER_LEN || memcmp(file.p, MAGIC, 8) != 0)
		return ERR_BAD;
	if (get(file.p + 8, 4) != VTS_IMAGE_VERSION)
		return ERR_UNSUPPORTED;
	if (get(trailer + 12, 4) != crc32c(0, file.p, file.n - 4) || get(trailer, 4) != 0)
		return ERR_BAD;
	*records = str_sub(file, HEADER_LEN, file.n - HEADER_LEN - TRAILER_LEN);
	for (struct str rest = *records; rest.n > 0; rest = str_from(rest, (size_t)used), n++)
		if ((used = vts_image_get(rest, &image)) < 0)
			return ERR_BAD;
	return n == get(trailer + 4, 8) ? 0 : ERR_BAD;
}
