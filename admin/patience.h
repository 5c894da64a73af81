/* patience.h - how long a request that asks Redis many things waits for all of them together: its deadline,
 * ROOMCAST_REDIS_DEADLINE_MS.
 *
 * A walk asks one thing after the other. One answer that is not there after half of the time is given up, so that what
 * comes behind it is still asked for; at the end the request is answered with what there is. What comes later finds
 * nobody.
 */
#ifndef ADMIN_PATIENCE_H
#define ADMIN_PATIENCE_H

#include "admin/db.h"

struct patience;

/* Its owner embeds struct patience. */
struct patience_hooks {
    void (*on_half)(struct patience *patience);
    void (*on_over)(struct patience *patience);
    /* The end of patience_end: the memory may go. */
    void (*on_closed)(struct patience *patience);
};

struct patience {
    uv_timer_t timer;
    const struct patience_hooks *hooks;
    struct patience_call *call; /* of the walk, in flight; NULL: none */
    bool is_half;
};

/* `hooks` is borrowed, for life. */
void patience_begin(struct patience *patience, struct db *db,
                    const struct patience_hooks *hooks);

/* Sends the command that is in `db`, the walk's next: as db_send, but nothing comes back once it is given up. */
void patience_send(struct patience *patience, struct db *db, redis_reply_fn on_reply,
                   void *data);

/* Whether one was in flight. */
bool patience_give_up(struct patience *patience);

/* Nothing is called any more, but on_closed. */
void patience_end(struct patience *patience);

#endif
