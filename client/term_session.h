/* term_session.h - what one person at a screen has: one connection, the model of what comes, a
 * line that is written, and when all of it is drawn.
 *
 *     term.c          signals, input, time
 *     term_keys.c     what is typed: editing, pages, rooms
 *     term_paste.c    what is pasted
 *     term_verbs.c    lines that are entered: said, or commands
 *     term_session.c  this, under them: it calls none of them
 */
#ifndef CLIENT_TERM_SESSION_H
#define CLIENT_TERM_SESSION_H

#include <stdbool.h>
#include <uv.h>

#include "client/chat_client.h"
#include "client/model.h"
#include "client/term_options.h"
#include "common/strbuf.h"

struct term_session {
    uv_loop_t *loop;
    const struct term_options *options; /* borrowed */
    struct model model;
    struct chat_client *client;
    enum connection_state state;
    char why[128];       /* of the state */
    uint64_t closing_ms; /* when the gateway closes, of uv_now; 0: it does not */
    uv_poll_t input;     /* of term.c, and so are tick and signals */
    uv_timer_t frame, tick;
    uv_signal_t signals[6];
    uint64_t drawn_ms;
    bool is_ending, asked_to_quit;

    struct strbuf paste; /* what is being pasted, or waits for an answer */
    bool is_pasting, is_paste_too_long;
    size_t paste_lines; /* a question is asked; 0: none */
    char question[128];
    size_t members_top; /* the first name in the panel */
};

/* Connects. `session` has its loop and options, and the rest of it is zero. */
void term_session_start(struct term_session *session);

/* After the loop has ended. */
void term_session_deinit(struct term_session *session);

/* Something is to be drawn, soon. */
void term_session_touch(struct term_session *session);

/* The room that is looked at; not a room, where there is none. */
struct model_room *term_session_room(struct term_session *session);

/* A line about the client itself, at the end of what is looked at. */
void term_session_note(struct term_session *session, const char *text);
void term_session_warn(struct term_session *session, const char *text);

/* Looks at a room, and enters it if need be. */
void term_session_join(struct term_session *session, const char *room);

/* Says a line in the room that is looked at. False: it is none that we are in. */
bool term_session_say(struct term_session *session, const char *text, size_t len);

/* Scrolls what is looked at, up if positive; asks for older messages at its top. */
void term_session_scroll(struct term_session *session, long pages);

/* Leaves all rooms, gives the screen back and ends the loop. Idempotent. */
void term_session_quit(struct term_session *session);

#endif
