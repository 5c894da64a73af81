/* test_presence.c - nodes that die, sleep, or lose Redis: who is in a room stays true. */
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
#include "tests/support/fleet/wire.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { LEASE_MS = 2000 };

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=2",
                                           "ROOMCAST_PRESENCE_GRACE_MS=300", NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 3, .settings = settings});
}

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

struct expected {
    const char *room;
    long long members;
};

static bool has_members(void *data)
{
    const struct expected *e = data;

    return redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:members", e->room) ==
           e->members;
}

static void wait_for_members(const char *room, long long members, long deadline_ms)
{
    struct expected e = {room, members};

    assert_true(wait_until(has_members, &e, deadline_ms));
}

static bool lists_three_nodes(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes") == 3 * fleet_workers();
}

/* A whole lease of answered heartbeats, before which nobody is declared dead. */
static void wait_for_settled_nodes(void)
{
    int64_t end = wait_now_ms() + LEASE_MS + LEASE_MS / 2;
    struct chat *chat = on_gateway(0);

    fleet_wait_all_ready(&fleet);
    assert_true(wait_until(lists_three_nodes, NULL, 4 * LEASE_MS));
    chat_expect_silence(chat, (long)(end - wait_now_ms()));
    chat_close(chat);
}

static void a_killed_gateway_is_cleared_within_twice_the_lease(void **state)
{
    struct chat *ann = on_gateway(0), *gone[20];
    int64_t killed;

    (void)state;
    chat_join(ann, "kill", "ann");
    for (int i = 0; i < 20; i++) {
        char name[24];

        gone[i] = on_gateway(1);
        snprintf(name, sizeof(name), "u%d", i);
        chat_join(gone[i], "kill", name);
        chat_expect(ann, "member_joined");
    }
    wait_for_settled_nodes();
    killed = wait_now_ms();
    fleet_kill_gateway(&fleet, 1);
    for (int i = 0; i < 20; i++) {
        chat_expect(ann, "member_left");
        assert_string_equal(chat_get_text(ann, "reason"), "expired");
        assert_int_equal(chat_get_number(ann, "members"), 20 - i);
    }
    assert_true(wait_now_ms() - killed < 2 * LEASE_MS + 1000);
    wait_for_members("kill", 1, 1000);
    chat_expect_silence(ann, 500);
    for (int i = 0; i < 20; i++)
        chat_abort(gone[i]);
    chat_close(ann);
    fleet_start_gateway(&fleet, 1);
}

static bool forgets_the_dead(void *data)
{
    redisReply *reply = redis_cmd_reply(fleet.redis_port, "KEYS rc:*%s*", (char *)data);
    bool none = reply && reply->elements == 0;

    freeReplyObject(reply);
    return none;
}

static void nothing_is_left_of_a_dead_node(void **state)
{
    struct chat *ann = on_gateway(1);
    char name[64];

    (void)state;
    chat_join(ann, "left", "ann");
    wait_for_settled_nodes();
    snprintf(name, sizeof(name), "-%d-", (int)fleet.gateways[1].process.pid);
    assert_false(forgets_the_dead(name));
    fleet_kill_gateway(&fleet, 1);
    assert_true(wait_until(forgets_the_dead, name, 4 * LEASE_MS));
    chat_abort(ann);
    fleet_start_gateway(&fleet, 1);
}

static void
a_gateway_that_slept_past_its_lease_comes_back_under_another_name(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "sleep", "ann");
    chat_join(bob, "sleep", "bob");
    chat_expect(ann, "member_joined");
    wait_for_settled_nodes();
    process_signal(&fleet.gateways[1].process, SIGSTOP);
    chat_expect_skipping(ann, "member_left");
    chat_say(ann, "sleep", "while you slept");
    process_signal(&fleet.gateways[1].process, SIGCONT);
    chat_expect_skipping(ann, "member_joined");
    assert_string_equal(chat_get_text(ann, "user"), "bob");
    chat_expect_skipping(bob, "message");
    assert_string_equal(chat_get_text(bob, "text"), "while you slept");
    wait_for_members("sleep", 2, 4 * LEASE_MS);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{sleep}:members bob"),
                     1);
    fleet_expect_logged(&fleet, 1, "node_renamed");
    chat_say(bob, "sleep", "good morning");
    chat_expect_skipping(ann, "message");
    chat_close(ann);
    chat_close(bob);
}

