/* test_node.c - when this worker is up, what its heartbeat says, and what happens when Redis declares
 * it dead, refuses it or does not answer. The clock and the timers are the test's: it takes the
 * place of libuv's, of the bus and of the links.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/rights.h"
#include "gateway/node.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { LEASE_MS = 10000, TICK_MS = 100 };

static struct {
    struct node node;
    struct bus bus;
    struct index index;
    _Atomic int state;
    unsigned ups, downs;
    size_t revs; /* numbers of the policy that came last */
    uv_timer_cb on_beat;
    uint64_t beat_ms;
    unsigned links_replaced, unsent_failed, bus_restarts, renewed, renewals_broken,
        kept;
    char bus_node[STORE_NODE_MAX];
    bool is_loose; /* the last connection could not be ended */
    bool is_quiet; /* nothing was sent under the name since the links were replaced */
    enum redis_why why;
} w;

/* ---- in place of libuv, the links and the bus ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return rig.now_ms;
}

uint64_t clock_ms(void)
{
    return rig.now_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop, (void)timer;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t first,
                   uint64_t then)
{
    assert_int_equal(first, then);
    assert_ptr_equal(timer, &w.node.beat);
    w.on_beat = on_timer;
    w.beat_ms = then;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    assert_ptr_equal(timer, &w.node.beat);
    w.on_beat = NULL;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_close)
{
    (void)handle, (void)on_close;
}

void store_replace(struct store *store, const char *why)
{
    (void)store, (void)why;
    w.links_replaced++;
}

void store_fail_unsent(struct store *store)
{
    (void)store;
    w.unsent_failed++;
}

bool store_may_run(const struct store *store)
{
    (void)store;
    return !w.is_quiet;
}

void bus_restart(struct bus *bus)
{
    assert_ptr_equal(bus, &w.bus);
    w.bus_restarts++;
}

enum redis_why store_why(const struct store *store)
{
    (void)store;
    return w.why;
}

bool bus_is_ready(const struct bus *bus)
{
    assert_ptr_equal(bus, &w.bus);
    return redis_link_is_ready(store_rig.store.link);
}

bool redis_link_take_loose(struct redis_link *link)
{
    bool was_loose = w.is_loose;

    (void)link;
    w.is_loose = false;
    return was_loose;
}

void rights_ask(struct redis_link *link, int db)
{
    (void)link, (void)db;
}

void bus_set_node(struct bus *bus, const char *node)
{
    (void)bus;
    strcpy(w.bus_node, node);
}

void renewals_init(struct renewals *renewals, struct store *store,
                   struct reaper *reaper)
{
    assert_ptr_equal(store, &store_rig.store);
    assert_ptr_equal(reaper, &w.node.reaper);
    assert_ptr_equal(renewals, &w.node.renewals);
}

void renewals_keep(struct renewals *renewals, struct room *room)
{
    (void)renewals, (void)room;
    w.kept++;
}

void renewals_run(struct renewals *renewals, uint64_t now_ms)
{
    (void)renewals;
    assert_int_equal(now_ms, rig.now_ms);
    w.renewed++;
}

void renewals_break(struct renewals *renewals)
{
    (void)renewals;
    w.renewals_broken++;
}

/* ---- the node ---- */

static void on_up(struct node *node)
{
    (void)node;
    w.ups++;
    rooms_set_up(&rig.rooms, true);
}

static void on_down(struct node *node)
{
    (void)node;
    w.downs++;
    rooms_set_up(&rig.rooms, false);
}

static void on_revs(struct node *node, const redisReply *revs)
{
    (void)node;
    w.revs = reply_count(revs);
}

