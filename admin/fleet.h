/* fleet.h - the nodes of the fleet and its totals, as they stand in Redis: in shard 0 where there are several.
 *
 * One view serves all who ask: it is read each second, and again for a request that finds it
 * older than FLEET_FRESH_MS; requests that come while it is read share the answer. Each
 * reading is also how the service knows that Redis answers.
 */
#ifndef ADMIN_FLEET_H
#define ADMIN_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "admin/db.h"
#include "admin/fleet_view.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/strbuf.h"

enum { FLEET_FRESH_MS = 100 };

/* Waits for a view; embedded by who asks. `ok` false: Redis does not answer. */
struct fleet_wait {
    struct list link;
    void (*on_view)(struct fleet_wait *wait, bool ok);
};

/* What is counted in each shard; the rest is shard 0's alone. */
struct fleet_shard {
    struct fleet *fleet;
    unsigned number;
    uint64_t rooms;
    bool is_counting, has_failed; /* the last time */
};

/* A node of `next` whose hash is asked for. */
struct fleet_question {
    struct fleet *fleet;
    size_t at;
};

struct fleet {
    uv_loop_t *loop;
    struct db *db;
    struct metrics *metrics;
    uv_timer_t tick;
    struct fleet_view view, next;
    struct fleet_shard shards[SHARD_OF_MAX];
    struct list waiting;  /* for this reading */
    struct strbuf sample; /* scratch */
    uint64_t read_at_ms;
    uint64_t now_ms;                  /* by Redis's clock, when it was read */
    size_t to_answer;                 /* of this step of the reading */
    struct fleet_question *questions; /* a node each */
    bool is_reading, has_failed;      /* something of this reading */
    bool is_up, is_writable;
    char replica[48];             /* how this process is called as a sampler */
    void (*on_read)(void *owner); /* after each reading, good or bad */
    void *owner;
};

/* `db` and `metrics` are borrowed. */
void fleet_init(struct fleet *fleet, uv_loop_t *loop, struct db *db,
                struct metrics *metrics, void (*on_read)(void *owner), void *owner);
void fleet_close(struct fleet *fleet);
void fleet_deinit(struct fleet *fleet);

/* A shard can be asked, and is; or cannot any more. */
void fleet_on_link(struct fleet *fleet, unsigned shard, bool is_up);

/* Calls wait->on_view with a view in fleet->view that is fresh, at once or later. */
void fleet_get(struct fleet *fleet, struct fleet_wait *wait);

/* Whether Redis (with several: shard 0; another) answered the last time; whether it also takes
 * writes. */
bool fleet_is_up(const struct fleet *fleet);
bool fleet_shard_is_up(const struct fleet *fleet, unsigned shard);
bool fleet_is_writable(const struct fleet *fleet);

/* JSON: the object of /api/stats; the array of /api/gateways. */
void fleet_add_stats(const struct fleet *fleet, struct strbuf *out);
void fleet_add_nodes(const struct fleet *fleet, struct strbuf *out);

#endif
