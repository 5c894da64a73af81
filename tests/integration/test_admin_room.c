/* test_admin_room.c - one room through the admin API: what it is, its countdown, members,
 * messages, and names that need care in a path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { TTL_MS = 60000, PATIENCE_MS = 20000, MANY = 1500, SORTED = 1000 };

static struct fleet fleet;
static struct admin admin;

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

static void a_room_is_what_redis_has_of_it(void **state)
{
    struct chat *chat = on_gateway(0);
    char *epoch;

    (void)state;
    chat_join(chat, "one", "ann");
    epoch = strdup(chat_get_text(chat, "epoch"));
    chat_say(chat, "one", "a");
    chat_say(chat, "one", "b");
    admin_get(&admin, 200, "/api/rooms/one");
    assert_string_equal(admin_text(&admin, "room"), "one");
    assert_int_equal(admin_number(&admin, "members"), 1);
    assert_int_equal(admin_number(&admin, "seq"), 2);
    assert_int_equal(admin_number(&admin, "shard_id"), 0);
    assert_string_equal(admin_text(&admin, "epoch"), epoch);
    assert_int_equal(admin_number(&admin, "history_length"), 2);
    assert_true(admin_number(&admin, "created_at") > 1e12);
    assert_true(admin_is_null(&admin, "ttl_ms"));
    free(epoch);
    chat_close(chat);
}

static void a_room_that_is_not_there_is_not_found(void **state)
{
    static const char *const paths[] = {"/api/rooms/none", "/api/rooms/none/members",
                                        "/api/rooms/none/messages"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        admin_get(&admin, 404, "%s", paths[i]);
        admin_expect_error(&admin, 404, "room_not_found");
    }
}

static bool has_counted_down(void *data)
{
    const double *from = data;

    admin_get(&admin, 200, "/api/rooms/ttl");
    return admin_number(&admin, "ttl_ms") < *from;
}

static void the_countdown_runs_while_nobody_is_in(void **state)
{
    struct chat *chat = on_gateway(0);
    double ttl_ms;

    (void)state;
    chat_join(chat, "ttl", "ann");
    admin_get(&admin, 200, "/api/rooms/ttl");
    assert_true(admin_is_null(&admin, "ttl_ms"));
    chat_leave(chat, "ttl");
    admin_get(&admin, 200, "/api/rooms/ttl");
    assert_int_equal(admin_number(&admin, "members"), 0);
    ttl_ms = admin_number(&admin, "ttl_ms");
    assert_true(ttl_ms > 0 && ttl_ms <= TTL_MS);
    assert_true(wait_until(has_counted_down, &ttl_ms, PATIENCE_MS));
    chat_join(chat, "ttl", "ann");
    admin_get(&admin, 200, "/api/rooms/ttl");
    assert_true(admin_is_null(&admin, "ttl_ms"));
    chat_close(chat);
}

/* ---- members ---- */

static void a_user_on_two_gateways_is_one_member_on_two_nodes(void **state)
{
    struct chat *chats[] = {on_gateway(0), on_gateway(1), on_gateway(1)};

    (void)state;
    chat_join(chats[0], "two", "bob");
    chat_join(chats[1], "two", "bob");
    chat_join(chats[2], "two", "ann");
    admin_get(&admin, 200, "/api/rooms/two/members");
    assert_int_equal(admin_number(&admin, "count"), 2);
    assert_int_equal(admin_count(&admin, "members"), 2);
    assert_string_equal(admin_text(&admin, "members.0.user"), "ann");
    assert_int_equal(admin_number(&admin, "members.0.nodes"), 1);
    assert_string_equal(admin_text(&admin, "members.1.user"), "bob");
    assert_int_equal(admin_number(&admin, "members.1.nodes"), 2);
    assert_true(admin_is_null(&admin, "next"));
    for (int i = 0; i < 3; i++)
        chat_close(chats[i]);
}

/* Users that no gateway knows, so that not as many connections are needed. */
static void add_members(const char *room, int count)
{
    redis_cmd(fleet.redis_port, "EVAL %s 1 rc:{%s}:members %d",
              "for i = 1, tonumber(ARGV[1]) do "
              "redis.call('HSET', KEYS[1], string.format('m%05d', i), 1) end",
              room, count);
}

/* Counts in `seen` the users m00001 … of all pages; the number of pages. */
static int list_members(const char *room, int limit, unsigned char *seen, bool sorted)
{
    char *cursor = NULL, last[80] = "";
    int pages = 0;

    do {
        struct strbuf path = {0};

        strbuf_add_format(&path, "/api/rooms/%s/members?limit=%d", room, limit);
        if (cursor) {
            strbuf_add_text(&path, "&cursor=");
            strbuf_add_percent(&path, cursor, strlen(cursor));
        }
        admin_get(&admin, 200, "%s", path.data);
        strbuf_deinit(&path);
        for (int i = 0; i < admin_count(&admin, "members"); i++) {
            char field[32];
            const char *user;

            snprintf(field, sizeof(field), "members.%d.user", i);
            user = admin_text(&admin, field);
            if (user[0] == 'm')
                seen[atoi(user + 1)]++;
            assert_true(!sorted || strcmp(last, user) < 0);
            snprintf(last, sizeof(last), "%s", user);
        }
        free(cursor);
        cursor =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
        assert_true(++pages < 200);
    } while (cursor);
    return pages;
}

