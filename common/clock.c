/* clock.c - see clock.h. */
#include "common/clock.h"

#include <stddef.h>
#include <sys/time.h>

uint64_t clock_ms(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}
