/* test_admin_audit.c - every action of an operator leaves an entry: in the API, newest
 * first, and as a stream that redis-cli reads.
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

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fleet fleet;
static struct admin admin;

/* In this order, on a room with the members ann, bob and cat and one message. */
static const struct action {
    const char *method, *path, *body;
    const char *what, *room, *user; /* NULL: null */
    int status, seq;                /* 0: null */
} actions[] = {
    {"POST", "/api/rooms/r%201/messages", "{\"text\":\"secret words\"}", "publish",
     "r 1", "server", 201, 2},
    {"DELETE", "/api/rooms/r%201/messages/1", NULL, "delete", "r 1", NULL, 200, 1},
    {"POST", "/api/rooms/r%201/mute/bob", "{\"secs\":60}", "mute", "r 1", "bob", 200,
     0},
    {"DELETE", "/api/rooms/r%201/mute/bob", NULL, "unmute", "r 1", "bob", 200, 0},
    {"POST", "/api/rooms/r%201/kick/bob", "{\"reason\":\"loud\"}", "kick", "r 1", "bob",
     200, 0},
    {"POST", "/api/rooms/r%201/ban/cat", "{\"secs\":0}", "ban", "r 1", "cat", 200, 0},
    {"DELETE", "/api/rooms/r%201/ban/cat", NULL, "unban", "r 1", "cat", 200, 0},
    {"POST", "/api/rooms/r%201/close", "{\"reason\":\"over\"}", "close", "r 1", NULL,
     200, 0},
    {"POST", "/api/users/ann/disconnect", NULL, "disconnect", NULL, "ann", 200, 0},
};

static void act(const char *operator_header)
{
    const char *options[] = {"-H", operator_header, NULL};

    for (size_t i = 0; i < COUNT(actions); i++) {
        admin_ask(&admin, &(struct admin_request){.method = actions[i].method,
                                                  .path = actions[i].path,
                                                  .body = actions[i].body,
                                                  .options = options});
        if (admin.answer.status != actions[i].status)
            fail_msg("%s: %d: %s", actions[i].path, admin.answer.status,
                     admin.answer.body);
    }
}

/* entries.<i>.<name> is `text`, or null where it is NULL. */
static void expect_field(size_t i, const char *name, const char *text)
{
    char field[64];

    snprintf(field, sizeof(field), "entries.%zu.%s", i, name);
    if (text)
        assert_string_equal(admin_text(&admin, field), text);
    else
        assert_true(admin_is_null(&admin, field));
}

static double number_of(size_t i, const char *name)
{
    char field[64];

    snprintf(field, sizeof(field), "entries.%zu.%s", i, name);
    return admin_number(&admin, field);
}

static void every_action_leaves_an_entry(void **state)
{
    struct chat *chats[3];
    static const char *const users[] = {"ann", "bob", "cat"};
    double now_ms = (double)time(NULL) * 1000;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        chats[i] = chat_open(fleet.gateways[i % 2].port);
        chat_join(chats[i], "r 1", users[i]);
    }
    chat_say(chats[0], "r 1", "first");
    act("X-Operator: j\u00f6rg <ops>");
    admin_get(&admin, 200, "/api/audit");
    assert_int_equal(admin_count(&admin, "entries"), COUNT(actions));
    assert_true(admin_is_null(&admin, "next"));
    assert_null(strstr(admin.answer.body, ADMIN_TOKEN));
    for (size_t i = 0; i < COUNT(actions); i++) {
        const struct action *a = &actions[COUNT(actions) - 1 - i];

        print_message("  %s\n", a->what);
        expect_field(i, "what", a->what);
        expect_field(i, "who", "j\u00f6rg <ops>");
        expect_field(i, "from", "127.0.0.1");
        expect_field(i, "room", a->room);
        expect_field(i, "user", a->user);
        if (a->seq)
            assert_int_equal(number_of(i, "seq"), a->seq);
        else
            expect_field(i, "seq", NULL);
        assert_true(number_of(i, "ts") >= now_ms - 2000);
        assert_true(number_of(i, "ts") <= now_ms + 60000);
    }
    assert_non_null(strstr(admin.answer.body, "loud"));
    for (unsigned i = 0; i < 3; i++)
        chat_abort(chats[i]);
}

/* The value of a field of a stream's entry, or NULL. */
static const char *find_field(const redisReply *entry, const char *name)
{
    const redisReply *fields = entry->element[1];

    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, name) == 0)
            return fields->element[i + 1]->str;
    return NULL;
}

