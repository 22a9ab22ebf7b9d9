/*
 * The kinds of destination there are.
 */
#include "sink/sink.h"

#include "sink/dir.h"
#include "sink/http.h"
#include "sink/s3.h"
#include "sink/smtp.h"

const struct sink_ops *
sink_find_kind(struct str kind)
{
	static const struct sink_ops *const kinds[] = { &s3_ops, &dir_ops, &http_ops, &smtp_ops };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_is(kind, kinds[i]->kind))
			return kinds[i];
	return NULL;
}
