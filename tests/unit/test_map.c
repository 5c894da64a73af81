/* test_map.c - a map against a plain array that says what it must hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/map.h"

enum { NAMES = 2000, STEPS = 200000 };

struct entry {
    char name[24];
    size_t len;
    bool added;
};

static struct entry entries[NAMES];

static void name_entries(void)
{
    for (int i = 0; i < NAMES; i++) {
        snprintf(entries[i].name, sizeof(entries[i].name), "room-%d", i);
        entries[i].len = strlen(entries[i].name);
        entries[i].added = false;
    }
}

/* Numbers that look random and are the same in every run. */
static uint32_t next_number(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void an_empty_map_finds_nothing_and_holds_no_memory(void **state)
{
    struct map map = {0};
    uint32_t at = 0;

    (void)state;
    assert_null(map_find(&map, "a", 1));
    assert_null(map_remove(&map, "a", 1));
    assert_null(map_next(&map, &at));
    assert_null(map.slots);
}

static void keys_are_bytes_with_a_length(void **state)
{
    static const struct {
        const char *key;
        size_t len;
    } keys[] = {{"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"", 0}, {"ab", 2}, {"\xff", 1}};
    struct map map = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_null(map_find(&map, keys[i].key, keys[i].len));
        map_add(&map, keys[i].key, keys[i].len, (void *)&keys[i]);
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_ptr_equal(map_find(&map, keys[i].key, keys[i].len), &keys[i]);
    map_deinit(&map);
}

static void a_map_agrees_with_an_array_after_every_step(void **state)
{
    struct map map = {0};
    uint32_t seed = 1, count = 0;

    (void)state;
    name_entries();
    for (int i = 0; i < STEPS; i++) {
        /* Grows for a quarter of the steps, then shrinks for one, and so on. */
        bool growing = i / (STEPS / 4) % 2 == 0;
        struct entry *e = &entries[next_number(&seed) % NAMES];

        assert_ptr_equal(map_find(&map, e->name, e->len), e->added ? e : NULL);
        if (!e->added && (growing || next_number(&seed) % 4 == 0)) {
            map_add(&map, e->name, e->len, e);
            e->added = true;
            count++;
        } else if (e->added && (!growing || next_number(&seed) % 4 == 0)) {
            assert_ptr_equal(map_remove(&map, e->name, e->len), e);
            e->added = false;
            count--;
        }
        assert_int_equal(map.count, count);
        assert_true(map.count <= map.cap / 4 * 3);
    }
    for (int i = 0; i < NAMES; i++)
        assert_ptr_equal(map_find(&map, entries[i].name, entries[i].len),
                         entries[i].added ? &entries[i] : NULL);
    map_deinit(&map);
}

static void a_walk_meets_each_value_once(void **state)
{
    struct map map = {0};
    uint32_t at = 0, met = 0;
    struct entry *e;

    (void)state;
    name_entries();
    for (int i = 0; i < NAMES; i++)
        map_add(&map, entries[i].name, entries[i].len, &entries[i]);
    while ((e = map_next(&map, &at))) {
        assert_false(e->added);
        e->added = true;
        met++;
    }

    assert_int_equal(met, NAMES);
    map_deinit(&map);
}

static void a_map_that_empties_gives_its_memory_back_on_the_way(void **state)
{
    struct map map = {0};
    uint32_t largest;

    (void)state;
    name_entries();
    for (int i = 0; i < NAMES; i++)
        map_add(&map, entries[i].name, entries[i].len, &entries[i]);
    largest = map.cap;
    for (int i = 0; i < NAMES - 10; i++)
        map_remove(&map, entries[i].name, entries[i].len);
    assert_true(map.cap < largest / 16);
    for (int i = NAMES - 10; i < NAMES; i++)
        assert_ptr_equal(map_remove(&map, entries[i].name, entries[i].len),
                         &entries[i]);

    assert_null(map.slots);
    assert_int_equal(map.cap, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_finds_nothing_and_holds_no_memory),
        cmocka_unit_test(keys_are_bytes_with_a_length),
        cmocka_unit_test(a_map_agrees_with_an_array_after_every_step),
        cmocka_unit_test(a_walk_meets_each_value_once),
        cmocka_unit_test(a_map_that_empties_gives_its_memory_back_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
