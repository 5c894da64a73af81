/* text.h - text of others made fit for a terminal: nothing in it can move the cursor, change
 * colours or direction, or stand in fewer or more columns than we believe.
 *
 * A *cell* is what stands in one place: a character and the marks that combine with it. Control
 * characters (C0, DEL, C1), line and paragraph separators, bidirectional controls, what is
 * not UTF-8 and what the C library knows no width of are shown as a sign instead.
 *
 * A *grapheme* is what a reader takes for one character (utf8proc): one cell, or several, such as
 * a flag, a family of emoji or a syllable. The cursor moves by graphemes, and no row ends within
 * one that fits a row.
 *
 * Terminals do not agree on the width of an emoji that is joined of several, or followed by
 * a variation selector or a skin tone. In cells these joiners are therefore left out: each part
 * stands by itself, in the columns that wcwidth and every terminal give it. Widths are wcwidth's
 * and not utf8proc's, because ncurses counts with them: a row that it counts otherwise than we do
 * is broken, and a spacing mark that we took for part of a cell it would drop.
 *
 * Needs a UTF-8 locale (text_use_locale).
 */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#include "common/strbuf.h"
#include "common/utf8.h"

enum { TEXT_MARKS_MAX = 3 /* combined with one character; more are not shown */ };

struct text_cell {
    wchar_t chars[1 + TEXT_MARKS_MAX + 1]; /* with its NUL */
    int width;                             /* columns: 1 or 2; 0: nothing to show */
};

/* Sets LC_CTYPE from the environment, or to C.UTF-8 where that is not UTF-8. False: there is
 * no such locale. */
bool text_use_locale(void);

/* Whether a terminal must not get it as it is. */
bool text_is_unsafe(uint32_t c);

/* The cell at `at` (before `end`), with all that combines with it; returns the place behind. */
const char *text_cell(const char *at, const char *end, struct text_cell *cell);

/* The grapheme at `at` (before `end`): the place behind it, and its columns. */
const char *text_grapheme(const char *at, const char *end, int *width);

/* Where the grapheme before `at` begins; `from` itself at the start. */
const char *text_before(const char *from, const char *at);

/* The columns that it takes. */
int text_width(const char *text, size_t len);

/* The bytes of its longest beginning of at most `columns`. */
size_t text_fit(const char *text, size_t len, int columns);

/* Adds the text as one line: a tab is a space, a line break and each unsafe character is a
 * sign; emoji stay joined. */
void text_add_line(struct strbuf *out, const char *text, size_t len);

/* Adds JSON, in which characters that a terminal must not get are escaped. */
void text_add_json(struct strbuf *out, const char *json, size_t len);

/* One row of a text that is wrapped into `columns` (at least 1), between words where it can be:
 * the row's bytes; returns the start of the next row, or `end` behind the last. A line
 * break in the text ends a row. */
const char *text_wrap(const char *at, const char *end, int columns, size_t *len);

#endif
