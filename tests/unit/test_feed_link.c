/* test_feed_link.c - whose confirmation is whose on a link for notices, and what is made of what comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/intake.h"
#include "common/log.h"
#include "gateway/feed_link.h"
#include "tests/support/unit/notices_rig.h"

enum { DEADLINE_MS = 1000 };

static struct {
    struct feed_link link;
    struct feed_rooms rooms;
    struct config config;
    struct redis_url url;
    struct metrics metrics;
    unsigned readies, losses;
    char confirmed[64], message[64], expired[64];
} w;

static void on_ready(struct feed_link *link)
{
    assert_ptr_equal(link, &w.link);
    w.readies++;
}

static void on_lost(struct feed_link *link, const char *why)
{
    (void)link, (void)why;
    w.losses++;
}

static void on_confirmed(struct feed_link *link, struct feed_room *room)
{
    struct json_text name = feed_rooms_name(&w.rooms, room);

    (void)link;
    assert_int_equal(room->pending, 0);
    snprintf(w.confirmed, sizeof(w.confirmed), "%.*s", (int)name.len, name.base);
}

static void on_message(struct feed_link *link, struct json_text channel,
                       struct json_text text)
{
    (void)link;
    snprintf(w.message, sizeof(w.message), "%.*s %.*s", (int)channel.len, channel.base,
             (int)text.len, text.base);
}

static void on_expired(struct feed_link *link, const char *room, size_t len)
{
    (void)link;
    snprintf(w.expired, sizeof(w.expired), "%.*s", (int)len, room);
}

static void open_with(const struct feed_link_hooks *hooks)
{
    const struct feed_link_opts opts = {
        .config = &w.config,
        .url = &w.url,
        .metrics = &w.metrics,
        .name = "notices",
        .hooks = hooks,
    };

    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    keys_set_prefix("rc");
    notices_rig_open();
    feed_rooms_init(&w.rooms, 1);
    w.config.redis_deadline_ms = DEADLINE_MS;
    feed_link_open(&w.link, &opts);
}

static int set_up(void **state)
{
    static const struct feed_link_hooks hooks = {
        .on_ready = on_ready,
        .on_lost = on_lost,
        .on_confirmed = on_confirmed,
        .on_message = on_message,
        .on_expired = on_expired,
    };

    (void)state;
    open_with(&hooks);
    notices_rig_connect();
    notices_rig_assert_sent("PSUBSCRIBE __keyspace@0__:rc:{*}:meta\n");
    notices_rig_confirm("psubscribe");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feed_link_close(&w.link);
    assert_false(notices_rig.is_open);
    feed_link_deinit(&w.link);
    feed_rooms_clear(&w.rooms);
    notices_rig_close();
    return 0;
}

static struct feed_room *subscribe(const char *name)
{
    struct json_text text = {name, strlen(name)};
    struct feed_room *room = feed_rooms_get(&w.rooms, text);

    feed_link_begin(&w.link, "SUBSCRIBE");
    feed_link_add_room(&w.link, text, room);
    feed_link_send(&w.link);
    return room;
}

static void unsubscribe(const char *name)
{
    feed_link_begin(&w.link, "UNSUBSCRIBE");
    feed_link_add_room(&w.link, (struct json_text){name, strlen(name)}, NULL);
    feed_link_send(&w.link);
}

/* ---- */

static void a_room_is_confirmed_by_its_own_confirmation(void **state)
{
    (void)state;
    feed_link_send_channel(&w.link, "SUBSCRIBE", "rc:canary:n1");
    subscribe("a");
    subscribe("b");
    notices_rig_assert_sent("SUBSCRIBE rc:canary:n1\nSUBSCRIBE rc:{a}:events\n"
                            "SUBSCRIBE rc:{b}:events\n");
    notices_rig_confirm("subscribe");
    assert_string_equal(w.confirmed, "");
    notices_rig_confirm("subscribe");
    assert_string_equal(w.confirmed, "a");
    notices_rig_confirm("subscribe");
    assert_string_equal(w.confirmed, "b");
}

static void a_room_that_is_subscribed_again_is_confirmed_by_the_last_one(void **state)
{
    (void)state;
    subscribe("a");
    unsubscribe("a");
    subscribe("a");
    notices_rig_confirm("subscribe");
    notices_rig_confirm("unsubscribe");
    assert_string_equal(w.confirmed, "");
    notices_rig_confirm("subscribe");
    assert_string_equal(w.confirmed, "a");
}

static void a_command_without_channels_is_not_sent(void **state)
{
    (void)state;
    feed_link_begin(&w.link, "SUBSCRIBE");
    feed_link_send(&w.link);
    notices_rig_assert_sent("");
}

