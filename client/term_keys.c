/* term_keys.c - what is typed, see term.h.
 *
 *     term_take_keys -> on_key -> a row of `actions`, or the line is edited
 *                         |-> take_line -> say, or a row of `verbs`
 *                         |-> a paste: gathered, then put into the line, or asked about
 *
 * A paste of one line is put into the line that is being written. One of more lines waits until the
 * user has said yes; then its lines are said one by one, as text: a paste runs no commands.
 *
 * Over 400 lines because each key and each command is a few of them.
 */
#include "client/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/screen.h"
#include "client/term_command.h"
#include "client/text.h"
#include "common/proto.h"
#include "common/xalloc.h"

enum { KEYS_AT_ONCE = 50000, ROOM_MAX_BYTES = 128, SCROLL_OVERLAP = 1 };

static struct talk_room *room_of(struct term *term)
{
    return talk_active(&term->talk);
}

static void note(struct term *term, const char *text)
{
    talk_note(&term->talk, TIMELINE_NOTE, term_now_ms(), text);
    room_of(term)->view = (struct view){0, 0};
}

static void warn(struct term *term, const char *text)
{
    talk_note(&term->talk, TIMELINE_WARNING, term_now_ms(), text);
    room_of(term)->view = (struct view){0, 0};
}

static void put_note(void *term, const char *line)
{
    note(term, line);
}

/* ---- saying ---- */

static void tell_typing(struct term *term, bool on)
{
    struct talk_room *room = room_of(term);
    struct strbuf out = {NULL, 0, 0};

    if (!room->is_in || !typing_should_say(&room->typing, on, term_now_ms()))
        return;
    strbuf_add_text(&out, "{\"type\":\"signal\",\"id\":\"t\",\"room\":");
    strbuf_add_json(&out, room->name, strlen(room->name));
    strbuf_add_format(&out, ",\"kind\":\"typing\",\"data\":{\"on\":%s}}",
                      on ? "true" : "false");
    chat_client_send(term->client, out.data, out.len);
    strbuf_deinit(&out);
}

static bool say(struct term *term, const char *text, size_t len)
{
    struct talk_room *room = room_of(term);
    uint64_t id;

    room->asked_to_leave = false;
    id = chat_client_say(term->client, room->name, text, len);

    if (id == 0)
        return false;
    timeline_say(&room->timeline, id, text, len);
    return true;
}

static void say_line(struct term *term, const char *line)
{
    struct talk_room *room = room_of(term);

    if (!line[0])
        return;
    if (!say(term, line, strlen(line)))
        warn(term, room == term->talk.home ? "not said: /join a room first"
                                           : "not said: you are not in this room");
    typing_should_say(&room->typing, false, term_now_ms()); /* it ends by itself */
    room->view = (struct view){0, 0};
}

/* ---- commands ---- */

static void on_join(struct term *term, const char *rest)
{
    if (proto_is_name(rest, strlen(rest), ROOM_MAX_BYTES))
        term_join(term, rest);
    else
        warn(term, "/join ROOM: 1 to 128 bytes without control characters and { }");
}

static void on_leave(struct term *term, const char *rest)
{
    struct talk_room *room = rest[0] ? talk_find(&term->talk, rest) : room_of(term);

    if (!room || room == term->talk.home) {
        warn(term, "you are not in such a room");
        return;
    }
    if (room->timeline.unsent_count > 0 && !room->is_out && !room->asked_to_leave) {
        room->asked_to_leave = true;
        warn(term, "not all is acked yet that you said there; /leave again to lose it");
        return;
    }
    chat_client_leave(term->client, room->name);
    talk_leave(&term->talk, room);
}

static void on_members(struct term *term, const char *rest)
{
    (void)rest;
    term->talk.shows_members = !term->talk.shows_members;
    term->members_top = 0;
    room_of(term)->roster.is_known = false; /* a large room tells no changes */
    talk_ask_members(&term->talk, room_of(term));
}

