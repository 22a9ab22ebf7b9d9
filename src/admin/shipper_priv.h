/*
 * Shared by the shipper's endpoints: their tables, and the words they have in common.
 */
#ifndef SLUICE_ADMIN_SHIPPER_PRIV_H
#define SLUICE_ADMIN_SHIPPER_PRIV_H

#include "admin/api.h"
#include "admin/dlq_input.h"
#include "admin/shipper.h"
#include "message/message.h"

/* Each ends with a NULL path. */
extern const struct api_endpoint dlq_show_endpoints[];    /* dlq_show.c */
extern const struct api_endpoint dlq_payload_endpoints[]; /* dlq_payload.c */
extern const struct api_endpoint dlq_decide_endpoints[];  /* dlq_decide.c */
extern const struct api_endpoint dlq_stats_endpoints[];   /* dlq_stats.c */
extern const struct api_endpoint deliveries_endpoints[];  /* deliveries.c */
extern const struct api_endpoint spool_endpoints[];       /* spool.c */

/* What the endpoint is to return where reading its input failed. */
int shipper_refuse_input(struct api_call *call, const struct fields *f, int err);
/* {id} of the path: 0, or what the endpoint is to return. */
int shipper_id(struct api_call *call, struct id *out);
void shipper_put_id(struct json_writer *w, const char *name, struct id id);   /* zeros: null */
void shipper_put_text(struct json_writer *w, const char *name, struct str s); /* empty: null */
/* Of a traceparent; null if there is none. */
void shipper_put_trace_id(struct json_writer *w, const char *name, struct str traceparent);
/* "text" where it is valid UTF-8 (cut: but for a character that is cut at its end), else "base64" under the other name. */
void shipper_put_bytes(
    struct json_writer *w, const char *text, const char *base64, struct str s, bool cut);

/* A stream of messages, for as long as the endpoint works with it: 0, and shipper_return() follows; or what the endpoint is to return. */
int shipper_borrow(struct api_call *call, struct str stream, struct message_stream **out);
void shipper_return(void);

#endif
