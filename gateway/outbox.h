/* outbox.h - messages on their way to Redis: those of one room in one turn of the loop
 * go as one script call.
 *
 * One call a room is in flight, so messages of a connection keep their order whatever
 * happens to a call; what comes meanwhile waits for the next one.
 */
#ifndef GATEWAY_OUTBOX_H
#define GATEWAY_OUTBOX_H

#include "gateway/publish.h"

struct outbox {
    struct store *store;
    struct list dirty; /* rooms with something to send */
    uint64_t deadline_ms;
};

/* How it ended: PROTO_OK with seq and epoch, or why not. */
typedef void (*outbox_fn)(void *data, const struct room *room,
                          const struct publish_result *result, const char *epoch);

void outbox_init(struct outbox *outbox, struct store *store);

/* Queues a message; copies it. on_done comes later in any case. */
void outbox_add(struct outbox *outbox, struct room *room,
                const struct publish_message *message, uint64_t now_ms,
                outbox_fn on_done, void *data);

/* Sends what can be sent; once a turn of the loop. */
void outbox_flush(struct outbox *outbox, uint64_t now_ms);

/* Redis is away: what waits is answered `unavailable`. */
void outbox_fail(struct outbox *outbox);

#endif
