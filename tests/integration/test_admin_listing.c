/* test_admin_listing.c - /api/rooms: order, pages without a loss, search by a literal
 * text, and names of the index that no room has any more.
 *
 * The tests build on each other: the rooms of one are still there in the next.
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
#include "tests/support/unit/wait.h"

enum {
    ROOMS = 25,
    LIMIT = 7,
    STALE = 25000,
    LISTED_MAX = 64,
    NAME_BYTES = 160,
    PATIENCE_MS = 20000
};

static struct fleet fleet;
static struct admin admin;
static struct chat *ann;

/* ---- what pages hold ---- */

struct listed {
    char names[LISTED_MAX][NAME_BYTES];
    unsigned count, pages;
};

static void list_page(struct listed *all, const char *query, const char *cursor)
{
    struct strbuf path = {0};

    strbuf_add_format(&path, "/api/rooms?%s", query);
    if (cursor) {
        strbuf_add_text(&path, "&cursor=");
        strbuf_add_percent(&path, cursor, strlen(cursor));
    }
    admin_get(&admin, 200, "%s", path.data);
    strbuf_deinit(&path);
    for (int i = 0; i < admin_count(&admin, "rooms"); i++) {
        char field[32];

        snprintf(field, sizeof(field), "rooms.%d.room", i);
        assert_true(all->count < LISTED_MAX);
        snprintf(all->names[all->count++], NAME_BYTES, "%s", admin_text(&admin, field));
    }
    all->pages++;
}

/* The cursor of the next page, to be freed, or NULL. */
static char *next_cursor(void)
{
    return admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
}

/* The page behind `cursor` (taken; NULL: the first) and all that follow. */
static void list_on(struct listed *all, const char *query, char *cursor)
{
    do {
        list_page(all, query, cursor);
        free(cursor);
        cursor = next_cursor();
        assert_true(all->pages < 1000);
    } while (cursor);
}

static void list_all(struct listed *all, const char *query)
{
    *all = (struct listed){0};
    list_on(all, query, NULL);
}

static unsigned count_of(const struct listed *all, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < all->count; i++)
        count += strcmp(all->names[i], name) == 0;
    return count;
}

static bool starts_with(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* ---- the tests ---- */

static bool is_indexed(void *data)
{
    const unsigned *rooms = data;

    return redis_cmd_number(fleet.redis_port, "ZCARD rc:rooms") == *rooms &&
           redis_cmd_number(fleet.redis_port, "ZCARD rc:rooms:members") == *rooms;
}

static void wait_for_index(unsigned rooms)
{
    assert_true(wait_until(is_indexed, &rooms, PATIENCE_MS));
}

static void without_rooms_there_is_an_empty_page(void **state)
{
    (void)state;
    admin_get(&admin, 200, "/api/rooms");
    assert_int_equal(admin_count(&admin, "rooms"), 0);
    assert_true(admin_is_null(&admin, "next"));
    assert_int_equal(admin_number(&admin, "total"), 0);
    admin_get(&admin, 200, "/api/rooms?search=x&sort=members");
    assert_int_equal(admin_count(&admin, "rooms"), 0);
    assert_true(admin_is_null(&admin, "next"));
}

static void a_room_is_listed_as_it_is(void **state)
{
    (void)state;
    chat_join(ann, "room-0", "ann");
    chat_say(ann, "room-0", "hello");
    wait_for_index(1);
    admin_get(&admin, 200, "/api/rooms");
    assert_int_equal(admin_count(&admin, "rooms"), 1);
    assert_string_equal(admin_text(&admin, "rooms.0.room"), "room-0");
    assert_int_equal(admin_number(&admin, "rooms.0.members"), 1);
    assert_int_equal(admin_number(&admin, "rooms.0.seq"), 1);
    assert_int_equal(admin_number(&admin, "rooms.0.shard_id"), 0);
    assert_true(admin_is_null(&admin, "rooms.0.ttl_ms"));
    assert_true((long long)admin_number(&admin, "rooms.0.created_at") ==
                redis_cmd_number(fleet.redis_port, "HGET rc:{room-0}:meta created_at"));
    assert_int_equal(admin_number(&admin, "total"), 1);
}

static void pages_hold_every_room_once(void **state)
{
    static const char *const queries[] = {"limit=7", "limit=7&sort=recent",
                                          "limit=7&sort=members"};

    (void)state;
    for (int i = 1; i < ROOMS; i++) {
        char name[24];

        snprintf(name, sizeof(name), "room-%d", i);
        chat_join(ann, name, "ann");
    }
    wait_for_index(ROOMS);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        struct listed all = {0};

        list_page(&all, queries[i], NULL);
        assert_int_equal(admin_count(&admin, "rooms"), LIMIT);
        assert_int_equal(admin_number(&admin, "total"), ROOMS);
        list_all(&all, queries[i]);
        assert_int_equal(all.count, ROOMS);
        for (int k = 0; k < ROOMS; k++) {
            char name[24];

            snprintf(name, sizeof(name), "room-%d", k);
            assert_int_equal(count_of(&all, name), 1);
        }
    }
}

/* Gives the rooms the scores 1, 2, … in the order of (7 i) mod 25; whether the listing
 * has them the other way round. */
