/* test_talk.c - two people in two terminals, on two gateways: what they see of each other, and of
 * a gateway that is killed in the middle of a sentence.
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

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/roomcast.h"
#include "tests/support/fleet/tmux.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"

static struct fleet fleet;
static struct tmux tmux;

static int port_of(unsigned gateway)
{
    return fleet.gateways[gateway].port;
}

static void open_both(const char *rooms)
{
    roomcast_open(&tmux, &fleet, 0, "ann", 80, 24, rooms);
    roomcast_open(&tmux, &fleet, 1, "bob", 80, 24, rooms);
}

static void close_both(void)
{
    tmux_line(&tmux, "ann", "/quit");
    tmux_line(&tmux, "bob", "/quit");
    tmux_expect(&tmux, "ann", "[exit 0]");
    tmux_expect(&tmux, "bob", "[exit 0]");
    tmux_close(&tmux, "ann");
    tmux_close(&tmux, "bob");
}

static unsigned count(const char *screen, const char *text)
{
    unsigned n = 0;

    for (; (screen = strstr(screen, text)); screen++)
        n++;
    return n;
}

static void two_clients_talk(void **state)
{
    (void)state;
    open_both("lobby");
    tmux_line(&tmux, "ann", "hello bob");
    tmux_expect(&tmux, "bob", "ann: hello bob");
    tmux_line(&tmux, "bob", "hello ann");
    tmux_expect(&tmux, "ann", "bob: hello ann");
    tmux_expect(&tmux, "ann", "ann: hello bob");
    assert_int_equal(count(tmux_screen(&tmux, "ann"), "hello bob"), 1);
    close_both();
}

static void the_panel_shows_who_is_in_and_stays_true(void **state)
{
    (void)state;
    open_both("panel");
    tmux_line(&tmux, "ann", "/members");
    tmux_expect(&tmux, "ann", "| 2 here");
    tmux_expect(&tmux, "ann", "| ann");
    tmux_expect(&tmux, "ann", "| bob");
    tmux_line(&tmux, "bob", "/leave");
    tmux_expect(&tmux, "ann", "| 1 here");
    tmux_expect_gone(&tmux, "ann", "| bob");
    tmux_line(&tmux, "bob", "/join panel");
    tmux_expect(&tmux, "ann", "| bob");
    tmux_line(&tmux, "ann", "/members");
    tmux_expect_gone(&tmux, "ann", "| bob");
    close_both();
}

static void the_history_comes_first_and_goes_on_leaving(void **state)
{
    struct chat *eve = chat_open(port_of(0));

    (void)state;
    chat_join(eve, "past", "eve");
    for (int i = 1; i <= 5; i++) {
        char text[32];

        snprintf(text, sizeof(text), "old %d", i);
        chat_say(eve, "past", text);
    }
    roomcast_open(&tmux, &fleet, 0, "ann", 80, 24, "past");
    tmux_expect(&tmux, "ann", "eve: old 1");
    tmux_expect(&tmux, "ann", "eve: old 5");
    assert_non_null(strstr(tmux_row(&tmux, "ann", -4), "old 5"));
    tmux_line(&tmux, "ann", "/leave");
    tmux_expect_gone(&tmux, "ann", "old 5");
    tmux_line(&tmux, "ann", "/join past");
    tmux_expect(&tmux, "ann", "eve: old 5");
    tmux_close(&tmux, "ann");
    chat_close(eve);
}

static void rooms_are_tabs_with_unread_marks_and_drafts(void **state)
{
    (void)state;
    open_both("one two");
    tmux_type(&tmux, "ann", "a draft in one");
    tmux_key(&tmux, "ann", "C-n");
    tmux_expect_gone(&tmux, "ann", "a draft in one");
    tmux_line(&tmux, "bob", "are you there?");
    tmux_line(&tmux, "bob", "hey");
    tmux_expect(&tmux, "ann", "1 one (2)");
    tmux_key(&tmux, "ann", "M-1");
    tmux_expect(&tmux, "ann", "bob: are you there?");
    tmux_expect_gone(&tmux, "ann", "1 one (2)");
    tmux_expect(&tmux, "ann", "> a draft in one");
    tmux_key(&tmux, "ann", "C-u");
    tmux_line(&tmux, "ann", "/rooms");
    tmux_expect(&tmux, "ann", "2 two: 2 here, 0 unread");
    close_both();
}

static void who_is_writing_is_shown_until_it_is_said(void **state)
{
    (void)state;
    open_both("typing");
    tmux_type(&tmux, "ann", "I think");
    tmux_expect(&tmux, "bob", "ann is writing");
    tmux_key(&tmux, "ann", "C-u");
    tmux_key(&tmux, "ann", "BSpace");
    tmux_expect_gone(&tmux, "bob", "ann is writing");
    close_both();
}

static void
a_gateway_killed_in_the_middle_of_a_sentence_costs_a_status_line(void **state)
{
    char other[64];

    (void)state;
    open_both("kill");
    tmux_line(&tmux, "ann", "before");
    tmux_expect(&tmux, "bob", "ann: before");
    tmux_type(&tmux, "ann", "in the middle of ");
    fleet_kill_gateway(&fleet, 0);
    tmux_type(&tmux, "ann", "a sentence");
    tmux_key(&tmux, "ann", "Enter");
    tmux_expect(&tmux, "bob", "ann: in the middle of a sentence");
    tmux_line(&tmux, "bob", "understood");
    tmux_expect(&tmux, "ann", "bob: understood");
    snprintf(other, sizeof(other), "%d as ann", port_of(1));
    tmux_expect(&tmux, "ann", other);
    tmux_expect_gone(&tmux, "ann", "...");
    assert_int_equal(count(tmux_screen(&tmux, "ann"), "a sentence"), 1);
    assert_int_equal(count(tmux_screen(&tmux, "bob"), "a sentence"), 1);
    assert_null(strstr(tmux_screen(&tmux, "bob"), "gap"));

    fleet_start_gateway(&fleet, 0);
    fleet_kill_gateway(&fleet, 1); /* both are there */
    tmux_line(&tmux, "bob", "once more");
    tmux_expect(&tmux, "ann", "bob: once more");
    tmux_line(&tmux, "ann", "it goes on");
    tmux_expect(&tmux, "bob", "ann: it goes on");
    assert_int_equal(count(tmux_screen(&tmux, "ann"), "once more"), 1);
    assert_null(strstr(tmux_screen(&tmux, "ann"), "gap"));
    close_both();
    fleet_start_gateway(&fleet, 1);
}

