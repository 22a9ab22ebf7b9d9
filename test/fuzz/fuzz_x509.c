/* The walk through a certificate over any bytes: an address that is found must stand in the input. */
#include <stdlib.h>

#include "net/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char v4[4] = { 127, 0, 0, 1 };
	static const unsigned char v6[16] = { [15] = 1 };

	if (x509_has_ip(data, size, v4, sizeof(v4)) && memmem(data, size, v4, sizeof(v4)) == NULL)
		abort();
	if (x509_has_ip(data, size, v6, sizeof(v6)) && memmem(data, size, v6, sizeof(v6)) == NULL)
		abort();
	return 0;
}
