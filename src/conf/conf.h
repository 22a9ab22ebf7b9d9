/*
 * Configuration in nginx's language. In three steps:
 *
 *  1. conf_parse() reads text into a tree of nodes (quotes, escapes, include; no meaning). conf_parse_yml() makes
 *     the same tree from the ingest service's flat config.yml.
 *  2. conf_check() holds every node against the directive rows: known, in a context where it may stand, right number of arguments,
 *     not twice. nginx's directives that we lack are refused or accepted with a warning as conf/nginx.c says.
 *  3. conf_apply() runs the rows' setters into the modules' structs, one set of structs a scope (main, http, server, location, …). A new scope starts as a
 *     copy of its parent's structs, so what is not set is inherited, wherever in the parent's block it stands: the simple directives of a
 *     block run first, its inner blocks after.
 *
 * Errors are collected with FILE:LINE: what is wrong, what is allowed. Everything lives in the configuration's arena; a reload makes a new
 * struct conf, and the old one goes when nothing refers to it.
 */
#ifndef SLUICE_CONF_CONF_H
#define SLUICE_CONF_CONF_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"

struct conf_node {
	struct conf_node *next;     /* sibling */
	struct conf_node *children; /* of a block, in order; NULL also for an empty block */
	bool block;                 /* had { } */
	struct str name;
	struct str *args; /* unescaped; each with a zero byte behind */
	bool *quoted; /* args[i] was in quotes: variables are still expanded, but "off" is a word */
	unsigned n_args;
	const char *file; /* of the include that held it */
	unsigned line;
	const struct conf_row *row; /* set by conf_check */
};

struct conf; /* one parsed configuration */

/* Contexts, also for rows: where a directive may stand. */
enum {
	CONF_MAIN = 1 << 0,
	CONF_EVENTS = 1 << 1,
	CONF_HTTP = 1 << 2,
	CONF_SERVER = 1 << 3,
	CONF_LOCATION = 1 << 4,
	CONF_UPSTREAM = 1 << 5,
	CONF_STORE = 1 << 6,
	CONF_STREAM = 1 << 7,
	CONF_DLQ = 1 << 8,
	CONF_POLICY = 1 << 9,
	CONF_IF = 1 << 10,
	CONF_TYPES = 1 << 11,
};

/* Arity and flags of a row. */
enum {
	CONF_BLOCK = 1 << 0,  /* has { } */
	CONF_REPEAT = 1 << 1, /* may stand several times in one block */
	CONF_RELOAD =
	    1
	    << 2, /* takes effect on HUP; without it a change needs a restart and -t/HUP says so */
	CONF_WARN =
	    1 << 3, /* accepted for nginx's sake, has no effect: a warning says why (help) */
	CONF_REFUSE = 1 << 4,   /* known from nginx, refused: the reason is help */
	CONF_FREE_FORM = 1 << 5 /* children are data, not directives (types, map) */
};

struct conf_scope;

