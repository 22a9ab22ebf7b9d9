/*
 * Texts for what can go wrong with TLS: BearSSL's errors, the alerts of RFC 5246, our own. For logs and `why` texts.
 */
#include "net/tls_priv.h"

struct text {
	int code;
	const char *text;
};

static const struct text errors[] = {
	{ BR_ERR_BAD_PARAM, "bad parameter" },
	{ BR_ERR_BAD_STATE, "bad state" },
	{ BR_ERR_UNSUPPORTED_VERSION, "not TLS, or an unsupported version" },
	{ BR_ERR_BAD_VERSION, "record of another protocol version" },
	{ BR_ERR_BAD_LENGTH, "record of a wrong length" },
	{ BR_ERR_TOO_LARGE, "record too large" },
	{ BR_ERR_BAD_MAC, "record damaged (bad MAC)" },
	{ BR_ERR_NO_RANDOM, "no random numbers to be had" },
	{ BR_ERR_UNKNOWN_TYPE, "record of an unknown type" },
	{ BR_ERR_UNEXPECTED, "unexpected message" },
	{ BR_ERR_BAD_CCS, "malformed change of cipher" },
	{ BR_ERR_BAD_ALERT, "malformed alert" },
	{ BR_ERR_BAD_HANDSHAKE, "malformed handshake message" },
	{ BR_ERR_OVERSIZED_ID, "session identifier too long" },
	{ BR_ERR_BAD_CIPHER_SUITE, "no cipher suite in common" },
	{ BR_ERR_BAD_COMPRESSION, "compression asked for" },
	{ BR_ERR_BAD_FRAGLEN, "fragment length not as negotiated" },
	{ BR_ERR_BAD_SECRENEG, "renegotiation refused" },
	{ BR_ERR_EXTRA_EXTENSION, "extension nobody asked for" },
	{ BR_ERR_BAD_SNI, "malformed server name extension" },
	{ BR_ERR_BAD_HELLO_DONE, "malformed end of the server's hello" },
	{ BR_ERR_LIMIT_EXCEEDED, "key or message beyond limits" },
	{ BR_ERR_BAD_FINISHED, "handshake tampered with (bad Finished)" },
	{ BR_ERR_RESUME_MISMATCH, "resumed session with other parameters" },
	{ BR_ERR_INVALID_ALGORITHM, "unsupported algorithm" },
	{ BR_ERR_BAD_SIGNATURE, "bad signature on the key exchange" },
	{ BR_ERR_WRONG_KEY_USAGE, "certificate's key is not for this use" },
	{ BR_ERR_NO_CLIENT_AUTH, "client certificate missing" },
	{ BR_ERR_IO, "input/output error" },
	{ BR_ERR_X509_INVALID_VALUE, "certificate malformed" },
	{ BR_ERR_X509_TRUNCATED, "certificate truncated" },
	{ BR_ERR_X509_EMPTY_CHAIN, "no certificate sent" },
	{ BR_ERR_X509_INNER_TRUNC, "certificate malformed (inner length)" },
	{ BR_ERR_X509_BAD_TAG_CLASS, "certificate malformed (tag class)" },
	{ BR_ERR_X509_BAD_TAG_VALUE, "certificate malformed (tag)" },
	{ BR_ERR_X509_INDEFINITE_LENGTH, "certificate malformed (indefinite length)" },
	{ BR_ERR_X509_EXTRA_ELEMENT, "certificate malformed (extra element)" },
	{ BR_ERR_X509_UNEXPECTED, "certificate malformed (unexpected element)" },
	{ BR_ERR_X509_NOT_CONSTRUCTED, "certificate malformed (not constructed)" },
	{ BR_ERR_X509_NOT_PRIMITIVE, "certificate malformed (not primitive)" },
	{ BR_ERR_X509_PARTIAL_BYTE, "certificate malformed (bit string)" },
	{ BR_ERR_X509_BAD_BOOLEAN, "certificate malformed (boolean)" },
	{ BR_ERR_X509_OVERFLOW, "certificate malformed (number too large)" },
	{ BR_ERR_X509_BAD_DN, "certificate malformed (name)" },
	{ BR_ERR_X509_BAD_TIME, "certificate malformed (time)" },
	{ BR_ERR_X509_UNSUPPORTED, "certificate uses an unsupported feature" },
	{ BR_ERR_X509_LIMIT_EXCEEDED, "certificate's key or signature too large" },
	{ BR_ERR_X509_WRONG_KEY_TYPE, "certificate signed by a key of another type" },
	{ BR_ERR_X509_BAD_SIGNATURE, "certificate's signature is wrong" },
	{ BR_ERR_X509_TIME_UNKNOWN, "date unknown: certificate cannot be checked" },
	{ BR_ERR_X509_EXPIRED, "certificate expired or not yet valid" },
	{ BR_ERR_X509_DN_MISMATCH, "certificate chain out of order" },
	{ BR_ERR_X509_BAD_SERVER_NAME, "certificate is for another host" },
	{ BR_ERR_X509_CRITICAL_EXTENSION, "certificate has an unknown critical extension" },
	{ BR_ERR_X509_NOT_CA, "certificate signed by one that is no CA" },
	{ BR_ERR_X509_FORBIDDEN_KEY_USAGE, "certificate signed by a key not for signing" },
	{ BR_ERR_X509_WEAK_PUBLIC_KEY, "certificate's key is too short" },
	{ BR_ERR_X509_NOT_TRUSTED, "certificate of an unknown issuer" },
};

