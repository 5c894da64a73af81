/* lifetime.h - how long what a token gives lasts: a warning before its end, once, and the end
 * (SPEC-PUBLIC P2).
 *
 * The warning comes at a random moment of the first half of the last `warn_ms`, or of all that
 * is left where that is less, so that tokens that were issued together are not renewed
 * together. The end comes `leeway_ms` after the token's, or where it is said. Times are of the wall clock, which is
 * passed in; how often lifetimes_tick is called is how exact they are.
 */
#ifndef GATEWAY_LIFETIME_H
#define GATEWAY_LIFETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/wheel.h"

enum { LIFETIME_TICK_MS = 100 };

/* Whose it is. */
enum lifetime_kind { LIFETIME_IDENTITY, LIFETIME_ROOM_TOKEN };

/* Embedded in what ends. Zeroed: it never does. */
struct lifetime {
    struct wheel_timer timer;
    uint32_t end_s;     /* of the token, since 1970; 0: never */
    unsigned char kind; /* enum lifetime_kind */
    bool is_warned, is_set;
    bool is_exact; /* without the leeway */
};

/* What all of a worker share. */
struct lifetimes {
    struct wheel wheel;
    uint64_t warn_ms, leeway_ms;
    uint64_t now_ms, turned_ms;
    uint32_t (*random)(void *data, uint32_t below);
    void (*on_warn)(struct lifetime *lifetime);
    void (*on_end)(struct lifetime *lifetime); /* it is stopped */
    void *data;
};

/* The limits and calls are set by the caller. */
void lifetimes_init(struct lifetimes *all, uint64_t now_ms);

/* Every LIFETIME_TICK_MS. */
void lifetimes_tick(struct lifetimes *all, uint64_t now_ms);

/* Begins, or begins again with another end. 0: never. */
void lifetime_set(struct lifetimes *all, struct lifetime *lifetime, uint64_t end_s);

/* The same, but it ends then and no later; with `warns_now` the warning comes with the next tick. */
void lifetime_set_exact(struct lifetimes *all, struct lifetime *lifetime,
                        uint64_t end_s, bool warns_now);

/* Nothing comes of it any more. */
void lifetime_stop(struct lifetime *lifetime);

#endif
