/* plain_rooms.h - what the client without a screen is in: its rooms, what is awaited in each,
 * and the end of it all.
 *
 *     plain.c         the connection, what is printed
 *     plain_input.c   what the lines of the input mean
 *     plain_rooms.c   this, under them: it calls none of them
 */
#ifndef CLIENT_PLAIN_ROOMS_H
#define CLIENT_PLAIN_ROOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "client/chat_client.h"
#include "client/line_in.h"
#include "client/line_out.h"
#include "client/term_options.h"
#include "common/json.h"
#include "common/list.h"

enum {
    PLAIN_UNACKED_MAX = 1000 /* lines read and not acked, before the input waits */
};

struct plain_room {
    struct list link;
    char *name;                                  /* owned */
    size_t unacked;                              /* said in it */
    bool was_live, wants_members, wants_history; /* as soon as it is live */
    bool wants_leave;                            /* as soon as all of that is done */
    uint64_t oldest; /* seq of what was printed; 0: nothing */
};

struct plain {
    uv_loop_t *loop;
    const struct term_options *options; /* borrowed */
    struct chat_client *client;
    struct line_in in;
    struct line_out out;
    uv_timer_t deadline;
    uv_signal_t term, interrupt;
    struct list rooms;
    char *current;    /* room, owned; NULL: none */
    size_t unacked;   /* said */
    size_t asked;     /* answers that are awaited */
    uint64_t last_id; /* of what is asked for */
    struct json_members members;
    bool has_connected, has_ended, is_finishing, is_stopped;
    int code;
};

/* A line on stderr; a name in it may be anybody's. */
void plain_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code will be 1 at least. */
void plain_fail(struct plain *p);

/* Ends it if all is done that was asked for. */
void plain_check(struct plain *p);

/* Leaves all rooms, and ends it. `code`: unless there is something worse. Idempotent. */
void plain_finish(struct plain *p, int code);

struct plain_room *plain_find_room(struct plain *p, const char *name);
void plain_drop_room(struct plain *p, struct plain_room *room);

/* Enters a room, and makes it the current one. */
void plain_join(struct plain *p, const char *name);
void plain_set_current(struct plain *p, const char *name);

/* A request about a room; `cursor` of length 0 and `before` 0: none. */
void plain_ask(struct plain *p, const char *type, const struct plain_room *room,
               struct json_text cursor, uint64_t before);

/* What had to wait until the room is live, or all is acked that was said in it. */
void plain_ask_wanted(struct plain *p, struct plain_room *room);
void plain_leave_if_done(struct plain *p, struct plain_room *room);

/* Says a line in a room (NULL: there is none); complains if that cannot be. */
void plain_say(struct plain *p, const char *room, const char *text, size_t len);

/* Leaves a room after what was said and asked there. */
void plain_leave(struct plain *p, struct plain_room *room);

#endif
