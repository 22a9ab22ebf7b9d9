/*
 * The document and its sections. See vts_json.h.
 */
#include "status/vts_json.h"

#include <stdlib.h>

#include "base/clock.h"
#include "config.h"
#include "status/vts_json_priv.h"
#include "status/vts_main.h"

#define MAIN_MAX 2048

static bool never_empty(void);
static void put_servers(struct vts_json *j);

const struct vts_json_section vts_json_sections[] = {
	{ "serverZones", "server", never_empty, put_servers },
	{ "filterZones", "filter", vts_json_no_filters, vts_json_filters },
};
const unsigned vts_json_n_sections = ARRAY_LEN(vts_json_sections);

struct vts_json *
vts_json_new(struct pieces *out, const struct vts_scope *scope, int64_t load_ms)
{
	struct vts_json *j = malloc(sizeof(*j));

	if (j) {
		j->out = out;
		j->scope = scope;
		j->load_ms = load_ms;
		j->now_ms = clock_wall() / NS_PER_MS;
	}
	return j;
}

void
vts_json_free(struct vts_json *j)
{
	free(j);
}

/* ---- the server as a whole ---- */

static char *
put_number(char *to, const char *before, uint64_t value)
{
	return str_put_u64(prom_copy(to, str_of(before)), value);
}

static char *
put_connections(char *to, const struct vts_main *m)
{
	to = put_number(to, ",\"connections\":{\"active\":", m->http.active);
	to = put_number(to, ",\"reading\":", m->http.reading);
	to = put_number(to, ",\"writing\":", m->http.writing);
	to = put_number(to, ",\"waiting\":", m->http.waiting);
	to = put_number(to, ",\"accepted\":", m->http.accepted);
	to = put_number(to, ",\"handled\":", m->http.handled);
	return put_number(to, ",\"requests\":", m->http.requests);
}

static char *
put_zone(char *to, const struct vts_main *m)
{
	to = prom_copy(to, STR("},\"sharedZones\":{\"name\":"));
	to = pieces_name(to, m->zone);
	to = put_number(to, ",\"maxSize\":", m->zone_size);
	to = put_number(to, ",\"usedSize\":", m->zone_used);
	to = put_number(to, ",\"usedNode\":", m->zone_nodes);
	return put_number(to, ",\"freeSize\":", m->zone_size - m->zone_used);
}

/* The members, without braces around them. */
static void
put_main(struct vts_json *j)
{
	struct vts_main m;
	char *to;

	vts_main_read(&m);
	to = pieces_room(j->out, MAIN_MAX + PIECES_NAME(m.host.n + m.zone.n));
	if (!to)
		return;
	to = prom_copy(to, STR("\"hostName\":"));
	to = pieces_name(to, m.host);
	to = prom_copy(to, STR(",\"moduleVersion\":\"" SLUICE_VERSION
			       "\",\"nginxVersion\":\"" SLUICE_VERSION "\""));
	to = put_number(to, ",\"loadMsec\":", (uint64_t)j->load_ms);
	to = put_number(to, ",\"nowMsec\":", (uint64_t)j->now_ms);
	to = put_connections(to, &m);
	to = put_zone(to, &m);
	*to++ = '}';
	pieces_took(j->out, to);
}

void
vts_json_main(struct vts_json *j)
{
	pieces_put(j->out, STR("{"));
	put_main(j);
	pieces_put(j->out, STR("}"));
}

/* ---- zones ---- */

static bool
never_empty(void)
{
	return false;
}

/* A zone that has the sum's name counts in it, but does not stand beside it: an object has a key once. */
static void
put_servers(struct vts_json *j)
{
	struct vts_entry e;
	uint32_t cursor = 0;
	char *to;

	vts_json_sum_start(j);
	pieces_put(j->out, STR("{"));
	while ((to = pieces_room(j->out, VTS_JSON_ENTRY_MAX)) != NULL &&
	       vts_next(VTS_SERVER, &cursor, &e)) {
		char *end = vts_json_put_entry(j, to, &e, true);

		if (str_eq(e.name, j->scope->sum_key))
			continue;
		*end++ = ',';
		pieces_took(j->out, end);
	}
	if (to)
		pieces_took(j->out, vts_json_put_sum(j, to));
	pieces_put(j->out, STR("}"));
}

static void
put_named(struct vts_json *j, const struct vts_json_section *section)
{
	pieces_put(j->out, STR("\""));
	pieces_put(j->out, str_of(section->name));
	pieces_put(j->out, STR("\":"));
	section->put(j);
}

void
vts_json_document(struct vts_json *j)
{
	pieces_put(j->out, STR("{"));
	put_main(j);
	for (unsigned i = 0; i < vts_json_n_sections; i++) {
		if (vts_json_sections[i].is_empty())
			continue;
		pieces_put(j->out, STR(","));
		put_named(j, &vts_json_sections[i]);
	}
	pieces_put(j->out, STR("}"));
}

void
vts_json_section(struct vts_json *j, const struct vts_json_section *section)
{
	pieces_put(j->out, STR("{"));
	if (!section->is_empty())
		put_named(j, section);
	pieces_put(j->out, STR("}"));
}

void
vts_json_one(struct vts_json *j, const struct vts_entry *e)
{
	char *to = pieces_room(j->out, VTS_JSON_ENTRY_MAX + 2); /* there is: nothing was written */

	if (!to)
		return;
	*to++ = '{';
	if (e)
		to = vts_json_put_entry(j, to, e, false);
	*to++ = '}';
	pieces_took(j->out, to);
}