static void the_trail_is_a_stream_that_redis_cli_reads(void **state)
{
    redisReply *reply = redis_cmd_reply(fleet.redis_port, "XRANGE rc:audit - +");

    (void)state;
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, COUNT(actions));
    admin_get(&admin, 200, "/api/audit");
    for (size_t i = 0; i < COUNT(actions); i++) {
        const redisReply *entry = reply->element[i];

        assert_string_equal(find_field(entry, "what"), actions[i].what);
        assert_string_equal(find_field(entry, "who"), "j\u00f6rg <ops>");
        assert_string_equal(find_field(entry, "from"), "127.0.0.1");
        if (actions[i].room)
            assert_string_equal(find_field(entry, "room"), actions[i].room);
        if (actions[i].user)
            assert_string_equal(find_field(entry, "user"), actions[i].user);
        if (actions[i].seq)
            assert_int_equal(atoi(find_field(entry, "seq")), actions[i].seq);
        expect_field(COUNT(actions) - 1 - i, "id", entry->element[0]->str);
    }
    freeReplyObject(reply);
}

static void what_is_refused_leaves_no_entry(void **state)
{
    (void)state;
    admin_post(&admin, 404, NULL, "/api/rooms/none/kick/bob");
    admin_post(&admin, 404, NULL, "/api/rooms/none/close");
    admin_post(&admin, 400, "{}", "/api/rooms/none/ban/bob");
    admin_delete(&admin, 404, "/api/rooms/none/mute/bob");
    admin_ask(&admin, &(struct admin_request){.method = "POST",
                                              .path = "/api/users/bob/disconnect",
                                              .token = "wrong"});
    assert_int_equal(admin.answer.status, 401);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "XLEN rc:audit"),
                     COUNT(actions));
}

static const struct {
    const char *header, *who;
} operators[] = {
    {"X-Nothing: x", "admin"},
    {"X-Operator: maria", "maria"},
    {"x-operator: 1234567890123456789012345678901234567890123456789012345678901234",
     "1234567890123456789012345678901234567890123456789012345678901234"},
    {"X-Operator: 12345678901234567890123456789012345678901234567890123456789012345",
     "admin"},
    {"X-Operator: \xff", "admin"},
    {"X-Operator;", "admin"},
};

static void who_acts_is_a_name_or_admin(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(operators); i++) {
        const char *options[] = {"-H", operators[i].header, NULL};

        print_message("  %s\n", operators[i].header);
        admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                  .path = "/api/rooms/who/mute/bob",
                                                  .body = q("{'secs':60}"),
                                                  .options = options});
        assert_int_equal(admin.answer.status, 200);
        admin_get(&admin, 200, "/api/audit?limit=1");
        expect_field(0, "who", operators[i].who);
    }
}

static void the_trail_comes_in_pages(void **state)
{
    char *cursor = NULL, last[64] = "";
    int count = 0;

    (void)state;
    for (int i = 0; i < 23; i++)
        admin_post(&admin, 200, q("{'secs':1}"), "/api/rooms/pages/mute/u%d", i);
    do {
        struct strbuf query = {0};

        strbuf_add_text(&query, "limit=5");
        if (cursor) {
            strbuf_add_text(&query, "&cursor=");
            strbuf_add_percent(&query, cursor, strlen(cursor));
        }
        admin_get(&admin, 200, "/api/audit?%s", query.data);
        strbuf_deinit(&query);
        for (int i = 0; i < admin_count(&admin, "entries"); i++, count++) {
            char field[32], user[16];

            snprintf(field, sizeof(field), "entries.%d.id", i);
            assert_string_not_equal(admin_text(&admin, field), last);
            snprintf(last, sizeof(last), "%s", admin_text(&admin, field));
            snprintf(user, sizeof(user), "u%d", 22 - count);
            if (count < 23)
                expect_field((size_t)i, "user", user);
        }
        free(cursor);
        cursor =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
    } while (cursor);
    assert_int_equal(count, redis_cmd_number(fleet.redis_port, "XLEN rc:audit"));
}

/* Redis trims by whole blocks of entries, so there may be some more. */
static void the_trail_is_capped(void **state)
{
    (void)state;
    redis_cmd(fleet.redis_port, "EVAL %s 1 rc:audit",
              "for i = 1, 1000 do redis.call('XADD', KEYS[1], '*', 'who', 'x', 'what', "
              "'kick', 'room', '', 'user', '', 'seq', '', 'detail', '', 'from', 'y') "
              "end");
    admin_post(&admin, 200, q("{'secs':1}"), "/api/rooms/pages/mute/bob");
    assert_true(redis_cmd_number(fleet.redis_port, "XLEN rc:audit") <= 300);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_AUDIT_ENTRIES=100", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2});
    admin_start(&admin, &fleet, settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_leaves_an_entry),
        cmocka_unit_test(the_trail_is_a_stream_that_redis_cli_reads),
        cmocka_unit_test(what_is_refused_leaves_no_entry),
        cmocka_unit_test(who_acts_is_a_name_or_admin),
        cmocka_unit_test(the_trail_comes_in_pages),
        cmocka_unit_test(the_trail_is_capped),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
