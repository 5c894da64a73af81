/* test_redis_sentinel.c - which Sentinel is asked, and what its answers and silences lead to. The
 * dialer, the streams and the clock are the test's.
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
#include "common/redis_sentinel.h"

#define ASK                                                                            \
    "*3\r\n$8\r\nSENTINEL\r\n$23\r\nGET-MASTER-ADDR-BY-NAME\r\n$8\r\nmymaster\r\n"
#define MASTER(host, port) "*2\r\n" host "\r\n" port "\r\n"
#define MASTER_A MASTER("$8\r\n10.0.0.1", "$4\r\n6379")

enum { DEADLINE_MS = 500, EACH_MS = 1000, SENTINELS = 3 };

static struct redis_host hosts[SENTINELS] = {{(char *)"s0", (char *)"1"},
                                             {(char *)"s1", (char *)"2"},
                                             {(char *)"s2", (char *)"3"}};
static struct redis_url url = {.form = REDIS_SENTINEL,
                               .hosts = hosts,
                               .hosts_count = SENTINELS,
                               .name = (char *)"mymaster"};
static struct config config;

static struct {
    struct redis_sentinel *sentinel;
    uv_timer_t *timer;
    uv_timer_cb on_timer;
    uint64_t timer_ms;
    uv_close_cb on_closed;
    struct redis_dialer_opts dialer;
    const struct redis_host *dialed; /* NULL: nobody */
    unsigned dials;
    const struct redis_stream_hooks *hooks;
    bool is_open, is_writing;
    char written[512];
    /* What the owner was told. */
    unsigned masters, failures;
    char master[64];
    struct redis_loss loss;
} w;

/* ---- in place of libuv, the dialer and the streams ---- */

uint64_t uv_hrtime(void)
{
    return 0; /* the first one asked is s0 */
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    w.timer = timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t ms, uint64_t again)
{
    (void)timer;
    assert_int_equal(again, 0);
    w.on_timer = on_timer;
    w.timer_ms = ms;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    (void)timer;
    w.on_timer = NULL;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_closed)
{
    assert_ptr_equal(handle, w.timer);
    w.on_closed = on_closed;
}

struct redis_dialer *redis_dialer_open(const struct redis_dialer_opts *opts)
{
    w.dialer = *opts;
    return NULL;
}

void redis_dialer_start(struct redis_dialer *dialer, const struct redis_host *host)
{
    (void)dialer;
    w.dialed = host;
    w.dials++;
}

void redis_dialer_stop(struct redis_dialer *dialer)
{
    (void)dialer;
    w.dialed = NULL;
}

void redis_dialer_close(struct redis_dialer *dialer)
{
    redis_dialer_stop(dialer);
}

void redis_stream_hand_over(struct redis_stream *stream,
                            const struct redis_stream_hooks *hooks, void *owner)
{
    assert_non_null(stream);
    assert_ptr_equal(owner, w.sentinel);
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
    assert_true(w.is_open);
    snprintf(w.written, sizeof(w.written), "%.*s", (int)bytes->len, bytes->data);
    strbuf_reset(bytes, 0);
}

/* ---- the world ---- */

static bool turn(void)
{
    uv_timer_cb on_timer = w.on_timer;

    w.on_timer = NULL;
    if (on_timer)
        on_timer(w.timer);
    return on_timer != NULL;
}

/* Sentinel number `i`, which must be the one that is dialed, takes the connection. */
static void opens(int i)
{
    assert_ptr_equal(w.dialed, &hosts[i]);
    w.dialed = NULL;
    w.is_open = true;
    w.written[0] = '\0';
    w.dialer.on_open(w.dialer.owner, (struct redis_stream *)(void *)&w);
}

static void refuses(int i, struct redis_loss loss)
{
    assert_ptr_equal(w.dialed, &hosts[i]);
    w.dialed = NULL;
    w.dialer.on_failed(w.dialer.owner, loss);
}

static void answer(const char *bytes)
{
    assert_true(w.is_open);
    w.hooks->on_bytes(w.sentinel, bytes, strlen(bytes));
}

static void on_master(void *owner, const struct redis_host *master)
{
    assert_ptr_equal(owner, &w);
    w.masters++;
    snprintf(w.master, sizeof(w.master), "%s:%s", master->host, master->port);
}

static void on_failed(void *owner, struct redis_loss loss)
{
    assert_ptr_equal(owner, &w);
    w.failures++;
    w.loss = loss;
}

