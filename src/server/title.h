/*
 * The name of a process as ps and top show it: "sluice: worker". For operators and for tests, which find a role by it.
 */
#ifndef SLUICE_SERVER_TITLE_H
#define SLUICE_SERVER_TITLE_H

/* Once, first thing in main(). */
void title_init(int argc, char **argv);
/* Overwrites this process's own copy of the command line, so nothing may use argv any more: for children. A title that is longer than
 * the command line is cut. Without effect where ps does not look there. */
void title_set(const char *role);

#endif
