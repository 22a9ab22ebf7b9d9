/*
 * Reading segments side by side: the record taken in first comes first, whatever segment it lies in. Of each of them records come in the order of their
 * time, so it is a merge.
 */
#include "message/tail_priv.h"

/* Sealed segments that are open at a time: of those, who is late in name cannot be early in time by much. */
#define SEALED_MAX 32

/* Those that may have a record to be read, brought up to date. */
static void
gather(struct tail *t)
{
	unsigned sealed = 0;
	int64_t now = clock_mono();
	struct list *at;

	LIST_FOREACH (at, &t->segments) {
		struct tail_segment *s = CONTAINER_OF(at, struct tail_segment, link);

		if (s->f->state == TAIL_ENDED)
			continue;
		if (s->f->retry_at > now) {
			t->next = MIN(t->next, s->f->retry_at);
			t->caught_up = false;
			continue;
		}
		if (t->n_side == TAIL_SIDE_MAX || (s->f->sealed && sealed == SEALED_MAX)) {
			t->more = true;
			continue;
		}
		sealed += s->f->sealed;
		tail_file_refresh(t, s);
		if (s->f->state != TAIL_ENDED)
			t->side[t->n_side++] = s;
	}
}

static struct tail_segment *
earliest(struct tail *t)
{
	struct tail_segment *first = NULL;

	for (unsigned i = 0; i < t->n_side; i++) {
		struct tail_segment *s = t->side[i];

		if (tail_file_peek(t, s) &&
		    (first == NULL || s->f->record.frame.time < first->f->record.frame.time))
			first = s;
	}
	return first;
}

/* Takes records while there is room for them. */
static void
take(struct tail *t)
{
	struct tail_segment *s;

	while ((s = earliest(t)) != NULL) {
		int got = 0;

		if (t->got < t->n)
			got = tail_file_take(t, s, t->v[t->got]);
		if (got == 0) {
			t->more = true;
			return;
		}
		t->got += got > 0;
	}
}

/* When the oldest of what is left was taken in, and when to look again by ourselves. */
static void
survey(struct tail *t)
{
	int64_t now = clock_mono();

	t->oldest_now = 0;
	if (t->stale)
		t->next = MIN(t->next, t->list_after);
	if (t->folder_time == 0)
		t->next = MIN(t->next, now + NS_PER_S / 2);
	t->caught_up = t->caught_up && t->listed && !t->stale && !t->more;
	for (unsigned i = 0; i < t->n_side; i++) {
		const struct tail_file *f = t->side[i]->f;
		int64_t time = f->peeked ? f->record.frame.time : 0;

		if (f->retry_at > now)
			t->next = MIN(t->next, f->retry_at);
		if (f->state == TAIL_READING && f->whole)
			time = f->peeked ? time : f->header.created;
		if (time != 0 && (t->oldest_now == 0 || time < t->oldest_now))
			t->oldest_now = time;
		if (f->state != TAIL_ENDED && (f->sealed || f->peeked || f->retry_at > now))
			t->caught_up = false;
	}
}

int
tail_pass(void *arg)
{
	struct tail *t = arg;
	int err;

	t->got = t->n_side = 0;
	t->more = false;
	t->caught_up = true;
	t->next = CLOCK_NEVER;
	err = tail_list(t);
	gather(t);
	take(t);
	survey(t);
	return err;
}
