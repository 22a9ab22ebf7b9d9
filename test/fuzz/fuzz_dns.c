/*
 * dns_decode_answer over any bytes. The first byte chooses the type asked for; identifier and question are put right in the message, so that
 * what follows them is reached.
 */
#include <stdlib.h>

#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str host = STR_INIT("a.example");
	struct addr out[DNS_MAX_ADDRS];
	unsigned char query[512], *message;
	uint32_t ttl = 0;
	uint16_t type;
	ssize_t q;
	int r;

	if (size == 0)
		return 0;
	type = data[0] & 1 ? DNS_AAAA : DNS_A;
	q = dns_encode_query(0x1234, host, type, query);
	size--;
	message = malloc(size > 0 ? size : 1);
	if (q < 0 || message == NULL)
		abort();
	memcpy(message, data + 1, size);
	if (size >= (size_t)q) {
		memcpy(message, query, 2);
		memcpy(message + 12, query + 12, (size_t)q - 12);
	}
	r = dns_decode_answer(message, size, 0x1234, host, type, out, &ttl);
	free(message);
	if (r == 0 || r > DNS_MAX_ADDRS)
		abort();
	for (int i = 0; i < r; i++) {
		char text[ADDR_TEXT_MAX];

		addr_text(&out[i], false, text);
		if (out[i].u.sa.sa_family != (type == DNS_A ? AF_INET : AF_INET6))
			abort();
	}
	return 0;
}