static int start(void **state)
{
    const struct redis_sentinel_opts opts = {
        .config = &config,
        .url = &url,
        .deadline_ms = DEADLINE_MS,
        .owner = &w,
        .on_master = on_master,
        .on_failed = on_failed,
    };

    (void)state;
    memset(&w, 0, sizeof(w));
    config.sentinel_user = config.sentinel_password = (char *)"";
    w.sentinel = redis_sentinel_open(&opts);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_sentinel_close(w.sentinel);
    assert_false(w.is_open);
    w.on_closed((uv_handle_t *)w.timer);
    return 0;
}

static void become_connected(void)
{
    redis_sentinel_ask(w.sentinel);
    opens(0);
    answer(MASTER_A);
    assert_int_equal(w.masters, 1);
}

/* ---- the tests ---- */

static void one_that_answers_is_asked_each_second(void **state)
{
    (void)state;
    redis_sentinel_ask(w.sentinel);
    opens(0);
    assert_string_equal(w.written, ASK);
    assert_int_equal(w.timer_ms, DEADLINE_MS);
    answer(MASTER_A);
    assert_string_equal(w.master, "10.0.0.1:6379");
    assert_int_equal(w.timer_ms, EACH_MS);
    w.written[0] = '\0';
    assert_true(turn());
    assert_string_equal(w.written, ASK);
    answer(MASTER("$11\r\nmaster.test", "$4\r\n6380"));
    assert_string_equal(w.master, "master.test:6380");
    assert_int_equal(w.masters, 2);
    assert_int_equal(w.dials, 1);
}

static void who_is_asking_already_does_not_ask_twice(void **state)
{
    (void)state;
    redis_sentinel_ask(w.sentinel);
    redis_sentinel_ask(w.sentinel);
    assert_int_equal(w.dials, 1);
    opens(0);
    w.written[0] = '\0';
    redis_sentinel_ask(w.sentinel);
    assert_string_equal(w.written, "");
    answer(MASTER_A);
    redis_sentinel_ask(w.sentinel); /* before the second is over */
    assert_string_equal(w.written, ASK);
    answer(MASTER_A);
    assert_int_equal(w.masters, 2);
}

static void an_answer_may_come_in_pieces(void **state)
{
    (void)state;
    redis_sentinel_ask(w.sentinel);
    opens(0);
    for (const char *at = MASTER_A; *at; at++)
        w.hooks->on_bytes(w.sentinel, at, 1);
    assert_int_equal(w.masters, 1);
    assert_string_equal(w.master, "10.0.0.1:6379");
}

static void a_login_goes_in_front(void **state)
{
    (void)state;
    config.sentinel_password = (char *)"pw";
    redis_sentinel_ask(w.sentinel);
    opens(0);
    assert_string_equal(w.written, "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n" ASK);
    answer("+OK\r\n" MASTER_A);
    assert_int_equal(w.masters, 1);
    redis_sentinel_distrust(w.sentinel);
    config.sentinel_user = (char *)"me";
    redis_sentinel_ask(w.sentinel);
    opens(1);
    assert_string_equal(w.written, "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n" ASK);
    answer("-WRONGPASS invalid\r\n");
    opens(2);
    answer("-ERR AUTH without any password\r\n");
    refuses(0, redis_loss_as("connection refused"));
    assert_int_equal(w.failures, 1);
    assert_int_equal(w.loss.why, REDIS_WHY_SENTINELS_LOGIN);
}

static void the_next_one_is_asked_where_one_fails(void **state)
{
    (void)state;
    redis_sentinel_ask(w.sentinel);
    refuses(0, redis_loss_as("connection refused"));
    opens(1);
    assert_true(turn()); /* no answer */
    opens(2);
    answer(MASTER_A);
    assert_int_equal(w.masters, 1);
    assert_int_equal(w.failures, 0);
    assert_true(turn());
    answer(MASTER_A); /* that one is kept */
    assert_int_equal(w.dials, 3);
}

static void when_all_have_failed_that_is_told_and_asked_again_in_a_second(void **state)
{
    (void)state;
    redis_sentinel_ask(w.sentinel);
    refuses(0, redis_loss_as("connection refused"));
    refuses(1, redis_loss_as("connection refused"));
    assert_int_equal(w.failures, 0);
    refuses(2, redis_loss_as("connection refused"));
    assert_int_equal(w.failures, 1);
    assert_int_equal(w.loss.why, REDIS_WHY_SENTINELS_SILENT);
    assert_null(w.dialed);
    assert_int_equal(w.timer_ms, EACH_MS);
    assert_true(turn());
    opens(0);
    answer(MASTER_A);
    assert_int_equal(w.masters, 1);
}

