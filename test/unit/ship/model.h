/*
 * A store in memory that processes share, so that it outlives a shipper which is killed: objects by key, each with its id and the records in it.
 * It honours If-None-Match (or not), and can lose an answer, refuse, apply a request late. Afterwards every record is counted.
 *
 * One process at a time writes; each object appears by one store to `n`, so a kill leaves it there whole or not at all.
 */
#ifndef SLUICE_TEST_SHIP_MODEL_H
#define SLUICE_TEST_SHIP_MODEL_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hash.h"
#include "dlq/dlq.h"
#include "sink/gzid.h"
#include "sink/sink.h"

#define MODEL_OBJECTS 2048
#define MODEL_RECORDS 16384
#define MODEL_LATE 256
#define GZID_AT \
	(12 + GZID_EXTRA_LEN - ID_LEN) /* in a bundle: behind ten bytes of header and XLEN */

struct model_object {
	char key[200];
	struct id id;
	bool replaced; /* by a later PUT under its key, without a condition */
	unsigned first, n;
};

/* What one PUT does. */
enum model_fault {
	MODEL_NONE,
	MODEL_REFUSED,  /* no effect, AGAIN */
	MODEL_UNHEARD,  /* applied, but the answer is lost: AGAIN */
	MODEL_LATE_PUT, /* AGAIN; applied some time later */
	MODEL_DENIED    /* no effect, HELD */
};

struct model {
	/* chosen by the test */
	bool conditional;
	int probe_error; /* what the probe answers for the next probe_errors times */
	unsigned probe_errors;
	unsigned fault_every; /* a random fault in one of so many PUTs; 0: none */
	const enum model_fault
	    *script; /* for the first PUTs; of the parent's memory, seen by children */
	unsigned script_n;
	int64_t put_ns;
	unsigned sick; /* what holds a record below this one is refused, every time */
	/* what happened */
	_Atomic unsigned n, puts, probes, most_at_once, at_once;
	struct model_object objects[MODEL_OBJECTS];
	uint16_t records[MODEL_RECORDS];
	_Atomic unsigned late_n;
	struct model_object late[MODEL_LATE];
	uint16_t late_records[MODEL_LATE][512];
	bool late_done[MODEL_LATE];
	int64_t put_at[64];           /* monotonic, of the first attempts */
	unsigned letters[DLQ_STATES]; /* as an inspector found them */
	uint8_t in_letters[MODEL_RECORDS];
	_Atomic int broken; /* a rule of the protocol was seen broken: said on stderr */
};

struct model_sink {
	struct sink sink;
	struct model *m;
	void (*check)(const struct sink_item *item); /* sees each PUT before it is made */
};

/* What cannot be. */
static inline void
model_abort(int line)
{
	fprintf(stderr, "model.h:%d: errno %d\n", line, errno);
	abort();
}

static inline struct model *
model_new(void)
{
	struct model *m =
	    mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		model_abort(__LINE__);
	m->conditional = true;
	return m;
}

static inline void
model_free(struct model *m)
{
	munmap(m, sizeof(*m));
}

static inline struct model_object *
model_find(struct model *m, struct str key)
{
	for (unsigned i = 0; i < m->n; i++)
		if (!m->objects[i].replaced && str_eq(str_of(m->objects[i].key), key))
			return &m->objects[i];
	return NULL;
}

/* Another server's object. */
static inline void
model_put_foreign(struct model *m, const char *key)
{
	struct model_object *o = &m->objects[m->n];

	*o = (struct model_object){ .id = id_new() };
	(void)str_copyz(o->key, sizeof(o->key), str_of(key));
	m->n++;
}

/* The numbers behind each 'r' in the text. */
static inline unsigned
model_parse(const char *text, size_t n, uint16_t *out, unsigned max)
{
	unsigned count = 0;

	for (size_t i = 0; i + 1 < n; i++)
		if (text[i] == 'r' && text[i + 1] >= '0' && text[i + 1] <= '9') {
			if (count == max)
				model_abort(__LINE__);
			out[count++] = (uint16_t)strtoul(text + i + 1, NULL, 10);
		}
	return count;
}

static inline unsigned
model_read(const struct sink_item *item, uint16_t *out, unsigned max)
{
	size_t cap = 4u << 20, n = item->length;
	unsigned char *raw = malloc(n + 1), *text = malloc(cap);
	int fd = open(item->path, O_RDONLY);
	unsigned count;
	struct id id;

	if (fd < 0 || pread(fd, raw, n, (off_t)item->offset) != (ssize_t)n)
		model_abort(__LINE__);
	if (item->gzip_id) {
		z_stream z = { .next_in = raw,
			.avail_in = (uInt)n,
			.next_out = text,
			.avail_out = (uInt)cap };

		/* not gzid_read: its file calls may be made to fail */
		memcpy(&id, raw + GZID_AT, sizeof(id));
		if (!id_eq(id, item->id) || inflateInit2(&z, 15 + 16) != Z_OK ||
		    inflate(&z, Z_FINISH) != Z_STREAM_END)
			model_abort(__LINE__);
		n = z.total_out;
		inflateEnd(&z);
	} else {
		memcpy(text, raw, n);
	}
	text[n] = '\0';
	count = model_parse((char *)text, n, out, max);
	close(fd);
	free(raw);
	free(text);
	return count;
}

