/*
 * Certificates and keys for tests, made by openssl(1) in a folder of their own:
 *
 *	ca.pem         the authority that tests trust; other-ca.pem: one they do not
 *	good.pem       EC (key good.key, SEC1): good.example, *.wild.example, 127.0.0.1, ::1
 *	rsa.pem        RSA (rsa.key, PKCS#8; rsa1.key, PKCS#1): rsa.example, signed by an intermediate, which follows in the file
 *	names.pem      names.example alone, no address (key good8.key, PKCS#8)
 *	expired.pem    good.example, until yesterday
 *	stranger.pem   good.example, signed by other-ca
 */
#ifndef SLUICE_TEST_UNIT_NET_TEST_CERTS_H
#define SLUICE_TEST_UNIT_NET_TEST_CERTS_H

#include "unit/tmp.h"
#include "unit/unit.h"

static const char certs_script[] =
    "set -e; cd \"$1\"; exec 2>openssl.log;"
    "ec() { openssl ecparam -name prime256v1 -genkey -out $1; };"
    "authority() { ec $1.key; openssl req -x509 -new -key $1.key -subj /CN=$1 -days 3650 "
    "  -addext basicConstraints=critical,CA:TRUE -out $1.pem; };"
    "request() { openssl req -new -key $1 -subj /CN=$2 -addext \"$3\" -out x.csr; };"
    "sign() { openssl x509 -req -in x.csr -CA $1.pem -CAkey $1.key -days $2 "
    "  -copy_extensions copy -out $3; };"
    "authority ca; authority other-ca;"
    "ec good.key; openssl pkcs8 -topk8 -nocrypt -in good.key -out good8.key;"
    "san=subjectAltName=DNS:good.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1;"
    "request good.key good $san; sign ca 3650 good.pem; sign ca -1 expired.pem;"
    "sign other-ca 3650 stranger.pem;"
    "request good.key names subjectAltName=DNS:names.example; sign ca 3650 names.pem;"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key;"
    "openssl rsa -traditional -in rsa.key -out rsa1.key;"
    "openssl pkcs8 -topk8 -passout pass:secret -in rsa.key -out locked.key;"
    "ec middle.key; request middle.key middle basicConstraints=critical,CA:TRUE;"
    "sign ca 3650 middle.pem;"
    "request rsa.key rsa subjectAltName=DNS:rsa.example; sign middle 3650 leaf.pem;"
    "cat leaf.pem middle.pem >rsa.pem;"
    "openssl x509 -in good.pem -outform DER -out good.der;"
    "openssl x509 -in names.pem -outform DER -out names.der;"
    "openssl x509 -in ca.pem -outform DER -out ca.der;";

static inline void
certs_make(struct tmp *t)
{
	char command[sizeof(certs_script) + 128];

	tmp_init(t);
	snprintf(command, sizeof(command), "sh -c '%s' sh %s", certs_script, t->dir);
	if (system(command) != 0) {
		fprintf(stderr, "openssl(1) could not make the certificates: see %s/openssl.log\n",
		    t->dir);
		abort();
	}
}

#endif
