/* test_hostile_redis.c - what stands in Redis' place answers in wrong shapes, without bounds, or
 * the same refusal each time. Gateways and admin service live on, say `unavailable`, and
 * all is well once it answers as it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/impostor.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 30000, HALF_MS = 15000, DEADLINE_MS = 1000 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fleet fleet;
static struct admin admin;
static struct impostor *impostor;

struct awaited {
    unsigned count;
};

static bool has_answered(void *data)
{
    return impostor_count(impostor) >= ((struct awaited *)data)->count;
}

static void wait_answers(unsigned count)
{
    assert_true(wait_until(has_answered, &(struct awaited){count}, PATIENCE_MS));
}

static bool is_ready(void *data)
{
    (void)data;
    return http_get_status(fleet.gateways[0].ops_port, "/readyz") == 200;
}

static void answer(const char *command, const char *bytes)
{
    impostor_answer(impostor, command, bytes, strlen(bytes));
}

static bool never(void *data)
{
    (void)data;
    return false;
}

/* Into a room of gateway 0, once Redis is asked again: with a deadline this short a busy machine
 * alone may make it seem to be away. */
static struct chat *enter(const char *room, const char *user)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);
    int64_t end_ms = wait_now_ms() + PATIENCE_MS;
    bool is_in = false;

    while (!is_in) {
        assert_true(wait_now_ms() < end_ms);
        chat_send(chat, "{'type':'join','room':'%s','user':'%s'}", room, user);
        do
            assert_true(chat_recv(chat, PATIENCE_MS));
        while (strcmp(chat_get_text(chat, "type"), "error") != 0 &&
               strcmp(chat_get_text(chat, "type"), "join_ack") != 0);
        is_in = strcmp(chat_get_text(chat, "type"), "join_ack") == 0;
        if (!is_in) /* unavailable, or joined too often in a second */
            wait_until(never, NULL, 500);
    }
    chat_expect_skipping(chat, "history_batch");
    return chat;
}

/* It answers as it should again. */
static void expect_well(void)
{
    struct chat *ann;

    impostor_answer(impostor, NULL, NULL, 0);
    assert_true(wait_until(is_ready, NULL, PATIENCE_MS));
    assert_true(process_is_running(&fleet.gateways[0].process));
    ann = enter("well", "ann");
    chat_say(ann, "well", "hello");
    chat_close(ann);
}

static const char *const shapes[] = {
    "*1\r\n$-1\r\n",
    "*1\r\n:1\r\n",
    "*1\r\n*0\r\n",
    "*-1\r\n",
    "$-1\r\n",
    "*0\r\n",
    ":1\r\n",
    "+OK\r\n",
    "*2\r\n$2\r\nok\r\n:7\r\n",
    "*3\r\n*1\r\n:1\r\n*-1\r\n$0\r\n\r\n",
};

static void heartbeats_may_be_answered_in_any_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        answer("heartbeat", shapes[i]);
        wait_answers(2);
        assert_true(process_is_running(&fleet.gateways[0].process));
    }
    expect_well();
    assert_true(http_get_metric(fleet.gateways[0].ops_port,
                                q("roomcast_malformed_total{from='reply'}")) > 0);
}

/* Each is announced and never comes; the link must not wait for it, nor reserve it. */
static void what_is_announced_without_bounds_ends_the_connection(void **state)
{
    static const char *const replies[] = {
        "*2147483647\r\n",
        "$2000000000\r\n",
        "*1\r\n$2000000000\r\n",
        "*2\r\n$2\r\nok\r\n*2147483647\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        "?\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(replies); i++) {
        unsigned connections = impostor_connections(impostor);
        double errors =
            http_get_metric(fleet.gateways[0].ops_port,
                            q("roomcast_redis_errors_total{kind='protocol'}"));

        answer("heartbeat", replies[i]);
        wait_answers(1);
        expect_well();
        assert_true(impostor_connections(impostor) > connections);
        assert_true(http_get_metric(fleet.gateways[0].ops_port,
                                    q("roomcast_redis_errors_total{kind='protocol'}")) >
                    errors);
    }
}

/* They swallow whatever is answered later. */
static const char *const halves[] = {
    "*100\r\n",
    "$1000000\r\n",
    "*2\r\n$2\r\nok\r\n*1000\r\n",
    "*2\r\n+O",
};

static bool has_connected(void *data)
{
    return impostor_connections(impostor) > ((struct awaited *)data)->count;
}

static bool lists_rooms(void *data)
{
    (void)data;
    return admin_ask(&admin, &(struct admin_request){.path = "/api/rooms"}) == 200;
}

static void half_a_reply_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(halves); i++) {
        unsigned connections = impostor_connections(impostor);

        answer("heartbeat", halves[i]);
        wait_answers(1);
        impostor_answer(impostor, NULL, NULL, 0);
        assert_true(wait_until(has_connected, &(struct awaited){connections}, HALF_MS));
        expect_well();
    }
}

