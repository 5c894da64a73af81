/* test_feed_rooms.c - which workers want a room: a bit each, for any number of workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/feed_rooms.h"

static struct json_text text(const char *name)
{
    return (struct json_text){name, strlen(name)};
}

static void
a_room_is_there_while_somebody_wants_it_or_something_is_pending(void **state)
{
    struct feed_rooms rooms;
    struct feed_room *room;

    (void)state;
    feed_rooms_init(&rooms, 3);
    room = feed_rooms_get(&rooms, text("lobby"));
    assert_ptr_equal(feed_rooms_get(&rooms, text("lobby")), room);
    assert_int_equal(feed_rooms_name(&rooms, room).len, 5);
    assert_memory_equal(feed_rooms_name(&rooms, room).base, "lobby", 5);
    feed_rooms_want(room, 2, true);
    feed_rooms_free_if_done(&rooms, room);
    assert_ptr_equal(feed_rooms_find(&rooms, text("lobby")), room);
    room->pending = 1;
    feed_rooms_want(room, 2, false);
    feed_rooms_free_if_done(&rooms, room);
    assert_ptr_equal(feed_rooms_find(&rooms, text("lobby")), room);
    room->pending = 0;
    feed_rooms_free_if_done(&rooms, room);
    assert_null(feed_rooms_find(&rooms, text("lobby")));
    assert_int_equal(rooms.map.count, 0);
}

static void each_worker_has_its_own_bit(void **state)
{
    static const unsigned counts[] = {1, 7, 8, 9, 16, 64, 256};

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        unsigned workers = counts[c];
        struct feed_rooms rooms;
        struct feed_room *room;

        feed_rooms_init(&rooms, workers);
        room = feed_rooms_get(&rooms, text("r"));
        for (unsigned i = 0; i < workers; i++) {
            assert_false(feed_rooms_is_wanted(&rooms, room));
            feed_rooms_want(room, i, true);
            assert_true(feed_rooms_is_wanted_by(room, i));
            assert_int_equal(feed_rooms_next(&rooms, room, 0), i);
            assert_int_equal(feed_rooms_next(&rooms, room, i), i);
            assert_int_equal(feed_rooms_next(&rooms, room, i + 1), workers);
            feed_rooms_want(room, i, false);
        }
        assert_memory_equal(feed_rooms_name(&rooms, room).base, "r", 1);
        feed_rooms_clear(&rooms);
    }
}

static void all_that_want_it_are_found_in_order(void **state)
{
    struct feed_rooms rooms;
    struct feed_room *room;
    unsigned found = 0;

    (void)state;
    feed_rooms_init(&rooms, 200);
    room = feed_rooms_get(&rooms, text("r"));
    for (unsigned i = 0; i < 200; i += 7)
        feed_rooms_want(room, i, true);
    for (unsigned i = feed_rooms_next(&rooms, room, 0); i < 200;
         i = feed_rooms_next(&rooms, room, i + 1))
        assert_int_equal(i, 7 * found++);
    assert_int_equal(found, 29);
    feed_rooms_clear(&rooms);
}

static void the_rooms_of_one_worker_are_listed(void **state)
{
    struct feed_rooms rooms;
    struct feed_room **all;
    unsigned count;
    char name[16];

    (void)state;
    feed_rooms_init(&rooms, 2);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "room-%u", i);
        feed_rooms_want(feed_rooms_get(&rooms, text(name)), i % 4 == 0, true);
    }
    all = feed_rooms_wanted_by(&rooms, 1, &count);
    assert_int_equal(count, 25);
    for (unsigned i = 0; i < count; i++)
        assert_true(feed_rooms_is_wanted_by(all[i], 1));
    free(all);
    feed_rooms_clear(&rooms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_room_is_there_while_somebody_wants_it_or_something_is_pending),
        cmocka_unit_test(each_worker_has_its_own_bit),
        cmocka_unit_test(all_that_want_it_are_found_in_order),
        cmocka_unit_test(the_rooms_of_one_worker_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
