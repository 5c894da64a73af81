/* screen.c - see screen.h.
 *
 *     screen_draw -> draw_tabs, draw_conversation, draw_members, draw_typing, draw_status,
 *                    draw_input; each puts cells of text.h, clipped to its place
 *     screen_read -> read_wide -> a row of `keys`, or a character
 *
 * If the program crashes, on_crash gives the terminal back before the signal does its work.
 *
 * Over 400 lines because only one file knows ncurses.
 */
#include "client/screen.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "client/text.h"

enum {
    TABS_FROM_ROWS = 4, /* the least height with tabs, with a line about writing */
    TYPING_FROM_ROWS = 6,
    PANEL_FROM_COLUMNS = 60, /* below, the members hide the conversation */
    PANEL_COLUMNS = 24,
    COLUMNS_MAX = 1000,
    NAME_COLOURS = 12,
    ESCAPE_MS = 25,
    KEY_OWN = KEY_MAX + 1, /* what terminfo does not know */
    KEY_PASTE_BEGIN = KEY_OWN,
    KEY_PASTE_END,
    KEY_ALT_UP,
    KEY_ALT_DOWN,
};

#define TIME_MAX_MS 253402300799999u /* the end of 9999 */

enum { PAIR_TROUBLE = NAME_COLOURS + 1, PAIR_DIM };

static const char take_pastes[] = "\033[?2004h", leave_pastes[] = "\033[?2004l";

/* The terminal is one for the whole process, and so is this. */
static struct {
    SCREEN *screen; /* NULL: not open */
    WINDOW *keys;   /* a pad, so that reading does not draw */
    bool has_colours, is_suspended;
    struct termios before;
} the;

struct place {
    int y, x, columns;
};

/* ---- taking and giving back ---- */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGQUIT};
static struct sigaction before_crash[sizeof(crashes) / sizeof(crashes[0])];

static void write_quietly(const char *bytes, size_t len)
{
    ssize_t n = write(STDOUT_FILENO, bytes, len);

    (void)n; /* where it cannot be written nobody looks */
}

static void on_crash(int number)
{
    static const char leave[] = "\033[?2004l\033[0m\033[?25h\033[?1049l\r\n";

    write_quietly(leave, sizeof(leave) - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &the.before);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigaction(crashes[i], &before_crash[i], NULL);
    raise(number); /* blocked until we return; a fault happens again by itself */
}

static void watch_crashes(bool on)
{
    struct sigaction ours = {.sa_handler = on_crash};

    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        if (on)
            sigaction(crashes[i], &ours, &before_crash[i]);
        else
            sigaction(crashes[i], &before_crash[i], NULL);
}

static void start_colours(void)
{
    static const short many[NAME_COLOURS] = {32,  34,  64,  71, 96,  133,
                                             136, 166, 172, 74, 140, 168};
    static const short few[] = {COLOR_GREEN, COLOR_CYAN, COLOR_YELLOW, COLOR_MAGENTA,
                                COLOR_BLUE};

    if (!the.has_colours || !has_colors() || start_color() == ERR) {
        the.has_colours = false;
        return;
    }
    use_default_colors();
    for (short i = 0; i < NAME_COLOURS; i++)
        init_pair((short)(i + 1), COLORS >= 256 ? many[i] : few[i % 5], -1);
    init_pair(PAIR_TROUBLE, COLOR_RED, -1);
    init_pair(PAIR_DIM, (short)(COLORS >= 256 ? 244 : COLOR_CYAN), -1);
}

const char *screen_open(bool has_colours)
{
    static const char *const own[] = {"\033[200~", "\033[201~", "\033[1;3A",
                                      "\033[1;3B"};

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return "standard input and output are no terminal: --plain is for pipes";
    tcgetattr(STDIN_FILENO, &the.before);
    the.screen = newterm(NULL, stdout, stdin);
    if (!the.screen)
        return "this terminal is not known (TERM): --plain works with any";
    the.has_colours = has_colours;
    set_escdelay(ESCAPE_MS);
    start_colours();
    cbreak();
    noecho();
    nonl();
    the.keys = newpad(1, 1);
    keypad(the.keys, TRUE);
    nodelay(the.keys, TRUE);
    for (int i = 0; i < 4; i++)
        define_key(own[i], KEY_OWN + i);
    watch_crashes(true);
    refresh();
    write_quietly(take_pastes, sizeof(take_pastes) - 1);
    return NULL;
}

void screen_close(void)
{
    if (!the.screen)
        return;
    if (!the.is_suspended)
        screen_suspend();
    watch_crashes(false);
    delwin(the.keys);
    delscreen(the.screen);
    the.screen = NULL;
}

/* After Ctrl-S; TCOON undoes no more than what TCOOFF did. */
static void restart_output(void)
{
    tcflow(STDOUT_FILENO, TCOOFF);
    tcflow(STDOUT_FILENO, TCOON);
}

void screen_suspend(void)
{
    restart_output(); /* or giving back would wait for Ctrl-Q */
    write_quietly(leave_pastes, sizeof(leave_pastes) - 1);
    endwin();
    the.is_suspended = true;
}

void screen_resume(void)
{
    the.is_suspended = false;
    screen_resize(); /* it may have changed meanwhile */
    write_quietly(take_pastes, sizeof(take_pastes) - 1);
}

void screen_resize(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
        size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
    screen_redraw();
}

void screen_redraw(void)
{
    clearok(curscr, TRUE);
}

