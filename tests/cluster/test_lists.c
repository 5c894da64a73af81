/* test_lists.c - a fleet on a list of three Redis: where rooms go, what a list may not become, and what is
 * left while one of them is down (SPEC-SCALE S2, S3, S9, T11, T12).
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { SHARDS = 3 };

/* One room of each shard, as SPEC-SCALE S2 has them. */
static const char *const rooms[SHARDS] = {"kitchen", "会議室", "lobby"};

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=2",
                                           "ROOMCAST_PRESENCE_GRACE_MS=300", NULL};

    *state = &fleet;
    return fleet_start(
        &fleet,
        &(struct fleet_opts){.gateways = 2, .settings = settings, .shards = SHARDS});
}

static int port_of(unsigned shard)
{
    return fleet_shard(&fleet, shard)->port;
}

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

/* Whether /readyz of a gateway answers so, with a line that has `text`. */
struct readiness {
    unsigned gateway;
    int status;
    const char *text;
};

static bool answers(void *data)
{
    const struct readiness *r = data;
    struct http_answer answer = {0};
    bool is_so;

    if (!http_get_try(&answer, fleet.gateways[r->gateway].ops_port, "/readyz"))
        return false;
    is_so = answer.status == r->status && strstr(answer.body, r->text);
    http_get_deinit(&answer);
    return is_so;
}

static void expect_readiness(unsigned gateway, int status, const char *text)
{
    struct readiness r = {gateway, status, text};

    if (!wait_until(answers, &r, FLEET_DEADLINE_MS))
        fail_msg("/readyz is not %d with: %s", status, text);
}

/* ---- where rooms go ---- */

static void each_room_is_on_its_redis(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        chat_join(ann, rooms[i], "ann");
        chat_join(bob, rooms[i], "bob");
        chat_say(ann, rooms[i], "hello");
        chat_expect_skipping(bob, "message");
        assert_string_equal(chat_get_text(bob, "room"), rooms[i]);
        for (unsigned k = 0; k < SHARDS; k++)
            assert_int_equal(
                redis_cmd_number(port_of(k), "EXISTS rc:{%s}:meta", rooms[i]), k == i);
        assert_int_equal(
            redis_cmd_number(port_of(i), "HGET rc:{%s}:meta shard_id", rooms[i]), i);
        assert_int_equal(redis_cmd_number(port_of(i), "ZCARD rc:nodes"), 2);
    }
    chat_close(ann);
    chat_close(bob);
}

static void each_redis_is_marked(void **state)
{
    char *first = redis_cmd_text(port_of(0), "GET rc:shard");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        char *mark = redis_cmd_text(port_of(i), "GET rc:shard"), expected[64];

        snprintf(expected, sizeof(expected), "%.16s %u 3", first, i);
        assert_string_equal(mark, expected);
        free(mark);
    }
    free(first);
}

/* ---- what a list may not become ---- */

static void expect_only_the_fleets_nodes(void)
{
    for (unsigned i = 0; i < SHARDS; i++)
        assert_int_equal(redis_cmd_number(port_of(i), "ZCARD rc:nodes"), 2);
}

static void refuses(const unsigned *shards, unsigned count, const char *text)
{
    char *setting = fleet_list_setting(&fleet, shards, count);
    unsigned gateway = fleet_launch(&fleet, (const char *[]){setting, NULL});

    expect_readiness(gateway, 503, text);
    fleet_stop_gateway(&fleet, gateway);
    expect_only_the_fleets_nodes(); /* it wrote nothing */
    free(setting);
}

static void a_list_in_another_order_is_refused(void **state)
{
    (void)state;
    refuses((const unsigned[]){1, 0, 2}, 3, "shard 0: shard 0 of 3 is marked 1 of 3\n");
    refuses((const unsigned[]){0, 2, 1}, 3, "shard 1: shard 1 of 3 is marked 2 of 3\n");
}

static void a_list_that_has_grown_or_shrunk_is_refused(void **state)
{
    struct redis_server *new = fleet_shard(&fleet, 3);

    (void)state;
    refuses((const unsigned[]){0, 1}, 2, "shard 0: shard 0 of 2 is marked 0 of 3\n");
    redis_server_open(new, &(struct redis_server_opts){0});
    refuses((const unsigned[]){0, 1, 2, 3}, 4,
            "shard 2: shard 2 of 4 is marked 2 of 3\n");
    assert_int_equal(redis_cmd_number(new->port, "DBSIZE"), 0);
    refuses((const unsigned[]){3, 0, 1, 2}, 4,
            "shard 1: shard 1 of 4 is marked 0 of 3\n");
    assert_int_equal(redis_cmd_number(new->port, "DBSIZE"), 0);
    redis_server_close(new);
}

static void one_redis_twice_is_refused(void **state)
{
    (void)state;
    refuses((const unsigned[]){0, 1, 1}, 3, "shard 2: shard 2 of 3 is marked 1 of 3\n");
}

