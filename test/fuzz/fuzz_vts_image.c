/*
 * Fuzzes the reader of dump files of the traffic statistics. What is accepted stays within the file and is written again as the same node;
 * keys of any kind make a bounded, printable name. The CRC is made right first where the input asks for it (its first byte is odd), so that
 * what stands behind it is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "status/vts_image.h"
#include "status/vts_priv.h"

static void
check_key(struct str raw)
{
	struct vts_key k;

	vts_key_set(&k, VTS_FILTER, raw, raw);
	require(k.n <= VTS_GROUP_MAX + 1 + VTS_KEY_MAX && k.name_at <= VTS_GROUP_MAX + 1);
	require(utf8_valid(vts_key_str(&k)) && k.bytes[k.name_at - 1] == 0);
	for (size_t i = 0; i < k.n; i++)
		require(i == k.name_at - 1 ||
			((unsigned char)k.bytes[i] >= 0x20 && k.bytes[i] != 0x7f));
}

static void
check_records(struct str records)
{
	static struct vts_image image, again;
	struct buf out;
	ssize_t used;

	for (; (used = vts_image_get(records, &image)) > 0;
	     records = str_from(records, (size_t)used)) {
		require((size_t)used <= records.n && image.key.p >= records.p &&
			image.key.p + image.key.n <= records.p + used);
		buf_init(&out, 0);
		vts_image_put(&out, &image);
		require(vts_image_get(buf_str(&out), &again) == (ssize_t)out.n);
		require(str_eq(again.key, image.key) && again.parts == image.parts);
		require(memcmp(&again.node, &image.node, sizeof(image.node)) == 0);
		require(memcmp(&again.code, &image.code, sizeof(image.code)) == 0);
		buf_fini(&out);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str records = { NULL, 0 };
	char *file;
	uint32_t crc;

	if (size < 1)
		return 0;
	check_key(str_make(data + 1, size - 1));
	file = malloc(size);
	require(file != NULL);
	memcpy(file, data + 1, size - 1);
	if ((data[0] & 1) && size > 5) {
		crc = crc32c(0, file, size - 5);
		for (unsigned i = 0; i < 4; i++)
			file[size - 5 + i] = (char)(crc >> (8 * i));
	}
	if (vts_image_check(str_make(file, size - 1), &records) == 0)
		check_records(records);
	free(file);
	return 0;
}
