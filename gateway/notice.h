/* notice.h - what Redis tells every worker that has members in a room: a header line, then
 * JSON events, one a line.
 *
 *     1 <epoch> <rev> <kind> <first> <last> <users>
 *
 * The Lua scripts print most notices; this is the one place in C that knows the header. Pure: a
 * notice is read and printed here, and what it means for the room is deliver.h.
 */
#ifndef GATEWAY_NOTICE_H
#define GATEWAY_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/json.h"
#include "common/strbuf.h"

/* Whom a notice is about. */
enum notice_users {
    NOTICE_OF_NONE,
    NOTICE_OF_ONE,
    NOTICE_OF_EACH, /* line i is about user i */
};

/* What kind of notice it is: X(id, word in the header, whom it is about, type of its lines).
 * Whether there are users follows from this, never from what stands in their place. */
#define NOTICES(X)                                                                     \
    X(NOTICE_MESSAGE, message, NOTICE_OF_NONE, "message")                              \
    X(NOTICE_DELETED, deleted, NOTICE_OF_NONE, "message_deleted")                      \
    X(NOTICE_SIGNAL, signal, NOTICE_OF_ONE, "signal")                                  \
    X(NOTICE_JOINED, joined, NOTICE_OF_EACH, "member_joined")                          \
    X(NOTICE_LEFT, left, NOTICE_OF_EACH, "member_left")                                \
    X(NOTICE_KICKED, kicked, NOTICE_OF_ONE, "kicked")                                  \
    X(NOTICE_CLOSED, closed, NOTICE_OF_NONE, "room_closed")

enum notice_kind {
#define X(id, word, users, type) id,
    NOTICES(X)
#undef X
        NOTICE_KINDS
};

/* A notice as it came; all borrowed. `users` are percent-encoded, with commas between, and mean
 * nothing where the kind has none. No line end follows the last of `lines`. */
struct notice {
    struct json_text epoch;
    uint64_t rev, first, last;
    enum notice_kind kind;
    struct json_text users, lines;
};

/* Takes the header apart; nothing is said about the users and lines. False: it is malformed. */
bool notice_parse(struct json_text text, struct notice *out);

/* Adds the whole notice, with these users instead of `notice->users`. */
void notice_print(struct strbuf *out, const struct notice *notice,
                  const struct json_text *names, size_t count);

/* Adds the users as the header names them; `-` for none. */
void notice_add_users(struct strbuf *out, const struct json_text *names, size_t count);

/* How many users a notice of this kind with so many lines must name. */
size_t notice_count_users(enum notice_kind kind, size_t lines);

/* Takes the users apart, within `text`, which is overwritten. False: they are not `count`
 * names. */
bool notice_take_users(char *text, size_t len, struct json_text *names, size_t count);

/* Whether a notice of this kind, not one of messages, may have so many lines. A kick has a
 * second one, for the others. */
bool notice_may_have(enum notice_kind kind, size_t lines);

/* The type of the event in line `i`. */
const char *notice_type(enum notice_kind kind, size_t i);

/* Where the line at `at` ends. */
static inline const char *notice_line_end(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));

    return stop ? stop : end;
}

#endif
