/* test_drain.c - clients are told when to come back, and sent away at that time, spread evenly. The
 * connections are the test's: it takes the place of conn.c and session.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/drain.h"
#include "tests/support/unit/quotes.h"

enum { SESSIONS = 10 };

static struct {
    struct config config;
    struct session_env env;
    struct drain drain;
    struct session sessions[SESSIONS];
    bool is_open[SESSIONS];
    uint64_t after_ms[SESSIONS]; /* as it was told; UINT64_MAX: it was not */
} w;

static unsigned number_of(const struct conn *conn)
{
    return (unsigned)((const struct session *)(const void *)conn - w.sessions);
}

bool conn_is_open(const struct conn *conn)
{
    return w.is_open[number_of(conn)];
}

void conn_close(struct conn *conn, enum conn_end why)
{
    assert_int_equal(why, CONN_END_DRAINING);
    assert_true(conn_is_open(conn));
    w.is_open[number_of(conn)] = false;
}

void session_send(struct session *session, const struct strbuf *json)
{
    const char *at = strstr(json->data, q("'after_ms':"));

    assert_true(conn_is_open(&session->conn));
    assert_non_null(strstr(json->data, q("'type':'reconnect'")));
    assert_non_null(at);
    w.after_ms[number_of(&session->conn)] = strtoull(at + 11, NULL, 10);
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.config.drain_ms = 12000;
    w.config.presence_grace_ms = 2000;
    w.env.conn.config = &w.config;
    list_init(&w.env.conn.all);
    for (unsigned i = 0; i < SESSIONS; i++) {
        w.is_open[i] = true;
        w.after_ms[i] = UINT64_MAX;
        list_init(&w.sessions[i].conn.all);
        list_add(&w.env.conn.all, &w.sessions[i].conn.all);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    strbuf_deinit(&w.env.reply);
    return 0;
}

static unsigned count_open(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SESSIONS; i++)
        count += w.is_open[i];
    return count;
}

static void the_grace_is_left_unless_it_takes_more_than_half(void **state)
{
    (void)state;
    assert_int_equal(drain_spread_ms(10000, 0), 10000);
    assert_int_equal(drain_spread_ms(10000, 2000), 8000);
    assert_int_equal(drain_spread_ms(10000, 5000), 5000);
    assert_int_equal(drain_spread_ms(10000, 5001), 10000);
    assert_int_equal(drain_spread_ms(0, 2000), 0);
}

static void each_is_told_its_own_time(void **state)
{
    (void)state;
    drain_start(&w.drain, &w.env, 5000);
    assert_true(w.env.conn.draining);
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_int_equal(w.after_ms[i], 1000 * i);
    assert_int_equal(count_open(), SESSIONS);
}

static void who_is_closing_is_not_told_and_takes_no_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SESSIONS; i += 2)
        w.is_open[i] = false;
    drain_start(&w.drain, &w.env, 5000);
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_int_equal(w.after_ms[i], i % 2 ? 2000 * (i / 2) : UINT64_MAX);
}

static void each_goes_at_its_time_and_not_before(void **state)
{
    (void)state;
    drain_start(&w.drain, &w.env, 5000);
    for (unsigned i = 0; i < SESSIONS; i++) {
        drain_step(&w.drain, 5000 + 1000 * i - (i > 0));
        assert_int_equal(count_open(), SESSIONS - i - (i == 0));
        drain_step(&w.drain, 5000 + 1000 * i);
        assert_int_equal(count_open(), SESSIONS - i - 1);
        assert_false(w.is_open[i]);
    }
    drain_step(&w.drain, 100000);
}

static void who_goes_by_itself_takes_the_place_of_another(void **state)
{
    (void)state;
    drain_start(&w.drain, &w.env, 5000);
    w.is_open[7] = w.is_open[8] = w.is_open[9] = false;
    drain_step(&w.drain, 5000 + 2999);
    assert_int_equal(count_open(), 7);
    drain_step(&w.drain, 5000 + 3000);
    assert_int_equal(count_open(), 6);
    assert_false(w.is_open[0]);
}

static void a_late_step_sends_all_who_are_due(void **state)
{
    (void)state;
    drain_start(&w.drain, &w.env, 5000);
    drain_step(&w.drain, 5000 + 4500);
    assert_int_equal(count_open(), 5);
    drain_step(&w.drain, 5000 + 9000);
    assert_int_equal(count_open(), 0);
}

static void without_clients_nothing_is_to_be_done(void **state)
{
    (void)state;
    memset(w.is_open, 0, sizeof(w.is_open));
    drain_start(&w.drain, &w.env, 5000);
    drain_step(&w.drain, 6000);
    assert_int_equal(count_open(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_grace_is_left_unless_it_takes_more_than_half),
        TEST(each_is_told_its_own_time),
        TEST(who_is_closing_is_not_told_and_takes_no_time),
        TEST(each_goes_at_its_time_and_not_before),
        TEST(who_goes_by_itself_takes_the_place_of_another),
        TEST(a_late_step_sends_all_who_are_due),
        TEST(without_clients_nothing_is_to_be_done),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
