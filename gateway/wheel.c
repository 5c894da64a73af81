/* wheel.c - see wheel.h. */
#include "gateway/wheel.h"

void wheel_init(struct wheel *wheel)
{
    wheel->now = 0;
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint32_t at)
{
    uint32_t soonest = wheel->now + 1, latest = wheel->now + WHEEL_SLOTS - 1;
    uint32_t slot;

    timer->at = at < soonest ? soonest : at;
    slot = timer->at > latest ? latest : timer->at;
    list_remove(&timer->link);
    list_add(&wheel->slots[slot % WHEEL_SLOTS], &timer->link);
}

void wheel_remove(struct wheel_timer *timer)
{
    list_remove(&timer->link);
}

void wheel_turn(struct wheel *wheel,
                void (*wake)(struct wheel *wheel, struct wheel_timer *timer))
{
    struct list due, *link;

    wheel->now++;
    /* Waking may set timers into this slot. */
    list_take_all(&due, &wheel->slots[wheel->now % WHEEL_SLOTS]);
    while ((link = list_first(&due))) {
        struct wheel_timer *timer = list_entry(link, struct wheel_timer, link);

        list_remove(link);
        if (timer->at > wheel->now)
            wheel_set(wheel, timer, timer->at);
        else
            wake(wheel, timer);
    }
}
