/*
 * filterZones: the filters' nodes, group by group. The directory has them in no order, so the first walk notes where each group's nodes are,
 * and the second goes there. Called by vts_json.c.
 */
#include <stdlib.h>

#include "base/map.h"
#include "status/vts_json_priv.h"

#define NONE UINT32_MAX

/* A node found by the first walk. The directory may change before the second, which checks what it finds. */
struct place {
	uint32_t cursor; /* for vts_next to find it */
	uint32_t index, generation;
	uint32_t next; /* of its group; NONE ends */
};

struct group {
	struct group *next;
	uint32_t first, last; /* places */
	size_t n;
	char name[];
};

struct groups {
	struct map by_name;
	struct group *first, **end;
	struct place *places;
	uint32_t n, cap;
};

static void
groups_fini(struct groups *g)
{
	struct group *next;

	for (; g->first; g->first = next) {
		next = g->first->next;
		free(g->first);
	}
	map_fini(&g->by_name);
	free(g->places);
}

static struct group *
group_of(struct groups *g, struct str name)
{
	struct group *group = map_get(&g->by_name, name);

	if (group)
		return group;
	group = malloc(sizeof(*group) + name.n);
	if (!group)
		return NULL;
	*group = (struct group){ .first = NONE, .last = NONE, .n = name.n };
	prom_copy(group->name, name);
	if (map_put(&g->by_name, str_make(group->name, group->n), group) < 0) {
		free(group);
		return NULL;
	}
	*g->end = group;
	g->end = &group->next;
	return group;
}

static int
add(struct groups *g, struct group *group, uint32_t cursor, const struct series_view *v)
{
	if (!group)
		return ERR_NOMEM;
	if (g->n == g->cap) {
		uint32_t cap = g->cap ? 2 * g->cap : 64;
		struct place *more = realloc(g->places, cap * sizeof(*more));

		if (!more)
			return ERR_NOMEM;
		g->places = more;
		g->cap = cap;
	}
	if (group->last == NONE)
		group->first = g->n;
	else
		g->places[group->last].next = g->n;
	group->last = g->n;
	g->places[g->n++] = (struct place){
		.cursor = cursor, .index = v->index, .generation = v->generation, .next = NONE
	};
	return 0;
}

/* The first walk. Parks. */
static int
gather(struct groups *g)
{
	struct vts_entry e;
	uint32_t cursor = 0, at = 0;
	int err = 0;

	for (; err == 0 && vts_next(VTS_FILTER, &cursor, &e); at = cursor) {
		err = add(g, group_of(g, e.group), at, &e.view);
		if (err == 0 && g->n % 64 == 0)
			err = prom_breathe();
	}
	return err;
}

/* The node at a place, if it is still the one that was there. */
static bool
look(const struct place *place, struct vts_entry *e)
{
	uint32_t cursor = place->cursor;

	return vts_next(VTS_FILTER, &cursor, e) && e->view.index == place->index &&
	       e->view.generation == place->generation;
}

static void
put_group(struct vts_json *j, const struct groups *g, const struct group *group)
{
	struct vts_entry e;
	bool more = false;
	char *to = pieces_room(j->out, PIECES_NAME(group->n) + 2);

	if (!to)
		return;
	to = pieces_name(to, str_make(group->name, group->n));
	*to++ = ':';
	*to++ = '{';
	pieces_took(j->out, to);
	for (uint32_t i = group->first; i != NONE; i = g->places[i].next) {
		to = pieces_room(j->out, VTS_JSON_ENTRY_MAX);
		if (!to)
			return;
		if (!look(&g->places[i], &e))
			continue;
		if (more)
			*to++ = ',';
		more = true;
		pieces_took(j->out, vts_json_put_entry(j, to, &e, false));
	}
	pieces_put(j->out, STR("}"));
}

bool
vts_json_no_filters(void)
{
	struct vts_entry e;
	uint32_t cursor = 0;

	return !vts_next(VTS_FILTER, &cursor, &e);
}

void
vts_json_filters(struct vts_json *j)
{
	struct groups g = { .end = &g.first };
	int err;

	map_init(&g.by_name);
	err = gather(&g);
	if (j->out->err == 0)
		j->out->err = err;
	pieces_put(j->out, STR("{"));
	for (const struct group *group = g.first; group; group = group->next) {
		if (group != g.first)
			pieces_put(j->out, STR(","));
		put_group(j, &g, group);
	}
	pieces_put(j->out, STR("}"));
	groups_fini(&g);
}