/* It is asked all the time, so that bytes come all the time. */
static void half_a_reply_ends_the_connection_of_the_admin_service(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(halves); i++) {
        answer("rooms", halves[i]);
        admin_ask(&admin, &(struct admin_request){.path = "/api/rooms"});
        wait_answers(1);
        impostor_answer(impostor, NULL, NULL, 0);
        assert_true(wait_until(lists_rooms, NULL, HALF_MS));
        admin_wait_ready(&admin);
    }
}

/* But for the last one, which the next notice completes: no harm is done. */
static void half_a_notice_ends_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(halves) - 1; i++) {
        unsigned connections = impostor_connections(impostor);

        impostor_notify(impostor, halves[i]);
        assert_true(/* the gateway's and the admin service's */
                    wait_until(has_connected, &(struct awaited){connections + 1},
                               HALF_MS));
        expect_well();
    }
}

static void a_call_that_is_always_refused_is_sent_twice(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);

    (void)state;
    answer("join", "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    chat_send(ann, "{'type':'join','room':'noscript','user':'ann'}");
    chat_expect_error(ann, "unavailable");
    assert_int_equal(impostor_count(impostor), 2);
    impostor_answer(impostor, NULL, NULL, 0);
    chat_join(ann, "noscript", "ann");
    chat_close(ann);
    expect_well();
}

/* The refusal comes just before the deadline, and the answer to the source as late again: the
 * client is told at the deadline of the first call, not of the second. */
static void the_second_call_has_only_the_time_that_the_first_one_left(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);
    int64_t asked_ms, took_ms;

    (void)state;
    answer("join", "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    impostor_delay(impostor, DEADLINE_MS * 9 / 10);
    asked_ms = wait_now_ms();
    chat_send(ann, "{'type':'join','room':'late','user':'ann'}");
    chat_expect_error(ann, "unavailable");
    took_ms = wait_now_ms() - asked_ms;
    assert_int_equal(impostor_count(impostor),
                     1); /* the second call is not answered yet */
    assert_true(took_ms >= DEADLINE_MS && took_ms < DEADLINE_MS * 17 / 10);
    wait_answers(2);
    impostor_answer(impostor, NULL, NULL, 0);
    chat_join(ann, "late", "ann");
    chat_close(ann);
    expect_well();
}

static const char *const commands[] = {"register", "join",    "history",
                                       "publish",  "members", "leave"};

/* In a room of its own each: one that was not answered is asked for again only in a while. */
static void ask_all(const char *command, const char *shape, const char *room)
{
    struct chat *ann = enter(room, "ann");
    struct chat *bob = chat_open(fleet.gateways[0].port);

    answer(command, shape);
    chat_send(bob, "{'type':'join','room':'%s-too','user':'bob'}", room);
    chat_send(ann, "{'type':'message','room':'%s','text':'x'}", room);
    chat_send(ann, "{'type':'get_members','room':'%s'}", room);
    chat_send(ann, "{'type':'get_history','room':'%s'}", room);
    chat_send(ann, "{'type':'leave','room':'%s'}", room);
    wait_answers(1);
    impostor_answer(impostor, NULL, NULL, 0);
    chat_abort(ann);
    chat_abort(bob);
}

static void whatever_is_asked_may_be_answered_in_any_shape(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(commands); c++)
        for (size_t i = 0; i < COUNT(shapes); i++) {
            char room[32];

            snprintf(room, sizeof(room), "shapes-%zu-%zu", c, i);
            ask_all(commands[c], shapes[i], room);
        }
    expect_well();
}

/* The user of a kick is empty, or none; the sync is asked for by cutting the connection. */
static void a_sync_may_tell_of_any_kicks(void **state)
{
    static const char *const kicks[] = {
        "$0\r\n\r\n$0\r\n\r\n", "$1\r\n\xff\r\n$1\r\n\xff\r\n",    "$-1\r\n*0\r\n",
        ":1\r\n:2\r\n",         "$3\r\nann\r\n$2\r\n\xc3\x28\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(kicks); i++) {
        struct chat *ann = enter("kicks", "ann");
        char *epoch = redis_cmd_text(fleet.redis_port, "HGET rc:{kicks}:meta epoch");
        char *reply =
            print_text("*8\r\n$2\r\nok\r\n$16\r\n%s\r\n:0\r\n:1\r\n:1\r\n:1\r\n%s",
                       epoch, kicks[i]);

        answer("sync", reply);
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal SKIPME yes");
        wait_answers(1);
        expect_well();
        chat_abort(ann);
        free(reply);
        free(epoch);
    }
}

/* ---- admin ---- */

