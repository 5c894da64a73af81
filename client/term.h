/* term.h - the terminal client with a screen: one loop, one connection, one person. */
#ifndef CLIENT_TERM_H
#define CLIENT_TERM_H

#include <uv.h>

#include "client/term_options.h"

/* Runs it until the user quits; the exit code (of enum term_exit). */
int term_run(uv_loop_t *loop, const struct term_options *options);

#endif
