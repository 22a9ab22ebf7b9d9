/*
 * See title.h. What ps shows is the memory that argv's strings lie in, one behind the other.
 */
#include "server/title.h"

#include <stdio.h>
#include <string.h>

static struct {
	char *start;
	size_t size;
} area;

void
title_init(int argc, char **argv)
{
	char *end;

	if (argc < 1)
		return;
	end = argv[0];
	for (int i = 0; i < argc && argv[i] == end; i++)
		end += strlen(end) + 1;
	area.start = argv[0];
	area.size = (size_t)(end - argv[0]);
}

void
title_set(const char *role)
{
	if (area.size == 0)
		return;
	memset(area.start, 0, area.size);
	snprintf(area.start, area.size, "sluice: %s", role);
}
