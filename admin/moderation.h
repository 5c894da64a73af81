/* moderation.h - what the endpoints share that order something about rooms and users: bans,
 * mutes, kicks, closed rooms. */
#ifndef ADMIN_MODERATION_H
#define ADMIN_MODERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/audit.h"
#include "common/json.h"
#include "common/keys.h"
#include "common/redis_link.h"

struct api;

/* What is kept of the request until it is answered. */
struct moderation_order {
    struct http_request *req;
    struct api *api;
    struct json_text room, user; /* borrowed of the request */
    struct json_text reason;     /* owned; may be empty */
    struct audit_origin origin;
};

/* Room and user are the caller's to set; `reason` is copied, base NULL: none. */
void moderation_order_init(struct moderation_order *order, struct api *api,
                           struct http_request *req, struct json_text reason);
void moderation_order_deinit(struct moderation_order *order);

/* Adds it to the audit, with its reason. */
void moderation_note(const struct moderation_order *order, enum audit_action what);

/* Ends the object in api.out with `"pending":[node…]` if there is any, and answers with it:
 * 202 if there is, else 200. */
void moderation_reply(struct http_request *req, char *const *pending, size_t count);

enum { MODERATION_LIFT = -1 };

/* A ban or a mute; room and user are borrowed for the call. */
struct moderation_entry {
    enum room_key which; /* KEY_BANS or KEY_MUTES */
    struct json_text room, user;
    int64_t secs; /* 0: for good; or MODERATION_LIFT */
};

/* lua/moderate.lua */
void moderation_set(struct api *api, const struct moderation_entry *entry,
                    redis_reply_fn on_reply, void *data);

/* KICK_BROKEN: a key of the room is of a wrong type (broken.h). */
enum moderation_kick { KICK_DONE, KICK_ABSENT, KICK_FAILED, KICK_BROKEN };

/* As soon as Redis has the kick. */
typedef void (*moderation_kicked_fn)(void *data);
/* `pending` are the nodes that had not obeyed, borrowed. */
typedef void (*moderation_done_fn)(void *data, enum moderation_kick result,
                                   char *const *pending, size_t count);

/* Puts the user out and waits until the gateways have obeyed, two seconds at most. The order
 * is borrowed until on_done. */
void moderation_kick(const struct moderation_order *order,
                     moderation_kicked_fn on_kicked, moderation_done_fn on_done,
                     void *data);

#endif
