/* undo.h - taking the members of a dead node out of their rooms.
 *
 * Any number of nodes may be at the same dead one, and any may die half-way: the claim is
 * only a hint, what counts is undo.lua, which takes each user out once.
 */
#ifndef GATEWAY_UNDO_H
#define GATEWAY_UNDO_H

#include "gateway/index.h"
#include "gateway/store.h"

struct undo_job;

struct undo {
    struct store *store;
    struct index *index;
    struct metrics *metrics;
    struct undo_job *job; /* one dead node at a time */
};

void undo_init(struct undo *undo, struct store *store, struct index *index,
               struct metrics *metrics);

/* Forgets the job in progress; its calls come back to nobody. */
void undo_close(struct undo *undo);

bool undo_is_busy(const struct undo *undo);

/* Claims `node` and undoes it, if it has been silent for `silent_ms` (0: a former name of
 * our own). Ignored while busy. */
void undo_start(struct undo *undo, struct json_text node, uint64_t silent_ms);

/* Forgets `node` in Redis if none of its rooms is left; `on_done` in any case. */
void undo_bury(struct store *store, const char *node, redis_reply_fn on_done,
               void *data);

#endif