static void scroll(struct term *term, long pages)
{
    struct talk_room *room = room_of(term);
    int columns;
    size_t rows;
    long by;

    screen_conversation(&term->talk, &columns, &rows);
    by = rows > 2 ? (long)rows - SCROLL_OVERLAP : 1;
    if (!view_scroll(&room->view, &room->timeline, columns, rows, pages * by) &&
        pages > 0)
        talk_ask_older(&term->talk, room);
    if (pages > 0 && room->view.bottom && /* before the top is reached */
        room->timeline.count > 0 &&
        !view_can_scroll(&room->view, &room->timeline, columns, rows))
        talk_ask_older(&term->talk, room);
}

static void on_history(struct term *term, const char *rest)
{
    struct talk_room *room = room_of(term);

    (void)rest;
    if (talk_ask_older(&term->talk, room) || room->history_id)
        scroll(term, 1);
    else
        note(term, "there is nothing older to be had");
}

static void on_rooms(struct term *term, const char *rest)
{
    struct talk *talk = &term->talk;

    (void)rest;
    for (size_t i = 0; i < talk->count; i++) {
        struct talk_room *room = talk->rooms[i];
        struct strbuf line = {NULL, 0, 0};

        strbuf_add_format(&line, "%zu %s: %llu here, %llu unread%s", i + 1, room->name,
                          (unsigned long long)room->roster.count,
                          (unsigned long long)room->unread,
                          room->is_out  ? ", you are out"
                          : room->is_in ? ""
                                        : ", coming in");
        note(term, line.data);
        strbuf_deinit(&line);
    }
    if (talk->count == 0)
        note(term, "you are in no room");
}

static void on_stop(struct term *term, const char *rest)
{
    size_t count = chat_client_withdraw(term->client, room_of(term)->name);
    char line[64];

    (void)rest;
    snprintf(line, sizeof(line), "taken back: %zu lines", count);
    note(term, line);
}

static void on_help(struct term *term, const char *rest)
{
    (void)rest;
    term_command_help(put_note, term);
}

static void on_quit(struct term *term, const char *rest)
{
    size_t waiting = 0;
    char line[96];

    (void)rest;
    for (size_t i = 0; i < term->talk.count; i++)
        waiting += term->talk.rooms[i]->timeline.unsent_count;
    if (waiting == 0 || term->asked_to_quit) {
        term_quit(term);
        return;
    }
    term->asked_to_quit = true;
    snprintf(line, sizeof(line),
             "%zu lines are not acked yet; /quit again to lose them", waiting);
    warn(term, line);
}

static const struct {
    enum term_verb verb;
    void (*run)(struct term *term, const char *rest);
} verbs[] = {
    {TERM_SAY, say_line},       {TERM_JOIN, on_join},       {TERM_LEAVE, on_leave},
    {TERM_MEMBERS, on_members}, {TERM_HISTORY, on_history}, {TERM_ROOMS, on_rooms},
    {TERM_STOP, on_stop},       {TERM_HELP, on_help},       {TERM_QUIT, on_quit},
};

static void take_line(struct term *term)
{
    struct line_edit *edit = &room_of(term)->draft;
    char *line = xstrdup(line_edit_text(edit));
    struct term_command command = term_command_parse(line);

    if (command.verb == TERM_UNKNOWN) { /* stays, to be corrected */
        warn(term,
             "no such command: /help lists them; // says a text that begins with /");
        free(line);
        return;
    }
    line_past_add(&term->talk.past, line);
    line_edit_set(edit, "");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (verbs[i].verb == command.verb) {
            verbs[i].run(term, command.rest);
            break;
        }
    free(line);
}

/* ---- pastes ---- */

static size_t count_lines(const struct strbuf *text)
{
    size_t count = 0;

    for (size_t at = 0; at < text->len;) {
        size_t len = strcspn(text->data + at, "\n");

        count += len > 0;
        at += len + 1;
    }
    return count;
}