static void cut_connections_to_redis_lose_no_message(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    int64_t sent = 0;

    (void)state;
    chat_join(ann, "cut", "ann");
    chat_join(bob, "cut", "bob");
    for (int round = 0; round < 5; round++) {
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE pubsub");
        if (round % 2)
            redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal");
        for (int i = 0; i < 10;) {
            chat_send(ann,
                      "{'type':'message','id':1,'room':'cut','text':'%d',"
                      "'key':'k%d-%d'}",
                      i, round, i);
            do
                assert_true(chat_recv(ann, 5000));
            while (strcmp(chat_get_text(ann, "type"), "message_ack") != 0 &&
                   strcmp(chat_get_text(ann, "type"), "error") != 0);
            if (strcmp(chat_get_text(ann, "type"), "message_ack") == 0) {
                i++;
                sent++;
            } else {
                assert_string_equal(chat_get_text(ann, "code"), "unavailable");
                assert_true(chat_get_number(ann, "retry_after_ms") > 0);
            }
        }
    }
    for (int64_t seq = 1; seq <= sent; seq++) {
        chat_expect_skipping(bob, "message");
        assert_int_equal(chat_get_number(bob, "seq"), seq);
    }
    wait_for_members("cut", 2, 5000);
    chat_close(ann);
    chat_close(bob);
}

static void a_redis_that_lost_everything_gets_its_members_back(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    char epoch[32];

    (void)state;
    chat_join(ann, "lost", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    chat_join(bob, "lost", "bob");
    chat_say(ann, "lost", "x");
    chat_expect_skipping(bob, "message");
    fleet_restart_redis(&fleet);
    chat_expect_skipping(ann, "reset");
    assert_int_equal(chat_get_number(ann, "seq"), 0);
    assert_string_not_equal(chat_get_text(ann, "epoch"), epoch);
    chat_expect_skipping(bob, "reset");
    wait_for_members("lost", 2, 10000);
    fleet_wait_all_ready(&fleet);
    assert_int_equal(chat_say(ann, "lost", "y"), 1);
    chat_expect_skipping(bob, "message");
    assert_int_equal(chat_get_number(bob, "seq"), 1);
    chat_close(ann);
    chat_close(bob);
}

static void a_flushed_redis_is_noticed_with_the_links_up(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "flush", "ann");
    chat_join(bob, "flush", "bob");
    redis_cmd(fleet.redis_port, "FLUSHALL");
    chat_expect_skipping(ann, "reset");
    chat_expect_skipping(bob, "reset");
    wait_for_members("flush", 2, 10000);
    chat_close(ann);
    chat_close(bob);
}

static const struct {
    const char *name;
    const char *change; /* of Redis, as if it had come back from an older state */
    int seq;            /* where that leaves the room */
} lost_tails[] = {
    {"behind",
     "redis.call('HSET', KEYS[1], 'seq', 3) redis.call('LTRIM', KEYS[2], 0, 2)", 3},
    {"gone on with other messages",
     "redis.call('LSET', KEYS[2], -1, "
     "'{\"type\":\"message\",\"room\":\"tail\",\"seq\":5,'"
     " .. '\"user\":\"eve\",\"text\":\"other\",\"ts\":1}')",
     5},
};

static bool have_all_nodes_come_back(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes") == 3 * fleet_workers();
}

