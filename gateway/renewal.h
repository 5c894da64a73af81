/* renewal.h - keeping the rooms alive in Redis that have members here, and looking after the other
 * nodes that have members in them (SPEC-SCALE S3).
 *
 * Each room is renewed once in args_renew_ms. That also says that this node may have members in it.
 * A node that has said so for too long a time no more is reaped in the room, or, if its
 * heartbeat is fresh, told to look at the room. Only a node whose own renewals were answered for a
 * whole args_renew_ms without a break tells that of others: after an outage all are silent.
 */
#ifndef GATEWAY_RENEWAL_H
#define GATEWAY_RENEWAL_H

#include "gateway/reaper.h"
#include "gateway/store.h"

enum { RENEWAL_SLOTS = 256 };

struct renewals {
    struct store *store;
    struct reaper *reaper;
    struct list slots[RENEWAL_SLOTS]; /* rooms, by when they are renewed */
    unsigned slot;                    /* the last one that was */
    uint64_t now_ms;                  /* of the last renewals_run */
    uint64_t unbroken_ms;             /* since when all were answered; 0: not */
};

void renewals_init(struct renewals *renewals, struct store *store,
                   struct reaper *reaper);

/* The room is registered: it is renewed from now on. */
void renewals_keep(struct renewals *renewals, struct room *room);

/* Renews the rooms whose turn has come; each 100 ms, while Redis can be asked. */
void renewals_run(struct renewals *renewals, uint64_t now_ms);

/* Redis cannot be asked any more. */
void renewals_break(struct renewals *renewals);

/* Renews one room; ends in deliver_position. The room has a ref meanwhile. */
void renewals_renew(struct renewals *renewals, struct room *room);

#endif
