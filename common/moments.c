/* moments.c - see moments.h: xorshift64* (Marsaglia 2003; Vigna 2016), a state a thread. */
#include "common/moments.h"

#include <openssl/rand.h>

uint32_t moments_below(void *owner, uint32_t below)
{
    static _Thread_local uint64_t state;

    (void)owner;
    if (state == 0 && RAND_bytes((unsigned char *)&state, sizeof(state)) != 1)
        state = (uintptr_t)&state;
    state |= state == 0;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(((state * 2685821657736338717u) >> 32) * below >> 32);
}
