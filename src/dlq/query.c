/*
 * What is asked of the index: lists, single entries, counts. Nothing here parks, so all of it is to be cheap: one walk over the entries, and a
 * search that looks at each byte once.
 */
#include "dlq/dlq_priv.h"

/* ---- searching text in any case ---- */

#define SHORT 4u

struct needle {
	unsigned char text[256]; /* lower case */
	size_t n;
	unsigned char lower[256]; /* of each byte */
	unsigned char skip
	    [256]; /* how far the needle may move on where its end stands on this byte; 0: it ends with it */
	bool hex; /* may be part of an id */
};

/* Longer ones than any text is are never found: see dlq_list. */
static void
needle_init(struct needle *q, struct str s)
{
	q->n = MIN(s.n, sizeof(q->text) - 1);
	q->hex = s.n > 0 && s.n <= 2 * (size_t)ID_LEN;
	memset(q->skip, (int)MAX(q->n, 1), sizeof(q->skip));
	for (unsigned c = 0; c < 256; c++)
		q->lower[c] = (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	for (size_t i = 0; i < q->n; i++) {
		unsigned char c = q->lower[(unsigned char)s.p[i]];

		q->text[i] = c;
		q->skip[c] = (unsigned char)(q->n - 1 - i);
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			q->hex = false;
	}
	for (unsigned c = 'A'; c <= 'Z'; c++)
		q->skip[c] = q->skip[c | 0x20];
}

/* How far the needle may move on from where its end matches, and the rest does not: to its last letter once more. */
static size_t
after_end(const struct needle *q)
{
	size_t i = q->n - 1;

	while (i > 0 && q->text[i - 1] != q->text[q->n - 1])
		i--;
	return q->n - i;
}

/* All of it but its last byte. */
static bool
matches(const struct needle *q, const unsigned char *p)
{
	for (size_t i = 0; i + 1 < q->n; i++) {
		if (q->lower[p[i]] != q->text[i])
			return false;
	}
	return true;
}

/* Horspool: the byte under the needle's end says how far it may move. */
static bool
finds_long(const struct needle *q, const unsigned char *p, const unsigned char *end)
{
	while (p < end) {
		size_t skip = q->skip[*p];

		if (skip == 0 && matches(q, p - (q->n - 1)))
			return true;
		p += skip > 0 ? skip : after_end(q);
	}
	return false;
}

/* A short one cannot move far: the C library is faster at finding its end, in either case. */
static bool
finds_end(const struct needle *q, int end_byte, const unsigned char *p, const unsigned char *end)
{
	while (p < end && (p = memchr(p, end_byte, (size_t)(end - p)))) {
		if (matches(q, p - (q->n - 1)))
			return true;
		p++;
	}
	return false;
}

static bool
finds(const struct needle *q, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p + q->n - 1;
	const unsigned char *end = (const unsigned char *)s.p + s.n;
	unsigned char last = q->text[q->n - 1];

	if (s.n < q->n)
		return false;
	if (q->n >= SHORT)
		return finds_long(q, p, end);
	return finds_end(q, last, p, end) ||
	       (last >= 'a' && last <= 'z' && finds_end(q, last & ~0x20, p, end));
}

static bool
finds_in(const struct needle *q, const struct entry *e)
{
	if (finds(q, index_error(e)) || finds(q, index_string(e, LETTER_USER)) ||
	    finds(q, index_string(e, LETTER_KEY)) || finds(q, index_string(e, LETTER_MESSAGE_ID)))
		return true;
	if (q->hex) {
		char id[2 * ID_LEN + 1];

		id_text(e->id, id);
		return finds(q, str_make(id, 2 * (size_t)ID_LEN));
	}
	return false;
}

/* ---- lists ---- */

static bool
is_zero(struct id id)
{
	return id_eq(id, (struct id){ { 0 } });
}

static bool
fits(const struct dlq_filter *f, const struct dlq_stream *s, const struct needle *q,
    const struct entry *e)
{
	if ((s && e->stream != s) || (f->state >= 0 && (int)e->now.state != f->state) ||
	    (f->type >= 0 && (int)e->now.type != f->type))
		return false;
	if ((f->after && e->dead < f->after) || (f->before && e->dead >= f->before))
		return false;
	if (!is_zero(f->job) && !id_eq(f->job, e->now.job))
		return false;
	if (f->message_id.n > 0 && !str_eq(f->message_id, index_string(e, LETTER_MESSAGE_ID)))
		return false;
	return f->q.n == 0 || finds_in(q, e);
}

uint64_t
dlq_list(struct dlq *d, const struct dlq_filter *f, uint64_t skip, unsigned limit,
    dlq_visit_fn *visit, void *arg)
{
	const struct dlq_stream *s = f->stream.n > 0 ? index_find_stream(d, f->stream) : NULL;
	uint64_t n = 0;
	struct needle q;

	if ((f->stream.n > 0 && !s) || f->q.n >= sizeof(q.text))
		return 0;
	needle_init(&q, f->q);
	for (struct list *at = d->entries.prev; at != &d->entries; at = at->prev) {
		struct entry *e = CONTAINER_OF(at, struct entry, link);
		struct dlq_entry shown;

		if (!fits(f, s, &q, e))
			continue;
		if (n >= skip && n - skip < limit) {
			index_show(e, &shown);
			visit(arg, &shown);
		}
		n++;
	}
	return n;
}

int
dlq_find(struct dlq *d, struct id id, struct dlq_entry *out)
{
	struct entry *e = index_find(d, id);

	if (!e || e->unborn)
		return ERR_NOT_FOUND;
	index_show(e, out);
	return OK;
}

int
dlq_find_files(struct dlq *d, struct id id, struct dlq_files *out)
{
	struct entry *e = index_find(d, id);

	_Static_assert(sizeof(out->file) == DLQ_PATH_MAX, "a path fits");
	if (!e || e->unborn)
		return ERR_NOT_FOUND;
	out->file[0] = out->list[0] = '\0';
	if (e->flags & FRAME_FILE)
		files_path(d, id, e->kind, false, out->file);
	if (e->flags & FRAME_LIST)
		files_path(d, id, e->kind, true, out->list);
	return OK;
}

/* ---- counts ---- */

static void
add_counts(struct dlq_counts *out, const struct dlq_stream *s)
{
	for (unsigned i = 0; i < DLQ_STATES; i++)
		out->by_state[i] += s->by_state[i];
	for (unsigned i = 0; i < DLQ_TYPES; i++)
		out->by_type[i] += s->by_type[i];
}

static int64_t
oldest_pending(const struct dlq *d, const struct dlq_stream *s)
{
	struct list *at;

	LIST_FOREACH (at, &d->entries) {
		const struct entry *e = CONTAINER_OF(at, struct entry, link);

		if (e->now.state == DLQ_PENDING && (!s || e->stream == s))
			return e->dead;
	}
	return 0;
}

void
dlq_count(struct dlq *d, struct str stream, struct dlq_counts *out)
{
	const struct dlq_stream *s = stream.n > 0 ? index_find_stream(d, stream) : NULL;
	struct str name;
	void *value;

	*out = (struct dlq_counts){ .bytes = d->log_bytes + d->file_bytes };
	memcpy(out->dropped, d->dropped, sizeof(out->dropped));
	if (stream.n > 0 && !s)
		return;
	if (s)
		add_counts(out, s);
	for (size_t at = 0; !s && map_each(&d->streams, &at, &name, &value);)
		add_counts(out, value);
	if (out->by_state[DLQ_PENDING] > 0)
		out->oldest = oldest_pending(d, s);
}

/* ---- words ---- */

static const char *const types[DLQ_TYPES] = { "transient", "permanent", "poison" };
static const char *const states[DLQ_STATES] = { "pending", "reprocessing", "resolved",
	"discarded" };
static const char *const kinds[DLQ_KINDS] = { "message", "bundle", "object" };

const char *
dlq_type_name(enum dlq_type t)
{
	return types[t];
}

const char *
dlq_state_name(enum dlq_state s)
{
	return states[s];
}

const char *
dlq_kind_name(enum dlq_kind k)
{
	return kinds[k];
}

static int
word_of(const char *const *words, int n, struct str name)
{
	for (int i = 0; i < n; i++) {
		if (str_is(name, words[i]))
			return i;
	}
	return -1;
}

int
dlq_type_of(struct str name)
{
	return word_of(types, DLQ_TYPES, name);
}

int
dlq_state_of(struct str name)
{
	return word_of(states, DLQ_STATES, name);
}
