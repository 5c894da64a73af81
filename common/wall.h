/* wall.h - the wall clock. */
#ifndef COMMON_WALL_H
#define COMMON_WALL_H

#include <stdint.h>

/* Milliseconds since 1970. */
uint64_t wall_ms(void);

#endif
