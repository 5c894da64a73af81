/* swarm.h - many clients on one epoll loop: they come in, join, talk and listen, and
 * what each of them hears is checked: in order, once, nothing left out.
 */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/histogram.h"
#include "bench/options.h"

struct swarm;

struct swarm_counts {
    uint64_t joined;
    uint64_t published, acked;
    uint64_t deliveries; /* messages that arrived, each member's counted */
    uint64_t received_bytes;
    uint64_t errors; /* error replies, connections lost, losses told by the server */
    uint64_t repeats, missing;
};

/* `options` is borrowed and must outlive the swarm. */
struct swarm *swarm_new(const struct options *options);
void swarm_free(struct swarm *swarm);

/* Each of these turns the loop, until the time `until_ns` (of swarm_now_ns) at the latest.
 * Connects and joins everybody; false: not all came in. */
bool swarm_open(struct swarm *swarm, uint64_t until_ns);
/* Listens, and talks between start_talking and stop_talking. */
void swarm_run(struct swarm *swarm, uint64_t until_ns);
/* Waits until all that was said is answered and heard; false: something is missing. */
bool swarm_finish(struct swarm *swarm, uint64_t until_ns);

void swarm_start_talking(struct swarm *swarm);
void swarm_stop_talking(struct swarm *swarm);

/* Where the time from publish to delivery is noted; NULL: nowhere. Borrowed. */
void swarm_set_histogram(struct swarm *swarm, struct histogram *histogram);

/* What happened so far. `missing` is only meaningful after swarm_finish. */
struct swarm_counts swarm_get_counts(const struct swarm *swarm);

/* The first thing that went wrong, in words; empty: nothing. */
const char *swarm_get_complaint(const struct swarm *swarm);

uint64_t swarm_now_ns(void);

#endif
