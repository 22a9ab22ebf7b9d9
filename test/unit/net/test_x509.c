/*
 * IP addresses in certificates: real ones, every cut and every changed byte of them, and DER that is not.
 */
#include <stdlib.h>

#include "base/file.h"
#include "net/pem.h"
#include "net/x509.h"
#include "unit/guard.h"
#include "unit/net/test_certs.h"

static struct tmp tmp;

static const unsigned char v4[4] = { 127, 0, 0, 1 };
static const unsigned char v6[16] = { [15] = 1 };

static struct str
load(const char *name)
{
	char *p;
	size_t n;

	assert_int_equal(file_read_all(tmp_path(&tmp, name), 65536, &p, &n), 0);
	return str_make(p, n);
}

static bool
has(struct str cert, const unsigned char *ip, size_t n)
{
	return x509_has_ip((const unsigned char *)cert.p, cert.n, ip, n);
}

static void
test_addresses(void **state)
{
	struct str good = load("good.der"), names = load("names.der"), ca = load("ca.der");
	static const unsigned char other[4] = { 127, 0, 0, 2 };
	static const unsigned char mapped[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };

	(void)state;
	assert_true(has(good, v4, 4));
	assert_true(has(good, v6, 16));
	assert_false(has(good, other, 4));
	assert_false(has(good, mapped, 16));
	assert_false(has(good, v4, 3));
	assert_false(has(good, v4, 0));
	assert_false(has(names, v4, 4)); /* names alone */
	assert_false(has(ca, v4, 4));    /* no alternative name at all */
	free((void *)(uintptr_t)good.p);
	free((void *)(uintptr_t)names.p);
	free((void *)(uintptr_t)ca.p);
}

static void
test_every_cut(void **state)
{
	struct str good = load("good.der");
	struct guard g;

	(void)state;
	guard_init(&g, good.n + 1);
	for (size_t n = 0; n < good.n; n++)
		assert_false(has(guard_tail(&g, str_sub(good, 0, n)), v4, 4));
	assert_true(has(guard_tail(&g, good), v4, 4));
	free((void *)(uintptr_t)good.p);
	guard_fini(&g);
}

static void
test_byte_behind(void **state)
{
	struct str good = load("good.der");
	char *longer = calloc(1, good.n + 1);

	(void)state;
	assert_non_null(longer);
	memcpy(longer, good.p, good.n);
	assert_false(has(str_make(longer, good.n + 1), v4, 4));
	free(longer);
	free((void *)(uintptr_t)good.p);
}

/* Whatever one byte becomes, nothing is read beyond the certificate. */
static void
test_every_byte_changed(void **state)
{
	static const unsigned char with[] = { 0x00, 0x7f, 0x80, 0x81, 0x84, 0xff };
	struct str good = load("good.der");
	struct guard g;
	struct str copy;

	(void)state;
	guard_init(&g, good.n);
	for (size_t i = 0; i < good.n; i++) {
		for (size_t k = 0; k < sizeof(with); k++) {
			copy = guard_tail(&g, good);
			((char *)(uintptr_t)copy.p)[i] = (char)with[k];
			(void)has(copy, v4, 4);
		}
	}
	free((void *)(uintptr_t)good.p);
	guard_fini(&g);
}

static const struct {
	const char *p;
	size_t n;
	int r;
	size_t length; /* of the value */
} der_cases[] = {
	{ "", 0, ERR_EOF, 0 },
	{ "\x04", 1, ERR_BAD, 0 },
	{ "\x04\x00", 2, 0, 0 },
	{ "\x04\x02xy", 4, 0, 2 },
	{ "\x04\x02xyz", 5, 0, 2 },
	{ "\x04\x03xy", 4, ERR_BAD, 0 },
	{ "\x04\x80xy\0\0", 6, ERR_BAD, 0 },           /* indefinite */
	{ "\x04\x81\x02xy", 5, ERR_BAD, 0 },           /* longer than need be */
	{ "\x04\x82\x00\x80", 4, ERR_BAD, 0 },         /* leading zero */
	{ "\x04\x85\x01\0\0\0\0", 7, ERR_BAD, 0 },     /* beyond four bytes */
	{ "\x04\x84\xff\xff\xff\xff", 6, ERR_BAD, 0 }, /* beyond the input */
	{ "\x04\x82\x01", 3, ERR_BAD, 0 },
	{ "\x1f\x01\x00", 3, ERR_BAD, 0 }, /* tag of several bytes */
	{ "\xbf\x01\x00", 3, ERR_BAD, 0 },
};

