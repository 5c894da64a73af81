/* test_keys.c - the names of keys and channels, as docs/redis.md promises them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/keys.h"
#include "common/shard_of.h"
#include "common/xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int set_prefix(void **state)
{
    (void)state;
    keys_set_prefix("rc");
    keys_set_cluster(false);
    return 0;
}

static void expect_name(const char *name, size_t len, const char *expected)
{
    assert_string_equal(name, expected);
    assert_int_equal(len, strlen(expected));
}

static const struct {
    enum room_key which;
    const char *name;
} room_keys[] = {
    {KEY_META, "rc:{a b}:meta"},        {KEY_MEMBERS, "rc:{a b}:members"},
    {KEY_HISTORY, "rc:{a b}:history"},  {KEY_BANS, "rc:{a b}:bans"},
    {KEY_MUTES, "rc:{a b}:mutes"},      {KEY_KICKS, "rc:{a b}:kicks"},
    {KEY_CLOSED, "rc:{a b}:closed"},    {KEY_EVENTS, "rc:{a b}:events"},
    {KEY_KEYS, "rc:{a b}:keys"},        {KEY_KEYS_OLD, "rc:{a b}:keys:old"},
    {KEY_ROOM_NODES, "rc:{a b}:nodes"},
};

static void keys_of_a_room_carry_its_tag(void **state)
{
    char key[KEYS_MAX_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(room_keys); i++)
        expect_name(key, keys_room(key, "a bX", 3, room_keys[i].which),
                    room_keys[i].name);
    expect_name(key, keys_on_node(key, "a bX", 3, "host-1-abc.0"),
                "rc:{a b}:on:host-1-abc.0");
    expect_name(key, keys_field(key, "ann", 3, "k:1", 3), "3:ann:k:1");
}

/* `out`: a list, and one Redis; `in`: shard 2 of a cluster. */
static const struct {
    enum fleet_key which;
    const char *out, *in;
} fleet_keys[] = {
    {KEY_ROOMS, "rc:rooms", "rc:shard:{113}:rooms"},
    {KEY_ROOMS_MEMBERS, "rc:rooms:members", "rc:shard:{113}:rooms:members"},
    {KEY_NODES, "rc:nodes", "rc:shard:{113}:nodes"},
    {KEY_STATS, "rc:stats", "rc:shard:{113}:stats"},
    {KEY_STATS_ONLINE, "rc:stats:online", "rc:shard:{113}:stats:online"},
    {KEY_STATS_SAMPLER, "rc:stats:sampler", "rc:shard:{113}:stats:sampler"},
    {KEY_AUDIT, "rc:audit", "rc:shard:{113}:audit"},
    {KEY_SHARD, "rc:shard", "rc:shard:{113}:shard"},
    {KEY_FLEET_EVENTS, "rc:events", "rc:shard:{113}:events"},
};

static const struct {
    enum node_key which;
    const char *out, *in;
} node_keys[] = {
    {KEY_NODE, "rc:node:h-1.0", "rc:shard:{113}:node:h-1.0"},
    {KEY_NODE_ROOMS, "rc:node:h-1.0:rooms", "rc:shard:{113}:node:h-1.0:rooms"},
    {KEY_NODE_CLAIM, "rc:node:h-1.0:claim", "rc:shard:{113}:node:h-1.0:claim"},
    {KEY_NODE_CANARY, "rc:canary:h-1.0", "rc:canary:{113}:h-1.0"},
};

static void the_connections_of_a_user_are_where_a_room_of_that_name_is(void **state)
{
    static const char user[] = "o d\xc3\xa9";
    char key[KEYS_MAX_BYTES], longest[KEYS_MAX_BYTES];
    size_t len = keys_user_conns(key, user, sizeof(user) - 1);

    (void)state;
    expect_name(key, len, "rc:user:{o d\xc3\xa9}:conns");
    assert_int_equal(cluster_slot_of_key(key, len),
                     cluster_slot_of_room(user, sizeof(user) - 1));
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(keys_user_conns(key, longest, sizeof(longest)), 0);
}

static void each_redis_of_a_list_has_the_same_registry(void **state)
{
    char key[KEYS_MAX_BYTES];

    (void)state;
    for (unsigned shard = 0; shard < SHARD_OF_MAX; shard++) {
        for (size_t i = 0; i < COUNT(fleet_keys); i++)
            expect_name(key, keys_fleet(key, shard, fleet_keys[i].which),
                        fleet_keys[i].out);
        for (size_t i = 0; i < COUNT(node_keys); i++)
            expect_name(key, keys_node(key, shard, "h-1.0", node_keys[i].which),
                        node_keys[i].out);
    }
}

