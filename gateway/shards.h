/* shards.h - all shards of a worker, and which one a room is in (SPEC-SCALE S2).
 *
 * With one Redis there is one. Knows neither clients nor their requests.
 */
#ifndef GATEWAY_SHARDS_H
#define GATEWAY_SHARDS_H

#include "common/cluster.h"
#include "gateway/link_canaries.h"
#include "gateway/marks.h"
#include "gateway/shard.h"

/* Of a cluster: see shards_fence.c. */
enum fence_state { FENCE_UNKNOWN, FENCE_OPEN, FENCE_CLOSED };

struct fence {
    enum fence_state state;
    _Atomic unsigned word; /* enum shard_mark_word; 0: it is not closed */
    bool is_asking;
    uint64_t begun_ms, asked_ms, ticked_ms;
};

struct shards {
    struct shard *all; /* by number */
    unsigned count;
    unsigned spread;    /* for shard_of */
    struct marks marks; /* of a list */
    bool is_cluster;
    /* The rest of a cluster, but for the count. */
    struct fence fence;
    struct cluster cluster;   /* calls */
    struct cluster_subs subs; /* notices of the shards that are read here */
    struct link_canaries canaries;
    const struct shard_hooks *hooks;
    void *owner; /* of the hooks */
    char command_name[48], notice_name[48];
    bool is_closing;
};

/* Of a fleet with these settings. */
unsigned shards_count(const struct config *config);

/* Makes room for as many as `config` has; `shards` is zeroed. From then on other threads may ask
 * shards_why_not_ready. */
void shards_init(struct shards *shards, const struct config *config);

/* Opens all; `opts->number` is set for each. */
void shards_open(struct shards *shards, const struct shard_opts *opts);

/* The rooms of all are of these classes from now on; again where they have changed. Borrowed. */
void shards_set_classes(struct shards *shards, const struct classes *classes);

/* The one that a room of this name is in. */
struct shard *shards_find(const struct shards *shards, struct json_text room);

/* shard_hooks.on_link. */
void shards_on_link(struct shards *shards, const struct shard *shard, bool is_ready);

/* Why a shard is not ready: adds a text without a line's end to `out`. False: it is. From any
 * thread. */
bool shards_why_not_ready(const struct shards *shards, unsigned number,
                          struct strbuf *out);

/* The same as shard_check_lease, shard_flush, shard_tick, shard_drain, shard_forget, shard_close and
 * shard_end, for all of them. */
void shards_check_lease(struct shards *shards);
void shards_flush(struct shards *shards, uint64_t now_ms);
void shards_tick(struct shards *shards, uint64_t now_ms);
void shards_drain(struct shards *shards);
void shards_forget(struct shards *shards);
void shards_close(struct shards *shards);
void shards_end(struct shards *shards);

/* In place of shards_tick once they are closed: what is read here for other workers. */
void shards_tick_reading(struct shards *shards, uint64_t now_ms);

/* Whether notices are read here for some worker. */
bool shards_are_reading(const struct shards *shards);

/* Frees the memory, once nobody holds a room. */
void shards_deinit(struct shards *shards);

/* Whether nobody is in a room of a shard that could be told. */
bool shards_are_empty(const struct shards *shards);

/* Starts the leave of all users that are in their grace. */
void shards_end_grace(struct shards *shards, uint64_t now_ms);

/* shards_cluster.c: for shards_open. */
void shards_open_cluster(struct shards *shards, const struct shard_opts *opts);

/* shards_fence.c: of a cluster. The second is as shards_why_not_ready. */
void shards_tick_fence(struct shards *shards, uint64_t now_ms);
bool shards_print_fence(const struct shards *shards, unsigned number,
                        struct strbuf *out);

/* Nobody listens to what is read here any more. */
void shards_close_reading(struct shards *shards);

#endif
