/* test_admin_close.c - closing a room puts everyone out and deletes it; disconnecting a
 * user ends its connections on all gateways.
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

static void expect_closed(struct chat *chat, const char *room, const char *reason)
{
    chat_expect_skipping(chat, "room_closed");
    assert_string_equal(chat_get_text(chat, "room"), room);
    assert_string_equal(chat_get_text(chat, "reason"), reason);
}

/* What there is under the room's tag but for these, which outlive it. */
static int count_keys(const char *room)
{
    static const char *const outlive[] = {":bans", ":mutes", ":kicks", ":closed"};
    redisReply *reply = redis_cmd_reply(fleet.redis_port, "KEYS rc:{%s}:*", room);
    int count = 0;

    assert_non_null(reply);
    for (size_t i = 0; i < reply->elements; i++) {
        bool counts = true;

        for (size_t k = 0; k < sizeof(outlive) / sizeof(outlive[0]); k++)
            counts = counts && !strstr(reply->element[i]->str, outlive[k]);
        if (counts)
            print_message("  %s is there\n", reply->element[i]->str);
        count += counts;
    }
    freeReplyObject(reply);
    return count;
}

static bool is_off_the_index(void *data)
{
    char *active = redis_cmd_text(fleet.redis_port, "ZSCORE rc:rooms %s", data);
    char *members =
        redis_cmd_text(fleet.redis_port, "ZSCORE rc:rooms:members %s", data);
    bool off = !active && !members;

    free(active);
    free(members);
    return off;
}

static void closing_puts_everyone_out_and_deletes_the_room(void **state)
{
    struct chat *chats[] = {join_on(0, "hall", "ann"), join_on(1, "hall", "bob"),
                            join_on(1, "hall", "cat"), join_on(0, "hall", "cat")};
    char room[] = "hall";

    (void)state;
    chat_join(chats[0], "other", "ann");
    chat_say(chats[0], "hall", "hello");
    admin_post(&admin, 200, q("{'reason':'over \\ud83d\\ude00'}"),
               "/api/rooms/hall/close");
    assert_true(admin_is_true(&admin, "closed"));
    assert_int_equal(admin_number(&admin, "members"), 3);
    assert_false(admin_has(&admin, "pending"));
    assert_int_equal(count_keys("hall"), 0);
    for (int i = 0; i < 4; i++)
        expect_closed(chats[i], "hall", "over \U0001f600");
    admin_get(&admin, 404, "/api/rooms/hall");
    assert_true(wait_until(is_off_the_index, room, PATIENCE_MS));
    admin_post(&admin, 404, NULL, "/api/rooms/hall/close");
    admin_expect_error(&admin, 404, "room_not_found");
    chat_send(chats[1], "{'type':'message','room':'hall','text':'x'}");
    chat_expect_error(chats[1], "not_joined");
    chat_say(chats[0], "other", "still here");
    for (int i = 0; i < 4; i++)
        chat_close(chats[i]);
    assert_int_equal(count_keys("hall"), 0);
}

static void a_join_recreates_a_closed_room(void **state)
{
    struct chat *ann = join_on(0, "recreated", "ann"),
                *bob = join_on(1, "recreated", "bob");
    char epoch[32];

    (void)state;
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    for (int round = 0; round < 5; round++) {
        chat_say(ann, "recreated", "old");
        admin_post(&admin, 200, "{}", "/api/rooms/recreated/close");
        chat_send(bob,
                  "{'type':'join','room':'recreated','user':'bob',"
                  "'since':{'epoch':'%s','seq':1}}",
                  epoch);
        chat_expect_skipping(bob, "join_ack");
        assert_string_not_equal(chat_get_text(bob, "epoch"), epoch);
        assert_false(chat_is_true(bob, "recovered"));
        assert_int_equal(chat_get_number(bob, "seq"), 0);
        assert_int_equal(chat_get_number(bob, "members"), 1);
        snprintf(epoch, sizeof(epoch), "%s", chat_get_text(bob, "epoch"));
        chat_expect(bob, "history_batch");
        assert_int_equal(chat_get_count(bob, "messages"), 0);
        chat_join(ann, "recreated", "ann");
        assert_string_equal(chat_get_text(ann, "epoch"), epoch);
        chat_expect(bob, "member_joined");
    }
    assert_int_equal(chat_say(ann, "recreated", "new"), 1);
    chat_expect(bob, "message");
    chat_expect_silence(bob, SHORT_MS);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{recreated}:members"),
                     2);
    chat_close(ann);
    chat_close(bob);
}

