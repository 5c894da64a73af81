/* count.h - what counts: the instructions that callgrind collects, and the calls of malloc,
 * calloc, realloc and free.
 */
#ifndef TESTS_INSTRUCTIONS_COUNT_H
#define TESTS_INSTRUCTIONS_COUNT_H

#include <stdbool.h>
#include <stdint.h>

void count_begin(void);
void count_end(void);

/* What comes between these two does not count; the one's result is for the other. */
bool count_pause(void);
void count_go_on(bool was_counting);

/* Of malloc, calloc, realloc and free, all that counted. */
uint64_t count_allocations(void);

/* Prints where they came from: a paragraph a chain of callers, the innermost first, each
 * as its file and the address in it, for addr2line. */
void count_print_allocations(void);

#endif
