/*
 * keys new, list, revoke: work on the keys file itself (gate/keys.h), with or without a server.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "conf/conf.h"
#include "config.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "gate/keys.h"

enum { NEW_ROLE, NEW_EXPIRES, NEW_FILE };

/* The given one, or "keys" beside the configuration, written to room. */
static const char *
keys_path(const char *given, char room[1024])
{
	struct str folder = STR(SLUICE_CONF_PATH);

	if (given != NULL)
		return given;
	snprintf(room, 1024, "%.*skeys", (int)str_rfind(folder, '/') + 1, folder.p);
	return room;
}

static int
failed(struct buf *errors, int err)
{
	struct str rest = buf_str(errors);

	if (rest.n == 0)
		return ctl_complain(CTL_REFUSED, "%s", err_text(err));
	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');

		if (line.n > 0)
			ctl_complain(CTL_REFUSED, "%.*s", STR_ARG(line));
	}
	return CTL_REFUSED;
}

static void
put_time(struct buf *out, int64_t wall_ns, const char *none)
{
	char text[CLOCK_RFC3339_LEN + 1];

	if (wall_ns == 0) {
		buf_puts(out, none);
		return;
	}
	clock_rfc3339(wall_ns, text);
	buf_printf(out, "%.19sZ", text);
}

/* ---- new ---- */

/* "90d" from now, to the second, or a time; must not be past. 0 or ERR_BAD. */
static int
parse_expiry(const char *text, int64_t *out)
{
	int64_t now = clock_wall(), ns;

	*out = 0;
	if (text == NULL)
		return 0;
	if (keys_parse_time(str_of(text), out) == 0)
		return *out > now ? 0 : ERR_BAD;
	if (conf_parse_time(str_of(text), &ns) != 0 || ns < NS_PER_S || ns > INT64_MAX / 2 - now)
		return ERR_BAD;
	*out = (now + ns) / NS_PER_S * NS_PER_S;
	return 0;
}

static void
print_new(const struct ctl *ctl, const char *path, struct str name, enum key_role role,
    int64_t expires, const char *secret)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 0);
	if (ctl->json) {
		json_init(&w, &out);
		json_open(&w, NULL, '{');
		json_put_str(&w, "name", name);
		json_put_cstr(&w, "role", keys_role_name(role));
		json_put_time(&w, "expires", expires);
		json_put_cstr(&w, "key", secret);
		json_close(&w);
		printf("%s\n", buf_cstr(&out));
	} else {
		put_time(&out, expires, "never");
		printf("%s\n", secret);
		fprintf(stderr, "%.*s, role %s, expires %s; added to %s. It is not shown again.\n",
		    STR_ARG(name), keys_role_name(role), buf_cstr(&out), path);
	}
	if (out.p != NULL)
		wipe(out.p, out.cap);
	buf_fini(&out);
}

int
keys_new_run(struct ctl *ctl, const struct ctl_args *args)
{
	const char *wanted = args->option[NEW_ROLE] ? args->option[NEW_ROLE] : "user";
	enum key_role role = keys_role(str_of(wanted));
	struct str name = str_of(args->v[0]);
	char secret[KEYS_SECRET_LEN + 1], room[1024];
	const char *path = keys_path(args->option[NEW_FILE], room);
	struct buf errors;
	int64_t expires;
	int err;

	if (role == ROLE_NONE)
		return ctl_complain(
		    CTL_USAGE, "role \"%s\": admin, service or user is allowed", wanted);
	if (!keys_name_ok(name))
		return ctl_complain(
		    CTL_USAGE, "a name is 1 to %d of A-Z a-z 0-9 . _ @ + -", KEYS_NAME_MAX);
	if (parse_expiry(args->option[NEW_EXPIRES], &expires) != 0)
		return ctl_complain(CTL_USAGE,
		    "--expires: a time to come such as 2027-01-01T00:00:00Z, or from now: 90d");
	buf_init(&errors, 0);
	err = keys_add(path, name, role, expires, secret, &errors);
	if (err == 0)
		print_new(ctl, path, name, role, expires, secret);
	else if (err == ERR_EXISTS)
		ctl_complain(CTL_REFUSED, "%s has a key of the name %s", path, args->v[0]);
	else
		failed(&errors, err);
	wipe(secret, sizeof(secret));
	buf_fini(&errors);
	return err ? CTL_REFUSED : CTL_DONE;
}

/* ---- list ---- */

static void
print_json(const struct keys *k)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out, 0);
	json_init(&w, &out);
	json_open(&w, NULL, '{');
	json_open(&w, "keys", '[');
	for (size_t i = 0; i < keys_count(k); i++) {
		const struct key *key = keys_at(k, i);

		json_open(&w, NULL, '{');
		json_put_str(&w, "name", key->name);
		json_put_cstr(&w, "role", keys_role_name(key->role));
		json_put_time(&w, "expires", key->expires);
		json_put_time(&w, "created", key->created);
		json_put_bool(&w, "expired", keys_is_expired(key, clock_wall()));
		json_close(&w);
	}
	json_close(&w);
	json_close(&w);
	printf("%s\n", buf_cstr(&out));
	buf_fini(&out);
}

static void
time_cell(struct table *t, int64_t wall_ns)
{
	char text[32];
	struct buf b;

	buf_init_fixed(&b, text, sizeof(text));
	put_time(&b, wall_ns, "never");
	table_cell(t, buf_str(&b));
}

static void
print_table(const struct keys *k)
{
	struct table t;

	table_init(&t, "NAME ROLE EXPIRES CREATED STATUS");
	for (size_t i = 0; i < keys_count(k); i++) {
		const struct key *key = keys_at(k, i);

		table_cell(&t, key->name);
		table_cstr(&t, keys_role_name(key->role));
		time_cell(&t, key->expires);
		time_cell(&t, key->created);
		table_cstr(&t, keys_is_expired(key, clock_wall()) ? "expired" : "valid");
	}
	table_print(&t);
}

int
keys_list_run(struct ctl *ctl, const struct ctl_args *args)
{
	char room[1024];
	struct keys *k;
	struct buf errors;
	int err;

	buf_init(&errors, 0);
	err = keys_load(keys_path(args->option[0], room), &k, &errors);
	if (err != 0)
		failed(&errors, err);
	else if (ctl->json)
		print_json(k);
	else
		print_table(k);
	keys_free(k);
	buf_fini(&errors);
	return err ? CTL_REFUSED : CTL_DONE;
}

/* ---- revoke ---- */

int
keys_revoke_run(struct ctl *ctl, const struct ctl_args *args)
{
	char room[1024];
	const char *path = keys_path(args->option[0], room);
	struct buf errors;
	int err;

	buf_init(&errors, 0);
	err = keys_revoke(path, str_of(args->v[0]), &errors);
	if (err == ERR_NOT_FOUND && errors.n == 0)
		ctl_complain(CTL_REFUSED, "%s has no key of the name %s", path, args->v[0]);
	else if (err != 0)
		failed(&errors, err);
	else if (ctl->json)
		puts("{\"revoked\":1}");
	else
		fprintf(stderr, "%s is revoked\n", args->v[0]);
	buf_fini(&errors);
	return err ? CTL_REFUSED : CTL_DONE;
}
