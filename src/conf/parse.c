/*
 * Text to tree: blocks, include with patterns, files. Nothing here knows what a directive means
 * but include. A file's syntax errors end that file; the rest is still read, so that one run shows
 * as much as it can. Bounded by CONF_MAX_DEPTH, CONF_MAX_INCLUDE, CONF_MAX_FILES and
 * CONF_MAX_FILE, whatever the input is.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "conf/conf_priv.h"

/* A file being read, and the one that includes it. */
struct source {
	const struct source *outer;
	const char *name;
	dev_t dev;
	ino_t ino;
	unsigned nth; /* 1: the outermost */
};

/* Where the next node goes. */
struct place {
	struct conf_node *block; /* NULL at the start of a source */
	struct conf_node **tail;
	unsigned depth;
};

static int parse_source(
    struct conf *c, const struct source *src, struct str text, struct place *place);

/* "a.conf -> b.conf -> a.conf", from where the cycle starts. */
static const char *
cycle_text(struct conf *c, const struct source *src, const struct source *start, const char *name)
{
	const char *text = name;

	for (; src; src = src->outer) {
		text = arena_printf(&c->arena, "%s -> %s", src->name, text ? text : "");
		if (src == start)
			break;
	}
	return text ? text : name;
}

static bool
in_cycle(struct conf *c, const struct conf_node *at, const struct source *outer,
    const struct source *src)
{
	for (const struct source *s = outer; s; s = s->outer) {
		if (s->dev != src->dev || s->ino != src->ino)
			continue;
		conf_error(
		    c, at, "\"include\" goes in a circle: %s", cycle_text(c, outer, s, src->name));
		return true;
	}
	return false;
}

static bool
too_many(struct conf *c, const struct conf_node *at, const struct source *src)
{
	if (src->nth > CONF_MAX_INCLUDE) {
		conf_error(c, at,
		    "\"include\" is nested too deeply, at most %d files inside one another",
		    CONF_MAX_INCLUDE);
		return true;
	}
	if (++c->n_files > CONF_MAX_FILES) {
		conf_error(c, at, "too many files, at most %d are read", CONF_MAX_FILES);
		return true;
	}
	return false;
}

/* Text with a zero byte in it would be cut by every C function behind us. */
static int
check_text(struct conf *c, const char *name, struct str text)
{
	const char *zero = text.n ? memchr(text.p, 0, text.n) : NULL;
	unsigned line = 1;

	if (!zero)
		return 0;
	for (const char *p = text.p; p < zero; p++)
		line += *p == '\n';
	conf_error_at(c, name, line, "unexpected zero byte, the file is not text");
	return ERR_CONFIG;
}

/* A file may hold secrets. */
static void
forget_text(char *text, size_t n)
{
	wipe(text, n);
	free(text);
}

static const char *
read_error(int err)
{
	return err == ERR_TOO_LARGE || errno == 0 ? err_text(err) : log_errno_text(errno);
}

/* Reads path, which the directive at includes. */
static int
include_file(struct conf *c, const struct conf_node *at, const struct source *outer,
    const char *path, struct place *place)
{
	struct source src = { .outer = outer, .name = path, .nth = outer ? outer->nth + 1 : 1 };
	struct stat st;
	char *text;
	size_t n;
	int err;

	if (stat(path, &st)) {
		conf_error(c, at, "cannot open \"%s\": %s", path, log_errno_text(errno));
		return ERR_CONFIG;
	}
	if (!S_ISREG(st.st_mode)) {
		conf_error(c, at, "cannot include \"%s\": not a regular file", path);
		return ERR_CONFIG;
	}
	src.dev = st.st_dev;
	src.ino = st.st_ino;
	if (in_cycle(c, at, outer, &src) || too_many(c, at, &src))
		return ERR_CONFIG;
	err = file_read_all(path, CONF_MAX_FILE, &text, &n);
	if (err) {
		conf_error(c, at, "cannot read \"%s\": %s", path, read_error(err));
		return ERR_CONFIG;
	}
	err = parse_source(c, &src, str_make(text, n), place);
	forget_text(text, n);
	return err;
}

/* Every file that the pattern matches, in the order of their names; none is fine, as in nginx. */
static int
include_pattern(struct conf *c, const struct conf_node *at, const struct source *outer,
    const char *pattern, struct place *place)
{
	glob_t found = { 0 };
	int err = 0;

	switch (glob(pattern, 0, NULL, &found)) {
	case 0:
		break;
	case GLOB_NOMATCH:
		return 0;
	default:
		conf_error(c, at, "cannot list \"%s\"", pattern);
		globfree(&found);
		return ERR_CONFIG;
	}
	for (size_t i = 0; i < found.gl_pathc && !c->arena.failed; i++) {
		const char *path = arena_strz(&c->arena, str_of(found.gl_pathv[i]));

		if (!path || include_file(c, at, outer, path, place))
			err = ERR_CONFIG;
	}
	globfree(&found);
	return err;
}

static int
parse_include(
    struct conf *c, const struct conf_node *node, const struct source *src, struct place *place)
{
	const char *path;

