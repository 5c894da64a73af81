/* histogram.c - see histogram.h.
 *
 * Up to 127 every number has its own counter. Above, a number is shifted right until
 * it is 64 to 127: the shift chooses a group of 64 counters, the rest one of them.
 */
#include "bench/histogram.h"

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift = 0;

    while (ns >> shift >= 2 * HISTOGRAM_FINE)
        shift++;
    return shift * HISTOGRAM_FINE + (unsigned)(ns >> shift);
}

static uint64_t end_of(unsigned bucket)
{
    unsigned shift = bucket < 2 * HISTOGRAM_FINE ? 0 : bucket / HISTOGRAM_FINE - 1;

    return ((uint64_t)(bucket - shift * HISTOGRAM_FINE) + 1) << shift;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned bucket = bucket_of(ns);

    h->counts[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    h->total++;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    uint64_t below = 0, wanted = (uint64_t)(q * (double)h->total);

    if (h->total == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += h->counts[i];
        if (below > wanted)
            return end_of(i);
    }
    return end_of(HISTOGRAM_BUCKETS - 1);
}
