/*
 * Configuration in nginx's language. In three steps:
 *
 *  1. conf_parse_file() and conf_parse_text() read text into a tree of nodes (quotes, escapes,
 *     include; no meaning). A name that ends in .yml is the ingest service's flat config.yml, which
 *     becomes the same tree.
 *  2. conf_check() holds every node against the directive rows: known, in a context where it may
 *     stand, right number of arguments, not twice. Directives of nginx that we lack are refused or
 *     accepted with a warning, as nginx.c says.
 *  3. conf_apply() runs the rows' setters into the modules' structs, one set of structs a scope
 *     (main, http, server, location, …). A new scope starts as a copy of its parent's structs, so
 *     what is not set is inherited, wherever in the parent's block it stands: the simple directives
 *     of a block run first, its inner blocks after.
 *
 * Errors are collected as FILE:LINE: what is wrong, what is allowed. Everything lives in the
 * configuration's arena; a reload makes a new struct conf, and the old one goes when nothing refers
 * to it. All of this runs where it may block (start-up, reload), never on a task.
 */
#ifndef SLUICE_CONF_CONF_H
#define SLUICE_CONF_CONF_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"

struct conf; /* one parsed configuration */

struct conf_node {
	struct conf_node *next;     /* sibling */
	struct conf_node *children; /* of a block, in order; NULL also for an empty block */
	bool block;                 /* had { } */
	bool hidden;                /* not the user's: neither dumped nor compared on reload */
	struct str name;
	struct str *args; /* unescaped; each with a zero byte behind */
	bool *quoted;     /* args[i] was in quotes; variables in it are expanded all the same */
	unsigned n_args;
	const char *file; /* of the include that held it */
	unsigned line;
	const struct conf_row *row; /* set by conf_check; NULL in a free-form block */
};

/* Contexts: where a directive may stand. */
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

/* Flags of a row. */
enum {
	/* has { } */
	CONF_BLOCK = 1 << 0,
	/* may stand several times in one block */
	CONF_REPEAT = 1 << 1,
	/* takes effect on HUP; without it a change needs a restart (conf_warn_restart says so) */
	CONF_RELOAD = 1 << 2,
	/* accepted for nginx's sake, has no effect: a warning says why (help) */
	CONF_WARN = 1 << 3,
	/* known from nginx, refused: the reason is help */
	CONF_REFUSE = 1 << 4,
	/* the block's children are data, not directives (types, map); runs with the simple ones */
	CONF_FREE_FORM = 1 << 5,
	/* in name="value" the value may be quoted by itself, as no directive of nginx reads it */
	CONF_QUOTED_VALUES = 1 << 6,
};

struct conf_scope;

