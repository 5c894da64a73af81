/* test_status.c - a master of a Redis Cluster is lost, and its replica takes over: clients are told `down`
 * once and `up` once for each of their rooms, whether the room, its shard's registry or both were there; and
 * what is said after `up` is acked. A registry whose slot is left open takes its rooms away as well, and
 * operators are told why (SPEC-SCALE S9).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_slot.h"
#include "common/shard_of.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { MASTERS = 3, ROOMS = 4, QUIET_MS = 2500 };

static struct redis_cluster cluster;
static struct fleet fleet;
static unsigned lost; /* the master that is, or a replica in its place */
static bool is_still; /* and its links stay open */

/* What of a room is at that master. */
static struct room {
    bool has_home, has_registry; /* there */
    char name[32];
} rooms[ROOMS] = {
    {true, true, ""}, {true, false, ""}, {false, true, ""}, {false, false, ""}};

static unsigned slot_of(const struct room *room)
{
    return cluster_slot_of_room(room->name, strlen(room->name));
}

static unsigned shard_of_its(const struct room *room)
{
    return shard_of(room->name, strlen(room->name), SHARD_OF_CLUSTER);
}

static unsigned registry_slot(const struct room *room)
{
    char tag[8];
    int len = snprintf(tag, sizeof(tag), "%u", shard_of_tag(shard_of_its(room)));

    return cluster_slot_of_room(tag, (size_t)len);
}

static unsigned registry_owner(const struct room *room)
{
    return (unsigned)redis_cluster_owner(&cluster, registry_slot(room));
}

/* A name whose registry is where it should be; its slot is moved if it has to. */
static void choose(struct room *room, unsigned number)
{
    unsigned other = (lost + 1) % MASTERS, i = 0;
    unsigned home = room->has_home ? lost : other;

    do
        snprintf(room->name, sizeof(room->name), "status-%u-%u", number, i++);
    while (registry_owner(room) != (room->has_registry ? lost : other));
    if (redis_cluster_owner(&cluster, slot_of(room)) != (int)home)
        redis_cluster_move(&cluster, slot_of(room), 1, home);
}

static int start(void **state)
{
    static char url[64];
    static const char *const settings[] = {url, "ROOMCAST_LEASE_SECS=6", NULL};

    (void)state;
    redis_cluster_open(&cluster,
                       &(struct redis_cluster_opts){.masters = MASTERS, .replicas = 1});
    redis_cmd_follow();
    for (unsigned i = 0; i < ROOMS; i++)
        choose(&rooms[i], i);
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis+cluster://127.0.0.1:%d",
             redis_cluster_port(&cluster, 1));
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1, .settings = settings});
    fleet.redis_port = redis_cluster_port(&cluster, 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fleet_stop(&fleet);
    redis_cluster_close(&cluster);
    return 0;
}

/* ---- what one connection is told ---- */

struct listener {
    struct chat *chat;
    const char *user;
    unsigned count; /* it is in so many rooms, the first ones */
    unsigned downs[ROOMS], ups[ROOMS], sent, acked;
};

static void enter(struct listener *listener)
{
    listener->chat = chat_open(fleet.gateways[0].port);
    for (unsigned i = 0; i < listener->count; i++)
        chat_join(listener->chat, rooms[i].name, listener->user);
}

static unsigned find_room(const struct listener *listener, const char *name)
{
    for (unsigned i = 0; i < listener->count; i++)
        if (strcmp(rooms[i].name, name) == 0)
            return i;
    fail_msg("%s is not in %s", listener->user, name);
    return 0;
}

/* After `up` something is said at once. */
static void take_status(struct listener *listener)
{
    bool is_up = strcmp(chat_get_text(listener->chat, "redis"), "up") == 0;
    cJSON *event = cJSON_Duplicate(chat_json(listener->chat), true);
    const cJSON *name;

    cJSON_ArrayForEach(name, cJSON_GetObjectItem(event, "rooms"))
    {
        unsigned i = find_room(listener, name->valuestring);

        print_message("  %s: %s %s (home %d, registry %d)\n", listener->user,
                      name->valuestring, is_up ? "up" : "down", rooms[i].has_home,
                      rooms[i].has_registry);
        assert_int_equal(is_up ? ++listener->ups[i] : ++listener->downs[i], 1);
        assert_int_equal(listener->downs[i], 1);
        if (!is_up)
            continue;
        chat_send(listener->chat,
                  "{'type':'message','id':%u,'room':'%s','text':'it is up'}",
                  listener->sent++, name->valuestring);
    }
    cJSON_Delete(event);
}