static void up_to_a_thousand_members_come_sorted_in_exact_pages(void **state)
{
    struct chat *chat = on_gateway(0);
    unsigned char seen[SORTED + 1] = {0};

    (void)state;
    chat_join(chat, "sorted", "ann");
    add_members("sorted", SORTED - 1);
    assert_int_equal(list_members("sorted", 300, seen, true), 4);
    assert_int_equal(admin_number(&admin, "count"), SORTED);
    assert_int_equal(admin_count(&admin, "members"), SORTED - 3 * 300);
    for (int i = 1; i < SORTED; i++)
        assert_int_equal(seen[i], 1);
    chat_close(chat);
}

static void of_more_than_a_thousand_members_nobody_is_missed(void **state)
{
    struct chat *chat = on_gateway(0);
    unsigned char seen[MANY + 1] = {0};

    (void)state;
    chat_join(chat, "many", "ann");
    add_members("many", MANY);
    assert_true(list_members("many", 100, seen, false) >= 5);
    assert_int_equal(admin_number(&admin, "count"), MANY + 1);
    for (int i = 1; i <= MANY; i++)
        assert_true(seen[i] >= 1);
    chat_close(chat);
}

/* ---- messages ---- */

/* With 25 messages, of which the last 20 are kept. */
static const struct {
    const char *query;
    int first, last; /* 0: none */
    bool more;
} message_pages[] = {
    {"", 6, 25, false},
    {"?limit=10", 16, 25, true},
    {"?limit=10&before=16", 6, 15, false},
    {"?limit=9&before=16", 7, 15, true},
    {"?limit=1&before=7", 6, 6, false},
    {"?before=6", 0, 0, false},
    {"?before=1", 0, 0, false},
    {"?before=0", 0, 0, false},
    {"?before=26", 6, 25, false},
    {"?limit=1000&before=9007199254740991", 6, 25, false},
};

static void messages_are_read_backwards_by_before(void **state)
{
    struct chat *chat = on_gateway(0);

    (void)state;
    chat_join(chat, "messages", "ann");
    for (int i = 1; i <= 25; i++)
        chat_say(chat, "messages", "hello");
    for (size_t i = 0; i < sizeof(message_pages) / sizeof(message_pages[0]); i++) {
        int count = message_pages[i].first
                        ? message_pages[i].last - message_pages[i].first + 1
                        : 0;

        print_message("  %s\n", message_pages[i].query);
        admin_get(&admin, 200, "/api/rooms/messages/messages%s",
                  message_pages[i].query);
        assert_int_equal(admin_count(&admin, "messages"), count);
        for (int k = 0; k < count; k++) {
            char field[32];

            snprintf(field, sizeof(field), "messages.%d.seq", k);
            assert_int_equal(admin_number(&admin, field), message_pages[i].first + k);
        }
        assert_int_equal(admin_is_true(&admin, "more"), message_pages[i].more);
    }
    chat_close(chat);
}

static void a_message_comes_byte_for_byte(void **state)
{
    struct chat *chat = on_gateway(0);
    char *stored;

    (void)state;
    chat_join(chat, "bytes", "ann");
    chat_send(chat, "{'type':'message','room':'bytes','text':'\\u00e9\\n',"
                    "'data':{'n': 12345678901234567890, 'f': 1.50}}");
    chat_expect_skipping(chat, "message_ack");
    stored = redis_cmd_text(fleet.redis_port, "LINDEX rc:{bytes}:history -1");
    assert_non_null(strstr(stored, q("{'n':12345678901234567890,'f':1.50}")));
    admin_get(&admin, 200, "/api/rooms/bytes/messages");
    assert_non_null(strstr(admin.answer.body, stored));
    free(stored);
    chat_close(chat);
}

/* ---- names ---- */

static const struct {
    const char *json; /* as it stands in JSON */
    const char *path; /* as it stands in a path */
    const char *name;
} names[] = {
    {"a/b", "a%2Fb", "a/b"},
    {"a/b/", "a%2fb%2F", "a/b/"},
    {"50%", "50%25", "50%"},
    {"%2F", "%252F", "%2F"},
    {"two words", "two%20words", "two words"},
    {"a+b", "a+b", "a+b"},
    {"a+c", "a%2Bc", "a+c"},
    {"..", "%2E%2E", ".."},
    {".", "%2e", "."},
    {"...", "...", "..."},
    {"../../etc", "..%2F..%2Fetc", "../../etc"},
    {"kick", "kick", "kick"},
    {"a?b#c&d;e=f", "a%3Fb%23c%26d;e=f", "a?b#c&d;e=f"},
    {"\\\"q\\\"\\\\", "%22q%22%5C", "\"q\"\\"},
    {"\u00fcn\u00ef \u2603", "%C3%BCn%C3%AF%20%E2%98%83", "\u00fcn\u00ef \u2603"},
    {" ", "%20", " "},
    {"r:s@t!$'()*,", "r:s@t!$'()*,", "r:s@t!$'()*,"},
};

