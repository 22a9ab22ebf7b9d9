/*
 * Fuzzes expressions: the first line of the input is the pattern, the rest the text. Compiling ends
 * with an expression or a reason; matching stays inside, twice the same, and what matches in a part
 * of the text without anchors in the pattern matches in the whole.
 */
#include <stdlib.h>

#include "base/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size), pattern = str_split(&text, '\n');
	bool anchored = str_find(pattern, '^') >= 0 || str_find(pattern, '$') >= 0;
	struct expr *e;
	const char *why = NULL;
	bool whole;

	if (expr_new(pattern, size & 1, &e, &why) < 0) {
		if (e || !why)
			abort();
		return 0;
	}
	whole = expr_match(e, text);
	if (whole != expr_match(e, text))
		abort();
	if (!anchored && !whole && expr_match(e, str_sub(text, text.n / 4, text.n / 2)))
		abort();
	expr_free(e);
	return 0;
}
