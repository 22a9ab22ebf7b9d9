/*
 * See vts_main.h.
 */
#include "status/vts_main.h"

#include <unistd.h>

#include "status/vts.h"

void
vts_main_read(struct vts_main *m)
{
	struct series_usage usage;

	http_totals(&m->http);
	series_usage(&usage);
	m->zone = str_of(series_zone_name());
	m->zone_size = usage.size;
	m->zone_used = usage.used;
	m->zone_nodes = series_count(vts_set(VTS_SERVER)) + series_count(vts_set(VTS_FILTER));
	if (gethostname(m->text, sizeof(m->text)) != 0)
		m->text[0] = 0;
	m->text[VTS_HOST_MAX] = 0;
	m->host = str_of(m->text);
}
