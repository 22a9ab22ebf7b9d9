/*
 * posix_fadvise(POSIX_FADV_DONTNEED) makes Linux and the BSDs start writing dirty pages; errors of that writing are reported by the next
 * fdatasync all the same, which is why not sync_file_range: that one takes the report away from it.
 */
#include "spool/writeback.h"

#include <fcntl.h>

#ifdef POSIX_FADV_DONTNEED

void
writeback_start(int fd, uint64_t at, uint64_t n)
{
	(void)posix_fadvise(fd, (off_t)at, (off_t)n, POSIX_FADV_DONTNEED);
}

#else

void
writeback_start(int fd, uint64_t at, uint64_t n)
{
	(void)fd;
	(void)at;
	(void)n;
}

#endif
