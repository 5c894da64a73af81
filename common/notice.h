/* notice.h - what Redis tells every worker that has members in a room: a header line, then
 * JSON events, one a line.
 *
 *     1 <epoch> <rev> <kind> <first> <last> <users> <token>
 *
 * The Lua scripts print most notices; this is the one place in C that knows the header. Pure: a
 * notice is read, checked and printed here, for the gateways and the admin service, which pass on
 * the same ones.
 */
#ifndef COMMON_NOTICE_H
#define COMMON_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/lines.h"
#include "common/strbuf.h"
#include "common/token.h"

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
    X(NOTICE_EDITED, edited, NOTICE_OF_NONE, "message_edited")                         \
    X(NOTICE_SIGNAL, signal, NOTICE_OF_ONE, "signal")                                  \
    X(NOTICE_JOINED, joined, NOTICE_OF_EACH, "member_joined")                          \
    X(NOTICE_LEFT, left, NOTICE_OF_EACH, "member_left")                                \
    X(NOTICE_KICKED, kicked, NOTICE_OF_ONE, "kicked")                                  \
    X(NOTICE_CLOSED, closed, NOTICE_OF_NONE, "room_closed")                            \
    X(NOTICE_REMADE, remade, NOTICE_OF_NONE, "none") /* has no lines: gateways sync */

enum notice_kind {
#define X(id, word, users, type) id,
    NOTICES(X)
#undef X
        NOTICE_KINDS
};

/* A notice as it came; all borrowed. `users` are percent-encoded, with commas between, and mean
 * nothing where the kind has none. No line end follows the last of `lines`. */
struct notice {
    struct json_text text; /* all of it */
    struct json_text epoch;
    uint64_t rev, first, last;
    enum notice_kind kind;
    struct json_text users, lines;
    struct token token; /* none: of a signal, or of a version without terms */
};

/* What stands under a header: the users, taken apart, and how many lines. */
struct notice_body {
    struct json_text *names; /* into `text` */
    size_t names_count, lines_count;
    char *text;
};

/* Whether it is about a message that was changed, `first`. */
static inline bool notice_is_change(const struct notice *notice)
{
    return notice->kind == NOTICE_DELETED || notice->kind == NOTICE_EDITED;
}

/* Takes the header apart; nothing is said about the users and lines. False: it is malformed. */
bool notice_parse(struct json_text text, struct notice *out);

/* Takes the users apart. False: they are not as many names as the kind has, or it may not have
 * so many lines; then there is nothing to free. */
bool notice_take_body(const struct notice *notice, struct notice_body *out);
void notice_body_deinit(struct notice_body *body);

/* The same, and whether each line is an event of the notice's kind, about its room, its number
 * and its user. `head` as for lines.h. */
bool notice_check(const struct notice *notice, struct json_text head,
                  struct notice_body *out);

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

/* Whether a notice of this kind may have so many lines. A kick has a second one, for the
 * others. */
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
