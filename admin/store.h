/* store.h - commands to Redis: begin one in store->cmd, add to it (command.h), send it.
 *
 * Sending is the last thing that a function does: if it cannot be sent, `on_reply` is called at
 * once with a negative status.
 */
#ifndef ADMIN_STORE_H
#define ADMIN_STORE_H

#include "common/command.h"
#include "common/redis_link.h"
#include "common/reply.h"
#include "common/scripts.h"

struct store {
    struct redis_link *link;  /* NULL: closed */
    struct redis_command cmd; /* the one that is being put together */
};

void store_begin(struct store *store, const char *verb);
void store_begin_script(struct store *store, enum script script, unsigned keys);

/* `on_reply` may be NULL. */
void store_send(struct store *store, redis_reply_fn on_reply, void *data);
void store_send_script(struct store *store, enum script script, redis_reply_fn on_reply,
                       void *data);

void store_deinit(struct store *store);

#endif
