/*
 * The crash points of the spool: the steps between which a process can die, by the names that SLUICE_CRASH takes (base/file.h).
 * The crash tests go through this table; a point that is not listed here is not tested.
 */
#ifndef SLUICE_SPOOL_POINTS_H
#define SLUICE_SPOOL_POINTS_H

/* A worker making a segment, committing to it, sealing it. */
#define SPOOL_POINTS_WRITER(X)     \
	X("spool.create.opened")   \
	X("spool.create.locked")   \
	X("spool.create.reserved") \
	X("spool.create.synced")   \
	X("spool.commit.reserved") \
	X("spool.commit.written")  \
	X("spool.commit.synced")   \
	X("spool.commit.wake")     \
	X("spool.seal.cut")        \
	X("spool.seal.synced")     \
	X("spool.seal.renamed")

/* A worker receiving a long body or an object. */
#define SPOOL_POINTS_UPLOAD(X)    \
	X("spool.upload.opened")  \
	X("spool.upload.body")    \
	X("spool.upload.headed")  \
	X("spool.upload.synced")  \
	X("spool.upload.renamed") \
	X("spool.upload.foldered")

/* The shipper taking over an orphan. */
#define SPOOL_POINTS_RECOVER(X)    \
	X("spool.recover.locked")  \
	X("spool.recover.cut")     \
	X("spool.recover.synced")  \
	X("spool.recover.renamed") \
	X("spool.recover.removed")

/* The shipper taking in a file of the origin gateway. */
#define SPOOL_POINTS_ORIGIN(X)     \
	X("spool.origin.copied")   \
	X("spool.origin.replaced") \
	X("spool.origin.renamed")

#endif
