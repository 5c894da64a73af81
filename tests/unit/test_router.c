/* test_router.c - every room is on the one Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/router.h"

static void with_one_redis_every_room_is_on_shard_0(void **state)
{
    static const char *const rooms[] = {"a", "lobby", "\xc3\xa9t\xc3\xa9", "a:b"};

    (void)state;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        assert_int_equal(shard_of(rooms[i], 1, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_one_redis_every_room_is_on_shard_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
