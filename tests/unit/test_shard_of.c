/* test_shard_of.c - the shards of rooms that the contract names, and the properties that a fleet
 * rests on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/fnv.h"
#include "common/shard_of.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KAIGISHITSU "\xe4\xbc\x9a\xe8\xad\xb0\xe5\xae\xa4"

static void the_64_bit_hash_is_that_of_everybody_else(void **state)
{
    (void)state; /* of the reference test suite of FNV */
    assert_true(fnv64_add(FNV64_START, "", 0) == 0xcbf29ce484222325);
    assert_true(fnv64_add(FNV64_START, "a", 1) == 0xaf63dc4c8601ec8c);
    assert_true(fnv64_add(FNV64_START, "foobar", 6) == 0x85944171f73967e8);
}

static void a_room_of_a_list_is_where_the_contract_says(void **state)
{
    static const unsigned shards[] = {2, 3, 5, 16};
    static const struct {
        const char *room;
        unsigned expected[COUNT(shards)];
    } rooms[] = {
        {"lobby", {1, 2, 2, 8}},
        {"kitchen", {0, 0, 3, 10}},
        {KAIGISHITSU, {1, 1, 4, 9}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rooms); i++)
        for (size_t k = 0; k < COUNT(shards); k++)
            assert_int_equal(shard_of(rooms[i].room, strlen(rooms[i].room), shards[k]),
                             rooms[i].expected[k]);
}

static void with_one_redis_every_room_is_of_shard_0(void **state)
{
    (void)state;
    assert_int_equal(shard_of("lobby", 5, 1), 0);
    assert_int_equal(shard_of("", 0, 1), 0);
    assert_int_equal(shard_of("\xff\0\xff", 3, 1), 0);
}

/* So that a longer list takes from each shard what it needs, and moves nothing between others. */
static void one_more_shard_takes_rooms_for_itself_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        char room[16];
        size_t len = (size_t)snprintf(room, sizeof(room), "room-%d", i);

        for (unsigned shards = 1; shards < SHARD_OF_MAX; shards++) {
            unsigned before = shard_of(room, len, shards),
                     after = shard_of(room, len, shards + 1);

            assert_true(after == before || after == shards);
        }
    }
}

static void rooms_are_spread_evenly(void **state)
{
    static const char *const kinds[] = {"%d", "room-%d", "user:%08d:inbox"};
    enum { SHARDS = 16, ROOMS = 40000 };

    (void)state;
    for (size_t kind = 0; kind < COUNT(kinds); kind++) {
        unsigned counts[SHARDS] = {0};

        for (int i = 0; i < ROOMS; i++) {
            char room[32];
            int len = snprintf(room, sizeof(room), kinds[kind], i);

            counts[shard_of(room, (size_t)len, SHARDS)]++;
        }
        for (int i = 0; i < SHARDS; i++)
            assert_in_range(counts[i], ROOMS / SHARDS * 95 / 100,
                            ROOMS / SHARDS * 105 / 100);
    }
}

static void a_room_of_a_cluster_is_where_its_slot_is(void **state)
{
    (void)state;
    assert_int_equal(shard_of("lobby", 5, SHARD_OF_CLUSTER), 10294 / 256);
    assert_int_equal(shard_of("kitchen", 7, SHARD_OF_CLUSTER), 12860 / 256);
    assert_int_equal(shard_of(KAIGISHITSU, 9, SHARD_OF_CLUSTER), 8757 / 256);
}

static unsigned shard_of_number(unsigned number)
{
    char tag[16];
    int len = snprintf(tag, sizeof(tag), "{%u}", number);

    return cluster_slot_of_key(tag, (size_t)len) / SHARD_OF_SLOTS;
}

static void a_registry_has_the_smallest_number_in_its_shard(void **state)
{
    (void)state;
    for (unsigned shard = 0; shard < SHARD_OF_MAX; shard++) {
        unsigned smallest = 0;

        while (shard_of_number(smallest) != shard)
            smallest++;
        assert_int_equal(shard_of_tag(shard), smallest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_64_bit_hash_is_that_of_everybody_else),
        cmocka_unit_test(a_room_of_a_list_is_where_the_contract_says),
        cmocka_unit_test(with_one_redis_every_room_is_of_shard_0),
        cmocka_unit_test(one_more_shard_takes_rooms_for_itself_alone),
        cmocka_unit_test(rooms_are_spread_evenly),
        cmocka_unit_test(a_room_of_a_cluster_is_where_its_slot_is),
        cmocka_unit_test(a_registry_has_the_smallest_number_in_its_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
