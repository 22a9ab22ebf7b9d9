/*
 * The crash points of the journal: the steps between which the shipper can die, by the names that SLUICE_CRASH takes (base/file.h). The crash
 * tests go through this table.
 */
#ifndef SLUICE_MESSAGE_POINTS_H
#define SLUICE_MESSAGE_POINTS_H

#define MESSAGE_POINTS_JOURNAL(X)    \
	X("journal.append.reserved") \
	X("journal.append.written")  \
	X("journal.append.synced")   \
	X("journal.make.opened")     \
	X("journal.make.headed")     \
	X("journal.make.checkpoint") \
	X("journal.make.foldered")   \
	X("journal.old.removed")

#endif
