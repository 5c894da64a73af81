/* test_admin_shards.c - the admin service on a list of three Redis: it finds each room where it is, puts the
 * listings of all together, and says what is missing while one is down (SPEC-SCALE S10, T12).
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

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/event_stream.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { SHARDS = 3, MANY = 12 };

/* One room of each shard, as SPEC-SCALE S2 has them; as they stand in a path. */
static const char *const rooms[SHARDS] = {"kitchen", "会議室", "lobby"};
static const char *const paths[SHARDS] = {"kitchen", "%E4%BC%9A%E8%AD%B0%E5%AE%A4",
                                          "lobby"};

static struct fleet fleet;
static struct admin admin;

static int start(void **state)
{
    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){
                            .gateways = 2,
                            .settings = (const char *[]){"ROOMCAST_LEASE_SECS=2", NULL},
                            .shards = SHARDS});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

static int port_of(unsigned shard)
{
    return fleet_shard(&fleet, shard)->port;
}

static struct chat *join_all(const char *user)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);

    for (unsigned i = 0; i < SHARDS; i++)
        chat_join(chat, rooms[i], user);
    return chat;
}

/* ---- what is asked until it is so ---- */

struct question {
    struct admin *admin;
    const char *path, *text; /* that the answer must have */
};

static bool has_text(void *data)
{
    const struct question *q = data;

    admin_ask(q->admin, &(struct admin_request){.path = q->path});
    return q->admin->answer.body && strstr(q->admin->answer.body, q->text);
}

static void expect_text_of(struct admin *a, const char *path, const char *text)
{
    struct question q = {a, path, text};

    if (!wait_until(has_text, &q, FLEET_DEADLINE_MS))
        fail_msg("%s never has %s: %s", path, text, a->answer.body);
}

static void expect_text(const char *path, const char *text)
{
    expect_text_of(&admin, path, text);
}

/* ---- all is well ---- */

static void each_shard_is_told_of(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        char text[128];

        snprintf(text, sizeof(text),
                 "{\"shard_id\":%u,\"where\":\"127.0.0.1:%d\",\"up\":true,\"rooms\":1,"
                 "\"role\":\"master\"}",
                 i, port_of(i));
        expect_text("/api/shards", text);
    }
    assert_int_equal(admin_count(&admin, "shards"), SHARDS);
    expect_text("/api/stats", "\"rooms\":3,");
    chat_close(ann);
}

static void a_room_is_found_on_its_redis(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        admin_get(&admin, 200, "/api/rooms/%s", paths[i]);
        assert_int_equal(admin_number(&admin, "shard_id"), i);
        assert_int_equal(admin_number(&admin, "members"), 1);
        admin_get(&admin, 200, "/api/rooms/%s/members", paths[i]);
        assert_string_equal(admin_text(&admin, "members.0.user"), "ann");
        admin_post(&admin, 201, "{\"text\":\"hello\"}", "/api/rooms/%s/messages",
                   paths[i]);
        chat_expect_skipping(ann, "message");
        assert_string_equal(chat_get_text(ann, "room"), rooms[i]);
        admin_get(&admin, 200, "/api/rooms/%s/messages", paths[i]);
        assert_int_equal(admin_count(&admin, "messages"), 1);
    }
    admin_get(&admin, 200, "/api/audit");
    assert_string_equal(admin_text(&admin, "entries.0.what"), "publish");
    assert_int_equal(redis_cmd_number(port_of(0), "XLEN rc:audit"), SHARDS);
    for (unsigned i = 1; i < SHARDS; i++)
        assert_int_equal(redis_cmd_number(port_of(i), "EXISTS rc:audit"), 0);
    chat_close(ann);
}

/* What a listing has, read in pages of two until there is no next. */
struct pages {
    const char *query;
    bool by_members;
    unsigned expected;
    unsigned seen;
    double members; /* of the last one */
    bool in_order;
};

static void take_page(struct pages *pages)
{
    assert_false(admin_has(&admin, "missing_shards"));
    for (int i = 0; i < admin_count(&admin, "rooms"); i++) {
        double members;
        char at[32];

        snprintf(at, sizeof(at), "rooms.%d.members", i);
        members = admin_number(&admin, at);
        pages->in_order = pages->in_order && members <= pages->members;
        pages->members = members;
        pages->seen++;
    }
}

static bool is_whole(void *data)
{
    struct pages *pages = data;
    char *next = NULL;

    pages->seen = 0;
    pages->members = 1e9;
    pages->in_order = true;
    do {
        admin_get(&admin, 200, "/api/rooms?limit=2%s%s%s", pages->query,
                  next ? "&cursor=" : "", next ? next : "");
        free(next);
        take_page(pages);
        next =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
    } while (next);
    return pages->seen == pages->expected && (!pages->by_members || pages->in_order);
}

