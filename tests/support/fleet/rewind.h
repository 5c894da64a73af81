/* rewind.h - Redis goes back to an older state while ann and bob talk in the room `r`: one Redis, or the master
 * of a Redis Cluster that has the room. What was acked or changed and is gone is said by `reset`.
 *
 *     struct rewind ways = {&fleet, NULL, 100};
 *
 *     rewind_past_a_tail(&ways);
 *
 * The fleet has two gateways without a grace.
 */
#ifndef TESTS_SUPPORT_FLEET_REWIND_H
#define TESTS_SUPPORT_FLEET_REWIND_H

#include <stdbool.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cluster.h"

enum { REWIND_PATIENCE_MS = 30000 };

/* All borrowed. */
struct rewind {
    struct fleet *fleet;
    struct redis_cluster
        *cluster; /* in place of the fleet's Redis, without replicas; NULL: none */
    int limit;    /* ROOMCAST_HISTORY_LIMIT */
};

/* ---- whole tests ---- */

/* Somebody writes on past a lost tail while the other gateway stands still. */
void rewind_past_a_tail(const struct rewind *rewind);

/* Only changes are lost: no message was said. */
void rewind_changes(const struct rewind *rewind);

/* A kick and a deletion are lost, one of two users was put out meanwhile. */
void rewind_orders(const struct rewind *rewind, struct admin *admin);

/* A kick and a ban that one gateway did not hear; then another one remakes the room. */
void rewind_unheard_orders(const struct rewind *rewind, struct admin *admin);

/* ---- what they consist of ---- */

/* What Redis has from now on is lost by rewind_restart. */
void rewind_save(const struct rewind *rewind);
void rewind_restart(const struct rewind *rewind);

/* Ann says it, and both have it; `bob` may be NULL. */
double rewind_say(struct chat *ann, struct chat *bob, const char *text);
void rewind_say_some(struct chat *ann, struct chat *bob, int count, const char *what);

/* Again until it is acked, past errors, resets and whatever else is told meanwhile. */
void rewind_say_past(struct chat *chat, const char *text, bool *was_reset);

void rewind_expect_reset(struct chat *chat, bool was_reset);

/* After all of it, the room is well for both. */
void rewind_expect_well(const struct rewind *rewind, struct chat *ann,
                        struct chat *bob);

#endif
