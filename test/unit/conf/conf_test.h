/*
 * What the configuration tests share: helpers that parse a text and compare trees and messages.
 */
#ifndef SLUICE_TEST_CONF_TEST_H
#define SLUICE_TEST_CONF_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/conf/demo.h"

/* The text as file "t", taken so far; errors are kept in it. */
static inline struct conf *
parsed(const char *text)
{
	struct conf *c = conf_new();

	assert_non_null(c);
	conf_parse_text(c, "t", str_of(text));
	return c;
}

static inline struct conf *
checked(const char *text)
{
	struct conf *c = parsed(text);

	if (!conf_errors(c))
		conf_check(c);
	return c;
}

static inline struct conf *
applied(const char *text)
{
	struct conf *c = checked(text);

	if (conf_errors(c) == 0)
		conf_apply(c);
	return c;
}

#define assert_messages(c, expected)                 \
	do {                                         \
		struct str m_ = conf_messages(c);    \
		char *z_ = strndup(m_.p, m_.n);      \
		assert_string_equal(z_, (expected)); \
		free(z_);                            \
	} while (0)

/* The messages, then the end of c. */
#define assert_says(c, expected)               \
	do {                                   \
		struct conf *c_ = (c);         \
		assert_messages(c_, expected); \
		conf_free(c_);                 \
	} while (0)

/* The whole tree in one line: "name(arg)(arg){…}", quoted arguments in <>. */
static inline void
flatten_nodes(struct buf *out, const struct conf_node *n)
{
	for (; n; n = n->next) {
		buf_put_str(out, n->name);
		for (unsigned i = 0; i < n->n_args; i++) {
			buf_putc(out, n->quoted[i] ? '<' : '(');
			buf_put_str(out, n->args[i]);
			buf_putc(out, n->quoted[i] ? '>' : ')');
			assert_int_equal(n->args[i].p[n->args[i].n], 0);
		}
		if (n->block) {
			buf_putc(out, '{');
			flatten_nodes(out, n->children);
			buf_putc(out, '}');
		} else {
			buf_putc(out, ';');
		}
	}
}

static inline char *
flattened(struct conf *c)
{
	struct buf out;

	buf_init(&out, 0);
	flatten_nodes(&out, conf_tree(c));
	buf_putc(&out, '\0');
	assert_int_equal(out.err, 0);
	return out.p;
}

static inline char *
dumped(struct conf *c)
{
	struct buf out;

	buf_init(&out, 0);
	conf_dump(c, &out);
	buf_putc(&out, '\0');
	assert_int_equal(out.err, 0);
	return out.p;
}

#define assert_tree(c, expected)                     \
	do {                                         \
		char *t_ = flattened(c);             \
		assert_string_equal(t_, (expected)); \
		free(t_);                            \
	} while (0)

#endif
