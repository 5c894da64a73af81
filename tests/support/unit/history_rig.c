/* history_rig.c - see history_rig.h. */
#include "tests/support/unit/history_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct history_rig history_rig;

void history_read(struct store *store, struct room *room,
                  const struct history_range *range, history_read_fn on_done,
                  void *data)
{
    (void)store;
    assert_true(history_rig.count < HISTORY_RIG_MAX);
    history_rig.reads[history_rig.count++] = (struct history_rig_read){
        room_ref(room), range->after, range->before, range->limit, on_done, data};
}

void history_rig_answer(unsigned i, const struct history *history)
{
    struct history_rig_read read = history_rig.reads[i];

    assert_true(i < history_rig.count);
    for (history_rig.count--; i < history_rig.count; i++)
        history_rig.reads[i] = history_rig.reads[i + 1];
    read.on_done(read.data, history);
    room_unref(read.room);
}
