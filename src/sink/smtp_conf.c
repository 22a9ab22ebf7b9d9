/*
 * The line `sink smtp URL from=… to=… subject=… [body=…] [options];`. Called by stream.c through smtp_ops.
 *
 * Nothing here repeats the URL in a message: it may hold a password.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/url.h"
#include "sink/smtp_priv.h"

enum { PASSWORD_FILE_MAX = 4096 };

static const char form_text[] =
    "sink smtp smtp://[USER:PASSWORD@]HOST[:PORT] from=ADDRESS to=ADDRESS subject=TEXT "
    "[body=TEXT] [starttls=on|off|required] [user=NAME] [password_file=PATH] [ca_file=PATH] "
    "[helo=NAME] [insecure_auth=on|off] [max_recipients=N] [max_size=SIZE] [timeout=TIME] "
    "[keepalive_timeout=TIME]; smtps:// is under TLS from the start, smtp+starttls:// requires "
    "STARTTLS";

/* What the line says, before it is put together. */
struct line {
	struct smtp_conf *out;
	struct str from, to, subject, body, starttls, insecure_auth, password_file, ca_file,
	    max_recipients, max_size, timeout, keepalive;
};

/* ---- the URL ---- */

static const struct {
	const char *scheme;
	uint16_t port;
	bool tls;
	int starttls;
} schemes[] = {
	{ "smtp://", 25, false, SMTP_TLS_ON },
	{ "smtps://", 465, true, SMTP_TLS_OFF },
	{ "smtp+starttls://", 587, false, SMTP_TLS_REQUIRED },
};

static bool
is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* A part of the user's, decoded, into the arena. False: it cannot be. */
static bool
decode(struct conf *c, struct str in, struct str *out)
{
	struct buf plain;
	bool good;

	buf_init(&plain, 0);
	good = url_decode(in, &plain, false) == 0 && is_text(buf_str(&plain));
	if (good)
		*out = arena_str(conf_arena(c), buf_str(&plain));
	if (plain.p != NULL)
		wipe(plain.p, plain.cap);
	buf_fini(&plain);
	return good && out->p != NULL;
}

static bool
is_host(struct str s)
{
	static const char good[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(good, s.p[i]))
			return false;
	return s.n > 0 && s.n <= 255;
}

static bool
parse_url(struct conf *c, struct str url, struct smtp_conf *out)
{
	struct str user = STR(""), password;
	ptrdiff_t at;
	size_t i = 0;

	while (i < ARRAY_LEN(schemes) && !str_starts(url, str_of(schemes[i].scheme)))
		i++;
	if (i == ARRAY_LEN(schemes))
		return false;
	out->port = schemes[i].port;
	out->tls = schemes[i].tls;
	out->starttls = schemes[i].starttls;
	url = str_from(url, strlen(schemes[i].scheme));
	if (str_ends(url, STR("/")))
		url.n--;
	if ((at = str_rfind(url, '@')) >= 0) {
		user = str_sub(url, 0, (size_t)at);
		url = str_from(url, (size_t)at + 1);
		password = user;
		user = str_split(&password, ':');
		if (user.n == 0 || !decode(c, user, &out->user))
			return false;
		if (password.p != NULL && !decode(c, password, &out->password))
			return false;
	}
	return addr_split(url, &out->host, &out->port) == 0 && out->port != 0 && is_host(out->host);
}

/* ---- options ---- */

static int
bad_value(struct conf *c, const struct conf_node *node, const char *name, const char *allowed)
{
	conf_error(c, node, "invalid %s of \"sink smtp\", allowed: %s", name, allowed);
	return ERR_CONFIG;
}

static int
take_argument(struct conf *c, const struct conf_node *node, unsigned i, struct line *l)
{
	const struct {
		const char *name;
		struct str *value;
	} options[] = {
		{ "from", &l->from },
		{ "to", &l->to },
		{ "subject", &l->subject },
		{ "body", &l->body },
		{ "starttls", &l->starttls },
		{ "user", &l->out->user },
		{ "password_file", &l->password_file },
		{ "ca_file", &l->ca_file },
		{ "helo", &l->out->helo },
		{ "insecure_auth", &l->insecure_auth },
		{ "max_recipients", &l->max_recipients },
		{ "max_size", &l->max_size },
		{ "timeout", &l->timeout },
		{ "keepalive_timeout", &l->keepalive },
	};

	for (size_t k = 0; k < ARRAY_LEN(options); k++)
		if (conf_arg_kv(node, i, options[k].name, options[k].value))
			return 0;
	conf_error(c, node, "invalid argument \"%.*s\" of \"sink smtp\", allowed: %s",
	    STR_ARG(node->args[i]), form_text);
	return ERR_CONFIG;
}

