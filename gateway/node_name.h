/* node_name.h - the name of this worker in Redis, and the one before it.
 *
 * A name is of one life: `<hostname>-<pid>-<8 random hex>.<worker>`, kept in store->node. A node
 * that is declared dead, or could not end what was sent under its name, takes another one. What the
 * former name leaves in Redis is reaped once the members are told under the new one.
 */
#ifndef GATEWAY_NODE_NAME_H
#define GATEWAY_NODE_NAME_H

#include <stdbool.h>

#include "common/strbuf.h"
#include "gateway/bus.h"
#include "gateway/reaper.h"
#include "gateway/room.h"
#include "gateway/store.h"

struct node_name {
    struct store *store; /* has the name; borrowed, as the others */
    struct bus *bus;     /* listens under it */
    struct rooms *rooms; /* are told under it */
    unsigned worker;
    bool is_known;               /* Redis has a heartbeat under it */
    char former[STORE_NODE_MAX]; /* a name that is to be reaped; empty: none */
    struct strbuf
        former_rooms; /* where it may be in: a byte for the length, the name */
};

/* There is no name yet. */
void node_name_init(struct node_name *name, struct store *store, struct bus *bus,
                    struct rooms *rooms, unsigned worker);
void node_name_deinit(struct node_name *name);

bool node_name_is_chosen(const struct node_name *name);

/* Takes the first one. */
void node_name_choose(struct node_name *name);

/* Notes the name as the former one, with the rooms of now. One that was noted before and is not
 * reaped yet is left to its lease. */
void node_name_note_former(struct node_name *name);

/* Then: takes another one. `why` is for the log. */
void node_name_replace(struct node_name *name, const char *why);

/* Reaps the former name, if there is one, the reaper is free and all rooms are synced: else its
 * members would be seen leaving. */
void node_name_reap_former(struct node_name *name, struct reaper *reaper);

#endif
