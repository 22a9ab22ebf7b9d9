/*
 * sluicectl: for operators. Takes the command line apart, finds the command, runs it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "config.h"
#include "ctl/ctl.h"
#include "ctl/manual.h"

#define KEY_MAX 512

/* The command line on its way. */
struct line {
	int argc, at;
	char **argv;
	bool plain; /* behind "--": no more options */
	const struct ctl_command *command;
	struct ctl_args args;
};

int
ctl_complain(int status, const char *fmt, ...)
{
	va_list args;

	fputs("sluicectl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

/* ---- API key ---- */

static int
read_key(struct ctl *ctl, const char *path)
{
	char *text;
	size_t n;
	struct str key;
	int err = file_read_all(path, KEY_MAX, &text, &n);

	if (err != 0)
		return ctl_complain(CTL_USAGE, "key file %s: %s", path, err_text(err));
	key = str_make(text, n);
	while (key.n > 0 && strchr(" \t\r\n", key.p[key.n - 1]))
		key.n--;
	buf_reset(&ctl->key);
	buf_put_str(&ctl->key, key);
	wipe(text, n);
	free(text);
	return CTL_DONE;
}

/* ---- options ---- */

/* The value of a short option: in the same word, or the next. */
static const char *
short_value(struct line *l)
{
	const char *word = l->argv[l->at];

	if (word[2])
		return word + 2;
	return l->at + 1 < l->argc ? l->argv[++l->at] : NULL;
}

/* -s, -u, -k, -h, -V. CTL_DONE, or an exit status; -1: done, exit 0. */
static int
take_short(struct ctl *ctl, struct line *l)
{
	char letter = l->argv[l->at][1];
	const char *value;

	if (letter == 'h' || letter == 'V') {
		if (letter == 'h' && l->command)
			manual_command(stdout, l->command);
		else if (letter == 'h')
			manual_usage(stdout);
		else
			printf("sluicectl %s\n", SLUICE_VERSION);
		return -1;
	}
	if (letter == 0 || !strchr("suk", letter))
		return ctl_complain(CTL_USAGE, "unknown option -%c; see sluicectl help", letter);
	value = short_value(l);
	if (value == NULL || value[0] == '\0')
		return ctl_complain(CTL_USAGE, "-%c needs a value", letter);
	if (letter == 'k')
		return read_key(ctl, value);
	*(letter == 's' ? &ctl->socket : &ctl->url) = value;
	return CTL_DONE;
}

static bool
is_number(const char *text)
{
	uint64_t n;

	return text && str_to_u64(str_of(text), &n) == 0;
}

/* Which of the command's options the word "--name[=value]" is; -1: none. */
static int
find_option(const struct ctl_command *c, const char *word, size_t n)
{
	for (int i = 0; c && c->options && c->options[i].name; i++)
		if (strlen(c->options[i].name) == n && memcmp(c->options[i].name, word, n) == 0)
			return i;
	return -1;
}

static int
take_long(struct ctl *ctl, struct line *l)
{
	const char *word = l->argv[l->at] + 2, *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	const struct ctl_option *o;
	int i;

	if (strcmp(word, "json") == 0) {
		ctl->json = true;
		return CTL_DONE;
	}
	if (n == 7 && memcmp(word, "ca-file", 7) == 0 && equals) {
		ctl->ca_file = equals + 1;
		return CTL_DONE;
	}
	i = find_option(l->command, word, n);
	if (i < 0)
		return ctl_complain(CTL_USAGE, "unknown option --%.*s; see sluicectl help %s",
		    (int)n, word, l->command ? l->command->name : "");
	o = &l->command->options[i];
	if (o->value == NULL && equals)
		return ctl_complain(CTL_USAGE, "--%s takes no value", o->name);
	l->args.option[i] = equals ? equals + 1 : "";
	if (o->value == NULL || equals)
		return CTL_DONE;
	if (o->value[0] != '[' ? l->at + 1 < l->argc : is_number(l->argv[l->at + 1]))
		l->args.option[i] = l->argv[++l->at];
	else if (o->value[0] != '[')
		return ctl_complain(CTL_USAGE, "--%s needs a value", o->name);
	return CTL_DONE;
}

/* ---- words ---- */

static const struct ctl_command *
find_command(const char *name)
{
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static bool
is_group(const char *word)
{
	size_t n = strlen(word);

	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
			return true;
	return false;
}

/* The command's first word, or both. */
static int
take_command(struct line *l)
{
	char *word = l->argv[l->at];
	char both[128];

	l->command = find_command(word);
	if (l->command == NULL && is_group(word) && l->at + 1 < l->argc) {
		snprintf(both, sizeof(both), "%s %s", word, l->argv[l->at + 1]);
		l->command = find_command(both);
		if (l->command)
			l->at++;
	}
	if (l->command == NULL && is_group(word))
		return ctl_complain(CTL_USAGE, "%s what? See sluicectl help %s", word, word);
	if (l->command == NULL)
		return ctl_complain(CTL_USAGE, "unknown command \"%s\"; see sluicectl help", word);
	return CTL_DONE;
}

static int
take_word(struct ctl *ctl, struct line *l)
{
	char *word = l->argv[l->at];

	if (!l->plain && strcmp(word, "--") == 0) {
		l->plain = true;
		return CTL_DONE;
	}
	if (!l->plain && word[0] == '-' && word[1] == '-')
		return take_long(ctl, l);
	if (!l->plain && word[0] == '-' && word[1])
		return take_short(ctl, l);
	if (l->command == NULL)
		return take_command(l);
	l->args.v[l->args.n++] = word;
	return CTL_DONE;
}

static int
take_all(struct ctl *ctl, struct line *l)
{
	int status = CTL_DONE;

	for (l->at = 1; l->at < l->argc && status == CTL_DONE; l->at++)
		status = take_word(ctl, l);
	if (status != CTL_DONE)
		return status;
	if (l->command == NULL) {
		manual_usage(stderr);
		return CTL_USAGE;
	}
	if (l->args.n < l->command->min_args || l->args.n > l->command->max_args)
		return ctl_complain(CTL_USAGE, "usage: sluicectl %s%s%s; see sluicectl help %s",
		    l->command->name, l->command->args[0] ? " " : "", l->command->args,
		    l->command->name);
	return CTL_DONE;
}

static int
run(struct ctl *ctl, struct line *l)
{
	const char *key = getenv("SLUICE_API_KEY");
	int status;

	if (key != NULL)
		buf_puts(&ctl->key, key);
	status = take_all(ctl, l);
	if (status == CTL_DONE)
		status = l->command->run(ctl, &l->args);
	if (buf_failed(&ctl->key))
		status = ctl_complain(CTL_USAGE, "out of memory");
	if (fflush(stdout) != 0 && status == CTL_DONE)
		status = ctl_complain(CTL_REFUSED, "cannot write the output");
	return MAX(status, 0);
}

int
main(int argc, char **argv)
{
	struct line l = { .argc = argc, .argv = argv };
	struct ctl ctl = { .socket = CTL_SOCKET };
	int status;

	if (argc == 2 && strcmp(argv[1], "--reference-mdoc") == 0) {
		manual_mdoc(stdout);
		return CTL_DONE;
	}
	log_threshold = LOG_ERROR;
	buf_init(&ctl.key, 0);
	l.args.v = calloc((size_t)argc + 1, sizeof(char *));
	if (l.args.v == NULL)
		return ctl_complain(CTL_USAGE, "out of memory");
	status = run(&ctl, &l);
	if (ctl.key.p != NULL)
		wipe(ctl.key.p, ctl.key.cap);
	buf_fini(&ctl.key);
	free(l.args.v);
	return status;
}
