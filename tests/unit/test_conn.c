/* test_conn.c - the states of a connection: what each event of its sender, its receiver and its timer
 * makes of it, and what its owner is told. The test takes the place of these three and of libuv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/conn.h"
#include "gateway/pool.h"

static const char request[] = "GET /ws HTTP/1.1\r\n"
                              "Host: a.example\r\n"
                              "Connection: Upgrade\r\n"
                              "Upgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "\r\n";

enum { HANDSHAKE_SECS = 10, PING_SECS = 20, SLOW_SECS = 30, CONNECTIONS = 1 };

static struct {
    struct config config;
    struct metrics metrics;
    struct conn_env env;
    struct conn conn;
    _Atomic unsigned open_count;
    const struct sender_events *sender;
    const struct receiver_events *receiver;
    uv_timer_cb on_second;
    uv_close_cb on_closed;
    char log[1024]; /* a word for each thing that happened since the test last looked */
    int accepts;    /* what uv_accept says */
    bool is_choked, is_slow, is_too_slow, has_eof, was_heard, is_unread;
} w;

static void note(const char *word)
{
    size_t len = strlen(w.log);

    snprintf(w.log + len, sizeof(w.log) - len, "%s%s", len > 0 ? ", " : "", word);
}

static void assert_happened(const char *words)
{
    assert_string_equal(w.log, words);
    w.log[0] = '\0';
}

/* ---- in place of libuv ---- */

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop, (void)timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t first,
                   uint64_t then)
{
    (void)timer;
    assert_int_equal(first, 1000);
    assert_int_equal(then, 1000);
    w.on_second = on_timer;
    return 0;
}

int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *tcp)
{
    (void)loop, (void)tcp;
    return 0;
}

int uv_tcp_nodelay(uv_tcp_t *tcp, int enable)
{
    (void)tcp, (void)enable;
    return 0;
}

int uv_accept(uv_stream_t *listener, uv_stream_t *stream)
{
    (void)listener, (void)stream;
    return w.accepts;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_closed)
{
    if (handle == (uv_handle_t *)&w.conn.tcp)
        w.on_closed = on_closed;
}

/* ---- in place of the sender ---- */

static void note_frame(const struct frame *frame)
{
    uv_buf_t bytes = frame_bytes(frame);
    const unsigned char *at = (const unsigned char *)bytes.base;
    char word[32];

    if (bytes.len > 9 && memcmp(bytes.base, "HTTP/1.1 ", 9) == 0)
        snprintf(word, sizeof(word), "http %.3s", bytes.base + 9);
    else if (at[0] == 0x88)
        snprintf(word, sizeof(word), "close %d", at[1] ? at[2] * 256 + at[3] : 0);
    else if (at[0] == 0x89)
        snprintf(word, sizeof(word), "ping");
    else
        snprintf(word, sizeof(word), "frame");
    note(word);
}

void sender_env_init(struct sender_env *env, const struct sender_opts *opts)
{
    (void)env;
    w.sender = opts->events;
}

void sender_env_close(struct sender_env *env)
{
    (void)env;
}

void sender_init(struct sender *sender, struct sender_env *env)
{
    (void)sender, (void)env;
}

void sender_attach(struct sender *sender, uv_stream_t *stream)
{
    (void)sender, (void)stream;
}

void sender_open(struct sender *sender)
{
    (void)sender;
    note("sender opens");
}

void sender_end(struct sender *sender)
{
    (void)sender;
    note("sender ends");
}

void sender_stop(struct sender *sender)
{
    (void)sender;
    note("sender stops");
}

void sender_shut(const struct sender *sender)
{
    (void)sender;
    note("fin");
}

void sender_deinit(struct sender *sender)
{
    (void)sender;
}

bool sender_send(struct sender *sender, struct frame *frame, enum sender_class class)
{
    (void)sender, (void)class;
    note_frame(frame);
    return true;
}

void sender_push(struct sender *sender, struct frame *frame)
{
    (void)sender;
    note_frame(frame);
    frame_unref(frame);
}

