/* outgoing.h - what was said in a room and does not stand in its conversation yet, in the order
 * said.
 *
 *     waiting -> sent -> acked -> (the message itself comes) -> gone
 *        ^        |  \-> refused for good: gone
 *        +--------+ connection lost, or Redis did not take it: again, with the same key
 *
 * chat_room sends from one until each is acked; a model shows from one until each message has
 * come. A message of the server carries no key, and which of ack and message comes first is not
 * fixed: where the message does, the oldest one of ours that waits is hidden if it has that text,
 * so that nothing is shown twice; the ack then says whether that was right.
 *
 * No socket and no clock here.
 */
#ifndef CLIENT_OUTGOING_H
#define CLIENT_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

enum outgoing_state { OUTGOING_WAITING, OUTGOING_SENT, OUTGOING_ACKED };

struct outgoing_entry {
    struct list link;
    uint64_t id; /* of chat_client_say */
    enum outgoing_state state;
    unsigned times;   /* it was sent */
    uint64_t seq;     /* acked: of its message, which has not come yet */
    uint64_t came_as; /* the number of the message that seems to be this one; 0: none */
    char *text;       /* owned */
};

struct outgoing {
    struct list entries;
    size_t count, sent;
};

void outgoing_init(struct outgoing *o);
void outgoing_deinit(struct outgoing *o);

/* Adds one that waits; copies `len` bytes. */
void outgoing_say(struct outgoing *o, uint64_t id, const char *text, size_t len);

/* NULL: it is not here any more. */
struct outgoing_entry *outgoing_find(const struct outgoing *o, uint64_t id);

void outgoing_discard(struct outgoing *o, struct outgoing_entry *entry);

/* ---- what is sent ---- */

/* The next to send; NULL: none waits, or `most` (0: any number) are sent and not answered. */
struct outgoing_entry *outgoing_due(const struct outgoing *o, size_t most);

void outgoing_on_sent(struct outgoing *o, struct outgoing_entry *entry);

/* It was not taken, or nobody knows: it has to be sent again. */
void outgoing_again(struct outgoing *o, struct outgoing_entry *entry);
void outgoing_on_lost(struct outgoing *o);

/* The longest of what is sent and not answered; NULL: nothing is. */
struct outgoing_entry *outgoing_longest_sent(const struct outgoing *o);

/* ---- what is shown ---- */

/* It is in the room. `comes`: its message has not come, and will. */
void outgoing_on_ack(struct outgoing *o, uint64_t id, uint64_t seq, bool comes);

/* A message of our user came. */
void outgoing_on_message(struct outgoing *o, const char *text, uint64_t seq);

/* The room has a new epoch, or we are out: what is acked does not come any more. */
void outgoing_on_new_epoch(struct outgoing *o);

/* It will not be said. The text, to be freed; NULL: not known. */
char *outgoing_on_refused(struct outgoing *o, uint64_t id);

#endif
