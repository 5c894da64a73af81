/* history_rig.h - stands for gateway/history_read.c in unit tests: reads of the history are written
 * down and answered when the test says so.
 */
#ifndef TESTS_SUPPORT_UNIT_HISTORY_RIG_H
#define TESTS_SUPPORT_UNIT_HISTORY_RIG_H

#include "gateway/history_read.h"

struct history_rig_read {
    struct room *room; /* a ref */
    uint64_t after, before;
    unsigned limit;
    history_read_fn on_done;
    void *data;
};

enum { HISTORY_RIG_MAX = 256 };

struct history_rig {
    struct history_rig_read reads[HISTORY_RIG_MAX]; /* not answered yet, oldest first */
    unsigned count;
};

/* One for a test program; empty it at a test's beginning. */
extern struct history_rig history_rig;

/* Answers the i-th read; NULL: it failed. */
void history_rig_answer(unsigned i, const struct history *history);

#endif
