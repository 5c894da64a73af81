/* test_cluster_maps.c - the map of a cluster for all workers: who may read it, and when others have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_maps.h"

static struct cluster_maps maps;

static int set_up(void **state)
{
    (void)state;
    cluster_maps_init(&maps);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cluster_maps_deinit(&maps);
    return 0;
}

/* Slot 7 at this port. */
static void put(uint16_t port)
{
    const struct cluster_host owner = {.host = "10.0.0.1", .port = port};
    struct cluster_map map;

    cluster_map_init(&map);
    cluster_map_set_owner(&map, 7, &owner);
    cluster_maps_put(&maps, &map);
    cluster_map_deinit(&map);
}

static void one_reads_at_a_time_and_seldom(void **state)
{
    (void)state;
    assert_true(cluster_maps_begin(&maps, false, 1000));
    assert_false(cluster_maps_begin(&maps, true, 9000)); /* the first is not done */
    cluster_maps_put(&maps, NULL);
    assert_false(cluster_maps_begin(&maps, true, 1099));
    assert_true(cluster_maps_begin(&maps, true, 1100));
    cluster_maps_put(&maps, NULL);
    assert_false(cluster_maps_begin(&maps, false, 6099));
    assert_true(cluster_maps_begin(&maps, false, 6100));
    cluster_maps_put(&maps, NULL);
}

static void each_takes_a_new_map_once(void **state)
{
    uint64_t first = 0, second = 0;
    struct cluster_map map = {.masters = NULL};

    (void)state;
    assert_false(cluster_maps_take(&maps, &first, &map));
    put(7001);
    assert_true(cluster_maps_take(&maps, &first, &map));
    assert_int_equal(cluster_map_owner(&map, 7)->port, 7001);
    assert_null(cluster_map_owner(&map, 8));
    assert_false(cluster_maps_take(&maps, &first, &map));
    put(7002);
    assert_true(cluster_maps_take(&maps, &first, &map));
    assert_true(cluster_maps_take(&maps, &second, &map));
    assert_int_equal(cluster_map_owner(&map, 7)->port, 7002);
    cluster_map_deinit(&map);
}

static void a_map_that_could_not_be_read_changes_nothing(void **state)
{
    uint64_t version = 0;
    struct cluster_map map = {.masters = NULL};

    (void)state;
    put(7001);
    assert_true(cluster_maps_take(&maps, &version, &map));
    cluster_maps_put(&maps, NULL);
    assert_false(cluster_maps_take(&maps, &version, &map));
    cluster_map_deinit(&map);
}

static void that_it_is_refused_is_known_until_there_is_one(void **state)
{
    (void)state;
    assert_false(cluster_maps_is_refused(&maps));
    assert_true(cluster_maps_begin(&maps, false, 1000));
    assert_true(cluster_maps_refuse(&maps));
    assert_true(cluster_maps_begin(&maps, true, 2000));
    assert_false(cluster_maps_refuse(&maps)); /* no news */
    assert_true(cluster_maps_begin(&maps, true, 3000));
    cluster_maps_put(&maps, NULL);
    assert_true(cluster_maps_is_refused(&maps));
    put(7001);
    assert_false(cluster_maps_is_refused(&maps));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_reads_at_a_time_and_seldom),
        TEST(each_takes_a_new_map_once),
        TEST(a_map_that_could_not_be_read_changes_nothing),
        TEST(that_it_is_refused_is_known_until_there_is_one),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
