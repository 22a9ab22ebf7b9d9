/*
 * See vts_member.h.
 */
#include "status/vts_member.h"

#define CLASS(n)                                      \
	{                                             \
		n "xx", n "xx", "vts_" n "xx_counter" \
	}
#define CACHE(word, Word)                                                 \
	{                                                                 \
		"cache_" word, "cache" Word, "vts_cache_" word "_counter" \
	}

const struct vts_member vts_members[VTS_COUNTERS] = {
	[VTS_REQUESTS] = { "request", "requestCounter", "vts_request_counter" },
	[VTS_IN_BYTES] = { "in", "inBytes", "vts_in_bytes" },
	[VTS_OUT_BYTES] = { "out", "outBytes", "vts_out_bytes" },
	[VTS_1XX] = CLASS("1"),
	[VTS_2XX] = CLASS("2"),
	[VTS_3XX] = CLASS("3"),
	[VTS_4XX] = CLASS("4"),
	[VTS_5XX] = CLASS("5"),
	[VTS_CACHE_MISS] = CACHE("miss", "Miss"),
	[VTS_CACHE_BYPASS] = CACHE("bypass", "Bypass"),
	[VTS_CACHE_EXPIRED] = CACHE("expired", "Expired"),
	[VTS_CACHE_STALE] = CACHE("stale", "Stale"),
	[VTS_CACHE_UPDATING] = CACHE("updating", "Updating"),
	[VTS_CACHE_REVALIDATED] = CACHE("revalidated", "Revalidated"),
	[VTS_CACHE_HIT] = CACHE("hit", "Hit"),
	[VTS_CACHE_SCARCE] = CACHE("scarce", "Scarce"),
	[VTS_REQUEST_MSEC] = { NULL, "requestMsecCounter", "vts_request_time_counter" },
};

int
vts_member_limit(struct str name)
{
	for (int i = 0; i < VTS_COUNTERS; i++)
		if (vts_members[i].limit != NULL && str_is(name, vts_members[i].limit))
			return i;
	return -1;
}

int
vts_member_filter(struct str name)
{
	for (int i = 0; i < VTS_COUNTERS; i++)
		if (str_is(name, vts_members[i].filter))
			return i;
	return -1;
}
