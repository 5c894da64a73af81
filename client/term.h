/* term.h - the terminal client with a screen: one loop, one connection, one person.
 *
 *     term.c        connection, signals, time, drawing
 *     term_keys.c   what is typed: editing, commands, pastes
 */
#ifndef CLIENT_TERM_H
#define CLIENT_TERM_H

#include <stdbool.h>
#include <uv.h>

#include "client/chat_client.h"
#include "client/talk.h"
#include "client/term_options.h"
#include "common/strbuf.h"

enum {
    TERM_DONE = 0,
    TERM_NOT_SAID = 1,
    TERM_BAD_USAGE = 2,
    TERM_NEVER_CONNECTED = 3,
};

enum { TERM_PASTE_MAX_BYTES = 8 * 1024 * 1024 };

struct term {
    uv_loop_t *loop;
    const struct term_options *options; /* borrowed */
    struct talk talk;
    struct chat_client *client;
    enum chat_client_state state;
    char why[128];       /* of the state */
    uint64_t closing_ms; /* when the gateway closes, of uv_now; 0: it does not */
    uv_poll_t input;
    uv_timer_t frame, tick;
    uv_signal_t signals[6];
    uint64_t drawn_ms;
    bool is_ending, asked_to_quit;

    struct strbuf paste; /* what is being pasted, or waits for an answer */
    bool is_pasting, is_paste_too_long;
    size_t paste_lines; /* a question is asked; 0: none */
    char question[128];
    size_t members_top;
};

/* Runs it until the user quits; the exit code. */
int term_run(uv_loop_t *loop, const struct term_options *options);

/* ---- between the two files ---- */

/* Something is to be drawn, soon. */
void term_touch(struct term *term);

/* Milliseconds since 1970. */
uint64_t term_now_ms(void);

void term_join(struct term *term, const char *room);
void term_quit(struct term *term);

/* Takes all that has been typed. */
void term_take_keys(struct term *term);

#endif
