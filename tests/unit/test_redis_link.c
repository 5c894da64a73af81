/* test_redis_link.c - what a link does with what its parts tell: where it dials, when it is ready,
 * why it is not, and which connection it gives up. The dialer, the Sentinels, the streams and libuv
 * are the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/redis_dialer.h"
#include "common/redis_errors.h"
#include "common/redis_link.h"
#include "common/redis_sentinel.h"

#define INFO(mode) "$23\r\nredis_mode:" mode "\r\n\r\n"
#define GREETING_REST ":0\r\n+OK\r\n$27\r\nid=7 addr=1.2.3.4:5 name=x\n\r\n"
#define GREETING INFO("standalone") GREETING_REST
#define ROLE_MASTER "$11\r\nrole:master\r\n"
#define ROLE_REPLICA "$10\r\nrole:slave\r\n"

enum {
    DEADLINE_MS = 2000,
    SILENCE_MS = 3000,
    RETRY_MIN_MS = 50,
    RETRY_MAX_MS = 2000,
    TIMERS = 2,
    LONG_MS = 5000
};

static struct redis_host host = {(char *)"h", (char *)"6379"};
static struct redis_url url;
static struct config config;
static struct metrics metrics;

static struct {
    struct redis_link *link;
    uint64_t now_ms;
    uv_timer_t *timers[TIMERS]; /* in the order of their start */
    uv_timer_cb on_timer[TIMERS];
    uint64_t timer_ms[TIMERS];
    unsigned timers_count;
    uv_prepare_t *prepare;
    uv_prepare_cb on_prepare;
    uv_close_cb on_closed;
    struct redis_dialer_opts dialer;
    char dialed[64]; /* empty: nobody */
    unsigned left;   /* addresses, for go_on */
    struct redis_sentinel_opts sentinels;
    bool has_sentinels;
    unsigned asks, distrusts;
    const struct redis_stream_hooks *hooks;
    bool is_open, is_writing;
    struct strbuf written;
    /* What the owner was told. */
    unsigned readies, losses;
    char why[128];
    int answers[8];
    unsigned answers_count;
} w;

/* ---- in place of libuv ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return w.now_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    assert_true(w.timers_count < TIMERS);
    w.timers[w.timers_count++] = timer;
    return 0;
}

static unsigned index_of(const uv_timer_t *timer)
{
    return timer == w.timers[0] ? 0 : 1;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t ms, uint64_t again)
{
    (void)again;
    w.on_timer[index_of(timer)] = on_timer;
    w.timer_ms[index_of(timer)] = ms;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    w.on_timer[index_of(timer)] = NULL;
    return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
    return w.on_timer[index_of((const uv_timer_t *)handle)] != NULL;
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *prepare)
{
    (void)loop;
    w.prepare = prepare;
    return 0;
}

int uv_prepare_start(uv_prepare_t *prepare, uv_prepare_cb on_prepare)
{
    (void)prepare;
    w.on_prepare = on_prepare;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_closed)
{
    (void)handle;
    w.on_closed = on_closed;
}

/* ---- in place of its parts ---- */

struct redis_dialer *redis_dialer_open(const struct redis_dialer_opts *opts)
{
    w.dialer = *opts;
    return NULL;
}

void redis_dialer_start(struct redis_dialer *dialer, const struct redis_host *to)
{
    (void)dialer;
    snprintf(w.dialed, sizeof(w.dialed), "%s:%s", to->host, to->port);
}

void redis_dialer_start_path(struct redis_dialer *dialer, const char *path)
{
    (void)dialer;
    snprintf(w.dialed, sizeof(w.dialed), "%s", path);
}

bool redis_dialer_go_on(struct redis_dialer *dialer)
{
    (void)dialer;
    return w.left > 0 && w.left--;
}

void redis_dialer_stop(struct redis_dialer *dialer)
{
    (void)dialer;
    w.dialed[0] = '\0';
    w.left = 0;
}

void redis_dialer_close(struct redis_dialer *dialer)
{
    redis_dialer_stop(dialer);
}

struct redis_sentinel *redis_sentinel_open(const struct redis_sentinel_opts *opts)
{
    w.sentinels = *opts;
    w.has_sentinels = true;
    return (struct redis_sentinel *)(void *)&w;
}

void redis_sentinel_ask(struct redis_sentinel *sentinel)
{
    (void)sentinel;
    w.asks++;
}

void redis_sentinel_distrust(struct redis_sentinel *sentinel)
{
    (void)sentinel;
    w.distrusts++;
}

void redis_sentinel_close(struct redis_sentinel *sentinel)
{
    assert_true(!sentinel || w.has_sentinels);
}

