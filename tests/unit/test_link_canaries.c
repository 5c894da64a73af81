/* test_link_canaries.c - a link for notices proves itself each second, and where it does not, both links to that
 * master are made again. The test is the links, the masters and the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/keys.h"
#include "gateway/link_canaries.h"

enum { TICK_MS = 100 };

static struct {
    struct link_canaries canaries;
    struct cluster cluster;
    struct cluster_subs masters;
    struct cluster_subs_link link, *links[1];
    struct cluster_master here, elsewhere;
    struct config config;
    uint64_t now_ms;
    bool is_ready, is_moved; /* all odd slots have gone */
    char channel[KEYS_MAX_BYTES], left[KEYS_MAX_BYTES];
    unsigned subscribed, restarts, command_restarts, told;
    struct cluster_sub *sub;
    redis_reply_fn on_reply;
    void *data;
    struct link_proof proof;
} w;

/* ---- in place of the links ---- */

struct cluster_master *cluster_masters_get(struct cluster_masters *masters,
                                           const struct cluster_host *at)
{
    assert_ptr_equal(masters, &w.cluster.masters);
    assert_ptr_equal(at, &w.link.at);
    return &w.here;
}

/* It has the odd ones. */
struct cluster_master *cluster_owner(struct cluster *cluster, unsigned slot)
{
    assert_ptr_equal(cluster, &w.cluster);
    return slot % 2 == !w.is_moved ? &w.here : &w.elsewhere;
}

void cluster_want_map(struct cluster *cluster)
{
    (void)cluster;
}

void cluster_send(struct cluster *cluster, const struct cluster_target *target,
                  const struct redis_command *cmd, enum script script,
                  redis_reply_fn on_reply, void *data)
{
    assert_ptr_equal(cluster, &w.cluster);
    assert_ptr_equal(cluster_owner(cluster, target->slot), &w.here);
    assert_int_equal(target->slot, cluster_slot_of_key(w.channel, strlen(w.channel)));
    assert_true(target->is_signal);
    assert_int_equal(script, SCRIPT_CANARY);
    assert_non_null(strstr(cmd->args.data, w.channel));
    w.on_reply = on_reply;
    w.data = data;
    w.told++;
}

struct cluster_subs_link *cluster_subs_at(const struct cluster_subs *masters,
                                          unsigned number)
{
    (void)masters;
    return number == 1 ? &w.link : NULL;
}

void cluster_subs_place(struct cluster_subs *masters, struct cluster_sub *sub,
                        unsigned number)
{
    (void)masters;
    if (sub->master != number)
        w.link.subs += number ? 1u : -1u;
    sub->master = (unsigned short)number;
}

void cluster_subs_link_subscribe(struct cluster_subs_link *link, const char *channel,
                                 struct cluster_sub *sub, void *owner)
{
    assert_null(owner);
    strcpy(w.channel, channel);
    cluster_subs_place(&w.masters, sub, link->number);
    sub->is_pending = true;
    w.sub = sub;
    w.subscribed++;
}

void cluster_subs_link_unsubscribe(struct cluster_subs_link *link, const char *channel)
{
    assert_ptr_equal(link, &w.link);
    strcpy(w.left, channel);
}

bool cluster_subs_link_is_ready(const struct cluster_subs_link *link)
{
    assert_ptr_equal(link, &w.link);
    return w.is_ready;
}

void cluster_subs_link_restart(struct cluster_subs_link *link, const char *why)
{
    (void)why;
    w.restarts++;
    link_canaries_on_lost(&w.canaries, link);
}

void redis_link_restart(struct redis_link *link, const char *why)
{
    (void)why;
    assert_ptr_equal(link, w.here.redis);
    w.command_restarts++;
}

/* What scripts.c could ask for. */
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

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
{
    (void)since_ms;
    return redis_link_send(link, cmd, on_reply, data);
}

uint64_t redis_link_now(const struct redis_link *link)
{
    (void)link;
    return w.now_ms;
}

/* ---- the rig ---- */

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    keys_set_cluster(true);
    scripts_init(true);
    w.now_ms = 1000000;
    w.config.lease_ms = 10000;
    w.cluster.opts.config = &w.config;
    w.here.redis = (struct redis_link *)(void *)&w;
    w.link.number = 1;
    w.link.subs = 5; /* of rooms */
    w.links[0] = &w.link;
    w.masters.all = w.links;
    w.masters.count = 1;
    w.is_ready = true;
    link_canaries_init(&w.canaries, &w.cluster, &w.masters);
    w.canaries.ticked_ms = w.now_ms;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    link_canaries_deinit(&w.canaries);
    return 0;
}

static void take(const char *number)
{
    assert_true(link_canaries_take(
        &w.canaries, (struct json_text){w.channel, strlen(w.channel)},
        (struct json_text){number, strlen(number)}, &w.proof));
}

/* What was subscribed is confirmed in between, and what was told comes back, if it `comes`. */
static void pass(uint64_t ms, bool comes)
{
    for (uint64_t i = 0; i < ms / TICK_MS; i++) {
        unsigned told = w.told;
        char number[16];

        w.now_ms += TICK_MS;
        link_canaries_tick(&w.canaries, true, w.now_ms);
        if (w.sub)
            w.sub->is_pending = false;
        if (w.told == told || !comes)
            continue;
        snprintf(number, sizeof(number), "%u", w.told);
        take(number);
    }
}

