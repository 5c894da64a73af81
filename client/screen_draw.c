/* screen_draw.c - see screen.h: what is drawn.
 *
 *     screen_draw -> draw_tabs, draw_conversation, draw_members, draw_typing, draw_status,
 *                    draw_input; each puts cells of text.h, clipped to its place
 */
#include "client/screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "client/screen_terminal.h"
#include "client/text.h"

enum {
    TABS_FROM_ROWS = 4, /* the least height with tabs, with a line about writing */
    TYPING_FROM_ROWS = 6,
    PANEL_FROM_COLUMNS = 60, /* below, the members hide the conversation */
    PANEL_COLUMNS = 24,
    COLUMNS_MAX = 1000,
};

#define TIME_MAX_MS 253402300799999u /* the end of 9999 */

struct place {
    int y, x, columns;
};

/* Puts text from the left of the place on, and makes the place smaller. */
static void put(struct place *at, const char *text, size_t len, attr_t attrs,
                short pair)
{
    const char *end = text + len;

    while (text < end) {
        struct text_cell cell;
        cchar_t c;

        text = text_cell(text, end, &cell);
        if (cell.width == 0)
            continue;
        if (cell.width > at->columns)
            break;
        setcchar(&c, cell.chars, attrs, screen_terminal_has_colours() ? pair : 0, NULL);
        mvadd_wch(at->y, at->x, &c);
        at->x += cell.width;
        at->columns -= cell.width;
    }
}

static void put_text(struct place *at, const char *text, attr_t attrs, short pair)
{
    put(at, text, strlen(text), attrs, pair);
}

static void fill(struct place *at, attr_t attrs)
{
    while (at->columns > 0)
        put_text(at, " ", attrs, 0);
}

static int height(void)
{
    return getmaxy(stdscr);
}

static int width(void)
{
    return getmaxx(stdscr) < COLUMNS_MAX ? getmaxx(stdscr) : COLUMNS_MAX;
}

static int panel_columns(const struct model *model)
{
    if (!model->shows_members)
        return 0;
    return width() < PANEL_FROM_COLUMNS ? width() : PANEL_COLUMNS;
}

static int first_row(void)
{
    return height() >= TABS_FROM_ROWS ? 1 : 0;
}

static int conversation_rows(void)
{
    int below = height() >= TYPING_FROM_ROWS ? 3 : 2;
    int rows = height() - first_row() - below;

    return rows < 0 ? 0 : rows < VIEW_ROWS_MAX ? rows : VIEW_ROWS_MAX;
}

void screen_conversation(const struct model *model, int *columns, size_t *rows)
{
    *columns = width() - panel_columns(model);
    *rows = (size_t)conversation_rows();
    if (*columns < 1)
        *columns = width(); /* hidden: as it will be */
}

static short colour_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return (short)(1 + hash % SCREEN_TERMINAL_NAME_COLOURS);
}

static void print_tab(char *out, size_t size, const struct model *model, size_t i)
{
    const struct model_room *room = model->rooms[i];
    char unread[32] = "";

    if (room->unread > 0)
        snprintf(unread, sizeof(unread), " (%llu)", (unsigned long long)room->unread);
    snprintf(out, size, " %zu %.*s%s%s ", i + 1,
             (int)text_fit(room->name, strlen(room->name), 20), room->name,
             room->state == MODEL_ROOM_OUT ? " (out)" : "", unread);
}

static void draw_tabs(const struct model *model)
{
    struct place at = {0, 0, width()};
    size_t first = model->active;
    char tab[256];
    int used = 0;

    /* As many as fit before the one that is looked at, and all behind it. */
    for (size_t i = model->active + 1; i > 0 && model->count > 0; i--) {
        print_tab(tab, sizeof(tab), model, i - 1);
        used += text_width(tab, strlen(tab));
        if (used > width() - 4)
            break;
        first = i - 1;
    }
    if (first > 0)
        put_text(&at, "<", A_BOLD, 0);
    for (size_t i = first; i < model->count; i++) {
        attr_t attrs = i == model->active            ? A_REVERSE
                       : model->rooms[i]->unread > 0 ? A_BOLD
                                                     : A_NORMAL;

        print_tab(tab, sizeof(tab), model, i);
        put_text(&at, tab, attrs, 0);
    }
    if (model->count == 0)
        put_text(&at, " roomcast ", A_REVERSE, 0);
}

