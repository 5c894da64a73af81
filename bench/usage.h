/* usage.h - what other processes use: processor time and memory, as the kernel says. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Both are sums over `pids`, 0 for a process that is not there. */

/* User and system time of all threads since they began, in nanoseconds. */
uint64_t usage_cpu_ns(const pid_t *pids, size_t count);

/* Memory of their own that is resident: Pss, which counts a page that n processes share
 * as 1/n. What the kernel keeps for their sockets is not in it. */
uint64_t usage_memory_bytes(const pid_t *pids, size_t count);

/* The most that was resident at once since usage_reset_peak, without what is mapped from
 * files (programs and libraries, which come in as they are used). */
void usage_reset_peak(const pid_t *pids, size_t count);
uint64_t usage_peak_bytes(const pid_t *pids, size_t count);

#endif
