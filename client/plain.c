/* plain.c - see plain.h.
 *
 *     plain_input_take -> run a command, or say -> on_said: acked, or refused
 *     on_message, on_event -> plain_print -> line_out
 *     end of input -> (all acked, all rooms in or out) -> finish -> the loop ends
 *
 * What is read and not acked is bounded: then the input waits. What is printed and not read by
 * anybody is bounded too: then the connection waits, and the server does what it does with
 * slow clients.
 */
#include "client/plain.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/plain_input.h"
#include "client/plain_print.h"
#include "client/plain_rooms.h"
#include "common/clock.h"
#include "common/json_read.h"

static void print(struct plain *p, struct json_text event)
{
    struct strbuf line = {NULL, 0, 0};

    if (p->options->is_json)
        plain_print_json(&line, event);
    else
        plain_print_event(&line, &p->members, event, clock_ms());
    line_out_add(&p->out, line.data, line.len);
    strbuf_deinit(&line);
}

/* ---- what comes ---- */

static void on_deadline(uv_timer_t *timer)
{
    struct plain *p = timer->data;
    double seconds = (double)p->options->timeout_ms / 1000;

    if (!p->has_connected) {
        plain_complain("no connection in %g s", seconds);
        plain_finish(p, TERM_NEVER_CONNECTED);
    } else if (p->has_ended && !p->options->follows) {
        plain_complain("not acked in %g s: %zu lines", seconds, p->unacked);
        plain_finish(p, TERM_NOT_SAID);
    }
}

static void start_deadline(struct plain *p)
{
    uv_timer_start(&p->deadline, on_deadline, (uint64_t)p->options->timeout_ms, 0);
}

static void on_state(void *owner, enum connection_state state, const char *why)
{
    struct plain *p = owner;
    const struct connection_address *at = chat_client_address(p->client);

    if (state == CONNECTION_OPEN) {
        plain_complain("connected to %s:%d", at->host, at->port);
        p->has_connected = true;
        if (p->has_ended)
            start_deadline(p);
    } else if (state == CONNECTION_WAITING) {
        p->asked = 0; /* the answers will not come */
        plain_complain("no connection (%s); trying %s:%d", why, at->host, at->port);
        plain_check(p);
    } else if (state == CONNECTION_ENDED) {
        plain_complain("refused: %s", why);
        plain_finish(p, TERM_NOT_SAID);
    }
}

static void on_message(void *owner, const struct chat_message *message)
{
    struct plain *p = owner;
    struct plain_room *room = plain_find_room(p, message->room);

    if (room && room->oldest == 0)
        room->oldest = message->seq;
    print(p, message->event);
}

/* An answer to what was asked for; older messages, or members. */
static void take_answer(struct plain *p, struct json_text type)
{
    struct json_text next = json_read_find(&p->members, "next");
    struct json_text batch = json_read_find(&p->members, "messages"), message;
    char *name = json_read_dup(json_read_find(&p->members, "room"));
    struct plain_room *room = plain_find_room(p, name);
    struct json_members inner = {0};
    size_t at = 0;
    bool is_first = true;

    p->asked -= p->asked > 0;
    if (room && json_read_is(type, "member_list") && json_read_is_string(next))
        plain_ask(p, "get_members", room, next, 0);
    while (json_read_next(batch, &at, &message)) {
        if (is_first && room && json_scan(message.base, message.len, &inner) == 0)
            room->oldest = json_read_number(json_read_find(&inner, "seq"));
        is_first = false;
        if (!p->options->is_json)
            print(p, message);
    }
    json_members_deinit(&inner);
    free(name);
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    struct plain *p = owner;
    struct json_text id;

    if (json_scan(event.base, event.len, &p->members) != 0)
        return;
    id = json_read_find(&p->members, "id");
    if (json_read_is(type, "history_batch") && id.len == 0)
        return; /* of a join: its messages come one by one */
    if (json_read_is(type, "pong") && id.len == 0)
        return; /* chat_client has asked whether the gateway is still there */
    if (id.len > 2 && id.base[0] == '"' && id.base[1] == 'p') {
        take_answer(p, type);
    } else if (!p->options->is_json && json_read_is(type, "status")) {
        bool is_down = json_read_is(json_read_find(&p->members, "redis"), "down");

        plain_complain(is_down ? "Redis is down: what is said waits" : "Redis is back");
    } else if (!p->options->is_json && json_read_is(type, "error")) {
        char *code = json_read_dup(json_read_find(&p->members, "code"));
        char *why = json_read_dup(json_read_find(&p->members, "message"));
        char *reason = json_read_dup(json_read_find(&p->members, "reason"));

        plain_complain(reason[0] ? "%s: %s (%s)" : "%s: %s", code, why, reason);
        free(reason);
        free(code);
        free(why);
    }
    print(p, event);
    plain_check(p);
}

