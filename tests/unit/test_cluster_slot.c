/* test_cluster_slot.c - the slots that Redis gives keys: each number is what CLUSTER KEYSLOT of
 * Redis 7.0 answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_slot.h"
#include "common/xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *key;
    unsigned slot;
} keys[] = {
    {"", 0},
    {"foo", 12182},
    {"123456789", 12739},
    {"{foo}", 12182},
    {"{foo}bar", 12182},
    {"a{foo}", 12182},
    {"a{foo}{bar}", 12182},
    {"{}", 15257},
    {"{}foo", 9500},
    {"foo{}bar", 14292},
    {"foo{}{bar}", 8363},
    {"foo{{bar}}zap", 4015},
    {"foo{bar", 15278},
    {"foo}bar{", 11073},
    {"}{foo}", 12182},
    {"rc:{lobby}:meta", 10294},
    {"rc:{kitchen}:events", 12860},
    {"rc:{\xe4\xbc\x9a\xe8\xad\xb0\xe5\xae\xa4}:on:a-1.0", 8757},
    {"rc:shard:{10}:nodes", 247},
    {"rc:canary:{343}:a-1.0", 5012},
};

/* A copy of its exact length, so that ASan sees a byte too many. */
static char *copy(const char *text)
{
    return xmemdup(text, strlen(text));
}

static void a_key_is_in_the_slot_that_redis_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        char *key = copy(keys[i].key);

        print_message("  %s\n", keys[i].key);
        assert_int_equal(cluster_slot_of_key(key, strlen(keys[i].key)), keys[i].slot);
        free(key);
    }
}

static void a_room_is_in_the_slot_of_its_keys(void **state)
{
    static const char *const rooms[] = {"lobby", "a b/c:d", "\xe4\xbc\x9a\xe8\xad\xb0",
                                        "7"};

    (void)state;
    for (size_t i = 0; i < COUNT(rooms); i++) {
        char key[64];
        int len = snprintf(key, sizeof(key), "rc:{%s}:meta", rooms[i]);

        assert_int_equal(cluster_slot_of_room(rooms[i], strlen(rooms[i])),
                         cluster_slot_of_key(key, (size_t)len));
    }
}

static void a_key_may_hold_any_byte(void **state)
{
    (void)state;
    assert_int_equal(cluster_slot_of_key("a\0b", 3), 8383);
    assert_int_equal(cluster_slot_of_key("\xff\xfe\x80", 3), 11813);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_in_the_slot_that_redis_says),
        cmocka_unit_test(a_room_is_in_the_slot_of_its_keys),
        cmocka_unit_test(a_key_may_hold_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
