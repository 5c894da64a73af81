/* test_broken_rooms.c - a room whose keys are of a wrong type: the listing names it and shows
 * the others, its members are answered unavailable, the log says which key, and an operator
 * can close it. And keys of the fleet of a wrong type.
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
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PATIENCE_MS = 20000 };

static struct fleet fleet;
static struct admin admin;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=0",
                                           "ROOMCAST_LEASE_SECS=1",
                                           "ROOMCAST_ROOM_TTL_SECS=2", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

static struct chat *join_on(unsigned gateway, const char *room, const char *user)
{
    return chat_enter(fleet.gateways[gateway].port, room, user);
}

static void ask(const char *command)
{
    redis_cmd(fleet.redis_port, command);
}

static const struct {
    const char *room, *key, *command, *why;
    bool refuses_messages;
} broken[] = {
    {"meta", "meta", "SET rc:{meta}:meta x", "meta is a string, not a hash", true},
    {"members", "members", "SADD rc:{members}:members x",
     "members is a set, not a hash", false},
    {"history", "history", "HSET rc:{history}:history x x",
     "history is a hash, not a list", true},
    {"mutes", "mutes", "SET rc:{mutes}:mutes x", "mutes is a string, not a hash", true},
    {"keys", "keys", "SET rc:{keys}:keys x", "keys is a string, not a hash", true},
};

/* Where the room stands in the page, -1: not there. */
static int find_row(const char *room)
{
    for (int i = 0; i < admin_count(&admin, "rooms"); i++) {
        char path[32];

        snprintf(path, sizeof(path), "rooms.%d.room", i);
        if (strcmp(admin_text(&admin, path), room) == 0)
            return i;
    }
    return -1;
}

static bool is_listed(void *data)
{
    admin_get(&admin, 200, "/api/rooms?limit=1000");
    return find_row(data) >= 0;
}

static void expect_row(const char *room, const char *why)
{
    char path[32];
    int row = find_row(room);

    assert_true(row >= 0);
    snprintf(path, sizeof(path), "rooms.%d.broken", row);
    if (why)
        assert_string_equal(admin_text(&admin, path), why);
    else
        assert_false(admin_has(&admin, path));
}

static int count_logged_by(unsigned gateway, const char *text)
{
    char *line = NULL;
    size_t size = 0;
    int count = 0;
    FILE *log = fopen(fleet.gateways[gateway].log_path, "re");

    while (log && getline(&line, &size, log) >= 0)
        count += strstr(line, text) != NULL;
    if (log)
        fclose(log);
    free(line);
    return count;
}

static int count_logged(const char *text)
{
    return count_logged_by(0, text);
}

static bool is_logged(void *data)
{
    return count_logged(data) > 0;
}

static void a_broken_room_is_named_and_hides_no_other(void **state)
{
    struct chat *ann = join_on(0, "sound", "ann");
    struct chat *members[COUNT(broken)], *others[COUNT(broken)];

    (void)state;
    assert_true(wait_until(is_listed, "sound", PATIENCE_MS));
    for (size_t i = 0; i < COUNT(broken); i++) {
        members[i] = join_on(0, broken[i].room, "ann");
        others[i] = join_on(1, broken[i].room, "bob");
        chat_send(members[i], "{'type':'message','room':'%s','text':'hi','key':'k'}",
                  broken[i].room);
        chat_expect_skipping(members[i], "message_ack");
        assert_true(wait_until(is_listed, (void *)broken[i].room, PATIENCE_MS));
        redis_cmd(fleet.redis_port, "DEL rc:{%s}:%s", broken[i].room, broken[i].key);
        ask(broken[i].command);
    }

    admin_get(&admin, 200, "/api/rooms?limit=1000");
    expect_row("sound", NULL);
    for (size_t i = 0; i < COUNT(broken); i++)
        expect_row(broken[i].room, broken[i].why);
    admin_get(&admin, 200, "/api/rooms?search=ou");
    expect_row("sound", NULL);
    assert_int_equal(chat_say(ann, "sound", "hi"), 1);

    for (size_t i = 0; i < COUNT(broken); i++) {
        char *line = print_text(q("room_broken room=%s why='%s'"), broken[i].room,
                                broken[i].why);

        print_message("  %s\n", broken[i].why);
        admin_get(&admin, 200, "/api/rooms/%s", broken[i].room);
        assert_string_equal(admin_text(&admin, "broken"), broken[i].why);
        assert_string_equal(admin_text(&admin, "room"), broken[i].room);
        for (int n = 0; n < 3 && broken[i].refuses_messages; n++) {
            chat_send(members[i],
                      "{'type':'message','room':'%s','text':'x',"
                      "'key':'%d','id':1}",
                      broken[i].room, n);
            chat_expect_skipping(members[i], "error");
            assert_string_equal(chat_get_text(members[i], "code"), "unavailable");
        }
        assert_true(wait_until(is_logged, line, PATIENCE_MS));
        assert_int_equal(count_logged(line), 1);
        free(line);
    }

    for (size_t i = 0; i < COUNT(broken); i++) {
        print_message("  closing %s\n", broken[i].room);
        admin_post(&admin, 200, q("{'reason':'broken'}"), "/api/rooms/%s/close",
                   broken[i].room);
        chat_expect_skipping(members[i], "room_closed");
        chat_expect_skipping(others[i], "room_closed");
        chat_join(members[i], broken[i].room, "ann");
        assert_int_equal(chat_say(members[i], broken[i].room, "again"), 1);
        chat_close(members[i]);
        chat_close(others[i]);
    }
    chat_close(ann);
}

