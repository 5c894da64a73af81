/* address_limits.h - how many connections one address may have (SPEC-PUBLIC P4): those that have proven
 * nothing yet, all of them, and new ones a second.
 *
 * One table a process, under a mutex, because an address comes to all workers. It is touched when a
 * connection comes, when it has proven who it is, and when it ends. IPv6 counts by /64. Of an address
 * that has no connection it is kept how many came lately, as long as there is room.
 */
#ifndef GATEWAY_ADDRESS_LIMITS_H
#define GATEWAY_ADDRESS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/address.h"
#include "common/config.h"
#include "common/list.h"
#include "common/map.h"
#include "common/metric_labels.h"
#include "gateway/token_bucket.h"

enum {
    ADDRESS_LIMITS_MAX = 65536, /* addresses in the table */
    ADDRESS_LIMITS_REFUSED =
        32, /* refused connections of one address at once that get an answer */
};

/* What a connection counts as. */
enum address_place {
    ADDRESS_PENDING,
    ADDRESS_SETTLED,
    ADDRESS_REFUSED,
    ADDRESS_PLACES
};

struct address_entry;

struct address_limits {
    uv_mutex_t mutex;
    uint32_t pending_max, connections_max,
        addresses_max; /* the first two: 0: no limit */
    struct token_bucket_rate rate;
    struct map entries;
    struct list idle; /* entries without a connection, the longest idle first */
    uint32_t now_ms;  /* of the last call: never back */
};

void address_limits_init(struct address_limits *limits, const struct config *config);
void address_limits_deinit(struct address_limits *limits);

/* Whether there is any limit; else nothing else is to be called. */
bool address_limits_are_on(const struct address_limits *limits);

/* A connection of `address` comes. *entry is what address_limits_leave is given later; NULL: it is
 * not counted, and must not be. False: it is refused, for *why; with *entry it may get an answer. */
bool address_limits_enter(struct address_limits *limits, const struct address *address,
                          uint32_t now_ms, struct address_entry **entry,
                          enum refused_connect *why);

/* One that was ADDRESS_PENDING is ADDRESS_SETTLED now. */
void address_limits_settle(struct address_limits *limits, struct address_entry *entry);

void address_limits_leave(struct address_limits *limits, struct address_entry *entry,
                          enum address_place from);

#endif
