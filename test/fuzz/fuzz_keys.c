/*
 * Keys files of any bytes: refused with a message, or each key found again by its name and told from every other.
 */
#include <stdlib.h>

#include "gate/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keys *k;
	struct buf errors;
	int err;

	buf_init(&errors, 0);
	err = keys_parse(str_make(data, size), "f", &k, &errors);
	if ((err == 0) != (k != NULL) || (err != 0) != (errors.n > 0))
		abort();
	for (size_t i = 0; err == 0 && i < keys_count(k); i++)
		if (keys_find_name(k, keys_at(k, i)->name) != keys_at(k, i))
			abort();
	if (err == 0)
		(void)keys_find(k, str_make(data, size));
	keys_free(k);
	buf_fini(&errors);
	return 0;
}
