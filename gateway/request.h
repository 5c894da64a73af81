/* request.h - the requests of a connection that are not answered yet: how many there may be,
 * and whose turn it is.
 *
 * Order: requests of a connection about one room take effect in the order sent. Messages may
 * follow each other into the outbox; any other request waits until what came before it is
 * answered, and what comes after it waits too (`deferred`).
 *
 * Bound: the window is over it once it has `count_max` requests or `bytes_max` bytes, deferred
 * ones as well. The reader of the connection is told, and stops until it is under again.
 *
 * Pure: knows neither sockets nor rooms.
 */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "common/proto.h"
#include "gateway/slot.h"

struct request;
struct request_window;

/* What the windows of a worker share. */
struct request_env {
    uint32_t count_max;
    uint64_t bytes_max;
    /* The window is over its bound (is_over), or under it again. */
    void (*on_bound)(struct request_window *window);
    /* The last request of the window has ended. */
    void (*on_empty)(struct request_window *window);
    /* The turn of a deferred request has come: what it says (request_text) is dispatched, and
     * does not wait for request->turns again. */
    void (*on_turn)(struct request *request);
};

/* One a connection. */
struct request_window {
    const struct request_env *env; /* borrowed */
    struct list pending;           /* requests that are not deferred */
    uint32_t count, bytes;         /* of pending and deferred ones */
    bool is_over;
};

/* The requests of a connection about one room. */
struct request_turns {
    struct request_window *window; /* NULL: closed */
    struct list deferred;          /* requests, in the order sent */
    struct request *busy;          /* the one that all others wait for; NULL: none */
    unsigned messages;             /* in the outbox */
};

struct request {
    struct list link;
    struct request_window *window;
    struct request_turns *turns; /* NULL: closed meanwhile */
    struct slot_wait slot;       /* of one with a large answer */
    uint64_t started_ns;         /* message */
    uint64_t before;             /* get_history */
    uint64_t seq;                /* edit, delete */
    unsigned limit;
    char *cursor; /* get_members; owned */
    enum request_type type;
    uint32_t size, bytes; /* of this block; what it counts in the window */
    uint32_t text_len;    /* deferred: the request itself, in `data` after the id */
    uint16_t id_len;
    bool has_turn; /* it counts in `turns` */
    char data[];
};

void request_window_init(struct request_window *window, const struct request_env *env);

/* Zeroed before. */
void request_turns_init(struct request_turns *turns, struct request_window *window);

/* A request that will be answered later; ends with request_end. `bytes` is what it counts. All
 * but a signal have the turn until then. */
struct request *request_begin(struct request_turns *turns,
                              const struct proto_request *req, size_t bytes);

/* It is answered; frees it. request_go_on may follow. */
void request_end(struct request *request);

/* The JSON token of its id; of a deferred one, what the client sent. Borrowed. */
struct json_text request_id(const struct request *request);
struct json_text request_text(const struct request *request);

/* Whether a request of `type` must wait for its turn; request_defer then keeps `text`. */
bool request_must_wait(const struct request_turns *turns, enum request_type type);
void request_defer(struct request_turns *turns, const struct proto_request *req,
                   struct json_text text);

/* Something that others wait for was answered: runs the deferred ones whose turn it is. */
void request_go_on(struct request_turns *turns);

/* The request that all others wait for is a join: that one, else NULL. */
struct request *request_join(const struct request_turns *turns);

/* Whether the last of the deferred joins and leaves is a leave: a client that asked for it and
 * ended the connection has left. */
bool request_waits_to_leave(const struct request_turns *turns);

/* Nobody is in the room any more: pending requests end without `turns`, and nothing goes on.
 * The deferred ones are left to the caller. */
void request_close(struct request_turns *turns);

/* The first of the deferred ones, or NULL. request_run gives it its turn. */
struct request *request_first_deferred(struct request_turns *turns);
void request_run(struct request *request);

/* What waits in `from`, which is closed, waits in `to` from now on, after what is there. */
void request_hand_over(struct request_turns *from, struct request_turns *to);

#endif