/* One directive: the single source for parser, -t, -T, help and manual. */
struct conf_row {
	const char *name;
	unsigned contexts;
	unsigned min_args, max_args; /* max UINT_MAX: any */
	unsigned flags;
	/* Called in conf_apply for each node. into: the module's struct of the scope (the offset
	 * in it is the setter's business). 0, or an error after conf_error(). NULL: nothing to
	 * run. */
	int (*set)(
	    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
	size_t offset; /* of the field in the module's struct, for the stock setters */
	/* As text, "" or NULL for none; run through set when the outermost scope of its kind is
	 * made. */
	const char *default_;
	const char *unit;  /* "time", "size", "flag", "count", "enum:a|b", … for the manual */
	const char *help;  /* one line */
	const void *extra; /* for stock setters: enum table, bounds */
};

/* A module: its rows and the struct it keeps in every scope. */
struct conf_module {
	const char *name;
	const struct conf_row *rows; /* ends with a NULL name */
	size_t size;                 /* of the struct kept a scope; may be 0 */
	unsigned index;              /* given by conf_register */
	/* After the whole tree is applied: cross-checks (unknown names, missing buckets). 0 or an
	 * error after conf_error(). May be NULL. */
	int (*finish)(struct conf *c);
};

/* A set of the modules' structs. */
struct conf_scope {
	struct conf_scope *parent;
	unsigned context;             /* one CONF_* bit */
	const struct conf_node *node; /* the block; NULL for main */
	void **of;                    /* by module index; NULL where size is 0 */
};

/* Before the first parse, in layer order; at most CONF_MAX_MODULES. A second time does nothing. */
#define CONF_MAX_MODULES 32
void conf_register(struct conf_module *m);
/* The row in force for name in a context (one bit): a module's, else the table of nginx's
 * directives that we lack (then row->name names a group). NULL: none. */
const struct conf_row *conf_find_row(struct str name, unsigned context);
/* Walks all rows of all modules in order of registration: each(row, module, arg). */
void conf_each_row(
    void (*each)(const struct conf_row *, const struct conf_module *, void *), void *arg);

/* NULL only without memory. */
struct conf *conf_new(void);
void conf_free(struct conf *c); /* NULL is fine */
struct arena *conf_arena(struct conf *c);
/* For setters that hold more than arena memory (a compiled expression, a certificate): conf_free calls fn(arg), the last first. 0 or
 * ERR_NOMEM. */
int conf_on_free(struct conf *c, void (*fn)(void *arg), void *arg);

/* -p PORT; call before parsing. The first listen of a native file gets this port (one is added
 * where the first server has none); a .yml file needs it. */
void conf_set_port(struct conf *c, unsigned port);
/* Parse without checking; may be called several times, what is read is added at the end of the
 * tree. The name is what errors show. include is relative to the folder of the first file. 0, or
 * ERR_CONFIG with messages kept. */
int conf_parse_file(struct conf *c, const char *path);
/* -g "directives;" and tests. */
int conf_parse_text(struct conf *c, const char *name, struct str text);
int conf_check(struct conf *c);
int conf_apply(struct conf *c);

/* The main scope after conf_apply, and a module's struct in a scope. */
struct conf_scope *conf_main(struct conf *c);
void *conf_of(const struct conf_scope *s, const struct conf_module *m);
/* For setters of blocks: a child scope copied from parent, then the block's directives run in it.
 * The scope is returned in *out (may be NULL). 0, or ERR_CONFIG with messages kept. */
int conf_apply_block(struct conf *c, const struct conf_node *block, struct conf_scope *parent,
    unsigned context, struct conf_scope **out);
/* True if node is the first of its name in the scope's block: a list that was inherited is to be
 * started afresh, as nginx does. */
bool conf_first_here(struct conf *c, const struct conf_scope *scope, const struct conf_node *node);
/* The first node of the main context; NULL if there is none. */
struct conf_node *conf_tree(struct conf *c);
/* Adds a synthesised node (yml front-end) with n_args strings as last child of parent (NULL: the
 * main context), which becomes a block by it. NULL without memory. */
struct conf_node *conf_node_add(
    struct conf *c, struct conf_node *parent, const char *name, unsigned n_args, ...);

/* "FILE:LINE: text", kept in the conf; an error makes the load fail. at may be NULL. */
void conf_error(struct conf *c, const struct conf_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conf_warn(struct conf *c, const struct conf_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
unsigned conf_errors(const struct conf *c);
/* All messages, one a line: errors first, marked "[emerg] ", then warnings, "[warn] ", as nginx
 * marks them. In the arena. */
struct str conf_messages(struct conf *c);
/* "Did you mean": the nearest of the names offered, and near enough to be meant; found stays NULL if
 * none is. */
struct conf_nearest {
	struct str name;
	unsigned best; /* a nearer one than this many mistakes is wanted */
	const char *found;
};
void conf_nearest_init(struct conf_nearest *n, struct str name);
void conf_nearest_offer(struct conf_nearest *n, const char *candidate);
/* On reload: a warning in next for each directive that changed against now and needs a restart.
 * Both are checked. */
void conf_warn_restart(struct conf *next, struct conf *now);

/* The tree as text that parses to the same tree, secrets as "***" (-T). */
void conf_dump(struct conf *c, struct buf *out);
/* The reference: all rows as mdoc (body of a man page) or Markdown tables, and what becomes of
 * nginx's directives that we lack. */
void conf_reference(struct buf *out, bool mdoc);

/* Stock setters. The field at offset of the module's struct is: */
/* bool: on|off */
int conf_set_flag(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* uint64_t, bytes: 8k 10m 2g */
int conf_set_size(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* int64_t, nanoseconds: 30, 500ms, 1h30m, 10m */
int conf_set_time(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* uint64_t */
int conf_set_count(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* struct str, in the arena */
int conf_set_str(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* int; extra: struct conf_word[] */
int conf_set_enum(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);
/* No field: a block of the context that its name says (events, http), run in a child scope. */
int conf_set_block(
    struct conf *c, const struct conf_node *node, struct conf_scope *scope, void *into);

struct conf_word {
	const char *word; /* NULL ends */
	int value;
};

/* extra of size, time (nanoseconds) and count; NULL: no bounds */
struct conf_bounds {
	uint64_t min, max;
};

/* nginx's units: sizes b k m g (powers of 1024, either case); times ms s m h d w M y, largest
 * first, with or without spaces between, seconds where there is no unit. 0, or ERR_BAD (also on
 * overflow). */
int conf_parse_size(struct str s, uint64_t *out);
int conf_parse_time(struct str s, int64_t *ns);
/* A duration as Go writes it (1h30m, 1.5h, 10m0s, 500ms, 0; none below 0): 0 or ERR_BAD. */
int conf_parse_go_duration(struct str s, int64_t *ns);
/* The shortest text that parses back to the same, for messages: "10m", "90s", "64k". Times are cut
 * to milliseconds. */
#define CONF_UNIT_LEN 32
void conf_format_size(uint64_t bytes, char out[CONF_UNIT_LEN]);
void conf_format_time(int64_t ns, char out[CONF_UNIT_LEN]);
/* For arguments of the form key=value: true, and the value, if argument i has this key. */
bool conf_arg_kv(const struct conf_node *n, unsigned i, const char *key, struct str *value);

#endif