/* ---- the tests ---- */

static void a_canary_goes_each_second_by_a_slot_that_the_master_has(void **state)
{
    (void)state;
    pass(200, true);
    assert_int_equal(w.subscribed, 1);
    assert_memory_equal(w.channel, "rc:canary:{", 11);
    assert_int_equal(w.told, 1);
    pass(10000, true);
    assert_int_equal(w.told, 11);
    assert_int_equal(w.subscribed, 1);
    assert_int_equal(w.restarts, 0);
    assert_ptr_equal(link_canaries_find(
                         &w.canaries, (struct json_text){w.channel, strlen(w.channel)}),
                     w.sub);
    assert_null(
        link_canaries_find(&w.canaries, (struct json_text){"rc:{a}:events", 13}));
}

static void without_any_for_three_seconds_both_links_are_made_again(void **state)
{
    (void)state;
    pass(200, true);
    assert_int_equal(w.told, 1);
    pass(2900, false);
    assert_int_equal(w.restarts, 0);
    pass(100, false);
    assert_int_equal(w.restarts, 1);
    assert_int_equal(w.command_restarts, 1);
    assert_int_equal(w.sub->master, 0);
    pass(200, true);
    assert_int_equal(w.sub->master, 1);
    pass(5000, true);
    assert_int_equal(w.restarts, 1);
}

static void a_number_that_was_never_told_proves_nothing(void **state)
{
    (void)state;
    pass(1000, true);
    for (int i = 0; i < 30; i++) {
        pass(TICK_MS, false);
        take("999");
        assert_true(w.proof.sent_ns == 0);
    }
    assert_int_equal(w.restarts, 1);
}

static void what_comes_back_tells_when_it_was_sent(void **state)
{
    uint64_t before_ns = uv_hrtime(), first_ns;

    (void)state;
    w.link.at.port = 7000;
    pass(200, true);
    first_ns = w.proof.sent_ns;
    assert_true(first_ns >= before_ns && first_ns <= uv_hrtime());
    assert_int_equal(w.proof.at.port, 7000);
    pass(1000, true);
    assert_true(w.proof.sent_ns > first_ns);
    take("1"); /* late */
    assert_true(w.proof.sent_ns == 0);
    assert_false(link_canaries_take(&w.canaries,
                                    (struct json_text){"rc:{a}:events", 13},
                                    (struct json_text){"2", 1}, &w.proof));
}

/* As while one slot is open for long. */
static void a_slot_that_refuses_is_given_up_for_another(void **state)
{
    char first[KEYS_MAX_BYTES];

    (void)state;
    pass(1000, true);
    strcpy(first, w.channel);
    w.on_reply(w.data, UV_ENOTCONN, NULL);
    pass(300, true);
    assert_string_equal(w.left, first);
    assert_string_not_equal(w.channel, first);
    pass(5000, true);
    assert_int_equal(w.restarts, 0);
}

static void a_slot_that_moves_is_given_up_for_another(void **state)
{
    char first[KEYS_MAX_BYTES];

    (void)state;
    pass(1000, true);
    strcpy(first, w.channel);
    w.is_moved = true;
    pass(300, true);
    assert_string_equal(w.left, first);
    pass(5000, true);
    assert_int_equal(w.restarts, 0);
    assert_int_equal(w.subscribed, 2);
}

/* The link may be closed then. */
static void a_link_without_rooms_has_none(void **state)
{
    (void)state;
    pass(1000, true);
    w.link.subs = 1;
    pass(200, true);
    assert_int_equal(w.link.subs, 0);
    assert_string_equal(w.left, w.channel);
    pass(5000, true);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.restarts, 0);
}

static void a_link_that_is_not_ready_is_not_deaf(void **state)
{
    (void)state;
    pass(1000, true);
    w.is_ready = false;
    link_canaries_on_lost(&w.canaries, &w.link);
    pass(5000, false);
    w.is_ready = true;
    pass(2000, true);
    assert_int_equal(w.restarts, 0);
    assert_int_equal(w.subscribed, 2);
}

/* What came meanwhile is read only then. */
static void after_a_standstill_there_is_time(void **state)
{
    (void)state;
    pass(1000, true);
    w.now_ms += 8000;
    pass(5000, true);
    assert_int_equal(w.restarts, 0);
}

static void nothing_is_told_while_nothing_may_be_written(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        w.now_ms += TICK_MS;
        link_canaries_tick(&w.canaries, false, w.now_ms);
    }
    assert_int_equal(w.subscribed, 0);
    pass(1000, true);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.restarts, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_canary_goes_each_second_by_a_slot_that_the_master_has),
        TEST(without_any_for_three_seconds_both_links_are_made_again),
        TEST(a_number_that_was_never_told_proves_nothing),
        TEST(what_comes_back_tells_when_it_was_sent),
        TEST(a_slot_that_refuses_is_given_up_for_another),
        TEST(a_slot_that_moves_is_given_up_for_another),
        TEST(a_link_without_rooms_has_none),
        TEST(a_link_that_is_not_ready_is_not_deaf),
        TEST(after_a_standstill_there_is_time),
        TEST(nothing_is_told_while_nothing_may_be_written),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
