/* term_session.c - see term_session.h.
 *
 *     events and keys change the model -> term_session_touch -> on_frame draws
 *     term_session_quit -> rooms are left, the screen is given back -> on_closed
 *
 * Drawing happens from a timer, at most once in FRAME_MS, so that neither a busy room nor a
 * long paste is drawn line by line, and keys are read between.
 */
#include "client/term_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/model_event.h"
#include "client/screen.h"
#include "common/clock.h"
#include "common/json_read.h"

enum { FRAME_MS = 33, SCROLL_OVERLAP = 1 };

/* ---- drawing ---- */

static uint64_t seconds(uint64_t ms)
{
    return (ms + 999) / 1000;
}

static bool is_entering(const struct model *model)
{
    const struct model_room *room =
        model->count > 0 ? model->rooms[model->active] : NULL;

    return room && room->state == MODEL_ROOM_ENTERING;
}

/* What the connection is like, in words. True: it is in trouble. */
static bool print_status(const struct term_session *session, char *out, size_t size)
{
    const struct connection_address *at = chat_client_address(session->client);
    uint64_t now_ms = uv_now(session->loop);
    bool is_open = session->state == CONNECTION_OPEN;

    if (session->state == CONNECTION_WAITING)
        snprintf(out, size, "no connection, again in %" PRIu64 " s (%s; next %s:%d)",
                 seconds(chat_client_wait_ms(session->client)), session->why, at->host,
                 at->port);
    else if (session->state == CONNECTION_CONNECTING)
        snprintf(out, size, "connecting to %s:%d ...", at->host, at->port);
    else if (session->state == CONNECTION_ENDED)
        snprintf(out, size, "the server refuses this client (%s); /quit ends",
                 session->why);
    else if (session->model.is_redis_down)
        snprintf(out, size, "%s:%d: Redis is down, what you say waits", at->host,
                 at->port);
    else if (session->closing_ms)
        snprintf(out, size, "%s:%d is draining; another one in %" PRIu64 " s", at->host,
                 at->port,
                 session->closing_ms > now_ms ? seconds(session->closing_ms - now_ms)
                                              : 0);
    else
        snprintf(out, size, "%s:%d as %s%s", at->host, at->port, session->model.user,
                 is_entering(&session->model) ? ", entering ..." : "");
    return !is_open || session->model.is_redis_down || session->closing_ms;
}

static void on_frame(uv_timer_t *timer)
{
    struct term_session *session = timer->data;
    char status[512];
    struct screen_bar bar = {.status = status,
                             .question =
                                 session->paste_lines ? session->question : NULL,
                             .members_top = session->members_top};

    if (screen_is_stopped()) { /* the connection must not wait with it */
        uv_timer_start(timer, on_frame, FRAME_MS, 0);
        return;
    }
    session->drawn_ms = uv_now(session->loop);
    bar.is_trouble = print_status(session, status, sizeof(status));
    screen_draw(&session->model, &bar);
}

void term_session_touch(struct term_session *session)
{
    uint64_t now_ms = uv_now(session->loop), due_ms = session->drawn_ms + FRAME_MS;

    if (!session->is_ending && !uv_is_active((uv_handle_t *)&session->frame))
        uv_timer_start(&session->frame, on_frame, due_ms > now_ms ? due_ms - now_ms : 0,
                       0);
}

/* ---- the connection ---- */

static void on_state(void *owner, enum connection_state state, const char *why)
{
    struct term_session *session = owner;

    session->state = state;
    session->closing_ms = 0;
    if (state != CONNECTION_CONNECTING)
        snprintf(session->why, sizeof(session->why), "%s", why);
    if (state == CONNECTION_WAITING || state == CONNECTION_ENDED)
        model_on_lost(&session->model);
    term_session_touch(session);
}

static void on_message(void *owner, const struct chat_message *message)
{
    struct term_session *session = owner;

    model_on_message(&session->model, message, clock_ms());
    term_session_touch(session);
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    struct term_session *session = owner;

    if (json_read_is(type, "reconnect") &&
        json_scan(event.base, event.len, &session->model.fields) == 0)
        session->closing_ms =
            uv_now(session->loop) +
            json_read_number(json_read_find(&session->model.fields, "after_ms"));
    model_on_event(&session->model, event, clock_ms());
    term_session_touch(session);
}

