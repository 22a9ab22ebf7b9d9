/*
 * See claim.h.
 */
#include "ingest/claim.h"

#include "base/clock.h"

static struct idem *table;

void
claim_open(struct idem *t)
{
	table = t;
}

bool
ingest_key_stats(struct idem_stats *out)
{
	if (table != NULL)
		*out = idem_get_stats(table);
	return table != NULL;
}

static bool
key_ok(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] < 0x20 || key.p[i] == 0x7f)
			return false;
	return key.n > 0 && key.n <= IDEM_KEY_MAX;
}

static void
reply_retry(struct http_request *r, int status, const char *text)
{
	http_add_header(r, "Retry-After", STR("1"));
	http_reply_message(r, status, text);
}

int
claim_begin(struct http_request *r, const struct ingest_conf *conf, struct claim *claim)
{
	struct str key = http_header_get(r->head, "Idempotency-Key");
	enum idem_verdict verdict = IDEM_LATER;

	claim->keyed = claim->held = false;
	if (key.p == NULL)
		return 0;
	if (!key_ok(key)) {
		http_reply_message(
		    r, 400, "Idempotency-Key must be 1 to 255 bytes without control characters");
		return 1;
	}
	claim->key = idem_key(conf->stream->name, r->user, key);
	id_text(claim->key, claim->text);
	if (table != NULL)
		verdict = idem_begin(table, claim->key, clock_cached_wall());
	switch (verdict) {
	case IDEM_NEW:
		claim->keyed = claim->held = true;
		return 0;
	case IDEM_DONE:
		ingest_record_stored(r, claim->key);
		ingest_reply_stored(r, conf, 0);
		return 1;
	case IDEM_BUSY:
		reply_retry(r, 409, "A request with this Idempotency-Key is under way");
		return 1;
	case IDEM_LATER:
		break;
	}
	reply_retry(r, 503, "Whether this Idempotency-Key was used is not known yet");
	return 1;
}

void
claim_put_attr(const struct claim *claim, struct buf *attrs)
{
	if (claim->keyed)
		segment_put_attr(attrs, STR(SEGMENT_ATTR_IDEM), str_make(claim->text, 2 * ID_LEN));
}

void
claim_pass(struct claim *claim)
{
	claim->held = false;
}

void
claim_end(struct claim *claim)
{
	if (claim->held)
		idem_abort(table, claim->key);
	claim->held = false;
}

bool
claim_settled(struct str attrs, enum spool_fate fate)
{
	struct id key;

	if (table == NULL || id_parse(segment_get_attr(attrs, SEGMENT_ATTR_IDEM), &key) != 0)
		return false;
	switch (fate) {
	case SPOOL_STORED:
		idem_commit(table, key);
		return false;
	case SPOOL_LOST:
		idem_abort(table, key);
		return false;
	case SPOOL_DOUBT:
		idem_doubt(table, key);
		break;
	}
	return true;
}
