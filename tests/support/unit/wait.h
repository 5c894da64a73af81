/* wait.h - waiting for a condition with a deadline, instead of sleeping and hoping.
 *
 *     static bool is_empty(void *data) { ... }
 *     assert_true(wait_until(is_empty, &fleet, 5000));
 */
#ifndef TESTS_SUPPORT_UNIT_WAIT_H
#define TESTS_SUPPORT_UNIT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

typedef bool (*wait_condition_fn)(void *data);

/* Asks `condition` until it holds, with pauses that grow from 1 to 50 ms. False: it still
 * did not hold at the deadline (it is asked at least once). */
bool wait_until(wait_condition_fn condition, void *data, long deadline_ms);

/* Milliseconds of the monotonic clock. */
int64_t wait_now_ms(void);

/* What is left until `end_ms` (of wait_now_ms), at least 0: a timeout for poll. */
int wait_left_ms(int64_t end_ms);

#endif
