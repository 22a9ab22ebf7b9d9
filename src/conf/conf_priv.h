/*
 * What the files of this folder share: the configuration itself, the scanner, the registry of rows.
 */
#ifndef SLUICE_CONF_CONF_PRIV_H
#define SLUICE_CONF_CONF_PRIV_H

#include <sys/types.h>

#include "conf/conf.h"

/* Bounds on what a configuration may be, so that hostile or mistaken input ends in a message. */
#define CONF_MAX_DEPTH 32                  /* of blocks */
#define CONF_MAX_INCLUDE 16                /* files inside one another */
#define CONF_MAX_FILES 4096                /* files in all */
#define CONF_MAX_FILE ((size_t)8 << 20)    /* bytes of one file */
#define CONF_MAX_ARENA ((size_t)128 << 20) /* bytes of all that is kept */
#define CONF_MAX_MESSAGES 100              /* of each kind; later ones are only counted */

struct conf_message {
	struct conf_message *next;
	const char *text; /* with FILE:LINE */
};

struct conf_messages_list {
	struct conf_message *first, **last;
	unsigned n; /* also those beyond CONF_MAX_MESSAGES, which are not kept */
};

/* What conf_free has to give back besides the arena. */
struct conf_release {
	struct conf_release *next;
	void (*fn)(void *arg);
	void *arg;
};

struct conf {
	struct arena arena;
	struct conf_node root; /* nameless; its children are the main context */
	struct conf_scope *main;
	struct conf_release *releases; /* last added first */
	struct conf_messages_list errors, warnings;
	unsigned port;      /* -p; 0: not given */
	const char *folder; /* include is relative to it, ends in "/"; "" until a file is read */
	unsigned n_files;
};

/* conf.c */
void conf_error_at(struct conf *c, const char *file, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The last node's next pointer in parent's children. */
struct conf_node **conf_tail(struct conf_node *parent);

/* lex.c: one directive at a time. */
struct conf_lex {
	struct conf *c;
	const char *file;
	const char *p, *end;
	unsigned line;
	struct conf_lex_word *words; /* of the directive being read; kept for the next one */
	size_t n_words, cap;
};
enum conf_lex_kind {
	CONF_LEX_DIRECTIVE, /* name args ; */
	CONF_LEX_BLOCK,     /* name args { */
	CONF_LEX_END_BLOCK, /* } */
	CONF_LEX_EOF,
};
void conf_lex_init(struct conf_lex *l, struct conf *c, const char *file, struct str text);
void conf_lex_fini(struct conf_lex *l);
/* A conf_lex_kind, with *out a new node for the first two; or an error after conf_error(). */
int conf_lex_next(struct conf_lex *l, struct conf_node **out);

/* modules.c: rows by name and context. */
struct conf_found {
	const struct conf_row *row;
	struct conf_module *module; /* NULL for a row of nginx.c */
};
struct conf_found conf_lookup(struct str name, unsigned context);
/* All contexts in which name may stand, of modules and of nginx.c. 0: unknown name. */
unsigned conf_contexts_of(struct str name);
unsigned conf_n_modules(void);
struct conf_module *conf_module_at(unsigned i);
/* "http", … of one bit. */
const char *conf_context_name(unsigned context);
/* "http, server, location" */
void conf_put_contexts(struct buf *out, unsigned contexts);
/* The context inside a block of this name; 0: none known. */
unsigned conf_inner_context(struct str block_name);

/* suggest.c: the nearest name that is allowed in the context, else in any; NULL: nothing near. */
const char *conf_suggest(struct str name, unsigned context);

/* nginx.c: groups of nginx's directives that we lack. name holds the names, separated by spaces;
 * one that ends in * is a prefix. Ends with a NULL name. */
extern const struct conf_row conf_nginx_rows[];
const struct conf_row *conf_nginx_find(struct str name, unsigned context);

/* yml.c, yml_scan.c: the flat config.yml. */
int conf_parse_yml(struct conf *c, const char *name, struct str text);
struct conf_yml_line {
	unsigned line;
	bool nested;      /* belongs to the last line that was not */
	bool section;     /* "key:" without a value */
	struct str key;   /* as written */
	struct str value; /* unquoted, in the arena */
};
struct conf_yml_scan {
	struct conf *c;
	const char *file;
	struct str rest;
	unsigned line;
	bool in_section; /* a line of the form "key:" is open for nested ones */
	size_t indent;   /* of the nested lines of this section; 0: none yet */
};
/* 1 with *out, 0 at the end, or an error after conf_error(). */
int conf_yml_next(struct conf_yml_scan *s, struct conf_yml_line *out);

/* port.c: puts c->port into the first listen of the tree. */
void conf_override_port(struct conf *c);

/* deviations.c: ends with a NULL directive. */
struct conf_deviation {
	const char *directive, *here;
};
extern const struct conf_deviation conf_deviations[];

#endif