/* The time, or the date of another day. */
static void print_time(char *out, size_t size, uint64_t ts_ms)
{
    time_t secs = (time_t)(ts_ms / 1000), now = time(NULL);
    struct tm local, today;
    bool is_today = localtime_r(&secs, &local) && localtime_r(&now, &today) &&
                    local.tm_yday == today.tm_yday && local.tm_year == today.tm_year;

    if (ts_ms > TIME_MAX_MS ||
        strftime(out, size, is_today ? "%H:%M " : "%m-%d ", &local) == 0)
        snprintf(out, size, "--:-- ");
}

/* Time and name, or as many blanks. */
static void put_margin(struct place *at, const struct view_row *row, const char *user,
                       uint64_t ts_ms)
{
    struct place margin = *at;
    int columns = at->columns;
    char when[16];

    margin.columns = view_indent(user, at->columns);
    at->x += margin.columns;
    at->columns -= margin.columns;
    if (!row->is_first || margin.columns == 0)
        return;
    if (ts_ms)
        print_time(when, sizeof(when), ts_ms);
    else
        snprintf(when, sizeof(when), "  ... "); /* not acked */
    if (view_time_columns(columns) > 0)
        put_text(&margin, when, A_NORMAL, SCREEN_TERMINAL_DIM);
    if (!user) {
        put_text(&margin, "* ", A_NORMAL, SCREEN_TERMINAL_DIM);
        return;
    }
    margin.columns -= 2;
    put_text(&margin, user, A_BOLD, colour_of(user));
    margin.columns += 2;
    put_text(&margin, ": ", A_NORMAL, 0);
}

static void put_line(struct place *at, const struct view_row *row)
{
    const struct timeline_line *line = row->line;
    bool is_warning = line->kind == TIMELINE_WARNING;

    put_margin(at, row, line->user, line->ts_ms);
    if (line->is_deleted)
        put_text(at, "(deleted)", A_DIM, SCREEN_TERMINAL_DIM);
    else
        put(at, row->text, row->len, is_warning ? A_BOLD : A_NORMAL,
            is_warning                    ? SCREEN_TERMINAL_TROUBLE
            : line->kind == TIMELINE_NOTE ? SCREEN_TERMINAL_DIM
                                          : 0);
}

static void draw_row(const struct model *model, struct place at,
                     const struct view_row *row)
{
    int end = at.x + at.columns;
    char more[64];

    if (row->line) {
        put_line(&at, row);
    } else if (row->unsent) {
        put_margin(&at, row, model->user, 0);
        put(&at, row->text, row->len, A_DIM, SCREEN_TERMINAL_DIM);
    } else {
        snprintf(more, sizeof(more), "  ... and %zu more lines wait (/stop)",
                 row->more);
        put_text(&at, more, A_DIM, SCREEN_TERMINAL_DIM);
    }
    if (row->is_cut && end >= 4) {
        at.x = at.columns < 4 ? end - 4 : at.x;
        at.columns = 4;
        put_text(&at, " ...", A_BOLD, 0);
    }
}

static void draw_conversation(struct model *model)
{
    static struct view_row rows[VIEW_ROWS_MAX];
    const struct model_room *room = model_active(model);
    struct view_source source = {&room->timeline, &room->outgoing, model->user};
    int columns = width() - panel_columns(model);
    size_t room_for = (size_t)conversation_rows(), count;

    if (columns < 1 || room_for == 0)
        return;
    count = view_rows(&room->view, &source, columns, room_for, rows);
    for (size_t i = 0; i < count; i++) {
        int y = first_row() + (int)(room_for - count + i);

        draw_row(model, (struct place){y, 0, columns}, &rows[i]);
    }
}