static int set_up(void **state)
{
    static const struct node_hooks hooks = {on_up, on_down, on_revs};
    const struct node_opts opts = {
        .config = &rig.config,
        .metrics = &rig.metrics,
        .store = &store_rig.store,
        .bus = &w.bus,
        .rooms = &rig.rooms,
        .index = &w.index,
        .address = "host:1",
        .worker = 1,
        .state = &w.state,
        .hooks = &hooks,
    };

    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    log_max = LOG_SILENT;
    rig.now_ms = 1000000;
    rig.config.lease_ms = LEASE_MS;
    rooms_set_up(&rig.rooms, false);
    store_rig_open(&rig.config, &rig.metrics);
    store_rig.store.node[0] = '\0'; /* the node chooses it */
    index_init(&w.index, &store_rig.store);
    node_init(&w.node, &opts);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    node_close(&w.node);
    while (store_rig.calls_count > 0)
        store_rig_answer(NULL);
    index_deinit(&w.index);
    rig_close();
    store_rig_close();
    return 0;
}

static void assert_state(enum node_state state)
{
    assert_int_equal(w.state, state);
}

/* The oldest call is this command; it is answered. */
static void take_command(const char *name, const char *answer)
{
    assert_true(store_rig.calls_count > 0);
    assert_int_equal(store_rig.calls[0].script, SCRIPTS_COUNT);
    assert_string_equal(store_rig.calls[0].argv[0], name);
    store_rig_answer_text(answer);
}

static void answer_beat(const char *words)
{
    assert_true(store_rig.calls_count > 0);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_HEARTBEAT);
    store_rig_answer(words);
}

static void assert_claim_of(const char *node)
{
    assert_true(store_rig.calls_count > 0);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_CLAIM);
    assert_string_equal(store_rig.calls[0].argv[3], node);
}

/* Both links are ready, and what is asked then is answered, but for the heartbeat. */
static void open_links(void)
{
    node_on_link(&w.node);
    take_command("INFO", "role:master");
}

static void go_up(void)
{
    open_links();
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_true(w.node.is_up);
}

/* The next heartbeat, after so many ms. */
static void beat(uint64_t ms)
{
    rig.now_ms += ms;
    w.on_beat(&w.node.beat);
}

/* Three heartbeats, a millisecond less than a lease. */
static void beat_for_nearly_a_lease(void)
{
    for (int i = 0; i < 3; i++) {
        beat(w.beat_ms);
        answer_beat("ok");
    }
}

/* Ticks, each with the canary that it sends. */
static void tick(unsigned count, bool hears)
{
    while (count-- > 0) {
        rig.now_ms += TICK_MS;
        node_tick(&w.node);
        while (store_rig.calls_count > 0 &&
               store_rig.calls[0].script == SCRIPTS_COUNT) {
            take_command("PUBLISH", "1");
            if (hears)
                node_on_canary(&w.node, rig.rooms.canary_sent);
        }
    }
}

/* ---- up ---- */

static void a_node_is_up_once_all_three_are_answered(void **state)
{
    (void)state;
    node_on_link(&w.node);
    assert_int_equal(w.ups, 0);
    take_command("INFO", "role:master");
    assert_int_equal(w.ups, 0);
    answer_beat("ok");
    assert_int_equal(w.ups, 0);
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 1);
    assert_state(NODE_READY);
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 1);
}

static void a_canary_that_was_never_sent_proves_nothing(void **state)
{
    (void)state;
    open_links();
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent + 1);
    assert_int_equal(w.ups, 0);
    assert_int_equal(rig.rooms.canary_heard, 0);
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 1);
    assert_int_equal(rig.rooms.canary_heard, rig.rooms.canary_sent);
}

static void a_node_that_hears_itself_first_waits_for_the_heartbeat(void **state)
{
    (void)state;
    open_links();
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 0);
    assert_state(NODE_NO_WRITE);
    answer_beat("ok");
    assert_int_equal(w.ups, 1);
}

static void without_the_right_to_ask_for_the_server_a_node_is_not_up(void **state)
{
    (void)state;
    node_on_link(&w.node);
    store_rig_answer_error("NOPERM");
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 0);
    assert_state(NODE_NO_INFO);
    rig.now_ms += 1000;
    node_tick(&w.node);
    take_command("PUBLISH", "1");
    take_command("INFO", "role:master");
    assert_int_equal(w.ups, 1);
    assert_state(NODE_READY);
}

