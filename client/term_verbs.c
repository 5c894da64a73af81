/* term_verbs.c - see term_verbs.h.
 *
 *     term_verbs_enter -> a row of `verbs`: say_line, or on_ and the command's name
 */
#include "client/term_verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/term_command.h"
#include "common/clock.h"
#include "common/proto.h"
#include "common/xalloc.h"

enum { ROOM_MAX_BYTES = 128 };

static void put_note(void *session, const char *line)
{
    term_session_note(session, line);
}

static void say_line(struct term_session *session, const char *line)
{
    struct model_room *room = term_session_room(session);

    if (!line[0])
        return;
    if (!term_session_say(session, line, strlen(line)))
        term_session_warn(session, room == session->model.home
                                       ? "not said: /join a room first"
                                       : "not said: you are not in this room");
    typing_should_say(&room->typing, false, clock_ms()); /* it ends by itself */
    room->view = (struct view){0, 0};
}

static void on_join(struct term_session *session, const char *rest)
{
    if (proto_is_name(rest, strlen(rest), ROOM_MAX_BYTES))
        term_session_join(session, rest);
    else
        term_session_warn(
            session, "/join ROOM: 1 to 128 bytes without control characters and { }");
}

static void on_leave(struct term_session *session, const char *rest)
{
    struct model_room *room =
        rest[0] ? model_find(&session->model, rest) : term_session_room(session);

    if (!room || room == session->model.home) {
        term_session_warn(session, "you are not in such a room");
        return;
    }
    if (room->outgoing.count > 0 && room->state != MODEL_ROOM_OUT &&
        !room->asked_to_leave) {
        room->asked_to_leave = true;
        term_session_warn(
            session,
            "not all is acked yet that you said there; /leave again to lose it");
        return;
    }
    chat_client_leave(session->client, room->name);
    model_leave(&session->model, room);
}

static void on_members(struct term_session *session, const char *rest)
{
    (void)rest;
    session->model.shows_members = !session->model.shows_members;
    session->members_top = 0;
    term_session_room(session)->members.is_known =
        false; /* a large room tells no changes */
    model_ask_members(&session->model, term_session_room(session));
}

static void on_history(struct term_session *session, const char *rest)
{
    struct model_room *room = term_session_room(session);

    (void)rest;
    if (model_ask_older(&session->model, room) || room->history_id)
        term_session_scroll(session, 1);
    else
        term_session_note(session, "there is nothing older to be had");
}

static void on_rooms(struct term_session *session, const char *rest)
{
    struct model *model = &session->model;

    (void)rest;
    for (size_t i = 0; i < model->count; i++) {
        struct model_room *room = model->rooms[i];
        struct strbuf line = {NULL, 0, 0};

        strbuf_add_format(&line, "%zu %s: %llu here, %llu unread%s", i + 1, room->name,
                          (unsigned long long)room->members.count,
                          (unsigned long long)room->unread,
                          room->state == MODEL_ROOM_OUT  ? ", you are out"
                          : room->state == MODEL_ROOM_IN ? ""
                                                         : ", coming in");
        term_session_note(session, line.data);
        strbuf_deinit(&line);
    }
    if (model->count == 0)
        term_session_note(session, "you are in no room");
}

static void on_stop(struct term_session *session, const char *rest)
{
    size_t count =
        chat_client_withdraw(session->client, term_session_room(session)->name);
    char line[64];

    (void)rest;
    snprintf(line, sizeof(line), "taken back: %zu lines", count);
    term_session_note(session, line);
}

static void on_help(struct term_session *session, const char *rest)
{
    (void)rest;
    term_command_help(put_note, session);
}

static void on_quit(struct term_session *session, const char *rest)
{
    size_t waiting = 0;
    char line[96];

    (void)rest;
    for (size_t i = 0; i < session->model.count; i++)
        waiting += session->model.rooms[i]->outgoing.count;
    if (waiting == 0 || session->asked_to_quit) {
        term_session_quit(session);
        return;
    }
    session->asked_to_quit = true;
    snprintf(line, sizeof(line),
             "%zu lines are not acked yet; /quit again to lose them", waiting);
    term_session_warn(session, line);
}

static const struct {
    enum term_verb verb;
    void (*run)(struct term_session *session, const char *rest);
} verbs[] = {
    {TERM_SAY, say_line},       {TERM_JOIN, on_join},       {TERM_LEAVE, on_leave},
    {TERM_MEMBERS, on_members}, {TERM_HISTORY, on_history}, {TERM_ROOMS, on_rooms},
    {TERM_STOP, on_stop},       {TERM_HELP, on_help},       {TERM_QUIT, on_quit},
};

void term_verbs_enter(struct term_session *session)
{
    struct line_edit *edit = &term_session_room(session)->draft;
    char *line = xstrdup(line_edit_text(edit));
    struct term_command command = term_command_parse(line);

    if (command.verb == TERM_UNKNOWN) { /* stays, to be corrected */
        term_session_warn(
            session,
            "no such command: /help lists them; // says a text that begins with /");
        free(line);
        return;
    }
    line_past_add(&session->model.past, line);
    line_edit_set(edit, "");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (verbs[i].verb == command.verb) {
            verbs[i].run(session, command.rest);
            break;
        }
    free(line);
}