static void
test_der(void **state)
{
	struct guard g;

	(void)state;
	guard_init(&g, 64);
	for (size_t i = 0; i < ARRAY_LEN(der_cases); i++) {
		struct str s = guard_tail(&g, str_make(der_cases[i].p, der_cases[i].n));
		struct der in = { (const unsigned char *)s.p, s.n }, value;
		unsigned tag;
		int r = der_next(&in, &tag, &value);

		if (r != der_cases[i].r || (r == 0 && value.n != der_cases[i].length))
			fail_msg("case %zu: %d", i, r);
		if (r == 0)
			assert_int_equal(in.n, s.n - 2 - value.n);
	}
	guard_fini(&g);
}

static void
test_long_form(void **state)
{
	unsigned char buf[3 + 200] = { 0x30, 0x81, 200 };
	struct der in = { buf, sizeof(buf) }, value;
	unsigned tag;

	(void)state;
	assert_int_equal(der_next(&in, &tag, &value), 0);
	assert_int_equal(tag, 0x30);
	assert_int_equal(value.n, 200);
	assert_ptr_equal(value.p, buf + 3);
	assert_int_equal(in.n, 0);
	assert_int_equal(der_next(&in, &tag, &value), ERR_EOF);
}

/* ---- PEM ---- */

struct seen {
	unsigned blocks;
	char labels[128];
	unsigned char bytes[64];
	size_t n;
	int answer;
};

static int
see(void *arg, const char *label, const unsigned char *der, size_t n)
{
	struct seen *s = arg;

	s->blocks++;
	strcat(strcat(s->labels, label), ";");
	assert_true(s->n + n <= sizeof(s->bytes));
	memcpy(s->bytes + s->n, der, n);
	s->n += n;
	return s->answer;
}

static void
test_pem(void **state)
{
	static const char text[] =
	    "a preamble\n"
	    "-----BEGIN ONE-----\nAAEC\n-----END ONE-----\n"
	    "between\r\n"
	    "-----BEGIN TWO-----\r\nAwQ=\r\n-----END TWO-----"; /* no newline */
	struct seen s = { .blocks = 0 }, none = { .blocks = 0 }, stop = { .answer = ERR_DENIED };

	(void)state;
	assert_int_equal(pem_each(str_of(text), see, &s), 0);
	assert_int_equal(s.blocks, 2);
	assert_string_equal(s.labels, "ONE;TWO;");
	assert_int_equal(s.n, 5);
	assert_memory_equal(s.bytes, "\0\1\2\3\4", 5);
	assert_int_equal(pem_each(STR("nothing here\n"), see, &none), 0);
	assert_int_equal(pem_each(STR(""), see, &none), 0);
	assert_int_equal(none.blocks, 0);
	assert_int_equal(pem_each(str_of(text), see, &stop), ERR_DENIED);
	assert_int_equal(stop.blocks, 1);
}

static void
test_bad_pem(void **state)
{
	static const char *const bad[] = {
		"-----BEGIN ONE-----\nAAEC\n",                        /* no end */
		"-----BEGIN ONE-----\nAA!C\n-----END ONE-----\n",     /* not base64 */
		"-----BEGIN ONE-----\nAAE=AAEC\n-----END ONE-----\n", /* bytes behind the padding */
	};
	struct seen s = { .blocks = 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (pem_each(str_of(bad[i]), see, &s) != ERR_BAD)
			fail_msg("taken: %s", bad[i]);
	}
}

static int
setup(void **state)
{
	(void)state;
	certs_make(&tmp);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tmp_fini(&tmp);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_byte_behind),
		cmocka_unit_test(test_every_byte_changed),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_long_form),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_bad_pem),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
