/*
 * Checksums and digests against published vectors, in every variant this machine has; random
 * identifiers over fork.
 */
#include <bearssl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash_priv.h"
#include "unit/guard.h"
#include "unit/unit.h"

static const char *
hex(const void *p, size_t n)
{
	static char text[2 * SHA256_LEN + 1];
	struct buf b;

	buf_init_fixed(&b, text, sizeof(text));
	buf_put_hex(&b, p, n);
	return buf_cstr(&b);
}

/* RFC 3720, B.4, and the customary check value. */
static void
crc32c_vectors(void **state)
{
	unsigned char bytes[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c(0, NULL, 0), 0);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
	for (unsigned char i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
	for (unsigned char i = 0; i < 32; i++)
		bytes[i] = 31 - i;
	assert_int_equal(crc32c(0, bytes, 32), 0x113fdb5c);
}

static void
crc32c_variants_agree_at_any_split(void **state)
{
	crc32c_fn *hw = crc32c_hw();
	unsigned char bytes[131];
	struct guard g;
	struct str s;

	(void)state;
	random_bytes(bytes, sizeof(bytes));
	guard_init(&g, sizeof(bytes));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		uint32_t whole = crc32c(0, bytes, n);

		s = guard_tail(&g, str_make(bytes, n));
		assert_int_equal(crc32c(crc32c(0, s.p, n / 3), s.p + n / 3, n - n / 3), whole);
		assert_int_equal(~crc32c_table(~0u, (const unsigned char *)s.p, n), whole);
		if (hw)
			assert_int_equal(~hw(~0u, (const unsigned char *)s.p, n), whole);
	}
	guard_fini(&g);
}

/* FIPS 180-2, appendix B. */
static void
sha256_vectors(void **state)
{
	static const struct {
		const char *text, *digest;
	} vectors[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	unsigned char out[SHA256_LEN];
	char *million = malloc(1000000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		sha256(vectors[i].text, strlen(vectors[i].text), out);
		assert_string_equal(hex(out, sizeof(out)), vectors[i].digest);
	}
	assert_non_null(million);
	memset(million, 'a', 1000000);
	sha256(million, 1000000, out);
	assert_string_equal(hex(out, sizeof(out)),
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static void
sha256_at_any_length_and_split(void **state)
{
	unsigned char bytes[260], expected[SHA256_LEN], out[SHA256_LEN];

	(void)state;
	random_bytes(bytes, sizeof(bytes));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		br_sha256_context reference;

		br_sha256_init(&reference);
		br_sha256_update(&reference, bytes, n);
		br_sha256_out(&reference, expected);
		for (size_t cut = 0; cut <= n; cut += 7) {
			struct sha256 s;

			sha256_init(&s);
			sha256_update(&s, bytes, cut);
			sha256_update(&s, bytes + cut, n - cut);
			sha256_final(&s, out);
			assert_memory_equal(out, expected, SHA256_LEN);
		}
	}
}

static void
sha256_variants_agree(void **state)
{
	sha256_fn *hw = sha256_hw();
	uint32_t a[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, b[8];
	unsigned char bytes[64 * 5];
	struct guard g;
	struct str s;

	(void)state;
	if (!hw)
		skip();
	random_bytes(bytes, sizeof(bytes));
	guard_init(&g, sizeof(bytes));
	s = guard_tail(&g, str_make(bytes, sizeof(bytes)));
	memcpy(b, a, sizeof(a));
	hw(a, (const unsigned char *)s.p, 5);
	sha256_soft(b, (const unsigned char *)s.p, 5);
	assert_memory_equal(a, b, sizeof(a));
	guard_fini(&g);
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void
hmac_vectors(void **state)
{
	unsigned char out[SHA256_LEN];
	char key[131];

	(void)state;
	memset(key, 0x0b, 20);
	hmac_sha256(str_make(key, 20), STR("Hi There"), out);
	assert_string_equal(hex(out, sizeof(out)),
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
	assert_string_equal(hex(out, sizeof(out)),
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(str_make(key, sizeof(key)),
	    STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
	assert_string_equal(hex(out, sizeof(out)),
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* No published vectors are at hand for the 1-3 variant: its properties. */
static void
siphash_spreads_and_depends_on_all(void **state)
{
	const uint64_t k[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	const uint64_t other[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0909 };
	char bytes[20];

	(void)state;
	for (char i = 0; i < 20; i++)
		bytes[(int)i] = i;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		uint64_t h = hash_siphash13(k, str_make(bytes, n));

		assert_true(h != hash_siphash13(other, str_make(bytes, n)));
		assert_true(h != hash_siphash13(k, str_make(bytes, n + 1)));
		for (size_t i = 0; i < n; i++) {
			bytes[i] ^= 0x20;
			assert_true(h != hash_siphash13(k, str_make(bytes, n)));
			bytes[i] ^= 0x20;
		}
	}
	assert_true(hash_str(STR("a")) == hash_str(STR("a")));
	assert_true(hash_str(STR("a")) != hash_str(STR("b")));
}

static void
ids_as_text(void **state)
{
	struct id id, back;
	char text[2 * ID_LEN + 1];

	(void)state;
	assert_int_equal(id_parse(STR("00112233445566778899aabbccddeeff"), &id), 0);
	assert_int_equal(id.b[15], 0xff);
	id_text(id, text);
	assert_string_equal(text, "00112233445566778899aabbccddeeff");
	assert_int_equal(id_parse(STR("00112233445566778899AABBCCDDEEFF"), &id), ERR_BAD);
	assert_int_equal(id_parse(STR("00112233445566778899aabbccddeef"), &id), ERR_BAD);
	assert_int_equal(id_parse(STR("00112233445566778899aabbccddeefg"), &id), ERR_BAD);
	id = id_new();
	id_text(id, text);
	assert_int_equal(id_parse(str_of(text), &back), 0);
	assert_true(id_eq(id, back));
}

static void
ids_differ(void **state)
{
	enum { N = 1000 };
	static struct id ids[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		ids[i] = id_new();
		for (int j = 0; j < i; j++)
			assert_false(id_eq(ids[i], ids[j]));
	}
	assert_true(random_u64() != random_u64());
}

/* A child must not continue with the parent's pool. */
static void
ids_differ_after_fork(void **state)
{
	struct id ours, theirs;
	int pipes[2], status;
	pid_t pid;

	(void)state;
	id_new();
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		theirs = id_new();
		_exit(write(pipes[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	ours = id_new();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipes[0], &theirs, sizeof(theirs)), sizeof(theirs));
	assert_false(id_eq(ours, theirs));
	close(pipes[0]);
	close(pipes[1]);
}

static void
secrets(void **state)
{
	char secret[16] = "0123456789abcde";

	(void)state;
	assert_true(const_time_eq(STR("abc"), STR("abc")));
	assert_true(const_time_eq(str_make(NULL, 0), STR("")));
	assert_false(const_time_eq(STR("abc"), STR("abd")));
	assert_false(const_time_eq(STR("abc"), STR("Abc")));
	assert_false(const_time_eq(STR("abc"), STR("abcd")));
	wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_vectors),
		cmocka_unit_test(crc32c_variants_agree_at_any_split),
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(sha256_at_any_length_and_split),
		cmocka_unit_test(sha256_variants_agree),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(siphash_spreads_and_depends_on_all),
		cmocka_unit_test(ids_as_text),
		cmocka_unit_test(ids_differ),
		cmocka_unit_test(ids_differ_after_fork),
		cmocka_unit_test(secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
