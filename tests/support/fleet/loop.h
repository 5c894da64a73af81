/* loop.h - a libuv loop in a test: turned until something holds, and ended clean.
 *
 *     uv_loop_init(&loop);
 *     assert_true(loop_run_until(&loop, all_are_in, &crowd, 20000));
 *     loop_close(&loop);
 */
#ifndef TESTS_SUPPORT_FLEET_LOOP_H
#define TESTS_SUPPORT_FLEET_LOOP_H

#include <stdbool.h>

#include <uv.h>

#include "tests/support/unit/wait.h"

/* Turns the loop until `condition` holds; it is asked after each turn, at least every 20
 * ms. False: it still did not hold at the deadline. */
bool loop_run_until(uv_loop_t *loop, wait_condition_fn condition, void *data,
                    long deadline_ms);

/* Runs what is left, which must end by itself, and closes the loop; fails the test if
 * something stays. */
void loop_close(uv_loop_t *loop);

#endif
