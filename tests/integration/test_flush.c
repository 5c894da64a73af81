/* test_flush.c - what may wait to share a write: messages of a busy room, and who came and
 * went. Nothing is late for a reply, nothing overtakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/unit/wait.h"

enum { MESSAGES = 8, CROWDED_ROOMS = 225, CROWD_WAIT_MS = 300 };

static struct fleet fleet;

static struct chat *open_on(unsigned gateway)
{
    return chat_open(fleet.gateways[gateway].port);
}

static double count_writes(unsigned gateway)
{
    return fleet_metric(&fleet, gateway, "roomcast_writes_total");
}

/* ---- presence ---- */

static void expect_joined(struct chat *chat, const char *user)
{
    chat_expect(chat, "member_joined");
    assert_string_equal(chat_get_text(chat, "user"), user);
}

static void a_message_takes_along_who_came_before_it(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_PRESENCE_FLUSH_MS=10000", NULL});
    struct chat *ann = open_on(gateway), *bob = open_on(gateway);
    struct chat *cem = open_on(gateway);

    (void)state;
    chat_join(ann, "hall", "ann");
    chat_join(bob, "hall", "bob");
    chat_join(cem, "hall", "cem");
    chat_say(cem, "hall", "hello");
    expect_joined(ann, "bob");
    expect_joined(ann, "cem");
    chat_expect(ann, "message");
    expect_joined(bob, "cem");
    chat_expect(bob, "message");

    chat_leave(cem, "hall");
    chat_send(ann, "{'type':'ping'}"); /* so does a reply */
    for (assert_true(chat_recv(ann, CHAT_DEADLINE_MS));
         strcmp(chat_get_text(ann, "type"), "pong") != 0;
         assert_true(chat_recv(ann, CHAT_DEADLINE_MS)))
        assert_string_equal(chat_get_text(ann, "type"), "member_left");
    chat_close(ann);
    chat_close(bob);
    chat_close(cem);
    fleet_stop_gateway(&fleet, gateway);
}

static void who_came_is_told_also_when_nothing_else_is(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_PRESENCE_FLUSH_MS=50", NULL});
    struct chat *ann = open_on(gateway), *bob = open_on(gateway);

    (void)state;
    chat_join(ann, "lobby", "ann");
    for (int round = 0; round < 5; round++) {
        chat_join(bob, "lobby", "bob");
        expect_joined(ann, "bob");
        chat_leave(bob, "lobby");
        chat_expect(ann, "member_left");
    }
    chat_close(ann);
    chat_close(bob);
    fleet_stop_gateway(&fleet, gateway);
}

/* Whose connection ends has them dropped: that frees what waited. */
static void a_client_may_go_while_something_waits_for_it(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_PRESENCE_FLUSH_MS=10000", NULL});
    struct chat *ann = open_on(gateway), *bob = open_on(gateway);
    struct chat *cem = open_on(gateway);

    (void)state;
    chat_join(ann, "porch", "ann");
    chat_join(bob, "porch", "bob");
    chat_join(cem, "porch", "cem");
    chat_abort(ann);
    chat_close(bob);
    chat_say(cem, "porch", "hello");
    chat_close(cem);
    fleet_stop_gateway(&fleet, gateway);
}

/* One client comes into many rooms of two at once. The first of those who are there wait as
 * always; the last ones, with more than 400 before them, twice as long. */
static void the_more_wait_the_longer_they_do(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_PRESENCE_FLUSH_MS=300",
                                           "ROOMCAST_MAX_ROOMS=300",
                                           "ROOMCAST_JOINS_BURST=300", NULL});
    struct chat *people[2 * CROWDED_ROOMS], *cem = open_on(gateway);
    char room[32];
    int64_t start_ms;

    (void)state;
    for (int i = 0; i < 2 * CROWDED_ROOMS; i++) {
        snprintf(room, sizeof(room), "room-%d", i / 2);
        people[i] = open_on(gateway);
        chat_join(people[i], room, i % 2 ? "bob" : "ann");
    }
    for (int i = 0; i < 2 * CROWDED_ROOMS; i += 2)
        expect_joined(people[i], "bob");
    start_ms = wait_now_ms();
    for (int i = 0; i < CROWDED_ROOMS; i++)
        chat_send(cem, "{'type':'join','room':'room-%d','user':'cem'}", i);
    for (int i = 0; i < 2 * CROWDED_ROOMS; i++)
        expect_joined(people[i], "cem");
    assert_true(wait_now_ms() - start_ms >= 2 * CROWD_WAIT_MS);
    for (int i = 0; i < 2 * CROWDED_ROOMS; i++)
        chat_close(people[i]);
    chat_close(cem);
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- messages ---- */

/* Ann says the first, which ends the quiet, and the others while it is busy. How many writes
 * it took. */
static double talk(unsigned gateway, struct chat *ann, struct chat *bob)
{
    double before = count_writes(gateway), seq = chat_say(ann, "busy", "0");

    for (int n = 1; n <= MESSAGES; n++)
        assert_true(chat_say(ann, "busy", "n") == seq + n);
    for (int n = 0; n <= MESSAGES; n++) {
        chat_expect(bob, "message");
        assert_true(chat_get_number(bob, "seq") == seq + n);
    }
    return count_writes(gateway) - before;
}

/* Ann's acks, each a write, and Bob's messages: by themselves as many again. A machine that
 * stands still for a while may need more than one attempt. */
static void messages_of_a_busy_room_share_a_write(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_FLUSH_MS=1000", NULL});
    struct chat *ann = open_on(gateway), *bob = open_on(gateway);
    int64_t until_ms = wait_now_ms() + CHAT_DEADLINE_MS;
    double writes;

    (void)state;
    chat_join(ann, "busy", "ann");
    chat_join(bob, "busy", "bob");
    chat_expect(ann, "member_joined");
    do {
        writes = talk(gateway, ann, bob);
        print_message("  %g writes\n", writes);
    } while (writes > 2 + MESSAGES + 3 && wait_now_ms() < until_ms);
    assert_true(writes <= 2 + MESSAGES + 3);
    chat_close(ann);
    chat_close(bob);
    fleet_stop_gateway(&fleet, gateway);
}

/* The first message after a while goes at once, and a room that does not fall silent
 * still gets its messages. */
static void a_room_that_never_rests_is_not_held_up(void **state)
{
    unsigned gateway =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_FLUSH_MS=20", NULL});
    struct chat *ann = open_on(gateway), *bob = open_on(gateway);

    (void)state;
    chat_join(ann, "busy", "ann");
    chat_join(bob, "busy", "bob");
    for (int round = 0; round < 20; round++)
        talk(gateway, ann, bob);
    chat_close(ann);
    chat_close(bob);
    fleet_stop_gateway(&fleet, gateway);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_takes_along_who_came_before_it),
        cmocka_unit_test(who_came_is_told_also_when_nothing_else_is),
        cmocka_unit_test(a_client_may_go_while_something_waits_for_it),
        cmocka_unit_test(the_more_wait_the_longer_they_do),
        cmocka_unit_test(messages_of_a_busy_room_share_a_write),
        cmocka_unit_test(a_room_that_never_rests_is_not_held_up),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
