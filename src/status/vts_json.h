/*
 * The traffic statistics as JSON, in the form of nginx-module-vts: always valid, keys in the same order, streamed.
 *
 * A document is an object of sections: what the server as a whole has done, then an object a kind of zones. vts_json_sections is the
 * table of these kinds; a kind of which there is none is left out (server zones never).
 */
#ifndef SLUICE_STATUS_VTS_JSON_H
#define SLUICE_STATUS_VTS_JSON_H

#include "status/pieces.h"
#include "status/vts_conf.h"

/* Rendering under way: what is read of one node, and the sum of the nodes so far. Too large for a task's stack. */
struct vts_json {
	struct pieces *out;
	const struct vts_scope *scope; /* of the location that shows */
	int64_t load_ms, now_ms;       /* epoch */
	/* private */
	struct vts_node node, sum;
	struct vts_samples samples, sum_samples;
	struct vts_histogram histogram;
	struct vts_codes codes;
	uint64_t sum_codes[VTS_CODE_LIMIT], sum_other;
};

struct vts_json_section {
	const char *name;  /* the member of the document */
	const char *group; /* as the control API calls it */
	bool (*is_empty)(void);
	void (*put)(struct vts_json *j); /* the object */
};
extern const struct vts_json_section vts_json_sections[];
extern const unsigned vts_json_n_sections;

/* On the heap; NULL without memory. out and scope are borrowed. load_ms: when the configuration was read. */
struct vts_json *vts_json_new(struct pieces *out, const struct vts_scope *scope, int64_t load_ms);
void vts_json_free(struct vts_json *j);

/* The functions below write one JSON value each and may park; errors stick in out. */

/* Everything. */
void vts_json_document(struct vts_json *j);
/* The document without its zones. */
void vts_json_main(struct vts_json *j);
/* {"serverZones":{…}} */
void vts_json_section(struct vts_json *j, const struct vts_json_section *section);
/* {"NAME":{…}} of a node that was just found; {} of none (NULL). Only as the first thing that is written. */
void vts_json_one(struct vts_json *j, const struct vts_entry *e);

#endif
