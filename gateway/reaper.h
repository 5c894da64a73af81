/* reaper.h - taking the members of a dead node out of their rooms.
 *
 * Any number of nodes may be at the same dead one, and any may die half-way: the claim is
 * only a hint, what counts is reap.lua, which takes each user out once.
 */
#ifndef GATEWAY_REAPER_H
#define GATEWAY_REAPER_H

#include "gateway/index.h"
#include "gateway/store.h"

struct reap_job;

struct reaper {
    struct store *store;
    struct index *index;
    struct metrics *metrics;
    struct reap_job *job; /* one dead node at a time */
};

void reaper_init(struct reaper *reaper, struct store *store, struct index *index,
                 struct metrics *metrics);

/* Forgets the job in progress; its calls come back to nobody. */
void reaper_close(struct reaper *reaper);

bool reaper_is_busy(const struct reaper *reaper);

/* Claims `node` and reaps it, if it has been silent for `silent_ms` (0: a former name of
 * our own). Ignored while busy. */
void reaper_start(struct reaper *reaper, struct json_text node, uint64_t silent_ms);

/* Forgets `node` in Redis if none of its rooms is left; `on_done` in any case. */
void reaper_forget(struct store *store, const char *node, redis_reply_fn on_done,
                   void *data);

#endif