static int
take_limits(struct conf *c, const struct conf_node *node, const struct line *l)
{
	struct smtp_conf *out = l->out;

	if (conf_parse_time(l->timeout, &out->timeout) || out->timeout < 10 * NS_PER_MS)
		return bad_value(c, node, "timeout", "10ms or more");
	if (conf_parse_time(l->keepalive, &out->keepalive))
		return bad_value(c, node, "keepalive_timeout", "a time, 0 for none");
	if (conf_parse_size(l->max_size, &out->max_size) || out->max_size < 1024 ||
	    out->max_size > UINT64_C(256) << 20)
		return bad_value(c, node, "max_size", "1k to 256m");
	if (str_to_u64(l->max_recipients, &out->form.max_recipients) ||
	    out->form.max_recipients < 1 || out->form.max_recipients > SMTP_RECIPIENTS_MAX)
		return bad_value(c, node, "max_recipients", "1 to 100");
	return 0;
}

static int
take_security(struct conf *c, const struct conf_node *node, const struct line *l)
{
	struct smtp_conf *out = l->out;

	if (l->starttls.p != NULL && (out->tls || out->starttls == SMTP_TLS_REQUIRED)) {
		conf_error(c, node, "\"starttls\" goes with smtp://, not with this URL");
		return ERR_CONFIG;
	}
	if (str_is(l->starttls, "off"))
		out->starttls = SMTP_TLS_OFF;
	else if (str_is(l->starttls, "required"))
		out->starttls = SMTP_TLS_REQUIRED;
	else if (l->starttls.p != NULL && !str_is(l->starttls, "on"))
		return bad_value(c, node, "starttls", "on, off, required");
	out->insecure_auth = str_is(l->insecure_auth, "on");
	if (!out->insecure_auth && l->insecure_auth.p != NULL && !str_is(l->insecure_auth, "off"))
		return bad_value(c, node, "insecure_auth", "on, off");
	out->password_file = l->password_file.p;
	out->ca_file = l->ca_file.p;
	if (out->ca_file != NULL && !out->tls && out->starttls == SMTP_TLS_OFF)
		conf_warn(c, node, "\"sink smtp\" has a ca_file, but uses no TLS");
	return 0;
}

static int
check_login(struct conf *c, const struct conf_node *node, const struct smtp_conf *out)
{
	const char *wrong = NULL;

	if (out->user.n == 0 && (out->password_file != NULL || out->password.p != NULL))
		wrong = "\"sink smtp\" has a password, but no user";
	else if (out->user.n > 0 && out->password_file == NULL && out->password.n == 0)
		wrong = "\"sink smtp\" has a user, but no password: give password_file=PATH";
	else if (out->password_file != NULL && out->password.p != NULL)
		wrong = "\"sink smtp\" has a password and a password_file: one of them";
	else if (out->user.n > 0 && !out->tls && out->starttls == SMTP_TLS_OFF &&
		 !out->insecure_auth)
		wrong = "\"sink smtp\" would send its password without TLS: use STARTTLS or "
			"smtps://, or say insecure_auth=on";
	if (wrong == NULL)
		return 0;
	conf_error(c, node, "%s", wrong);
	return ERR_CONFIG;
}

/* ---- templates ---- */

static int
compile(struct conf *c, const struct conf_node *node, const char *name, struct str text,
    struct smtp_template *out)
{
	struct str bad = STR("");
	int err;

	if (text.p == NULL || text.n == 0) {
		conf_error(c, node, "\"sink smtp\" has no %s=: %s", name, form_text);
		return ERR_CONFIG;
	}
	err = smtp_template_compile(conf_arena(c), text, out, &bad);
	if (err != ERR_BAD)
		return err;
	conf_error(c, node,
	    "invalid variable in \"%.*s\" of %s, allowed: $json.NAME, ${json.NAME}, $body, $id, "
	    "$user, $stream, $trace_id, $$ for a dollar",
	    STR_ARG(bad), name);
	return ERR_CONFIG;
}

/* Addresses without variables are checked here, not with the first record. */
static int
check_addresses(struct conf *c, const struct conf_node *node, const char *name,
    const struct smtp_template *t, uint64_t max)
{
	static const struct smtp_values none = { .body = STR_INIT("") };
	struct str bad = STR("");
	struct smtp_mailbox box;
	struct buf text;
	uint64_t n = 0;
	int more;

	if (!t->fixed)
		return 0;
	buf_init(&text, 0);
	more = smtp_template_expand(t, &none, &text, &bad);
	for (struct str list = buf_str(&text); more >= 0; n++)
		if ((more = smtp_mailbox_next(&list, &box, &bad)) != 1)
			break;
	if (more < 0 || n == 0 || n > max)
		conf_error(c, node,
		    n > max ? "%s of \"sink smtp\" has too many addresses%.*s"
			    : "%s of \"sink smtp\": \"%.*s\" is no mail address",
		    name, n > max ? 0 : (int)bad.n, bad.p);
	buf_fini(&text);
	return more < 0 || n == 0 || n > max ? ERR_CONFIG : 0;
}