static void what_is_written_without_a_connection_waits_and_is_marked(void **state)
{
    (void)state;
    roomcast_open(&tmux, &fleet, 0, "ann", 80, 24, "wait");
    fleet_kill_gateway(&fleet, 0);
    fleet_kill_gateway(&fleet, 1);
    tmux_expect(&tmux, "ann", "no connection, again in");
    tmux_line(&tmux, "ann", "said to nobody");
    tmux_expect(&tmux, "ann", "... ann: said to nobody");
    tmux_type(&tmux, "ann", "a draft");
    fleet_start_gateway(&fleet, 0);
    fleet_start_gateway(&fleet, 1);
    tmux_expect_gone(&tmux, "ann", "... ann: said to nobody");
    tmux_expect(&tmux, "ann", "ann: said to nobody");
    assert_string_equal(tmux_row(&tmux, "ann", -1), "> a draft");
    tmux_close(&tmux, "ann");
}

static void an_operator_is_heard(void **state)
{
    struct admin admin;
    struct chat *eve = chat_open(port_of(0));

    (void)state;
    admin_start(&admin, &fleet, NULL);
    roomcast_open(&tmux, &fleet, 0, "ann", 100, 24, "den hall");
    chat_join(eve, "den", "eve");
    chat_say(eve, "den", "a rude word");
    tmux_expect(&tmux, "ann", "eve: a rude word");
    admin_delete(&admin, 200, "/api/rooms/den/messages/1");
    tmux_expect_gone(&tmux, "ann", "a rude word");
    tmux_expect(&tmux, "ann", "eve: (deleted)");
    admin_post(&admin, 200, q("{'reason':'spam'}"), "/api/rooms/den/kick/ann");
    tmux_expect(&tmux, "ann", "you are out of this room (kicked: spam)");
    tmux_expect(&tmux, "ann", "1 den (out)");
    tmux_line(&tmux, "ann", "hello?");
    tmux_expect(&tmux, "ann", "not said: you are not in this room");
    tmux_line(&tmux, "ann", "/join den");
    tmux_expect_gone(&tmux, "ann", "den (out)");
    tmux_key(&tmux, "ann", "M-2");
    admin_post(&admin, 200, q("{'reason':'late'}"), "/api/rooms/hall/close");
    tmux_expect(&tmux, "ann", "room_closed: late");
    redis_cmd(fleet.redis_port, "HSET rc:{shut}:bans ann 0");
    tmux_line(&tmux, "ann", "/join shut");
    tmux_expect(&tmux, "ann", "you are out of this room (banned");
    tmux_close(&tmux, "ann");
    admin_stop(&admin);
    chat_close(eve);
}

