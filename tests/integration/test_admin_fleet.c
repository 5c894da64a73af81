/* test_admin_fleet.c - gateways, totals, one user in all rooms, and the online series:
 * one sample a slot however many replicas there are, also when the one that samples dies.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 60000, SLOT_MS = 10000, USER_ROOMS = 100 };

static struct fleet fleet;
static struct admin admin;

static struct chat *join_on(unsigned gateway, const char *room, const char *user)
{
    return chat_enter(fleet.gateways[gateway].port, room, user);
}

/* ---- gateways and totals ---- */

struct expected {
    const char *name; /* of a number in /api/stats */
    double value;
};

static bool has_total(void *data)
{
    const struct expected *e = data;

    admin_get(&admin, 200, "/api/stats");
    return admin_number(&admin, e->name) == e->value;
}

static void wait_for_total(const char *name, double value)
{
    struct expected e = {name, value};

    if (!wait_until(has_total, &e, PATIENCE_MS))
        fail_msg("%s is not %g: %s", name, value, admin.answer.body);
}

static void the_totals_follow_the_heartbeats(void **state)
{
    struct chat *chats[] = {join_on(0, "a", "ann"), join_on(1, "a", "ann"),
                            join_on(1, "b", "bob")};
    double messages;

    (void)state;
    wait_for_total("connections", 3);
    wait_for_total("members", 3); /* ann counts twice */
    wait_for_total("rooms", 2);
    wait_for_total("gateways", 2);
    assert_true(admin_is_true(&admin, "redis_up"));
    messages = admin_number(&admin, "messages_total");
    for (int i = 0; i < 5; i++)
        chat_say(chats[0], "a", "hello");
    wait_for_total("messages_total", messages + 5);
    for (int i = 0; i < 3; i++)
        chat_close(chats[i]);
    wait_for_total("connections", 0);
}

static const char *node_text(int i, const char *name)
{
    char field[64];

    snprintf(field, sizeof(field), "gateways.%d.%s", i, name);
    return admin_text(&admin, field);
}

static double node_number(int i, const char *name)
{
    char field[64];

    snprintf(field, sizeof(field), "gateways.%d.%s", i, name);
    return admin_number(&admin, field);
}

/* The entry of a gateway, by its process. */
static int find_node(unsigned gateway)
{
    char pid[32];

    snprintf(pid, sizeof(pid), "-%d-", (int)fleet.gateways[gateway].process.pid);
    for (int i = 0; i < admin_count(&admin, "gateways"); i++)
        if (strstr(node_text(i, "node"), pid))
            return i;
    return -1;
}

static void each_node_is_listed(void **state)
{
    struct chat *ann = join_on(1, "node", "ann");

    (void)state;
    wait_for_total("connections", 1);
    admin_get(&admin, 200, "/api/gateways");
    assert_int_equal(admin_count(&admin, "gateways"), 2);
    for (unsigned i = 0; i < 2; i++) {
        int at = find_node(i);
        char address[64];

        assert_true(at >= 0);
        snprintf(address, sizeof(address), "gateway-%u", i);
        assert_string_equal(node_text(at, "address"), address);
        assert_true(node_text(at, "version")[0] != '\0');
        assert_true(node_number(at, "started_at") > 1e12);
        assert_int_equal(node_number(at, "connections"), i);
        assert_int_equal(node_number(at, "members"), i);
        assert_int_equal(node_number(at, "rooms"), i);
        assert_true(node_number(at, "heartbeat_age_ms") < 60000);
        snprintf(address, sizeof(address), "gateways.%d.draining", at);
        assert_false(admin_is_true(&admin, address));
    }
    chat_close(ann);
}

/* Whether there is a node that is dead and not reaped yet: null in all but its name and
 * its silence. */
static bool lists_a_dead_node(void *data)
{
    static const char *const names[] = {"address",     "version", "started_at",
                                        "connections", "rooms",   "members",
                                        "draining"};
    char field[64];
    int at;

    (void)data;
    admin_get(&admin, 200, "/api/gateways");
    at = find_node(1);
    assert_true(at >= 0);
    snprintf(field, sizeof(field), "gateways.%d.address", at);
    if (!admin_is_null(&admin, field))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(field, sizeof(field), "gateways.%d.%s", at, names[i]);
        assert_true(admin_is_null(&admin, field));
    }
    assert_true(node_number(at, "heartbeat_age_ms") >= 2000);
    return true;
}

static bool is_reaped(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "EXISTS rc:{dead}:members") == 0;
}

