/* plain_input.h - what the lines of the input mean: something to say, a command, or, with
 * --json, a request.
 */
#ifndef CLIENT_PLAIN_INPUT_H
#define CLIENT_PLAIN_INPUT_H

#include <stddef.h>

/* For line_in; the owner is a struct plain. */
void plain_input_take(void *owner, const char *line, size_t len);

#endif
