/* test_operator.c - a gateway that cannot hear when an operator acts: the answer says
 * so, and the gateway obeys when it hears again.
 *
 * The second gateway has a Redis user of its own, `deaf`. With that user switched off and
 * its connection for notices cut, its commands still work but no notice comes in; or it
 * sleeps as a whole (SIGSTOP), or it is dead.
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
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 30000, SHORT_MS = 300, DEAF = 1 };

static struct fleet fleet;
static struct admin admin;

static struct chat *join_on(unsigned gateway, const char *room, const char *user)
{
    return chat_enter(fleet.gateways[gateway].port, room, user);
}

static long long members_of(const char *room)
{
    return redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:members", room);
}

/* ---- deafness ---- */

/* The id of the connection for notices of the user `deaf`, or 0. */
static long long find_notices_id(void)
{
    char *list = redis_cmd_text(fleet.redis_port, "CLIENT LIST");
    long long id = 0;

    for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n"))
        if (strstr(line, "user=deaf") && strstr(line, "-notices"))
            id = strtoll(line + strlen("id="), NULL, 10);
    free(list);
    return id;
}

static void cut_notices(void)
{
    long long id = find_notices_id();

    assert_true(id > 0);
    redis_cmd(fleet.redis_port, "CLIENT KILL ID %lld", id);
}

static void deafen(void)
{
    redis_cmd(fleet.redis_port, "ACL SETUSER deaf off");
    cut_notices();
}

static void let_hear(void)
{
    redis_cmd(fleet.redis_port, "ACL SETUSER deaf on");
    fleet_wait_ready(&fleet, DEAF);
}

/* The last answer names one node that has not obeyed yet: the second gateway's. */
static void expect_pending(void)
{
    char pid[32];

    snprintf(pid, sizeof(pid), "-%d-", (int)fleet.gateways[DEAF].process.pid);
    assert_int_equal(admin_count(&admin, "pending"), 1);
    assert_non_null(strstr(admin_text(&admin, "pending.0"), pid));
}

static void expect_kicked(struct chat *chat, const char *reason)
{
    chat_expect_skipping(chat, "kicked");
    assert_string_equal(chat_get_text(chat, "reason"), reason);
}

static void expect_left(struct chat *chat, const char *user)
{
    chat_expect_skipping(chat, "member_left");
    assert_string_equal(chat_get_text(chat, "user"), user);
    assert_string_equal(chat_get_text(chat, "reason"), "kicked");
}

/* ---- the tests ---- */

static void a_kick_is_obeyed_when_the_gateway_hears_again(void **state)
{
    struct chat *ann = join_on(0, "kick", "ann"), *bob = join_on(DEAF, "kick", "bob");

    (void)state;
    deafen();
    admin_post(&admin, 202, q("{'reason':'so late'}"), "/api/rooms/kick/kick/bob");
    assert_true(admin_is_true(&admin, "kicked"));
    expect_pending();
    assert_int_equal(members_of("kick"), 1);
    expect_left(ann, "bob");
    let_hear();
    expect_kicked(bob, "so late");
    chat_expect_silence(ann, SHORT_MS);
    assert_int_equal(members_of("kick"), 1);
    chat_join(bob, "kick", "bob");
    chat_expect(ann, "member_joined");
    assert_int_equal(members_of("kick"), 2);
    chat_close(ann);
    chat_close(bob);
}

static void a_later_join_elsewhere_is_not_kicked_with_it(void **state)
{
    struct chat *ann = join_on(0, "later", "ann"), *bob = join_on(DEAF, "later", "bob");
    struct chat *again;

    (void)state;
    deafen();
    admin_post(&admin, 202, q("{'reason':'so late'}"), "/api/rooms/later/kick/bob");
    again = join_on(0, "later", "bob");
    let_hear();
    expect_kicked(bob, "so late");
    chat_say(ann, "later", "who is here?");
    chat_expect_skipping(again, "message");
    assert_int_equal(members_of("later"), 2);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{later}:members bob"),
                     1);
    chat_close(ann);
    chat_close(bob);
    chat_close(again);
}

static void a_ban_is_obeyed_when_the_gateway_hears_again(void **state)
{
    struct chat *bob = join_on(DEAF, "ban", "bob");

    (void)state;
    deafen();
    admin_post(&admin, 202, q("{'secs':600,'reason':'so late'}"),
               "/api/rooms/ban/ban/bob");
    assert_true(admin_is_true(&admin, "banned"));
    assert_true(admin_number(&admin, "until") > 1e12);
    expect_pending();
    let_hear();
    expect_kicked(bob, "so late");
    assert_int_equal(members_of("ban"), 0);
    chat_close(bob);
}