/* Each room comes once, those with the most members first. A gateway writes a room into the indexes at once, and
 * what has changed since five seconds later: a room that moves between two pages may be passed. */
static void expect_pages(const char *query, bool by_members, unsigned expected)
{
    struct pages pages = {
        .query = query, .by_members = by_members, .expected = expected};

    if (!wait_until(is_whole, &pages, FLEET_DEADLINE_MS))
        fail_msg("%s: %u rooms, not %u, or in another order", query, pages.seen,
                 expected);
}

static void a_listing_puts_the_shards_together(void **state)
{
    struct chat *chats[4];
    char room[32];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char user[8];

        chats[i] = chat_open(fleet.gateways[i % 2].port);
        snprintf(user, sizeof(user), "u%u", i);
        for (unsigned k = 0; k < MANY; k++) {
            snprintf(room, sizeof(room), "many-%u", k);
            if (k % 4 >= i)
                chat_join(chats[i], room, user);
        }
    }
    /* the three of the tests before are still there, and empty */
    expect_text("/api/rooms?sort=members&limit=1", "\"total\":15");
    expect_text("/api/rooms?sort=members&limit=1", "\"members\":4,");
    expect_pages("&sort=members", true, MANY + SHARDS);
    expect_pages("&sort=recent", false, MANY + SHARDS);
    expect_pages("&search=MANY", false, MANY);
    for (unsigned i = 0; i < 4; i++)
        chat_close(chats[i]);
}

static void the_rooms_of_a_user_come_from_all_shards(void **state)
{
    struct chat *eve = join_all("eve");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++)
        expect_text("/api/users/eve", rooms[i]);
    assert_int_equal(admin_count(&admin, "rooms"), SHARDS);
    admin_post(&admin, 200, NULL, "/api/users/eve/disconnect");
    assert_int_equal(chat_wait_close(eve, CHAT_DEADLINE_MS), 4503);
    chat_abort(eve);
}

static void kicks_bans_and_closing_reach_each_shard(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct chat *bob = chat_open(fleet.gateways[1].port);

        chat_join(bob, rooms[i], "bob");
        admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/bob", paths[i]);
        assert_true(admin_is_true(&admin, "kicked"));
        chat_expect_skipping(bob, "kicked");
        admin_post(&admin, 200, "{\"secs\":60}", "/api/rooms/%s/ban/bob", paths[i]);
        chat_send(bob, "{'type':'join','room':'%s','user':'bob'}", rooms[i]);
        chat_expect_skipping(bob, "error");
        assert_string_equal(chat_get_text(bob, "code"), "banned");
        admin_get(&admin, 200, "/api/rooms/%s/bans", paths[i]);
        assert_int_equal(admin_count(&admin, "entries"), 1);
        admin_delete(&admin, 200, "/api/rooms/%s/ban/bob", paths[i]);
        chat_join(bob, rooms[i], "bob");
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", paths[i]);
        chat_expect_skipping(bob, "room_closed");
        admin_get(&admin, 404, "/api/rooms/%s", paths[i]);
        assert_int_equal(redis_cmd_number(port_of(i), "EXISTS rc:{%s}:meta", rooms[i]),
                         0);
        chat_close(bob);
    }
}

static void events_come_from_each_shard(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct event_stream events = {0};
        struct chat *ann;
        char path[128];

        snprintf(path, sizeof(path), "?room=%s", paths[i]);
        event_stream_open(&events, &admin, path);
        event_stream_expect(&events, "gateways");
        ann = chat_open(fleet.gateways[0].port);
        chat_join(ann, rooms[i], "ann");
        event_stream_expect(&events, "room_opened");
        chat_say(ann, rooms[i], "hello");
        event_stream_expect(&events, "message");
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", paths[i]);
        event_stream_expect(&events, "room_closed");
        event_stream_close(&events);
        chat_close(ann);
    }
}

static void a_broken_key_of_a_node_is_named_on_each_shard(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        char *key = redis_cmd_text(
            port_of(i), "EVAL return(redis.call('KEYS','rc:{%s}:on:*')[1]) 0",
            rooms[i]);

        redis_cmd(port_of(i), "SET %s x", key);
        admin_get(&admin, 200, "/api/rooms/%s", paths[i]);
        assert_non_null(
            strstr(admin_text(&admin, "broken"), "is a string, not a hash"));
        assert_non_null(strstr(key, "on:"));
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", paths[i]);
        free(key);
    }
    chat_close(ann);
}

