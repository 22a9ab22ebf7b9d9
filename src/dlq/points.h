/*
 * The crash points of the dead letters: the steps between which the shipper can die, by the names that SLUICE_CRASH takes (base/file.h). The crash
 * tests go through this table; a point that is not listed here is not tested.
 */
#ifndef SLUICE_DLQ_POINTS_H
#define SLUICE_DLQ_POINTS_H

#define DLQ_POINTS(X)               \
	X("dlq.created")            \
	X("dlq.rotated")            \
	X("dlq.reserved")           \
	X("dlq.letters_written")    \
	X("dlq.written")            \
	X("dlq.synced")             \
	X("dlq.folder_synced")      \
	X("dlq.applied")            \
	X("dlq.file.written")       \
	X("dlq.file.synced")        \
	X("dlq.file.renamed")       \
	X("dlq.file.linked")        \
	X("dlq.file.list_linked")   \
	X("dlq.file.folder_synced") \
	X("dlq.file.removed")       \
	X("dlq.compact.gathered")   \
	X("dlq.compact.copied")     \
	X("dlq.compact.unlinked")

#endif
