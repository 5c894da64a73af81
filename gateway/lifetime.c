/* lifetime.c - see lifetime.h.
 *
 *     lifetime_set -> [wheel] -> on_wake -> warn -> [wheel] -> on_wake -> end
 *
 * The wheel turns as the wall clock goes, however late ticks come. Where that was set, all are put into
 * the wheel again.
 */
#include "gateway/lifetime.h"

enum { MISSED_MS_MAX = 60 * 1000 }; /* that it catches up with */

static struct lifetimes *of_wheel(struct wheel *wheel)
{
    return list_entry(wheel, struct lifetimes, wheel);
}

static uint64_t end_ms(const struct lifetimes *all, const struct lifetime *lifetime)
{
    return 1000 * (uint64_t)lifetime->end_s + (lifetime->is_exact ? 0 : all->leeway_ms);
}

static void wake_at(struct lifetimes *all, struct lifetime *lifetime, uint64_t at_ms)
{
    uint64_t left = at_ms > all->now_ms ? at_ms - all->now_ms : 0;
    uint64_t ticks = (left + LIFETIME_TICK_MS - 1) / LIFETIME_TICK_MS;

    wheel_set(&all->wheel, &lifetime->timer,
              all->wheel.now + (uint32_t)(ticks < INT32_MAX ? ticks : INT32_MAX));
}

/* Where the last warn_ms begin, or now; then a moment of the first half of what is left. */
static uint64_t warn_at(struct lifetimes *all, const struct lifetime *lifetime)
{
    uint64_t end = 1000 * (uint64_t)lifetime->end_s, from = all->now_ms;

    if (end <= from)
        return from;
    if (end - from > all->warn_ms)
        from = end - all->warn_ms;
    return from + all->random(all->data, (uint32_t)((end - from) / 2 + 1));
}

static void set(struct lifetimes *all, struct lifetime *lifetime, uint64_t end_s,
                bool is_exact, bool warns_now)
{
    if (!lifetime->is_set)
        list_init(&lifetime->timer.link);
    lifetime->is_set = true;
    lifetime->is_warned = false;
    lifetime->is_exact = is_exact;
    lifetime->end_s = end_s < UINT32_MAX ? (uint32_t)end_s : UINT32_MAX;
    if (end_s == 0)
        wheel_remove(&lifetime->timer);
    else
        wake_at(all, lifetime, warns_now ? all->now_ms : warn_at(all, lifetime));
}

void lifetime_set(struct lifetimes *all, struct lifetime *lifetime, uint64_t end_s)
{
    set(all, lifetime, end_s, false, false);
}

void lifetime_set_exact(struct lifetimes *all, struct lifetime *lifetime,
                        uint64_t end_s, bool warns_now)
{
    set(all, lifetime, end_s, true, warns_now);
}

void lifetime_stop(struct lifetime *lifetime)
{
    if (lifetime->is_set)
        wheel_remove(&lifetime->timer);
    lifetime->end_s = 0;
}

static void on_wake(struct wheel *wheel, struct wheel_timer *timer)
{
    struct lifetimes *all = of_wheel(wheel);
    struct lifetime *lifetime = list_entry(timer, struct lifetime, timer);

    if (all->now_ms >= end_ms(all, lifetime)) {
        lifetime->end_s = 0;
        all->on_end(lifetime);
        return;
    }
    wake_at(all, lifetime, end_ms(all, lifetime));
    if (!lifetime->is_warned) {
        lifetime->is_warned = true;
        all->on_warn(lifetime);
    }
}

void lifetimes_init(struct lifetimes *all, uint64_t now_ms)
{
    wheel_init(&all->wheel);
    all->now_ms = all->turned_ms = now_ms;
}

/* The clock was set: what is left is another time. */
static void hang_again(struct lifetimes *all)
{
    struct list every, *link;

    list_init(&every);
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        while ((link = list_first(&all->wheel.slots[i]))) {
            list_remove(link);
            list_add(&every, link);
        }
    while ((link = list_first(&every))) {
        struct wheel_timer *timer = list_entry(link, struct wheel_timer, link);
        struct lifetime *lifetime = list_entry(timer, struct lifetime, timer);

        wake_at(all, lifetime,
                lifetime->is_warned ? end_ms(all, lifetime) : warn_at(all, lifetime));
    }
}

void lifetimes_tick(struct lifetimes *all, uint64_t now_ms)
{
    uint64_t off_ms =
        now_ms > all->turned_ms ? now_ms - all->turned_ms : all->turned_ms - now_ms;

    all->now_ms = now_ms;
    if (off_ms > MISSED_MS_MAX) {
        all->turned_ms = now_ms - LIFETIME_TICK_MS;
        hang_again(all);
    }
    while (now_ms > all->turned_ms && now_ms - all->turned_ms >= LIFETIME_TICK_MS) {
        all->turned_ms += LIFETIME_TICK_MS;
        wheel_turn(&all->wheel, on_wake);
    }
}
