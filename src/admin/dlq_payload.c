/*
 * GET /api/dlq/payload/{id} and /api/dlq/records/{id}: what is in a dead letter, whole or record by record, whatever its size: a piece of it in
 * memory at a time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/shipper_priv.h"
#include "dlq/records.h"

#define PIECE (64u * 1024)
#define RECORDS_PER_PAGE_MAX 100

/* ---- the payload ---- */

/* One download. */
struct download {
	struct id id;
	uint64_t size, at;
	char piece[PIECE];
};

static ssize_t
read_piece(struct download *d)
{
	uint64_t left = d->size - d->at;

	return dlq_read(admin_shipper()->dlq, d->id, d->at, d->piece,
	    (size_t)MIN(left, (uint64_t)sizeof(d->piece)));
}

/* What came to an end too early is cut, so that nobody takes it for the whole. */
static int
send_rest(struct http_request *r, struct download *d, ssize_t n)
{
	int err = 0;

	while (err == 0 && n > 0) {
		err = http_reply_write(r, d->piece, (size_t)n);
		d->at += (uint64_t)n;
		n = err == 0 && d->at < d->size ? read_piece(d) : 0;
	}
	if (n < 0)
		return (int)n;
	return err ? err : http_reply_end(r);
}

/* Never shown by a browser as a page: an attachment of no type. */
static void
name_file(struct http_request *r, const struct dlq_entry *e)
{
	char text[2 * ID_LEN + 1], value[96];
	bool json = str_starts(e->content_type, STR("application/json"));

	id_text(e->id, text);
	snprintf(value, sizeof(value), "attachment; filename=\"%s.%s\"", text,
	    e->kind == DLQ_BUNDLE ? "jsonl.gz"
	    : json                ? "json"
				  : "bin");
	http_add_header(r, "Content-Disposition", str_of(value));
}

/* The first piece comes before the head: an error of it can still be told. */
static int
send_payload(struct http_request *r, struct download *d)
{
	ssize_t n = d->size > 0 ? read_piece(d) : 0;
	int err;

	if (n < 0)
		return (int)n;
	err = http_reply_start(r, 200, "application/octet-stream", (int64_t)d->size);
	return err ? err : send_rest(r, d, n);
}

static int
show_payload(struct api_call *call)
{
	struct download *d;
	struct dlq_entry e;
	struct id id;
	int err = shipper_id(call, &id);

	if (err == 0)
		err = dlq_find(admin_shipper()->dlq, id, &e);
	if (err != 0)
		return err;
	d = malloc(sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	d->id = id;
	d->size = e.size;
	d->at = 0;
	name_file(call->request, &e);
	err = send_payload(call->request, d);
	free(d);
	return err;
}

/* ---- records ---- */

static void
put_record(void *arg, const struct records_one *one)
{
	struct json_writer *w = arg;
	bool cut = one->text.n < one->size;

	json_open(w, NULL, '{');
	json_put_u64(w, "number", one->number);
	json_put_u64(w, "size", one->size);
	shipper_put_bytes(w, "text", "base64", one->text, cut);
	json_put_bool(w, "truncated", cut);
	json_close(w);
}

static int
put_records(struct json_writer *w, struct id id, const struct dlq_page *p)
{
	uint64_t total = 0;
	int err;

	json_open(w, NULL, '{');
	json_open(w, "records", '[');
	err = records_read(admin_shipper()->dlq, id, (p->page - 1) * p->per_page,
	    (unsigned)p->per_page, &total, put_record, w);
	json_close(w);
	json_put_u64(w, "total", total);
	json_put_u64(w, "page", p->page);
	json_put_u64(w, "per_page", p->per_page);
	if (err == ERR_CORRUPT)
		json_put_cstr(w, "error", "the bundle is damaged: this is what came before");
	json_close(w);
	return err;
}

static int
show_records(struct api_call *call)
{
	struct fields f = { .arena = &call->request->arena };
	struct dlq_page p;
	struct id id;
	int err = shipper_id(call, &id);

	if (err != 0)
		return err;
	err = dlq_input_page(&f, call->request->query, &p);
	if (err != 0)
		return shipper_refuse_input(call, &f, err);
	if (p.per_page > RECORDS_PER_PAGE_MAX)
		return api_fail(call, 400, "per_page: a whole number from 1 to %d is allowed",
		    RECORDS_PER_PAGE_MAX);
	err = put_records(call->json, id, &p);
	if (err == ERR_UNSUPPORTED)
		return api_fail(call, 400, "this is no bundle: its payload is one record");
	return err == 0 || err == ERR_CORRUPT ? 200 : err;
}

const struct api_endpoint dlq_payload_endpoints[] = {
	{ "GET", "/api/dlq/payload/{id}", ROLE_ADMIN, show_payload,
	    "the whole payload of a dead letter, as a file" },
	{ "GET", "/api/dlq/records/{id}", ROLE_ADMIN, show_records,
	    "the records of a bundle that is a dead letter; ?page=&per_page=" },
	{ .path = NULL },
};
