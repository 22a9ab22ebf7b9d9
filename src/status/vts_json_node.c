/*
 * One node as JSON, by hand: a scrape may have ten thousand of them. Called by vts_json.c and vts_json_filter.c.
 */
#include "status/vts_json_priv.h"

/* In the order of the counters. */
static const struct str names[VTS_COUNTERS] = {
	STR_INIT("\"requestCounter\":"),
	STR_INIT("\"inBytes\":"),
	STR_INIT("\"outBytes\":"),
	STR_INIT("\"1xx\":"),
	STR_INIT("\"2xx\":"),
	STR_INIT("\"3xx\":"),
	STR_INIT("\"4xx\":"),
	STR_INIT("\"5xx\":"),
	STR_INIT("\"miss\":"),
	STR_INIT("\"bypass\":"),
	STR_INIT("\"expired\":"),
	STR_INIT("\"stale\":"),
	STR_INIT("\"updating\":"),
	STR_INIT("\"revalidated\":"),
	STR_INIT("\"hit\":"),
	STR_INIT("\"scarce\":"),
	STR_INIT("\"requestMsecCounter\":"),
};

/* Members of the counters from..end - 1, with commas between. */
static char *
put_counters(char *to, const uint64_t *values, unsigned from, unsigned end)
{
	for (unsigned i = from; i < end; i++) {
		if (i > from)
			*to++ = ',';
		to = prom_copy(to, names[i]);
		to = str_put_u64(to, values[i]);
	}
	return to;
}

static char *
put_codes(char *to, const struct vts_codes *codes)
{
	to = prom_copy(to, STR("\"statusCodes\":{\"other\":"));
	to = str_put_u64(to, codes->other);
	for (unsigned i = 0; i < codes->n; i++) {
		to = prom_copy(to, STR(",\""));
		to = str_put_u64(to, codes->of[i].code);
		to = prom_copy(to, STR("\":"));
		to = str_put_u64(to, codes->of[i].count);
	}
	return prom_copy(to, STR("},"));
}

/* Always VTS_SAMPLES elements, zeros first. */
static char *
put_samples(char *to, const struct vts_samples *s)
{
	unsigned zeros = VTS_SAMPLES - s->n;

	to = prom_copy(to, STR("\"requestMsecs\":{\"times\":["));
	for (unsigned i = 0; i < zeros; i++)
		to = prom_copy(to, STR("0,"));
	for (unsigned i = 0; i < s->n; i++, *to++ = ',')
		to = str_put_u64(to, (uint64_t)s->of[i].time_ms);
	to = prom_copy(to - 1, STR("],\"msecs\":["));
	for (unsigned i = 0; i < zeros; i++)
		to = prom_copy(to, STR("0,"));
	for (unsigned i = 0; i < s->n; i++, *to++ = ',')
		to = str_put_u64(to, s->of[i].msec);
	return prom_copy(to - 1, STR("]},"));
}

/* Counters as the histogram's: each bucket holds what is at most its bound. */
static char *
put_buckets(char *to, const struct vts_histogram *h)
{
	uint64_t total = 0;

	to = prom_copy(to, STR("\"requestBuckets\":{\"msecs\":["));
	for (unsigned i = 0; i < h->n; i++) {
		if (i > 0)
			*to++ = ',';
		to = str_put_u64(to, (uint64_t)h->bounds_us[i] / 1000);
	}
	to = prom_copy(to, STR("],\"counters\":["));
	for (unsigned i = 0; i < h->n; i++) {
		if (i > 0)
			*to++ = ',';
		to = str_put_u64(to, total += h->counts[i]);
	}
	return prom_copy(to, STR("]},"));
}

/* The object of what is in node, samples, histogram and codes. */
static char *
put_object(char *to, const struct vts_json *j, const struct vts_node *node,
    const struct vts_samples *samples)
{
	const struct vts_scope *s = j->scope;

	*to++ = '{';
	to = put_counters(to, node->counters, VTS_REQUESTS, VTS_1XX);
	*to++ = ',';
	if (s->codes || j->codes.n > 0 || j->codes.other > 0)
		to = put_codes(to, &j->codes);
	to = prom_copy(to, STR("\"responses\":{"));
	to = put_counters(to, node->counters, VTS_1XX, VTS_REQUEST_MSEC);
	to = prom_copy(to, STR("},"));
	to = put_counters(to, node->counters, VTS_REQUEST_MSEC, VTS_COUNTERS);
	to = prom_copy(to, STR(",\"requestMsec\":"));
	to = str_put_u64(
	    to, vts_average(samples, (enum vts_method)s->method, s->period_ms, j->now_ms));
	*to++ = ',';
	to = put_samples(to, samples);
	to = put_buckets(to, &j->histogram);
	to = prom_copy(to, STR("\"overCounts\":{\"maxIntegerSize\":18446744073709551615,"));
	to = put_counters(to, node->over, VTS_REQUESTS, VTS_COUNTERS);
	return prom_copy(to, STR("}}"));
}

static void
add_to_sum(struct vts_json *j)
{
	vts_node_add(&j->sum, &j->node);
	vts_samples_add(&j->sum_samples, &j->samples);
	j->sum_other += j->codes.other;
	for (unsigned i = 0; i < j->codes.n; i++)
		if (j->codes.of[i].code < VTS_CODE_LIMIT)
			j->sum_codes[j->codes.of[i].code] += j->codes.of[i].count;
}

char *
vts_json_put_entry(struct vts_json *j, char *to, const struct vts_entry *e, bool add)
{
	vts_read(e, &j->node);
	vts_read_samples(e, &j->samples);
	vts_read_histogram(e, &j->histogram);
	vts_read_codes(e, &j->codes);
	if (add)
		add_to_sum(j);
	to = pieces_name(to, e->name);
	*to++ = ':';
	return put_object(to, j, &j->node, &j->samples);
}

void
vts_json_sum_start(struct vts_json *j)
{
	memset(&j->sum, 0, sizeof(j->sum));
	memset(&j->sum_samples, 0, sizeof(j->sum_samples));
	memset(j->sum_codes, 0, sizeof(j->sum_codes));
	j->sum_other = 0;
}

/* The status codes of all nodes; what has no room is `other`. */
static void
sum_codes(struct vts_json *j)
{
	j->codes = (struct vts_codes){ .other = j->sum_other };
	for (unsigned code = 0; code < VTS_CODE_LIMIT; code++) {
		if (j->sum_codes[code] == 0)
			continue;
		if (j->codes.n == VTS_CODES_MAX) {
			j->codes.other += j->sum_codes[code];
			continue;
		}
		j->codes.of[j->codes.n].code = code;
		j->codes.of[j->codes.n++].count = j->sum_codes[code];
	}
}

char *
vts_json_put_sum(struct vts_json *j, char *to)
{
	sum_codes(j);
	j->histogram.n = 0; /* bounds may differ from zone to zone: the sum has no buckets */
	to = pieces_name(to, str_sub(j->scope->sum_key, 0, SERIES_KEY_MAX));
	*to++ = ':';
	return put_object(to, j, &j->sum, &j->sum_samples);
}