static void on_said(void *owner, const struct chat_said *said)
{
    struct term_session *session = owner;

    model_on_said(&session->model, said, clock_ms());
    term_session_touch(session);
}

static void on_live(void *owner, const char *room)
{
    struct term_session *session = owner;

    model_on_live(&session->model, room, clock_ms());
    term_session_touch(session);
}

static void on_out(void *owner, const struct chat_out *out)
{
    struct term_session *session = owner;

    model_on_out(&session->model, out, clock_ms());
    term_session_touch(session);
}

/* The model learns by auth_ack who that is. */
static void on_token_wanted(void *owner)
{
    struct term_session *session = owner;
    char *token = term_options_read_token(session->options);

    if (!token)
        term_session_warn(session, "no token can be read from the file that has it");
    chat_client_bring_token(session->client, token);
    free(token);
    term_session_touch(session);
}

static void on_closed(void *owner)
{
    struct term_session *session = owner;

    session->client = NULL;
}

static void send_request(void *owner, const char *json, size_t len)
{
    struct term_session *session = owner;

    chat_client_send(session->client, json, len);
}

/* ---- what the user does ---- */

struct model_room *term_session_room(struct term_session *session)
{
    return model_active(&session->model);
}

void term_session_note(struct term_session *session, const char *text)
{
    model_note(&session->model, TIMELINE_NOTE, clock_ms(), text);
    term_session_room(session)->view = (struct view){0, 0};
}

void term_session_warn(struct term_session *session, const char *text)
{
    model_note(&session->model, TIMELINE_WARNING, clock_ms(), text);
    term_session_room(session)->view = (struct view){0, 0};
}

void term_session_join(struct term_session *session, const char *room)
{
    model_join(&session->model, room);
    session->members_top = 0;
    chat_client_join(session->client, room,
                     term_options_has_token(session->options) ? NULL
                                                              : session->model.user);
}

bool term_session_say(struct term_session *session, const char *text, size_t len)
{
    struct model_room *room = term_session_room(session);
    uint64_t id;

    room->asked_to_leave = false;
    id = chat_client_say(session->client, room->name, text, len);

    if (id == 0)
        return false;
    outgoing_say(&room->outgoing, id, text, len);
    return true;
}

void term_session_scroll(struct term_session *session, long pages)
{
    struct model_room *room = term_session_room(session);
    int columns;
    size_t rows;
    long by;

    screen_conversation(&session->model, &columns, &rows);
    by = rows > 2 ? (long)rows - SCROLL_OVERLAP : 1;
    if (!view_scroll(&room->view, &room->timeline, columns, rows, pages * by) &&
        pages > 0)
        model_ask_older(&session->model, room);
    if (pages > 0 && room->view.bottom && /* before the top is reached */
        room->timeline.count > 0 &&
        !view_can_scroll(&room->view, &room->timeline, columns, rows))
        model_ask_older(&session->model, room);
}

/* ---- beginning and end ---- */

void term_session_quit(struct term_session *session)
{
    if (session->is_ending)
        return;
    session->is_ending = true;
    screen_close();
    for (size_t i = 0; i < session->model.count; i++)
        chat_client_leave(session->client, session->model.rooms[i]->name);
    chat_client_close(session->client);
    uv_close((uv_handle_t *)&session->input, NULL);
    uv_close((uv_handle_t *)&session->frame, NULL);
    uv_close((uv_handle_t *)&session->tick, NULL);
    for (size_t i = 0; i < sizeof(session->signals) / sizeof(session->signals[0]); i++)
        uv_close((uv_handle_t *)&session->signals[i], NULL);
}

void term_session_start(struct term_session *session)
{
    static const struct chat_client_opts callbacks = {.on_state = on_state,
                                                      .on_message = on_message,
                                                      .on_event = on_event,
                                                      .on_said = on_said,
                                                      .on_live = on_live,
                                                      .on_out = on_out,
                                                      .on_token_wanted =
                                                          on_token_wanted,
                                                      .on_closed = on_closed};

    uv_timer_init(session->loop, &session->frame);
    session->frame.data = session;
    model_init(&session->model, session->options->user);
    session->model.send = send_request;
    session->model.owner = session;
    session->client =
        term_options_open_client(session->options, session->loop, &callbacks, session);
    session->state = CONNECTION_CONNECTING;
}

void term_session_deinit(struct term_session *session)
{
    model_deinit(&session->model);
    strbuf_deinit(&session->paste);
}
