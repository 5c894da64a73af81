/* handover.h - what one worker of a process tells another about a shard: what one wants of the
 * worker that reads the shard's notices, and what that one has for it (feed.h, bus.h).
 *
 * Within one thread it is a struct on the stack that borrows its texts. To other threads goes a
 * copy, immutable and shared by reference.
 */
#ifndef GATEWAY_HANDOVER_H
#define GATEWAY_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"

enum handover_kind {
    /* To the worker that reads. */
    HANDOVER_ATTACH, /* from now on it listens; what it asked for before is over */
    HANDOVER_DEAF,   /* the same, because its own notices do not come back */
    HANDOVER_DETACH, /* it has ended */
    HANDOVER_NODE,   /* `text`: the channel of its node */
    HANDOVER_SUBSCRIBE,
    HANDOVER_UNSUBSCRIBE, /* `text`: the rooms (handover_add_room) */

    /* From it. */
    HANDOVER_READY,     /* it may ask for rooms */
    HANDOVER_LOST,      /* `text`: why; nothing is subscribed any more */
    HANDOVER_CONFIRMED, /* it gets all notices of `room` that are published from now on */
    /* Of a cluster: it does not any more, until it is confirmed again. `text`: why, a byte that is an
     * enum metric_home. And of HANDOVER_CONFIRMED: a struct cluster_host, where. */
    HANDOVER_ENDED,
    HANDOVER_NOTICE,    /* `room`, `text` */
    HANDOVER_NODE_TEXT, /* `text`: what came by the channel of its node */
    /* Of a cluster, of all shards that this worker reads: `text`: a struct link_proof. */
    HANDOVER_PROOF,
};

struct handover {
    enum handover_kind kind;
    unsigned shard;
    unsigned worker; /* that listens: who asks, or who is told */
    /* Requests are counted by the worker that asks; what it is told has the number of the last one
     * that was taken before. */
    uint64_t number;
    uint64_t
        read_ns; /* of a notice that comes from another thread: uv_hrtime when it was read */
    struct json_text room, text;
    uint32_t room_hash; /* of a notice: map_hash */
};

/* A copy that threads share; the caller has the only reference. */
struct handover_copy;
struct handover_copy *handover_copy(const struct handover *what);

/* Borrowed from the copy. */
const struct handover *handover_of(const struct handover_copy *copy);

/* What it costs, all in all. */
size_t handover_bytes(const struct handover_copy *copy);

/* One reference more, and one less: the last one frees. From any thread. */
struct handover_copy *handover_ref(struct handover_copy *copy);
void handover_unref(struct handover_copy *copy);

/* Several rooms in one text. Takes the next one out of `text`; false: there is none. */
void handover_add_room(struct strbuf *out, const char *name, size_t len);
bool handover_take_room(struct json_text *text, struct json_text *room);

/* Whether it is for the worker that reads. */
static inline bool handover_is_request(const struct handover *what)
{
    return what->kind <= HANDOVER_UNSUBSCRIBE;
}

/* Whether it may be dropped, and the room read again: all else must come. */
static inline bool handover_may_be_dropped(const struct handover *what)
{
    return what->kind == HANDOVER_NOTICE || what->kind == HANDOVER_NODE_TEXT;
}

#endif