/* One that was asked of a master of a Redis Cluster that was replaced fails late. */
static void an_answer_that_does_not_come_is_asked_for_again(void **state)
{
    (void)state;
    node_on_link(&w.node);
    store_rig_answer(NULL);
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 0);
    rig.now_ms += 1000;
    node_tick(&w.node);
    take_command("PUBLISH", "1");
    take_command("INFO", "role:master");
    assert_int_equal(w.ups, 1);
}

static void a_question_that_fails_late_takes_no_answer_back(void **state)
{
    (void)state;
    node_on_link(&w.node);
    node_on_link(&w.node); /* before the first one is answered */
    assert_string_equal(store_rig.calls[0].argv[0], "INFO");
    while (store_rig.calls_count > 0) {
        bool is_first = store_rig.calls_count == 5;

        if (strcmp(store_rig.calls[0].argv[0], "INFO") != 0)
            store_rig_answer(store_rig.calls[0].script == SCRIPT_HEARTBEAT ? "ok"
                                                                           : "1");
        else if (is_first)
            take_command("INFO", "role:master");
        else
            store_rig_answer(NULL);
    }
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 1);
}

static void without_both_links_nothing_is_asked(void **state)
{
    (void)state;
    store_rig.is_away = true;
    node_on_link(&w.node);
    beat(0);
    assert_int_equal(store_rig.calls_count, 0);
    tick(1, false);
    assert_state(NODE_NO_REDIS);
    assert_string_equal(node_state_text(w.state), "no connection to Redis");
}

static void what_is_known_about_the_lost_link_is_told(void **state)
{
    (void)state;
    store_rig.is_away = true;
    w.why = REDIS_WHY_CLUSTER;
    tick(1, false);
    assert_string_equal(node_state_text(w.state),
                        "is a Redis Cluster: use redis+cluster://");
    store_rig.is_away = false;
    go_up();
    assert_null(node_state_text(w.state));
}

static void a_lost_link_takes_the_node_down_at_once(void **state)
{
    (void)state;
    go_up();
    node_on_lost(&w.node);
    assert_int_equal(w.downs, 1);
    node_on_lost(&w.node);
    assert_int_equal(w.downs, 1);
    go_up();
    assert_int_equal(w.ups, 2);
}

/* ---- the heartbeat ---- */

static void three_heartbeats_a_lease(void **state)
{
    (void)state;
    assert_int_equal(w.beat_ms, LEASE_MS / 3);
}

static void a_heartbeat_tells_who_is_there_and_if_it_is_new(void **state)
{
    const struct store_rig_call *call = &store_rig.calls[0];

    (void)state;
    open_links();
    assert_string_equal(call->argv[6], store_rig.store.node);
    assert_string_equal(w.bus_node, store_rig.store.node);
    assert_string_equal(call->argv[7], "10000");
    assert_string_equal(call->argv[8], "1");
    assert_string_equal(call->argv[11], "host:1");
    answer_beat("ok");
    take_command("PUBLISH", "1");
    rig.metrics.messages_published_total = 7;
    beat(w.beat_ms);
    assert_string_equal(call->argv[8], "0");
    assert_string_equal(call->argv[9], "7");
    answer_beat("ok");
    rig.metrics.messages_published_total = 9;
    beat(w.beat_ms);
    assert_string_equal(call->argv[9], "2");
    answer_beat(NULL);
    beat(w.beat_ms); /* what was not told is told again */
    assert_string_equal(call->argv[9], "2");
}

/* The totals of the fleet are in one place. */
static void only_the_first_shard_names_the_totals(void **state)
{
    const struct store_rig_call *call = &store_rig.calls[0];

    (void)state;
    open_links();
    assert_int_equal(call->keys, 6);
    assert_string_equal(call->argv[4], "rc:stats");
    assert_string_equal(call->argv[5], "rc:policy");
    answer_beat("ok");
    take_command("PUBLISH", "1");
    store_rig.store.args.shard = 1;
    beat(w.beat_ms);
    assert_int_equal(call->keys, 4);
    assert_string_equal(call->argv[3], "rc:events");
    assert_string_equal(call->argv[4], store_rig.store.node);
    answer_beat("ok");
}