static void what_an_answer_can_be_other_than_a_master(void **state)
{
    static const struct {
        const char *answer;
        enum redis_why why;
    } cases[] = {
        {"*-1\r\n", REDIS_WHY_NO_MASTER},
        {"$-1\r\n", REDIS_WHY_NO_MASTER},
        {"*0\r\n", REDIS_WHY_NO_MASTER},
        {"*1\r\n$1\r\nh\r\n", REDIS_WHY_NO_MASTER},
        {"*2\r\n:1\r\n:2\r\n", REDIS_WHY_NO_MASTER},
        {MASTER("$0\r\n", "$4\r\n6379"), REDIS_WHY_NO_MASTER},
        {MASTER("$1\r\nh", "$9\r\n123456789"), REDIS_WHY_NO_MASTER},
        {"-IDONTKNOW yet\r\n", REDIS_WHY_NO_MASTER},
        {"-NOAUTH Authentication required.\r\n", REDIS_WHY_SENTINELS_LOGIN},
        {"-NOPERM no\r\n", REDIS_WHY_SENTINELS_LOGIN},
        {"HTTP/1.1 200 OK\r\n", REDIS_WHY_NOT_SENTINEL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("  %s\n", cases[i].answer);
        redis_sentinel_ask(w.sentinel);
        opens(0);
        answer(cases[i].answer);
        refuses(1, redis_loss_as("connection refused"));
        refuses(2, redis_loss_of(REDIS_WHY_TLS_NAME));
        assert_int_equal(w.failures, 1);
        assert_int_equal(w.loss.why, cases[i].why);
        stop(state);
        start(state);
    }
}

static void what_is_no_sentinel_is_asked_what_it_is(void **state)
{
    static const struct {
        const char *answer;
        enum redis_why why;
    } cases[] = {
        {"$23\r\nredis_mode:standalone\r\n\r\n", REDIS_WHY_NOT_SENTINEL},
        {"$20\r\nredis_mode:cluster\r\n\r\n", REDIS_WHY_CLUSTER},
        {"$21\r\nserver_mode:cluster\r\n\r\n", REDIS_WHY_CLUSTER},
        {"-NOPERM no\r\n", REDIS_WHY_NOT_SENTINEL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        redis_sentinel_ask(w.sentinel);
        opens(0);
        answer("-ERR unknown command 'SENTINEL', with args\r\n");
        assert_string_equal(w.written, "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
        answer(cases[i].answer);
        refuses(1, redis_loss_as("connection refused"));
        refuses(2, redis_loss_as("connection refused"));
        assert_int_equal(w.loss.why, cases[i].why);
        stop(state);
        start(state);
    }
}

static void an_ask_that_is_not_read_is_a_failure(void **state)
{
    (void)state;
    become_connected();
    w.is_writing = true;
    assert_true(turn());
    w.is_writing = false;
    opens(1);
    answer(MASTER_A);
    assert_int_equal(w.masters, 2);
}

static void a_connection_that_ends_between_two_asks_is_no_failure(void **state)
{
    (void)state;
    become_connected();
    w.hooks->on_failed(w.sentinel, redis_loss_as("end of file"));
    assert_null(w.dialed);
    assert_true(turn());
    opens(1);
    answer(MASTER_A);
    assert_int_equal(w.masters, 2);
    assert_int_equal(w.failures, 0);
}

static void one_that_is_not_believed_is_followed_by_the_next(void **state)
{
    (void)state;
    become_connected();
    redis_sentinel_distrust(w.sentinel);
    assert_false(w.is_open);
    redis_sentinel_ask(w.sentinel);
    redis_sentinel_distrust(w.sentinel); /* while it is being dialed */
    opens(2);
    redis_sentinel_distrust(w.sentinel); /* while it is asked */
    opens(0);
    answer(MASTER_A);
    assert_int_equal(w.masters, 2);
}

/* What was not asked for does not count. */
static void an_answer_to_nothing_is_a_failure_of_this_one(void **state)
{
    (void)state;
    become_connected();
    answer(MASTER("$8\r\n10.6.6.6", "$4\r\n6666"));
    assert_int_equal(w.masters, 1);
    assert_false(w.is_open);
    assert_true(turn());
    opens(1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_answers_is_asked_each_second),
        TEST(who_is_asking_already_does_not_ask_twice),
        TEST(an_answer_may_come_in_pieces),
        TEST(a_login_goes_in_front),
        TEST(the_next_one_is_asked_where_one_fails),
        TEST(when_all_have_failed_that_is_told_and_asked_again_in_a_second),
        TEST(what_an_answer_can_be_other_than_a_master),
        TEST(what_is_no_sentinel_is_asked_what_it_is),
        TEST(an_ask_that_is_not_read_is_a_failure),
        TEST(a_connection_that_ends_between_two_asks_is_no_failure),
        TEST(one_that_is_not_believed_is_followed_by_the_next),
        TEST(an_answer_to_nothing_is_a_failure_of_this_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
