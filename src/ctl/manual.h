/*
 * Help on the terminal, and the same for the manual page, from the table of commands.
 */
#ifndef SLUICE_CTL_MANUAL_H
#define SLUICE_CTL_MANUAL_H

#include <stdio.h>

#include "ctl/ctl.h"

#define CTL_SOCKET "/var/lib/sluice/admin.sock" /* where no -s is given */

int help_run(struct ctl *ctl, const struct ctl_args *args);
/* How it is called, and the commands. */
void manual_usage(FILE *out);
void manual_command(FILE *out, const struct ctl_command *c);
/* The commands as the body of a man page. */
void manual_mdoc(FILE *out);

#endif
