/* view.h - which part of a conversation is to be seen: its lines wrapped into rows, from the
 * bottom up, only as many as there is place for. Pure: rows out, nothing drawn.
 *
 * A view follows the end, or stays where it was scrolled to while new lines come below.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "client/outgoing.h"
#include "client/timeline.h"

enum {
    VIEW_ROWS_MAX = 1000,        /* of a screen */
    VIEW_LINE_ROWS_MAX = 200,    /* of one message; the rest is not shown */
    VIEW_UNSENT_MAX = 5,         /* of what is not acked, of more the number is told */
    VIEW_TIME_COLUMNS = 6,       /* "12:34 " */
    VIEW_TIME_FROM_COLUMNS = 32, /* in less, no time is shown, nor a name */
    VIEW_NAME_FROM_COLUMNS = 12,
    VIEW_NAME_COLUMNS_MAX = 20, /* of a name before a text */
};

/* One row of the screen. */
struct view_row {
    const struct timeline_line *line;    /* NULL: the row is of `unsent` or `more` */
    const struct outgoing_entry *unsent; /* NULL: of neither */
    size_t more;                         /* so many unsent are not shown */
    const char *text;                    /* the part of the text in this row */
    size_t len;
    bool is_first; /* time and name stand before it */
    bool is_cut;   /* the rest of the message is not shown */
};

struct view {
    int64_t bottom; /* id of the lowest line that shows; 0: the end */
    size_t hidden;  /* rows of it that do not */
};

/* The columns of the time before a line; and of all that stands before its text. */
int view_time_columns(int columns);
int view_indent(const char *user, int columns);

/* What is shown; borrowed. */
struct view_source {
    const struct timeline *timeline;
    const struct outgoing *outgoing; /* stands below all */
    const char *user;                /* whose that is */
};

/* Fills `rows` (of `height`) from the top; returns how many there are. */
size_t view_rows(const struct view *view, const struct view_source *source, int columns,
                 size_t height, struct view_row *rows);

/* Scrolls by so many rows, up if positive. False: it is at the top, or at the end. */
bool view_scroll(struct view *view, const struct timeline *t, int columns,
                 size_t height, long by);

/* Whether it is not at the top yet. */
bool view_can_scroll(const struct view *view, const struct timeline *t, int columns,
                     size_t height);

/* After lines were dropped: keeps to what is left. */
void view_check(struct view *view, const struct timeline *t);

#endif
