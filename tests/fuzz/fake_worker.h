/* fake_worker.h - what the targets about a gateway's worker begin and end with: a loop, the links
 * of fake_link.h, the store, the rooms and the bus.
 */
#ifndef TESTS_FUZZ_FAKE_WORKER_H
#define TESTS_FUZZ_FAKE_WORKER_H

#include "gateway/bus.h"
#include "gateway/store.h"

struct fake_worker {
    uv_loop_t loop;
    struct metrics metrics;
    struct redis_link *link; /* of commands */
    struct store store;
    struct rooms rooms;
    struct bus bus;
};

struct fake_worker_opts {
    const struct config *config; /* borrowed, like the hooks */
    const struct room_hooks *room_hooks;
    const struct bus_hooks *bus_hooks;
    void (*on_ready)(void *owner); /* of the link of commands */
    void (*on_lost)(void *owner, const char *why);
    void (*on_touched)(void *owner, const char *room, size_t len);
};

/* Once a process: no log, the usual keys. */
void fake_worker_set_up(void);

/* The links are not ready yet (fake_link_connect). */
void fake_worker_open(struct fake_worker *worker, const struct fake_worker_opts *opts);

/* Nobody may be in a room any more, and the rest of what has handles is closed; first ends the links,
 * then the rest. The loop must end. */
void fake_worker_close_links(struct fake_worker *worker);
void fake_worker_close(struct fake_worker *worker);

#endif
