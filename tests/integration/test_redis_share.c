/* test_redis_share.c - what a room may take of Redis, and what goes on when Redis is full:
 * the bytes of a history, the same from this gateway's memory as from Redis; the keys of
 * messages; publishing refused, and nothing else that holds a fleet together.
 */
#include <setjmp.h>
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
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 20000 };

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=0",
                                           "ROOMCAST_HISTORY_LIMIT=50",
                                           "ROOMCAST_HISTORY_MAX_BYTES=6000",
                                           "ROOMCAST_KEYS_MAX=20",
                                           "ROOMCAST_LEASE_SECS=2",
                                           "ROOMCAST_ROOM_TTL_SECS=2",
                                           NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 2, .settings = settings});
}

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

/* ---- bytes ---- */

static void say_long(struct chat *chat, const char *room, int bytes)
{
    char text[2048];

    memset(text, 'x', sizeof(text));
    text[bytes] = '\0';
    chat_say(chat, room, text);
}

struct reading {
    unsigned gateway;
    const char *room, *user;
};

static bool is_next_line(const redisReply *lines, size_t n, const cJSON *message)
{
    char *line = cJSON_PrintUnformatted(message);
    bool is_it = n < lines->elements && strcmp(line, lines->element[n]->str) == 0;

    free(line);
    return is_it;
}

static bool has_history_of_redis(void *data)
{
    const struct reading *reading = data;
    redisReply *lines =
        redis_cmd_reply(fleet.redis_port, "LRANGE rc:{%s}:history 0 -1", reading->room);
    struct chat *chat = on_gateway(reading->gateway);
    size_t count = 0;
    bool is_same = true;

    assert_non_null(lines);
    chat_send(chat, "{'type':'join','room':'%s','user':'%s'}", reading->room,
              reading->user);
    chat_expect_skipping(chat, "join_ack");
    do {
        const cJSON *message;

        chat_expect_skipping(chat, "history_batch");
        cJSON_ArrayForEach(message, cJSON_GetObjectItem(chat_json(chat), "messages"))
        {
            is_same = is_same && is_next_line(lines, count++, message);
        }
    } while (chat_is_true(chat, "more"));
    is_same = is_same && count == lines->elements;
    freeReplyObject(lines);
    chat_leave(chat, reading->room);
    chat_close(chat);
    return is_same;
}

/* Joins as `user`: the history must be what Redis holds, wherever it comes from. A worker that has not
 * heard of the last message yet gives the history before it, and then the message. */
static void expect_history_of_redis(unsigned gateway, const char *room,
                                    const char *user)
{
    struct reading reading = {gateway, room, user};

    assert_true(wait_until(has_history_of_redis, &reading, PATIENCE_MS));
}

static void everybody_gets_the_history_that_the_bytes_allow(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "bytes", "ann");
    chat_join(bob, "bytes", "bob");
    for (int n = 0; n < 60; n++) {
        char user[32];

        say_long(n % 3 ? ann : bob, "bytes", 1 + n * 379 % 1500);
        snprintf(user, sizeof(user), "user-%d", n);
        for (unsigned i = 0; i < 2; i++)
            expect_history_of_redis(i, "bytes", user);
    }
    assert_true(redis_cmd_number(fleet.redis_port, "LLEN rc:{bytes}:history") < 20);
    assert_true(fleet_metric(&fleet, 0, "roomcast_history_shared_total") >
                20.0 / fleet_workers());
    chat_close(ann);
    chat_close(bob);
}

static void who_comes_back_within_the_bytes_is_recovered_and_else_not(void **state)
{
    struct chat *ann = on_gateway(0);
    long long length;

    (void)state;
    chat_join(ann, "since", "ann");
    for (int n = 0; n < 20; n++)
        say_long(ann, "since", 1000);
    length = redis_cmd_number(fleet.redis_port, "LLEN rc:{since}:history");
    assert_int_equal(length, 5);
    for (int round = 0; round < 3; round++)
        for (int missed = 4; missed <= 6; missed++) {
            char *epoch =
                redis_cmd_text(fleet.redis_port, "HGET rc:{since}:meta epoch");
            struct chat *bob = on_gateway(0);

            chat_send(bob,
                      "{'type':'join','room':'since','user':'bob','since':"
                      "{'epoch':'%s','seq':%d}}",
                      epoch, 20 - missed);
            chat_expect_skipping(bob, "join_ack");
            assert_int_equal(chat_is_true(bob, "recovered"), missed <= 5);
            chat_expect_skipping(bob, "history_batch");
            assert_int_equal(chat_get_count(bob, "messages"), missed <= 5 ? missed : 5);
            chat_leave(bob, "since");
            chat_close(bob);
            free(epoch);
        }
    chat_close(ann);
}

/* ---- keys ---- */