static int
take_form(struct conf *c, const struct conf_node *node, const struct line *l)
{
	struct smtp_form *form = &l->out->form;
	int err = compile(c, node, "from", l->from, &form->from);

	if (!err)
		err = compile(c, node, "to", l->to, &form->to);
	if (!err)
		err = compile(c, node, "subject", l->subject, &form->subject);
	if (!err)
		err = compile(c, node, "body", l->body, &form->body);
	if (!err)
		err = check_addresses(c, node, "from", &form->from, 1);
	if (!err)
		err = check_addresses(c, node, "to", &form->to, form->max_recipients);
	return err;
}

/* ---- the line ---- */

int
smtp_parse(struct conf *c, const struct conf_node *node, struct sink_conf *out)
{
	struct smtp_conf *smtp = arena_alloc(conf_arena(c), sizeof(*smtp));
	struct line l = { .out = smtp,
		.body = STR("$body"),
		.max_recipients = STR("10"),
		.max_size = STR("10m"),
		.timeout = STR("30s"),
		.keepalive = STR("10s") };
	bool utf8;
	int err;

	if (!smtp)
		return ERR_NOMEM;
	if (node->n_args < 2 || !parse_url(c, node->args[1], smtp)) {
		conf_error(c, node, "\"sink smtp\" needs a URL: %s", form_text);
		return ERR_CONFIG;
	}
	for (unsigned i = 2; i < node->n_args; i++)
		if ((err = take_argument(c, node, i, &l)))
			return err;
	if ((err = take_limits(c, node, &l)) || (err = take_security(c, node, &l)) ||
	    (err = check_login(c, node, smtp)) || (err = take_form(c, node, &l)))
		return err;
	if (smtp->helo.n > 0 && (!smtp_domain_ok(smtp->helo, &utf8) || utf8))
		return bad_value(c, node, "helo", "a host name, or an address in brackets");
	out->arg = smtp;
	out->destination =
	    str_of(arena_printf(conf_arena(c), "smtp:%.*s:%u", STR_ARG(smtp->host), smtp->port));
	return out->destination.p ? 0 : ERR_NOMEM;
}

/* What the line refers to is there. */
int
smtp_check(struct conf *c, const struct conf_node *node, const struct sink_conf *conf)
{
	const struct smtp_conf *smtp = conf->arg;
	struct smtp_login *login = calloc(1, sizeof(*login));
	struct tls_client *tls = NULL;
	char why[256] = "out of memory";
	int err = login ? smtp_login_load(smtp, login, why, sizeof(why)) : ERR_NOMEM;

	if (login)
		wipe(login, sizeof(*login));
	free(login);
	if (!err && smtp->ca_file != NULL) {
		err = tls_client_new(smtp->ca_file, &tls, why, sizeof(why));
		tls_client_free(tls);
	}
	if (err)
		conf_error(c, node, "sink smtp: %s", why);
	return err ? ERR_CONFIG : 0;
}

/* ---- the password ---- */

static int
take_password(struct str text, struct smtp_login *out, const char *path, char *why, size_t cap)
{
	struct str line = str_split(&text, '\n');

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > 0 && is_text(line) && str_copyz(out->password, sizeof(out->password), line))
		return 0;
	snprintf(why, cap, "password file %s: its first line is %s", path,
	    line.n == 0 ? "empty" : "no password");
	return ERR_CONFIG;
}

static int
load_file(const char *path, struct smtp_login *out, char *why, size_t cap)
{
	char *text;
	size_t n;
	int err;

	errno = 0;
	if ((err = file_read_all(path, PASSWORD_FILE_MAX, &text, &n))) {
		snprintf(why, cap, "password file %s: %s", path,
		    err == ERR_TOO_LARGE || errno == 0 ? err_text(err) : log_errno_text(errno));
		return err;
	}
	err = take_password(str_make(text, n), out, path, why, cap);
	wipe(text, n);
	free(text);
	return err;
}

int
smtp_login_load(const struct smtp_conf *conf, struct smtp_login *out, char *why, size_t cap)
{
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (conf->user.n == 0)
		return 0;
	if (!str_copyz(out->user, sizeof(out->user), conf->user)) {
		snprintf(why, cap, "the user's name is too long");
		return ERR_CONFIG;
	}
	if (conf->password_file != NULL) {
		err = load_file(conf->password_file, out, why, cap);
	} else if (!str_copyz(out->password, sizeof(out->password), conf->password)) {
		snprintf(why, cap, "the password is too long");
		err = ERR_CONFIG;
	}
	if (err)
		wipe(out, sizeof(*out));
	return err;
}