void sender_drop_unsent(struct sender *sender)
{
    (void)sender;
    note("drop");
}

bool sender_is_drained(const struct sender *sender)
{
    (void)sender;
    return !w.is_choked;
}

bool sender_is_choked(const struct sender *sender)
{
    (void)sender;
    return w.is_choked;
}

bool sender_is_slow(const struct sender *sender)
{
    (void)sender;
    return w.is_slow;
}

bool sender_is_slow_for(const struct sender *sender, uint32_t secs)
{
    (void)sender;
    assert_int_equal(secs, SLOW_SECS);
    return w.is_too_slow;
}

void sender_excuse_second(struct sender *sender)
{
    (void)sender;
}

/* ---- in place of the receiver ---- */

void receiver_env_init(struct receiver_env *env, const struct receiver_opts *opts)
{
    (void)env;
    w.receiver = opts->events;
}

void receiver_env_close(struct receiver_env *env)
{
    (void)env;
}

void receiver_env_deinit(struct receiver_env *env)
{
    (void)env;
}

void receiver_init(struct receiver *receiver, struct receiver_env *env)
{
    (void)receiver, (void)env;
}

void receiver_attach(struct receiver *receiver, uv_stream_t *stream)
{
    (void)receiver, (void)stream;
}

void receiver_open(struct receiver *receiver)
{
    (void)receiver;
}

void receiver_end(struct receiver *receiver)
{
    (void)receiver;
}

void receiver_stop(struct receiver *receiver)
{
    (void)receiver;
}

void receiver_deinit(struct receiver *receiver)
{
    (void)receiver;
}

void receiver_take(struct receiver *receiver, const char *bytes, size_t len)
{
    char word[32];

    (void)receiver;
    snprintf(word, sizeof(word), "take %.*s", (int)len, bytes);
    note(word);
}

void receiver_limit(struct receiver *receiver, bool to_small)
{
    (void)receiver;
    note(to_small ? "small" : "large");
}

void receiver_deafen(struct receiver *receiver)
{
    (void)receiver;
    note("deaf");
}

void receiver_note_eof(struct receiver *receiver)
{
    (void)receiver;
    w.has_eof = true;
}

bool receiver_has_eof(const struct receiver *receiver)
{
    (void)receiver;
    return w.has_eof;
}

void receiver_pause(struct receiver *receiver, enum receiver_pause why)
{
    (void)receiver;
    note(why == RECEIVER_CHOKED ? "pause choked" : "pause");
}

void receiver_resume(struct receiver *receiver, enum receiver_pause why)
{
    (void)receiver;
    note(why == RECEIVER_CHOKED ? "resume choked" : "resume");
}

void receiver_take_message(struct receiver *receiver)
{
    (void)receiver;
    note("token");
}

void receiver_begin_work(struct receiver *receiver, uint32_t bytes)
{
    (void)receiver, (void)bytes;
}

void receiver_end_work(struct receiver *receiver, uint32_t bytes)
{
    (void)receiver, (void)bytes;
}

bool receiver_is_read(const struct receiver *receiver)
{
    (void)receiver;
    return !w.is_unread;
}

bool receiver_was_heard(struct receiver *receiver)
{
    (void)receiver;
    return w.was_heard;
}

uint32_t receiver_waiting_ms(const struct receiver *receiver)
{
    (void)receiver;
    return 0;
}

/* ---- the owner ---- */

static int on_upgrade(struct conn *conn, const struct upgrade_request *req)
{
    (void)conn;
    return req->token.base ? 401 : 101;
}

static void on_open(struct conn *conn)
{
    assert_true(conn_is_open(conn));
    note("open");
}

static void on_message(struct conn *conn, const char *text, size_t len)
{
    (void)conn, (void)text, (void)len;
    note("message");
}

static void on_drained(struct conn *conn)
{
    (void)conn;
    note("drained");
}

static void on_tick(struct conn *conn)
{
    (void)conn;
    note("tick");
}