static void what_is_not_confirmed_in_time_restarts_the_link(void **state)
{
    struct feed_room *room = subscribe("a");

    (void)state;
    notices_rig_pass_ms(DEADLINE_MS - 1);
    assert_int_equal(notices_rig.restarts, 0);
    notices_rig_pass_ms(1);
    assert_int_equal(notices_rig.restarts, 1);
    assert_int_equal(w.losses, 1);
    assert_int_equal(room->pending, 0);
    notices_rig_pass_ms(DEADLINE_MS);
    assert_int_equal(notices_rig.restarts, 1); /* nothing is pending any more */
}

static void the_timer_runs_only_while_something_is_pending(void **state)
{
    (void)state;
    subscribe("a");
    assert_non_null(notices_rig.on_timer);
    notices_rig_confirm("subscribe");
    notices_rig_pass_ms(DEADLINE_MS);
    assert_null(notices_rig.on_timer);
    assert_int_equal(notices_rig.restarts, 0);
}

static void without_the_expiry_one_can_live_without_a_room_not(void **state)
{
    (void)state;
    feed_link_send_channel(&w.link, "PSUBSCRIBE", "pattern");
    notices_rig_refuse();
    assert_int_equal(notices_rig.restarts, 0);
    subscribe("a");
    notices_rig_refuse();
    assert_int_equal(notices_rig.restarts, 1);
}

static void a_confirmation_of_nothing_restarts_the_link(void **state)
{
    (void)state;
    notices_rig_refuse(); /* of nothing: it may be of a command that is not ours */
    assert_int_equal(notices_rig.restarts, 0);
    notices_rig_confirm("subscribe");
    assert_int_equal(notices_rig.restarts, 1);
}

static void a_link_that_takes_nothing_is_restarted(void **state)
{
    (void)state;
    notices_rig.is_full = true;
    subscribe("a");
    assert_int_equal(notices_rig.restarts, 1);
}

static void what_is_no_push_is_counted_as_malformed(void **state)
{
    (void)state;
    notices_rig_take(":1\r\n", 4);
    notices_rig_push("what", "channel", "1", NULL);
    assert_int_equal(metric_read(&w.metrics.malformed_total[INTAKE_REPLY]), 2);
    assert_int_equal(notices_rig.restarts, 0);
}

static void a_message_is_told_with_its_channel(void **state)
{
    (void)state;
    notices_rig_push("message", "rc:{a}:events", "text", NULL);
    assert_string_equal(w.message, "rc:{a}:events text");
}

static void only_rooms_that_expire_are_told_of(void **state)
{
    static const char pattern[] = "__keyspace@0__:rc:{*}:meta";

    (void)state;
    notices_rig_push("pmessage", pattern, "__keyspace@0__:rc:{r}:meta", "hset");
    notices_rig_push("pmessage", pattern, "__keyspace@0__:rc:{r}:other", "expired");
    notices_rig_push("pmessage", pattern, "other", "expired");
    notices_rig_push("pmessage", pattern, "__keyspace@0__:rc:{r}:meta", NULL);
    assert_string_equal(w.expired, "");
    notices_rig_push("pmessage", pattern, "__keyspace@0__:rc:{r}:meta", "expired");
    assert_string_equal(w.expired, "r");
}

static void without_a_hook_the_expiry_is_not_subscribed(void **state)
{
    static const struct feed_link_hooks hooks = {
        .on_ready = on_ready, .on_lost = on_lost, .on_confirmed = on_confirmed};

    (void)state;
    open_with(&hooks);
    notices_rig_connect();
    assert_int_equal(w.readies, 1);
    notices_rig_assert_sent("");
    notices_rig_push("pmessage", "p", "__keyspace@0__:rc:{r}:meta", "expired");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_confirmed_by_its_own_confirmation),
        TEST(a_room_that_is_subscribed_again_is_confirmed_by_the_last_one),
        TEST(a_command_without_channels_is_not_sent),
        TEST(what_is_not_confirmed_in_time_restarts_the_link),
        TEST(the_timer_runs_only_while_something_is_pending),
        TEST(without_the_expiry_one_can_live_without_a_room_not),
        TEST(a_confirmation_of_nothing_restarts_the_link),
        TEST(a_link_that_takes_nothing_is_restarted),
        TEST(what_is_no_push_is_counted_as_malformed),
        TEST(a_message_is_told_with_its_channel),
        TEST(only_rooms_that_expire_are_told_of),
        cmocka_unit_test_teardown(without_a_hook_the_expiry_is_not_subscribed,
                                  tear_down),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