bool screen_is_held(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 0;
}

/* ---- drawing ---- */

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
        setcchar(&c, cell.chars, attrs, the.has_colours ? pair : 0, NULL);
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
    return (short)(1 + hash % NAME_COLOURS);
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
        put_text(&margin, when, A_NORMAL, PAIR_DIM);
    if (!user) {
        put_text(&margin, "* ", A_NORMAL, PAIR_DIM);
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
        put_text(at, "(deleted)", A_DIM, PAIR_DIM);
    else
        put(at, row->text, row->len, is_warning ? A_BOLD : A_NORMAL,
            is_warning                    ? PAIR_TROUBLE
            : line->kind == TIMELINE_NOTE ? PAIR_DIM
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
        put(&at, row->text, row->len, A_DIM, PAIR_DIM);
    } else {
        snprintf(more, sizeof(more), "  ... and %zu more lines wait (/stop)",
                 row->more);
        put_text(&at, more, A_DIM, PAIR_DIM);
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

        put_text(&at, left > 0 ? "| " : " ", A_NORMAL, PAIR_DIM);
        if (i == 0) {
            snprintf(text, sizeof(text), "%llu here",
                     (unsigned long long)members->count);
            put_text(&at, text, A_BOLD, 0);
        } else if (!members->is_known && members->now.count == 0 && i == 1) {
            put_text(&at, room->state == MODEL_ROOM_IN ? "(coming)" : "(not known)",
                     A_NORMAL, PAIR_DIM);
        } else if (rows > 3 && i + 1 == rows && n + 1 < members->now.count) {
            snprintf(text, sizeof(text), "%zu more (Alt-Down)", members->now.count - n);
            put_text(&at, text, A_NORMAL, PAIR_DIM);
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
    put_text(&at, text.data ? text.data : "", A_NORMAL, PAIR_DIM);
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
             bar->is_trouble ? PAIR_TROUBLE : 0);
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
    if (!the.screen || the.is_suspended)
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

/* ---- reading ---- */

enum { CTRL = 0x1f };

static const struct {
    wint_t code;
    bool is_function; /* of ncurses, no character */
    enum screen_key key;
} keys[] = {
    {'\r', false, SCREEN_ENTER},
    {'\n', false, SCREEN_ENTER},
    {KEY_ENTER, true, SCREEN_ENTER},
    {'\t', false, SCREEN_TAB},
    {KEY_LEFT, true, SCREEN_LEFT},
    {KEY_RIGHT, true, SCREEN_RIGHT},
    {'B' & CTRL, false, SCREEN_LEFT},
    {'F' & CTRL, false, SCREEN_RIGHT},
    {KEY_UP, true, SCREEN_UP},
    {KEY_DOWN, true, SCREEN_DOWN},
    {KEY_HOME, true, SCREEN_HOME},
    {'A' & CTRL, false, SCREEN_HOME},
    {KEY_END, true, SCREEN_END},
    {'E' & CTRL, false, SCREEN_END},
    {KEY_PPAGE, true, SCREEN_PAGE_UP},
    {KEY_NPAGE, true, SCREEN_PAGE_DOWN},
    {KEY_BACKSPACE, true, SCREEN_BACKSPACE},
    {'H' & CTRL, false, SCREEN_BACKSPACE},
    {0x7f, false, SCREEN_BACKSPACE},
    {KEY_DC, true, SCREEN_DELETE},
    {'D' & CTRL, false, SCREEN_DELETE},
    {'W' & CTRL, false, SCREEN_KILL_WORD},
    {'U' & CTRL, false, SCREEN_KILL_START},
    {'K' & CTRL, false, SCREEN_KILL_END},
    {'N' & CTRL, false, SCREEN_NEXT_ROOM},
    {'P' & CTRL, false, SCREEN_PREVIOUS_ROOM},
    {'L' & CTRL, false, SCREEN_REDRAW},
    {'C' & CTRL, false, SCREEN_QUIT},
    {KEY_PASTE_BEGIN, true, SCREEN_PASTE_BEGIN},
    {KEY_PASTE_END, true, SCREEN_PASTE_END},
    {KEY_ALT_UP, true, SCREEN_MEMBERS_UP},
    {KEY_ALT_DOWN, true, SCREEN_MEMBERS_DOWN},
};

static void read_escape(struct screen_input *input)
{
    wint_t code;
    int rc = wget_wch(the.keys, &code);

    input->key = SCREEN_ESCAPE;
    if (rc == OK && code >= '1' && code <= '9') {
        input->key = SCREEN_ROOM;
        input->digit = (int)(code - '0');
    } else if (rc == OK) {
        unget_wch((wchar_t)code);
    }
}

bool screen_read(struct screen_input *input)
{
    wint_t code;
    int rc = wget_wch(the.keys, &code);

    *input = (struct screen_input){.key = SCREEN_NONE};
    if (rc == ERR)
        return false;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].code == code && keys[i].is_function == (rc == KEY_CODE_YES))
            input->key = keys[i].key;
    if (input->key != SCREEN_NONE || rc == KEY_CODE_YES)
        return true;
    if (code == 0x1b) {
        read_escape(input);
    } else if (code >= ' ') {
        struct strbuf text = {NULL, 0, 0};

        utf8_add(&text, (uint32_t)code);
        snprintf(input->text, sizeof(input->text), "%s", text.data);
        strbuf_deinit(&text);
        input->key = SCREEN_TEXT;
    }
    return true;
}
