/*
 * Retry-After (RFC 9110, 10.2.3). Called by whoever asks a server and may ask again: s3, the sinks.
 */
#include "base/clock.h"
#include "http/client.h"

#define LONGEST (3600 * NS_PER_S)

int64_t
http_retry_after(const struct http_head *h)
{
	struct str value = http_header_get(h, "Retry-After");
	int64_t until, now, wait = 0;
	uint64_t seconds;

	if (str_to_u64(value, &seconds) == 0) {
		wait = (int64_t)MIN(seconds, (uint64_t)(LONGEST / NS_PER_S)) * NS_PER_S;
	} else if (clock_parse_http(value, &until) == 0) {
		if (clock_parse_http(http_header_get(h, "Date"), &now))
			now = clock_wall();
		wait = until - now;
	}
	return MAX(MIN(wait, LONGEST), 0);
}
