/* test_redis_dialer.c - from a name to an open stream: each address in order, what comes too late,
 * and which failure is told. libuv and the streams are the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/redis_dialer.h"

enum { DEADLINE_MS = 2000, STREAMS_MAX = 8 };

static struct {
    struct redis_dialer *dialer;
    uv_timer_cb on_timer;
    uint64_t timer_ms;
    uv_timer_t *timer;
    uv_getaddrinfo_t *resolve;
    uv_getaddrinfo_cb on_resolved;
    char asked[64]; /* the name and the port */
    int resolve_fails;
    /* Streams that were opened: by the port of their address. */
    int tried[STREAMS_MAX];
    char path[64];
    unsigned tries, open_count;
    bool refuses, is_shaking_hands;
    const struct redis_stream_hooks *hooks;
    void *stream_owner;
    enum redis_why tls_why; /* else NULL comes out */
    /* What the owner was told. */
    unsigned opened, failed;
    struct redis_loss loss;
    uv_close_cb on_closed;
} w;

static const struct redis_host host = {(char *)"many.test", (char *)"6379"};

/* ---- in place of libuv and the streams ---- */

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    w.timer = timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t ms, uint64_t again)
{
    assert_ptr_equal(timer, w.timer);
    assert_int_equal(again, 0);
    w.on_timer = on_timer;
    w.timer_ms = ms;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    assert_ptr_equal(timer, w.timer);
    w.on_timer = NULL;
    return 0;
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *req,
                   uv_getaddrinfo_cb on_resolved, const char *name, const char *port,
                   const struct addrinfo *hints)
{
    (void)loop, (void)hints;
    assert_null(w.on_resolved); /* one at a time */
    if (w.resolve_fails)
        return w.resolve_fails;
    w.resolve = req;
    w.on_resolved = on_resolved;
    snprintf(w.asked, sizeof(w.asked), "%s:%s", name, port);
    return 0;
}

void uv_freeaddrinfo(struct addrinfo *found)
{
    while (found) {
        struct addrinfo *next = found->ai_next;

        free(found->ai_addr);
        free(found);
        found = next;
    }
}

int uv_cancel(uv_req_t *req)
{
    (void)req;
    return UV_EBUSY;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_closed)
{
    assert_ptr_equal(handle, w.timer);
    w.on_closed = on_closed;
}

struct redis_tls *redis_tls_new(const struct config *config, const char *name,
                                struct redis_loss *loss)
{
    (void)config;
    assert_string_equal(name, host.host);
    *loss = redis_loss_of(w.tls_why);
    return NULL;
}

struct redis_stream *redis_stream_open(uv_loop_t *loop, const struct sockaddr *address,
                                       const char *path, struct redis_tls *tls,
                                       const struct redis_stream_hooks *hooks,
                                       void *owner, struct redis_loss *loss)
{
    (void)loop, (void)tls;
    assert_true(w.tries < STREAMS_MAX);
    w.tried[w.tries++] = address ? ((const struct sockaddr_in *)address)->sin_port : 0;
    snprintf(w.path, sizeof(w.path), "%s", path ? path : "");
    *loss = redis_loss_as("too many open files");
    if (w.refuses)
        return NULL;
    w.open_count++;
    w.hooks = hooks;
    w.stream_owner = owner;
    return (struct redis_stream *)(void *)&w;
}

void redis_stream_close(struct redis_stream *stream)
{
    if (stream)
        w.open_count--;
}

bool redis_stream_is_shaking_hands(const struct redis_stream *stream)
{
    (void)stream;
    return w.is_shaking_hands;
}

/* ---- the world ---- */

/* Fires the timer; false: it does not run. */
static bool turn(void)
{
    uv_timer_cb on_timer = w.on_timer;

    w.on_timer = NULL;
    if (on_timer)
        on_timer(w.timer);
    return on_timer != NULL;
}

