/*
 * A strict walk through a certificate to its subject alternative name:
 *
 *	Certificate ::= SEQUENCE { tbsCertificate SEQUENCE {
 *	    version [0] OPTIONAL, serialNumber INTEGER, signature SEQUENCE, issuer SEQUENCE, validity SEQUENCE, subject SEQUENCE,
 *	    subjectPublicKeyInfo SEQUENCE, issuerUniqueID [1] OPTIONAL, subjectUniqueID [2] OPTIONAL, extensions [3] { SEQUENCE OF
 *	        SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN OPTIONAL, extnValue OCTET STRING } } OPTIONAL }, … }
 *	SubjectAltName ::= SEQUENCE OF GeneralName, of which iPAddress is [7] OCTET STRING
 */
#include "net/x509.h"

enum {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_VERSION = 0xA0,
	TAG_ISSUER_ID = 0x81,
	TAG_SUBJECT_ID = 0x82,
	TAG_EXTENSIONS = 0xA3,
	TAG_IP_ADDRESS = 0x87
};

static const unsigned char oid_san[] = { 0x55, 0x1D, 0x11 }; /* 2.5.29.17 */

/* Bytes that the length field took, or ERR_BAD. */
static int
read_length(const unsigned char *p, size_t n, size_t *length)
{
	size_t digits, v = 0;

	if (n == 0)
		return ERR_BAD;
	if (p[0] < 0x80) {
		*length = p[0];
		return 1;
	}
	digits = p[0] & 0x7F;
	if (digits == 0 || digits > 4 || digits >= n || p[1] == 0)
		return ERR_BAD;
	for (size_t i = 1; i <= digits; i++)
		v = v << 8 | p[i];
	if (v < 0x80)
		return ERR_BAD;
	*length = v;
	return (int)digits + 1;
}

int
der_next(struct der *in, unsigned *tag, struct der *value)
{
	size_t length;
	int head;

	if (in->n == 0)
		return ERR_EOF;
	*tag = in->p[0];
	if ((*tag & 0x1F) == 0x1F)
		return ERR_BAD;
	head = read_length(in->p + 1, in->n - 1, &length);
	if (head < 0 || length > in->n - 1 - (size_t)head)
		return ERR_BAD;
	*value = (struct der){ in->p + 1 + head, length };
	in->p += 1 + (size_t)head + length;
	in->n -= 1 + (size_t)head + length;
	return 0;
}

/* The next element, which must have this tag. */
static bool
expect(struct der *in, unsigned tag, struct der *value)
{
	unsigned got;

	return der_next(in, &got, value) == 0 && got == tag;
}

/* Passes over the next element if it has this tag. False if the input is malformed. */
static bool
skip_optional(struct der *in, unsigned tag)
{
	struct der value;

	return in->n == 0 || in->p[0] != tag || expect(in, tag, &value);
}

/* From the whole certificate to the sequence of its extensions. False if it is malformed or has none. */
static bool
find_extensions(struct der cert, struct der *out)
{
	static const unsigned fields[] = { TAG_INTEGER, TAG_SEQUENCE, TAG_SEQUENCE, TAG_SEQUENCE,
		TAG_SEQUENCE, TAG_SEQUENCE };
	struct der whole, tbs, value;

	if (!expect(&cert, TAG_SEQUENCE, &whole) || cert.n != 0)
		return false;
	if (!expect(&whole, TAG_SEQUENCE, &tbs) || !skip_optional(&tbs, TAG_VERSION))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!expect(&tbs, fields[i], &value))
			return false;
	}
	if (!skip_optional(&tbs, TAG_ISSUER_ID) || !skip_optional(&tbs, TAG_SUBJECT_ID))
		return false;
	return expect(&tbs, TAG_EXTENSIONS, &value) && tbs.n == 0 &&
	       expect(&value, TAG_SEQUENCE, out) && value.n == 0;
}

/* From the extensions to the GeneralNames. False if malformed or not among them. */
static bool
find_san(struct der extensions, struct der *out)
{
	struct der extension, oid, octets;

	while (expect(&extensions, TAG_SEQUENCE, &extension)) {
		if (!expect(&extension, TAG_OID, &oid) || !skip_optional(&extension, TAG_BOOLEAN) ||
		    !expect(&extension, TAG_OCTETS, &octets) || extension.n != 0)
			return false;
		if (oid.n == sizeof(oid_san) && memcmp(oid.p, oid_san, oid.n) == 0)
			return expect(&octets, TAG_SEQUENCE, out) && octets.n == 0;
	}
	return false;
}

bool
x509_has_ip(const unsigned char *cert, size_t n, const unsigned char *ip, size_t ip_len)
{
	struct der extensions, names, name;
	unsigned tag;
	bool found = false;
	int r;

	if (!find_extensions((struct der){ cert, n }, &extensions) || !find_san(extensions, &names))
		return false;
	while ((r = der_next(&names, &tag, &name)) == 0) {
		if (tag == TAG_IP_ADDRESS && name.n == ip_len && memcmp(name.p, ip, ip_len) == 0)
			found = true;
	}
	return found && r == ERR_EOF;
}