void redis_stream_hand_over(struct redis_stream *stream,
                            const struct redis_stream_hooks *hooks, void *owner)
{
    assert_non_null(stream);
    assert_ptr_equal(owner, w.link);
    w.hooks = hooks;
}

void redis_stream_close(struct redis_stream *stream)
{
    if (stream)
        w.is_open = false;
}

bool redis_stream_is_writing(const struct redis_stream *stream)
{
    assert_non_null(stream);
    return w.is_writing;
}

void redis_stream_write(struct redis_stream *stream, struct strbuf *bytes)
{
    assert_non_null(stream);
    strbuf_add(&w.written, bytes->data, bytes->len);
    strbuf_reset(bytes, 0);
}

/* ---- the world ---- */

static bool turn(unsigned timer)
{
    uv_timer_cb on_timer = w.on_timer[timer];

    w.on_timer[timer] = NULL;
    if (on_timer)
        on_timer(w.timers[timer]);
    return on_timer != NULL;
}

static bool retry(void)
{
    return turn(0);
}

static void opens(void)
{
    assert_true(w.dialed[0]);
    w.is_open = true;
    w.dialer.on_open(w.dialer.owner, (struct redis_stream *)(void *)&w);
}

static void comes(const char *bytes)
{
    assert_true(w.is_open);
    w.hooks->on_bytes(w.link, bytes, strlen(bytes));
}

static void fails(struct redis_loss loss)
{
    w.dialed[0] = '\0';
    w.dialer.on_failed(w.dialer.owner, loss);
}

static void names(const char *name, const char *port)
{
    w.sentinels.on_master(w.sentinels.owner,
                          &(struct redis_host){(char *)name, (char *)port});
}

static void on_ready(void *owner)
{
    assert_ptr_equal(owner, &w);
    w.readies++;
}

static void on_lost(void *owner, const char *why)
{
    assert_ptr_equal(owner, &w);
    w.losses++;
    snprintf(w.why, sizeof(w.why), "%s", why);
}

static void on_answer(void *data, int status, const redisReply *reply)
{
    (void)data, (void)reply;
    w.answers[w.answers_count++] = status;
}

static void open_link(enum redis_form form)
{
    struct redis_link_opts opts;

    memset(&w, 0, sizeof(w));
    w.now_ms = 1000000;
    log_max = LOG_SILENT;
    url = (struct redis_url){.form = form,
                             .hosts = &host,
                             .hosts_count = form != REDIS_UNIX,
                             .path = (char *)"/r.sock",
                             .name = (char *)"mymaster"};
    config.redis_deadline_ms = DEADLINE_MS;
    opts = redis_link_opts_of(&config, &url, "test");
    opts.metrics = &metrics;
    opts.owner = &w;
    opts.on_ready = on_ready;
    opts.on_lost = on_lost;
    w.link = redis_link_open(NULL, &opts);
    assert_int_equal(w.has_sentinels, form == REDIS_SENTINEL);
}

static int start(void **state)
{
    (void)state;
    open_link(REDIS_TCP);
    return 0;
}