static void what_was_deleted_while_away_is_gone_too(void **state)
{
    struct admin admin;

    (void)state;
    admin_start(&admin, &fleet, NULL);
    roomcast_open(&tmux, &fleet, 0, "ann", 80, 24, "away");
    tmux_line(&tmux, "ann", "regrettable");
    tmux_expect(&tmux, "ann", "ann: regrettable");
    tmux_expect_gone(&tmux, "ann", "..."); /* it is acked */
    kill(tmux_pid(&tmux, "ann"), SIGSTOP);
    fleet_kill_gateway(&fleet, 0);
    admin_delete(&admin, 200, "/api/rooms/away/messages/1");
    kill(tmux_pid(&tmux, "ann"), SIGCONT);
    tmux_expect(&tmux, "ann", "(deleted)");
    tmux_expect_gone(&tmux, "ann", "regrettable");
    tmux_close(&tmux, "ann");
    fleet_start_gateway(&fleet, 0);
    admin_stop(&admin);
}

static void a_lost_room_is_said_to_be_recreated(void **state)
{
    (void)state;
    open_both("reset");
    tmux_line(&tmux, "ann", "/members");
    tmux_line(&tmux, "ann", "one");
    tmux_expect(&tmux, "bob", "ann: one");
    fleet_kill_redis(&fleet);
    tmux_expect(&tmux, "ann", "Redis is down");
    tmux_line(&tmux, "ann", "said without Redis");
    tmux_expect(&tmux, "ann", "... ann: said without Redis");
    fleet_start_redis(&fleet);
    tmux_expect(&tmux, "ann", "reset: ");
    tmux_expect(&tmux, "bob", "ann: said without Redis");
    tmux_expect_gone(&tmux, "ann", "...");
    tmux_expect(&tmux, "ann", "| 2 here");
    tmux_expect(&tmux, "ann", "| bob");
    fleet_wait_all_ready(&fleet);
    close_both();
}

static void a_gap_is_shown(void **state)
{
    struct chat *eve = chat_open(port_of(1));

    (void)state;
    roomcast_open(&tmux, &fleet, 0, "ann", 80, 24, "gap");
    chat_join(eve, "gap", "eve");
    chat_say(eve, "gap", "first");
    tmux_expect(&tmux, "ann", "eve: first");
    kill(tmux_pid(&tmux, "ann"), SIGSTOP);
    fleet_kill_gateway(&fleet, 0);
    for (int i = 0; i < 1010; i++) /* more than the history keeps */
        chat_say(eve, "gap", "more");
    chat_say(eve, "gap", "last");
    kill(tmux_pid(&tmux, "ann"), SIGCONT);
    tmux_expect(&tmux, "ann", "eve: last");
    for (int i = 0; i < 80; i++)
        tmux_key(&tmux, "ann", "PPage");
    tmux_expect(&tmux, "ann", "gap: messages 2 to ");
    tmux_close(&tmux, "ann");
    chat_close(eve);
    fleet_start_gateway(&fleet, 0);
}

static int start(void **state)
{
    (void)state;
    tmux_start(&tmux);
    return fleet_start(
        &fleet, &(struct fleet_opts){
                    .gateways = 2,
                    .settings = (const char *[]){"ROOMCAST_LEASE_SECS=2",
                                                 "ROOMCAST_PRESENCE_GRACE_MS=2000",
                                                 "ROOMCAST_HISTORY_LIMIT=1000", NULL}});
}

static int stop(void **state)
{
    (void)state;
    tmux_stop(&tmux);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_clients_talk),
        cmocka_unit_test(the_panel_shows_who_is_in_and_stays_true),
        cmocka_unit_test(the_history_comes_first_and_goes_on_leaving),
        cmocka_unit_test(rooms_are_tabs_with_unread_marks_and_drafts),
        cmocka_unit_test(who_is_writing_is_shown_until_it_is_said),
        cmocka_unit_test(
            a_gateway_killed_in_the_middle_of_a_sentence_costs_a_status_line),
        cmocka_unit_test(what_is_written_without_a_connection_waits_and_is_marked),
        cmocka_unit_test(an_operator_is_heard),
        cmocka_unit_test(what_was_deleted_while_away_is_gone_too),
        cmocka_unit_test(a_lost_room_is_said_to_be_recreated),
        cmocka_unit_test(a_gap_is_shown),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