/* Both sleep, so that nobody reaps the other. */
static void a_dead_node_is_listed_until_it_is_reaped(void **state)
{
    struct chat *ann = join_on(1, "dead", "ann");

    (void)state;
    process_signal(&fleet.gateways[0].process, SIGSTOP);
    process_signal(&fleet.gateways[1].process, SIGSTOP);
    assert_true(wait_until(lists_a_dead_node, NULL, PATIENCE_MS));
    fleet_kill_gateway(&fleet, 1);
    process_signal(&fleet.gateways[0].process, SIGCONT);
    chat_abort(ann);
    wait_for_total("gateways", 1);
    fleet_start_gateway(&fleet, 1);
    wait_for_total("gateways", 2);
    assert_true(wait_until(is_reaped, NULL, PATIENCE_MS));
}

static bool shows_no_age(void *data)
{
    int at;

    (void)data;
    admin_get(&admin, 200, "/api/gateways");
    at = find_node(1);
    assert_true(at >= 0);
    return node_number(at, "heartbeat_age_ms") > 3600000; /* the longest lease */
}

/* Both sleep, so that nobody puts the stamp right. */
static void a_stamp_in_the_future_is_shown_as_silent(void **state)
{
    long long ahead_ms;
    char *clock;

    (void)state;
    process_signal(&fleet.gateways[0].process, SIGSTOP);
    process_signal(&fleet.gateways[1].process, SIGSTOP);
    clock =
        redis_cmd_text(fleet.redis_port, "EVAL %s 0", "return redis.call('TIME')[1]");
    ahead_ms = (atoll(clock) + 3600) * 1000;
    admin_get(&admin, 200, "/api/gateways");
    redis_cmd(fleet.redis_port, "ZADD rc:nodes XX %lld %s", ahead_ms,
              node_text(find_node(1), "node"));
    assert_true(wait_until(shows_no_age, NULL, PATIENCE_MS));
    assert_true(node_number(find_node(0), "heartbeat_age_ms") < 3600000);
    process_signal(&fleet.gateways[0].process, SIGCONT);
    process_signal(&fleet.gateways[1].process, SIGCONT);
    wait_for_total("gateways", 2);
    fleet_wait_all_ready(&fleet);
    free(clock);
}

/* ---- a user ---- */

/* Rooms that are in a node's set because it may have members in them, and has none. */
static void add_rooms_to_nodes(void)
{
    admin_get(&admin, 200, "/api/gateways");
    for (int i = 0; i < 2; i++)
        redis_cmd(fleet.redis_port, "EVAL %s 1 rc:node:%s:rooms",
                  "for i = 1, 20000 do redis.call('SADD', KEYS[1], 'stale ' .. i) end",
                  node_text(i, "node"));
}

/* Counts in `seen` the rooms "of ann <i>" of all pages; how many pages there were. */
static int list_rooms_of_ann(unsigned char *seen)
{
    char *cursor = NULL;
    int pages = 0;

    do {
        struct strbuf path = {0};

        strbuf_add_text(&path, "/api/users/ann");
        if (cursor) {
            strbuf_add_text(&path, "?cursor=");
            strbuf_add_percent(&path, cursor, strlen(cursor));
        }
        admin_get(&admin, 200, "%s", path.data);
        strbuf_deinit(&path);
        for (int i = 0; i < admin_count(&admin, "rooms"); i++) {
            char field[32];
            int number;

            snprintf(field, sizeof(field), "rooms.%d", i);
            if (sscanf(admin_text(&admin, field), "of ann %d", &number) != 1)
                fail_msg("ann is not in %s", admin_text(&admin, field));
            seen[number]++;
        }
        free(cursor);
        cursor =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
        assert_true(++pages < 1000);
    } while (cursor);
    return pages;
}

static void a_user_is_found_in_all_rooms(void **state)
{
    struct chat *chats[] = {chat_open(fleet.gateways[0].port),
                            chat_open(fleet.gateways[1].port)};
    unsigned char seen[USER_ROOMS] = {0}, again[USER_ROOMS] = {0};

    (void)state;
    for (int i = 0; i < USER_ROOMS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "of ann %d", i);
        chat_join(chats[i % 2], room, "ann");
        if (i % 10 == 0) /* on both */
            chat_join(chats[(i + 1) % 2], room, "ann");
    }
    chat_join(chats[0], "not of ann", "anna");
    list_rooms_of_ann(seen);
    add_rooms_to_nodes();
    assert_true(list_rooms_of_ann(again) >= 4); /* 10,000 names a request */
    for (int i = 0; i < USER_ROOMS; i++) {
        assert_int_equal(seen[i], 1);
        assert_true(again[i] >= 1);
    }
    admin_get(&admin, 200, "/api/users/nobody");
    assert_int_equal(admin_count(&admin, "rooms"), 0);
    chat_close(chats[0]);
    chat_close(chats[1]);
}

