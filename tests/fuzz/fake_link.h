/* fake_link.h - links to a Redis that answers whatever the fuzzer says.
 *
 * Defines what common/redis_link.h declares, so a target with this in it has no real link. Commands
 * wait until the target has them answered, one after the other, by the consecutive
 * replies in the input, read as a real link reads them.
 */
#ifndef TESTS_FUZZ_FAKE_LINK_H
#define TESTS_FUZZ_FAKE_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/redis_link.h"

/* The replies to come, copied; those before are forgotten. */
void fake_link_feed(const void *bytes, size_t len);

/* Makes a link ready, as the caller of redis_link_open is told. `is_loose`: it could not end
 * the connection before. */
void fake_link_connect(struct redis_link *link, bool is_loose);

/* Answers the command that waits longest. False: none waits, or no reply is left. */
bool fake_link_answer(void);

/* The next reply comes unasked. */
bool fake_link_push(struct redis_link *link);

/* What waits fails, and nothing is left to answer with. */
void fake_link_fail(void);

void fake_link_deinit(void);

#endif