static void end_paste(struct term *term)
{
    struct strbuf *paste = &term->paste;

    term->is_pasting = false;
    term->paste_lines = term->is_paste_too_long ? 0 : count_lines(paste);
    if (term->is_paste_too_long)
        warn(term, "this paste is too long; nothing of it was taken");
    if (term->paste_lines > 1) {
        snprintf(term->question, sizeof(term->question),
                 "%zu lines pasted: Enter says them one by one, Esc drops them ",
                 term->paste_lines);
        return;
    }
    while (paste->len > 0 && paste->data[paste->len - 1] == '\n')
        paste->len--;
    if (term->paste_lines == 1) {
        const char *from = paste->data + strspn(paste->data, "\n");

        if (!line_edit_insert(&room_of(term)->draft, from,
                              paste->len - (size_t)(from - paste->data)))
            warn(term, "this line is too long");
    }
    term->paste_lines = 0;
    strbuf_reset(paste, 0);
}

static void take_paste_key(struct term *term, const struct screen_input *input)
{
    const char *text = input->key == SCREEN_TEXT    ? input->text
                       : input->key == SCREEN_ENTER ? "\n"
                       : input->key == SCREEN_TAB   ? "\t"
                                                    : "";

    if (input->key == SCREEN_PASTE_END) {
        end_paste(term);
        return;
    }
    if (term->paste.len + strlen(text) > TERM_PASTE_MAX_BYTES)
        term->is_paste_too_long = true;
    else
        strbuf_add_text(&term->paste, text);
}

static void say_paste(struct term *term)
{
    const char *at = term->paste.data;

    while (*at) {
        size_t len = strcspn(at, "\n");

        if (len > 0 && !say(term, at, len)) {
            warn(term, "not said: you are not in this room");
            break;
        }
        at += len + (at[len] != '\0');
    }
    room_of(term)->view = (struct view){0, 0};
}

/* The answer to the question. */
static void take_answer(struct term *term, const struct screen_input *input)
{
    bool yes = input->key == SCREEN_ENTER || strcmp(input->text, "y") == 0;

    if (!yes && input->key != SCREEN_ESCAPE && strcmp(input->text, "n") != 0)
        return;
    if (yes)
        say_paste(term);
    term->paste_lines = 0;
    strbuf_reset(&term->paste, 0);
}

static void begin_paste(struct term *term)
{
    strbuf_reset(&term->paste, 0);
    term->paste_lines = 0;
    term->is_pasting = true;
    term->is_paste_too_long = false;
}

/* ---- completion ---- */

static void complete(struct term *term)
{
    struct talk *talk = &term->talk;
    struct talk_room *room = room_of(term);
    const struct roster_names *members = &room->roster.now;
    struct line_edit *edit = &room->draft;
    const char **names = xmalloc((members->count + talk->count + 32) * sizeof(char *));
    struct strbuf add = {NULL, 0, 0}, list = {NULL, 0, 0};
    bool is_command = line_edit_text(edit)[0] == '/';
    size_t count = 0, fits;

    for (size_t i = 0;
         is_command && !strchr(line_edit_text(edit), ' ') && term_command_name(i); i++)
        names[count++] = term_command_name(i);
    for (size_t i = 0; is_command && i < talk->count; i++)
        names[count++] = talk->rooms[i]->name;
    for (size_t i = 0; !is_command && i < members->count; i++)
        names[count++] = members->names[i];
    term_command_complete(&add, &list, &fits, line_edit_text(edit), edit->cursor, names,
                          count);
    if (add.len > 0)
        line_edit_insert(edit, add.data, add.len);
    else if (fits > 1)
        note(term, list.data);
    free(names);
    strbuf_deinit(&add);
    strbuf_deinit(&list);
}

/* ---- keys ---- */

static void turn_to(struct term *term, size_t index)
{
    term->members_top = 0;
    talk_select(&term->talk, index);
}

static void next_room(struct term *term)
{
    struct talk *talk = &term->talk;

    if (talk->count > 0)
        turn_to(term, (talk->active + 1) % talk->count);
}

