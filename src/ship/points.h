/*
 * The crash points of delivery: the steps between which the shipper can die, by the names that SLUICE_CRASH takes (base/file.h).
 * The crash tests go through this table; a point that is not listed here is not tested.
 */
#ifndef SLUICE_SHIP_POINTS_H
#define SLUICE_SHIP_POINTS_H

/* A bundle: steps 7 to 10. */
#define SHIP_POINTS_PACK(X)          \
	X("ship.claimed")            \
	X("ship.claim_synced")       \
	X("ship.list_written")       \
	X("ship.list_synced")        \
	X("ship.list_renamed")       \
	X("ship.list_folder_synced") \
	X("ship.part_written")       \
	X("ship.part_synced")        \
	X("ship.gz_renamed")         \
	X("ship.gz_folder_synced")   \
	X("ship.keys_synced")        \
	X("ship.source_unlinked")    \
	X("ship.sources_synced")

/* A bundle: steps 11 and 12. */
#define SHIP_POINTS_SEND(X)    \
	X("ship.n_fixed")      \
	X("ship.confirmed")    \
	X("ship.sent_renamed") \
	X("ship.sent_synced")  \
	X("ship.gz_unlinked")

/* A bundle that becomes a dead letter, and is sent again. */
#define SHIP_POINTS_LETTER(X)          \
	X("ship.tries_written")        \
	X("ship.letter_added")         \
	X("ship.letter_list_saved")    \
	X("ship.letter_list_unlinked") \
	X("ship.letter_unlinked")      \
	X("ship.letter_linked")        \
	X("ship.letter_back")          \
	X("ship.letter_ended")

/* An object. */
#define SHIP_POINTS_OBJECT(X)         \
	X("ship.object_claimed")      \
	X("ship.object_claim_synced") \
	X("ship.object_n_fixed")      \
	X("ship.object_confirmed")    \
	X("ship.object_unlinked")

#endif
