/* test_clock_back.c - Redis's clock was set back by an hour: so the stamps of heartbeats are in
 * the future. Who is dead is found all the same, and who lives loses nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

/* A living gateway must not miss its heartbeat by a sixth of a lease: long enough for a machine
 * that is busy. */
enum { LEASE_MS = 6000, HOUR_MS = 3600000, PATIENCE_MS = 60000 };

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=0",
                                           "ROOMCAST_LEASE_SECS=6", NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 3, .settings = settings});
}

static void put_stamps_ahead(void)
{
    redisReply *nodes = redis_cmd_reply(fleet.redis_port, "ZRANGE rc:nodes 0 -1");

    assert_non_null(nodes);
    assert_int_equal(nodes->elements, 3);
    for (size_t i = 0; i < nodes->elements; i++)
        redis_cmd(fleet.redis_port, "ZINCRBY rc:nodes %d %s", HOUR_MS,
                  nodes->element[i]->str);
    freeReplyObject(nodes);
}

static bool is_past(void *data)
{
    return wait_now_ms() >= *(int64_t *)data;
}

static bool are_two_nodes_left(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "ZCARD rc:nodes") == 2;
}

/* Nobody is declared dead by a gateway whose heartbeats were not answered for a whole lease. */
static void who_is_dead_goes_within_two_leases_and_who_lives_stays(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port),
                *bob = chat_open(fleet.gateways[2].port),
                *cat = chat_open(fleet.gateways[1].port);
    int64_t settled = wait_now_ms() + LEASE_MS + LEASE_MS / 2, killed;

    (void)state;
    chat_join(ann, "stamps", "ann");
    chat_join(bob, "stamps", "bob");
    chat_join(cat, "stamps", "cat");
    chat_expect(ann, "member_joined");
    chat_expect(ann, "member_joined");
    assert_true(wait_until(is_past, &settled, PATIENCE_MS));

    killed = wait_now_ms();
    fleet_kill_gateway(&fleet, 2);
    put_stamps_ahead();
    chat_expect(ann, "member_left");
    assert_true(wait_now_ms() - killed < 2 * LEASE_MS);
    assert_string_equal(chat_get_text(ann, "user"), "bob");
    assert_string_equal(chat_get_text(ann, "reason"), "expired");
    assert_int_equal(chat_get_number(ann, "members"), 2);

    assert_true(wait_until(are_two_nodes_left, NULL, PATIENCE_MS));
    chat_expect_silence(ann, 2 * LEASE_MS - (long)(wait_now_ms() - killed));
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{stamps}:members"), 2);
    for (unsigned i = 0; i < 2; i++)
        assert_true(fleet_metric(&fleet, i, "roomcast_nodes_renamed_total") == 0);
    chat_abort(bob);
    chat_close(ann);
    chat_close(cat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_dead_goes_within_two_leases_and_who_lives_stays),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
