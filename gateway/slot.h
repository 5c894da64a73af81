/* slot.h - large answers (history, members): a connection gets one at a time, and only as its
 * socket drains. Of those that a client asks for by name, Redis has few at a time a worker to
 * read, so that no other call waits long behind them.
 *
 * Pure: whether the client takes more is asked by a hook.
 */
#ifndef GATEWAY_SLOT_H
#define GATEWAY_SLOT_H

#include <stdbool.h>

#include "common/list.h"

enum { SLOT_READS_MAX = 8 }; /* of 256 KiB each */

struct slot;

/* Waits for its turn; in one list at a time. Embedded in what waits. */
struct slot_wait {
    struct list link;
    void (*go)(
        struct slot_wait *wait); /* its turn has come: it has the slot, or may read */
};

struct slot_hooks {
    /* Whether the client takes something large now. */
    bool (*can_send)(const struct slot *slot);
    /* Somebody has left the slot, and perhaps the next one has it. */
    void (*on_left)(struct slot *slot);
};

/* One a connection. */
struct slot {
    const struct slot_hooks *hooks; /* borrowed */
    struct list waiting;            /* slot_wait, in order */
    bool is_taken;
};

/* One a worker: what Redis is asked to read for requests that have the slot. */
struct slot_reads {
    struct list waiting; /* slot_wait, in order */
    unsigned count;
};

void slot_init(struct slot *slot, const struct slot_hooks *hooks);

void slot_wait_init(struct slot_wait *wait, void (*go)(struct slot_wait *wait));

/* It does not wait any more, for the slot or for a read. */
void slot_stop_waiting(struct slot_wait *wait);

/* Takes the slot, or waits for it: then wait->go is called with the slot taken. */
bool slot_take(struct slot *slot, struct slot_wait *wait);

/* The wait that has the slot leaves it to the next one. */
void slot_leave(struct slot *slot);

/* The client takes more: the next one gets the slot if it is free. */
void slot_give(struct slot *slot);

/* Who waits for the slot longest, or NULL. */
struct slot_wait *slot_first(struct slot *slot);

void slot_reads_init(struct slot_reads *reads);

/* Begins a read. False: Redis has enough of them, and wait->go comes again. */
bool slot_begin_read(struct slot_reads *reads, struct slot_wait *wait);

/* A read was answered; slot_next_reads then lets others begin. Between the two, the
 * wait that read leaves the slot. */
void slot_end_read(struct slot_reads *reads);
void slot_next_reads(struct slot_reads *reads);

#endif
