/* term.c - see term.h.
 *
 *     start -> (events, keys, signals: change `talk`, term_touch) -> on_frame draws
 *     term_quit -> rooms are left, the screen is given back -> on_closed -> the loop ends
 *
 * Drawing happens from a timer, at most once in FRAME_MS, so that neither a busy room nor a
 * long paste is drawn line by line, and keys are read between.
 */
#include "client/term.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/fd_poll.h"
#include "client/json_read.h"
#include "client/screen.h"

enum { FRAME_MS = 33, TICK_MS = 500 };

uint64_t term_now_ms(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

/* ---- drawing ---- */

static uint64_t seconds(uint64_t ms)
{
    return (ms + 999) / 1000;
}

static bool is_entering(const struct talk *talk)
{
    const struct talk_room *room = talk->count > 0 ? talk->rooms[talk->active] : NULL;

    return room && !room->is_in && !room->is_out;
}

/* What the connection is like, in words. True: it is in trouble. */
static bool print_status(const struct term *term, char *out, size_t size)
{
    const struct chat_address *at = chat_client_address(term->client);
    uint64_t now_ms = uv_now(term->loop);
    bool is_open = term->state == CHAT_CLIENT_OPEN;

    if (term->state == CHAT_CLIENT_WAITING)
        snprintf(out, size, "no connection, again in %" PRIu64 " s (%s; next %s:%d)",
                 seconds(chat_client_wait_ms(term->client)), term->why, at->host,
                 at->port);
    else if (term->state == CHAT_CLIENT_CONNECTING)
        snprintf(out, size, "connecting to %s:%d ...", at->host, at->port);
    else if (term->state == CHAT_CLIENT_REFUSED)
        snprintf(out, size, "the server refuses this client (%s); /quit ends",
                 term->why);
    else if (term->talk.is_redis_down)
        snprintf(out, size, "%s:%d: Redis is down, what you say waits", at->host,
                 at->port);
    else if (term->closing_ms)
        snprintf(out, size, "%s:%d is draining; another one in %" PRIu64 " s", at->host,
                 at->port,
                 term->closing_ms > now_ms ? seconds(term->closing_ms - now_ms) : 0);
    else
        snprintf(out, size, "%s:%d as %s%s", at->host, at->port, term->talk.user,
                 is_entering(&term->talk) ? ", entering ..." : "");
    return !is_open || term->talk.is_redis_down || term->closing_ms;
}

static void on_frame(uv_timer_t *timer)
{
    struct term *term = timer->data;
    char status[512];
    struct screen_bar bar = {.status = status,
                             .question = term->paste_lines ? term->question : NULL,
                             .members_top = term->members_top};

    if (screen_is_held()) { /* the connection must not wait with it */
        uv_timer_start(timer, on_frame, FRAME_MS, 0);
        return;
    }
    term->drawn_ms = uv_now(term->loop);
    bar.is_trouble = print_status(term, status, sizeof(status));
    screen_draw(&term->talk, &bar);
}

void term_touch(struct term *term)
{
    uint64_t now_ms = uv_now(term->loop), due_ms = term->drawn_ms + FRAME_MS;

    if (!term->is_ending && !uv_is_active((uv_handle_t *)&term->frame))
        uv_timer_start(&term->frame, on_frame, due_ms > now_ms ? due_ms - now_ms : 0,
                       0);
}

static void on_tick(uv_timer_t *timer)
{
    struct term *term = timer->data;
    bool changed = term->state == CHAT_CLIENT_WAITING || term->closing_ms;

    for (size_t i = 0; i < term->talk.count; i++)
        if (typing_prune(&term->talk.rooms[i]->typing, term_now_ms()))
            changed = true;
    if (changed)
        term_touch(term);
}

/* ---- the connection ---- */

static void on_state(void *owner, enum chat_client_state state, const char *why)
{
    struct term *term = owner;

    term->state = state;
    term->closing_ms = 0;
    if (state != CHAT_CLIENT_CONNECTING)
        snprintf(term->why, sizeof(term->why), "%s", why);
    if (state == CHAT_CLIENT_WAITING || state == CHAT_CLIENT_REFUSED)
        talk_on_lost(&term->talk);
    term_touch(term);
}

static void on_message(void *owner, const struct chat_message *message)
{
    struct term *term = owner;

    talk_on_message(&term->talk, message, term_now_ms());
    term_touch(term);
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    struct term *term = owner;

    if (json_read_is(type, "reconnect") &&
        json_scan(event.base, event.len, &term->talk.members) == 0)
        term->closing_ms =
            uv_now(term->loop) +
            json_read_number(json_read_find(&term->talk.members, "after_ms"));
    talk_on_event(&term->talk, event, term_now_ms());
    term_touch(term);
}

static void on_said(void *owner, const struct chat_said *said)
{
    struct term *term = owner;

    talk_on_said(&term->talk, said, term_now_ms());
    term_touch(term);
}

static void on_live(void *owner, const char *room)
{
    struct term *term = owner;

    talk_on_live(&term->talk, room, term_now_ms());
    term_touch(term);
}

static void on_out(void *owner, const struct chat_out *out)
{
    struct term *term = owner;

    talk_on_out(&term->talk, out, term_now_ms());
    term_touch(term);
}

static void on_closed(void *owner)
{
    struct term *term = owner;

    term->client = NULL;
}

static void send_request(void *owner, const char *json, size_t len)
{
    struct term *term = owner;

    chat_client_send(term->client, json, len);
}

void term_join(struct term *term, const char *room)
{
    talk_join(&term->talk, room);
    term->members_top = 0;
    chat_client_join(term->client, room, term->talk.user);
}

/* ---- signals, and the end ---- */

void term_quit(struct term *term)
{
    if (term->is_ending)
        return;
    term->is_ending = true;
    screen_close();
    for (size_t i = 0; i < term->talk.count; i++)
        chat_client_leave(term->client, term->talk.rooms[i]->name);
    chat_client_close(term->client);
    uv_close((uv_handle_t *)&term->input, NULL);
    uv_close((uv_handle_t *)&term->frame, NULL);
    uv_close((uv_handle_t *)&term->tick, NULL);
    for (size_t i = 0; i < sizeof(term->signals) / sizeof(term->signals[0]); i++)
        uv_close((uv_handle_t *)&term->signals[i], NULL);
}

static void on_stop(uv_signal_t *signal, int number)
{
    (void)number;
    term_quit(signal->data);
}

static void on_resize(uv_signal_t *signal, int number)
{
    (void)number;
    screen_resize();
    term_touch(signal->data);
}

/* Ctrl-Z. SIGSTOP, because SIGTSTP is ours; what follows happens after SIGCONT. */
static void on_suspend(uv_signal_t *signal, int number)
{
    (void)number;
    screen_suspend();
    raise(SIGSTOP);
    screen_resume();
    term_touch(signal->data);
}

/* Stopped and continued from outside: the shell may have changed the terminal. */
static void on_continue(uv_signal_t *signal, int number)
{
    (void)number;
    screen_suspend();
    screen_resume();
    term_touch(signal->data);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    struct term *term = poll->data;

    if (status < 0 || (events & UV_DISCONNECT)) {
        term_quit(term); /* the terminal is gone */
        return;
    }
    term_take_keys(term);
}

static void start_signals(struct term *term)
{
    static const struct {
        int number;
        uv_signal_cb call;
    } all[] = {{SIGTERM, on_stop},    {SIGINT, on_stop},     {SIGHUP, on_stop},
               {SIGWINCH, on_resize}, {SIGTSTP, on_suspend}, {SIGCONT, on_continue}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uv_signal_init(term->loop, &term->signals[i]);
        term->signals[i].data = term;
        uv_signal_start(&term->signals[i], all[i].call, all[i].number);
    }
}

static void start_client(struct term *term)
{
    static const struct chat_client_opts callbacks = {.on_state = on_state,
                                                      .on_message = on_message,
                                                      .on_event = on_event,
                                                      .on_said = on_said,
                                                      .on_live = on_live,
                                                      .on_out = on_out,
                                                      .on_closed = on_closed};

    term->client =
        term_options_open_client(term->options, term->loop, &callbacks, term);
    term->state = CHAT_CLIENT_CONNECTING;
}

static void start(struct term *term)
{
    uv_timer_init(term->loop, &term->frame);
    uv_timer_init(term->loop, &term->tick);
    if (fd_poll_init(term->loop, &term->input, STDIN_FILENO) < 0)
        abort(); /* a terminal can be polled, and screen_open has looked */
    term->frame.data = term->tick.data = term->input.data = term;
    start_signals(term);
    screen_resize(); /* nobody was told of a change until now */
    start_client(term);
    uv_timer_start(&term->tick, on_tick, TICK_MS, TICK_MS);
    uv_poll_start(&term->input, UV_READABLE | UV_DISCONNECT, on_input);
    for (size_t i = 0; i < term->options->room_count; i++)
        term_join(term, term->options->rooms[i]);
    talk_select(&term->talk, 0);
    if (term->talk.count == 0)
        talk_note(&term->talk, TIMELINE_NOTE, term_now_ms(),
                  "/join ROOM enters a room; /help tells the rest");
    term_touch(term);
}

int term_run(uv_loop_t *loop, const struct term_options *options)
{
    const char *colour = getenv("NO_COLOR");
    struct term term = {.loop = loop, .options = options};
    const char *reason = screen_open(!colour || !colour[0]);

    if (reason) {
        fprintf(stderr, "roomcast: %s\n", reason);
        return TERM_BAD_USAGE;
    }
    talk_init(&term.talk, options->user);
    term.talk.send = send_request;
    term.talk.owner = &term;
    start(&term);
    uv_run(loop, UV_RUN_DEFAULT);
    talk_deinit(&term.talk);
    strbuf_deinit(&term.paste);
    return TERM_DONE;
}
