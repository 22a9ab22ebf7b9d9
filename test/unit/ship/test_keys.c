/*
 * What leaves the spool leaves its idempotency key behind: noted while packing, on disk before the sources go.
 */
#include "unit/unit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ship/bundle.h"
#include "ship/path.h"
#include "spool/idem_priv.h"
#include "spool/idem_sweep.h"
#include "spool/keys.h"
#include "unit/tmp.h"

#include "unit/segments.h"

#define NAME "20261122T010000000000000Z.10.1"

static struct tmp tmp;
static struct idem *table;
static struct bundle *bundle;

static int
setup(void **state)
{
	static struct zone *z;
	struct idem_sweep *w;

	(void)state;
	tmp_init(&tmp);
	if (!z)
		z = zone_new(8);
	assert_non_null(z);
	assert_int_equal(file_make_dirs(tmp_path(&tmp, "aggregation")), 0);
	assert_int_equal(file_make_dirs(tmp_path(&tmp, "uploading")), 0);
	assert_int_equal(idem_open(tmp_path(&tmp, "idempotency"), 1024, z, &table), 0);
	idem_attach(table, ZONE_SLOT_SHIPPER, 0);
	assert_int_equal(idem_sweep_begin(table, &w), 0);
	assert_int_equal(idem_sweep_end(w, true), 0);
	keys_use(table);
	bundle = bundle_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	keys_use(NULL);
	idem_close(table);
	bundle_free(bundle);
	tmp_fini(&tmp);
	return 0;
}

static struct id
key(unsigned i)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", i);
	return idem_key(STR("usage"), STR("u"), str_of(text));
}

/* One claimed segment: records without a key, with one, and with one that is no key. */
static void
make_source(int64_t time)
{
	struct made m;
	struct path path;

	made_init(&m, time, 3, 1);
	for (unsigned i = 0; i < 4; i++) {
		char text[2 * ID_LEN + 1] = "rubbish";
		struct buf attrs;

		buf_init(&attrs, 0);
		if (i != 2)
			id_text(key(i), text);
		if (i > 0)
			segment_put_attr(&attrs, STR(SEGMENT_ATTR_IDEM), str_of(text));
		made_frame(&m, time, "u", buf_str(&attrs), STR("body\n"));
		buf_fini(&attrs);
	}
	bundle->id = id_new();
	bundle->hour = time - time % (3600 * NS_PER_S);
	strcpy(bundle->host, "h");
	assert_int_equal(bundle_make_key(bundle, STR("")), 0);
	bundle->n_sources = 1;
	bundle->sources[0].id = m.header.id;
	bundle->sources[0].length = m.bytes.n;
	strcpy(bundle->sources[0].name, NAME);
	made_write(&m, path_join(&path, tmp.dir, NULL, "aggregation"), NAME);
}

static void
packing_notes_keys(void **state)
{
	struct bundle_packed packed;
	struct path path;

	(void)state;
	make_source(clock_wall());
	assert_int_equal(keys_sync(), 0);
	assert_false(atomic_load(&table->dirty));
	assert_int_equal(
	    bundle_pack(bundle, tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	assert_int_equal(packed.records, 4);
	assert_true(atomic_load(&table->dirty));
	assert_int_equal(idem_begin(table, key(1), clock_wall()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key(3), clock_wall()), IDEM_DONE);
	assert_int_equal(idem_begin(table, key(0), clock_wall()), IDEM_NEW);
	assert_int_equal(idem_begin(table, key(2), clock_wall()), IDEM_NEW);
	assert_int_equal(bundle_unlink_sources(bundle, tmp.dir, packed.damaged), 0);
	assert_false(atomic_load(&table->dirty));
	assert_int_not_equal(access(path_join(&path, tmp.dir, "aggregation", NAME), F_OK), 0);
}

/* A range that is not mapped cannot be synced: the sources stay until it can. */
static void
sources_stay_while_keys_cannot_be_synced(void **state)
{
	struct bundle_packed packed;
	struct path path;
	size_t size = table->size;

	(void)state;
	make_source(clock_wall());
	assert_int_equal(
	    bundle_pack(bundle, tmp.dir, &(struct bundle_packing){ .level = 6 }, &packed), 0);
	table->size = (size_t)1 << 46;
	assert_int_equal(bundle_unlink_sources(bundle, tmp.dir, NULL), ERR_IO);
	assert_int_equal(access(path_join(&path, tmp.dir, "aggregation", NAME), F_OK), 0);
	table->size = size;
	assert_int_equal(bundle_unlink_sources(bundle, tmp.dir, NULL), 0);
	assert_int_not_equal(access(path.s, F_OK), 0);
	assert_int_equal(idem_begin(table, key(1), clock_wall()), IDEM_DONE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packing_notes_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    sources_stay_while_keys_cannot_be_synced, setup, teardown),
	};

	log_threshold = LOG_ERROR + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
