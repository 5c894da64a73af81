/* term_options.h - the settings of the terminal client, from flags and the environment: its
 * table for common/settings.h.
 */
#ifndef CLIENT_TERM_OPTIONS_H
#define CLIENT_TERM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "client/chat_client.h"

enum { TERM_OPTIONS_URLS_MAX = 16 };

/* Strings are owned, but the rooms: these are of argv. */
struct term_options {
    char *user;
    char *token;      /* $ROOMCAST_TOKEN; empty: none */
    char *token_file; /* empty: none */
    struct connection_address addresses[TERM_OPTIONS_URLS_MAX];
    size_t address_count;
    long timeout_ms;
    bool is_plain, is_json, follows, has_no_commands;
    char **rooms;
    size_t room_count;
};

/* What the program ends with. */
enum term_exit {
    TERM_DONE = 0,
    TERM_NOT_SAID = 1,
    TERM_BAD_USAGE = 2,
    TERM_NEVER_CONNECTED = 3,
};

enum term_outcome { TERM_RUN, TERM_EXIT_OK, TERM_EXIT_BAD };

/* Reads argv into `options` (zeroed by the caller). --help and --version print to stdout; a
 * bad setting prints one line to stderr. Whatever comes out, deinit frees. */
enum term_outcome term_options_load(struct term_options *options, int argc, char **argv)
    __attribute__((warn_unused_result));

/* Accepts a zeroed struct, and may be called twice. */
void term_options_deinit(struct term_options *options);

/* Opens the client that they describe; of `callbacks` only the functions are looked at. */
struct chat_client *term_options_open_client(const struct term_options *options,
                                             uv_loop_t *loop,
                                             const struct chat_client_opts *callbacks,
                                             void *owner);

/* The token to show now, for the caller to free; NULL: there is none, or its file cannot be read or holds
 * none. The file is read each time. */
char *term_options_read_token(const struct term_options *options);

/* Whether a token names the user. */
bool term_options_has_token(const struct term_options *options);

/* Takes `ws://host[:port][/path]` apart into strings of its own. NULL, or the reason why it
 * cannot. */
const char *term_options_parse_url(struct connection_address *address, const char *url,
                                   size_t len);

#endif
