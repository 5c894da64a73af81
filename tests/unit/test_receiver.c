/* test_receiver.c - what one client says, and when it is read: order, holds, pacing, the end.
 * Sockets are pairs; the clock is the test's: it takes the place of the C library's, so
 * libuv's time stands still until pass_ms.
 *
 * Over 400 lines because all of it needs a receiver with a socket and an owner that records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "gateway/receiver.h"

enum {
    TEXT = 0x81,
    CLOSE = 0x88,
    PING = 0x89,
    PER_SEC = 10,
    BURST = 4,
    TURNS_MAX = 50
};

static uint64_t clock_ms = 5000;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    now->tv_sec = (time_t)(clock_ms / 1000);
    now->tv_nsec = (long)(clock_ms % 1000 * 1000000);
    return 0;
}

static uv_loop_t loop;
static struct metrics metrics;
static struct receiver_env env;

/* ---- an owner that records ---- */

struct owner {
    struct receiver receiver;
    uv_pipe_t pipe;
    int peer;
    struct strbuf heard; /* "head(…) " and so on, since it was compared */
    char hold_at;        /* a message that begins so has it held; '\0': none */
    char blink_at;       /* held and released */
};

static struct owner *owner_of(struct receiver *receiver)
{
    return list_entry(receiver, struct owner, receiver);
}

static void note(struct receiver *receiver, const char *what, const char *bytes,
                 size_t len)
{
    struct strbuf *heard = &owner_of(receiver)->heard;

    strbuf_add_text(heard, what);
    strbuf_add_char(heard, '(');
    if (len > 20)
        strbuf_add_u64(heard, len);
    else
        strbuf_add(heard, bytes, len);
    strbuf_add_text(heard, ") ");
}

static void on_head(struct receiver *receiver, const char *bytes, size_t len)
{
    note(receiver, "head", bytes, len);
}

static void on_message(struct receiver *receiver, bool is_text, const char *bytes,
                       size_t len)
{
    note(receiver, is_text ? "text" : "binary", bytes, len);
    if (len > 0 && bytes[0] == owner_of(receiver)->hold_at)
        receiver_pause(receiver, RECEIVER_PAUSED);
    if (len > 0 && bytes[0] == owner_of(receiver)->blink_at) {
        receiver_pause(receiver, RECEIVER_PAUSED);
        receiver_resume(receiver, RECEIVER_PAUSED);
    }
}

static void on_answer(struct receiver *receiver, const void *bytes, size_t len)
{
    (void)bytes, (void)len;
    note(receiver, "pong", "", 0);
}

static void on_close_frame(struct receiver *receiver, int code, bool is_peers)
{
    (void)code;
    note(receiver, is_peers ? "close" : "wrong", "", 0);
}

static void on_read_end(struct receiver *receiver, int status)
{
    note(receiver, status == UV_EOF ? "eof" : "error", "", 0);
    receiver_note_eof(receiver);
}

static const struct receiver_events events = {
    .on_head = on_head,
    .on_message = on_message,
    .on_answer = on_answer,
    .on_close_frame = on_close_frame,
    .on_read_end = on_read_end,
};

static void begin(struct token_bucket_rate frames, struct token_bucket_rate bytes)
{
    struct receiver_opts opts = {
        .loop = &loop,
        .metrics = &metrics,
        .events = &events,
        .frames = frames,
        .bytes = bytes,
        .max_message_bytes = 400 * 1024,
    };

    memset(&metrics, 0, sizeof(metrics));
    memset(&env, 0, sizeof(env));
    assert_int_equal(uv_loop_init(&loop), 0);
    receiver_env_init(&env, &opts);
}

static void begin_unlimited(void)
{
    begin((struct token_bucket_rate){0, 0}, (struct token_bucket_rate){0, 0});
}

static void begin_paced(void)
{
    begin((struct token_bucket_rate){PER_SEC, BURST}, (struct token_bucket_rate){0, 0});
}