static void draw_members(struct model *model, size_t top)
{
    const struct model_room *room = model_active(model);
    const struct members *members = &room->members;
    int columns = panel_columns(model), left = width() - columns;
    size_t rows = (size_t)conversation_rows(), y = (size_t)first_row();
    char text[64];

    if (top >= members->now.count)
        top = 0;
    for (size_t i = 0; i < rows; i++) {
        struct place at = {(int)(y + i), left, columns};
        size_t n = top + i - 1;

        put_text(&at, left > 0 ? "| " : " ", A_NORMAL, SCREEN_TERMINAL_DIM);
        if (i == 0) {
            snprintf(text, sizeof(text), "%llu here",
                     (unsigned long long)members->count);
            put_text(&at, text, A_BOLD, 0);
        } else if (!members->is_known && members->now.count == 0 && i == 1) {
            put_text(&at, room->state == MODEL_ROOM_IN ? "(coming)" : "(not known)",
                     A_NORMAL, SCREEN_TERMINAL_DIM);
        } else if (rows > 3 && i + 1 == rows && n + 1 < members->now.count) {
            snprintf(text, sizeof(text), "%zu more (Alt-Down)", members->now.count - n);
            put_text(&at, text, A_NORMAL, SCREEN_TERMINAL_DIM);
        } else if (n < members->now.count) {
            put_text(&at, members->now.names[n], A_NORMAL,
                     colour_of(members->now.names[n]));
        }
    }
}

static void print_typing(struct strbuf *out, const struct model_room *room)
{
    const struct typing *typing = &room->typing;

    for (size_t i = 0; i < typing->count && i < 3; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        strbuf_add_text(out, typing->users[i].user);
    }
    if (typing->count > 3)
        strbuf_add_text(out, " and others");
    if (typing->count > 0)
        strbuf_add_text(out, typing->count == 1 ? " is writing" : " are writing");
}

static void draw_typing(struct model *model)
{
    struct place at = {height() - 3, 0, width()};
    struct strbuf text = {NULL, 0, 0};

    if (height() < TYPING_FROM_ROWS)
        return;
    print_typing(&text, model_active(model));
    put_text(&at, text.data ? text.data : "", A_NORMAL, SCREEN_TERMINAL_DIM);
    strbuf_deinit(&text);
}

static void draw_status(struct model *model, const struct screen_bar *bar)
{
    struct place at = {height() - 2, 0, width()}, right = at;
    const struct model_room *room = model_active(model);
    struct strbuf text = {NULL, 0, 0};

    if (height() < 2)
        return;
    if (room->view.bottom)
        strbuf_add_text(&text, " scrolled up (PageDown) ");
    else if (height() < TYPING_FROM_ROWS)
        print_typing(&text, room);
    put_text(&at, " ", A_REVERSE, 0);
    put_text(&at, bar->status, A_REVERSE | (bar->is_trouble ? A_BOLD : 0),
             bar->is_trouble ? SCREEN_TERMINAL_TROUBLE : 0);
    fill(&at, A_REVERSE);
    if (text.data && text_width(text.data, text.len) < width() / 2) {
        right.columns = text_width(text.data, text.len);
        right.x = width() - right.columns;
        put_text(&right, text.data, A_REVERSE, 0);
    }
    strbuf_deinit(&text);
}

static void draw_input(struct model *model, const struct screen_bar *bar)
{
    struct place at = {height() - 1, 0, width()};
    const struct line_edit *edit = &model_active(model)->draft;
    int column = 0, from_x;
    size_t from;

    if (bar->question) {
        put_text(&at, bar->question, A_BOLD, 0);
        move(height() - 1, at.x < width() ? at.x : width() - 1);
        return;
    }
    put_text(&at, width() > 10 ? "> " : "", A_BOLD, 0);
    from_x = at.x;
    from = line_edit_view(edit, at.columns, &column);
    put(&at, line_edit_text(edit) + from, edit->text.len - from, A_NORMAL, 0);
    move(height() - 1, from_x + column);
}

void screen_draw(struct model *model, const struct screen_bar *bar)
{
    if (!screen_terminal_is_ours())
        return;
    erase();
    if (first_row() > 0)
        draw_tabs(model);
    draw_conversation(model);
    if (model->shows_members)
        draw_members(model, bar->members_top);
    draw_typing(model);
    draw_status(model, bar);
    draw_input(model, bar);
    refresh();
}