/* One directive: the single source for parser, -t, -T, help and manual. */
struct conf_row {
	const char *name;
	unsigned contexts;
	unsigned min_args, max_args; /* max UINT_MAX: any */
	unsigned flags;
	/* Called in conf_apply for each node. into: the module's struct of the scope (row offset is the setter's business). 0, or an error after conf_error(). */
	int (*set)(
	    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
	size_t offset; /* of the field in the module's struct, for the stock setters */
	const char *
	    default_; /* as text, "" or NULL for none; run through set when the outermost scope of its kind is made */
	const char *unit;  /* "time", "size", "flag", "count", "enum:a|b", … for the manual */
	const char *help;  /* one line */
	const void *extra; /* for stock setters: enum table, bounds */
};

/* A module: its rows and the struct it keeps in every scope (size may be 0). */
struct conf_module {
	const char *name;
	const struct conf_row *rows; /* ends with a NULL name */
	size_t size;                 /* of the struct kept a scope */
	unsigned index;              /* given by conf_register */
	/* After the whole tree is applied: cross-checks (unknown names, missing buckets). 0 or an error after conf_error(). May be NULL. */
	int (*finish)(struct conf *c);
};

/* A set of the modules' structs. */
struct conf_scope {
	struct conf_scope *parent;
	unsigned context;             /* one CONF_* bit */
	const struct conf_node *node; /* the block; NULL for main */
	void **of;                    /* by module index */
};

/* Before the first parse, in layer order. At most 32. */
void conf_register(struct conf_module *m);
const struct conf_row *conf_find_row(struct str name, unsigned context);
/* Walks all rows of all modules in order of registration: each(row, module, arg). */
void conf_each_row(
    void (*each)(const struct conf_row *, const struct conf_module *, void *), void *arg);

struct conf *conf_new(void);
void conf_free(struct conf *c);
struct arena *conf_arena(struct conf *c);

/* Parses, without checking. path is opened here; its name is what errors show. A name ending in .yml goes to the yml front-end. 0 or an error with
 * messages kept. */
int conf_parse_file(struct conf *c, const char *path);
int conf_parse_text(struct conf *c, const char *name, struct str text);
/* -g "directives;": parsed in the main context, before or after the file. */
int conf_check(struct conf *c);
int conf_apply(struct conf *c);

/* The main scope after conf_apply, and a module's struct in it. */
struct conf_scope *conf_main(struct conf *c);
void *conf_of(const struct conf_scope *s, const struct conf_module *m);
/* For setters of blocks: a child scope copied from parent, then the block's directives run in it. The scope is returned in *out. */
int conf_apply_block(struct conf *c, const struct conf_node *block, struct conf_scope *parent,
    unsigned context, struct conf_scope **out);
struct conf_node *conf_tree(struct conf *c);
/* Adds a synthesised node (yml front-end, defaults). */
struct conf_node *conf_node_add(
    struct conf *c, struct conf_node *parent, const char *name, unsigned n_args, ...);

/* "FILE:LINE: text", kept in the conf; error makes the load fail. */
void conf_error(struct conf *c, const struct conf_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conf_warn(struct conf *c, const struct conf_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
unsigned conf_errors(const struct conf *c);
/* All messages, one a line, errors first marked "[emerg]", warnings "[warn]", as nginx's. */
struct str conf_messages(struct conf *c);
/* The tree as text that parses to the same tree, secrets (rows named in conf/secret list) as "***" (-T). */
void conf_dump(struct conf *c, struct buf *out);
/* The reference: all rows as mdoc (man page) or Markdown table, defaults included. */
void conf_reference(struct buf *out, bool mdoc);

/* Stock setters; the field at offset of the module's struct is: */
int conf_set_flag(
    struct conf *, const struct conf_node *, struct conf_scope *, void *); /* bool: on|off */
int conf_set_size(
    struct conf *, const struct conf_node *, struct conf_scope *, void *); /* uint64_t: 8k 10m 2g */
int conf_set_time(struct conf *, const struct conf_node *, struct conf_scope *,
    void *); /* int64_t ns: 30, 500ms, 1h30m, 10m */
int conf_set_count(
    struct conf *, const struct conf_node *, struct conf_scope *, void *); /* uint64_t */
int conf_set_str(
    struct conf *, const struct conf_node *, struct conf_scope *, void *); /* struct str */
int conf_set_enum(struct conf *, const struct conf_node *, struct conf_scope *,
    void *); /* int; extra: struct conf_word[] */
struct conf_word {
	const char *word; /* NULL ends */
	int value;
};
struct conf_bounds {
	uint64_t min, max;
}; /* extra of size, time, count; NULL: none */

/* Units, nginx's: sizes b k m g (powers of 1024), times ms s m h d w M y, "1h 30m" with or without the space. 0 or ERR_BAD. */
int conf_parse_size(struct str s, uint64_t *out);
int conf_parse_time(struct str s, int64_t *ns);
/* For arguments of the form key=value: true and the value if node's argument i has this key. */
bool conf_arg_kv(const struct conf_node *n, unsigned i, const char *key, struct str *value);

#endif
