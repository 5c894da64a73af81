/* wait.c - see wait.h. */
#include "tests/support/unit/wait.h"

#include <time.h>

int64_t wait_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_left_ms(int64_t end_ms)
{
    int64_t left = end_ms - wait_now_ms();

    return left > 0 ? (int)left : 0;
}

bool wait_until(wait_condition_fn condition, void *data, long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;
    long pause_ms = 1;

    while (!condition(data)) {
        struct timespec pause = {.tv_nsec = pause_ms * 1000000};

        if (wait_left_ms(end_ms) == 0)
            return false;
        nanosleep(&pause, NULL);
        pause_ms = pause_ms * 2 > 50 ? 50 : pause_ms * 2;
    }
    return true;
}
