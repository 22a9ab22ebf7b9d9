/*
 * For the tests of the traffic statistics: a zone in which this process can be one worker after another.
 */
#ifndef SLUICE_TEST_VTS_H
#define SLUICE_TEST_VTS_H

#include "status/vts_priv.h"
#include "zone/zone.h"

#define TEST_SLOTS 8

static struct zone *test_zone;

static inline void
be_slot(unsigned slot)
{
	assert_int_equal(series_attach(test_zone, slot), 0);
}

/* One for all tests of a program: what resets count is found once a process. */
static inline int
make_zone(void **state)
{
	(void)state;
	series_register();
	vts_node_register();
	vts_state_register();
	test_zone = zone_new(TEST_SLOTS);
	return test_zone == NULL || series_attach(test_zone, ZONE_SLOT_WORKER) != 0 ? -1 : 0;
}

static inline int
drop_zone(void **state)
{
	(void)state;
	zone_free(test_zone);
	return 0;
}

static inline struct series *
part(const char *name, enum vts_part which)
{
	return series_get(vts_part_set(VTS_SERVER, which), str_of(name));
}

static inline void
count(const char *name, unsigned status, uint64_t us, int64_t now_ms)
{
	struct vts_event e = {
		.status = status, .in_bytes = 10, .out_bytes = 100, .us = us, .now_ms = now_ms
	};

	vts_node_count(part(name, VTS_NODE), &e);
}

static inline struct vts_entry
entry(const char *name)
{
	struct vts_entry e;

	assert_true(vts_find(VTS_SERVER, STR(""), str_of(name), &e));
	return e;
}

static inline struct vts_node
node(const char *name)
{
	struct vts_entry e = entry(name);
	struct vts_node n;

	vts_read(&e, &n);
	return n;
}

#endif
