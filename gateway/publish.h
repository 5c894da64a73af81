/* publish.h - messages of one room as one call of lua/publish.lua, and what became of
 * each.
 */
#ifndef GATEWAY_PUBLISH_H
#define GATEWAY_PUBLISH_H

#include "gateway/store.h"

enum { PUBLISH_MAX = 256 }; /* messages a call */

/* One message; the text is borrowed. */
struct publish_message {
    struct list link;
    struct json_text user, key; /* key.len 0: none */
    struct json_text tail;      /* JSON behind the sequence number */
    bool is_spared;             /* slow mode does not concern its user */
    bool is_slow;               /* it was sent in slow mode; publish_send */
};

/* What became of one: seq > 0, or why not; wait_ms: how long a mute or slow mode lasts, 0: for good. */
struct publish_result {
    enum proto_error error;
    uint64_t seq, wait_ms;
};

/* Publishes 1 to PUBLISH_MAX messages. Copies. on_reply comes later in any case. */
void publish_send(struct store *store, const struct room *room, struct list *messages,
                  redis_reply_fn on_reply, void *data);

/* What the reply says: how the room stands then, and what became of each message. */
struct publish_answer {
    char epoch[PROTO_EPOCH_LEN + 1];
    struct token token;
    uint64_t seq;
    struct publish_result results[PUBLISH_MAX];
};

/* Takes the reply to `messages` apart: results[i] belongs to the i-th of them. False: nothing is
 * known of any. */
bool publish_read(int status, const redisReply *reply, const struct list *messages,
                  struct publish_answer *out);

#endif