static int start_behind_sentinels(void **state)
{
    (void)state;
    open_link(REDIS_SENTINEL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_link_close(w.link);
    assert_false(w.is_open);
    w.on_closed((uv_handle_t *)w.timers[0]);
    w.on_closed((uv_handle_t *)w.timers[1]);
    w.on_closed((uv_handle_t *)w.prepare);
    strbuf_deinit(&w.written);
    return 0;
}

static void become_ready(void)
{
    assert_true(retry());
    opens();
    comes(GREETING);
    assert_true(redis_link_is_ready(w.link));
    w.now_ms += LONG_MS;
}

static void become_ready_behind_sentinels(void)
{
    assert_true(retry());
    names("a", "1");
    opens();
    comes(INFO("standalone") ROLE_MASTER GREETING_REST);
    assert_true(redis_link_is_ready(w.link));
    w.now_ms += LONG_MS;
}

static int ping_by(int (*send)(struct redis_link *link, const struct redis_command *cmd,
                               redis_reply_fn on_reply, void *data))
{
    struct redis_command cmd = {{0}, 0};
    int rc;

    redis_command_set_words(&cmd, 1, (const char *[]){"PING"});
    rc = send(w.link, &cmd, on_answer, NULL);
    redis_command_deinit(&cmd);
    return rc;
}

static int send_ping(void)
{
    return ping_by(redis_link_send);
}

/* ---- any Redis ---- */

static void it_is_ready_once_it_was_greeted(void **state)
{
    (void)state;
    assert_int_equal(send_ping(), UV_ENOTCONN);
    assert_true(retry());
    assert_string_equal(w.dialed, "h:6379");
    opens();
    comes(INFO("standalone"));
    assert_int_equal(w.readies, 0);
    comes(GREETING_REST);
    assert_int_equal(w.readies, 1);
    assert_int_equal(w.losses, 0);
    assert_int_equal(send_ping(), 0);
    w.on_prepare(w.prepare);
    comes("+PONG\r\n");
    assert_int_equal(w.answers_count, 1);
    assert_int_equal(w.answers[0], 0);
}

/* Of two that are refused it is the other one. */
static void what_need_not_be_allowed_is_not_counted_when_it_is_refused(void **state)
{
    const metric *noperm = &metrics.redis_errors_total[REDIS_NOPERM];
    uint64_t before = metric_read(noperm);

    (void)state;
    assert_int_equal(ping_by(redis_link_ask), UV_ENOTCONN);
    become_ready();
    assert_int_equal(ping_by(redis_link_ask), 0);
    assert_int_equal(send_ping(), 0);
    w.on_prepare(w.prepare);
    comes("-NOPERM it may not\r\n");
    assert_int_equal(metric_read(noperm), before);
    comes("-NOPERM it may not\r\n");
    assert_int_equal(metric_read(noperm), before + 1);
    assert_int_equal(w.answers_count, 2);
    assert_int_equal(w.answers[0], UV_EREMOTEIO);
    assert_int_equal(w.answers[1], UV_EREMOTEIO);
}

static void a_socket_is_dialed_by_its_path(void **state)
{
    stop(state);
    open_link(REDIS_UNIX);
    assert_true(retry());
    assert_string_equal(w.dialed, "/r.sock");
}

static void a_cluster_is_dialed_at_its_first_host(void **state)
{
    stop(state);
    open_link(REDIS_CLUSTER);
    assert_true(retry());
    assert_string_equal(w.dialed, "h:6379");
    opens();
    comes("$20\r\nredis_mode:cluster\r\n\r\n" GREETING_REST);
    assert_int_equal(w.readies, 1);
}

static void the_wrong_kind_of_redis_is_told_and_tried_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(retry());
        opens();
        comes("$20\r\nredis_mode:cluster\r\n\r\n");
        assert_false(w.is_open);
        assert_int_equal(redis_link_why(w.link), REDIS_WHY_CLUSTER);
        assert_string_equal(w.why, redis_why_text(REDIS_WHY_CLUSTER));
        assert_int_equal(w.losses, i + 1);
    }
    assert_true(retry());
    opens();
    comes(GREETING);
    assert_int_equal(w.readies, 1);
}

static void what_the_dialer_tells_is_why_it_is_not_ready(void **state)
{
    (void)state;
    retry();
    fails(redis_loss_of(REDIS_WHY_TLS_EXPIRED));
    assert_int_equal(redis_link_why(w.link), REDIS_WHY_TLS_EXPIRED);
    retry();
    fails(redis_loss_as("connection refused"));
    assert_int_equal(redis_link_why(w.link), REDIS_WHY_NOT_KNOWN);
    assert_string_equal(w.why, "connection refused");
}

static void a_refused_greeting_tries_the_next_address_first(void **state)
{
    (void)state;
    retry();
    w.left = 1;
    opens();
    comes("-LOADING Redis is loading\r\n");
    assert_int_equal(w.losses, 0);
    assert_false(w.is_open);
    opens();
    comes(GREETING);
    assert_int_equal(w.readies, 1);
}

static void commands_without_an_answer_fail_with_the_connection(void **state)
{
    (void)state;
    become_ready();
    assert_int_equal(send_ping(), 0);
    assert_int_equal(send_ping(), 0);
    comes("+PONG\r\n");
    w.hooks->on_failed(w.link, redis_loss_as("end of file"));
    assert_int_equal(w.answers_count, 2);
    assert_int_equal(w.answers[1], UV_ECONNRESET);
    assert_int_equal(w.losses, 1);
    assert_int_equal(w.timer_ms[0], 0); /* it had worked for a while */
    w.on_prepare(w.prepare);            /* writes nothing */
}

static void a_command_waits_while_the_stream_is_writing(void **state)
{
    (void)state;
    become_ready();
    w.on_prepare(w.prepare);
    strbuf_reset(&w.written, 0);
    w.is_writing = true;
    assert_int_equal(send_ping(), 0);
    w.on_prepare(w.prepare);
    assert_int_equal(w.written.len, 0);
    w.is_writing = false;
    w.on_prepare(w.prepare);
    assert_int_equal(w.written.len, strlen("*1\r\n$4\r\nPING\r\n"));
}

