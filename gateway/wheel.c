/* wheel.c - see wheel.h. */
#include "gateway/wheel.h"

void wheel_init(struct wheel *wheel)
{
    wheel->now_s = 0;
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint32_t at_s)
{
    uint32_t soonest = wheel->now_s + 1, latest = wheel->now_s + WHEEL_SLOTS - 1;
    uint32_t slot;

    timer->at_s = at_s < soonest ? soonest : at_s;
    slot = timer->at_s > latest ? latest : timer->at_s;
    list_remove(&timer->link);
    list_add(&wheel->slots[slot % WHEEL_SLOTS], &timer->link);
}

void wheel_remove(struct wheel_timer *timer)
{
    list_remove(&timer->link);
}

void wheel_turn(struct wheel *wheel, void (*wake)(struct wheel_timer *timer))
{
    struct list due, *slot, *link;

    wheel->now_s++;
    slot = &wheel->slots[wheel->now_s % WHEEL_SLOTS];
    list_init(&due);
    while ((link = list_first(slot))) { /* waking may set timers into this slot */
        list_remove(link);
        list_add(&due, link);
    }
    while ((link = list_first(&due))) {
        struct wheel_timer *timer = list_entry(link, struct wheel_timer, link);

        list_remove(link);
        if (timer->at_s > wheel->now_s)
            wheel_set(wheel, timer, timer->at_s);
        else
            wake(timer);
    }
}
