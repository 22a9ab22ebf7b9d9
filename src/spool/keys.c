/*
 * See keys.h.
 */
#include "spool/keys.h"

#include "base/file.h"
#include "spool/segment.h"

static struct idem *table;

void
keys_use(struct idem *t)
{
	table = t;
}

struct idem *
keys_table(void)
{
	return table;
}

void
keys_note(struct str attrs, int64_t time)
{
	struct id key;

	if (table != NULL && attrs.n > 0 &&
	    id_parse(segment_get_attr(attrs, SEGMENT_ATTR_IDEM), &key) == 0)
		idem_mark(table, key, time);
}

int
keys_sync(void)
{
	int err = table ? idem_sync(table) : OK;

	file_crash_point("ship.keys_synced");
	return err;
}
