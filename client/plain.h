/* plain.h - the client without a screen, for pipes, scripts and screen readers: lines in,
 * lines out.
 *
 * What is said goes to the room that was named last (in the arguments: the first). The
 * conversation goes to stdout, everything about the connection to stderr. After the end of the
 * input it waits until all is acked, and ends.
 */
#ifndef CLIENT_PLAIN_H
#define CLIENT_PLAIN_H

#include <uv.h>

#include "client/term_options.h"

/* Runs it; the exit code (of enum term_exit). */
int plain_run(uv_loop_t *loop, const struct term_options *options);

#endif