#define PEER "peer's alert: "

/* RFC 5246, 7.2, and RFC 6066, 7301 and 7507. */
static const struct text alerts[] = {
	{ 0, PEER "close notify" },
	{ 10, PEER "unexpected message" },
	{ 20, PEER "bad record MAC" },
	{ 21, PEER "decryption failed" },
	{ 22, PEER "record overflow" },
	{ 30, PEER "decompression failure" },
	{ 40, PEER "handshake failure" },
	{ 42, PEER "bad certificate" },
	{ 43, PEER "unsupported certificate" },
	{ 44, PEER "certificate revoked" },
	{ 45, PEER "certificate expired" },
	{ 46, PEER "certificate unknown" },
	{ 47, PEER "illegal parameter" },
	{ 48, PEER "unknown CA" },
	{ 49, PEER "access denied" },
	{ 50, PEER "decode error" },
	{ 51, PEER "decrypt error" },
	{ 70, PEER "protocol version" },
	{ 71, PEER "insufficient security" },
	{ 80, PEER "internal error" },
	{ 86, PEER "inappropriate fallback" },
	{ 90, PEER "user cancelled" },
	{ 100, PEER "no renegotiation" },
	{ 110, PEER "unsupported extension" },
	{ 112, PEER "unrecognised name" },
	{ 120, PEER "no application protocol" },
};

static const char *
find(const struct text *table, size_t n, int code, const char *otherwise)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].code == code)
			return table[i].text;
	}
	return otherwise;
}

/* A handshake that we ended with an alert: by its number, what was wrong with the peer's part. */
static const char *
sent_alert_text(int alert)
{
	switch (alert) {
	case 40:
		return "no version, cipher suite or key in common";
	case 70:
		return "protocol version not offered";
	case 120:
		return "no application protocol in common";
	default:
		return "handshake refused";
	}
}

const char *
tls_bearssl_text(int error)
{
	if (error >= BR_ERR_SEND_FATAL_ALERT)
		return sent_alert_text(error - BR_ERR_SEND_FATAL_ALERT);
	if (error >= BR_ERR_RECV_FATAL_ALERT)
		return find(
		    alerts, ARRAY_LEN(alerts), error - BR_ERR_RECV_FATAL_ALERT, PEER "unknown");
	return find(errors, ARRAY_LEN(errors), error, "unknown error");
}

const char *
tls_error_text(const struct conn *c)
{
	int error;

	if (c->tls == NULL)
		return "not a TLS connection";
	error = br_ssl_engine_last_error(&c->tls->u.engine);
	if (error != BR_ERR_OK)
		return tls_bearssl_text(error);
	return c->tls->failure == 0 ? "no error" : err_text(c->tls->failure);
}
