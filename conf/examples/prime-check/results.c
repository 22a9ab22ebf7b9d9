/*
 * One line a result, appended and synced before the gateway hears that its message was dealt with:
 *
 *	key number is_prime time trace user email
 *
 * with "-" for what is not there. In memory a list in order, and a hash table over it.
 */
#include "results.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static FILE *file;
static struct result **list; /* oldest first */
static size_t count, list_size;
static size_t *table; /* index into list, plus one; 0: free */
static size_t table_size;

/* ---- in memory */

static size_t
slot_of(const char *key)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (const char *p = key; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	for (i = h % table_size; table[i]; i = (i + 1) % table_size)
		if (strcmp(list[table[i] - 1]->key, key) == 0)
			break;
	return i;
}

/* Room for one more, with the table at most half full. */
static int
make_room(void)
{
	size_t size = list_size ? list_size * 2 : 1024;
	struct result **longer;
	size_t *wider;

	if (count < list_size)
		return 0;
	longer = realloc(list, size * sizeof(*list));
	if (!longer)
		return -1;
	list = longer;
	wider = calloc(size * 2, sizeof(*table));
	if (!wider)
		return -1;
	free(table);
	table = wider;
	table_size = size * 2;
	list_size = size;
	for (size_t i = 0; i < count; i++)
		table[slot_of(list[i]->key)] = i + 1;
	return 0;
}

static int
remember(const struct result *r)
{
	struct result *copy = malloc(sizeof(*copy));

	if (!copy || make_room()) {
		free(copy);
		return -1;
	}
	*copy = *r;
	list[count++] = copy;
	table[slot_of(copy->key)] = count;
	return 0;
}

const struct result *
results_find(const char *key)
{
	size_t at = table_size ? table[slot_of(key)] : 0;

	return at ? list[at - 1] : NULL;
}

size_t
results_count(void)
{
	return count;
}

const struct result *
results_newest(size_t i)
{
	return list[count - 1 - i];
}

/* ---- on disk */

static const char *
or_dash(const char *s)
{
	return *s ? s : "-";
}

static void
no_dash(char *s)
{
	if (strcmp(s, "-") == 0)
		*s = '\0';
}

static bool
parse_line(const char *line, struct result *r)
{
	int prime;
	long long at;

	*r = (struct result){ .time = 0 };
	if (sscanf(line, "%64s %255s %d %lld %32s %128s %254s", r->key, r->number, &prime, &at,
		r->trace, r->user, r->email) != 7)
		return false;
	r->is_prime = prime;
	r->time = (time_t)at;
	no_dash(r->trace);
	no_dash(r->user);
	no_dash(r->email);
	return true;
}

/* Takes in all whole lines; returns where the last of them ends, or -1. */
static long
read_lines(void)
{
	char line[LINE_MAX_BYTES];
	struct result r;
	long end = 0;

	while (fgets(line, sizeof(line), file) && strchr(line, '\n')) {
		if (!parse_line(line, &r))
			fprintf(
			    stderr, "prime-check: passed over a line that is no result: %s", line);
		else if (!results_find(r.key) && remember(&r))
			return -1;
		end = ftell(file);
	}
	return end;
}

int
results_open(const char *path)
{
	long end;

	file = fopen(path, "a+");
	if (!file) {
		fprintf(stderr, "prime-check: open %s: %s\n", path, strerror(errno));
		return -1;
	}
	rewind(file);
	end = read_lines();
	if (end < 0 || ftruncate(fileno(file), end) || fseek(file, 0, SEEK_END)) {
		fprintf(stderr, "prime-check: read %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

int
results_add(const struct result *r)
{
	long end = ftell(file);

	fprintf(file, "%s %s %d %lld %s %s %s\n", r->key, r->number, r->is_prime,
	    (long long)r->time, or_dash(r->trace), or_dash(r->user), or_dash(r->email));
	if (fflush(file) == 0 && fsync(fileno(file)) == 0 && remember(r) == 0)
		return 0;
	fprintf(stderr, "prime-check: keep a result: %s\n", strerror(errno));
	clearerr(file);
	if (end < 0 || ftruncate(fileno(file), end))
		fprintf(stderr, "prime-check: undo it: %s\n", strerror(errno));
	return -1;
}

/* ---- shown */

void
results_print(const struct result *r, FILE *out)
{
	char time[32] = "";
	struct tm utc;

	if (gmtime_r(&r->time, &utc))
		strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ", &utc);
	fprintf(out,
	    "{\"id\":\"%s\",\"number\":\"%s\",\"is_prime\":%s,\"status\":\"completed\","
	    "\"message_id\":\"msg_%s_%lld\",\"trace_id\":\"%s\",\"created_at\":\"%s\"}",
	    r->key, r->number, r->is_prime ? "true" : "false", r->key, (long long)r->time, r->trace,
	    time);
}
