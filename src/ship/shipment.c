/*
 * See shipment.h.
 */
#include "ship/shipment.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static struct dlq *
dlq_of(const struct shipment *h)
{
	return h->u->stream->ship->dlq;
}

void
shipment_init(struct shipment *h, struct ship_upload *u, enum dlq_kind kind, const char *name)
{
	char side[SCAN_NAME_MAX + sizeof(TRIES_SUFFIX)];

	h->u = u;
	h->kind = kind;
	h->dir = u->stream->conf->dir;
	if (kind == DLQ_BUNDLE) {
		path_of_id(&h->list, h->dir, "aggregation", &u->id, ".list");
		path_of_id(&h->file, h->dir, "uploading", &u->id, ".gz");
		path_of_id(&h->tries_file, h->dir, "uploading", &u->id, TRIES_SUFFIX);
		return;
	}
	path_join(&h->file, h->dir, "uploading", name);
	snprintf(side, sizeof(side), "%s.n", name);
	path_join(&h->list, h->dir, "uploading", side);
	snprintf(side, sizeof(side), "%s" TRIES_SUFFIX, name);
	path_join(&h->tries_file, h->dir, "uploading", side);
}

/* ---- on a helper ---- */

static int
sync_list_folder(const struct shipment *h)
{
	struct path p;

	return file_sync_dir(
	    path_join(&p, h->dir, NULL, h->kind == DLQ_BUNDLE ? "aggregation" : "uploading"));
}

static int
sync_file_folder(const struct shipment *h)
{
	struct path p;

	return file_sync_dir(path_join(&p, h->dir, NULL, "uploading"));
}

/* The folder that a path lies in. */
static int
sync_parent(const char *path)
{
	struct path p;
	ptrdiff_t slash = str_rfind(str_of(path), '/');

	str_copyz(p.s, sizeof(p.s), str_sub(str_of(path), 0, (size_t)slash));
	return file_sync_dir(p.s);
}

static bool
is_there(const struct path *p)
{
	return access(p->s, F_OK) == 0;
}

/* Our list becomes the store's (where both are one file already, rename does nothing). The file is there already, unless the store lost it: then
 * ours is the only one. */
static int
save(const struct shipment *h)
{
	int err =
	    h->store.list[0] && is_there(&h->list) ? file_rename(h->list.s, h->store.list) : 0;

	if (err == 0 && h->store.file[0] && is_there(&h->file))
		err = file_link(h->file.s, h->store.file);
	if (err == ERR_EXISTS)
		err = 0;
	return err == 0 && h->store.file[0] ? sync_parent(h->store.file) : err;
}

static int
settle_on_disk(void *arg)
{
	struct shipment *h = arg;
	int err = h->keep ? save(h) : 0;

	file_crash_point("ship.letter_list_saved");
	if (err == 0)
		err = file_unlink(h->list.s);
	if (err == 0)
		err = sync_list_folder(h);
	file_crash_point("ship.letter_list_unlinked");
	if (err == 0)
		err = file_unlink(h->file.s);
	if (err == 0)
		err = sync_file_folder(h);
	file_crash_point("ship.letter_unlinked");
	return err ? err : file_unlink(h->tries_file.s);
}

static int
link_list(const struct shipment *h)
{
	int err = h->store.list[0] ? file_link(h->store.list, h->list.s) : 0;

	return err == ERR_EXISTS ? 0 : err;
}

static int
link_file(const struct shipment *h)
{
	int err = file_link(h->store.file, h->file.s);

	return err == ERR_EXISTS ? 0 : err;
}

/* A bundle's gz without its list would be deleted by a scan, and so would an object's number without its object. A list that is here
 * already is at least as new as the store's. */
static int
fetch_on_disk(void *arg)
{
	struct shipment *h = arg;
	bool bundle = h->kind == DLQ_BUNDLE;
	int err = bundle ? link_list(h) : link_file(h);

	if (err == 0)
		err = bundle ? sync_list_folder(h) : sync_file_folder(h);
	file_crash_point("ship.letter_linked");
	if (err == 0)
		err = bundle ? link_file(h) : link_list(h);
	if (err == 0)
		err = sync_file_folder(h);
	file_crash_point("ship.letter_back");
	return err;
}

static int
count_on_disk(void *arg)
{
	struct shipment *h = arg;
	int err = tries_write(h->tries_file.s, &h->tries);

	file_crash_point("ship.tries_written");
	return err;
}

/* ---- letters that are sent again ---- */

static void
refuse(struct shipment *h, enum sink_outcome outcome, const char *why)
{
	h->result = (struct sink_result){ .outcome = outcome };
	str_copyz(h->result.why, sizeof(h->result.why), str_of(why));
}

