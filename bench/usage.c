/* usage.c - see usage.h. */
#include "bench/usage.h"

#include <stdio.h>
#include <time.h>

uint64_t usage_cpu_ns(const pid_t *pids, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        struct timespec used;
        clockid_t clock;

        if (clock_getcpuclockid(pids[i], &clock) == 0 &&
            clock_gettime(clock, &used) == 0)
            sum += (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
    }
    return sum;
}

static uint64_t memory_of(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "Pss: %llu", &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

uint64_t usage_memory_bytes(const pid_t *pids, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += memory_of(pids[i]);
    return sum;
}