static void on_end(struct conn *conn)
{
    assert_false(conn_is_open(conn));
    note("end");
}

static void on_gone(struct conn *conn)
{
    (void)conn;
    note("gone");
}

static const struct conn_events events = {
    .on_upgrade = on_upgrade,
    .on_open = on_open,
    .on_message = on_message,
    .on_drained = on_drained,
    .on_tick = on_tick,
    .on_end = on_end,
    .on_gone = on_gone,
};

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    w.config.allowed_origins = (char *)"same-host";
    w.config.handshake_secs = HANDSHAKE_SECS;
    w.config.ping_interval_secs = PING_SECS;
    w.config.slow_secs = SLOW_SECS;
    pool_init(&w.metrics);
    conn_env_init(&w.env, NULL, &w.config, &w.metrics, &events);
    w.env.open_count = &w.open_count;
    w.env.max_connections = CONNECTIONS;
    return 0;
}

static void let_go(void)
{
    assert_non_null(w.on_closed);
    w.on_closed((uv_handle_t *)&w.conn.tcp);
    w.on_closed = NULL;
    assert_int_equal(w.open_count, 0);
    assert_true(list_is_empty(&w.conn.timer.link));
}

static int tear_down(void **state)
{
    (void)state;
    if (w.conn.env && w.open_count > 0) {
        conn_abort(&w.conn, CONN_END_SHUTDOWN);
        let_go();
    }
    conn_env_close(&w.env);
    conn_env_deinit(&w.env);
    pool_deinit();
    return 0;
}

static void pass_seconds(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        w.env.second.data = &w.env;
        w.on_second(&w.env.second);
    }
}

static void say(const char *head)
{
    w.receiver->on_head(&w.conn.receiver, head, strlen(head));
}

static void accept_conn(void)
{
    assert_int_equal(conn_accept(&w.conn, &w.env, NULL), 0);
}

static void open_conn(void)
{
    accept_conn();
    say(request);
    assert_happened("http 101, sender opens, open");
}

static void assert_ended(enum conn_end why)
{
    assert_int_equal(metric_read(&w.metrics.disconnects_total[why]), 1);
    assert_int_equal(metric_read(&w.metrics.connections), 0);
}

/* ---- the handshake ---- */

static void a_good_request_opens(void **state)
{
    (void)state;
    open_conn();
    assert_int_equal(metric_read(&w.metrics.connections), 1);
}

static void a_request_in_pieces_opens_too(void **state)
{
    (void)state;
    accept_conn();
    say("GET /ws HTTP/1.1\r\n");
    assert_happened("");
    say(strchr(request, '\n') + 1);
    assert_happened("http 101, sender opens, open");
    assert_null(w.conn.handshake.head);
}

static void what_comes_behind_the_request_is_taken(void **state)
{
    char bytes[512];

    (void)state;
    snprintf(bytes, sizeof(bytes), "%sabc", request);
    accept_conn();
    say(bytes);
    assert_happened("http 101, sender opens, open, take abc");
}

static void a_bad_request_is_refused_and_then_disconnected(void **state)
{
    (void)state;
    accept_conn();
    say("GET /other HTTP/1.1\r\n");
    assert_happened("http 404, deaf, sender ends");
    w.sender->on_ended(&w.conn.sender);
    assert_happened("fin");
    w.receiver->on_read_end(&w.conn.receiver, UV_EOF);
    assert_happened("sender stops");
    let_go();
    assert_happened("gone"); /* no end: it was never open */
    assert_int_equal(metric_read(&w.metrics.disconnects_total[CONN_END_HANDSHAKE]), 1);
}

/* Who is at the door is for the owner to say. */
static void a_token_that_is_none_is_refused(void **state)
{
    (void)state;
    accept_conn();
    say("GET /ws HTTP/1.1\r\nAuthorization: Bearer none\r\n");
    say(strchr(request, '\n') + 1);
    assert_happened("http 401, deaf, sender ends");
    w.sender->on_ended(&w.conn.sender);
    assert_happened("fin");
    w.receiver->on_read_end(&w.conn.receiver, UV_EOF);
    assert_happened("sender stops");
    let_go();
    assert_happened("gone");
    assert_int_equal(metric_read(&w.metrics.refused_upgrades_total[UPGRADE_401]), 1);
}