static void on_said(void *owner, const struct chat_said *said)
{
    struct plain *p = owner;
    struct plain_room *room = plain_find_room(p, said->room);

    p->unacked -= p->unacked > 0;
    if (room)
        room->unacked -= room->unacked > 0;
    if (said->error && strcmp(said->error, "withdrawn") != 0) {
        if (!p->is_finishing) /* then it has been told, or nobody wants to know */
            plain_complain("not said in %s: %s", said->room, said->error);
        plain_fail(p);
    }
    if (p->is_finishing)
        return;
    if (room)
        plain_leave_if_done(p, room);
    if (p->unacked < PLAIN_UNACKED_MAX / 2 && !p->has_ended)
        line_in_resume(&p->in);
    plain_check(p);
}

static void on_live(void *owner, const char *name)
{
    struct plain *p = owner;
    struct plain_room *room = plain_find_room(p, name);

    if (room) {
        room->was_live = true;
        plain_ask_wanted(p, room);
        plain_leave_if_done(p, room);
    }
    plain_check(p);
}

static void on_out(void *owner, const struct chat_out *out)
{
    struct plain *p = owner;
    struct plain_room *room = plain_find_room(p, out->room);

    plain_complain("out of %s: %s", out->room, out->code);
    plain_fail(p);
    if (room)
        plain_drop_room(p, room);
    plain_check(p);
}

static void on_token_wanted(void *owner)
{
    struct plain *p = owner;
    char *token = term_options_read_token(p->options);

    if (!token)
        plain_complain("no token can be read from the file that has it");
    chat_client_bring_token(p->client, token);
    free(token);
}

static void on_full(void *owner, bool is_full)
{
    struct plain *p = owner;

    if (p->is_finishing)
        return;
    if (is_full)
        chat_client_pause(p->client);
    else
        chat_client_resume(p->client);
}

/* ---- the end ---- */

static void on_end(void *owner)
{
    struct plain *p = owner;

    p->has_ended = true;
    if (p->has_connected)
        start_deadline(p);
    plain_check(p);
}

static void on_closed(void *owner)
{
    struct plain *p = owner;

    p->client = NULL;
}

static void on_broken(void *owner)
{
    struct plain *p = owner;

    plain_finish(p, p->unacked > 0 ? TERM_NOT_SAID : TERM_DONE);
}

/* An orderly stop; it is not asked what was not said. */
static void on_stop_signal(uv_signal_t *signal, int number)
{
    struct plain *p = signal->data;

    (void)number;
    p->is_stopped = true;
    plain_finish(p, TERM_DONE);
    p->code = TERM_DONE;
}

/* What is printed still leaves, as long as it is read. */
static void drain(struct plain *p)
{
    while (!line_out_is_done(&p->out) && p->out.is_polled && !p->is_stopped)
        uv_run(p->loop, UV_RUN_ONCE);
}

static void start_client(struct plain *p)
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
    const struct term_options *options = p->options;

    p->client = term_options_open_client(options, p->loop, &callbacks, p);
    for (size_t i = 0; i < options->room_count; i++)
        plain_join(p, options->rooms[i]);
    if (options->room_count > 0)
        plain_set_current(p, options->rooms[0]);
}

static void start(struct plain *p)
{
    list_init(&p->rooms);
    signal(SIGPIPE, SIG_IGN);
    uv_timer_init(p->loop, &p->deadline);
    uv_signal_init(p->loop, &p->term);
    uv_signal_init(p->loop, &p->interrupt);
    p->deadline.data = p->term.data = p->interrupt.data = p;
    p->in.owner = p->out.owner = p;
    p->in.on_line = plain_input_take;
    p->in.on_end = on_end;
    p->out.on_full = on_full;
    p->out.on_broken = on_broken;
    uv_signal_start(&p->term, on_stop_signal, SIGTERM);
    uv_signal_start(&p->interrupt, on_stop_signal, SIGINT);
    start_client(p);
    line_out_init(&p->out, p->loop, STDOUT_FILENO);
    line_in_init(&p->in, p->loop, STDIN_FILENO);
    start_deadline(p);
}

int plain_run(uv_loop_t *loop, const struct term_options *options)
{
    struct plain p = {.loop = loop, .options = options};
    struct list *link;

    start(&p);
    while (p.client)
        uv_run(loop, UV_RUN_ONCE);
    drain(&p);
    line_out_close(&p.out);
    uv_run(loop, UV_RUN_DEFAULT);
    while ((link = list_first(&p.rooms)))
        plain_drop_room(&p, list_entry(link, struct plain_room, link));
    free(p.current);
    json_members_deinit(&p.members);
    return p.code;
}