static void a_registry_of_a_cluster_is_in_one_slot_of_its_shard(void **state)
{
    char key[KEYS_MAX_BYTES];

    (void)state;
    keys_set_cluster(true);
    for (size_t i = 0; i < COUNT(fleet_keys); i++)
        expect_name(key, keys_fleet(key, 2, fleet_keys[i].which), fleet_keys[i].in);
    for (size_t i = 0; i < COUNT(node_keys); i++)
        expect_name(key, keys_node(key, 2, "h-1.0", node_keys[i].which),
                    node_keys[i].in);
    for (unsigned shard = 0; shard < SHARD_OF_MAX; shard++) {
        unsigned slot =
            cluster_slot_of_key(key, keys_fleet(key, shard, KEY_FLEET_EVENTS));

        assert_int_equal(slot / SHARD_OF_SLOTS, shard);
        for (size_t i = 0; i < COUNT(node_keys); i++) {
            size_t len = keys_node(key, shard, "n", node_keys[i].which);

            assert_int_equal(cluster_slot_of_key(key, len), slot);
        }
    }
}

static void keys_of_rooms_are_the_same_in_a_cluster(void **state)
{
    char key[KEYS_MAX_BYTES];
    size_t len;

    (void)state;
    keys_set_cluster(true);
    expect_name(key, keys_room(key, "r", 1, KEY_META), "rc:{r}:meta");
    expect_name(key, keys_on_node(key, "r", 1, "n"), "rc:{r}:on:n");
    expect_name(key, keys_expiry_pattern(key, 0), "__keyspace@0__:rc:{*}:meta");
    assert_non_null(keys_room_of_events("rc:{r}:events", 13, &len));
    assert_null(keys_room_of_events("rc:shard:{10}:events", 20, &len));
}

static void a_canary_of_a_cluster_goes_by_the_tag_of_its_shard(void **state)
{
    char key[KEYS_MAX_BYTES];

    (void)state;
    expect_name(key, keys_node(key, 2, "n", KEY_NODE_CANARY), "rc:canary:n");
    keys_set_cluster(true);
    expect_name(key, keys_node(key, 2, "n", KEY_NODE_CANARY), "rc:canary:{113}:n");
}

static const struct {
    const char *user, *key, *name;
} fields[] = {
    {"a:b", "c", "3:a:b:c"},           {"a", "b:c", "1:a:b:c"},
    {"3:a", "b", "3:3:a:b"},           {"", "", "0::"},
    {"\xc3\xa4", "k", "2:\xc3\xa4:k"}, {"ten bytes.", "k", "10:ten bytes.:k"},
};

static void users_and_keys_never_meet(void **state)
{
    char key[KEYS_MAX_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++)
        expect_name(key,
                    keys_field(key, fields[i].user, strlen(fields[i].user),
                               fields[i].key, strlen(fields[i].key)),
                    fields[i].name);
}

static void a_key_may_hold_a_nul(void **state)
{
    char key[KEYS_MAX_BYTES];
    size_t len = keys_field(key, "u", 1, "a\0b", 3);

    (void)state;
    assert_int_equal(len, 7);
    assert_memory_equal(key, "1:u:a\0b", 8);
}

static void the_longest_names_fit(void **state)
{
    char key[KEYS_MAX_BYTES], room[128], user[64], node[320], prefix[65];

    (void)state;
    memset(room, 'r', sizeof(room));
    memset(user, 'u', sizeof(user));
    memset(node, 'n', sizeof(node));
    memset(prefix, 'p', sizeof(prefix));
    node[sizeof(node) - 1] = prefix[sizeof(prefix) - 1] = '\0';
    keys_set_prefix(prefix);
    assert_int_equal(keys_on_node(key, room, sizeof(room), node), 64 + 132 + 3 + 319);
    assert_int_equal(keys_field(key, user, 64, user, 64), 3 + 64 + 1 + 64);
    assert_int_equal(keys_node(key, 0, node, KEY_NODE_ROOMS), 64 + 6 + 319 + 6);
    keys_set_cluster(true);
    assert_int_equal(keys_node(key, 2, node, KEY_NODE_ROOMS), 64 + 18 + 319 + 6);
    assert_int_equal(keys_node(key, 2, node, KEY_NODE_CANARY), 64 + 14 + 319);
    assert_int_equal(keys_expiry_pattern(key, 2147483647), 11 + 10 + 3 + 64 + 9);
}