static void a_closing_is_obeyed_when_the_gateway_hears_again(void **state)
{
    struct chat *ann = join_on(0, "close", "ann"), *bob = join_on(DEAF, "close", "bob");

    (void)state;
    deafen();
    admin_post(&admin, 202, q("{'reason':'so late'}"), "/api/rooms/close/close");
    assert_true(admin_is_true(&admin, "closed"));
    assert_int_equal(admin_number(&admin, "members"), 2);
    expect_pending();
    chat_expect_skipping(ann, "room_closed");
    let_hear();
    chat_expect_skipping(bob, "room_closed");
    assert_string_equal(chat_get_text(bob, "reason"), "so late");
    admin_get(&admin, 404, "/api/rooms/close");
    assert_int_equal(members_of("close"), 0);
    chat_close(ann);
    chat_close(bob);
}

static void who_is_closed_out_late_is_not_in_the_recreated_room(void **state)
{
    struct chat *ann = join_on(0, "recreated", "ann"),
                *bob = join_on(DEAF, "recreated", "bob");

    (void)state;
    deafen();
    admin_post(&admin, 202, q("{'reason':'so late'}"), "/api/rooms/recreated/close");
    chat_expect_skipping(ann, "room_closed");
    chat_join(ann, "recreated", "ann");
    assert_int_equal(chat_get_number(ann, "members"), 1);
    let_hear();
    chat_expect_skipping(bob, "room_closed");
    assert_int_equal(chat_say(ann, "recreated", "alone"), 1);
    assert_int_equal(members_of("recreated"), 1);
    chat_join(bob, "recreated", "bob");
    assert_int_equal(chat_get_number(bob, "members"), 2);
    chat_close(ann);
    chat_close(bob);
}

static void a_disconnect_says_who_was_not_told(void **state)
{
    struct chat *bobs[] = {join_on(0, "off", "bob"), join_on(DEAF, "off", "bob")};

    (void)state;
    deafen();
    admin_post(&admin, 202, NULL, "/api/users/bob/disconnect");
    assert_int_equal(admin_number(&admin, "nodes"), 1);
    expect_pending();
    assert_int_equal(chat_wait_close(bobs[0], CHAT_DEADLINE_MS), 4503);
    let_hear();
    chat_abort(bobs[0]);
    chat_abort(bobs[1]);
}

static void a_deletion_is_told_when_the_gateway_hears_again(void **state)
{
    struct chat *ann = join_on(0, "erase", "ann"), *bob = join_on(DEAF, "erase", "bob");
    double seq = chat_say(ann, "erase", "rude");

    (void)state;
    chat_say(ann, "erase", "kind");
    chat_expect_skipping(bob, "message");
    chat_expect_skipping(bob, "message");
    deafen();
    admin_delete(&admin, 200, "/api/rooms/erase/messages/%d", (int)seq);
    chat_expect_skipping(ann, "message_deleted");
    let_hear();
    chat_expect_skipping(bob, "message_deleted");
    assert_true(chat_get_number(bob, "seq") == seq);
    chat_close(ann);
    chat_close(bob);
}

static void a_gateway_that_sleeps_obeys_when_it_wakes(void **state)
{
    struct chat *ann = join_on(0, "sleep", "ann"), *bob = join_on(DEAF, "sleep", "bob");

    (void)state;
    process_signal(&fleet.gateways[DEAF].process, SIGSTOP);
    admin_post(&admin, 202, q("{'reason':'slept'}"), "/api/rooms/sleep/kick/bob");
    expect_pending();
    process_signal(&fleet.gateways[DEAF].process, SIGCONT);
    expect_kicked(bob, "slept");
    expect_left(ann, "bob");
    fleet_wait_ready(&fleet, DEAF);
    assert_int_equal(members_of("sleep"), 1);
    chat_close(ann);
    chat_close(bob);
}

static const char *const impatient[] = {"--max-time", "0.3", NULL};

/* Does not wait for the answer. */
static void ask_and_go(const char *method, const char *path)
{
    int status = admin_ask(
        &admin,
        &(struct admin_request){.method = method, .path = path, .options = impatient});

    assert_int_equal(status, 0);
}

