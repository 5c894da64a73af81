/* test_admin_kick.c - a kick puts a user out of one room on all gateways, and when it is
 * answered the user may come back; with ban_secs, and as a ban, the user may not.
 *
 * The grace is long, so that nobody leaves by the end of a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 300 };

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

static void expect_kicked(struct chat *chat, const char *room, const char *reason)
{
    chat_expect_skipping(chat, "kicked");
    assert_string_equal(chat_get_text(chat, "room"), room);
    assert_string_equal(chat_get_text(chat, "reason"), reason);
}

static void expect_left(struct chat *chat, const char *user, int members)
{
    chat_expect_skipping(chat, "member_left");
    assert_string_equal(chat_get_text(chat, "user"), user);
    assert_string_equal(chat_get_text(chat, "reason"), "kicked");
    assert_int_equal(chat_get_number(chat, "members"), members);
}

static void expect_banned(struct chat *chat, const char *room, const char *user)
{
    chat_send(chat, "{'type':'join','room':'%s','user':'%s'}", room, user);
    do
        assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
    while (strcmp(chat_get_text(chat, "type"), "error") != 0);
    assert_string_equal(chat_get_text(chat, "code"), "banned");
}

static void a_user_is_put_out_by_all_gateways(void **state)
{
    struct chat *ann = join_on(0, "all", "ann");
    struct chat *bobs[] = {join_on(1, "all", "bob"), join_on(1, "all", "bob"),
                           join_on(0, "all", "bob")};

    (void)state;
    admin_post(&admin, 200, q("{'reason':'sp\\u00e4m \\'x\\''}"),
               "/api/rooms/all/kick/bob");
    assert_true(admin_is_true(&admin, "kicked"));
    assert_false(admin_has(&admin, "pending"));
    assert_int_equal(members_of("all"), 1);
    expect_left(ann, "bob", 1);
    for (int i = 0; i < 3; i++) {
        expect_kicked(bobs[i], "all", "sp\u00e4m \"x\"");
        chat_send(bobs[i], "{'type':'message','room':'all','text':'x'}");
        chat_expect_error(bobs[i], "not_joined");
    }
    chat_say(ann, "all", "bob is gone");
    for (int i = 0; i < 3; i++) {
        chat_expect_silence(bobs[i], SHORT_MS);
        chat_close(bobs[i]);
    }
    chat_close(ann);
}

static void the_other_rooms_of_the_user_stay(void **state)
{
    struct chat *ann = join_on(0, "this", "ann"), *bob = join_on(1, "this", "bob");

    (void)state;
    chat_join(ann, "that", "ann");
    chat_join(bob, "that", "bob");
    admin_post(&admin, 200, NULL, "/api/rooms/this/kick/bob");
    chat_expect_skipping(bob, "kicked");
    assert_string_equal(chat_get_text(bob, "room"), "this");
    assert_int_equal(members_of("that"), 2);
    chat_say(ann, "that", "still here?");
    chat_expect(bob, "message");
    chat_say(bob, "that", "yes");
    chat_expect_skipping(ann, "message");
    assert_string_equal(chat_get_text(ann, "text"), "still here?");
    chat_expect_skipping(ann, "message");
    assert_string_equal(chat_get_text(ann, "text"), "yes");
    chat_close(ann);
    chat_close(bob);
}

static void after_the_answer_the_user_can_join_again(void **state)
{
    struct chat *ann = join_on(0, "again", "ann");
    struct chat *bobs[] = {join_on(1, "again", "bob"), join_on(0, "again", "bob")};

    (void)state;
    for (int round = 0; round < 5; round++) {
        admin_post(&admin, 200, "{}", "/api/rooms/again/kick/bob");
        expect_left(ann, "bob", 1);
        for (int i = 0; i < 2; i++) {
            chat_join(bobs[i], "again", "bob");
            assert_int_equal(chat_get_number(bobs[i], "members"), 2);
        }
        chat_expect_skipping(ann, "member_joined");
        assert_int_equal(members_of("again"), 2);
    }
    chat_expect_silence(ann, SHORT_MS);
    assert_int_equal(members_of("again"), 2);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{again}:members bob"),
                     2);
    chat_say(ann, "again", "welcome");
    for (int i = 0; i < 2; i++) {
        chat_expect_skipping(bobs[i], "message");
        chat_close(bobs[i]);
    }
    chat_close(ann);
}

static bool has_one_connection_less(void *data)
{
    const double *before = data;

    return fleet_metric(&fleet, 1, "roomcast_connections") == *before - 1;
}

static void a_user_in_the_grace_is_a_member_and_is_put_out(void **state)
{
    struct chat *ann = join_on(0, "grace", "ann"), *bob = join_on(1, "grace", "bob");
    double before = fleet_metric(&fleet, 1, "roomcast_connections");

    (void)state;
    chat_expect(ann, "member_joined");
    chat_abort(bob);
    assert_true(wait_until(has_one_connection_less, &before, PATIENCE_MS));
    assert_int_equal(members_of("grace"), 2);
    admin_post(&admin, 200, NULL, "/api/rooms/grace/kick/bob");
    assert_int_equal(members_of("grace"), 1);
    expect_left(ann, "bob", 1);
    bob = join_on(1, "grace", "bob");
    assert_int_equal(chat_get_number(bob, "members"), 2);
    chat_expect(ann, "member_joined");
    assert_int_equal(members_of("grace"), 2);
    chat_close(ann);
    chat_close(bob);
}

static void the_last_member_leaves_an_empty_room(void **state)
{
    struct chat *bob = join_on(1, "last", "bob");

    (void)state;
    admin_post(&admin, 200, NULL, "/api/rooms/last/kick/bob");
    chat_expect(bob, "kicked");
    assert_true(chat_has(bob, "reason"));
    admin_get(&admin, 200, "/api/rooms/last");
    assert_int_equal(admin_number(&admin, "members"), 0);
    assert_false(admin_is_null(&admin, "ttl_ms"));
    assert_true(redis_cmd_number(fleet.redis_port, "PTTL rc:{last}:kicks") > 0);
    chat_close(bob);
}

static void who_is_not_a_member_is_not_found_and_not_banned(void **state)
{
    struct chat *ann = join_on(0, "nobody", "ann");

    (void)state;
    admin_post(&admin, 404, NULL, "/api/rooms/nobody/kick/bob");
    admin_expect_error(&admin, 404, "not_found");
    admin_post(&admin, 404, q("{'ban_secs':60}"), "/api/rooms/nobody/kick/bob");
    admin_get(&admin, 200, "/api/rooms/nobody/bans");
    assert_int_equal(admin_count(&admin, "entries"), 0);
    admin_post(&admin, 404, NULL, "/api/rooms/no-such-room/kick/bob");
    assert_int_equal(
        redis_cmd_number(fleet.redis_port, "EXISTS rc:{no-such-room}:kicks"), 0);
    chat_expect_silence(ann, SHORT_MS);
    chat_close(ann);
}

static void a_kick_with_ban_secs_keeps_the_user_out(void **state)
{
    struct chat *ann = join_on(0, "banned", "ann"), *bob = join_on(1, "banned", "bob");
    double now_ms = (double)time(NULL) * 1000;
    long long ttl_ms;

    (void)state;
    admin_post(&admin, 200, q("{'reason':'spam','ban_secs':60}"),
               "/api/rooms/banned/kick/bob");
    expect_kicked(bob, "banned", "spam");
    expect_banned(bob, "banned", "bob");
    admin_get(&admin, 200, "/api/rooms/banned/bans");
    assert_int_equal(admin_count(&admin, "entries"), 1);
    assert_string_equal(admin_text(&admin, "entries.0.user"), "bob");
    assert_true(admin_number(&admin, "entries.0.until") >= now_ms + 59000);
    assert_true(admin_number(&admin, "entries.0.until") <= now_ms + 90000);
    ttl_ms = redis_cmd_number(fleet.redis_port, "PTTL rc:{banned}:bans");
    assert_true(ttl_ms > 0 && ttl_ms <= 61000);
    admin_delete(&admin, 200, "/api/rooms/banned/ban/bob");
    chat_join(bob, "banned", "bob");
    chat_close(ann);
    chat_close(bob);
}

static void a_ban_puts_out_and_keeps_out_on_all_gateways(void **state)
{
    struct chat *ann = join_on(0, "ban", "ann");
    struct chat *bobs[] = {join_on(0, "ban", "bob"), join_on(1, "ban", "bob")};

    (void)state;
    admin_post(&admin, 200, q("{'secs':0,'reason':'enough'}"),
               "/api/rooms/ban/ban/bob");
    assert_true(admin_is_true(&admin, "banned"));
    assert_int_equal(admin_number(&admin, "until"), 0);
    expect_left(ann, "bob", 1);
    for (int i = 0; i < 2; i++) {
        expect_kicked(bobs[i], "ban", "enough");
        expect_banned(bobs[i], "ban", "bob");
        chat_join(bobs[i], "another", "bob");
    }
    admin_delete(&admin, 200, "/api/rooms/ban/ban/bob");
    assert_true(admin_is_true(&admin, "lifted"));
    admin_delete(&admin, 404, "/api/rooms/ban/ban/bob");
    admin_expect_error(&admin, 404, "not_found");
    for (int i = 0; i < 2; i++) {
        chat_join(bobs[i], "ban", "bob");
        chat_close(bobs[i]);
    }
    chat_close(ann);
}

static void a_ban_can_come_before_the_room(void **state)
{
    struct chat *bob = chat_open(fleet.gateways[1].port);

    (void)state;
    admin_post(&admin, 200, q("{'secs':60}"), "/api/rooms/not-yet/ban/bob");
    assert_true(admin_number(&admin, "until") > (double)time(NULL) * 1000);
    admin_get(&admin, 404, "/api/rooms/not-yet");
    expect_banned(bob, "not-yet", "bob");
    chat_join(bob, "not-yet", "bobby");
    chat_close(bob);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=60000", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_put_out_by_all_gateways),
        cmocka_unit_test(the_other_rooms_of_the_user_stay),
        cmocka_unit_test(after_the_answer_the_user_can_join_again),
        cmocka_unit_test(a_user_in_the_grace_is_a_member_and_is_put_out),
        cmocka_unit_test(the_last_member_leaves_an_empty_room),
        cmocka_unit_test(who_is_not_a_member_is_not_found_and_not_banned),
        cmocka_unit_test(a_kick_with_ban_secs_keeps_the_user_out),
        cmocka_unit_test(a_ban_puts_out_and_keeps_out_on_all_gateways),
        cmocka_unit_test(a_ban_can_come_before_the_room),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
