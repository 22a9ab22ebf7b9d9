/*
 * A hint to the system: what was written to this stretch is to go to the disk soon, so that the sync at the end is short and many
 * uploads at once do not pile up dirty pages. Promises nothing; where there is no such call it does nothing.
 */
#ifndef SLUICE_SPOOL_WRITEBACK_H
#define SLUICE_SPOOL_WRITEBACK_H

#include "base/base.h"

void writeback_start(int fd, uint64_t at, uint64_t n);

#endif
