/*
 * The normal form of paths, with the choice that `merge_slashes` gives. Private to http/; see
 * http_normalise_path in head.h.
 */
#ifndef SLUICE_HTTP_PATH_H
#define SLUICE_HTTP_PATH_H

#include "base/base.h"

/* As http_normalise_path; merge false keeps repeated slashes; out NULL: ERR_NEED_MORE where it
 * would be needed. */
int path_normalise(struct str target, bool merge, char *out, struct str *path, struct str *query);

#endif