static void one_heartbeat_at_a_time(void **state)
{
    (void)state;
    go_up();
    beat(w.beat_ms);
    beat(w.beat_ms);
    assert_int_equal(store_rig.calls_count, 1);
    answer_beat("ok");
    beat(w.beat_ms);
    assert_int_equal(store_rig.calls_count, 1);
}

static void a_refused_heartbeat_takes_the_node_down(void **state)
{
    (void)state;
    go_up();
    beat(w.beat_ms);
    store_rig_answer_error("OOM");
    assert_int_equal(w.downs, 1);
    assert_state(NODE_NO_WRITE);
    beat(w.beat_ms);
    answer_beat("ok");
    assert_int_equal(w.ups, 2);
}

static void an_unanswered_heartbeat_waits_for_the_link(void **state)
{
    (void)state;
    go_up();
    beat(w.beat_ms);
    answer_beat(NULL);
    assert_int_equal(w.downs, 0);
    assert_int_equal(w.node.unbroken_ms, 0);
}

/* It was refused until its deadline. */
static void a_registry_whose_slot_is_on_its_way_is_named(void **state)
{
    (void)state;
    go_up();
    for (int i = 0; i < 2; i++) {
        beat(w.beat_ms);
        store_rig_answer_moving();
        assert_state(NODE_MOVING);
        assert_int_equal(metric_read(&rig.metrics.redis_registries_waiting), 1);
    }
    beat(w.beat_ms);
    answer_beat("ok");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_state(NODE_READY);
    assert_int_equal(metric_read(&rig.metrics.redis_registries_waiting), 0);
}

/* ---- the lease ---- */

static void a_node_that_was_stopped_past_its_lease_drops_its_link(void **state)
{
    (void)state;
    go_up();
    rig.now_ms += LEASE_MS;
    node_check_lease(&w.node);
    assert_int_equal(w.links_replaced, 0);
    rig.now_ms += 1;
    node_check_lease(&w.node);
    assert_int_equal(w.links_replaced, 1);
}

static void the_lease_counts_from_when_the_heartbeat_was_sent(void **state)
{
    (void)state;
    go_up();
    beat(5000);
    rig.now_ms += 4000;
    answer_beat("ok");
    rig.now_ms += LEASE_MS - 4000;
    node_check_lease(&w.node);
    assert_int_equal(w.links_replaced, 0);
    rig.now_ms += 1;
    node_check_lease(&w.node);
    assert_int_equal(w.links_replaced, 1);
}

static void a_dead_node_takes_another_name_and_reaps_the_former(void **state)
{
    char former[STORE_NODE_MAX];
    struct rig_client *ann = rig_client("ann");

    (void)state;
    go_up();
    rig_live(0, 1, ann, NULL);
    strcpy(former, store_rig.store.node);
    beat(w.beat_ms);
    answer_beat("dead");
    assert_int_equal(w.downs, 1);
    assert_int_equal(w.links_replaced, 1);
    assert_string_not_equal(store_rig.store.node, former);
    assert_string_equal(w.bus_node, store_rig.store.node);
    assert_int_equal(rig.metrics.nodes_renamed_total, 1);
    assert_false(ann->member.room->is_told);
    go_up();
    tick(1, true);
    assert_int_equal(store_rig.calls_count, 0); /* first the members are told */
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
    rig.now_ms += TICK_MS;
    node_tick(&w.node);
    assert_int_equal(store_rig.calls_count, 2);
    assert_string_equal(store_rig.calls[0].argv[0], "SADD");
    assert_string_equal(store_rig.calls[0].argv[2], "r");
    store_rig_answer_number(1);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_CLAIM);
    assert_string_equal(store_rig.calls[0].argv[3], former);
    assert_string_equal(store_rig.calls[0].argv[4], "0");
}