/* The room and the user have the same name. */
static void names_stand_percent_encoded_in_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *path = names[i].path;
        struct chat *chat = on_gateway(i % 2);

        print_message("  %s\n", path);
        chat_join(chat, names[i].json, names[i].json);
        admin_get(&admin, 200, "/api/rooms/%s", path);
        assert_string_equal(admin_text(&admin, "room"), names[i].name);
        admin_get(&admin, 200, "/api/rooms/%s/members", path);
        assert_string_equal(admin_text(&admin, "members.0.user"), names[i].name);
        admin_get(&admin, 200, "/api/users/%s", path);
        assert_string_equal(admin_text(&admin, "user"), names[i].name);
        assert_string_equal(admin_text(&admin, "rooms.0"), names[i].name);
        admin_post(&admin, 201, q("{'text':'x'}"), "/api/rooms/%s/messages", path);
        chat_expect(chat, "message");
        assert_string_equal(chat_get_text(chat, "room"), names[i].name);
        admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/%s", path, path);
        chat_expect(chat, "kicked");
        assert_string_equal(chat_get_text(chat, "room"), names[i].name);
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", path);
        admin_get(&admin, 404, "/api/rooms/%s", path);
        chat_close(chat);
    }
}

/* As a browser has to write them. */
static void names_in_the_query_come_before_those_in_the_path(void **state)
{
    struct chat *chat = on_gateway(0);

    (void)state;
    chat_join(chat, "..", ".");
    admin_get(&admin, 200, "/api/rooms/-?room=..");
    assert_string_equal(admin_text(&admin, "room"), "..");
    admin_get(&admin, 200, "/api/users/-?user=%%2e");
    assert_string_equal(admin_text(&admin, "rooms.0"), "..");
    admin_get(&admin, 200, "/api/rooms/-/members?room=..");
    assert_string_equal(admin_text(&admin, "members.0.user"), ".");
    admin_post(&admin, 200, q("{'secs':60}"), "/api/rooms/-/mute/-?room=..&user=.");
    admin_get(&admin, 200, "/api/rooms/-/mutes?room=..");
    assert_string_equal(admin_text(&admin, "entries.0.user"), ".");
    admin_post(&admin, 201, q("{'text':'x'}"), "/api/rooms/-/messages?room=..");
    chat_expect(chat, "message");
    admin_delete(&admin, 200, "/api/rooms/-/messages/1?room=..");
    chat_expect(chat, "message_deleted");
    admin_post(&admin, 200, NULL, "/api/rooms/-/kick/-?room=..&user=.");
    chat_expect(chat, "kicked");
    admin_post(&admin, 200, NULL, "/api/rooms/-/close?room=..");
    admin_get(&admin, 404, "/api/rooms/-");
    admin_get(&admin, 400, "/api/rooms/-?room=");
    admin_get(&admin, 400, "/api/rooms/-?room=%%00");
    admin_get(&admin, 400, "/api/rooms/-?room=%%");
    chat_close(chat);
}

static void names_of_the_greatest_length_are_names(void **state)
{
    struct chat *chat = on_gateway(0);
    char room[129] = "", user[65] = "";

    (void)state;
    memset(room, 'r', 128);
    memset(user, 'u', 64);
    chat_join(chat, room, user);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/%s", room, user);
    chat_expect(chat, "kicked");
    chat_close(chat);
}

/* ---- */

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_ROOM_TTL_SECS=60",
                                           "ROOMCAST_PRESENCE_GRACE_MS=0",
                                           "ROOMCAST_HISTORY_LIMIT=20", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    admin_start(&admin, &fleet, settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_is_what_redis_has_of_it),
        cmocka_unit_test(a_room_that_is_not_there_is_not_found),
        cmocka_unit_test(the_countdown_runs_while_nobody_is_in),
        cmocka_unit_test(a_user_on_two_gateways_is_one_member_on_two_nodes),
        cmocka_unit_test(up_to_a_thousand_members_come_sorted_in_exact_pages),
        cmocka_unit_test(of_more_than_a_thousand_members_nobody_is_missed),
        cmocka_unit_test(messages_are_read_backwards_by_before),
        cmocka_unit_test(a_message_comes_byte_for_byte),
        cmocka_unit_test(names_stand_percent_encoded_in_paths),
        cmocka_unit_test(names_in_the_query_come_before_those_in_the_path),
        cmocka_unit_test(names_of_the_greatest_length_are_names),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