static void other_names_for_the_same_hosts_are_fine(void **state)
{
    char setting[256];
    unsigned gateway;

    (void)state;
    snprintf(setting, sizeof(setting),
             "ROOMCAST_REDIS_URL=redis://localhost:%d,redis://localhost:%d,"
             "redis://127.0.0.1:%d/0",
             port_of(0), port_of(1), port_of(2));
    gateway = fleet_add(&fleet, (const char *[]){setting, NULL});
    expect_readiness(gateway, 200, "ready\n");
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- one of three is down ---- */

static const char *reconnects(unsigned shard)
{
    static char name[64];

    snprintf(name, sizeof(name), "roomcast_redis_reconnects_total{shard=\"%u\"}",
             shard);
    return name;
}

static void expect_unavailable(struct chat *chat, const char *room)
{
    chat_send(chat, "{'type':'message','room':'%s','text':'x'}", room);
    chat_expect_error(chat, "unavailable");
}

static void while_one_is_down_its_rooms_only_are_unavailable(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        chat_join(ann, rooms[i], "ann");
        chat_join(bob, rooms[i], "bob");
    }
    process_kill(&fleet_shard(&fleet, 1)->process);
    do
        chat_expect_skipping(ann, "status");
    while (strcmp(chat_get_text(ann, "redis"), "down") != 0);
    assert_int_equal(chat_get_count(ann, "rooms"), 1);
    assert_string_equal(chat_get_text(ann, "rooms.0"), rooms[1]);
    expect_unavailable(ann, rooms[1]);
    assert_true(chat_say(ann, rooms[0], "still") > 0);
    assert_true(chat_say(ann, rooms[2], "here") > 0);
    expect_readiness(0, 200, "shard 1: no connection to Redis\n");
    assert_true(fleet_metric(&fleet, 0, "roomcast_redis_up{shard=\"0\"}") == 1);
    assert_true(fleet_metric(&fleet, 0, "roomcast_redis_up{shard=\"1\"}") == 0);

    redis_server_start(fleet_shard(&fleet, 1));
    chat_expect_skipping(ann, "reset"); /* it kept nothing */
    assert_true(fleet_metric(&fleet, 0, reconnects(1)) >= 2);
    assert_true(fleet_metric(&fleet, 0, reconnects(0)) == 0);
    assert_string_equal(chat_get_text(ann, "room"), rooms[1]);
    chat_expect_skipping(bob, "reset");
    expect_readiness(0, 200, "ready\n");
    each_redis_is_marked(state); /* the mark was put back */
    assert_true(chat_say(ann, rooms[1], "back") > 0);
    chat_close(ann);
    chat_close(bob);
}

static void a_gateway_that_starts_meanwhile_serves_the_other_rooms(void **state)
{
    struct chat *chat;
    unsigned gateway;

    (void)state;
    process_signal(&fleet_shard(&fleet, 2)->process, SIGSTOP);
    gateway = fleet_launch(&fleet, NULL);
    expect_readiness(gateway, 200, "shard 2: no connection to Redis\n");
    chat = on_gateway(gateway);
    chat_join(chat, rooms[0], "eve");
    assert_true(chat_say(chat, rooms[0], "hello") > 0);
    chat_send(chat, "{'type':'join','room':'%s','user':'eve'}", rooms[2]);
    chat_expect_skipping(chat, "error");
    assert_string_equal(chat_get_text(chat, "code"), "unavailable");
    process_signal(&fleet_shard(&fleet, 2)->process, SIGCONT);
    fleet_wait_all_ready(&fleet);
    chat_join(chat, rooms[2], "eve");
    chat_close(chat);
    fleet_stop_gateway(&fleet, gateway);
}

static void with_most_of_them_down_a_gateway_is_not_ready(void **state)
{
    (void)state;
    for (unsigned i = 1; i < SHARDS; i++)
        process_kill(&fleet_shard(&fleet, i)->process);
    expect_readiness(0, 503, "shard 2: no connection to Redis\n");
    for (unsigned i = 1; i < SHARDS; i++)
        redis_server_start(fleet_shard(&fleet, i));
    expect_readiness(0, 200, "ready\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_room_is_on_its_redis),
        cmocka_unit_test(each_redis_is_marked),
        cmocka_unit_test(a_list_in_another_order_is_refused),
        cmocka_unit_test(a_list_that_has_grown_or_shrunk_is_refused),
        cmocka_unit_test(one_redis_twice_is_refused),
        cmocka_unit_test(other_names_for_the_same_hosts_are_fine),
        cmocka_unit_test(while_one_is_down_its_rooms_only_are_unavailable),
        cmocka_unit_test(a_gateway_that_starts_meanwhile_serves_the_other_rooms),
        cmocka_unit_test(with_most_of_them_down_a_gateway_is_not_ready),
    };

    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
