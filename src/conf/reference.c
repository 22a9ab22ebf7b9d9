/*
 * The reference manual, made from the rows: per module a list of directives with their form,
 * default, contexts and meaning, then what becomes of nginx's directives that we lack. Two writers
 * share one walk: the body of a man page (mdoc) and Markdown tables.
 */
#include <limits.h>

#include "conf/conf_priv.h"

struct writer {
	struct buf *out;
	bool mdoc;
	const struct conf_module *module; /* whose heading was written last */
};

/* Text with what the format would take for markup taken out of play. */
static void
put_text(struct writer *w, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];

		if (w->mdoc && ch == '\\')
			buf_puts(w->out, "\\e");
		else if (w->mdoc && (ch == '.' || ch == '\'') && i == 0)
			buf_printf(w->out, "\\&%c", ch);
		else if (!w->mdoc && (ch == '|' || ch == '<' || ch == '*' || ch == '_'))
			buf_printf(w->out, "\\%c", ch);
		else
			buf_putc(w->out, ch);
	}
}

static void
put_cstr(struct writer *w, const char *text)
{
	put_text(w, str_of(text));
}

/* The form of one argument: what its unit says. */
static void
put_argument(struct writer *w, const char *unit)
{
	struct str words = str_of(unit);

	if (!unit || !unit[0]) {
		put_cstr(w, "value");
	} else if (str_is(words, "flag")) {
		put_cstr(w, "on | off");
	} else if (str_is(words, "count")) {
		put_cstr(w, "number");
	} else if (str_starts(words, STR("enum:"))) {
		words = str_from(words, 5);
		while (words.p) {
			put_text(w, str_split(&words, '|'));
			if (words.p)
				put_cstr(w, " | ");
		}
	} else {
		put_text(w, words);
	}
}

static void
put_form(struct writer *w, const struct conf_row *row)
{
	if (row->max_args) {
		put_cstr(w, row->min_args ? " " : " [");
		put_argument(w, row->unit);
		if (row->max_args > 1)
			put_cstr(w, " ...");
		if (!row->min_args)
			put_cstr(w, "]");
	}
	put_cstr(w, row->flags & CONF_BLOCK ? " { ... }" : ";");
}

/* A sentence with its full stop. */
static void
put_help(struct writer *w, const struct conf_row *row)
{
	struct str help = str_of(row->help ? row->help : "");

	put_text(w, help);
	if (help.n > 0 && help.p[help.n - 1] != '.')
		buf_putc(w->out, '.');
}

static void
put_notes(struct writer *w, const struct conf_row *row)
{
	if (row->flags & CONF_REPEAT)
		put_cstr(w, " May stand several times.");
	if (row->flags & CONF_WARN)
		put_cstr(w, " Accepted, without effect.");
	if (row->flags & CONF_REFUSE)
		put_cstr(w, " Refused.");
	if (!(row->flags & (CONF_RELOAD | CONF_BLOCK | CONF_WARN | CONF_REFUSE)))
		put_cstr(w, " A change needs a restart.");
}

static void
mdoc_row(struct writer *w, const struct conf_row *row)
{
	buf_printf(w->out, ".It Ic %s", row->name);
	put_form(w, row);
	buf_puts(w->out, "\nContext: ");
	conf_put_contexts(w->out, row->contexts);
	if (row->default_ && row->default_[0]) {
		buf_puts(w->out, ".\nDefault: ");
		put_cstr(w, row->default_);
	}
	buf_puts(w->out, ".\n.br\n");
	put_help(w, row);
	put_notes(w, row);
	buf_putc(w->out, '\n');
}

static void
markdown_row(struct writer *w, const struct conf_row *row)
{
	buf_printf(w->out, "| `%s`", row->name);
	put_form(w, row);
	buf_puts(w->out, " | ");
	if (row->default_ && row->default_[0])
		put_cstr(w, row->default_);
	buf_puts(w->out, " | ");
	conf_put_contexts(w->out, row->contexts);
	buf_puts(w->out, " | ");
	put_help(w, row);
	put_notes(w, row);
	buf_puts(w->out, " |\n");
}

static void
put_heading(struct writer *w, const char *name)
{
	if (w->mdoc) {
		if (w->module)
			buf_puts(w->out, ".El\n");
		buf_printf(w->out, ".Ss Module %s\n.Bl -tag -width Ds\n", name);
		return;
	}
	buf_printf(w->out, "%s### Module %s\n\n", w->module ? "\n" : "", name);
	buf_puts(w->out, "| directive | default | contexts | meaning |\n|---|---|---|---|\n");
}

static void
put_row(const struct conf_row *row, const struct conf_module *module, void *arg)
{
	struct writer *w = arg;

	if (module != w->module)
		put_heading(w, module->name);
	w->module = module;
	if (w->mdoc)
		mdoc_row(w, row);
	else
		markdown_row(w, row);
}

/* The names of a group that no module has taken over; false if there are none. */
static bool
put_group_names(struct writer *w, const struct conf_row *row)
{
	struct str names = str_of(row->name);
	unsigned n = 0;

	while (names.p) {
		struct str one = str_split(&names, ' ');
		unsigned own = conf_contexts_of(one);
		bool taken = own && conf_find_row(one, own & -own) != row;

		if (taken)
			continue;
		if (n++)
			buf_puts(w->out, ", ");
		put_text(w, one);
	}
	return n > 0;
}

static void
put_group(struct writer *w, const struct conf_row *row)
{
	size_t start = w->out->n;

	buf_puts(w->out, w->mdoc ? ".It " : "| ");
	if (!put_group_names(w, row)) {
		w->out->n = start; /* all of it is implemented by now */
		return;
	}
	buf_puts(w->out, w->mdoc ? "\n" : " | ");
	buf_puts(w->out, row->flags & CONF_WARN ? "No effect: " : "Refused: ");
	put_cstr(w, row->help);
	buf_puts(w->out, w->mdoc ? ".\n" : " |\n");
}

static void
put_deviations(struct writer *w)
{
	buf_puts(w->out, w->mdoc ? ".Ss Deviations from nginx\n.Bl -tag -width Ds\n"
				 : "\n### Deviations from nginx\n\n"
				   "| in nginx's language | here |\n|---|---|\n");
	for (const struct conf_deviation *d = conf_deviations; d->directive; d++) {
		buf_puts(w->out, w->mdoc ? ".It " : "| ");
		put_cstr(w, d->directive);
		buf_puts(w->out, w->mdoc ? "\n" : " | ");
		put_cstr(w, d->here);
		buf_puts(w->out, w->mdoc ? ".\n" : " |\n");
	}
	if (w->mdoc)
		buf_puts(w->out, ".El\n");
}

void
conf_reference(struct buf *out, bool mdoc)
{
	struct writer w = { .out = out, .mdoc = mdoc };

	conf_each_row(put_row, &w);
	if (mdoc && w.module)
		buf_puts(out, ".El\n");
	put_deviations(&w);
	buf_puts(out, mdoc
			  ? ".Ss Directives of nginx that are not implemented\n.Bl -tag -width Ds\n"
			  : "\n### Directives of nginx that are not implemented\n\n"
			    "| directives | what becomes of them |\n|---|---|\n");
	for (const struct conf_row *row = conf_nginx_rows; row->name; row++)
		put_group(&w, row);
	if (mdoc)
		buf_puts(out, ".El\n");
}