static void take_event(struct listener *listener)
{
    const char *type = chat_get_text(listener->chat, "type");

    if (strcmp(type, "status") == 0)
        take_status(listener);
    else if (strcmp(type, "message_ack") == 0)
        listener->acked++;
    else if (strcmp(type, "error") == 0)
        fail_msg("refused: %s", chat_bytes(listener->chat));
}

/* A room whose master stands still has the next one at once if the map tells of it first. */
static bool may_be_silent(const struct room *room)
{
    return !room->has_registry && (!room->has_home || is_still);
}

static bool is_told(const struct listener *listener)
{
    for (unsigned i = 0; i < listener->count; i++)
        if (listener->ups[i] != listener->downs[i] ||
            (listener->ups[i] == 0 && !may_be_silent(&rooms[i])))
            return false;
    return listener->acked == listener->sent;
}

/* All that it should be told, and nothing more. */
static void expect_told(struct listener *listener)
{
    int64_t end_ms = wait_now_ms() + FLEET_DEADLINE_MS;
    bool has_more;

    do {
        has_more = chat_recv(listener->chat, QUIET_MS);
        if (has_more)
            take_event(listener);
        else if (wait_now_ms() >= end_ms)
            fail_msg("%s is not told all", listener->user);
    } while (has_more || !is_told(listener));
    for (unsigned i = 0; i < listener->count; i++)
        assert_true(listener->ups[i] == 0 || rooms[i].has_home ||
                    rooms[i].has_registry);
    chat_close(listener->chat);
}

static void lose(void (*how)(struct redis_cluster *cluster, unsigned node),
                 void (*back)(struct redis_cluster *cluster, unsigned node))
{
    struct listener ann = {.user = "ann", .count = ROOMS},
                    bob = {.user = "bob", .count = 1};
    unsigned node = lost;

    enter(&ann);
    enter(&bob);
    how(&cluster, node);
    expect_told(&ann);
    expect_told(&bob);
    back(&cluster, node);
    redis_cluster_wait_well(&cluster);
    lost = (unsigned)redis_cluster_owner(&cluster, slot_of(&rooms[0]));
}

/* ---- the tests ---- */

static void a_master_that_is_killed_is_told_once(void **state)
{
    (void)state;
    lose(redis_cluster_kill, redis_cluster_start);
}

static void a_master_that_stands_still_is_told_once(void **state)
{
    (void)state;
    is_still = true;
    lose(redis_cluster_stop, redis_cluster_go_on);
}

static bool is_shard_down(void *data)
{
    char name[64];

    snprintf(name, sizeof(name), "roomcast_redis_up{shard=\"%u\"}", shard_of_its(data));
    return fleet_metric(&fleet, 0, name) == 0;
}

static double registries_waiting(void)
{
    return fleet_metric(&fleet, 0, "roomcast_redis_registries_waiting");
}

/* For longer than a lease. All other shards go on. */
static void a_registry_whose_slot_is_left_open_is_named(void **state)
{
    struct room *room = &rooms[0];
    unsigned slot = registry_slot(room), to = (registry_owner(room) + 1) % MASTERS;
    struct listener ann = {.user = "ann", .count = 1};
    char line[96];

    (void)state;
    enter(&ann);
    redis_cluster_open_slot(&cluster, slot, to);
    assert_true(wait_until(is_shard_down, room, FLEET_DEADLINE_MS));
    snprintf(line, sizeof(line),
             "shard %u: the slot of its registry is on its way between two masters",
             shard_of_its(room));
    http_get_await(fleet.gateways[0].ops_port, "/readyz", 200, line);
    assert_true(registries_waiting() > 0);
    redis_cluster_reverse_slot(&cluster, slot, to);
    expect_told(&ann);
    assert_true(registries_waiting() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registry_whose_slot_is_left_open_is_named),
        cmocka_unit_test(a_master_that_is_killed_is_told_once),
        cmocka_unit_test(a_master_that_stands_still_is_told_once),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