/* Another shard's node, which shares the links, was declared dead before and has replaced them. */
static void a_dead_node_without_anything_under_way_leaves_the_links_alone(void **state)
{
    char former[STORE_NODE_MAX];

    (void)state;
    go_up();
    strcpy(former, store_rig.store.node);
    beat(w.beat_ms);
    w.is_quiet = true;
    answer_beat("dead");
    assert_int_equal(w.links_replaced, 0);
    assert_int_equal(w.unsent_failed, 1); /* what waits would say the old name */
    assert_int_equal(w.downs, 1);
    assert_string_not_equal(store_rig.store.node, former);
    assert_string_equal(w.bus_node, store_rig.store.node);
    take_command("INFO", "role:master");
    assert_string_equal(store_rig.calls[0].argv[6], store_rig.store.node);
    assert_string_equal(store_rig.calls[0].argv[8], "1"); /* it is new */
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 2);
    tick(1, true);
    assert_claim_of(former);
}

/* What was sent on the lost connection may run later, under the old name. */
static void a_node_whose_connection_could_not_be_ended_takes_another_name(void **state)
{
    char former[STORE_NODE_MAX];

    (void)state;
    go_up();
    strcpy(former, store_rig.store.node);
    node_on_lost(&w.node);
    w.is_loose = true;
    node_on_link(&w.node);
    assert_string_not_equal(store_rig.store.node, former);
    assert_string_equal(w.bus_node, store_rig.store.node);
    assert_int_equal(w.links_replaced, 0); /* this connection is another one */
    assert_int_equal(rig.metrics.nodes_renamed_total, 1);
    take_command("INFO", "role:master");
    assert_string_equal(store_rig.calls[0].argv[6], store_rig.store.node);
    assert_string_equal(store_rig.calls[0].argv[8], "1"); /* it is new */
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    tick(1, true);
    assert_claim_of(former);
}

/* Of a Redis Cluster: the connection was to another master than the registry's. A heartbeat under the old
 * name is still under way, and holds nothing up. */
static void a_node_that_is_up_takes_another_name_when_told(void **state)
{
    char former[STORE_NODE_MAX];

    (void)state;
    go_up();
    strcpy(former, store_rig.store.node);
    beat(w.beat_ms);
    node_on_loose(&w.node);
    assert_string_not_equal(store_rig.store.node, former);
    assert_int_equal(w.downs, 1);
    assert_int_equal(w.unsent_failed, 1); /* what waits would say the old name */
    answer_beat("ok");                    /* the old one's */
    assert_false(w.node.name.is_known);
    take_command("INFO", "role:master");
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_int_equal(w.ups, 2);
    tick(1, true);
    assert_claim_of(former);
}

static void a_name_that_redis_never_knew_stays(void **state)
{
    char name[STORE_NODE_MAX];

    (void)state;
    open_links();
    strcpy(name, store_rig.store.node);
    answer_beat(NULL);
    take_command("PUBLISH", "1");
    node_on_lost(&w.node);
    w.is_loose = true;
    open_links();
    assert_string_equal(store_rig.store.node, name);
    assert_int_equal(rig.metrics.nodes_renamed_total, 0);
}

static void the_numbers_of_the_policy_are_handed_on_and_are_no_node(void **state)
{
    (void)state;
    go_up();
    beat_for_nearly_a_lease();
    beat(1);
    answer_beat("ok ( '5' '0' '0' '0' '0' )");
    assert_int_equal(w.revs, 5);
    assert_int_equal(store_rig.calls_count, 0);
    beat(LEASE_MS / 3);
    answer_beat("ok silent-1 ( '5' '0' '0' '0' '0' )");
    assert_int_equal(w.revs, 5);
    assert_claim_of("silent-1");
}