static void an_empty_room_can_be_closed(void **state)
{
    struct chat *ann = join_on(0, "empty", "ann");

    (void)state;
    chat_say(ann, "empty", "bye");
    chat_leave(ann, "empty");
    admin_post(&admin, 200, NULL, "/api/rooms/empty/close");
    assert_int_equal(admin_number(&admin, "members"), 0);
    assert_int_equal(count_keys("empty"), 0);
    chat_expect_silence(ann, SHORT_MS);
    chat_close(ann);
}

static void bans_and_mutes_outlive_the_closing(void **state)
{
    struct chat *ann = join_on(0, "strict", "ann"), *bob = join_on(1, "strict", "bob");

    (void)state;
    admin_post(&admin, 200, q("{'secs':0}"), "/api/rooms/strict/ban/cat");
    admin_post(&admin, 200, q("{'secs':600}"), "/api/rooms/strict/mute/bob");
    admin_post(&admin, 200, NULL, "/api/rooms/strict/close");
    chat_expect_skipping(bob, "room_closed");
    chat_join(bob, "strict", "bob");
    chat_send(bob, "{'type':'message','room':'strict','text':'x'}");
    chat_expect_error(bob, "muted");
    chat_send(ann, "{'type':'join','room':'strict','user':'cat'}");
    do
        assert_true(chat_recv(ann, CHAT_DEADLINE_MS));
    while (strcmp(chat_get_text(ann, "type"), "error") != 0);
    assert_string_equal(chat_get_text(ann, "code"), "banned");
    chat_close(ann);
    chat_close(bob);
}

static void a_disconnected_user_is_closed_on_all_gateways(void **state)
{
    struct chat *ann = join_on(0, "lobby", "ann");
    struct chat *bobs[] = {join_on(0, "lobby", "bob"), join_on(0, "attic", "bob"),
                           join_on(1, "lobby", "bob"), join_on(1, "cellar", "bob")};

    (void)state;
    admin_post(&admin, 200, NULL, "/api/users/bob/disconnect");
    assert_true(admin_is_true(&admin, "disconnected"));
    assert_int_equal(admin_number(&admin, "nodes"), 2);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(chat_wait_close(bobs[i], CHAT_DEADLINE_MS), 4503);
        chat_abort(bobs[i]);
    }
    chat_say(ann, "lobby", "hello");
    chat_close(ann);
}

static void a_user_with_odd_letters_is_disconnected_alone(void **state)
{
    struct chat *odd = join_on(1, "odd", "a b,%\u00fc/"), *ann = join_on(1, "odd", "a");

    (void)state;
    admin_post(&admin, 200, NULL, "/api/users/a%%20b%%2C%%25%%C3%%BC%%2F/disconnect");
    assert_int_equal(chat_wait_close(odd, CHAT_DEADLINE_MS), 4503);
    chat_abort(odd);
    chat_say(ann, "odd", "hello");
    admin_post(&admin, 200, NULL, "/api/users/nobody/disconnect");
    chat_say(ann, "odd", "hello");
    chat_close(ann);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=300", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_puts_everyone_out_and_deletes_the_room),
        cmocka_unit_test(a_join_recreates_a_closed_room),
        cmocka_unit_test(an_empty_room_can_be_closed),
        cmocka_unit_test(bans_and_mutes_outlive_the_closing),
        cmocka_unit_test(a_disconnected_user_is_closed_on_all_gateways),
        cmocka_unit_test(a_user_with_odd_letters_is_disconnected_alone),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