static const char *const paths[] = {
    "/api/rooms",        "/api/rooms?sort=members", "/api/rooms?search=r",
    "/api/rooms/r",      "/api/rooms/r/members",    "/api/rooms/r/messages",
    "/api/rooms/r/bans", "/api/users/ann",          "/api/gateways",
    "/api/stats",        "/api/stats/online",       "/api/audit",
};

static const struct {
    const char *method, *path, *body;
} orders[] = {
    {"POST", "/api/rooms/r/messages", "{\"text\":\"x\"}"},
    {"DELETE", "/api/rooms/r/messages/1", NULL},
    {"POST", "/api/rooms/r/kick/bob", NULL},
    {"POST", "/api/rooms/r/ban/bob", "{\"secs\":1}"},
    {"POST", "/api/rooms/r/mute/bob", "{\"secs\":1}"},
    {"POST", "/api/rooms/r/close", NULL},
};

static const char *const asked[] = {
    "ZRANGE", "HMGET", "TIME",    "rooms",     "room",   "members", "history",
    "ZSCAN",  "SSCAN", "HEXISTS", "LRANGE",    "EXISTS", "kick",    "moderate",
    "audit",  "close", "publish", "XREVRANGE", "delete", "sample",
};

static void ask(const char *method, const char *path, const char *body)
{
    int status = admin_ask(
        &admin, &(struct admin_request){.method = method, .path = path, .body = body});

    if (status == 0 || !admin.json)
        print_error("%s %s: %d\n", method ? method : "GET", path, status);
    assert_true(status >= 200);
    assert_non_null(admin.json);
}

static void the_admin_service_may_be_answered_in_any_shape(void **state)
{
    struct chat *bob = enter("r", "bob");

    (void)state;
    for (size_t c = 0; c < COUNT(asked); c++)
        for (size_t i = 0; i < COUNT(shapes); i += 6) {
            answer(asked[c], shapes[i]);
            for (size_t p = 0; p < COUNT(paths); p++)
                ask(NULL, paths[p], NULL);
            for (size_t o = 0; o < COUNT(orders); o++)
                ask(orders[o].method, orders[o].path, orders[o].body);
            assert_true(process_is_running(&admin.process));
        }
    impostor_answer(impostor, NULL, NULL, 0);
    admin_wait_ready(&admin);
    admin_get(&admin, 200, "/api/rooms");
    chat_abort(bob);
    expect_well();
}

static void a_kick_is_tried_eleven_times_at_most(void **state)
{
    struct chat *bob = enter("again", "bob");

    (void)state;
    answer("kick", "*1\r\n$5\r\nagain\r\n"); /* names no node: not asked again */
    admin_post(&admin, 503, NULL, "/api/rooms/again/kick/bob");
    assert_int_equal(impostor_count(impostor), 1);
    answer("kick", "*2\r\n$5\r\nagain\r\n$6\r\nnode-1\r\n");
    admin_post(&admin, 503, NULL, "/api/rooms/again/kick/bob");
    assert_in_range(impostor_count(impostor), 2, 11);
    answer("kick", "*1\r\n$2\r\nok\r\n");
    assert_int_not_equal(
        admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                  .path = "/api/rooms/again/kick/bob"}),
        0);
    impostor_answer(impostor, NULL, NULL, 0);
    admin_post(&admin, 200, NULL, "/api/rooms/again/kick/bob");
    chat_close(bob);
}

/* ---- */

static int start(void **state)
{
    static char url[64];
    static const char *const settings[] = {url, "ROOMCAST_LEASE_SECS=2",
                                           "ROOMCAST_REDIS_DEADLINE_MS=1000", NULL};
    int port;

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    port = port_take();
    impostor = impostor_open(port, fleet.redis_port);
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis://127.0.0.1:%d", port);
    fleet_add(&fleet, settings);
    admin_start(&admin, &fleet, (const char *[]){url, NULL});
    return 0;
}

static int stop(void **state)
{
    admin_teardown(state);
    impostor_close(impostor);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heartbeats_may_be_answered_in_any_shape),
        cmocka_unit_test(what_is_announced_without_bounds_ends_the_connection),
        cmocka_unit_test(half_a_reply_ends_the_connection),
        cmocka_unit_test(half_a_reply_ends_the_connection_of_the_admin_service),
        cmocka_unit_test(half_a_notice_ends_the_connection),
        cmocka_unit_test(a_call_that_is_always_refused_is_sent_twice),
        cmocka_unit_test(the_second_call_has_only_the_time_that_the_first_one_left),
        cmocka_unit_test(whatever_is_asked_may_be_answered_in_any_shape),
        cmocka_unit_test(a_sync_may_tell_of_any_kicks),
        cmocka_unit_test(the_admin_service_may_be_answered_in_any_shape),
        cmocka_unit_test(a_kick_is_tried_eleven_times_at_most),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
