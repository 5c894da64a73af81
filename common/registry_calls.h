/* registry_calls.h - how a copy of the fleet's policy asks the registry of shard 0, in a gateway and in the admin
 * service. */
#ifndef COMMON_REGISTRY_CALLS_H
#define COMMON_REGISTRY_CALLS_H

#include "common/keys.h"
#include "common/scripts.h"

/* One command at a time: begin it, add to it, send it. Sending calls `on_reply` later, or at once with a negative
 * status. */
struct registry_calls {
    struct redis_command *(*begin)(void *owner, const char *verb);
    struct redis_command *(*begin_script)(void *owner, enum script script,
                                          unsigned keys);
    void (*add_key)(void *owner, enum fleet_key key);
    void (*send)(void *owner, redis_reply_fn on_reply, void *data);
    void (*send_script)(void *owner, enum script script, redis_reply_fn on_reply,
                        void *data);
};

#endif