/* Whatever is given, and whatever the build: no name, and nothing is written behind it. */
static void what_is_too_long_is_no_name(void **state)
{
    enum { LONG = 5000 };
    char *key = xmalloc(KEYS_MAX_BYTES),
         *name = xcalloc(LONG + 1, 1); /* ASan watches */

    (void)state;
    memset(name, 'x', LONG);
    expect_name(key, keys_room(key, name, LONG, KEY_META), "");
    expect_name(key, keys_room(key, name, KEYS_MAX_BYTES - 1, KEY_META), "");
    expect_name(key, keys_on_node(key, "r", 1, name), "");
    expect_name(key, keys_on_node(key, name, LONG, name), "");
    expect_name(key, keys_field(key, name, LONG, name, LONG), "");
    expect_name(key, keys_field(key, "u", 1, name, LONG), "");
    for (int i = KEY_NODE; i <= KEY_NODE_CANARY; i++)
        expect_name(key, keys_node(key, 0, name, (enum node_key)i), "");
    for (size_t len = KEYS_MAX_BYTES - 20; len < KEYS_MAX_BYTES + 20; len++) {
        size_t key_len = keys_room(key, name, len, KEY_META);

        assert_int_equal(strlen(key), key_len);
    }
    free(name);
    free(key);
}

static void a_prefix_is_in_every_name(void **state)
{
    char key[KEYS_MAX_BYTES];
    size_t len;

    (void)state;
    keys_set_prefix("my.fleet-1_x");
    expect_name(key, keys_room(key, "r", 1, KEY_META), "my.fleet-1_x:{r}:meta");
    expect_name(key, keys_fleet(key, 0, KEY_NODES), "my.fleet-1_x:nodes");
    expect_name(key, keys_node(key, 0, "n", KEY_NODE_CANARY), "my.fleet-1_x:canary:n");
    expect_name(key, keys_expiry_pattern(key, 3),
                "__keyspace@3__:my.fleet-1_x:{*}:meta");
    assert_null(keys_room_of_events("rc:{r}:events", 13, &len));
    assert_non_null(keys_room_of_events("my.fleet-1_x:{r}:events", 23, &len));
}

/* ---- back ---- */

static const struct {
    const char *channel, *room; /* NULL: it is none */
} channels[] = {
    {"rc:{lobby}:events", "lobby"},
    {"rc:{a:b}:events", "a:b"},
    {"rc:{a b/c\"\\}:events", "a b/c\"\\"},
    {"rc:{:events}:events", ":events"},
    {"rc:{}:events", ""},
    {"rc:{lobby}:event", NULL},
    {"rc:{lobby}:eventss", NULL},
    {"rc:{lobby}:meta", NULL},
    {"rc:{lobby:events", NULL},
    {"rc:lobby}:events", NULL},
    {"rc:}:events", NULL},
    {"rc:{:events", NULL},
    {"xc:{lobby}:events", NULL},
    {"rcc:{lobby}:events", NULL},
    {"r", NULL},
    {"", NULL},
    {"rc:canary:host", NULL},
};

static void a_room_is_found_in_the_name_of_its_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(channels); i++) {
        size_t channel_len = strlen(channels[i].channel), len = 0;
        char *copy = xmalloc(channel_len);
        const char *room;

        print_message("  %s\n", channels[i].channel);
        memcpy(copy, channels[i].channel, channel_len);
        room = keys_room_of_events(copy, channel_len, &len);
        assert_int_equal(room != NULL, channels[i].room != NULL);
        if (room) {
            assert_int_equal(len, strlen(channels[i].room));
            assert_memory_equal(room, channels[i].room, len);
        }
        free(copy);
    }
}

static const struct {
    const char *channel, *room;
} expiries[] = {
    {"__keyspace@0__:rc:{lobby}:meta", "lobby"},
    {"__keyspace@15__:rc:{a:b}:meta", "a:b"},
    {"__keyspace@0__:rc:{lobby}:members", NULL},
    {"__keyspace@0__:xc:{lobby}:meta", NULL},
    {"__keyevent@0__:expired", NULL},
    {"__keyspace@0__", NULL},
    {"__keyspace", NULL},
    {"rc:{lobby}:meta", NULL},
    {"", NULL},
};

static void a_room_is_found_in_the_notice_of_its_expiry(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expiries); i++) {
        size_t channel_len = strlen(expiries[i].channel), len = 0;
        char *copy = xmalloc(channel_len);
        const char *room;

        print_message("  %s\n", expiries[i].channel);
        memcpy(copy, expiries[i].channel, channel_len);
        room = keys_room_of_expiry(copy, channel_len, &len);
        assert_int_equal(room != NULL, expiries[i].room != NULL);
        if (room) {
            assert_int_equal(len, strlen(expiries[i].room));
            assert_memory_equal(room, expiries[i].room, len);
        }
        free(copy);
    }
}