/* The store's side of a PUT. True: it holds this id under this key now. */
static inline bool
model_apply(struct model *m, struct str key, struct id id, const uint16_t *records, unsigned count)
{
	struct model_object *there = model_find(m, key), *o = &m->objects[m->n];
	unsigned first = m->n ? o[-1].first + o[-1].n : 0;

	if (there != NULL && m->conditional)
		return id_eq(there->id, id);
	if (m->n == MODEL_OBJECTS || first + count > MODEL_RECORDS || key.n >= sizeof(o->key))
		model_abort(__LINE__);
	*o = (struct model_object){ .id = id, .first = first, .n = count };
	(void)str_copyz(o->key, sizeof(o->key), key);
	memcpy(m->records + first, records, count * sizeof(*records));
	if (there != NULL)
		there->replaced = true;
	atomic_fetch_add(&m->n, 1);
	return true;
}

static inline void
model_keep_late(
    struct model *m, const struct sink_item *item, const uint16_t *records, unsigned count)
{
	struct model_object *o = &m->late[m->late_n];

	if (m->late_n == MODEL_LATE || count > 512)
		return;
	*o = (struct model_object){ .id = item->id, .n = count };
	(void)str_copyz(o->key, sizeof(o->key), item->key);
	memcpy(m->late_records[m->late_n], records, count * sizeof(*records));
	atomic_fetch_add(&m->late_n, 1);
}

/* Requests that were on their way land now: each with some chance, or all of them. */
static inline void
model_land(struct model *m, bool all)
{
	for (unsigned i = 0; i < m->late_n; i++)
		if (!m->late_done[i] && (all || random_u64() % 3 == 0)) {
			m->late_done[i] = true;
			(void)model_apply(m, str_of(m->late[i].key), m->late[i].id,
			    m->late_records[i], m->late[i].n);
		}
}

static inline enum model_fault
model_fault_of(struct model *m, unsigned put)
{
	if (put < m->script_n)
		return m->script[put];
	if (m->fault_every == 0 || random_u64() % m->fault_every != 0)
		return MODEL_NONE;
	return MODEL_REFUSED + random_u64() % 4;
}

static inline enum sink_outcome
model_answer(struct model *m, const struct sink_item *item, enum model_fault fault)
{
	uint16_t *records = calloc(MODEL_RECORDS, sizeof(*records));
	unsigned n = model_read(item, records, MODEL_RECORDS);
	enum sink_outcome outcome = SINK_AGAIN;

	model_land(m, false);
	for (unsigned i = 0; i < n; i++)
		if (records[i] < m->sick)
			fault = MODEL_REFUSED;
	if (fault == MODEL_DENIED)
		outcome = SINK_HELD;
	else if (fault == MODEL_LATE_PUT)
		model_keep_late(m, item, records, n);
	else if (fault == MODEL_UNHEARD)
		(void)model_apply(m, item->key, item->id, records, n);
	else if (fault == MODEL_NONE)
		outcome =
		    model_apply(m, item->key, item->id, records, n) ? SINK_CONFIRMED : SINK_TAKEN;
	free(records);
	return outcome;
}

static inline void
model_put(struct sink *sink, const struct sink_item *item, bool verify, int64_t deadline,
    struct sink_result *out)
{
	struct model_sink *s = CONTAINER_OF(sink, struct model_sink, sink);
	struct model *m = s->m;
	unsigned put = atomic_fetch_add(&m->puts, 1), at_once = ++m->at_once;

	(void)verify;
	(void)deadline;
	*out = (struct sink_result){ .outcome = SINK_AGAIN };
	if (put < ARRAY_LEN(m->put_at))
		m->put_at[put] = clock_mono();
	m->most_at_once = MAX(m->most_at_once, at_once);
	if (s->check)
		s->check(item);
	if (m->put_ns > 0)
		task_sleep_until(clock_mono() + m->put_ns);
	else
		task_yield();
	out->outcome = model_answer(m, item, model_fault_of(m, put));
	strcpy(out->why, "as the test wants");
	m->at_once--;
}

static inline int
model_probe(struct sink *sink, int64_t deadline, char *why, size_t cap)
{
	struct model *m = CONTAINER_OF(sink, struct model_sink, sink)->m;

	(void)deadline;
	m->probes++;
	task_yield();
	if (m->probe_errors > 0) {
		m->probe_errors--;
		snprintf(why, cap, "as the test wants");
		return m->probe_error;
	}
	return sink->conditional = m->conditional;
}

/* How often the record is in the store. */
static inline unsigned
model_count(const struct model *m, unsigned record)
{
	unsigned count = 0;

	for (unsigned i = 0; i < m->n; i++)
		for (unsigned k = 0; k < m->objects[i].n && !m->objects[i].replaced; k++)
			count += m->records[m->objects[i].first + k] == record;
	return count;
}

#endif