static void a_former_name_waits_while_another_node_is_reaped(void **state)
{
    char former[STORE_NODE_MAX];

    (void)state;
    go_up();
    strcpy(former, store_rig.store.node);
    beat_for_nearly_a_lease();
    beat(1);
    answer_beat("ok silent-1");
    node_on_lost(&w.node);
    w.is_loose = true;
    node_on_link(&w.node);
    assert_claim_of("silent-1");
    store_rig_answer_number(1);
    take_command("INFO", "role:master");
    answer_beat("ok");
    take_command("PUBLISH", "1");
    node_on_canary(&w.node, rig.rooms.canary_sent);
    node_tick(&w.node);
    assert_int_equal(store_rig.calls_count, 1); /* of the other node's rooms */
    assert_string_equal(store_rig.calls[0].argv[0], "SRANDMEMBER");
    store_rig_answer(NULL);
    node_tick(&w.node);
    assert_claim_of(former);
    node_tick(&w.node);
    assert_int_equal(store_rig.calls_count, 1); /* once */
}

static void an_answer_to_a_former_name_is_none(void **state)
{
    (void)state;
    go_up();
    beat(w.beat_ms);
    answer_beat("dead");
    open_links();
    strcpy(store_rig.store.node, "another");
    answer_beat("ok");
    assert_false(w.node.name.is_known);
}

static void the_silent_are_reaped_by_who_was_heard_for_a_whole_lease(void **state)
{
    (void)state;
    go_up();
    beat(w.beat_ms);
    answer_beat("ok");
    beat(w.beat_ms);
    answer_beat("ok");
    beat(w.beat_ms);
    answer_beat("ok silent-1");
    assert_int_equal(store_rig.calls_count, 0);
    beat(1);
    answer_beat("ok silent-1 silent-2");
    assert_int_equal(store_rig.calls_count, 1); /* one at a time */
    assert_int_equal(store_rig.calls[0].script, SCRIPT_CLAIM);
    assert_string_equal(store_rig.calls[0].argv[3], "silent-1");
    assert_string_equal(store_rig.calls[0].argv[4], "10000");
}

static void a_break_starts_the_whole_lease_again(void **state)
{
    (void)state;
    go_up();
    beat(LEASE_MS);
    answer_beat(NULL);
    beat(100);
    answer_beat("ok silent-1");
    assert_int_equal(store_rig.calls_count, 0);
}

/* As those of all nodes do while a master of a Redis Cluster is replaced. */
static void after_a_heartbeat_that_waited_the_others_have_half_a_lease(void **state)
{
    (void)state;
    go_up();
    beat_for_nearly_a_lease();
    beat(w.beat_ms);
    rig.now_ms += 2 * LEASE_MS / 3 - w.beat_ms + 1;
    answer_beat("ok silent-1");
    assert_int_equal(store_rig.calls_count, 0);
    beat(LEASE_MS / 2 - 1);
    answer_beat("ok silent-1");
    assert_int_equal(store_rig.calls_count, 0);
    beat(1);
    answer_beat("ok silent-1");
    assert_claim_of("silent-1");
}

/* ---- the canary ---- */

static void a_canary_is_sent_every_second(void **state)
{
    (void)state;
    go_up();
    rig.now_ms += 900;
    node_tick(&w.node);
    assert_int_equal(store_rig.calls_count, 0);
    tick(1, true);
    assert_int_equal(w.node.canary_sent_ms, rig.now_ms);
}

static void a_deaf_node_restarts_its_bus_once_a_silence(void **state)
{
    (void)state;
    go_up();
    tick(29, false);
    assert_int_equal(w.bus_restarts, 0);
    assert_state(NODE_READY);
    tick(1, false);
    assert_int_equal(w.bus_restarts, 1);
    assert_state(NODE_DEAF);
    tick(29, false);
    assert_int_equal(w.bus_restarts, 1);
    tick(1, false);
    assert_int_equal(w.bus_restarts, 2);
    node_on_canary(&w.node, rig.rooms.canary_sent);
    assert_state(NODE_READY);
}

/* ---- the rest ---- */

static void a_draining_node_says_so(void **state)
{
    const struct store_rig_call *call = &store_rig.calls[0];

    (void)state;
    go_up();
    node_drain(&w.node);
    assert_state(NODE_DRAINING);
    assert_string_equal(call->argv[call->argc - 2], "draining");
    assert_string_equal(call->argv[call->argc - 1], "1");
    answer_beat("ok");
    assert_state(NODE_DRAINING);
}

