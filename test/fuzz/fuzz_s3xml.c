/* s3/xml over any bytes: what it says must lie within the input, and its fields must be strings. */
#include <stdlib.h>

#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str doc = str_make(data, size);
	struct xml_s3_error e;
	struct xml x;
	int event;

	xml_init(&x, doc);
	while ((event = xml_next(&x)) != XML_END && event >= 0) {
		struct str said = event == XML_TEXT ? x.text : x.name;

		if (x.at > size || x.depth > XML_MAX_DEPTH || said.p < doc.p ||
		    said.p + said.n > doc.p + doc.n)
			abort();
	}
	if (xml_parse_s3_error(doc, &e) == 0 &&
	    (event != XML_END || strlen(e.code) >= sizeof(e.code) ||
		strlen(e.message) >= sizeof(e.message)))
		abort();
	return 0;
}