int
shipment_fetch(struct shipment *h)
{
	struct dlq_entry e;
	int err;

	if (dlq_find(dlq_of(h), h->u->id, &e) != 0 ||
	    dlq_find_files(dlq_of(h), h->u->id, &h->store) != 0)
		return ERR_NOT_FOUND;
	if (e.kind != h->kind) {
		refuse(h, SINK_PERMANENT, "its stream does not send what this is any more");
		return ERR_UNSUPPORTED;
	}
	if (e.type == DLQ_POISON) {
		refuse(h, SINK_POISON, "it is damaged: there is nothing to be sent");
		return ERR_UNSUPPORTED;
	}
	err = ship_block(fetch_on_disk, h);
	return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* Our names go. The store keeps what it may still be asked to send. */
static int
settle(struct shipment *h, struct id id)
{
	struct dlq_entry e;

	h->store = (struct dlq_files){ "", "" };
	h->keep = dlq_find(dlq_of(h), id, &e) == 0 &&
		  (e.state == DLQ_PENDING || e.state == DLQ_REPROCESSING);
	if (h->keep)
		(void)dlq_find_files(dlq_of(h), id, &h->store);
	if (h->keep && h->store.file[0] == '\0')
		return ERR_IO; /* ours may be the only one */
	return ship_block(settle_on_disk, h);
}

int
shipment_settle_known(struct shipment *h, struct id id)
{
	struct dlq_entry e;
	int err;

	if (h->u->letter || dlq_of(h) == NULL || dlq_find(dlq_of(h), id, &e) != 0)
		return 0;
	err = settle(h, id);
	return err ? err : SHIPMENT_GONE;
}

static bool
letter_is_used_up(const struct shipment *h)
{
	struct dlq_entry e;

	return dlq_find(dlq_of(h), h->u->id, &e) == 0 && e.tries > h->u->stream->conf->retry.max;
}

/* Until the store has it. A shipper that ends meanwhile leaves it as it was. */
static int
end_letter(const struct shipment *h, enum dlq_ending how)
{
	int err;

	for (unsigned n = 0; (err = dlq_end(dlq_of(h), h->u->id, how, &h->result)) != 0; n++) {
		if (err != ERR_IO && err != ERR_NOSPACE && err != ERR_NOMEM)
			break;
		ship_retreat(n);
		if (task_cancelled())
			break;
	}
	file_crash_point("ship.letter_ended");
	return err;
}

/* An error that trying again does not mend. */
static bool
is_broken(struct shipment *h, int err)
{
	if (err == ERR_CORRUPT)
		refuse(h, SINK_PERMANENT, "its file is gone from the store, or damaged");
	return err == ERR_CORRUPT || err == ERR_UNSUPPORTED;
}

static int
letter_ends(struct shipment *h, int got)
{
	bool failed = got < 0 ? is_broken(h, got) : letter_is_used_up(h);
	int err;

	if (got == 1) {
		err = end_letter(h, DLQ_DELIVERED);
		return err ? err : SHIPMENT_SENT;
	}
	err = failed ? end_letter(h, DLQ_FAILED) : 0;
	if (err == 0)
		err = settle(h, h->u->id);
	if (!failed)
		dlq_give_back(dlq_of(h), h->u->id);
	if (err == 0 && !failed && got < 0)
		err = got;
	return err ? err : SHIPMENT_GONE;
}

/* ---- what is given up ---- */

bool
shipment_is_used_up(const struct shipment *h)
{
	return dlq_of(h) != NULL && h->tries.n > h->u->stream->conf->retry.max;
}

static int
give_up(struct shipment *h, const struct dlq_letter *letter)
{
	const struct stream_conf *conf = h->u->stream->conf;
	int err = dlq_add(dlq_of(h), letter);

	file_crash_point("ship.letter_added");
	if (err != 0) {
		log_event(LOG_ERROR, "ship", "dead letters cannot be written: trying again",
		    LOG_STR("stream", conf->name), LOG_STR("key", letter->key), LOG_ERR(err),
		    LOG_END);
		return err;
	}
	log_event(LOG_ERROR, "ship", "given up: a dead letter now", LOG_STR("stream", conf->name),
	    LOG_STR("destination", conf->sink->destination), LOG_STR("key", letter->key),
	    LOG_I("attempts", letter->attempts), LOG_S("why", letter->why), LOG_END);
	delivery_metrics_dead(&h->u->stream->metrics.delivery, letter->type);
	return settle(h, letter->id);
}

int
shipment_end(struct shipment *h, int got, const struct dlq_letter *letter)
{
	int err = 0;

	if (h->u->letter)
		return letter_ends(h, got);
	if (got != 0)
		return got == 1 ? SHIPMENT_SENT : got;
	if (dlq_of(h) == NULL || h->u->stream->conf->retry.max == UINT64_MAX)
		return SHIPMENT_STAYS;
	/* Known for good before anything else is made of it. */
	if (h->counted)
		err = ship_block(count_on_disk, h);
	if (h->counted && !shipment_is_used_up(h))
		delivery_metrics_retry(&h->u->stream->metrics.delivery);
	if (err != 0 || !shipment_is_used_up(h))
		return err;
	err = give_up(h, letter);
	return err ? err : SHIPMENT_GONE;
}
