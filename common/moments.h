/* moments.h - numbers that spread moments, so that what was begun together is not done again together. They are
 * no secret, and cost nothing to make.
 */
#ifndef COMMON_MOMENTS_H
#define COMMON_MOMENTS_H

#include <stdint.h>

/* A number from 0 to `below` - 1, evenly enough; 0 where that is 0. `owner` is not looked at: it fits the
 * hooks of those that take such a function. */
uint32_t moments_below(void *owner, uint32_t below);

#endif
