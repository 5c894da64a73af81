/* term_keys.c - see term_keys.h.
 *
 *     term_keys_take -> term_paste_take, or on_key -> a row of `actions`, or the line is edited
 */
#include "client/term_keys.h"

#include <stdlib.h>
#include <string.h>

#include "client/chat_request.h"
#include "client/screen.h"
#include "client/term_command.h"
#include "client/term_paste.h"
#include "client/term_verbs.h"
#include "common/clock.h"
#include "common/xalloc.h"

enum { KEYS_AT_ONCE = 50000 };

static void tell_typing(struct term_session *session, bool on)
{
    static const struct json_text starts = {"{\"on\":true}", 11};
    static const struct json_text stops = {"{\"on\":false}", 12};
    struct model_room *room = term_session_room(session);
    struct strbuf out = {NULL, 0, 0};

    if (room->state != MODEL_ROOM_IN ||
        !typing_should_say(&room->typing, on, clock_ms()))
        return;
    chat_request_begin(&out, "signal", 't', 0, room->name);
    chat_request_add_text(&out, "kind", "typing");
    chat_request_add_json(&out, "data", on ? starts : stops);
    chat_request_end(&out);
    chat_client_send(session->client, out.data, out.len);
    strbuf_deinit(&out);
}

/* ---- completion ---- */

static void complete(struct term_session *session)
{
    struct model *model = &session->model;
    struct model_room *room = term_session_room(session);
    const struct members_names *members = &room->members.now;
    struct line_edit *edit = &room->draft;
    const char **names = xmalloc((members->count + model->count + 32) * sizeof(char *));
    struct term_completion found = {0};
    bool is_command = line_edit_text(edit)[0] == '/';
    size_t count = 0;

    for (size_t i = 0;
         is_command && !strchr(line_edit_text(edit), ' ') && term_command_name(i); i++)
        names[count++] = term_command_name(i);
    for (size_t i = 0; is_command && i < model->count; i++)
        names[count++] = model->rooms[i]->name;
    for (size_t i = 0; !is_command && i < members->count; i++)
        names[count++] = members->names[i];
    term_command_complete(&found, line_edit_text(edit), edit->cursor, names, count);
    if (found.add.len > 0)
        line_edit_insert(edit, found.add.data, found.add.len);
    else if (found.count > 1)
        term_session_note(session, found.list.data);
    free(names);
    term_completion_deinit(&found);
}

/* ---- keys ---- */

static void turn_to(struct term_session *session, size_t index)
{
    session->members_top = 0;
    model_select(&session->model, index);
}

static void next_room(struct term_session *session)
{
    struct model *model = &session->model;

    if (model->count > 0)
        turn_to(session, (model->active + 1) % model->count);
}

static void previous_room(struct term_session *session)
{
    struct model *model = &session->model;

    if (model->count > 0)
        turn_to(session, (model->active + model->count - 1) % model->count);
}

static void older_line(struct term_session *session)
{
    line_past_older(&session->model.past, &term_session_room(session)->draft);
}

static void newer_line(struct term_session *session)
{
    line_past_newer(&session->model.past, &term_session_room(session)->draft);
}

static void page_up(struct term_session *session)
{
    term_session_scroll(session, 1);
}

static void page_down(struct term_session *session)
{
    term_session_scroll(session, -1);
}

static void redraw(struct term_session *session)
{
    (void)session;
    screen_redraw();
}

static void edit_line(struct term_session *session, enum screen_key key)
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
    struct line_edit *edit = &term_session_room(session)->draft;

    if ((size_t)key < sizeof(edits) / sizeof(edits[0]) && edits[key])
        edits[key](edit);
    if (edit->text.len == 0)
        tell_typing(session, false);
}

static void type(struct term_session *session, const char *text)
{
    struct line_edit *edit = &term_session_room(session)->draft;

    if (!line_edit_insert(edit, text, strlen(text)))
        return; /* full: what is typed does not appear */
    if (line_edit_text(edit)[0] != '/')
        tell_typing(session, true);
}

static void scroll_members(struct term_session *session, long by)
{
    size_t count = term_session_room(session)->members.now.count;
    int columns;
    size_t rows, top = session->members_top, step;

    screen_conversation(&session->model, &columns, &rows);
    step = rows > 3 ? rows - 2 : 1;
    if (by > 0 && top + step < count)
        session->members_top = top + step;
    else if (by < 0)
        session->members_top = top > step ? top - step : 0;
}

static void members_up(struct term_session *session)
{
    scroll_members(session, -1);
}

static void members_down(struct term_session *session)
{
    scroll_members(session, 1);
}

static void on_key(struct term_session *session, const struct screen_input *input)
{
    static void (*const actions[])(struct term_session * session) = {
        [SCREEN_ENTER] = term_verbs_enter, [SCREEN_TAB] = complete,
        [SCREEN_UP] = older_line,          [SCREEN_DOWN] = newer_line,
        [SCREEN_PAGE_UP] = page_up,        [SCREEN_PAGE_DOWN] = page_down,
        [SCREEN_NEXT_ROOM] = next_room,    [SCREEN_PREVIOUS_ROOM] = previous_room,
        [SCREEN_MEMBERS_UP] = members_up,  [SCREEN_MEMBERS_DOWN] = members_down,
        [SCREEN_REDRAW] = redraw,          [SCREEN_QUIT] = term_session_quit,
    };
    size_t key = input->key;

    if (input->key == SCREEN_TEXT)
        type(session, input->text);
    else if (input->key == SCREEN_ROOM)
        turn_to(session, (size_t)input->digit - 1);
    else if (key < sizeof(actions) / sizeof(actions[0]) && actions[key])
        actions[key](session);
    else
        edit_line(session, input->key);
}

void term_keys_take(struct term_session *session)
{
    struct screen_input input;

    for (int i = 0; i < KEYS_AT_ONCE && !session->is_ending && screen_read(&input); i++)
        if (!term_paste_take(session, &input))
            on_key(session, &input);
    term_session_touch(session);
}