static void a_reply_to_nothing_ends_the_connection(void **state)
{
    (void)state;
    become_ready();
    comes("+OK\r\n+OK\r\n");
    assert_int_equal(w.losses, 1);
    assert_false(w.is_open);
}

static void the_pause_doubles_and_a_hurry_ends_it(void **state)
{
    uint64_t most = RETRY_MIN_MS;

    (void)state;
    retry();
    for (int i = 0; i < 10; i++) {
        fails(redis_loss_as("connection refused"));
        assert_true(w.timer_ms[0] <= most && w.timer_ms[0] >= most / 2);
        most = 2 * most < RETRY_MAX_MS ? 2 * most : RETRY_MAX_MS;
        retry();
    }
    fails(redis_loss_as("connection refused"));
    redis_link_hurry(w.link);
    assert_int_equal(w.timer_ms[0], 0);
}

/* ---- behind Sentinels ---- */

static void the_master_that_they_name_is_dialed(void **state)
{
    (void)state;
    retry();
    assert_int_equal(w.asks, 1);
    assert_string_equal(w.dialed, "");
    names("a", "1");
    assert_string_equal(w.dialed, "a:1");
    opens();
    comes(INFO("standalone") ROLE_MASTER GREETING_REST);
    assert_int_equal(w.readies, 1);
    names("a", "1"); /* each second */
    assert_int_equal(w.losses, 0);
}

static void another_master_replaces_the_connection_at_once(void **state)
{
    (void)state;
    become_ready_behind_sentinels();
    names("a", "2");
    assert_int_equal(w.losses, 1);
    assert_int_equal(w.timer_ms[0], 0);
    assert_int_equal(w.distrusts, 0);
    retry();
    assert_int_equal(w.asks, 2);
    names("a", "2");
    assert_string_equal(w.dialed, "a:2");
}

static void a_name_in_between_is_not_heeded(void **state)
{
    (void)state;
    retry();
    names("a", "1");
    names("b", "1"); /* while it dials */
    assert_string_equal(w.dialed, "a:1");
    fails(redis_loss_as("connection refused"));
    names("b", "1"); /* while it waits */
    assert_string_equal(w.dialed, "");
    assert_int_equal(w.losses, 1);
}

static void a_replica_will_not_do_and_another_sentinel_is_asked(void **state)
{
    (void)state;
    retry();
    names("a", "1");
    opens();
    comes(INFO("standalone") ROLE_REPLICA);
    assert_int_equal(redis_link_why(w.link), REDIS_WHY_REPLICA);
    assert_int_equal(w.distrusts, 1);
    retry();
    assert_int_equal(w.asks, 2);
}

static void without_sentinels_a_connection_is_kept(void **state)
{
    struct redis_loss silent = redis_loss_of(REDIS_WHY_SENTINELS_SILENT);

    (void)state;
    become_ready_behind_sentinels();
    w.sentinels.on_failed(w.sentinels.owner, silent);
    assert_int_equal(w.losses, 0);
    w.hooks->on_failed(w.link, redis_loss_as("end of file"));
    assert_int_equal(w.losses, 1);
    assert_int_equal(w.distrusts, 1);
    retry();
    w.sentinels.on_failed(w.sentinels.owner, silent);
    assert_int_equal(w.losses, 2);
    assert_int_equal(w.distrusts, 1);
    assert_int_equal(redis_link_why(w.link), REDIS_WHY_SENTINELS_SILENT);
    w.sentinels.on_failed(w.sentinels.owner, silent); /* while it waits */
    assert_int_equal(w.losses, 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define SENTINEL_TEST(test)                                                            \
    cmocka_unit_test_setup_teardown(test, start_behind_sentinels, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_ready_once_it_was_greeted),
        TEST(what_need_not_be_allowed_is_not_counted_when_it_is_refused),
        TEST(a_socket_is_dialed_by_its_path),
        TEST(a_cluster_is_dialed_at_its_first_host),
        TEST(the_wrong_kind_of_redis_is_told_and_tried_again),
        TEST(what_the_dialer_tells_is_why_it_is_not_ready),
        TEST(a_refused_greeting_tries_the_next_address_first),
        TEST(commands_without_an_answer_fail_with_the_connection),
        TEST(a_command_waits_while_the_stream_is_writing),
        TEST(a_reply_to_nothing_ends_the_connection),
        TEST(the_pause_doubles_and_a_hurry_ends_it),
        SENTINEL_TEST(the_master_that_they_name_is_dialed),
        SENTINEL_TEST(another_master_replaces_the_connection_at_once),
        SENTINEL_TEST(a_name_in_between_is_not_heeded),
        SENTINEL_TEST(a_replica_will_not_do_and_another_sentinel_is_asked),
        SENTINEL_TEST(without_sentinels_a_connection_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
