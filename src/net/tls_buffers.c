/*
 * The buffers of TLS connections with records in flight. They come and go with every request, between small things that stay, which
 * would leave a heap full of holes after a busy moment; so they are mapped, and a few are kept for the next one.
 */
#include <sys/mman.h>

#include "net/tls_priv.h"

#define KEPT 32

static unsigned char *kept[KEPT];
static unsigned kept_n;

unsigned char *
tls_buffers_get(void)
{
	void *p;

	if (kept_n > 0)
		return kept[--kept_n];
	p = mmap(
	    NULL, TLS_BUFFERS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED ? p : NULL;
}

void
tls_buffers_put(unsigned char *p)
{
	if (p == NULL)
		return;
	if (kept_n < KEPT)
		kept[kept_n++] = p;
	else
		munmap(p, TLS_BUFFERS_SIZE);
}