/* ---- what is answered about one ---- */

/* A gateway that does not renew, so that it puts nothing right meanwhile. */
static unsigned add_slow_gateway(void)
{
    return fleet_add(&fleet, (const char *const[]){"ROOMCAST_LEASE_SECS=1",
                                                   "ROOMCAST_PRESENCE_GRACE_MS=0",
                                                   "ROOMCAST_ROOM_TTL_SECS=300", NULL});
}

/* As Redis has it. */
static void find_node(unsigned gateway, char *out, size_t size)
{
    redisReply *nodes = redis_cmd_reply(fleet.redis_port, "ZRANGE rc:nodes 0 -1");
    char part[32];

    assert_non_null(nodes);
    snprintf(part, sizeof(part), "-%d-", (int)fleet.gateways[gateway].process.pid);
    *out = '\0';
    for (size_t i = 0; i < nodes->elements; i++)
        if (strstr(nodes->element[i]->str, part))
            snprintf(out, size, "%s", nodes->element[i]->str);
    assert_true(*out);
    freeReplyObject(nodes);
}

enum { ASKS_MAX = 5 };

/* %s: the node of the gateway that ann is on. The path goes on behind the room. */
static const struct {
    const char *room, *commands[2], *why;
    struct {
        const char *method, *path, *body;
    } asks[ASKS_MAX];
} answers[] = {
    {"a-members",
     {"DEL rc:{a-members}:members", "SET rc:{a-members}:members x"},
     "members is a string, not a hash",
     {{"GET", "members", ""},
      {"POST", "kick/ann", "{}"},
      {"POST", "kick/ann", "{\"ban_secs\":5}"},
      {"POST", "ban/ann", "{\"secs\":5}"}}},
    {"a-history",
     {"DEL rc:{a-history}:history", "SET rc:{a-history}:history x"},
     "history is a string, not a list",
     {{"GET", "messages", ""},
      {"POST", "messages", "{\"text\":\"hi\"}"},
      {"DELETE", "messages/1", ""}}},
    {"a-meta",
     {"DEL rc:{a-meta}:meta", "SADD rc:{a-meta}:meta x"},
     "meta is a set, not a hash",
     {{"GET", "messages", ""},
      {"POST", "messages", "{\"text\":\"hi\"}"},
      {"DELETE", "messages/1", ""},
      {"POST", "kick/ann", "{}"}}},
    {"a-seq",
     {"HSET rc:{a-seq}:meta seq many", NULL},
     "meta has no number in seq",
     {{"GET", "messages", ""},
      {"POST", "messages", "{\"text\":\"hi\"}"},
      {"DELETE", "messages/1", ""}}},
    {"a-rev",
     {"HDEL rc:{a-rev}:meta rev", NULL},
     "meta has no number in rev",
     {{"POST", "kick/ann", "{}"}, {"DELETE", "messages/1", ""}}},
    {"a-bans",
     {"SET rc:{a-bans}:bans x", NULL},
     "bans is a string, not a hash",
     {{"GET", "bans", ""},
      {"POST", "ban/ann", "{\"secs\":5}"},
      {"DELETE", "ban/ann", ""},
      {"POST", "kick/ann", "{\"ban_secs\":5}"}}},
    {"a-mutes",
     {"SET rc:{a-mutes}:mutes x", NULL},
     "mutes is a string, not a hash",
     {{"GET", "mutes", ""},
      {"POST", "mute/ann", "{\"secs\":5}"},
      {"DELETE", "mute/ann", ""}}},
    {"a-kicks",
     {"SET rc:{a-kicks}:kicks x", NULL},
     "kicks is a string, not a hash",
     {{"POST", "kick/ann", "{}"}, {"POST", "ban/ann", "{\"secs\":5}"}}},
    {"a-on",
     {"DEL rc:{a-on}:on:%s", "SET rc:{a-on}:on:%s x"},
     "on:%s is a string, not a hash",
     {{"POST", "kick/ann", "{}"}, {"POST", "ban/ann", "{\"secs\":5}"}}},
};

