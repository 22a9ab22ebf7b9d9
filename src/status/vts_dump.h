/*
 * The dump file: written by vts_dump.c, read by vts_restore.c, both in the janitor. Private to the vts files.
 */
#ifndef SLUICE_STATUS_VTS_DUMP_H
#define SLUICE_STATUS_VTS_DUMP_H

#include "base/base.h"

/* Longest path, with its zero byte. */
#define VTS_DUMP_PATH_MAX 1024

/* Replaces the file by what all nodes show now. On a task; parks. 0, or an error after a log line. */
int vts_dump_write(struct str path);

/*
 * Puts what the file holds into the zone, which never held statistics before: into blocks of this process. A missing file is an empty one;
 * what is not a dump of ours, or is damaged, is renamed to PATH.bad with a log line. On a task; parks. 0: the file is in the zone, or aside,
 * and may be replaced. Beginning again after a crash in the middle leads to the same.
 */
int vts_restore(struct str path);

#endif
