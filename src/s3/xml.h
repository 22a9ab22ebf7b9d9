/*
 * A strict pull-parser for the small XML documents an S3 store answers with. Pure,
 * non-recursive, bounded: its output points into the input, elements nest at most XML_MAX_DEPTH
 * deep. Document type declarations are refused.
 */
#ifndef SLUICE_S3_XML_H
#define SLUICE_S3_XML_H

#include "base/buf.h"

#define XML_MAX_DEPTH 16

enum xml_event {
	XML_OPEN,  /* name: of the element, prefix included; attributes are checked and skipped */
	XML_TEXT,  /* text: as it stands in the document; cdata tells how to read it */
	XML_CLOSE, /* name */
	XML_END    /* the root element is closed and nothing but white space and comments follows */
};

struct xml {
	const char *p;
	size_t n, at; /* after ERR_BAD: at is where it went wrong */
	unsigned depth;
	bool rooted;     /* the root element was seen */
	bool close_next; /* private: <empty/> was opened */
	bool cdata;      /* of the last XML_TEXT */
	struct str name; /* of the last XML_OPEN, XML_CLOSE */
	struct str text; /* of the last XML_TEXT */
	struct str open[XML_MAX_DEPTH];
};

void xml_init(struct xml *x, struct str doc);
/* The next event, or ERR_BAD: not well-formed, cut off, or too deep. */
int xml_next(struct xml *x);
/* Appends the last XML_TEXT with entities and character references replaced. ERR_BAD for an
 * unknown one. */
int xml_put_text(const struct xml *x, struct buf *out);

/* What an S3 error document says. Longer values are cut; each ends in a zero byte. */
struct xml_s3_error {
	char code[64];
	char message[160];
	char region[40]; /* the bucket's, with some redirections and AuthorizationHeaderMalformed */
	char request_id[64];
};
/* 0, or ERR_BAD for anything but a well-formed document with the root <Error>. */
int xml_parse_s3_error(struct str doc, struct xml_s3_error *out);

#endif