/* With the node's name for `%s`. */
static char *fill_in(const char *text, const char *node)
{
    const char *at = strstr(text, "%s");

    return at ? print_text("%.*s%s%s", (int)(at - text), text, node, at + 2)
              : print_text("%s", text);
}

static void expect_named(const char *room, const char *why)
{
    char *text = print_text("room %s is broken: %s", room, why);

    admin_expect_error(&admin, 503, "unavailable");
    print_message("    %s\n", admin_text(&admin, "error.message"));
    assert_non_null(strstr(admin_text(&admin, "error.message"), text));
    free(text);
}

static void what_is_asked_of_a_broken_room_is_answered_with_its_key(void **state)
{
    unsigned slow = add_slow_gateway();
    char node[320];

    (void)state;
    find_node(slow, node, sizeof(node));
    admin_get(&admin, 200,
              "/api/gateways"); /* from now on the admin service knows it */
    for (size_t i = 0; i < COUNT(answers); i++) {
        const char *room = answers[i].room;
        struct chat *ann = join_on(slow, room, "ann"),
                    *bob = join_on(slow, room, "bob");
        char *why = fill_in(answers[i].why, node);

        print_message("  %s\n", why);
        chat_say(ann, room, "hi");
        for (size_t k = 0; k < COUNT(answers[i].commands); k++)
            if (answers[i].commands[k]) {
                char *command = fill_in(answers[i].commands[k], node);

                ask(command);
                free(command);
            }
        admin_get(&admin, 200, "/api/rooms/%s", room);
        assert_string_equal(admin_text(&admin, "broken"), why);
        for (size_t k = 0; k < ASKS_MAX && answers[i].asks[k].method; k++) {
            char *path = print_text("/api/rooms/%s/%s", room, answers[i].asks[k].path);

            admin_ask(&admin,
                      &(struct admin_request){.method = answers[i].asks[k].method,
                                              .path = path,
                                              .body = answers[i].asks[k].body});
            expect_named(room, why);
            free(path);
        }
        admin_get(&admin, 200, "/api/users/ann");

        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", room);
        chat_expect_skipping(ann, "room_closed");
        chat_expect_skipping(bob, "room_closed");
        admin_get(&admin, 404, "/api/rooms/%s", room);
        chat_join(bob, room, "bob");
        assert_int_equal(chat_say(bob, room, "again"), 1);
        chat_close(ann);
        chat_close(bob);
        free(why);
    }
    fleet_stop_gateway(&fleet, slow);
}