static void end(void)
{
    receiver_env_close(&env);
    uv_run(&loop, UV_RUN_DEFAULT);
    receiver_env_deinit(&env);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static struct owner *new_owner(void)
{
    struct owner *owner = xcalloc(1, sizeof(*owner));
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    uv_pipe_init(&loop, &owner->pipe, 0);
    assert_int_equal(uv_pipe_open(&owner->pipe, fds[0]), 0);
    owner->peer = fds[1];
    receiver_init(&owner->receiver, &env);
    receiver_attach(&owner->receiver, (uv_stream_t *)&owner->pipe);
    return owner;
}

static struct owner *open_owner(void)
{
    struct owner *owner = new_owner();

    receiver_open(&owner->receiver);
    return owner;
}

static void free_owner(struct owner *owner)
{
    receiver_stop(&owner->receiver);
    uv_close((uv_handle_t *)&owner->pipe, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    receiver_deinit(&owner->receiver);
    close(owner->peer);
    strbuf_deinit(&owner->heard);
    free(owner);
}

/* More turns than anything takes that waits for no time. */
static void turns(void)
{
    for (int i = 0; i < TURNS_MAX; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void pass_ms(uint32_t ms)
{
    clock_ms += ms;
    turns();
}

static void write_bytes(struct owner *owner, const void *bytes, size_t len)
{
    assert_int_equal(write(owner->peer, bytes, len), len);
}

static void add_frame(struct strbuf *out, int first, const char *text)
{
    strbuf_add_char(out, (char)first);
    strbuf_add_char(out, (char)(0x80 | strlen(text)));
    strbuf_add(out, "\0\0\0\0", 4); /* a mask that changes nothing */
    strbuf_add_text(out, text);
}

static void say_frame(struct owner *owner, int first, const char *text)
{
    struct strbuf out = {NULL, 0, 0};

    add_frame(&out, first, text);
    write_bytes(owner, out.data, out.len);
    strbuf_deinit(&out);
}

/* One text message of each letter, in one write. */
static void say(struct owner *owner, const char *letters)
{
    struct strbuf out = {NULL, 0, 0};

    for (const char *at = letters; *at; at++)
        add_frame(&out, TEXT, (char[]){*at, '\0'});
    write_bytes(owner, out.data, out.len);
    strbuf_deinit(&out);
}

static void expect(struct owner *owner, const char *text)
{
    strbuf_add_char(&owner->heard, '\0');
    assert_string_equal(owner->heard.data, text);
    strbuf_reset(&owner->heard, SIZE_MAX);
}

/* ---- tests ---- */

static void bytes_are_a_head_until_it_is_open(void **state)
{
    struct owner *owner;
    struct strbuf rest = {NULL, 0, 0};

    (void)state;
    begin_unlimited();
    owner = new_owner();
    write_bytes(owner, "GET", 3);
    turns();
    expect(owner, "head(GET) ");
    receiver_open(&owner->receiver);
    add_frame(&rest, TEXT, "a");
    receiver_take(&owner->receiver, rest.data, rest.len);
    strbuf_deinit(&rest);
    say(owner, "bc");
    say_frame(owner, PING, "");
    turns();
    expect(owner, "text(a) text(b) text(c) pong() ");
    assert_int_equal(metric_read(&metrics.received_bytes_total), 3 + 2 * 7 + 6);
    free_owner(owner);
    end();
}

static void what_is_held_waits_in_order(void **state)
{
    struct owner *owner;

    (void)state;
    begin_unlimited();
    owner = open_owner();
    owner->hold_at = 'b';
    owner->blink_at = 'c';
    say(owner, "abcd");
    turns();
    expect(owner, "text(a) text(b) ");
    assert_non_null(owner->receiver.backlog);
    assert_false(receiver_is_read(&owner->receiver));
    say(owner, "e");
    turns();
    expect(owner, "");
    receiver_pause(&owner->receiver, RECEIVER_CHOKED);
    receiver_resume(&owner->receiver, RECEIVER_PAUSED); /* one reason is left */
    turns();
    expect(owner, "");
    receiver_resume(&owner->receiver, RECEIVER_CHOKED);
    expect(owner, "text(c) text(d) "); /* what was read is handed over at once */
    assert_null(owner->receiver.backlog);
    turns();
    expect(owner, "text(e) ");
    free_owner(owner);
    end();
}

static void the_unread_is_left_to_tcp(void **state)
{
    struct owner *owner;

    (void)state;
    begin_unlimited();
    owner = open_owner();
    receiver_pause(&owner->receiver, RECEIVER_CHOKED);
    say(owner, "a");
    turns();
    assert_int_equal(metric_read(&metrics.received_bytes_total), 0);
    receiver_resume(&owner->receiver, RECEIVER_CHOKED);
    turns();
    expect(owner, "text(a) ");
    free_owner(owner);
    end();
}

static void a_frame_is_read_when_there_is_a_token(void **state)
{
    struct owner *owner, *other;

    (void)state;
    begin_paced();
    owner = open_owner();
    other = open_owner();
    say(owner, "abcdefg");
    turns();
    expect(owner, "text(a) text(b) text(c) text(d) ");
    assert_int_equal(metric_read(&metrics.paced_total[PACE_REQUESTS]), 1);
    say(other, "z"); /* others do not wait for it */
    turns();
    expect(other, "text(z) ");
    pass_ms(1000 / PER_SEC - 10);
    expect(owner, "");
    pass_ms(20);
    expect(owner, "text(e) ");
    assert_true(receiver_waiting_ms(&owner->receiver) > 0);
    for (int i = 0; i < 30; i++)
        pass_ms(10);
    expect(owner, "text(f) text(g) ");
    assert_null(owner->receiver.backlog);
    free_owner(owner);
    free_owner(other);
    end();
}

static void what_waits_or_is_queued_may_stop(void **state)
{
    struct owner *owner;

    (void)state;
    begin_paced();
    owner = open_owner();
    say(owner, "abcdef");
    turns();
    assert_int_equal(env.pace.waiting, 1);
    free_owner(owner);
    assert_int_equal(env.pace.waiting, 0);
    owner = open_owner();
    say(owner, "abcdef");
    turns();
    receiver_pause(&owner->receiver, RECEIVER_PAUSED);
    receiver_resume(&owner->receiver, RECEIVER_PAUSED);
    assert_non_null(pace_next(&env.pace)); /* queued, so the loop does not wait */
    assert_true(uv_is_active((uv_handle_t *)&env.busy));
    free_owner(owner);
    assert_null(pace_next(&env.pace));
    pass_ms(1000);
    assert_false(uv_is_active((uv_handle_t *)&env.busy));
    end();
}

static void bytes_are_paced_too_and_not_read_before_their_time(void **state)
{
    static const char zeros[16 * 1024] = {0};
    struct owner *owner;
    uint64_t before;

    (void)state;
    begin((struct token_bucket_rate){0, 0}, (struct token_bucket_rate){1024, 1024});
    owner = open_owner();
    write_bytes(owner, "\x81\xfe\xff\xff\0\0\0\0", 8); /* a long one begins */
    write_bytes(owner, zeros, sizeof(zeros));
    write_bytes(owner, zeros, sizeof(zeros));
    turns();
    before = metric_read(&metrics.received_bytes_total);
    assert_in_range(before, 1, sizeof(zeros));
    pass_ms(5000);
    assert_int_equal(metric_read(&metrics.received_bytes_total), before);
    free_owner(owner);
    end();
}

static void
while_redis_is_full_those_that_gave_it_work_and_those_that_end_queue(void **state)
{
    struct owner *busy, *other, *ending;

    (void)state;
    begin_unlimited();
    busy = open_owner();
    other = open_owner();
    ending = open_owner();
    receiver_end(&ending->receiver);
    receiver_begin_work(&busy->receiver, PACE_UNANSWERED_BYTES);
    say(busy, "a");
    say(other, "b");
    say_frame(ending, CLOSE, "");
    turns();
    expect(busy, "");
    expect(other, "text(b) ");
    expect(ending, "");                                   /* behind all others */
    assert_false(uv_is_active((uv_handle_t *)&env.busy)); /* the loop may wait */
    receiver_end_work(&busy->receiver, 1);
    assert_true(uv_is_active((uv_handle_t *)&env.busy));
    turns();
    expect(busy, "text(a) ");
    expect(ending, "close() ");
    receiver_end_work(&busy->receiver, PACE_UNANSWERED_BYTES - 1);
    free_owner(busy);
    free_owner(other);
    free_owner(ending);
    end();
}

static void after_the_end_only_the_close_frame_counts(void **state)
{
    struct owner *owner;

    (void)state;
    begin_paced();
    owner = open_owner();
    say(owner, "abcdef"); /* more than there are tokens */
    turns();
    receiver_pause(&owner->receiver, RECEIVER_CHOKED);
    say_frame(owner, CLOSE, "");
    receiver_end(&owner->receiver);
    turns();
    assert_non_null(strstr(owner->heard.data, "close() "));
    assert_int_equal(metric_read(&metrics.paced_total[PACE_REQUESTS]), 1);
    free_owner(owner);
    end();
}

static void after_eof_nothing_is_read(void **state)
{
    struct owner *owner;

    (void)state;
    begin_unlimited();
    owner = open_owner();
    say(owner, "a");
    shutdown(owner->peer, SHUT_WR);
    turns();
    expect(owner, "text(a) eof() ");
    assert_true(receiver_has_eof(&owner->receiver));
    assert_false(receiver_is_read(&owner->receiver));
    receiver_pause(&owner->receiver, RECEIVER_PAUSED);
    receiver_resume(&owner->receiver, RECEIVER_PAUSED);
    assert_false(receiver_is_read(&owner->receiver));
    free_owner(owner);
    end();
}

static void the_deaf_hear_nothing_and_the_silent_are_known(void **state)
{
    struct owner *owner;

    (void)state;
    begin_unlimited();
    owner = open_owner();
    assert_false(receiver_was_heard(&owner->receiver));
    receiver_deafen(&owner->receiver);
    say(owner, "a");
    turns();
    expect(owner, "");
    assert_true(receiver_was_heard(&owner->receiver));
    assert_false(receiver_was_heard(&owner->receiver));
    free_owner(owner);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_a_head_until_it_is_open),
        cmocka_unit_test(what_is_held_waits_in_order),
        cmocka_unit_test(the_unread_is_left_to_tcp),
        cmocka_unit_test(a_frame_is_read_when_there_is_a_token),
        cmocka_unit_test(what_waits_or_is_queued_may_stop),
        cmocka_unit_test(bytes_are_paced_too_and_not_read_before_their_time),
        cmocka_unit_test(
            while_redis_is_full_those_that_gave_it_work_and_those_that_end_queue),
        cmocka_unit_test(after_the_end_only_the_close_frame_counts),
        cmocka_unit_test(after_eof_nothing_is_read),
        cmocka_unit_test(the_deaf_hear_nothing_and_the_silent_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