/* ---- the online series ---- */

struct series {
    struct admin *of;
    int count; /* samples wanted */
    double after;
};

static double sample_number(struct admin *of, int i, const char *name)
{
    char field[64];

    snprintf(field, sizeof(field), "samples.%d.%s", i, name);
    return admin_number(of, field);
}

static bool has_samples(void *data)
{
    const struct series *s = data;
    int count = 0;

    admin_get(s->of, 200, "/api/stats/online");
    for (int i = 0; i < admin_count(s->of, "samples"); i++)
        count += sample_number(s->of, i, "ts") > s->after;
    return count >= s->count;
}

static double last_sample(struct admin *of)
{
    int count;

    admin_get(of, 200, "/api/stats/online");
    count = admin_count(of, "samples");
    return count ? sample_number(of, count - 1, "ts") : 0;
}

static long long slot_of(struct admin *of, int i)
{
    return (long long)sample_number(of, i, "ts") / SLOT_MS;
}

/* Oldest first, and no two in the same ten seconds. */
static void expect_one_a_slot(struct admin *of)
{
    admin_get(of, 200, "/api/stats/online?minutes=1440");
    for (int i = 1; i < admin_count(of, "samples"); i++)
        assert_true(slot_of(of, i) > slot_of(of, i - 1));
    assert_int_equal(admin_count(of, "samples"),
                     redis_cmd_number(fleet.redis_port, "LLEN rc:stats:online"));
}

static bool has_sampler(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "EXISTS rc:stats:sampler") == 1;
}

/* The first is alone for a while, so it is the one that samples when it is killed. */
static void one_of_the_replicas_samples(void **state)
{
    struct chat *ann = join_on(0, "series", "ann");
    struct admin second;
    struct series more = {.of = &second, .count = 2};

    (void)state;
    wait_for_total("connections", 1);
    assert_true(wait_until(has_sampler, NULL, PATIENCE_MS));
    admin_start(&second, &fleet, NULL);
    more.after = last_sample(&admin);
    assert_true(wait_until(has_samples, &more, PATIENCE_MS));
    expect_one_a_slot(&admin);
    expect_one_a_slot(&second);
    admin_get(&second, 200, "/api/stats/online?minutes=1");
    assert_int_equal(
        sample_number(&second, admin_count(&second, "samples") - 1, "connections"), 1);
    assert_int_equal(
        sample_number(&second, admin_count(&second, "samples") - 1, "gateways"), 2);
    admin_kill(&admin);
    more = (struct series){&second, 1, last_sample(&second)};
    assert_true(wait_until(has_samples, &more, PATIENCE_MS));
    expect_one_a_slot(&second);
    admin_resume(&admin);
    admin_wait_ready(&admin);
    assert_true(last_sample(&admin) >= more.after); /* the series is kept */
    admin_stop(&second);
    chat_close(ann);
}

static void old_samples_are_left_out_by_minutes(void **state)
{
    struct admin *of = &admin;
    int all;

    (void)state;
    admin_get(of, 200, "/api/stats/online?minutes=1440");
    all = admin_count(of, "samples");
    admin_get(of, 200, "/api/stats/online?minutes=1");
    assert_true(admin_count(of, "samples") <= all);
    assert_true(admin_count(of, "samples") <= 7);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_LEASE_SECS=2",
                                           "ROOMCAST_PRESENCE_GRACE_MS=0", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){0});
    for (unsigned i = 0; i < 2; i++) {
        char address[64];

        snprintf(address, sizeof(address), "ROOMCAST_ADVERTISE=gateway-%u", i);
        fleet_add(&fleet, (const char *[]){settings[0], settings[1], address, NULL});
    }
    admin_start(&admin, &fleet, settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_totals_follow_the_heartbeats),
        cmocka_unit_test(each_node_is_listed),
        cmocka_unit_test(a_dead_node_is_listed_until_it_is_reaped),
        cmocka_unit_test(a_stamp_in_the_future_is_shown_as_silent),
        cmocka_unit_test(a_user_is_found_in_all_rooms),
        cmocka_unit_test(one_of_the_replicas_samples),
        cmocka_unit_test(old_samples_are_left_out_by_minutes),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
