/* test_odd_names.c - names that look like marks of ours, or like parts of a path: legal all of
 * them, as a user's and as a room's, in each request, each call of the admin API and each
 * notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { SHORT_MS = 200 };

#define X16 "xxxxxxxxxxxxxxxx"
#define PERCENT16 "%%%%%%%%%%%%%%%%"

static const char *const names[] = {
    "-",
    "--",
    "-,-",
    ",",
    ".",
    "..",
    "server",
    "%",
    "%2D",
    "%00",
    " ",
    "0",
    "ok",
    "all",
    "*",
    "\xc3\xa4 \xe2\x82\xac=1",
    X16 X16 X16 X16,
    PERCENT16 PERCENT16 PERCENT16 PERCENT16,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fleet fleet;
static struct admin admin;

/* Percent-encoded; of the last four calls. */
static const char *encoded(const char *name)
{
    static struct strbuf texts[4];
    static unsigned turn;
    struct strbuf *text = &texts[turn++ % 4];

    strbuf_reset(text, 4096);
    strbuf_add_percent(text, name, strlen(name));
    return text->data;
}

static struct chat *enter(unsigned gateway, const char *room, const char *user)
{
    return chat_enter(fleet.gateways[gateway].port, room, user);
}

static void expect_event(struct chat *chat, const char *type, const char *room,
                         const char *user)
{
    chat_expect(chat, type);
    assert_string_equal(chat_get_text(chat, "room"), room);
    if (user)
        assert_string_equal(chat_get_text(chat, "user"), user);
}

/* Says something, and nothing but that comes: what was sent before is not for this one. */
static void expect_only(struct chat *chat, struct chat *speaker, const char *room)
{
    chat_say(speaker, room, "next");
    expect_event(chat, "message", room, NULL);
    assert_string_equal(chat_get_text(chat, "text"), "next");
}

/* Ann on the one gateway, `user` twice on the other: everything that either does. */
static void talk(const char *room, const char *user)
{
    struct chat *ann = enter(0, room, "ann"), *odd = enter(1, room, user), *again;

    expect_event(ann, "member_joined", room, user);
    again = enter(1, room, user);
    chat_send(odd, "{'type':'signal','room':'%s','kind':'typing'}", room);
    expect_event(ann, "signal", room, user);
    expect_only(odd, ann, room);
    expect_only(again, ann, room);
    chat_send(odd, "{'type':'message','room':'%s','text':'x','key':'%s'}", room, user);
    do
        chat_expect_skipping(ann, "message");
    while (strcmp(chat_get_text(ann, "text"), "x") != 0);
    assert_string_equal(chat_get_text(ann, "user"), user);
    chat_send(ann, "{'type':'get_members','id':1,'room':'%s'}", room);
    chat_expect(ann, "member_list");
    assert_int_equal(chat_get_number(ann, "count"), 2);
    chat_send(ann, "{'type':'get_history','id':2,'room':'%s','limit':1}", room);
    chat_expect(ann, "history_batch");
    assert_string_equal(chat_get_text(ann, "messages.0.user"), user);
    chat_leave(odd, room);
    chat_leave(again, room);
    expect_event(ann, "member_left", room, user);
    assert_string_equal(chat_get_text(ann, "reason"), "left");
    chat_close(odd);
    chat_close(again);
    chat_close(ann);
}

static void odd_users_talk_like_all_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        talk("users", names[i]);
}

static void odd_rooms_are_like_all_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        talk(names[i], names[i]);
}

static void expect_kicked(struct chat *ann, struct chat *odd, const char *user)
{
    chat_expect_skipping(odd, "kicked");
    chat_expect_skipping(ann, "member_left");
    assert_string_equal(chat_get_text(ann, "user"), user);
    assert_string_equal(chat_get_text(ann, "reason"), "kicked");
    chat_say(ann, "kicks", "is there somebody?");
    chat_expect_silence(odd, SHORT_MS);
    chat_send(odd, "{'type':'signal','room':'kicks','kind':'typing'}");
    chat_expect_error(odd, "not_joined");
}

