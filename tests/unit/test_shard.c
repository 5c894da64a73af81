/* test_shard.c - what a shard does every 100 ms. The clock is the test's; in place of
 * the links, the feed, the bus, the node and the expiry stand functions that count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/log.h"
#include "gateway/shard.h"

enum { TICK_MS = 100 };

static struct {
    struct shard shard;
    struct config config;
    struct metrics metrics;
    uint64_t now_ms;
    struct node_hooks node_hooks;
    unsigned node_ticks, expiry_ticks, ups, statuses;
} w;

/* ---- in place of libuv and the links ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return w.now_ms;
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    (void)loop, (void)opts;
    return (struct redis_link *)&w;
}

void redis_link_close(struct redis_link *link)
{
    (void)link;
}

void redis_link_restart(struct redis_link *link, const char *why)
{
    (void)link, (void)why;
}

void redis_link_replace(struct redis_link *link, const char *why)
{
    (void)link, (void)why;
}

bool redis_link_take_loose(struct redis_link *link)
{
    (void)link;
    return false;
}

enum redis_why redis_link_why(const struct redis_link *link)
{
    (void)link;
    return REDIS_WHY_NOT_KNOWN;
}

void redis_link_hurry(struct redis_link *link)
{
    (void)link;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    (void)link;
    return false;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    (void)link, (void)cmd, (void)on_reply, (void)data;
    return UV_ENOTCONN;
}

int redis_link_ask(struct redis_link *link, const struct redis_command *cmd,
                   redis_reply_fn on_reply, void *data)
{
    return redis_link_send(link, cmd, on_reply, data);
}

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t sent_ms)
{
    (void)sent_ms;
    return redis_link_send(link, cmd, on_reply, data);
}

uint64_t redis_link_now(const struct redis_link *link)
{
    (void)link;
    return w.now_ms;
}

/* ---- in place of the feed and the bus ---- */

void feed_open(struct feed *feed, const struct feed_opts *opts)
{
    assert_ptr_equal(feed, &w.shard.feed);
    assert_int_equal(opts->worker, opts->shard % opts->workers);
    feed->link.link = (struct redis_link *)&w;
}

bool feed_is_open(const struct feed *feed)
{
    return feed->link.link != NULL;
}

void feed_tick(struct feed *feed)
{
    (void)feed;
}

void feed_hurry(struct feed *feed)
{
    (void)feed;
}

void feed_take(struct feed *feed, const struct handover *request)
{
    (void)feed, (void)request;
}

void feed_deinit(struct feed *feed)
{
    (void)feed;
}

void bus_open(struct bus *bus, const struct bus_opts *opts)
{
    (void)bus, (void)opts;
}

void bus_take(struct bus *bus, const struct handover *what)
{
    (void)bus, (void)what;
}

void bus_subscribe(struct bus *bus, struct room *room)
{
    (void)bus, (void)room;
}

void bus_unsubscribe(struct bus *bus, struct room *room)
{
    (void)bus, (void)room;
}

void bus_close(struct bus *bus)
{
    (void)bus;
}

void bus_deinit(struct bus *bus)
{
    (void)bus;
}

/* ---- in place of the node and the expiry ---- */

void node_init(struct node *node, const struct node_opts *opts)
{
    assert_ptr_equal(node, &w.shard.node);
    w.node_hooks = *opts->hooks;
}

void node_tick(struct node *node)
{
    assert_ptr_equal(node, &w.shard.node);
    w.node_ticks++;
}

void node_on_link(struct node *node)
{
    (void)node;
}

void node_on_lost(struct node *node)
{
    (void)node;
}

void node_on_canary(struct node *node, uint64_t number)
{
    (void)node, (void)number;
}

void node_keep(struct node *node, struct room *room)
{
    (void)node, (void)room;
}

void node_check_lease(struct node *node)
{
    (void)node;
}

void node_beat(struct node *node)
{
    (void)node;
}

void node_drain(struct node *node)
{
    (void)node;
}

void node_forget(struct node *node, redis_reply_fn on_done, void *data)
{
    (void)node, (void)on_done, (void)data;
}

void node_close(struct node *node)
{
    (void)node;
}

void expiry_init(struct expiry *expiry, struct store *store, struct metrics *metrics)
{
    (void)expiry, (void)store, (void)metrics;
}

void expiry_add(struct expiry *expiry, const char *room, size_t len)
{
    (void)expiry, (void)room, (void)len;
}

void expiry_tick(struct expiry *expiry, uint64_t now_ms)
{
    assert_ptr_equal(expiry, &w.shard.expiry);
    assert_int_equal(now_ms, w.now_ms);
    w.expiry_ticks++;
}

void expiry_deinit(struct expiry *expiry)
{
    (void)expiry;
}

/* ---- the shard ---- */

static void on_up(struct shard *shard)
{
    assert_ptr_equal(shard, &w.shard);
    w.ups++;
}

static void on_status(struct shard *shard)
{
    assert_ptr_equal(shard, &w.shard);
    w.statuses++;
}

static void open_as(unsigned worker)
{
    static const struct shard_hooks hooks = {.on_up = on_up, .on_status = on_status};
    static struct inbox *inboxes[2];
    const struct shard_opts opts = {
        .config = &w.config,
        .metrics = &w.metrics,
        .worker = worker,
        .workers = 2,
        .inboxes = inboxes,
        .hooks = &hooks,
    };

    static struct redis_url url;

    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    w.config.redis = (struct redis_urls){.urls = &url, .count = 1};
    w.now_ms = 1000000;
    shard_open(&w.shard, &opts);
}

static int tear_down(void **state)
{
    (void)state;
    shard_close(&w.shard);
    shard_end(&w.shard);
    shard_deinit(&w.shard);
    return 0;
}

