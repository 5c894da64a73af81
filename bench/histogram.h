/* histogram.h - many durations, and what share of them was below what: counters whose
 * width is 1/64 of what they count, so a quantile is right to 1.6%.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_FINE = 64, HISTOGRAM_BUCKETS = 59 * HISTOGRAM_FINE };

/* Zeroed is empty. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
};

void histogram_add(struct histogram *h, uint64_t ns);

/* The duration below which the share `q` (0 to 1) of all lies; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
