/* wheel.h - coarse timers for very many objects: 64 slots, a link each.
 *
 * An object stands in the slot of the tick at which it is to be looked at, or, if that is
 * further away, in the last slot before the wheel comes round, and is put further then. How
 * long a tick is, is known to the caller of wheel_turn.
 */
#ifndef GATEWAY_WHEEL_H
#define GATEWAY_WHEEL_H

#include <stdint.h>

#include "common/list.h"

enum { WHEEL_SLOTS = 64 };

struct wheel {
    uint32_t now; /* counts the calls of wheel_turn */
    struct list slots[WHEEL_SLOTS];
};

/* Embedded in the object; in no wheel after list_init of `link`. */
struct wheel_timer {
    struct list link;
    uint32_t at;
};

void wheel_init(struct wheel *wheel);

/* Wakes `timer` at the tick `at`, or at the next one if that is past. Moves it if it is set. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint32_t at);

void wheel_remove(struct wheel_timer *timer);

/* A tick has passed: calls `wake` for each timer that is due, out of the wheel. */
void wheel_turn(struct wheel *wheel,
                void (*wake)(struct wheel *wheel, struct wheel_timer *timer));

#endif
