/*
 * Averages over the latest requests, as vhost_traffic_status_average_method asks for. Pure.
 */
#include "status/vts.h"

uint64_t
vts_average(const struct vts_samples *s, enum vts_method method, int64_t period_ms, int64_t now_ms)
{
	uint64_t sum = 0, weights = 0, weight = 0;

	for (unsigned i = 0; i < s->n; i++) {
		if (s->of[i].time_ms <= now_ms - period_ms)
			continue;
		weight = method == VTS_WMA ? weight + 1 : 1;
		sum += weight * s->of[i].msec;
		weights += weight;
	}
	return weights > 0 ? sum / weights : 0;
}
