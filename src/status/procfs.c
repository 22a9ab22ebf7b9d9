/*
 * Reading /proc/PID. See procfs.h.
 */
#include "status/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAT_MAX 1024
/* Fields of /proc/PID/stat, as proc(5) numbers them. The first behind the name, which is in brackets and may hold anything, is 3. */
enum {
	FIELD_FIRST = 3,
	FIELD_UTIME = 14,
	FIELD_STIME = 15,
	FIELD_THREADS = 20,
	FIELD_VSIZE = 23,
	FIELD_RSS = 24
};

static int64_t
number(struct str text)
{
	uint64_t v;

	return str_to_u64(text, &v) == 0 && v <= INT64_MAX / 1024 ? (int64_t)v : -1;
}

/* a times b over c, or -1 where a is. */
static int64_t
scaled(int64_t a, int64_t b, int64_t c)
{
	return a < 0 ? -1 : a * b / c;
}

void
procfs_parse_stat(struct str text, int64_t ticks_a_second, int64_t page, struct procfs *out)
{
	int64_t user = -1, system = -1;
	struct str rest = str_from(text, (size_t)(str_rfind(text, ')') + 2));

	for (unsigned field = FIELD_FIRST; rest.n > 0 && field <= FIELD_RSS; field++) {
		struct str word = str_split(&rest, ' ');

		if (field == FIELD_UTIME)
			user = number(word);
		else if (field == FIELD_STIME)
			system = number(word);
		else if (field == FIELD_THREADS)
			out->threads = number(word);
		else if (field == FIELD_VSIZE)
			out->virtual = number(word);
		else if (field == FIELD_RSS)
			out->resident = scaled(number(word), page, 1);
	}
	if (user >= 0 && system >= 0)
		out->cpu_ms = scaled(user + system, 1000, ticks_a_second);
}

static void
read_stat(int32_t pid, struct procfs *out)
{
	char path[64], text[STAT_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n > 0)
		procfs_parse_stat(
		    str_make(text, (size_t)n), sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE), out);
}

static int64_t
count_entries(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int64_t n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Newer kernels say it as the folder's size; of older ones each descriptor is counted. */
static int64_t
count_fds(int32_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (stat(path, &st) != 0)
		return -1;
	return st.st_size > 0 ? (int64_t)st.st_size : count_entries(path);
}

void
procfs_read(int32_t pid, struct procfs *out)
{
	*out = (struct procfs){ -1, -1, -1, -1, -1 };
	read_stat(pid, out);
	out->fds = count_fds(pid);
}
