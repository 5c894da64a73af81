/* usage.c - see usage.h. */
#include "bench/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The line of /proc/PID/`name` that begins with `field`, in bytes. */
static uint64_t read_kib(pid_t pid, const char *name, const char *field)
{
    char path[64], line[256];
    uint64_t kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            kib = strtoull(line + strlen(field), NULL, 10);
            break;
        }
    }
    fclose(file);
    return kib * 1024;
}

uint64_t usage_memory_bytes(const pid_t *pids, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += read_kib(pids[i], "smaps_rollup", "Pss:");
    return sum;
}

void usage_reset_peak(const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[64];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pids[i]);
        file = fopen(path, "w");
        if (!file)
            continue;
        fputs("5", file); /* of proc(5): the peak is what is resident now */
        fclose(file);
    }
}

uint64_t usage_peak_bytes(const pid_t *pids, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += read_kib(pids[i], "status", "VmHWM:") -
               read_kib(pids[i], "status", "RssFile:");
    return sum;
}