static void rooms_are_renewed_while_the_node_is_up(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    tick(3, false);
    assert_int_equal(w.renewed, 0);
    go_up();
    rig_live(0, 1, ann, NULL);
    node_keep(&w.node, ann->member.room);
    assert_int_equal(w.kept, 1);
    tick(3, true);
    assert_int_equal(w.renewed, 3);
    w.renewals_broken = 0;
    node_on_lost(&w.node);
    assert_int_equal(w.renewals_broken, 1);
    tick(3, false);
    assert_int_equal(w.renewed, 3);
}

/* Its name is still its own, but more may be lost. */
static void a_node_whose_hash_was_gone_looks_at_all_its_rooms(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    go_up();
    rig_live(0, 1, ann, NULL);
    beat(w.beat_ms);
    answer_beat("lost silent-1");
    assert_true(w.node.is_up);
    assert_int_equal(rig.metrics.nodes_renamed_total, 0);
    rig_registered(true);
    rig_synced(RIG_EPOCH, 0, 1);
}

static void a_node_beats_at_once_when_redis_does_not_know_it(void **state)
{
    (void)state;
    go_up();
    node_beat(&w.node);
    answer_beat("dead");
    assert_int_equal(rig.metrics.nodes_renamed_total, 1);
}

static void a_node_that_ends_beats_no_more(void **state)
{
    (void)state;
    go_up();
    node_forget(&w.node, NULL, NULL);
    assert_null(w.on_beat);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_FORGET);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_node_is_up_once_all_three_are_answered),
        TEST(a_canary_that_was_never_sent_proves_nothing),
        TEST(a_node_that_hears_itself_first_waits_for_the_heartbeat),
        TEST(without_the_right_to_ask_for_the_server_a_node_is_not_up),
        TEST(an_answer_that_does_not_come_is_asked_for_again),
        TEST(a_question_that_fails_late_takes_no_answer_back),
        TEST(without_both_links_nothing_is_asked),
        TEST(what_is_known_about_the_lost_link_is_told),
        TEST(a_lost_link_takes_the_node_down_at_once),
        TEST(three_heartbeats_a_lease),
        TEST(a_heartbeat_tells_who_is_there_and_if_it_is_new),
        TEST(only_the_first_shard_names_the_totals),
        TEST(one_heartbeat_at_a_time),
        TEST(a_refused_heartbeat_takes_the_node_down),
        TEST(an_unanswered_heartbeat_waits_for_the_link),
        TEST(a_registry_whose_slot_is_on_its_way_is_named),
        TEST(a_node_that_was_stopped_past_its_lease_drops_its_link),
        TEST(the_lease_counts_from_when_the_heartbeat_was_sent),
        TEST(a_dead_node_takes_another_name_and_reaps_the_former),
        TEST(a_dead_node_without_anything_under_way_leaves_the_links_alone),
        TEST(a_node_whose_connection_could_not_be_ended_takes_another_name),
        TEST(a_name_that_redis_never_knew_stays),
        TEST(a_node_that_is_up_takes_another_name_when_told),
        TEST(the_numbers_of_the_policy_are_handed_on_and_are_no_node),
        TEST(a_former_name_waits_while_another_node_is_reaped),
        TEST(an_answer_to_a_former_name_is_none),
        TEST(the_silent_are_reaped_by_who_was_heard_for_a_whole_lease),
        TEST(a_break_starts_the_whole_lease_again),
        TEST(after_a_heartbeat_that_waited_the_others_have_half_a_lease),
        TEST(a_canary_is_sent_every_second),
        TEST(a_deaf_node_restarts_its_bus_once_a_silence),
        TEST(a_draining_node_says_so),
        TEST(rooms_are_renewed_while_the_node_is_up),
        TEST(a_node_whose_hash_was_gone_looks_at_all_its_rooms),
        TEST(a_node_beats_at_once_when_redis_does_not_know_it),
        TEST(a_node_that_ends_beats_no_more),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
