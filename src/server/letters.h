/*
 * The shipper's dead letters as a whole: the store, the jobs and rules that work on it, its upkeep, and the endpoints that show it. Opened once
 * shipper.lock is held, before delivery starts.
 */
#ifndef SLUICE_SERVER_LETTERS_H
#define SLUICE_SERVER_LETTERS_H

#include "admin/shipper.h"

struct letters;

/* dir: state_dir/dlq; c is borrowed for good. Starts the task that looks after the store. Parks. 0 or an error. */
int letters_open(struct conf *c, const char *dir, struct letters **out);
struct dlq *letters_store(struct letters *l);
/* Delivery has started: rules may send letters again from now on, and what the endpoints work on is there. 0 or ERR_NOMEM. */
int letters_serve(struct letters *l, struct ship *ship);

#endif
