/* view.c - see view.h.
 *
 * The place of a view is a line and how many of its last rows are below the screen, so that
 * lines that come at either end, or another width, do not move it.
 */
#include "client/view.h"

#include <string.h>

#include "client/text.h"

struct wrapped {
    struct view_row rows[VIEW_LINE_ROWS_MAX];
    size_t count;
};

int view_time_columns(int columns)
{
    return columns < VIEW_TIME_FROM_COLUMNS ? 0 : VIEW_TIME_COLUMNS;
}

int view_indent(const char *user, int columns)
{
    int name = user ? text_width(user, strlen(user)) : 0;

    if (columns < VIEW_NAME_FROM_COLUMNS)
        return 0;
    if (name > VIEW_NAME_COLUMNS_MAX)
        name = VIEW_NAME_COLUMNS_MAX;
    if (name > columns / 3)
        name = columns / 3;
    return view_time_columns(columns) + name + 2; /* "name: " or "* " */
}

static void wrap(struct wrapped *w, const char *text, size_t len, int columns)
{
    const char *at = text, *end = text + len;

    w->count = 0;
    if (columns < 1)
        columns = 1;
    do {
        struct view_row *row = &w->rows[w->count++];

        *row = (struct view_row){.text = at, .is_first = w->count == 1};
        at = at < end ? text_wrap(at, end, columns, &row->len) : end;
        row->is_cut = w->count == VIEW_LINE_ROWS_MAX && at < end;
    } while (at < end && w->count < VIEW_LINE_ROWS_MAX);
}

static void wrap_line(struct wrapped *w, const struct timeline_line *line, int columns)
{
    wrap(w, line->text, line->text_len, columns - view_indent(line->user, columns));
    for (size_t i = 0; i < w->count; i++)
        w->rows[i].line = line;
}

/* Where the line is, or the oldest one after it. */
static size_t find_line(const struct timeline *t, int64_t id)
{
    size_t low = 0, high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->lines[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void view_check(struct view *view, const struct timeline *t)
{
    size_t at = view->bottom ? find_line(t, view->bottom) : 0;

    if (!view->bottom || (at < t->count && t->lines[at]->id == view->bottom))
        return;
    view->bottom = at < t->count ? t->lines[at]->id : 0;
    view->hidden = 0;
}

/* Puts the last rows of `w`, but `hidden`, in front of those from `at` on; returns where
 * they begin. */
static size_t put_before(struct view_row *rows, size_t at, const struct wrapped *w,
                         size_t hidden)
{
    size_t count = hidden < w->count ? w->count - hidden : 0;

    while (count > 0 && at > 0)
        rows[--at] = w->rows[--count];
    return at;
}

/* What is not acked stands below all. */
static size_t put_unsent(struct view_row *rows, size_t at,
                         const struct view_source *source, int columns)
{
    const struct outgoing_entry *first[VIEW_UNSENT_MAX];
    size_t shown = 0, more = 0;
    struct wrapped w;

    list_each(link, &source->outgoing->entries) {
        const struct outgoing_entry *entry =
            list_entry(link, struct outgoing_entry, link);

        if (entry->came_as)
            continue;
        if (shown == VIEW_UNSENT_MAX) { /* what has come is counted: near enough */
            more = source->outgoing->count - shown;
            break;
        }
        first[shown++] = entry;
    }
    if (more > 0 && at > 0)
        rows[--at] = (struct view_row){.more = more, .text = ""};
    while (shown > 0) {
        const struct outgoing_entry *entry = first[--shown];

        wrap(&w, entry->text, strlen(entry->text),
             columns - view_indent(source->user, columns));
        for (size_t i = 0; i < w.count; i++)
            w.rows[i].unsent = entry;
        at = put_before(rows, at, &w, 0);
    }
    return at;
}

size_t view_rows(const struct view *view, const struct view_source *source, int columns,
                 size_t height, struct view_row *rows)
{
    const struct timeline *t = source->timeline;
    size_t at = height, i = t->count, hidden = view->hidden;
    struct wrapped w;

    if (view->bottom)
        i = find_line(t, view->bottom) + 1;
    else
        at = put_unsent(rows, at, source, columns);
    if (i > t->count) /* not checked; show the end */
        i = t->count;
    while (i > 0 && at > 0) {
        wrap_line(&w, t->lines[--i], columns);
        at = put_before(rows, at, &w, hidden);
        hidden = 0;
    }
    memmove(rows, rows + at, (height - at) * sizeof(*rows));
    return height - at;
}

static bool scroll_up(struct view *view, const struct timeline *t, int columns,
                      size_t height, size_t by)
{
    size_t i = view->bottom ? find_line(t, view->bottom) : t->count - 1;
    size_t hidden = view->bottom ? view->hidden : 0, above = 0;
    struct wrapped w;

    /* No further than to a screen that begins with the first line. */
    for (size_t k = i + 1; k > 0 && above < hidden + by + height; k--) {
        wrap_line(&w, t->lines[k - 1], columns);
        above += w.count;
    }
    above = above > hidden + height ? above - hidden - height : 0;
    if (by > above)
        by = above;
    if (by == 0)
        return false;
    hidden += by;
    for (;;) {
        wrap_line(&w, t->lines[i], columns);
        if (hidden < w.count || i == 0)
            break;
        hidden -= w.count;
        i--;
    }
    *view = (struct view){t->lines[i]->id, hidden};
    return true;
}

static bool scroll_down(struct view *view, const struct timeline *t, int columns,
                        size_t by)
{
    size_t i;
    struct wrapped w;

    if (!view->bottom)
        return false;
    i = find_line(t, view->bottom);
    while (by > 0 && i < t->count) {
        if (view->hidden >= by) {
            view->hidden -= by;
            break;
        }
        by -= view->hidden + 1;
        if (++i == t->count)
            break;
        wrap_line(&w, t->lines[i], columns);
        view->hidden = w.count - 1;
    }
    view->bottom = i < t->count ? t->lines[i]->id : 0;
    if (!view->bottom || (i + 1 == t->count && view->hidden == 0))
        *view = (struct view){0, 0};
    return true;
}

bool view_scroll(struct view *view, const struct timeline *t, int columns,
                 size_t height, long by)
{
    view_check(view, t);
    if (t->count == 0)
        return false;
    return by > 0 ? scroll_up(view, t, columns, height, (size_t)by)
                  : scroll_down(view, t, columns, (size_t)-by);
}

bool view_can_scroll(const struct view *view, const struct timeline *t, int columns,
                     size_t height)
{
    struct view copy = *view;

    return view_scroll(&copy, t, columns, height, 1);
}
