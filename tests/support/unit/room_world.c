/* room_world.c - see room_world.h.
 *
 *     world_run -> run_round -> run_step, many times -> come_to_rest -> check_end -> leave_all
 */
#include "tests/support/unit/room_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/deliver.h"
#include "tests/support/unit/world.h"

enum { STEPS = 250, SETTLE_MAX = 3000 };

struct world_state world;

void world_trace(const char *format, ...)
{
    va_list args;

    if (!world.is_traced)
        return;
    printf("%4u ", world.step);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

void world_require(bool condition, const char *file, int line, const char *text)
{
    if (!condition)
        fail_msg("seed %u, step %u, %s:%d: %s", world.seed, world.step, file, line,
                 text);
}

/* From 0 to n - 1. xorshift64. */
unsigned world_pick(unsigned n)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (unsigned)(world.random >> 33) % n;
}

struct room *world_room(void)
{
    return room_find(&rig.rooms, "r", 1);
}

/* ---- what happens ---- */

static void go_down(struct client *c)
{
    (void)c;
    if (!world.is_up)
        return;
    world.is_up = false;
    plain_set_heard(&world.redis, false);
    if (world_pick(2))
        world_break_link();
    rooms_set_up(&rig.rooms, false);
}

static void come_up(struct client *c)
{
    (void)c;
    if (world.is_up)
        return;
    if (!world.is_linked)
        world_fail_all();
    world.is_up = world.is_linked = true;
    plain_set_heard(&world.redis, world_room() != NULL);
    rooms_set_up(&rig.rooms, true);
}

static void lose_data(struct client *c)
{
    struct plain_redis *r = &world.redis;

    (void)c;
    if (world.is_up || world.is_linked || !r->exists)
        return;
    if (world_pick(2)) {
        plain_lose(r);
    } else {
        strcpy(world.odd_epoch, r->epoch);
        plain_go_back(r, world_pick((unsigned)r->seq + 1),
                      world_pick((unsigned)r->rev + 1));
    }
}

static void pass_time(struct client *c)
{
    (void)c;
    rig.now_ms += world_pick(4000);
    rooms_end_grace(&rig.rooms, rig.now_ms, false);
    if (rig.rooms.has_stuck && world_pick(2))
        rooms_pump(&rig.rooms);
}

/* As the renewal of a room ends. */
static void hear_position(struct client *c)
{
    struct room *room = world_room();

    (void)c;
    if (room && world.is_linked && world.redis.exists) {
        room_ref(room);
        deliver_position(room, world.redis.epoch, (struct token){0, 0},
                         world.redis.seq);
        room_unref(room);
    }
}

/* The same once nothing is under way: also the users are counted. */
static void renew(void)
{
    struct room *room = world_room();
    unsigned count = 0;

    hear_position(NULL);
    for (unsigned user = 0; user < PLAIN_LOCAL; user++)
        count += world.redis.on[user][0] != '\0';
    if (room && count != room->users.count)
        room_needs_sync(room);
}

static void publish(struct client *c)
{
    (void)c;
    plain_publish(&world.redis, 1 + world_pick(3));
}

static void delete_one(struct client *c)
{
    (void)c;
    plain_delete(&world.redis, 1 + world_pick((unsigned)world.redis.seq + 1));
}

static void move_others(struct client *c)
{
    (void)c;
    plain_far(&world.redis, PLAIN_LOCAL + world_pick(PLAIN_USERS - PLAIN_LOCAL),
              1 + world_pick(3));
}

static void kick(struct client *c)
{
    plain_kick(&world.redis, c->user);
}

static void close_room(struct client *c)
{
    (void)c;
    plain_close(&world.redis);
}

static void run_call(struct client *c)
{
    (void)c;
    world_run_calls();
}

static void run_read(struct client *c)
{
    (void)c;
    world_run_reads();
}

static void run_note(struct client *c)
{
    (void)c;
    world_run_notes();
}

static void end_turn(struct client *c)
{
    (void)c;
    history_cache_run(&world.cache, rig.now_ms);
}

struct event {
    const char *name;
    unsigned weight;
    void (*run)(struct client *c);
};

static void run_event(const struct event *events, unsigned count)
{
    struct client *c = &world.clients[world_pick(WORLD_CLIENTS)];
    unsigned sum = 0, at;

    for (unsigned i = 0; i < count; i++)
        sum += events[i].weight;
    for (at = world_pick(sum); at >= events->weight; events++)
        at -= events->weight;
    world_trace("%s (client %td); redis is at %s, seq %llu, rev %llu", events->name,
                c - world.clients, world.redis.epoch,
                (unsigned long long)world.redis.seq,
                (unsigned long long)world.redis.rev);
    events->run(c);
    world_note_reads();
}