static double say_once(struct chat *chat, const char *room, int key)
{
    chat_send(chat, "{'type':'message','room':'%s','text':'x','key':'%d'}", room, key);
    chat_expect_skipping(chat, "message_ack");
    return chat_get_number(chat, "seq");
}

static void a_room_remembers_so_many_keys_and_no_more(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "keys", "ann");
    for (int n = 0; n < 100; n++) {
        say_once(ann, "keys", n);
        assert_true(redis_cmd_number(fleet.redis_port, "HLEN rc:{keys}:keys") <= 20);
        assert_true(redis_cmd_number(fleet.redis_port, "HLEN rc:{keys}:keys:old") <=
                    20);
    }
    assert_int_equal(say_once(ann, "keys", 99), 100);
    assert_int_equal(say_once(ann, "keys", 80), 81);
    assert_int_equal(say_once(ann, "keys", 1), 101);
    chat_close(ann);
}

/* Many at once go in one call, among them the same key twice. */
static void keys_that_come_at_once_are_stored_once(void **state)
{
    struct chat *ann = on_gateway(0);
    double seqs[30] = {0};

    (void)state;
    chat_join(ann, "burst", "ann");
    for (int n = 0; n < 30; n++)
        chat_send(ann,
                  "{'type':'message','room':'burst','text':'x','id':%d,"
                  "'key':'%d'}",
                  n, n % 10);
    for (int n = 0; n < 30; n++) {
        chat_expect_skipping(ann, "message_ack");
        seqs[(int)chat_get_number(ann, "id")] = chat_get_number(ann, "seq");
    }
    for (int n = 0; n < 30; n++)
        assert_true(seqs[n] == seqs[n % 10] && seqs[n] > 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{burst}:history"), 10);
    chat_close(ann);
}

/* ---- full memory ---- */

static void fill_memory(bool full)
{
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory %d", full ? 1 : 0);
}

static bool is_reaped(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "HLEN rc:{full}:members") == 1 &&
           redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes") == 2 * fleet_workers();
}

static bool is_expired(void *data)
{
    char *score = redis_cmd_text(fleet.redis_port, "ZSCORE rc:rooms short");
    bool is_indexed = score != NULL;

    (void)data;
    free(score);
    return !is_indexed &&
           redis_cmd_number(fleet.redis_port, "EXISTS rc:{short}:meta") == 0;
}

static void full_memory_refuses_messages_and_new_rooms_and_nothing_else(void **state)
{
    unsigned third =
        fleet_add(&fleet, (const char *const[]){"ROOMCAST_LEASE_SECS=2", NULL});
    struct chat *ann = on_gateway(0), *bob = on_gateway(third), *cem = on_gateway(1);
    double refused;

    (void)state;
    chat_join(ann, "full", "ann");
    chat_join(bob, "full", "bob");
    chat_join(cem, "short", "cem");
    chat_say(ann, "full", "before");
    fill_memory(true);
    refused = fleet_metric(&fleet, 0, q("roomcast_redis_errors_total{kind='oom'}"));

    chat_send(ann, "{'type':'message','room':'full','text':'no','id':1}");
    chat_expect_skipping(ann, "error");
    assert_string_equal(chat_get_text(ann, "code"), "unavailable");
    chat_send(ann, "{'type':'join','room':'new','user':'ann','id':2}");
    chat_expect_skipping(ann, "error");
    assert_string_equal(chat_get_text(ann, "code"), "unavailable");
    assert_true(fleet_metric(&fleet, 0, q("roomcast_redis_errors_total{kind='oom'}")) >
                refused);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{new}:meta"), 0);
    chat_send(ann, "{'type':'get_history','room':'full','id':3}");
    chat_expect_skipping(ann, "history_batch");
    assert_int_equal(chat_get_count(ann, "messages"), 1);
    chat_send(ann, "{'type':'signal','room':'full','kind':'typing'}");
    chat_expect_skipping(bob, "signal");

    chat_leave(cem, "short"); /* its room goes when its time is over */
    fleet_kill_gateway(&fleet, third);
    chat_expect_skipping(ann, "member_left");
    assert_string_equal(chat_get_text(ann, "reason"), "expired");
    assert_true(wait_until(is_reaped, NULL, PATIENCE_MS));
    assert_true(wait_until(is_expired, NULL, PATIENCE_MS));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(http_get_status(fleet.gateways[i].ops_port, "/readyz"), 200);

    fill_memory(false);
    assert_int_equal(chat_say(ann, "full", "after"), 2);
    chat_abort(bob);
    chat_close(ann);
    chat_close(cem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_the_history_that_the_bytes_allow),
        cmocka_unit_test(who_comes_back_within_the_bytes_is_recovered_and_else_not),
        cmocka_unit_test(a_room_remembers_so_many_keys_and_no_more),
        cmocka_unit_test(keys_that_come_at_once_are_stored_once),
        cmocka_unit_test(full_memory_refuses_messages_and_new_rooms_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
