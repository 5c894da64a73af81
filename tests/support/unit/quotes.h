/* quotes.h - JSON in tests is written with single quotes, q("{'type':'ping'}"), and turned here. */
#ifndef TESTS_SUPPORT_UNIT_QUOTES_H
#define TESTS_SUPPORT_UNIT_QUOTES_H

#include <stddef.h>

/* `text` with " for each '. Lives as long as the program, one text for equal ones; a format of
 * printf's stays one. */
const char *q(const char *text) __attribute__((format_arg(1)));

/* The same within the bytes themselves. */
void q_turn(char *bytes, size_t len);

#endif