static void tick(unsigned count)
{
    while (count-- > 0) {
        w.now_ms += TICK_MS;
        shard_tick(&w.shard, w.now_ms);
    }
}

/* ---- the tests ---- */

static void while_redis_is_away_only_the_node_looks_at_the_clock(void **state)
{
    (void)state;
    open_as(0);
    w.shard.rooms.has_stuck = true;
    w.shard.rooms.doubts_left = 0;
    tick(20);
    assert_int_equal(w.node_ticks, 20);
    assert_int_equal(w.expiry_ticks, 0);
    assert_int_equal(w.shard.rooms.doubts_left, 0);
    assert_true(w.shard.rooms.has_stuck);
}

static void while_the_node_is_up_its_rooms_do_too(void **state)
{
    (void)state;
    open_as(0);
    w.node_hooks.on_up(&w.shard.node);
    assert_int_equal(w.ups, 1);
    assert_int_equal(w.statuses, 0); /* it has no rooms */
    w.shard.rooms.doubts_left = 0;
    tick(3);
    assert_int_equal(w.expiry_ticks, 3);
    assert_int_equal(w.shard.rooms.doubts_left, ROOM_DOUBTS);
    w.node_hooks.on_down(&w.shard.node);
    tick(3);
    assert_int_equal(w.expiry_ticks, 3);
}

static void rooms_expire_by_the_worker_that_reads_alone(void **state)
{
    (void)state;
    open_as(1);
    w.node_hooks.on_up(&w.shard.node);
    tick(3);
    assert_int_equal(w.expiry_ticks, 0);
    assert_int_equal(w.node_ticks, 3);
}

static void what_redis_refused_is_tried_again_every_second(void **state)
{
    (void)state;
    open_as(0);
    w.node_hooks.on_up(&w.shard.node);
    w.shard.rooms.has_stuck = true;
    tick(1);
    assert_false(w.shard.rooms.has_stuck); /* all rooms were pumped */
    w.shard.rooms.has_stuck = true;
    tick(9);
    assert_true(w.shard.rooms.has_stuck);
    tick(1);
    assert_false(w.shard.rooms.has_stuck);
}

/* ---- what clients are told ---- */

/* Somebody is in, and it is as it should be. */
static void add_room(struct room *room)
{
    *room = (struct room){.rooms = &w.shard.rooms,
                          .users.count = 1,
                          .is_subscribed = true,
                          .is_registered = true};
    room_log_init(&room->log, &w.shard.rooms.logs);
    room_log_start(&room->log, "0123456789abcdef", 0);
    map_add(&w.shard.rooms.map, "room", 4, room);
}

static void remove_room(struct room *room)
{
    map_remove(&w.shard.rooms.map, "room", 4);
    room_log_deinit(&room->log);
    w.shard.opts.cluster = NULL;
}

static void set_up(bool is_up)
{
    w.shard.is_up = w.shard.rooms.is_up = is_up;
    shard_note_status(&w.shard);
}

static void expect_told(const struct room *room, bool is_down, unsigned statuses)
{
    assert_int_equal(room->status.is_down, is_down);
    assert_int_equal(w.statuses, statuses);
    assert_true(!statuses || room->status.must_tell);
    w.statuses = 0;
}

static void rooms_of_one_redis_are_told_what_their_shard_is(void **state)
{
    struct room room;

    (void)state;
    open_as(0);
    add_room(&room);
    set_up(true);
    expect_told(&room, false, 0); /* it was never said to be down */
    room.needs_sync = true;
    set_up(false);
    expect_told(&room, true, 1);
    set_up(false);
    expect_told(&room, true, 0);
    set_up(true);
    expect_told(&room, false, 1);
    remove_room(&room);
}

static void tick_status(unsigned ms)
{
    w.now_ms += ms;
    shard_tick_status(&w.shard);
}

static void a_room_of_a_cluster_is_down_once_whatever_it_has_lost(void **state)
{
    struct room room;

    (void)state;
    open_as(0);
    add_room(&room);
    w.shard.opts.cluster = (struct cluster *)&w;
    set_up(true);
    room.cluster.homeless_ms = w.now_ms;
    w.shard.has_homeless = true;
    tick_status(900);
    expect_told(&room, false, 0); /* it may have moved */
    tick_status(100);
    expect_told(&room, true, 1);
    set_up(false);
    expect_told(&room, true, 0);
    remove_room(&room);
}

static void a_room_of_a_cluster_is_up_once_all_of_it_is(void **state)
{
    struct room room;

    (void)state;
    open_as(0);
    add_room(&room);
    w.shard.opts.cluster = (struct cluster *)&w;
    set_up(false);
    expect_told(&room, true, 1);
    room.is_subscribed = false;
    set_up(true);
    expect_told(&room, true, 0);
    room.is_subscribed = true;
    room.needs_sync = true;
    tick_status(100);
    expect_told(&room, true, 0);
    room.needs_sync = false;
    tick_status(100);
    expect_told(&room, false, 1);
    room.needs_sync = true; /* it is compared once more */
    tick_status(100);
    expect_told(&room, false, 0);
    remove_room(&room);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(while_redis_is_away_only_the_node_looks_at_the_clock),
        TEST(while_the_node_is_up_its_rooms_do_too),
        TEST(rooms_expire_by_the_worker_that_reads_alone),
        TEST(what_redis_refused_is_tried_again_every_second),
        TEST(rooms_of_one_redis_are_told_what_their_shard_is),
        TEST(a_room_of_a_cluster_is_down_once_whatever_it_has_lost),
        TEST(a_room_of_a_cluster_is_up_once_all_of_it_is),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