/* A gateway learns with its next heartbeat, and until then it counts as ready. */
static void empty_redis(void)
{
    redis_cmd(fleet.redis_port, "FLUSHALL");
    assert_true(wait_until(have_all_nodes_come_back, NULL, FLEET_DEADLINE_MS));
    fleet_wait_all_ready(&fleet);
}

static void a_redis_that_lost_its_tail_begins_a_new_epoch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lost_tails) / sizeof(lost_tails[0]); i++) {
        struct chat *ann = on_gateway(0), *bob = on_gateway(1);
        char epoch[32];

        print_message("  %s\n", lost_tails[i].name);
        empty_redis();
        chat_join(ann, "tail", "ann");
        chat_join(bob, "tail", "bob");
        snprintf(epoch, sizeof(epoch), "%s", chat_get_text(bob, "epoch"));
        for (int k = 0; k < 5; k++)
            chat_say(ann, "tail", "x");
        for (int k = 0; k < 5; k++)
            chat_expect_skipping(bob, "message");
        redis_cmd(fleet.redis_port, "EVAL %s 2 rc:{tail}:meta rc:{tail}:history",
                  lost_tails[i].change);
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal");
        chat_expect_skipping(ann, "reset");
        assert_string_not_equal(chat_get_text(ann, "epoch"), epoch);
        assert_int_equal(chat_get_number(ann, "seq"), lost_tails[i].seq);
        chat_expect_skipping(bob, "reset");
        wait_for_members("tail", 2, 10000);
        fleet_wait_all_ready(&fleet);
        assert_int_equal(chat_say(ann, "tail", "y"), lost_tails[i].seq + 1);
        chat_expect_skipping(bob, "message");
        assert_string_equal(chat_get_text(bob, "text"), "y");
        chat_close(ann);
        chat_close(bob);
    }
}

static void a_message_deleted_meanwhile_is_no_lost_tail(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "tomb", "ann");
    chat_say(ann, "tomb", "x");
    redis_cmd(fleet.redis_port, "LSET rc:{tomb}:history -1 %s",
              q("{'type':'message','room':'tomb','seq':1,'deleted':true,"
                "'ts':1}"));
    redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal");
    do
        chat_expect_skipping(ann, "status");
    while (strcmp(chat_get_text(ann, "redis"), "up") != 0);
    assert_int_equal(chat_say(ann, "tomb", "y"), 2);
    assert_int_equal(fleet_metric(&fleet, 0, "roomcast_gaps_total"), 0);
    chat_close(ann);
}

static bool is_unready(void *data)
{
    struct http_answer answer = {0};
    bool unready;

    (void)data;
    http_get(&answer, fleet.gateways[0].ops_port, "/readyz");
    unready = answer.status == 503;
    http_get_deinit(&answer);
    return unready;
}

static void while_redis_is_away_sockets_stay_and_requests_are_answered(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "away", "ann");
    fleet_kill_redis(&fleet);
    chat_expect_skipping(ann, "status");
    assert_string_equal(chat_get_text(ann, "redis"), "down");
    chat_send(ann, "{'type':'message','id':1,'room':'away','text':'x'}");
    chat_expect_error(ann, "unavailable");
    assert_true(chat_get_number(ann, "retry_after_ms") > 0);
    chat_send(ann, "{'type':'join','id':2,'room':'away2','user':'ann'}");
    chat_expect_error(ann, "unavailable");
    assert_true(wait_until(is_unready, NULL, 5000));
    fleet_start_redis(&fleet);
    chat_expect_skipping(ann, "status");
    assert_string_equal(chat_get_text(ann, "redis"), "up");
    chat_expect_skipping(ann, "reset");
    fleet_wait_all_ready(&fleet);
    chat_say(ann, "away", "x");
    chat_close(ann);
}

