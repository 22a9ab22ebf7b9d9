/*
 * Does the store honour If-None-Match? Tried with a small object "<prefix>.sluice-probe", which
 * stays. Called by ship, before its first upload, through s3_ops.
 */
#include <stdio.h>

#include "base/log.h"
#include "sink/s3_priv.h"

/*
 * The same small object, conditionally, until the answer tells: 412 says the condition is
 * honoured; a second 200, or 501, that it is not.
 */
static int
try_condition(
    struct s3_sink *s, const struct store_object *o, int64_t deadline, char *why, size_t cap)
{
	struct store_answer a;

	for (int stored = 0; stored < 2; stored++) {
		store_put(s->conf->store, o, true, deadline, &a);
		switch (s3_judge(&a, false, why, cap)) {
		case S3_DONE:
			break;
		case S3_EXISTS:
			return 1;
		case S3_HELD:
			return a.status == 501 ? 0 : ERR_DENIED;
		default:
			return a.err ? a.err : ERR_AGAIN;
		}
	}
	return 0;
}

static int
probe(struct s3_sink *s, int64_t deadline, char *why, size_t cap)
{
	static const char body[] =
	    "Written by sluice to see whether the store honours If-None-Match.\n";
	struct store_object o = { .bucket = s->conf->bucket,
		.fd = -1,
		.body = body,
		.length = sizeof(body) - 1,
		.content_type = STR("text/plain") };
	struct buf key;
	int honoured = ERR_NOMEM;

	snprintf(why, cap, "%s", err_text(ERR_NOMEM));
	sha256(body, sizeof(body) - 1, o.sha256);
	buf_init(&key, 0);
	buf_put_str(&key, s->prefix);
	buf_puts(&key, ".sluice-probe");
	o.key = buf_str(&key);
	if (!buf_failed(&key))
		honoured = try_condition(s, &o, deadline, why, cap);
	buf_fini(&key);
	return honoured;
}

static void
remember_probe(struct s3_sink *s, bool honoured)
{
	s->probed = true;
	s->sink.conditional = honoured;
	log_event(honoured ? LOG_INFO : LOG_WARN, "s3",
	    honoured ? "store honours conditional writes"
		     : "store does not honour conditional writes, keys carry ids",
	    LOG_STR("store", s->conf->store_name), LOG_STR("bucket", s->conf->bucket),
	    LOG_STR("prefix", s->prefix), LOG_END);
}

int
s3_probe(struct sink *sink, int64_t deadline, char *why, size_t cap)
{
	struct s3_sink *s = CONTAINER_OF(sink, struct s3_sink, sink);
	int honoured, err;

	while (s->probing) {
		if ((err = waitq_park(&s->probe_over, deadline))) {
			snprintf(why, cap, "%s", err_text(err));
			return err;
		}
	}
	if (s->probed)
		return sink->conditional;
	s->probing = true;
	honoured = probe(s, deadline, why, cap);
	s->probing = false;
	waitq_wake_all(&s->probe_over);
	if (honoured >= 0)
		remember_probe(s, honoured);
	return honoured;
}
