/*
 * Time. Deadlines are absolute nanoseconds of the monotonic clock; dates are nanoseconds of UTC
 * since 1970. The loop refreshes the cached values once a turn; clock_mono() and clock_wall() ask
 * the kernel.
 */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include "base/base.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define CLOCK_NEVER INT64_MAX

struct clock_utc {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
	int weekday; /* 0: Sunday */
	int nanosecond;
};

int64_t clock_mono(void);
int64_t clock_wall(void);
void clock_refresh(void);
/* As of the last clock_refresh() in this thread's process; the first call refreshes. */
int64_t clock_cached_mono(void);
int64_t clock_cached_wall(void);

/* Proleptic Gregorian, no leap seconds; any ns since 1970 (and before). */
void clock_split(int64_t wall_ns, struct clock_utc *out);
int64_t clock_join(const struct clock_utc *utc);

#define CLOCK_RFC3339_LEN 24 /* 2026-11-22T01:02:03.456Z */
#define CLOCK_HTTP_LEN 29    /* Sun, 22 Nov 2026 01:02:03 GMT */
#define CLOCK_AMZ_LEN 16     /* 20261122T010203Z */
#define CLOCK_HOUR_LEN 10    /* 2026112201 */
/* Each writes its length plus a zero byte. */
void clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_LEN + 1]);
void clock_http(int64_t wall_ns, char out[CLOCK_HTTP_LEN + 1]);
void clock_amz(int64_t wall_ns, char out[CLOCK_AMZ_LEN + 1]);
void clock_hour(int64_t wall_ns, char out[CLOCK_HOUR_LEN + 1]);
/* IMF-fixdate, RFC 850 or asctime form (RFC 9110, 5.6.7): 0 or ERR_BAD. */
int clock_parse_http(struct str s, int64_t *wall_ns);
/* 2026-11-22T01:02:03Z, with up to nine digits of a fraction and Z or an offset such as +09:00, either case (RFC 3339, 5.6); no leap seconds; from
 * 1970 on: 0 or ERR_BAD. */
int clock_parse_rfc3339(struct str s, int64_t *wall_ns);

#endif