static void a_draining_worker_refuses(void **state)
{
    (void)state;
    w.env.draining = true;
    accept_conn();
    say(request);
    assert_happened("http 503, deaf, sender ends");
}

static void a_connection_too_many_is_told_so(void **state)
{
    (void)state;
    w.open_count = CONNECTIONS;
    accept_conn();
    say(request);
    assert_happened("http 503, deaf, sender ends");
    w.open_count = 1;
}

static void far_too_many_are_not_held(void **state)
{
    (void)state;
    w.open_count = CONNECTIONS + CONN_OVER_LIMIT_EXTRA;
    assert_int_equal(conn_accept(&w.conn, &w.env, NULL), UV_EMFILE);
    assert_happened("sender stops");
    w.open_count = 1;
    let_go();
    assert_happened("gone");
}

static void a_handshake_that_takes_too_long_is_refused(void **state)
{
    (void)state;
    accept_conn();
    say("GET /ws HT");
    pass_seconds(HANDSHAKE_SECS);
    assert_happened("");
    pass_seconds(1);
    assert_happened("http 408, deaf, sender ends");
}

/* ---- open ---- */

static void messages_are_handed_over_while_it_is_open(void **state)
{
    (void)state;
    open_conn();
    w.receiver->on_message(&w.conn.receiver, true, "a", 1);
    assert_happened("message");
    conn_close(&w.conn, CONN_END_IDLE);
    assert_happened("close 4003, sender ends, end");
    w.receiver->on_message(&w.conn.receiver, true, "a", 1);
    conn_close(&w.conn, CONN_END_SLOW); /* it is closing already */
    assert_happened("");
    w.sender->on_drained(&w.conn.sender);
    assert_happened("resume choked");
    assert_ended(CONN_END_IDLE);
}

static void a_choked_client_is_not_read_until_it_is_drained(void **state)
{
    (void)state;
    open_conn();
    w.sender->on_choked(&w.conn.sender);
    assert_happened("pause choked");
    w.sender->on_drained(&w.conn.sender);
    assert_happened("resume choked, drained");
    conn_pause(&w.conn);
    conn_resume(&w.conn);
    assert_happened("pause, resume");
}

static void a_client_is_pinged_and_must_answer(void **state)
{
    (void)state;
    open_conn();
    pass_seconds(PING_SECS);
    assert_happened("ping");
    w.was_heard = true;
    pass_seconds(PING_SECS);
    assert_happened("ping");
    w.was_heard = false;
    pass_seconds(PING_SECS);
    assert_happened("ping");
    pass_seconds(PING_SECS);
    assert_happened("close 4002, sender ends, end");
    assert_ended(CONN_END_NO_PONG);
}

static void a_client_that_is_slow_for_too_long_loses_what_waits(void **state)
{
    (void)state;
    open_conn();
    w.is_slow = true;
    w.sender->on_slow(&w.conn.sender);
    pass_seconds(1);
    assert_happened("");
    w.is_too_slow = true;
    pass_seconds(1);
    assert_happened("drop, close 4001, sender ends, end");
    assert_ended(CONN_END_SLOW);
}

static void the_longest_queue_of_all_is_closed_as_slow(void **state)
{
    (void)state;
    open_conn();
    w.sender->on_too_long(&w.conn.sender);
    assert_happened("drop, close 4001, sender ends, end");
}

static void ticks_come_each_second_while_they_are_wanted(void **state)
{
    (void)state;
    open_conn();
    conn_want_ticks(&w.conn, true);
    pass_seconds(2);
    assert_happened("tick, tick");
    conn_want_ticks(&w.conn, false);
    pass_seconds(PING_SECS - 3);
    assert_happened("");
}