	if (node->block) {
		conf_error(c, node, "directive \"include\" is not terminated by \";\"");
		return ERR_CONFIG;
	}
	if (node->n_args != 1 || node->args[0].n == 0) {
		conf_error(c, node,
		    "invalid number of arguments in \"include\" directive, it takes one file or "
		    "pattern");
		return ERR_CONFIG;
	}
	path = node->args[0].p;
	if (path[0] != '/')
		path = arena_printf(&c->arena, "%s%s", c->folder, path);
	if (!path)
		return ERR_CONFIG;
	if (strpbrk(path, "*?["))
		return include_pattern(c, node, src, path, place);
	return include_file(c, node, src, path, place);
}

static void
append(struct place *place, struct conf_node *node)
{
	*place->tail = node;
	place->tail = &node->next;
}

static int
open_block(struct conf *c, struct place *place, struct conf_node *node, struct place *inner)
{
	if (place->depth + 1 > CONF_MAX_DEPTH) {
		conf_error(c, node, "blocks are nested too deeply, at most %d inside one another",
		    CONF_MAX_DEPTH);
		return ERR_CONFIG;
	}
	append(place, node);
	*inner =
	    (struct place){ .block = node, .tail = &node->children, .depth = place->depth + 1 };
	return 0;
}

/* The end of the text: fine only if every block that began in it has ended. */
static int
end_source(const struct conf_lex *lex, const struct place *place)
{
	if (!place->block)
		return 0;
	conf_error_at(lex->c, lex->file, lex->line,
	    "unexpected end of file, expecting \"}\" for the \"%.*s\" block of line %u",
	    STR_ARG(place->block->name), place->block->line);
	return ERR_CONFIG;
}

/* One directive, or the end of a block. *top is the innermost open block of this source. */
static int
take_one(struct conf_lex *lex, int kind, struct conf_node *node, const struct source *src,
    struct place **top)
{
	if (kind == CONF_LEX_END_BLOCK) {
		if (!(*top)->block) {
			conf_error_at(lex->c, lex->file, lex->line, "unexpected \"}\"");
			return ERR_CONFIG;
		}
		--*top;
		return 0;
	}
	if (str_is(node->name, "include")) {
		parse_include(lex->c, node, src, *top); /* its error is kept; go on behind it */
		return node->block ? ERR_CONFIG : 0;
	}
	if (kind == CONF_LEX_DIRECTIVE) {
		append(*top, node);
		return 0;
	}
	++*top;
	return open_block(lex->c, *top - 1, node, *top);
}

static int
parse_source(struct conf *c, const struct source *src, struct str text, struct place *place)
{
	struct place stack[CONF_MAX_DEPTH + 2], *top = stack;
	struct conf_node *node = NULL;
	struct conf_lex lex;
	int kind, err;

	err = check_text(c, src->name, text);
	if (err)
		return err;
	stack[0] = (struct place){ .tail = place->tail, .depth = place->depth };
	conf_lex_init(&lex, c, src->name, text);
	do {
		kind = conf_lex_next(&lex, &node);
		if (kind == CONF_LEX_EOF)
			err = end_source(&lex, top);
		else
			err = kind < 0 ? kind : take_one(&lex, kind, node, src, &top);
	} while (!err && kind != CONF_LEX_EOF);
	place->tail = stack[0].tail;
	conf_lex_fini(&lex);
	return err;
}

/* include is relative to the folder of the first file. */
static int
set_folder(struct conf *c, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (c->n_files > 1 || !slash)
		return 0;
	c->folder = arena_strz(&c->arena, str_make(path, (size_t)(slash + 1 - path)));
	return c->folder ? 0 : ERR_CONFIG;
}

static int
parse_named(struct conf *c, const struct source *src, struct str text)
{
	struct place place = { .tail = conf_tail(&c->root) };
	int err;

	if (str_ends(str_of(src->name), STR(".yml"))) {
		err = check_text(c, src->name, text);
		if (!err)
			err = conf_parse_yml(c, src->name, text);
	} else {
		err = parse_source(c, src, text, &place);
		if (!err)
			conf_override_port(c);
	}
	return err || conf_errors(c) ? ERR_CONFIG : 0;
}

int
conf_parse_text(struct conf *c, const char *name, struct str text)
{
	struct source src = { .name = arena_strz(&c->arena, str_of(name)), .nth = 1 };

	if (!src.name)
		return ERR_CONFIG;
	return parse_named(c, &src, text);
}

int
conf_parse_file(struct conf *c, const char *path)
{
	struct source src = { .name = arena_strz(&c->arena, str_of(path)), .nth = 1 };
	struct stat st;
	char *text;
	size_t n;
	int err;

	c->n_files++;
	if (!src.name || set_folder(c, src.name))
		return ERR_CONFIG;
	err = file_read_all(path, CONF_MAX_FILE, &text, &n);
	if (err) {
		conf_error_at(c, src.name, 0, "cannot read the configuration: %s", read_error(err));
		return ERR_CONFIG;
	}
	if (!stat(path, &st)) {
		src.dev = st.st_dev;
		src.ino = st.st_ino;
	}
	err = parse_named(c, &src, str_make(text, n));
	forget_text(text, n);
	return err;
}
