/* index_batch.h - rooms that are looked at before the fleet's indexes are written.
 *
 * A script names keys of one slot only (SPEC-SCALE S3), and the indexes stand elsewhere than the
 * rooms. So what is to be written is read first, by plain commands: of each room one value,
 * and where that does not tell, whether there is such a room.
 */
#ifndef GATEWAY_INDEX_BATCH_H
#define GATEWAY_INDEX_BATCH_H

#include "gateway/store.h"

enum { INDEX_BATCH_ROOMS = 100 };

struct index_batch;

/* For so many rooms, at most INDEX_BATCH_ROOMS. Frees itself after its last answer. Nothing is
 * written if a read fails. */
struct index_batch *index_batch_new(struct store *store, unsigned rooms_max);

/* The name is copied. */
void index_batch_add(struct index_batch *batch, const char *room, size_t len);

/* Writes each room's members, as they are now (lua/index.lua). */
void index_batch_write(struct index_batch *batch);

/* Takes those off that are gone (lua/unindex.lua), if they stand in rc:rooms; with `unscored` also
 * if they do not, but perhaps in rc:rooms:members. `on_reply` is only called if there are such,
 * with the rooms that this call took off. */
void index_batch_take_off(struct index_batch *batch, bool unscored,
                          redis_reply_fn on_reply, void *data);

#endif
