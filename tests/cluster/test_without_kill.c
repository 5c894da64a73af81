/* test_without_kill.c - a Redis Cluster that refuses CLIENT KILL: a link is cut again and again, and each time
 * the nodes whose calls it may have had take another name; nobody is seen leaving, and no ghost stays
 * (SPEC-SCALE S8, T15). CONFIG is refused as well, which is told once (S9).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/process.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { MASTERS = 3, ROOMS = 9, CUTS = 3, PATIENCE_MS = 60000 };

static struct redis_cluster cluster;
static struct fleet fleet;
static struct chat *anns[ROOMS], *bobs[ROOMS];

static const char *room(unsigned i)
{
    static char name[16];

    snprintf(name, sizeof(name), "kept-%u", i);
    return name;
}

/* All that docs/redis.md lists, but for one. */
static void make_user(void)
{
    for (unsigned m = 0; m < MASTERS; m++)
        redis_cmd(redis_cluster_port(&cluster, m),
                  "ACL SETUSER harmless reset on >secret ~rc:* &rc:* "
                  "&__keyspace@0__:rc:{*}:meta +@read +@write +@pubsub +@scripting "
                  "+@connection -@dangerous +time +info +cluster|slots +cluster|myid "
                  "+client|info -client|kill");
}

static int start(void **state)
{
    static char url[80];
    static const char *const settings[] = {url, "ROOMCAST_LEASE_SECS=6", NULL};

    (void)state;
    redis_cluster_open(&cluster, &(struct redis_cluster_opts){.masters = MASTERS});
    redis_cmd_follow();
    make_user();
    snprintf(url, sizeof(url),
             "ROOMCAST_REDIS_URL=redis+cluster://harmless:secret@127.0.0.1:%d",
             redis_cluster_port(&cluster, 0));
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    fleet.redis_port = redis_cluster_port(&cluster, 0);
    for (unsigned i = 0; i < ROOMS; i++) {
        anns[i] = chat_enter(fleet.gateways[0].port, room(i), "ann");
        bobs[i] = chat_enter(fleet.gateways[1].port, room(i), "bob");
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROOMS; i++) {
        chat_close(anns[i]);
        chat_close(bobs[i]);
    }
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

/* Each of the two is in through one node, which is known, and there are no others. */
static bool is_clean(void *data)
{
    for (unsigned i = 0; i < ROOMS; i++) {
        char members[64];
        redisReply *on;
        bool is_so;

        snprintf(members, sizeof(members), "rc:{%s}:members", room(i));
        on = redis_cmd_reply(redis_cmd_port_of(fleet.redis_port, members),
                             "KEYS rc:{%s}:on:*", room(i));
        is_so =
            on && on->elements == 2 &&
            redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:nodes", room(i)) == 2 &&
            redis_cmd_number(fleet.redis_port, "HGET %s ann", members) == 1 &&
            redis_cmd_number(fleet.redis_port, "HGET %s bob", members) == 1;
        freeReplyObject(on);
        if (!is_so)
            return false;
    }
    (void)data;
    return true;
}

struct renaming {
    unsigned gateway;
    double at_least;
};

static bool are_renamed(void *data)
{
    const struct renaming *renaming = data;

    return fleet_metric(&fleet, renaming->gateway, "roomcast_nodes_renamed_total") >=
           renaming->at_least;
}

/* All shards of each worker are. */
static void expect_renamed(unsigned times)
{
    for (unsigned g = 0; g < 2; g++) {
        struct renaming renaming = {g, 64.0 * fleet_workers() * times};

        if (!wait_until(are_renamed, &renaming, PATIENCE_MS))
            fail_msg("only %.0f renamed, not %.0f",
                     fleet_metric(&fleet, g, "roomcast_nodes_renamed_total"),
                     renaming.at_least);
    }
}

/* Nobody is seen leaving before it. */
static void say_and_hear(unsigned i, const char *text)
{
    chat_say_when_up(anns[i], room(i), text);
    do {
        assert_true(chat_recv(bobs[i], CHAT_DEADLINE_MS));
        assert_string_not_equal(chat_get_text(bobs[i], "type"), "member_left");
        assert_string_not_equal(chat_get_text(bobs[i], "type"), "reset");
    } while (strcmp(chat_get_text(bobs[i], "type"), "message") != 0 ||
             strcmp(chat_get_text(bobs[i], "text"), text) != 0);
}

static void a_link_that_is_cut_leaves_nobody_behind(void **state)
{
    (void)state;
    fleet_expect_logged(&fleet, 0, "redis_right_missing right=client|kill");
    for (unsigned cut = 0; cut < CUTS; cut++) {
        char text[32];

        snprintf(text, sizeof(text), "round %u", cut);
        for (unsigned m = 0; m < MASTERS; m++)
            redis_cmd(redis_cluster_port(&cluster, m),
                      "CLIENT KILL TYPE normal SKIPME yes");
        expect_renamed(cut + 1);
        fleet_wait_all_ready(&fleet);
        assert_true(wait_until(is_clean, NULL, PATIENCE_MS));
        for (unsigned i = 0; i < ROOMS; i++)
            say_and_hear(i, text);
    }
}

/* However often links were made again. */
static void a_refused_config_is_told_once_and_is_no_error(void **state)
{
    (void)state;
    for (unsigned g = 0; g < 2; g++) {
        const char *log_path = fleet.gateways[g].log_path;

        fleet_expect_logged(&fleet, g, "cluster_unknown");
        assert_int_equal(process_count_logged(log_path, "cluster_unknown"), 1);
        assert_false(process_has_logged(log_path, "kind=noperm"));
        assert_true(fleet_metric(&fleet, g,
                                 q("roomcast_redis_errors_total{kind='noperm'}")) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_is_cut_leaves_nobody_behind),
        cmocka_unit_test(a_refused_config_is_told_once_and_is_no_error),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
