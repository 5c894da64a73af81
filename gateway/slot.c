/* slot.c - see slot.h.
 *
 *     slot_take -> true                                    slot_leave -> on_left
 *            \-> waiting -> slot_give, slot_leave -> go
 */
#include "gateway/slot.h"

void slot_init(struct slot *slot, const struct slot_hooks *hooks)
{
    slot->hooks = hooks;
    list_init(&slot->waiting);
    slot->is_taken = false;
}

void slot_wait_init(struct slot_wait *wait, void (*go)(struct slot_wait *wait))
{
    list_init(&wait->link);
    wait->go = go;
}

void slot_stop_waiting(struct slot_wait *wait)
{
    list_remove(&wait->link);
}

struct slot_wait *slot_first(struct slot *slot)
{
    struct list *link = list_first(&slot->waiting);

    return link ? list_entry(link, struct slot_wait, link) : NULL;
}

void slot_give(struct slot *slot)
{
    struct slot_wait *wait = slot_first(slot);

    if (!wait || slot->is_taken || !slot->hooks->can_send(slot))
        return;
    slot_stop_waiting(wait);
    slot->is_taken = true;
    wait->go(wait);
}

bool slot_take(struct slot *slot, struct slot_wait *wait)
{
    if (!slot->is_taken && list_is_empty(&slot->waiting) &&
        slot->hooks->can_send(slot)) {
        slot->is_taken = true;
        return true;
    }
    if (list_is_empty(&wait->link))
        list_add(&slot->waiting, &wait->link);
    return false;
}

void slot_leave(struct slot *slot)
{
    slot->is_taken = false;
    slot_give(slot);
    slot->hooks->on_left(slot);
}

/* ---- reads ---- */

void slot_reads_init(struct slot_reads *reads)
{
    list_init(&reads->waiting);
    reads->count = 0;
}

bool slot_begin_read(struct slot_reads *reads, struct slot_wait *wait)
{
    if (reads->count < SLOT_READS_MAX) {
        reads->count++;
        return true;
    }
    list_add(&reads->waiting, &wait->link);
    return false;
}

void slot_end_read(struct slot_reads *reads)
{
    reads->count--;
}

void slot_next_reads(struct slot_reads *reads)
{
    struct list *link;

    while (reads->count < SLOT_READS_MAX && (link = list_first(&reads->waiting))) {
        struct slot_wait *wait = list_entry(link, struct slot_wait, link);

        slot_stop_waiting(wait);
        wait->go(wait);
    }
}
