/*
 * Between the files that render the traffic statistics as JSON. Private to status/.
 */
#ifndef SLUICE_STATUS_VTS_JSON_PRIV_H
#define SLUICE_STATUS_VTS_JSON_PRIV_H

#include "status/prom_priv.h"
#include "status/vts_json.h"

/* Most bytes of one node with its name and a comma. */
#define VTS_JSON_NODE_MAX (12u * 1024)
_Static_assert(
    VTS_JSON_NODE_MAX + PIECES_NAME(SERIES_KEY_MAX) <= PIECES_MAX, "a node is one piece");
#define VTS_JSON_ENTRY_MAX (VTS_JSON_NODE_MAX + PIECES_NAME(SERIES_KEY_MAX))

/* vts_json_node.c: without a bound; each returns the end */

/* "name":{…} of a node that is read here; counts into the sum if add. Must not park. */
char *vts_json_put_entry(struct vts_json *j, char *to, const struct vts_entry *e, bool add);
/* "*":{…} of what was summed. */
char *vts_json_put_sum(struct vts_json *j, char *to);
void vts_json_sum_start(struct vts_json *j);

/* vts_json_filter.c */
bool vts_json_no_filters(void);
void vts_json_filters(struct vts_json *j);

#endif