/* ---- a wrong list ---- */

static void a_list_in_another_order_is_refused(void **state)
{
    char *setting = fleet_list_setting(&fleet, (const unsigned[]){0, 2, 1}, 3);
    static struct admin other;
    struct chat *ann = join_all("ann");

    (void)state;
    admin_launch(&other, &fleet,
                 (const char *[]){setting, "AUTH_TOKEN=" ADMIN_TOKEN, NULL});
    expect_text_of(&other, "/readyz",
                   "shard 1: shard 1 of 3 is marked 2 of 3\n"
                   "shard 2: shard 2 of 3 is marked 1 of 3\n");
    assert_int_equal(other.answer.status, 503);
    process_expect_logged(other.log_path, "shard 1 of 3 is marked 2 of 3");
    admin_get(&other, 200, "/api/rooms/%s", paths[0]);
    admin_get(&other, 503, "/api/rooms/%s", paths[1]);
    admin_post(&other, 503, "{\"secs\":0}", "/api/rooms/%s/ban/ann", paths[2]);
    for (unsigned i = 0; i < SHARDS; i++)
        assert_int_equal(redis_cmd_number(port_of(i), "EXISTS rc:{lobby}:bans"), 0);
    admin_stop(&other);
    chat_close(ann);
    free(setting);
}

static void set_mark(unsigned shard, const char *mark)
{
    redis_cmd(port_of(shard), "SET rc:shard %s", mark);
}

/* While it runs; the gateways look when their links are ready. */
static void a_mark_that_becomes_another_is_seen(void **state)
{
    static const char *const wrong[][2] = {
        {"moving 0123456789abcdef 1/3 -",
         "shard 1: shard 1 of 3 has rooms on the move"},
        {"moved 0123456789abcdef", "shard 1: shard 1 of 3 has lost its rooms"},
        {"0123456789abcdef 1 4", "shard 1: shard 1 of 3 is marked 1 of 4\n"},
    };
    char *mark = redis_cmd_text(port_of(1), "GET rc:shard");

    (void)state;
    assert_non_null(mark);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        set_mark(1, wrong[i][0]);
        expect_text("/readyz", wrong[i][1]);
        admin_get(&admin, 503, "/api/rooms/%s", paths[1]);
        assert_non_null(strstr(admin.answer.body, "shard 1 of 3 "));
        admin_post(&admin, 503, "{\"secs\":0}", "/api/rooms/%s/ban/ann", paths[1]);
        assert_int_equal(redis_cmd_number(port_of(1), "EXISTS rc:{%s}:bans", rooms[1]),
                         0);
        admin_post(&admin, 200, "{\"secs\":0}", "/api/rooms/%s/ban/ann", paths[2]);
        admin_delete(&admin, 200, "/api/rooms/%s/ban/ann", paths[2]);
        admin_get(&admin, 200, "/api/rooms");
        assert_int_equal(admin_number(&admin, "missing_shards.0"), 1);
        set_mark(1, mark);
        expect_text("/readyz", "ready\n");
        admin_post(&admin, 200, "{\"secs\":0}", "/api/rooms/%s/ban/ann", paths[1]);
        admin_delete(&admin, 200, "/api/rooms/%s/ban/ann", paths[1]);
    }
    free(mark);
    mark = redis_cmd_text(port_of(0), "GET rc:shard");
    set_mark(0, "moved 0123456789abcdef");
    expect_text("/readyz", "shard 0: shard 0 of 3 has lost its rooms");
    admin_get(&admin, 503, "/api/audit");
    set_mark(0, mark);
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(
        &fleet); /* one that has connected meanwhile has looked as well */
    free(mark);
}

/* ---- one is down ---- */