/* The leave waits until the message before it is acked; then nobody is there any more. */
static void who_leaves_and_hangs_up_has_left(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(0);

    (void)state;
    chat_join(ann, "exit", "ann");
    chat_join(bob, "exit", "bob");
    chat_expect(ann, "member_joined");
    process_signal(&fleet.gateways[0].process, SIGSTOP);
    chat_send(bob, "{'type':'message','room':'exit','text':'bye'}");
    chat_send(bob, "{'type':'leave','room':'exit'}");
    wire_end(chat_wire(bob));
    process_signal(&fleet.gateways[0].process, SIGCONT);
    chat_expect_skipping(ann, "member_left");
    assert_string_equal(chat_get_text(ann, "reason"), "left");
    chat_abort(bob);
    chat_close(ann);
}

enum { GRACE_MS = 4000 };

static bool has_passed(void *data)
{
    return wait_left_ms(*(const int64_t *)data) <= 0;
}

/* Of two workers of a gateway one remakes the room, and the other's user joins it then: that is told. */
static void expect_message_and_nobody_leaving(struct chat *chat)
{
    do {
        assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
        assert_string_not_equal(chat_get_text(chat, "type"), "member_left");
    } while (strcmp(chat_get_text(chat, "type"), "message") != 0);
}

/* Bob has gone over to another gateway. While Redis is away his grace on the first one ends;
 * Redis comes back empty, and the first one is there before the other one can tell of him. */
static void
who_came_back_elsewhere_is_not_seen_leaving_after_redis_lost_everything(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=2",
                                           "ROOMCAST_PRESENCE_GRACE_MS=4000", NULL};
    unsigned first = fleet_add(&fleet, settings), other = fleet_add(&fleet, settings);
    struct chat *ann = on_gateway(first), *bob = on_gateway(first);
    int64_t over_ms;

    (void)state;
    chat_join(ann, "moved", "ann");
    chat_join(bob, "moved", "bob");
    chat_close(bob);
    over_ms = wait_now_ms() + GRACE_MS;
    bob = on_gateway(other);
    chat_join(bob, "moved", "bob");
    fleet_kill_redis(&fleet);
    assert_true(wait_until(has_passed, &over_ms, 2 * GRACE_MS));
    process_signal(&fleet.gateways[other].process, SIGSTOP);
    fleet_start_redis(&fleet);
    fleet_wait_ready(&fleet, first);
    wait_for_members("moved", 2, 5000);
    process_signal(&fleet.gateways[other].process, SIGCONT);
    fleet_wait_ready(&fleet, other);
    wait_for_members("moved", 2, 10000);
    chat_say(bob, "moved", "x");
    over_ms = wait_now_ms() + GRACE_MS; /* by then the first one has let him go */
    assert_true(wait_until(has_passed, &over_ms, 2 * GRACE_MS));
    chat_say(bob, "moved", "y");
    chat_expect_skipping(ann, "reset");
    expect_message_and_nobody_leaving(ann);
    expect_message_and_nobody_leaving(ann);
    chat_close(ann);
    chat_close(bob);
    fleet_stop_gateway(&fleet, first);
    fleet_stop_gateway(&fleet, other);
}

/* What the test before did to Redis may not be mended everywhere. */
static int begin(void **state)
{
    (void)state;
    fleet_wait_all_ready(&fleet);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_gateway_is_cleared_within_twice_the_lease),
        TEST(nothing_is_left_of_a_dead_node),
        TEST(a_gateway_that_slept_past_its_lease_comes_back_under_another_name),
        TEST(cut_connections_to_redis_lose_no_message),
        TEST(a_redis_that_lost_everything_gets_its_members_back),
        TEST(who_leaves_and_hangs_up_has_left),
        TEST(a_flushed_redis_is_noticed_with_the_links_up),
        TEST(a_redis_that_lost_its_tail_begins_a_new_epoch),
        TEST(a_message_deleted_meanwhile_is_no_lost_tail),
        TEST(while_redis_is_away_sockets_stay_and_requests_are_answered),
        TEST(who_came_back_elsewhere_is_not_seen_leaving_after_redis_lost_everything),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