static void
who_asks_for_the_members_of_a_broken_room_is_told_and_so_is_the_log(void **state)
{
    unsigned slow = add_slow_gateway();
    struct chat *ann = join_on(slow, "list", "ann");

    (void)state;
    ask("DEL rc:{list}:members");
    ask("SADD rc:{list}:members x");
    for (int i = 0; i < 3; i++) {
        chat_send(ann, "{'type':'get_members','room':'list','id':%d}", i);
        chat_expect_error(ann, "unavailable");
    }
    process_expect_logged(
        fleet.gateways[slow].log_path,
        q("room_broken room=list why='members is a set, not a hash'"));
    assert_int_equal(count_logged_by(slow, "room_broken room=list"), 1);
    admin_post(&admin, 200, NULL, "/api/rooms/list/close");
    chat_expect(ann, "room_closed");
    chat_close(ann);
    fleet_stop_gateway(&fleet, slow);
}

static bool is_told(void *data)
{
    (void)data;
    return admin_ask(&admin, &(struct admin_request){.path = "/api/rooms"}) == 503;
}

static bool both_are_ready(void *data)
{
    (void)data;
    return http_get_status(fleet.gateways[0].ops_port, "/readyz") == 200 &&
           http_get_status(fleet.gateways[1].ops_port, "/readyz") == 200;
}

/* And no other: the one that was stopped a moment ago is looked at once a second. */
static bool both_are_listed(void *data)
{
    (void)data;
    return admin_ask(&admin, &(struct admin_request){.path = "/api/gateways"}) == 200 &&
           admin_count(&admin, "gateways") == 2;
}

static void keys_of_the_fleet_that_are_odd_are_named_and_stop_no_gateway(void **state)
{
    struct chat *ann = join_on(0, "fleet", "ann");

    (void)state;
    ask("DEL rc:rooms rc:stats");
    ask("SET rc:rooms x");
    ask("SET rc:stats x");
    chat_say(ann, "fleet", "hi");
    assert_true(wait_until(is_told, NULL, PATIENCE_MS));
    admin_expect_error(&admin, 503, "unavailable");
    assert_non_null(strstr(admin_text(&admin, "error.message"), "rc:rooms"));
    assert_true(wait_until(both_are_listed, NULL, PATIENCE_MS));
    assert_true(wait_until(both_are_ready, NULL, PATIENCE_MS));
    chat_say(ann, "fleet", "there");
    ask("DEL rc:rooms rc:stats");
    chat_say(ann, "fleet", "again");
    assert_true(wait_until(is_listed, "fleet", PATIENCE_MS));
    chat_close(ann);
}

static bool is_past(void *data)
{
    return wait_now_ms() >= *(int64_t *)data;
}

/* What one name hides would be hidden for as long as somebody likes. */
static void a_node_of_a_wrong_type_hides_nothing_of_the_fleet(void **state)
{
    static const char *const paths[] = {"/api/rooms", "/api/rooms/odd", "/api/stats",
                                        "/api/audit"};
    struct chat *ann = join_on(0, "odd", "ann");

    (void)state;
    assert_true(wait_until(is_listed, "odd", PATIENCE_MS));
    for (int i = 0; i < 20; i++) { /* it is read once a second */
        int64_t next = wait_now_ms() + 150;

        ask("ZADD rc:nodes 99999999999999 evil-1-00000000.0");
        ask("SET rc:node:evil-1-00000000.0 x");
        ask("SET rc:stats:online x");
        for (size_t k = 0; k < COUNT(paths); k++)
            admin_get(&admin, 200, "%s", paths[k]);
        admin_get(&admin, 200, "/api/gateways");
        assert_true(admin_count(&admin, "gateways") >= 2);
        assert_int_equal(http_get_status(admin.port, "/readyz"), 200);
        assert_true(wait_until(is_past, &next, PATIENCE_MS));
    }
    process_expect_logged(admin.log_path, "key_broken key=rc:");
    ask("DEL rc:stats:online rc:node:evil-1-00000000.0");
    chat_close(ann);
}

static int stop(void **state)
{
    (void)state;
    admin_stop(&admin);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_room_is_named_and_hides_no_other),
        cmocka_unit_test(what_is_asked_of_a_broken_room_is_answered_with_its_key),
        cmocka_unit_test(
            who_asks_for_the_members_of_a_broken_room_is_told_and_so_is_the_log),
        cmocka_unit_test(keys_of_the_fleet_that_are_odd_are_named_and_stop_no_gateway),
        cmocka_unit_test(a_node_of_a_wrong_type_hides_nothing_of_the_fleet),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
