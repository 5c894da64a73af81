/* line_edit.h - the line that is being written: bytes of UTF-8, a cursor that stands between
 * graphemes (of text.h), and the lines written before. Knows no keys and no screen.
 */
#ifndef CLIENT_LINE_EDIT_H
#define CLIENT_LINE_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/strbuf.h"

enum {
    LINE_EDIT_MAX_BYTES = 48 * 1024, /* of a line */
    LINE_EDIT_PAST_MAX = 200,        /* lines that are remembered */
};

struct line_edit {
    struct strbuf text;
    size_t cursor; /* bytes before it */
};

/* The lines that were entered; shared by all rooms. */
struct line_past {
    char *lines[LINE_EDIT_PAST_MAX]; /* the oldest first */
    size_t count, at;                /* `at` == count: the line that is being written */
    char *draft; /* what was being written, while an older one is shown */
};

void line_edit_deinit(struct line_edit *edit);
void line_past_deinit(struct line_past *past);

/* Puts `len` bytes in at the cursor. False: the line would be too long, and nothing is put. */
bool line_edit_insert(struct line_edit *edit, const char *bytes, size_t len);

/* Replaces all of it; the cursor stands at the end. */
void line_edit_set(struct line_edit *edit, const char *text);

void line_edit_left(struct line_edit *edit);
void line_edit_right(struct line_edit *edit);
void line_edit_home(struct line_edit *edit);
void line_edit_end(struct line_edit *edit);

/* Each removes: the grapheme before, the one behind, the word before, all before, all behind. */
void line_edit_backspace(struct line_edit *edit);
void line_edit_delete(struct line_edit *edit);
void line_edit_kill_word(struct line_edit *edit);
void line_edit_kill_start(struct line_edit *edit);
void line_edit_kill_end(struct line_edit *edit);

/* The line as it stands, ended by NUL; borrowed. */
const char *line_edit_text(const struct line_edit *edit);

/* Remembers an entered line, unless it is the last one again. */
void line_past_add(struct line_past *past, const char *line);

/* Shows an older or a newer line in `edit`. */
void line_past_older(struct line_past *past, struct line_edit *edit);
void line_past_newer(struct line_past *past, struct line_edit *edit);

/* The part of the line that a field of `columns` shows, so that the cursor is in it: where it
 * begins, and the column of the cursor. */
size_t line_edit_view(const struct line_edit *edit, int columns, int *cursor_column);

#endif
