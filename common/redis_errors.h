/* redis_errors.h - what goes wrong on a link: counted by kind in redis_errors_total, and logged,
 * each kind at most once in ten seconds.
 */
#ifndef COMMON_REDIS_ERRORS_H
#define COMMON_REDIS_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/metrics.h"

enum redis_error {
#define X(id, word) id,
    REDIS_ERRORS(X)
#undef X
        REDIS_ERRORS_COUNT
};

/* Zeroed but for metrics and link is ready. */
struct redis_errors {
    struct metrics *metrics; /* borrowed */
    const char *link;        /* its name; borrowed */
    uint64_t logged_at[REDIS_ERRORS_COUNT];
};

/* The second logs nothing. */
void redis_errors_count(struct redis_errors *errors, enum redis_error kind,
                        const char *text, uint64_t now);
void redis_errors_count_quietly(struct redis_errors *errors, enum redis_error kind);

/* Counts an error reply by what it begins with. Whether another connection may reach a better
 * Redis. */
bool redis_errors_take(struct redis_errors *errors, const char *text, uint64_t now);

#endif