/* The name has so many addresses: the ports 1, 2 ... */
static void resolve(int addresses, int status)
{
    uv_getaddrinfo_cb on_resolved = w.on_resolved;
    struct addrinfo *found = NULL;

    for (int i = addresses; i > 0; i--) {
        struct addrinfo *one = calloc(1, sizeof(*one));
        struct sockaddr_in *address = calloc(1, sizeof(*address));

        address->sin_port = (uint16_t)i;
        *one =
            (struct addrinfo){.ai_addr = (struct sockaddr *)address, .ai_next = found};
        found = one;
    }
    w.on_resolved = NULL;
    on_resolved(w.resolve, status, found);
}

static void stream_opens(void)
{
    w.hooks->on_open(w.stream_owner, (struct redis_stream *)(void *)&w);
}

static void stream_fails(struct redis_loss loss)
{
    w.hooks->on_failed(w.stream_owner, loss);
}

static void on_open(void *owner, struct redis_stream *stream)
{
    assert_ptr_equal(owner, &w);
    assert_non_null(stream);
    w.opened++;
}

static void on_failed(void *owner, struct redis_loss loss)
{
    assert_ptr_equal(owner, &w);
    w.failed++;
    w.loss = loss;
}

static void open_dialer(bool is_tls)
{
    const struct redis_dialer_opts opts = {
        .is_tls = is_tls,
        .deadline_ms = DEADLINE_MS,
        .owner = &w,
        .on_open = on_open,
        .on_failed = on_failed,
    };

    memset(&w, 0, sizeof(w));
    w.dialer = redis_dialer_open(&opts);
}

static int start(void **state)
{
    (void)state;
    open_dialer(false);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_dialer_close(w.dialer);
    w.on_closed((uv_handle_t *)w.timer);
    if (w.on_resolved)
        resolve(2, UV_ECANCELED);
    return 0;
}

static void dial(int addresses)
{
    redis_dialer_start(w.dialer, &host);
    assert_true(turn());
    resolve(addresses, 0);
    assert_true(turn());
}

/* ---- the tests ---- */

static void the_first_address_that_opens_is_given(void **state)
{
    (void)state;
    redis_dialer_start(w.dialer, &host);
    assert_int_equal(w.tries, 0); /* nothing from inside start */
    turn();
    assert_string_equal(w.asked, "many.test:6379");
    resolve(3, 0);
    turn();
    stream_fails(redis_loss_as("connection refused"));
    assert_int_equal(w.open_count, 0);
    turn();
    assert_int_equal(w.timer_ms, DEADLINE_MS);
    stream_opens();
    assert_int_equal(w.opened, 1);
    assert_int_equal(w.failed, 0);
    assert_int_equal(w.tries, 2);
    assert_int_equal(w.tried[1], 2);
    assert_false(turn());
}

static void what_opened_and_was_no_good_is_followed_by_the_next(void **state)
{
    (void)state;
    dial(2);
    stream_opens();
    assert_true(redis_dialer_go_on(w.dialer));
    turn();
    stream_opens();
    assert_int_equal(w.opened, 2);
    assert_false(redis_dialer_go_on(w.dialer));
    assert_false(turn());
}

static void when_all_have_failed_that_is_told_once(void **state)
{
    (void)state;
    dial(2);
    stream_fails(redis_loss_as("connection refused"));
    turn();
    w.is_shaking_hands = false;
    assert_true(turn()); /* the deadline */
    assert_int_equal(w.failed, 0);
    turn();
    assert_int_equal(w.failed, 1);
    assert_string_equal(w.loss.text, "no connection within the deadline");
    assert_int_equal(w.open_count, 0);
    assert_false(turn());
}

static void the_failure_that_says_more_is_told(void **state)
{
    (void)state;
    dial(3);
    stream_fails(redis_loss_as("connection refused"));
    turn();
    stream_fails(redis_loss_of(REDIS_WHY_TLS_NAME));
    turn();
    stream_fails(redis_loss_as("connection refused"));
    turn();
    assert_int_equal(w.loss.why, REDIS_WHY_TLS_NAME);
    dial(1); /* and forgotten */
    stream_fails(redis_loss_as("connection refused"));
    turn();
    assert_int_equal(w.loss.why, REDIS_WHY_NOT_KNOWN);
}

