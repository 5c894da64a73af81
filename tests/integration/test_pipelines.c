/* test_pipelines.c - clients that do not wait for replies: many requests about one room, and
 * many large reads at once, are answered in the order sent, each once.
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
#include "tests/support/redis/redis_cmd.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TIMES = 60, READERS = 24, READS = 10, GONE = 3 };

static struct fleet fleet;

static struct chat *enter(const char *room, const char *user)
{
    return chat_enter(fleet.gateways[0].port, room, user);
}

static void send_about(struct chat *chat, const char *type, int id)
{
    chat_send(chat,
              "{'type':'%s','id':%d,'room':'row','user':'ann',"
              "'text':'x'}",
              type, id);
}

static void expect_answer(struct chat *chat, const char *type, int id)
{
    do
        assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
    while (!chat_has(chat, "id"));
    assert_int_equal(chat_get_number(chat, "id"), id);
    assert_string_equal(chat_get_text(chat, "type"), type);
}

static void joins_and_leaves_in_a_row_take_effect_in_order(void **state)
{
    struct chat *ann = enter("row", "ann");

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        send_about(ann, "message", 3 * i);
        send_about(ann, "leave", 3 * i + 1);
        send_about(ann, "join", 3 * i + 2);
    }
    for (int i = 0; i < TIMES; i++) {
        expect_answer(ann, "message_ack", 3 * i);
        expect_answer(ann, "leave_ack", 3 * i + 1);
        expect_answer(ann, "join_ack", 3 * i + 2);
        assert_int_equal(chat_get_number(ann, "seq"), i + 1);
    }
    chat_close(ann);
}

static void what_waits_behind_a_join_that_fails_finds_nobody_in(void **state)
{
    static const struct {
        const char *request, *type, *code;
    } row[] = {
        {"leave", "leave_ack", NULL},
        {"join", "error", "banned"},
        {"message", "error", "not_joined"},
        {"leave", "error", "not_joined"},
        {"join", "error", "banned"},
        {"join", "error", "banned"},
        {"get_members", "error", "not_joined"},
    };
    struct chat *ann = enter("row", "ann");

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:{row}:bans ann 0");
    for (size_t i = 0; i < COUNT(row); i++)
        send_about(ann, row[i].request, (int)i);
    for (size_t i = 0; i < COUNT(row); i++) {
        expect_answer(ann, row[i].type, (int)i);
        if (row[i].code)
            assert_string_equal(chat_get_text(ann, "code"), row[i].code);
    }
    redis_cmd(fleet.redis_port, "DEL rc:{row}:bans");
    send_about(ann, "join", 100);
    expect_answer(ann, "join_ack", 100);
    chat_close(ann);
}

/* It goes in the middle of it. */
static void a_client_that_goes_with_requests_waiting_is_out(void **state)
{
    struct chat *ann = enter("row", "ann"), *bob = enter("row", "bob");

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        send_about(ann, "leave", 2 * i);
        send_about(ann, "join", 2 * i + 1);
    }
    chat_abort(ann);
    do {
        chat_send(bob, "{'type':'get_members','id':1,'room':'row'}");
        expect_answer(bob, "member_list", 1);
    } while (chat_get_number(bob, "count") != 1);
    chat_close(bob);
}

/* More reads than Redis is asked for at a time. Some of those who wait go meanwhile. */
static void all_that_ask_for_histories_at_once_are_answered(void **state)
{
    struct chat *readers[READERS];

    (void)state;
    for (int i = 0; i < READERS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "read-%d", i);
        readers[i] = enter(room, "ann");
        chat_say(readers[i], room, "hello");
    }
    process_signal(&fleet.redis.process, SIGSTOP);
    for (int i = 0; i < READERS; i++)
        for (int id = 0; id < READS; id++)
            chat_send(readers[i], "{'type':'%s','id':%d,'room':'read-%d'}",
                      id % 2 ? "get_members" : "get_history", id, i);
    for (int i = 0; i < READERS; i++) /* by then the gateway has read all of it */
        if (i % 2) {
            chat_send(readers[i], "{'type':'ping','id':-1}");
            expect_answer(readers[i], "pong", -1);
        }
    for (int i = 0; i < GONE; i++)
        chat_abort(readers[READERS - 1 - i]);
    process_signal(&fleet.redis.process, SIGCONT);
    for (int i = 0; i < READERS - GONE; i++)
        for (int id = 0; id < READS; id++) {
            do
                assert_true(chat_recv(readers[i], CHAT_DEADLINE_MS));
            while (!chat_has(readers[i], "id"));
            assert_int_equal(chat_get_number(readers[i], "id"), id);
            if (strcmp(chat_get_text(readers[i], "type"), "error") == 0) /* slow */
                assert_string_equal(chat_get_text(readers[i], "code"), "unavailable");
        }
    for (int i = 0; i < READERS - GONE; i++)
        chat_close(readers[i]);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_JOINS_PER_SEC=0",
                                           "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 1, .settings = settings});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_and_leaves_in_a_row_take_effect_in_order),
        cmocka_unit_test(what_waits_behind_a_join_that_fails_finds_nobody_in),
        cmocka_unit_test(a_client_that_goes_with_requests_waiting_is_out),
        cmocka_unit_test(all_that_ask_for_histories_at_once_are_answered),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
