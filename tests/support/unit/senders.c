/* senders.c - see senders.h. */
#include "tests/support/unit/senders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "gateway/pool.h"

enum { READ_BYTES = 4096 };

struct senders senders;

static struct owner *owner_of(struct sender *sender)
{
    return list_entry(sender, struct owner, sender);
}

static void on_choked(struct sender *sender)
{
    owner_of(sender)->choked++;
}

static void on_slow(struct sender *sender)
{
    owner_of(sender)->slow++;
}

static void on_drained(struct sender *sender)
{
    owner_of(sender)->drained++;
}

static void on_ended(struct sender *sender)
{
    owner_of(sender)->ended++;
}

static void on_failed(struct sender *sender)
{
    owner_of(sender)->failed++;
    sender_stop(sender);
}

static void on_too_long(struct sender *sender)
{
    owner_of(sender)->too_long++;
    sender_drop_unsent(sender);
    sender_end(sender);
}

static const struct sender_events events = {
    .on_choked = on_choked,
    .on_slow = on_slow,
    .on_drained = on_drained,
    .on_ended = on_ended,
    .on_failed = on_failed,
    .on_too_long = on_too_long,
};

void senders_begin(size_t max_bytes, uint32_t flush_ms, uint32_t presence_ms)
{
    struct sender_opts opts = {
        .loop = &senders.loop,
        .metrics = &senders.metrics,
        .events = &events,
        .now_s = &senders.now_s,
        .max_bytes = max_bytes,
        .all_max_bytes = SIZE_MAX,
        .flush_ms = flush_ms,
        .presence_flush_ms = presence_ms,
    };

    memset(&senders, 0, sizeof(senders));
    senders.now_s = 7;
    pool_init(&senders.metrics);
    assert_int_equal(uv_loop_init(&senders.loop), 0);
    sender_env_init(&senders.env, &opts);
    senders.workers[0] = &senders.metrics;
    senders.workers[1] = &senders.others;
    senders.env.workers = senders.workers;
    senders.env.workers_count = 1;
}

void senders_end(void)
{
    sender_env_close(&senders.env);
    uv_run(&senders.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&senders.loop), 0);
    assert_int_equal(metric_read(&senders.metrics.send_queue_bytes), 0);
    pool_deinit();
}

void senders_turn(void)
{
    uv_run(&senders.loop, UV_RUN_NOWAIT);
}

struct owner *owner_new(void)
{
    struct owner *owner = xcalloc(1, sizeof(*owner));
    int small = 1, fds[2]; /* the kernel makes it what it has at least */

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    uv_pipe_init(&senders.loop, &owner->pipe, 0);
    assert_int_equal(uv_pipe_open(&owner->pipe, fds[0]), 0);
    owner->peer = fds[1];
    sender_init(&owner->sender, &senders.env);
    sender_attach(&owner->sender, (uv_stream_t *)&owner->pipe);
    return owner;
}

struct owner *owner_open(void)
{
    struct owner *owner = owner_new();

    sender_open(&owner->sender);
    return owner;
}

void owner_free(struct owner *owner)
{
    sender_stop(&owner->sender);
    uv_close((uv_handle_t *)&owner->pipe, NULL);
    senders_turn();
    sender_deinit(&owner->sender);
    if (owner->peer >= 0)
        close(owner->peer);
    strbuf_deinit(&owner->heard);
    free(owner);
}

struct frame *letters_new(char letter, size_t len)
{
    char *bytes = xmalloc(len);
    struct frame *frame;

    memset(bytes, letter, len);
    frame = frame_new_raw(bytes, len);
    free(bytes);
    return frame;
}

bool owner_send(struct owner *owner, enum sender_class class, char letter, size_t len)
{
    struct frame *frame = letters_new(letter, len);
    bool taken = sender_send(&owner->sender, frame, class);

    frame_unref(frame);
    return taken;
}

bool owner_say(struct owner *owner, enum sender_class class, char letter)
{
    return owner_send(owner, class, letter, 1);
}

void owner_fill(struct owner *owner, size_t bytes)
{
    while (owner->sender.queue.bytes < bytes)
        sender_push(&owner->sender, letters_new('.', FRAME));
    assert_int_equal(owner->sender.queue.bytes, bytes);
}

size_t owner_hear(struct owner *owner, size_t most)
{
    char buf[READ_BYTES];
    size_t total = 0;
    ssize_t n;

    while (total < most &&
           (n = recv(owner->peer, buf,
                     most - total < sizeof(buf) ? most - total : sizeof(buf),
                     MSG_DONTWAIT)) > 0) {
        strbuf_add(&owner->heard, buf, (size_t)n);
        total += (size_t)n;
    }
    return total;
}

void owner_expect(struct owner *owner, const char *text)
{
    owner_hear(owner, SIZE_MAX);
    strbuf_add_char(&owner->heard, '\0');
    assert_string_equal(owner->heard.data, text);
    strbuf_reset(&owner->heard, SIZE_MAX);
}

void owner_hear_all(struct owner *owner)
{
    do
        senders_turn();
    while (owner_hear(owner, SIZE_MAX) > 0 || owner->sender.write);
}