static void a_handshake_that_stalls_is_told(void **state)
{
    (void)state;
    dial(1);
    w.is_shaking_hands = true;
    turn();
    turn();
    assert_int_equal(w.loss.why, REDIS_WHY_TLS_SILENT);
}

static void a_stream_that_cannot_be_opened_has_failed(void **state)
{
    (void)state;
    w.refuses = true;
    dial(2);
    turn();
    assert_int_equal(w.failed, 0);
    turn();
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.tries, 2);
    assert_string_equal(w.loss.text, "too many open files");
}

static void a_name_that_is_not_known_has_failed(void **state)
{
    (void)state;
    redis_dialer_start(w.dialer, &host);
    turn();
    resolve(0, UV_EAI_NONAME);
    turn();
    assert_int_equal(w.failed, 1);
    assert_string_equal(w.loss.text, uv_strerror(UV_EAI_NONAME));
    w.resolve_fails = UV_ENOMEM;
    redis_dialer_start(w.dialer, &host);
    turn();
    turn();
    assert_int_equal(w.failed, 2);
    assert_string_equal(w.loss.text, uv_strerror(UV_ENOMEM));
}

static void a_socket_is_tried_once(void **state)
{
    (void)state;
    redis_dialer_start_path(w.dialer, "/run/redis.sock");
    turn();
    assert_string_equal(w.path, "/run/redis.sock");
    stream_fails(redis_loss_as("no such file or directory"));
    turn();
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.tries, 1);
    redis_dialer_start_path(w.dialer, "/run/redis.sock");
    turn();
    stream_opens();
    assert_false(redis_dialer_go_on(w.dialer));
}

static void an_answer_for_a_round_that_is_over_is_dropped(void **state)
{
    (void)state;
    redis_dialer_start(w.dialer, &host);
    turn();
    redis_dialer_start(w.dialer, &host);
    turn(); /* waits: libuv has the request */
    resolve(2, 0);
    assert_int_equal(w.tries, 0);
    turn();
    resolve(1, 0);
    turn();
    stream_opens();
    assert_int_equal(w.opened, 1);
    assert_int_equal(w.tries, 1);
}

static void after_a_stop_nothing_is_called(void **state)
{
    (void)state;
    redis_dialer_start(w.dialer, &host);
    turn();
    redis_dialer_stop(w.dialer);
    resolve(2, 0);
    assert_false(turn());
    dial(2);
    redis_dialer_stop(w.dialer);
    assert_int_equal(w.open_count, 0);
    assert_false(turn());
    assert_int_equal(w.opened + w.failed, 0);
}

static void a_close_while_a_name_is_resolved_frees_later(void **state)
{
    (void)state;
    redis_dialer_start(w.dialer, &host);
    turn(); /* stop() answers it after the close */
}

static void what_tls_cannot_do_is_told(void **state)
{
    stop(state);
    open_dialer(true);
    w.tls_why = REDIS_WHY_TLS_CA_FILE;
    dial(1);
    turn();
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.loss.why, REDIS_WHY_TLS_CA_FILE);
    assert_int_equal(w.tries, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_address_that_opens_is_given),
        TEST(what_opened_and_was_no_good_is_followed_by_the_next),
        TEST(when_all_have_failed_that_is_told_once),
        TEST(the_failure_that_says_more_is_told),
        TEST(a_handshake_that_stalls_is_told),
        TEST(a_stream_that_cannot_be_opened_has_failed),
        TEST(a_name_that_is_not_known_has_failed),
        TEST(a_socket_is_tried_once),
        TEST(an_answer_for_a_round_that_is_over_is_dropped),
        TEST(after_a_stop_nothing_is_called),
        TEST(a_close_while_a_name_is_resolved_frees_later),
        TEST(what_tls_cannot_do_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
