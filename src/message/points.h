/*
 * The crash points of the delivery of messages: the steps between which the shipper can die, by the names that SLUICE_CRASH takes
 * (base/file.h). The crash tests go through these tables; a point that is not listed here is not tested.
 */
#ifndef SLUICE_MESSAGE_POINTS_H
#define SLUICE_MESSAGE_POINTS_H

/* The journal. */
#define MESSAGE_POINTS_JOURNAL(X)    \
	X("journal.append.reserved") \
	X("journal.append.written")  \
	X("journal.append.synced")   \
	X("journal.make.opened")     \
	X("journal.make.headed")     \
	X("journal.make.checkpoint") \
	X("journal.make.foldered")   \
	X("journal.old.removed")

/* One message, and the segment it was in. */
#define MESSAGE_POINTS_SEND(X) \
	X("message.sent")      \
	X("message.retry")     \
	X("message.buried")    \
	X("message.dead")      \
	X("message.unlinked")  \
	X("message.folder_synced")

/* A segment with a damaged stretch. */
#define MESSAGE_POINTS_DAMAGED(X) X("message.set_aside")

#endif
