/* term_command.h - what a line means: something to say, or one of the commands. The table
 * is also what /help prints and what Tab completes.
 */
#ifndef CLIENT_TERM_COMMAND_H
#define CLIENT_TERM_COMMAND_H

#include <stddef.h>

#include "common/strbuf.h"

enum term_verb {
    TERM_SAY,
    TERM_JOIN,
    TERM_LEAVE,
    TERM_MEMBERS,
    TERM_HISTORY,
    TERM_ROOMS,
    TERM_STOP,
    TERM_HELP,
    TERM_QUIT,
    TERM_UNKNOWN
};

struct term_command {
    enum term_verb verb;
    const char *rest; /* the text, or what stands behind the command; borrowed */
};

/* `//text` says "/text". */
struct term_command term_command_parse(const char *line);

/* The names, "/join" and so on; NULL at the end. */
const char *term_command_name(size_t i);

/* Writes about each command, line by line. */
void term_command_help(void (*put)(void *to, const char *line), void *to);

/* What fits a word that is not whole; zeroed is nothing. Added at the cursor is what the names
 * agree in and, where there is one only, a space, or ": " at the start of a line. */
struct term_completion {
    struct strbuf add;
    struct strbuf list; /* the first of the names */
    size_t count;       /* of all names that fit */
};

/* Completes the word that ends at `cursor` of `line` among `names` (in any order, `count` of
 * them), also names that have spaces. `out` is zeroed. */
void term_command_complete(struct term_completion *out, const char *line, size_t cursor,
                           const char *const *names, size_t count);
void term_completion_deinit(struct term_completion *completion);

#endif
