/* answers.h - the words of a Redis that knows one story: enough for a gateway to come
 * up, join rooms and publish, and no more. It keeps nothing and checks nothing, so it
 * proves nothing about behaviour: only the instruction counts may use it.
 *
 * Every room has ANSWERS_HISTORY messages behind it when it is joined.
 */
#ifndef TESTS_INSTRUCTIONS_ANSWERS_H
#define TESTS_INSTRUCTIONS_ANSWERS_H

#include <stdint.h>

#include "common/strbuf.h"

enum { ANSWERS_HISTORY = 100, ANSWERS_TEXT_BYTES = 100 };

void answers_init(void);

/* Answers what the gateway has written to its connections; for kernel_on_poll. */
void answers_give(void);

/* Adds the JSON of message `seq` of a room, as the gateway makes it. */
void answers_add_message(struct strbuf *out, const char *room, uint64_t seq);

/* Publishes the messages `first` to `last` of a room as one notice. */
void answers_notify(const char *room, uint64_t first, uint64_t last);

#endif
