/* moderation.h - bans, mutes and kicks, for the endpoints that make use of them. */
#ifndef ADMIN_MODERATION_H
#define ADMIN_MODERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/keys.h"
#include "common/redis_link.h"

struct api;

enum { MODERATION_LIFT = -1 };

/* lua/moderate.lua on KEY_BANS or KEY_MUTES: for `secs`, 0 for good, or MODERATION_LIFT. */
void moderation_set(struct api *api, enum room_key which, struct json_text room,
                    struct json_text user, int64_t secs, redis_reply_fn on_reply,
                    void *data);

enum moderation_kick { KICK_DONE, KICK_ABSENT, KICK_FAILED };

/* Puts the user out and waits until the gateways have obeyed, two seconds at most. `room`
 * and `user` are borrowed until on_done, `reason` is copied. `on_kicked` comes as soon as
 * Redis has it; `pending` are the nodes that had not obeyed, borrowed. */
struct moderation_kick_opts {
    struct json_text room, user, reason;
    void (*on_kicked)(void *data);
    void (*on_done)(void *data, enum moderation_kick result, char *const *pending,
                    size_t count);
    void *data;
};

void moderation_kick(struct api *api, const struct moderation_kick_opts *opts);

/* Adds `,"pending":[node…]`; nothing if there is none. */
void moderation_add_pending(struct strbuf *out, char *const *pending, size_t count);

#endif
