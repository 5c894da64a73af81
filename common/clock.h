/* clock.h - the wall clock. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970. */
uint64_t clock_ms(void);

#endif