/* ---- the end ---- */

static void the_peers_close_frame_is_answered_with_its_code(void **state)
{
    (void)state;
    open_conn();
    w.receiver->on_close_frame(&w.conn.receiver, 1000, true);
    assert_happened("close 1000, sender ends, end");
    assert_ended(CONN_END_CLIENT);
    w.receiver->on_read_end(&w.conn.receiver, UV_EOF);
    assert_happened(""); /* our last bytes may be on their way */
    w.sender->on_ended(&w.conn.sender);
    assert_happened("sender stops"); /* its FIN is here: nobody is waited for */
    let_go();
    assert_happened("gone");
}

static void a_broken_rule_is_closed_with_its_code(void **state)
{
    (void)state;
    open_conn();
    w.receiver->on_close_frame(&w.conn.receiver, 1009, false);
    assert_happened("close 1009, sender ends, end");
    assert_ended(CONN_END_TOO_LARGE);
}

static void after_the_last_bytes_the_peer_has_a_while_for_its_fin(void **state)
{
    (void)state;
    open_conn();
    pass_seconds(5);
    conn_close(&w.conn, CONN_END_DRAINING);
    assert_happened("close 4000, sender ends, end");
    w.sender->on_ended(&w.conn.sender);
    assert_happened("fin");
    pass_seconds(2);
    assert_happened("");
    pass_seconds(1);
    assert_happened("sender stops");
    let_go();
    assert_happened("gone");
}

static void its_close_frame_ends_the_wait(void **state)
{
    (void)state;
    open_conn();
    conn_close(&w.conn, CONN_END_DRAINING);
    w.sender->on_ended(&w.conn.sender);
    assert_happened("close 4000, sender ends, end, fin");
    w.receiver->on_close_frame(&w.conn.receiver, 4000, true);
    assert_happened("sender stops");
}

static void a_lost_socket_ends_at_once_and_tells_once(void **state)
{
    (void)state;
    open_conn();
    w.receiver->on_read_end(&w.conn.receiver, UV_ECONNRESET);
    assert_happened("sender stops, end");
    w.sender->on_failed(&w.conn.sender);
    conn_abort(&w.conn, CONN_END_SHUTDOWN);
    assert_happened("");
    pass_seconds(100);
    assert_happened("");
    let_go();
    assert_happened("gone");
    assert_ended(CONN_END_CLIENT);
}

static void a_socket_that_cannot_be_accepted_is_gone(void **state)
{
    (void)state;
    w.accepts = UV_ECONNABORTED;
    assert_int_equal(conn_accept(&w.conn, &w.env, NULL), UV_ECONNABORTED);
    assert_happened("sender stops");
    let_go();
    assert_happened("gone");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_request_opens),
        TEST(a_request_in_pieces_opens_too),
        TEST(what_comes_behind_the_request_is_taken),
        TEST(a_bad_request_is_refused_and_then_disconnected),
        TEST(a_token_that_is_none_is_refused),
        TEST(a_draining_worker_refuses),
        TEST(a_connection_too_many_is_told_so),
        TEST(far_too_many_are_not_held),
        TEST(a_handshake_that_takes_too_long_is_refused),
        TEST(messages_are_handed_over_while_it_is_open),
        TEST(a_choked_client_is_not_read_until_it_is_drained),
        TEST(a_client_is_pinged_and_must_answer),
        TEST(a_client_that_is_slow_for_too_long_loses_what_waits),
        TEST(the_longest_queue_of_all_is_closed_as_slow),
        TEST(ticks_come_each_second_while_they_are_wanted),
        TEST(the_peers_close_frame_is_answered_with_its_code),
        TEST(a_broken_rule_is_closed_with_its_code),
        TEST(after_the_last_bytes_the_peer_has_a_while_for_its_fin),
        TEST(its_close_frame_ends_the_wait),
        TEST(a_lost_socket_ends_at_once_and_tells_once),
        TEST(a_socket_that_cannot_be_accepted_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
