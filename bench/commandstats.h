/* commandstats.h - which commands a Redis executed, by its own count (those inside
 * scripts too). Blocking; for the moments between two phases.
 */
#ifndef BENCH_COMMANDSTATS_H
#define BENCH_COMMANDSTATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COMMANDSTATS_MAX = 128 };

struct commandstats {
    struct {
        char name[40];
        uint64_t calls;
    } rows[COMMANDSTATS_MAX];
    size_t count;
};

/* Asks the Redis on this machine; false: it does not answer as it should. */
bool commandstats_read(struct commandstats *out, long port)
    __attribute__((warn_unused_result));

/* How often `name` was called; 0 when it never was. */
uint64_t commandstats_get(const struct commandstats *stats, const char *name);

#endif