static void run_step(void)
{
    const struct world_shape *s = world.shape;
    const struct event events[] = {
        {"publish", s->messages, publish},
        {"delete", s->deletions, delete_one},
        {"read", s->reads, run_read},
        {"slow", s->slow, world_turn_slow},
        {"join", s->joins, world_join},
        {"leave", s->joins / 2, world_leave},
        {"rejoin", s->joins / 4, world_rejoin},
        {"others", s->far, move_others},
        {"kick", s->kicks, kick},
        {"close", s->closings, close_room},
        {"down", s->outages, go_down},
        {"up", s->outages * 4, come_up},
        {"lose", s->losses, lose_data},
        {"call", 60, run_call},
        {"note", 60, run_note},
        {"time", 5, pass_time},
        {"position", 5, hear_position},
        {"turn", 10, end_turn},
    };

    run_event(events, sizeof(events) / sizeof(events[0]));
}

/* ---- the end ---- */

static bool is_settled(void)
{
    return world.calls_count == 0 && world.reads_count == 0 &&
           world.redis.notes_count == 0 && !rig.rooms.has_stuck &&
           list_is_empty(&world.cache.ready);
}

/* Nothing is under way any more. */
static void settle(void)
{
    for (unsigned i = 0; !is_settled(); i++) {
        world_check(i < SETTLE_MAX);
        world_run_all_notes();
        world_run_first_call();
        world_run_first_read();
        history_cache_run(&world.cache, rig.now_ms);
        rooms_pump(&rig.rooms);
        world_note_reads();
    }
}

static void check_end(void)
{
    bool is_in[PLAIN_LOCAL] = {false};

    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        world_check_client(&world.clients[i]);
        if (world.clients[i].rig->member.room)
            is_in[world.clients[i].user] = true;
    }
    for (unsigned user = 0; user < PLAIN_LOCAL; user++)
        world_check((world.redis.exists &&
                     strcmp(world.redis.on[user], world.redis.epoch) == 0) ==
                    is_in[user]);
    if (world_room()) {
        world_check(list_is_empty(&world_room()->announce.announcements));
        world_check(world_room()->users.count > 0);
    }
}

/* Another message tells who missed the last one. */
static void come_to_rest(void)
{
    for (unsigned i = 0; i < WORLD_CLIENTS; i++)
        if (world.clients[i].rig->is_slow)
            world_turn_slow(&world.clients[i]);
    come_up(NULL);
    settle();
    rooms_end_grace(&rig.rooms, rig.now_ms, true);
    settle();
    renew();
    settle();
    plain_publish(&world.redis, 1);
    settle();
}

static void leave_all(void)
{
    for (unsigned i = 0; i < WORLD_CLIENTS; i++)
        if (world.clients[i].rig->member.room)
            rig_leave(world.clients[i].rig, LEAVE_ASKED);
    settle();
    world_check(!world_room());
    for (unsigned user = 0; user < PLAIN_LOCAL; user++)
        world_check(!world.redis.exists || world.redis.members[user] == 0);
}

static void open_world(void)
{
    static const uint64_t limits[] = {1, 2, 5, 20, 900};
    uint64_t limit = limits[world_pick(5)];

    rig_open();
    world_open_link();
    world.redis.limit = limit;
    if (world_pick(2))
        rig.rooms.no_classes.fallback.history = (unsigned)limit;
    else
        rig.rooms.logs.history_max_bytes = limit * (PLAIN_LINE - 1);
    store_rig_open(&rig.config, &rig.metrics);
    history_cache_init(&world.cache, &store_rig.store, &rig.rooms);
    world.is_up = world.is_linked = true;
    world_open_clients();
}

static void run_round(unsigned seed)
{
    memset(&world.redis, 0, sizeof(world.redis));
    memset(world.clients, 0, sizeof(world.clients));
    world.calls_count = world.reads_count = 0;
    world.odd_epoch[0] = 'x';
    memset(world.is_untold, 0, sizeof(world.is_untold));
    world.seed = seed;
    world.random = 0x9e3779b97f4a7c15u * (seed + 1);
    open_world();
    for (world.step = 0; world.step < STEPS; world.step++)
        run_step();
    come_to_rest();
    check_end();
    leave_all();
    rig_close();
    history_cache_deinit(&world.cache);
    store_rig_close();
}

void world_run(const struct world_shape *shape, unsigned rounds)
{
    const char *seed = getenv("ROOMCAST_SEED"), *more = getenv("ROOMCAST_ROUNDS");

    world.shape = shape;
    world.is_traced = seed != NULL;
    log_max = seed ? LOG_INFO : LOG_ERROR;
    if (seed) {
        run_round((unsigned)strtoul(seed, NULL, 10));
        return;
    }
    if (more)
        rounds = (unsigned)strtoul(more, NULL, 10);
    for (unsigned i = 0; i < rounds; i++)
        run_round(i);
}
