/*
 * Limits by traffic: a request is refused once a node has counted more than its limit allows. A phase: the real
 * address is known by then, since keys may hold it; who asks is not, since what the limit protects is used up whoever does.
 */
#include "status/vts_priv.h"

static bool
find_node(struct http_request *r, const struct vts_limit *l, const struct vts_scope *scope,
    struct vts_entry *out)
{
	struct vts_key key;

	if (l->what == VTS_LIMIT_ZONE)
		vts_server_key(r, scope, &key);
	else
		vts_key_expand(&key, &l->group, &l->key, r);
	return !vts_key_is_empty(&key) && vts_find_key(vts_key_kind(&l->group), &key, out);
}

/* Beyond 2^64 is beyond any limit. */
static bool
is_over(const struct vts_entry *e, const struct vts_limit *l)
{
	uint64_t over, used = vts_counter(e, (unsigned)l->counter, &over);

	return over > 0 || used > l->size;
}

static int
limit_phase(struct http_request *r)
{
	const struct vts_scope *scope = vts_scope_for(r);
	struct vts_entry e;

	if (scope->limits == NULL || !scope->on || !scope->limit || scope->bypass_limit)
		return 0;
	for (const struct vts_limit *l = scope->limits; l != NULL; l = l->next) {
		if (l->repeats && scope->limit_check_duplicate)
			continue;
		if (find_node(r, l, scope, &e) && is_over(&e, l)) {
			http_reply_message(r, l->status, NULL);
			return 1;
		}
	}
	return 0;
}

void
vts_limit_register(void)
{
	http_add_phase(limit_phase);
}