static void who_asks_and_goes_does_no_harm(void **state)
{
    static const struct {
        const char *method, *path;
    } requests[] = {
        {"GET", "/api/rooms"},          {"GET", "/api/rooms?search=o"},
        {"GET", "/api/rooms/go"},       {"GET", "/api/rooms/go/members"},
        {"GET", "/api/users/bob"},      {"POST", "/api/users/nobody/disconnect"},
        {"GET", "/api/gateways"},       {"GET", "/api/stats/online"},
        {"GET", "/api/audit"},          {"DELETE", "/api/rooms/go/messages/1"},
        {"POST", "/api/rooms/go/close"}};
    struct chat *bob = join_on(DEAF, "go", "bob");

    (void)state;
    process_signal(&fleet.gateways[DEAF].process, SIGSTOP);
    ask_and_go("POST", "/api/rooms/go/kick/bob");
    process_signal(&fleet.gateways[DEAF].process, SIGCONT);
    expect_kicked(bob, "");
    fleet_wait_ready(&fleet, DEAF);
    process_signal(&fleet.redis.process, SIGSTOP);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        print_message("  %s %s\n", requests[i].method, requests[i].path);
        admin_ask(&admin, &(struct admin_request){.method = requests[i].method,
                                                  .path = requests[i].path,
                                                  .options = impatient});
    }
    process_signal(&fleet.redis.process, SIGCONT);
    admin_wait_ready(&admin);
    fleet_wait_all_ready(&fleet);
    chat_close(bob);
}

/* Here it comes back by itself, at whatever moment. */
static void a_cut_at_the_moment_of_a_kick_loses_nothing(void **state)
{
    struct chat *ann = join_on(0, "cut", "ann"), *bob = join_on(DEAF, "cut", "bob");

    (void)state;
    for (int round = 0; round < 5; round++) {
        int status;

        cut_notices();
        status =
            admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                      .path = "/api/rooms/cut/kick/bob",
                                                      .body = q("{'reason':'cut'}")});
        assert_true(status == 200 || status == 202);
        expect_left(ann, "bob");
        expect_kicked(bob, "cut");
        fleet_wait_ready(&fleet, DEAF);
        chat_join(bob, "cut", "bob");
        chat_expect_skipping(ann, "member_joined");
        assert_int_equal(members_of("cut"), 2);
    }
    for (int round = 0; round < 5; round++) {
        cut_notices();
        admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                  .path = "/api/rooms/cut/close"});
        assert_true(admin.answer.status == 200 || admin.answer.status == 202);
        assert_int_equal(admin_number(&admin, "members"), 2);
        chat_expect_skipping(ann, "room_closed");
        chat_expect_skipping(bob, "room_closed");
        fleet_wait_ready(&fleet, DEAF);
        chat_join(ann, "cut", "ann");
        chat_join(bob, "cut", "bob");
        assert_int_equal(chat_get_number(bob, "members"), 2);
    }
    chat_close(ann);
    chat_close(bob);
}

static bool lists_one_node(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes") == 1;
}

/* The last test: the gateway does not come back. */
static void a_kick_from_a_dead_gateway_is_counted_once(void **state)
{
    struct chat *ann = join_on(0, "dead", "ann"), *bob = join_on(DEAF, "dead", "bob");

    (void)state;
    chat_expect_skipping(ann, "member_joined");
    fleet_kill_gateway(&fleet, DEAF);
    admin_ask(&admin, &(struct admin_request){.method = "POST",
                                              .path = "/api/rooms/dead/kick/bob"});
    assert_true(admin.answer.status == 200 || admin.answer.status == 202);
    expect_left(ann, "bob");
    assert_int_equal(members_of("dead"), 1);
    assert_true(wait_until(lists_one_node, NULL, PATIENCE_MS));
    chat_expect_silence(ann, SHORT_MS);
    assert_int_equal(members_of("dead"), 1);
    chat_abort(bob);
    chat_close(ann);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=4",
                                           "ROOMCAST_PRESENCE_GRACE_MS=300", NULL};
    char url[96];
    const char *deaf[] = {settings[0], settings[1], url, NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1, .settings = settings});
    redis_cmd(fleet.redis_port, "ACL SETUSER deaf on >secret ~* &* +@all");
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis://deaf:secret@127.0.0.1:%d",
             fleet.redis_port);
    fleet_add(&fleet, deaf);
    admin_start(&admin, &fleet, settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kick_is_obeyed_when_the_gateway_hears_again),
        cmocka_unit_test(a_later_join_elsewhere_is_not_kicked_with_it),
        cmocka_unit_test(a_ban_is_obeyed_when_the_gateway_hears_again),
        cmocka_unit_test(a_closing_is_obeyed_when_the_gateway_hears_again),
        cmocka_unit_test(who_is_closed_out_late_is_not_in_the_recreated_room),
        cmocka_unit_test(a_disconnect_says_who_was_not_told),
        cmocka_unit_test(a_deletion_is_told_when_the_gateway_hears_again),
        cmocka_unit_test(a_gateway_that_sleeps_obeys_when_it_wakes),
        cmocka_unit_test(who_asks_and_goes_does_no_harm),
        cmocka_unit_test(a_cut_at_the_moment_of_a_kick_loses_nothing),
        cmocka_unit_test(a_kick_from_a_dead_gateway_is_counted_once),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