static void each_key_and_channel_is_a_name_of_its_own(void **state)
{
    char keys[16][KEYS_MAX_BYTES];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(room_keys); i++)
        keys_room(keys[count++], "r", 1, room_keys[i].which);
    keys_on_node(keys[count++], "r", 1, "n");
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(keys[i], keys[k]);
}

static const struct {
    const char *key, *room; /* NULL: it is none */
    bool is_bans, is_on;
} of_rooms[] = {
    {"rc:{lobby}:meta", "lobby", false, false},
    {"rc:{a b}:bans", "a b", true, false},
    {"rc:{lobby}:bans:old", "lobby", false, false},
    {"rc:{lobby}:on:host-1-0.0", "lobby", false, true},
    {"rc:{on:}:on:", "on:", false, false},
    {"rc:{}:", "", false, false},
    {"rc:{lobby}", NULL, false, false},
    {"rc:{lobby:meta", NULL, false, false},
    {"rc:shard:{10}:nodes", NULL, false, false},
    {"rc:{", NULL, false, false},
    {"rc:", NULL, false, false},
    {"", NULL, false, false},
};

static void a_room_is_found_in_any_key_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(of_rooms); i++) {
        size_t key_len = strlen(of_rooms[i].key), len = 99;
        char *copy = malloc(key_len + 1); /* so that a byte too far is found */
        const char *room;

        print_message("  %s\n", of_rooms[i].key);
        memcpy(copy, of_rooms[i].key, key_len);
        room = keys_room_of_key(copy, key_len, &len);
        assert_int_equal(room != NULL, of_rooms[i].room != NULL);
        if (room) {
            assert_int_equal(len, strlen(of_rooms[i].room));
            assert_memory_equal(room, of_rooms[i].room, len);
            assert_int_equal(keys_is_of_room(copy, key_len, KEY_BANS),
                             of_rooms[i].is_bans);
            assert_int_equal(keys_is_on_node(copy, key_len), of_rooms[i].is_on);
        }
        free(copy);
    }
}

static void names_of_either_kind_of_fleet_can_be_had(void **state)
{
    char key[KEYS_MAX_BYTES];

    (void)state;
    expect_name(key, keys_fleet_in(key, true, 0, KEY_AUDIT), "rc:shard:{10}:audit");
    expect_name(key, keys_fleet_in(key, false, 0, KEY_AUDIT), "rc:audit");
    expect_name(key, keys_node_in(key, true, 1, "n", KEY_NODE_ROOMS),
                "rc:shard:{18}:node:n:rooms");
    expect_name(key, keys_node_in(key, false, 1, "n", KEY_NODE), "rc:node:n");
    expect_name(key, keys_rooms_pattern(key), "rc:{*");
}

static void what_signing_in_needs_is_with_the_first_shard(void **state)
{
    static const struct {
        enum login_key which;
        const char *alone, *in_cluster;
    } names[] = {
        {KEY_SESSION, "rc:session:x", "rc:shard:{10}:session:x"},
        {KEY_LOGIN, "rc:login:x", "rc:shard:{10}:login:x"},
        {KEY_LOGIN_CODE, "rc:login:code:x", "rc:shard:{10}:login:code:x"},
    };
    char key[KEYS_MAX_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        expect_name(key, keys_login(key, "x", names[i].which), names[i].alone);
        keys_set_cluster(true);
        expect_name(key, keys_login(key, "x", names[i].which), names[i].in_cluster);
        keys_set_cluster(false);
    }
}

#define TEST(f) cmocka_unit_test_setup(f, set_prefix)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_of_a_room_carry_its_tag),
        TEST(the_connections_of_a_user_are_where_a_room_of_that_name_is),
        TEST(each_redis_of_a_list_has_the_same_registry),
        TEST(a_registry_of_a_cluster_is_in_one_slot_of_its_shard),
        TEST(keys_of_rooms_are_the_same_in_a_cluster),
        TEST(a_canary_of_a_cluster_goes_by_the_tag_of_its_shard),
        TEST(users_and_keys_never_meet),
        TEST(a_key_may_hold_a_nul),
        TEST(the_longest_names_fit),
        TEST(what_is_too_long_is_no_name),
        TEST(a_prefix_is_in_every_name),
        TEST(a_room_is_found_in_the_name_of_its_channel),
        TEST(a_room_is_found_in_the_notice_of_its_expiry),
        TEST(each_key_and_channel_is_a_name_of_its_own),
        TEST(a_room_is_found_in_any_key_of_it),
        TEST(names_of_either_kind_of_fleet_can_be_had),
        TEST(what_signing_in_needs_is_with_the_first_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
