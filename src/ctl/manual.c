/*
 * See manual.h.
 */
#include "ctl/manual.h"

static const struct {
	const char *form, *help;
} globals[] = {
	{ "-s SOCKET", "the server's admin socket (default: " CTL_SOCKET ")" },
	{ "-u URL", "its admin API over http or https, with an API key of the role admin" },
	{ "-k FILE", "file that holds that key; without it the environment's SLUICE_API_KEY" },
	{ "--ca-file=FILE", "PEM file of trust anchors for https, in place of the system's" },
	{ "--json", "one JSON document in place of a table" },
	{ "-h", "help; -V: version" },
};

static void
put_form(FILE *out, const struct ctl_option *o)
{
	fprintf(out, "--%s", o->name);
	if (o->value != NULL && o->value[0] == '[')
		fprintf(out, "[=%.*s]", (int)strlen(o->value) - 2, o->value + 1);
	else if (o->value != NULL)
		fprintf(out, "=%s", o->value);
}

void
manual_usage(FILE *out)
{
	fputs("usage: sluicectl [-s SOCKET | -u URL] [--json] COMMAND …\n\n", out);
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		int n = fprintf(out, "  %s %s", c->name, c->args);

		fprintf(out, "%*s  %s\n", n < 22 ? 22 - n : 0, "", c->help);
	}
	fputc('\n', out);
	for (size_t i = 0; i < ARRAY_LEN(globals); i++)
		fprintf(out, "  %-20s  %s\n", globals[i].form, globals[i].help);
	fputs("\nexit status: 0 done, 1 refused or not found, 2 usage, 3 server not reachable\n",
	    out);
}

void
manual_command(FILE *out, const struct ctl_command *c)
{
	fprintf(out, "usage: sluicectl %s", c->name);
	for (const struct ctl_option *o = c->options; o && o->name; o++) {
		fputs(" [", out);
		put_form(out, o);
		fputc(']', out);
	}
	fprintf(out, "%s%s\n\n%s.\n", c->args[0] ? " " : "", c->args, c->help);
	if (c->details != NULL)
		fprintf(out, "%s\n", c->details);
	for (const struct ctl_option *o = c->options; o && o->name; o++) {
		fputs(o == c->options ? "\n  " : "  ", out);
		put_form(out, o);
		fprintf(out, "  %s\n", o->help);
	}
}

/* "keys new", or "keys": all of that group. */
int
help_run(struct ctl *ctl, const struct ctl_args *args)
{
	char name[128] = "";
	size_t n;
	bool found = false;

	(void)ctl;
	if (args->n == 0) {
		manual_usage(stdout);
		return CTL_DONE;
	}
	snprintf(name, sizeof(name), "%s%s%s", args->v[0], args->n > 1 ? " " : "",
	    args->n > 1 ? args->v[1] : "");
	n = strlen(name);
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		if (strncmp(c->name, name, n) != 0 || (c->name[n] && c->name[n] != ' '))
			continue;
		if (found)
			putchar('\n');
		manual_command(stdout, c);
		found = true;
	}
	return found ? CTL_DONE : ctl_complain(CTL_USAGE, "unknown command \"%s\"", name);
}

/* Text of which mdoc would make something else: a backslash, and a dot or a quote at the start of a line. */
static void
put_text(FILE *out, const char *text)
{
	if (text[0] == '.' || text[0] == '\'')
		fputs("\\&", out);
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", out);
		else
			fputc(*text, out);
}

void
manual_mdoc(FILE *out)
{
	fputs(".Sh OPTIONS\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < ARRAY_LEN(globals); i++)
		fprintf(out, ".It Li \"%s\"\n%s.\n", globals[i].form, globals[i].help);
	fputs(".El\n.Sh COMMANDS\n.Bl -tag -width Ds\n", out);
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		fprintf(out, ".It Ic \"%s\" Ar \"%s\"\n", c->name, c->args[0] ? c->args : " ");
		put_text(out, c->help);
		fputs(".\n", out);
		if (c->details != NULL) {
			put_text(out, c->details);
			fputc('\n', out);
		}
		if (c->options == NULL)
			continue;
		fputs(".Bl -tag -width Ds -compact\n", out);
		for (const struct ctl_option *o = c->options; o->name; o++) {
			fputs(".It Li ", out);
			put_form(out, o);
			fprintf(out, "\n%s.\n", o->help);
		}
		fputs(".El\n", out);
	}
	fputs(".El\n", out);
}
