/* test_metrics.c - adding up the workers, and Prometheus' text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/metrics.h"
#include "tests/support/unit/quotes.h"

static struct metrics first, second;
static struct metrics *const both[] = {&first, &second};

static int zero_workers(void **state)
{
    (void)state;
    memset(&first, 0, sizeof(first));
    memset(&second, 0, sizeof(second));
    return 0;
}

/* Whether the text of both workers has `line`. */
static void assert_printed(const char *line)
{
    struct strbuf out = {0}, wanted = {0};

    metrics_print(&out, METRICS_GATEWAY, both, 2);
    strbuf_add_format(&wanted, "\n%s\n", line);
    if (!strstr(out.data, wanted.data))
        fail_msg("no line \"%s\" in:\n%s", line, out.data);
    strbuf_deinit(&out);
    strbuf_deinit(&wanted);
}

static void counters_and_gauges_are_summed(void **state)
{
    (void)state;
    metric_add(&first.deliveries_total, 3);
    metric_add(&second.deliveries_total, 4);
    metric_set(&first.rooms, 10);
    metric_sub(&second.rooms, 1);

    assert_printed("# HELP roomcast_deliveries_total "
                   "Messages handed to a member's connection");
    assert_printed("# TYPE roomcast_deliveries_total counter");
    assert_printed("roomcast_deliveries_total 7");
    assert_printed("# TYPE roomcast_rooms gauge");
    assert_printed("roomcast_rooms 9");
}

static void every_label_value_has_its_line_from_the_start(void **state)
{
    (void)state;
    metric_add(&first.errors_total[PROTO_MUTED - 1], 2);

    assert_printed(q("roomcast_errors_total{code='muted'} 2"));
    assert_printed(q("roomcast_errors_total{code='bad_request'} 0"));
    assert_printed(q("roomcast_errors_total{code='internal'} 0"));
    assert_printed(q("roomcast_disconnects_total{reason='client'} 0"));
}

static void redis_is_up_when_it_is_for_every_worker(void **state)
{
    (void)state;
    metric_set(&first.redis_up[0], 1);
    assert_printed(q("roomcast_redis_up{shard='0'} 0"));
    metric_set(&second.redis_up[0], 1);
    assert_printed(q("roomcast_redis_up{shard='0'} 1"));
}

static void the_oldest_canary_counts_and_is_printed_in_seconds(void **state)
{
    (void)state;
    metric_set(&first.canary_age_seconds[0], 12034);
    metric_set(&second.canary_age_seconds[0], 900);

    assert_printed(q("roomcast_canary_age_seconds{shard='0'} 12.034"));
}

static void
a_histogram_is_cumulative_and_its_bounds_belong_to_their_bucket(void **state)
{
    (void)state;
    metric_observe_ns(&first.publish_seconds, 100000);       /* 100 us: in the first */
    metric_observe_ns(&first.publish_seconds, 100001);       /* in the second */
    metric_observe_ns(&second.publish_seconds, 2000000);     /* 2 ms */
    metric_observe_ns(&second.publish_seconds, 11000000000); /* beyond the last */

    assert_printed("# TYPE roomcast_publish_seconds histogram");
    assert_printed(q("roomcast_publish_seconds_bucket{le='0.0001'} 1"));
    assert_printed(q("roomcast_publish_seconds_bucket{le='0.00025'} 2"));
    assert_printed(q("roomcast_publish_seconds_bucket{le='0.001'} 2"));
    assert_printed(q("roomcast_publish_seconds_bucket{le='0.0025'} 3"));
    assert_printed(q("roomcast_publish_seconds_bucket{le='10'} 3"));
    assert_printed(q("roomcast_publish_seconds_bucket{le='+Inf'} 4"));
    assert_printed("roomcast_publish_seconds_sum 11.002200001");
    assert_printed("roomcast_publish_seconds_count 4");
}

/* Each sample line follows the TYPE line of its own metric. */
static void every_sample_stands_under_its_type(void **state)
{
    struct strbuf out = {0};
    char name[128] = "";

    (void)state;
    metrics_print(&out, METRICS_GATEWAY, both, 2);
    for (char *rest = out.data, *line; (line = strsep(&rest, "\n")) && rest;) {
        if (strncmp(line, "# TYPE ", 7) == 0)
            assert_int_equal(sscanf(line + 7, "%127s", name), 1);
        else if (line[0] != '#')
            assert_memory_equal(line, name, strlen(name));
    }
    strbuf_deinit(&out);
}

static void each_program_prints_its_own_and_what_both_have(void **state)
{
    struct strbuf gateway = {0}, admin = {0};

    (void)state;
    metrics_print(&gateway, METRICS_GATEWAY, both, 2);
    metrics_print(&admin, METRICS_ADMIN, both, 2);
    assert_non_null(strstr(gateway.data, "roomcast_deliveries_total 0"));
    assert_null(strstr(gateway.data, "roomcast_admin_"));
    assert_non_null(strstr(admin.data, "roomcast_admin_listeners 0"));
    assert_null(strstr(admin.data, "deliveries_total"));
    assert_non_null(strstr(gateway.data, q("roomcast_redis_up{shard='0'} 0")));
    assert_non_null(strstr(admin.data, q("roomcast_redis_up{shard='0'} 0")));
    strbuf_deinit(&gateway);
    strbuf_deinit(&admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counters_and_gauges_are_summed, zero_workers),
        cmocka_unit_test_setup(every_label_value_has_its_line_from_the_start,
                               zero_workers),
        cmocka_unit_test_setup(redis_is_up_when_it_is_for_every_worker, zero_workers),
        cmocka_unit_test_setup(the_oldest_canary_counts_and_is_printed_in_seconds,
                               zero_workers),
        cmocka_unit_test_setup(
            a_histogram_is_cumulative_and_its_bounds_belong_to_their_bucket,
            zero_workers),
        cmocka_unit_test_setup(each_program_prints_its_own_and_what_both_have,
                               zero_workers),
        cmocka_unit_test_setup(every_sample_stands_under_its_type, zero_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
