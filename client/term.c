/* term.c - see term.h.
 *
 *     start -> keys, signals, ticks -> term_session_quit -> the loop ends
 */
#include "client/term.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/fd_poll.h"
#include "client/screen.h"
#include "client/term_keys.h"
#include "client/term_session.h"
#include "common/clock.h"

enum { TICK_MS = 500 };

static void on_tick(uv_timer_t *timer)
{
    struct term_session *session = timer->data;
    bool changed = session->state == CONNECTION_WAITING || session->closing_ms;

    for (size_t i = 0; i < session->model.count; i++)
        if (typing_prune(&session->model.rooms[i]->typing, clock_ms()))
            changed = true;
    if (changed)
        term_session_touch(session);
}

static void on_stop(uv_signal_t *signal, int number)
{
    (void)number;
    term_session_quit(signal->data);
}

static void on_resize(uv_signal_t *signal, int number)
{
    (void)number;
    screen_resize();
    term_session_touch(signal->data);
}

/* Ctrl-Z. SIGSTOP, because SIGTSTP is ours; what follows happens after SIGCONT. */
static void on_suspend(uv_signal_t *signal, int number)
{
    (void)number;
    screen_suspend();
    raise(SIGSTOP);
    screen_resume();
    term_session_touch(signal->data);
}

/* Stopped and continued from outside: the shell may have changed the terminal. */
static void on_continue(uv_signal_t *signal, int number)
{
    (void)number;
    screen_suspend();
    screen_resume();
    term_session_touch(signal->data);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    struct term_session *session = poll->data;

    if (status < 0 || (events & UV_DISCONNECT)) {
        term_session_quit(session); /* the terminal is gone */
        return;
    }
    term_keys_take(session);
}

static void start_signals(struct term_session *session)
{
    static const struct {
        int number;
        uv_signal_cb call;
    } all[] = {{SIGTERM, on_stop},    {SIGINT, on_stop},     {SIGHUP, on_stop},
               {SIGWINCH, on_resize}, {SIGTSTP, on_suspend}, {SIGCONT, on_continue}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uv_signal_init(session->loop, &session->signals[i]);
        session->signals[i].data = session;
        uv_signal_start(&session->signals[i], all[i].call, all[i].number);
    }
}

static void start(struct term_session *session)
{
    uv_timer_init(session->loop, &session->tick);
    if (fd_poll_init(session->loop, &session->input, STDIN_FILENO) < 0)
        abort(); /* a terminal can be polled, and screen_open has looked */
    session->tick.data = session->input.data = session;
    start_signals(session);
    screen_resize(); /* nobody was told of a change until now */
    term_session_start(session);
    uv_timer_start(&session->tick, on_tick, TICK_MS, TICK_MS);
    uv_poll_start(&session->input, UV_READABLE | UV_DISCONNECT, on_input);
    for (size_t i = 0; i < session->options->room_count; i++)
        term_session_join(session, session->options->rooms[i]);
    model_select(&session->model, 0);
    if (session->model.count == 0)
        term_session_note(session, "/join ROOM enters a room; /help tells the rest");
    term_session_touch(session);
}

int term_run(uv_loop_t *loop, const struct term_options *options)
{
    const char *colour = getenv("NO_COLOR");
    struct term_session session = {.loop = loop, .options = options};
    const char *reason = screen_open(!colour || !colour[0]);

    if (reason) {
        fprintf(stderr, "roomcast: %s\n", reason);
        return TERM_BAD_USAGE;
    }
    start(&session);
    uv_run(loop, UV_RUN_DEFAULT);
    term_session_deinit(&session);
    return TERM_DONE;
}
