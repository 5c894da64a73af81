/* db.h - commands to Redis: begin one in db->cmd, add to it (command.h), send it.
 *
 * Sending is the last thing that a function does: if it cannot be sent, `on_reply` is called at
 * once with a negative status.
 */
#ifndef ADMIN_DB_H
#define ADMIN_DB_H

#include "common/command.h"
#include "common/redis_link.h"
#include "common/reply.h"
#include "common/scripts.h"

struct db {
    struct redis_link *link;  /* NULL: closed */
    struct redis_command cmd; /* the one that is being put together */
};

void db_begin(struct db *db, const char *verb);
void db_begin_script(struct db *db, enum script script, unsigned keys);

/* `on_reply` may be NULL. */
void db_send(struct db *db, redis_reply_fn on_reply, void *data);
void db_send_script(struct db *db, enum script script, redis_reply_fn on_reply,
                    void *data);

void db_deinit(struct db *db);

#endif
