/* link_canaries.h - whether each link for notices of a worker proves itself (SPEC-SCALE S5): each second a script
 * that writes tells a channel of that master's, and what it tells must come by that link.
 *
 *     tick -> [a link with subscriptions] choose a number whose slot its master has -> SSUBSCRIBE
 *          -> each second the script -> the number comes back
 *          -> nothing for 3 s, or refused for so long: both links to that master are made again
 *
 * A slot that goes elsewhere or is refused is given up for another one at once. Nodes have canaries of their own
 * (node.h), by way of the worker that reads their shard; those tell of the master of a registry only.
 *
 * A canary that comes back also proves that all has come by this link which its master told before: each worker
 * that listens is handed that, in order with the notices (SPEC-SCALE S4).
 */
#ifndef GATEWAY_LINK_CANARIES_H
#define GATEWAY_LINK_CANARIES_H

#include "common/cluster.h"
#include "common/cluster_subs.h"

struct link_canary;

/* All that this master told before the moment, of uv_hrtime, has come. */
struct link_proof {
    struct cluster_host at;
    uint64_t sent_ns;
};

/* One a worker. */
struct link_canaries {
    struct cluster *cluster;
    struct cluster_subs *masters;
    uint64_t lease_ms;
    char name[40];            /* in the channels */
    struct link_canary **all; /* by number of the link, less 1 */
    unsigned count;
    uint64_t ticked_ms;
    struct redis_command cmd;
};

/* Both are borrowed, for life. */
void link_canaries_init(struct link_canaries *canaries, struct cluster *cluster,
                        struct cluster_subs *masters);
void link_canaries_deinit(struct link_canaries *canaries);

/* Every 100 ms. */
void link_canaries_tick(struct link_canaries *canaries, bool may_write,
                        uint64_t now_ms);

/* For cluster_subs' hooks; `find` NULL, `take` false: it is none of these channels. What it proves: sent_ns 0 for
 * nothing. */
struct cluster_sub *link_canaries_find(const struct link_canaries *canaries,
                                       struct json_text channel);
bool link_canaries_take(struct link_canaries *canaries, struct json_text channel,
                        struct json_text text, struct link_proof *proof);
void link_canaries_on_lost(struct link_canaries *canaries,
                           const struct cluster_subs_link *link);

#endif