static void previous_room(struct term *term)
{
    struct talk *talk = &term->talk;

    if (talk->count > 0)
        turn_to(term, (talk->active + talk->count - 1) % talk->count);
}

static void older_line(struct term *term)
{
    line_past_older(&term->talk.past, &room_of(term)->draft);
}

static void newer_line(struct term *term)
{
    line_past_newer(&term->talk.past, &room_of(term)->draft);
}

static void page_up(struct term *term)
{
    scroll(term, 1);
}

static void page_down(struct term *term)
{
    scroll(term, -1);
}

static void redraw(struct term *term)
{
    (void)term;
    screen_redraw();
}

static void edit_line(struct term *term, enum screen_key key)
{
    static void (*const edits[])(struct line_edit * edit) = {
        [SCREEN_LEFT] = line_edit_left,
        [SCREEN_RIGHT] = line_edit_right,
        [SCREEN_HOME] = line_edit_home,
        [SCREEN_END] = line_edit_end,
        [SCREEN_BACKSPACE] = line_edit_backspace,
        [SCREEN_DELETE] = line_edit_delete,
        [SCREEN_KILL_WORD] = line_edit_kill_word,
        [SCREEN_KILL_START] = line_edit_kill_start,
        [SCREEN_KILL_END] = line_edit_kill_end,
    };
    struct line_edit *edit = &room_of(term)->draft;

    if ((size_t)key < sizeof(edits) / sizeof(edits[0]) && edits[key])
        edits[key](edit);
    if (edit->text.len == 0)
        tell_typing(term, false);
}

static void type(struct term *term, const char *text)
{
    struct line_edit *edit = &room_of(term)->draft;

    if (!line_edit_insert(edit, text, strlen(text)))
        return; /* full: what is typed does not appear */
    if (line_edit_text(edit)[0] != '/')
        tell_typing(term, true);
}

static void scroll_members(struct term *term, long by)
{
    size_t count = room_of(term)->roster.now.count;
    int columns;
    size_t rows, top = term->members_top, step;

    screen_conversation(&term->talk, &columns, &rows);
    step = rows > 3 ? rows - 2 : 1;
    if (by > 0 && top + step < count)
        term->members_top = top + step;
    else if (by < 0)
        term->members_top = top > step ? top - step : 0;
}

static void members_up(struct term *term)
{
    scroll_members(term, -1);
}

static void members_down(struct term *term)
{
    scroll_members(term, 1);
}

static void on_key(struct term *term, const struct screen_input *input)
{
    static void (*const actions[])(struct term * term) = {
        [SCREEN_ENTER] = take_line,       [SCREEN_TAB] = complete,
        [SCREEN_UP] = older_line,         [SCREEN_DOWN] = newer_line,
        [SCREEN_PAGE_UP] = page_up,       [SCREEN_PAGE_DOWN] = page_down,
        [SCREEN_NEXT_ROOM] = next_room,   [SCREEN_PREVIOUS_ROOM] = previous_room,
        [SCREEN_MEMBERS_UP] = members_up, [SCREEN_MEMBERS_DOWN] = members_down,
        [SCREEN_REDRAW] = redraw,         [SCREEN_QUIT] = term_quit,
    };
    size_t key = input->key;

    if (input->key == SCREEN_TEXT)
        type(term, input->text);
    else if (input->key == SCREEN_ROOM)
        turn_to(term, (size_t)input->digit - 1);
    else if (key < sizeof(actions) / sizeof(actions[0]) && actions[key])
        actions[key](term);
    else
        edit_line(term, input->key);
}

void term_take_keys(struct term *term)
{
    struct screen_input input;

    for (int i = 0; i < KEYS_AT_ONCE && !term->is_ending && screen_read(&input); i++) {
        if (input.key == SCREEN_PASTE_BEGIN)
            begin_paste(term);
        else if (term->is_pasting)
            take_paste_key(term, &input);
        else if (term->paste_lines > 0)
            take_answer(term, &input);
        else
            on_key(term, &input);
    }
    term_touch(term);
}