static void odd_users_are_kicked_and_banned(void **state)
{
    struct chat *ann = enter(0, "kicks", "ann");

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *user = names[i], *at = encoded(user);
        struct chat *odd = enter(1, "kicks", user);

        admin_post(&admin, 200, NULL, "/api/rooms/-/kick/-?room=kicks&user=%s", at);
        expect_kicked(ann, odd, user);
        chat_join(odd, "kicks", user);
        admin_post(&admin, 200, q("{'secs':60}"),
                   "/api/rooms/-/ban/-?room=kicks&user=%s", at);
        expect_kicked(ann, odd, user);
        chat_send(odd, "{'type':'join','room':'kicks','user':'%s'}", user);
        chat_expect_error(odd, "banned");
        admin_get(&admin, 200, "/api/rooms/kicks/bans");
        assert_string_equal(admin_text(&admin, "entries.0.user"), user);
        admin_delete(&admin, 200, "/api/rooms/-/ban/-?room=kicks&user=%s", at);
        chat_close(odd);
    }
    chat_close(ann);
}

static void odd_users_are_muted_found_and_disconnected(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *user = names[i], *at = encoded(user);
        char room[16];
        struct chat *odd;

        snprintf(room, sizeof(room), "mutes-%zu", i);
        odd = enter(1, room, user);

        admin_post(&admin, 200, q("{'secs':60}"), "/api/rooms/-/mute/-?room=%s&user=%s",
                   room, at);
        chat_send(odd, "{'type':'message','room':'%s','text':'x'}", room);
        chat_expect_error(odd, "muted");
        admin_delete(&admin, 200, "/api/rooms/-/mute/-?room=%s&user=%s", room, at);
        admin_get(&admin, 200, "/api/users/-?user=%s", at);
        assert_string_equal(admin_text(&admin, "user"), user);
        assert_true(strstr(admin.answer.body, room));
        admin_get(&admin, 200, "/api/rooms/%s/members", room);
        assert_string_equal(admin_text(&admin, "members.0.user"), user);
        admin_post(&admin, 200, NULL, "/api/users/-/disconnect?user=%s", at);
        assert_int_equal(chat_wait_close(odd, CHAT_DEADLINE_MS), 4503);
        chat_abort(odd);
    }
}

static void odd_rooms_are_listed_read_and_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *room = names[i], *at = encoded(room);
        struct chat *ann = enter(0, room, "ann");

        admin_post(&admin, 201, q("{'text':'hello'}"), "/api/rooms/-/messages?room=%s",
                   at);
        expect_event(ann, "message", room, "server");
        admin_get(&admin, 200, "/api/rooms/-?room=%s", at);
        assert_string_equal(admin_text(&admin, "room"), room);
        admin_get(&admin, 200, "/api/rooms/-/messages?limit=1&room=%s", at);
        assert_string_equal(admin_text(&admin, "messages.0.text"), "hello");
        admin_get(&admin, 200, "/api/rooms?limit=1000&search=%s", at);
        assert_true(admin_count(&admin, "rooms") >= 1);
        admin_post(&admin, 200, NULL, "/api/rooms/-/kick/-?room=%s&user=ann", at);
        chat_expect_skipping(ann, "kicked");
        chat_join(ann, room, "ann");
        admin_post(&admin, 200, NULL, "/api/rooms/-/close?room=%s", at);
        chat_expect_skipping(ann, "room_closed");
        chat_close(ann);
    }
}

static bool is_logged(void *data)
{
    return process_has_logged(fleet.gateways[0].log_path, data) ||
           process_has_logged(fleet.gateways[1].log_path, data);
}

/* Rooms that the index still has, and nobody else. */
static void odd_rooms_are_one_word_of_a_log_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        redis_cmd(fleet.redis_port, "ZADD rc:rooms:members 0 log-%s", names[i]);
        redis_cmd(fleet.redis_port, "ZADD rc:rooms 1 log-%s", names[i]);
    }
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[128], line[512];

        snprintf(name, sizeof(name), "log-%s", names[i]);
        snprintf(line, sizeof(line), "room=%s", log_name(name, strlen(name)));
        assert_null(strpbrk(line + 5, q(" ='")));
        assert_true(wait_until(is_logged, line, CHAT_DEADLINE_MS));
    }
}

/* ---- */

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_FLUSH_MS=0",
                                           "ROOMCAST_PRESENCE_GRACE_MS=60000",
                                           "ROOMCAST_JOINS_PER_SEC=0", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_users_talk_like_all_others),
        cmocka_unit_test(odd_rooms_are_like_all_others),
        cmocka_unit_test(odd_users_are_kicked_and_banned),
        cmocka_unit_test(odd_users_are_muted_found_and_disconnected),
        cmocka_unit_test(odd_rooms_are_listed_read_and_closed),
        cmocka_unit_test(odd_rooms_are_one_word_of_a_log_line),
    };

    return cmocka_run_group_tests(tests, start, admin_teardown);
}