static bool is_in_order(void *data)
{
    const char *const *index_and_query = data;
    struct listed all;

    for (int i = 0; i < ROOMS; i++)
        redis_cmd(fleet.redis_port, "ZADD %s %d room-%d", index_and_query[0], i + 1,
                  7 * i % ROOMS);
    list_all(&all, index_and_query[1]);
    for (int i = 0; i < ROOMS; i++) {
        char name[24];

        snprintf(name, sizeof(name), "room-%d", 7 * (ROOMS - 1 - i) % ROOMS);
        if (all.count != ROOMS || strcmp(all.names[i], name) != 0)
            return false;
    }
    return true;
}

static void the_latest_or_the_largest_come_first(void **state)
{
    const char *cases[][2] = {{"rc:rooms", "limit=7"},
                              {"rc:rooms", "limit=100&sort=recent"},
                              {"rc:rooms:members", "limit=7&sort=members"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(wait_until(is_in_order, cases[i], PATIENCE_MS));
}

static void rooms_that_end_between_pages_hide_no_other(void **state)
{
    struct listed all = {0};
    char *cursor;

    (void)state;
    list_page(&all, "limit=7", NULL);
    cursor = next_cursor();
    for (unsigned i = 0; i < 3; i++) {
        admin_post(&admin, 200, NULL, "/api/rooms/%s/close", all.names[i]);
        chat_expect_skipping(ann, "room_closed");
    }
    list_on(&all, "limit=7", cursor);
    for (int k = 0; k < ROOMS; k++) {
        char name[24];

        snprintf(name, sizeof(name), "room-%d", k);
        assert_int_equal(count_of(&all, name), 1);
    }
    wait_for_index(ROOMS - 3);
}

static const struct {
    const char *text;  /* to look for, percent-encoded */
    const char *found; /* as many of these letters' rooms as there are */
} searches[] = {
    {"*", "ad"},      {"%3F", "b"},       {"%5B", "c"},      {"%5D", "c"},
    {"%5C", "d"},     {"glob-", "abcde"}, {"glob-e", "e"},   {"-", "abcde"},
    {"%5Ex", "f"},    {"%C3%BC", "f"},    {"%C3%9C", "f"},   {"gLoB-E%20", "e"},
    {"X%C3%9C", "f"}, {"glob-*", ""},     {"[abc]", ""},     {"b%3F", "b"},
    {"?", "b"},       {"GLOB", "abcde"},  {"%5Cx%5C*", "d"}, {"e%20", "e"},
    {"%25", "e"},     {"%5B%5Ea%5D", ""}};

/* The letter stands behind `glob-` or is the room's first. */
static void a_search_is_literal(void **state)
{
    static const char *const rooms[] = {"glob-a*",           "glob-b?",  "glob-c[x]",
                                        "glob-d\\\\x\\\\*y", "glob-e %", "f^x\u00fc"};

    (void)state;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        chat_join(ann, rooms[i], "ann");
    wait_for_index(ROOMS - 3 + 6);
    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        struct listed all;
        char query[64];
        unsigned count = 0;

        snprintf(query, sizeof(query), "limit=3&search=%s", searches[i].text);
        print_message("  %s\n", query);
        list_all(&all, query);
        assert_true(admin_is_null(&admin, "total"));
        for (unsigned k = 0; k < all.count; k++) {
            const char *name = all.names[k];

            if (starts_with(name, "room-")) { /* "-" is in these too */
                assert_string_equal(searches[i].text, "-");
                continue;
            }
            name += starts_with(name, "glob-") ? 5 : 0;
            assert_non_null(strchr(searches[i].found, name[0]));
            assert_int_equal(count_of(&all, all.names[k]), 1);
            count++;
        }
        assert_int_equal(count, strlen(searches[i].found));
    }
}

static void a_search_among_many_names_goes_on_by_its_cursor(void **state)
{
    struct listed all;

    (void)state;
    redis_cmd(fleet.redis_port, "EVAL %s 2 rc:rooms rc:rooms:members %d",
              "for i = 1, tonumber(ARGV[1]) do "
              "redis.call('ZADD', KEYS[1], 1e13 + i, 'stale ' .. i) "
              "redis.call('ZADD', KEYS[2], 1000, 'stale ' .. i) end",
              STALE);
    list_all(&all, "search=glob-d&limit=10");
    assert_int_equal(all.count, 1);
    assert_true(all.pages >= 3); /* 10,000 names a request */
    list_all(&all, "search=nothing%20has%20this");
    assert_int_equal(all.count, 0);
    assert_true(all.pages >= 3);
}

static void names_that_no_room_has_any_more_are_left_out(void **state)
{
    static const char *const queries[] = {"limit=1000", "limit=1000&sort=members"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct listed all;

        list_all(&all, queries[i]);
        assert_int_equal(all.count, ROOMS - 3 + 6);
        for (unsigned k = 0; k < all.count; k++)
            assert_int_equal(count_of(&all, all.names[k]), 1);
    }
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_JOINS_PER_SEC=0",
                                           "ROOMCAST_PING_INTERVAL_SECS=3600", NULL};

    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1, .settings = settings});
    admin_start(&admin, &fleet, NULL);
    ann = chat_open(fleet.gateways[0].port);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    chat_abort(ann);
    admin_stop(&admin);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rooms_there_is_an_empty_page),
        cmocka_unit_test(a_room_is_listed_as_it_is),
        cmocka_unit_test(pages_hold_every_room_once),
        cmocka_unit_test(the_latest_or_the_largest_come_first),
        cmocka_unit_test(rooms_that_end_between_pages_hide_no_other),
        cmocka_unit_test(a_search_is_literal),
        cmocka_unit_test(a_search_among_many_names_goes_on_by_its_cursor),
        cmocka_unit_test(names_that_no_room_has_any_more_are_left_out),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
