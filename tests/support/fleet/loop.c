/* loop.c - see loop.h. */
#include "tests/support/fleet/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ASK_MS = 20, END_MS = 30000 };

static void on_ask(uv_timer_t *timer)
{
    (void)timer; /* only ends the turn */
}

static void on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

bool loop_run_until(uv_loop_t *loop, wait_condition_fn condition, void *data,
                    long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;
    bool holds, closed = false;
    uv_timer_t ask;

    uv_timer_init(loop, &ask);
    ask.data = &closed;
    uv_timer_start(&ask, on_ask, ASK_MS, ASK_MS);
    while (!(holds = condition(data)) && wait_left_ms(end_ms) > 0)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&ask, on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_NOWAIT);
    return holds;
}

static bool is_idle(void *data)
{
    return !uv_loop_alive(data);
}

void loop_close(uv_loop_t *loop)
{
    int64_t end_ms = wait_now_ms() + END_MS;

    while (!is_idle(loop) && wait_left_ms(end_ms) > 0)
        uv_run(loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(loop), 0);
}