static void while_one_is_down_the_rest_is_told(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++)
        expect_text("/api/rooms", rooms[i]);
    process_kill(&fleet_shard(&fleet, 1)->process);
    expect_text("/readyz", "shard 1: no connection to Redis\n");
    assert_int_equal(admin.answer.status, 200);
    admin_get(&admin, 200, "/api/rooms");
    assert_int_equal(admin_count(&admin, "missing_shards"), 1);
    assert_int_equal(admin_number(&admin, "missing_shards.0"), 1);
    assert_true(admin_is_null(&admin, "total"));
    assert_non_null(strstr(admin.answer.body, rooms[0]));
    assert_null(strstr(admin.answer.body, rooms[1]));
    assert_non_null(strstr(admin.answer.body, rooms[2]));
    expect_text("/api/stats", "\"missing_shards\":[1]");
    admin_get(&admin, 200, "/api/rooms?search=o");
    assert_int_equal(admin_number(&admin, "missing_shards.0"), 1);
    admin_get(&admin, 200, "/api/users/ann");
    assert_int_equal(admin_number(&admin, "missing_shards.0"), 1);
    admin_get(&admin, 503, "/api/rooms/%s", paths[1]);
    admin_post(&admin, 503, NULL, "/api/rooms/%s/close", paths[1]);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/ann", paths[2]);
    admin_get(&admin, 200, "/api/gateways");
    assert_int_equal(admin_count(&admin, "gateways"), 2);
    admin_get(&admin, 200, "/api/shards");
    assert_false(admin_is_true(&admin, "shards.1.up"));
    assert_true(admin_is_null(&admin, "shards.1.rooms"));
    assert_true(admin_is_true(&admin, "shards.2.up"));

    redis_server_start(fleet_shard(&fleet, 1));
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(&fleet);
    admin_get(&admin, 200, "/api/rooms");
    assert_false(admin_has(&admin, "missing_shards"));
    expect_text("/api/stats", "{\"redis_up\":true,\"connections\":");
    chat_close(ann);
}

static void while_shard_0_is_down_other_rooms_can_be_looked_after(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    expect_text("/api/users/ann", rooms[2]);
    process_kill(&fleet_shard(&fleet, 0)->process);
    expect_text("/readyz", "shard 0: no connection to Redis\n");
    admin_get(&admin, 503, "/api/gateways");
    admin_get(&admin, 503, "/api/stats");
    admin_get(&admin, 503, "/api/audit");
    admin_get(&admin, 503, "/api/rooms/%s", paths[0]);
    admin_get(&admin, 200, "/api/rooms");
    assert_int_equal(admin_number(&admin, "missing_shards.0"), 0);
    admin_post(&admin, 200, NULL, "/api/rooms/%s/kick/ann", paths[2]);
    chat_expect_skipping(ann, "kicked");
    process_expect_logged(admin.log_path, "audit_failed");
    redis_server_start(fleet_shard(&fleet, 0));
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(&fleet);
    chat_close(ann);
}

static void one_that_stands_still_holds_nothing_up_for_long(void **state)
{
    struct chat *ann = join_all("ann");

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++)
        expect_text("/api/rooms", rooms[i]);
    process_signal(&fleet_shard(&fleet, 2)->process, SIGSTOP);
    admin_get(&admin, 200, "/api/rooms");
    assert_int_equal(admin_number(&admin, "missing_shards.0"), 2);
    assert_int_equal(admin_count(&admin, "missing_shards"), 1);
    admin_get(&admin, 200, "/api/rooms?search=k");
    assert_non_null(strstr(admin.answer.body, rooms[0]));
    assert_int_equal(admin_number(&admin, "missing_shards.0"), 2);
    expect_text("/api/shards", "\"up\":false,");
    assert_true(admin_is_true(&admin, "shards.0.up"));
    admin_get(&admin, 503, "/api/rooms/%s", paths[2]);
    process_signal(&fleet_shard(&fleet, 2)->process, SIGCONT);
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(&fleet);
    chat_close(ann);
}

static void with_all_of_them_down_there_is_no_listing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARDS; i++)
        process_kill(&fleet_shard(&fleet, i)->process);
    expect_text("/readyz", "shard 2: no connection to Redis\n");
    expect_text("/api/rooms", "unavailable");
    admin_expect_error(&admin, 503, "unavailable");
    admin_get(&admin, 503, "/api/rooms?search=a");
    for (unsigned i = 0; i < SHARDS; i++)
        redis_server_start(fleet_shard(&fleet, i));
    expect_text("/readyz", "ready\n");
    fleet_wait_all_ready(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shard_is_told_of),
        cmocka_unit_test(a_room_is_found_on_its_redis),
        cmocka_unit_test(a_listing_puts_the_shards_together),
        cmocka_unit_test(the_rooms_of_a_user_come_from_all_shards),
        cmocka_unit_test(kicks_bans_and_closing_reach_each_shard),
        cmocka_unit_test(events_come_from_each_shard),
        cmocka_unit_test(a_broken_key_of_a_node_is_named_on_each_shard),
        cmocka_unit_test(a_list_in_another_order_is_refused),
        cmocka_unit_test(a_mark_that_becomes_another_is_seen),
        cmocka_unit_test(while_one_is_down_the_rest_is_told),
        cmocka_unit_test(while_shard_0_is_down_other_rooms_can_be_looked_after),
        cmocka_unit_test(one_that_stands_still_holds_nothing_up_for_long),
        cmocka_unit_test(with_all_of_them_down_there_is_no_listing),
    };

    return cmocka_run_group_tests(tests, start, admin_teardown);
}
