/* test_slow_clients.c - who reads late misses nothing in silence, and who does not catch up
 * in time is closed; the others in the room get everything meanwhile.
 *
 * The slow ones have a small receive buffer and are not read from until the gateway says
 * by its metrics that it has noticed. follower.h checks what everybody gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/follower.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { TEXT_BYTES = 4000, STEP = 50, STEPS_MAX = 180, PATIENCE_MS = 60000 };

static struct fleet fleet;

/* A client of one room, checked. */
struct guest {
    struct chat *chat;
    struct follower follower;
};

static void send_text(struct chat *chat, struct strbuf *text)
{
    assert_true(chat_send_bytes(chat, text->data, text->len));
    strbuf_deinit(text);
}

static bool take_one(struct guest *guest, long deadline_ms)
{
    if (!chat_recv(guest->chat, deadline_ms))
        return false;
    follower_take(&guest->follower, chat_bytes(guest->chat),
                  strlen(chat_bytes(guest->chat)));
    return true;
}

/* Reads until it has the message `seq`, and is not in the history any more. */
static void take_up_to(struct guest *guest, uint64_t seq)
{
    while (guest->follower.next <= seq || guest->follower.state != FOLLOWER_LIVE)
        if (!take_one(guest, CHAT_DEADLINE_MS))
            fail_msg("%s stops before %llu", guest->follower.user,
                     (unsigned long long)guest->follower.next);
}

/* Asks to join, with `since` where it has been in before. */
static void send_join(struct guest *guest)
{
    struct follower_since since = follower_since(&guest->follower);
    struct strbuf text = {NULL, 0, 0};

    follower_print_join(&guest->follower, &text,
                        guest->follower.epoch[0] ? &since : NULL);
    send_text(guest->chat, &text);
}

static void join(struct guest *guest)
{
    send_join(guest);
    take_up_to(guest, 0);
}

static struct chat *open_small(unsigned gateway)
{
    struct wire *w = wire_open_small(fleet.gateways[gateway].port, 4096);

    wire_upgrade(w, "/ws", "");
    return chat_new(w);
}

/* A room with one who talks and one who listens well, and one who is slow. */
struct scene {
    unsigned gateway;
    uint64_t sent;
    struct guest talker, listener, slow;
};

static void set_up_guest(struct scene *scene, struct guest *guest, struct chat *chat,
                         const char *room, const char *user, unsigned history_limit)
{
    guest->chat = chat;
    guest->follower = (struct follower){.room = room,
                                        .user = user,
                                        .history_limit = history_limit,
                                        .sent = &scene->sent};
    join(guest);
}

/* Gateway 0 is the listener's; the settings make the other one. */
static void set_up(struct scene *scene, const char *room, unsigned history_limit,
                   const char *const *settings)
{
    scene->sent = 0;
    scene->gateway = fleet_add(&fleet, settings);
    set_up_guest(scene, &scene->talker, chat_open(fleet.gateways[scene->gateway].port),
                 room, "talker", history_limit);
    set_up_guest(scene, &scene->listener, chat_open(fleet.gateways[0].port), room,
                 "listener", history_limit);
    set_up_guest(scene, &scene->slow, open_small(scene->gateway), room, "slow",
                 history_limit);
}

static void tear_down(struct scene *scene)
{
    chat_close(scene->talker.chat);
    chat_close(scene->listener.chat);
    chat_close(scene->slow.chat);
    fleet_stop_gateway(&fleet, scene->gateway);
}

/* Says `count` messages; who listens well gets each of them at once. */
static void say(struct scene *scene, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct strbuf text = {NULL, 0, 0};

        follower_print_message(&scene->talker.follower, &text, ++scene->sent,
                               TEXT_BYTES);
        send_text(scene->talker.chat, &text);
        take_up_to(&scene->talker, scene->sent);
        take_up_to(&scene->listener, scene->sent);
    }
}

/* Says messages until the metric of the gateway is at least `value`. */
static void say_until(struct scene *scene, const char *metric, double value)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        say(scene, STEP);
        if (fleet_metric(&fleet, scene->gateway, metric) >= value)
            return;
    }
    fail_msg("%s stays below %.0f", metric, value);
}

static void a_slow_client_that_reads_in_time_has_missed_nothing(void **state)
{
    struct scene scene;

    (void)state;
    set_up(&scene, "late", 10000,
           (const char *[]){"ROOMCAST_HISTORY_LIMIT=10000",
                            "ROOMCAST_HISTORY_MAX_BYTES=1073741824",
                            "ROOMCAST_SLOW_SECS=3600",
                            "ROOMCAST_SEND_QUEUE_MAX_BYTES=262144", NULL});
    say_until(&scene, "roomcast_slow_consumers_total", 1);
    say(&scene, 200);
    take_up_to(&scene.slow, scene.sent);
    print_message("  %llu messages\n", (unsigned long long)scene.sent);
    assert_int_equal(scene.slow.follower.gaps, 0);
    say(&scene, 10); /* live again */
    take_up_to(&scene.slow, scene.sent);
    assert_int_equal(scene.slow.follower.messages, scene.sent);
    tear_down(&scene);
}

static void what_the_history_has_no_more_is_told_by_a_gap(void **state)
{
    struct scene scene;

    (void)state;
    set_up(&scene, "gap", 10,
           (const char *[]){"ROOMCAST_HISTORY_LIMIT=10", "ROOMCAST_SLOW_SECS=3600",
                            "ROOMCAST_SEND_QUEUE_MAX_BYTES=262144", NULL});
    say_until(&scene, "roomcast_slow_consumers_total", 1);
    say(&scene, 2000); /* more than a ring of the last ones could hold */
    take_up_to(&scene.slow, scene.sent);
    assert_in_range(scene.slow.follower.gaps, 1, 10);
    assert_true(fleet_metric(&fleet, scene.gateway, "roomcast_gaps_total") ==
                scene.slow.follower.gaps);
    assert_int_equal(scene.talker.follower.gaps, 0);
    assert_int_equal(scene.listener.follower.gaps, 0);
    say(&scene, 10);
    take_up_to(&scene.slow, scene.sent);
    tear_down(&scene);
}

static void a_history_that_is_read_too_late_has_a_gap_in_it(void **state)
{
    enum { HISTORY = 2000 }; /* of TEXT_BYTES: more than any socket holds */
    struct scene scene;

    (void)state;
    set_up(&scene, "history", HISTORY,
           (const char *[]){"ROOMCAST_HISTORY_LIMIT=2000",
                            "ROOMCAST_HISTORY_MAX_BYTES=1073741824",
                            "ROOMCAST_SLOW_SECS=3600", NULL});
    chat_close(scene.slow.chat);
    follower_on_end(&scene.slow.follower);
    say(&scene, HISTORY);
    scene.slow.chat = open_small(scene.gateway);
    send_join(&scene.slow);
    assert_true(take_one(&scene.slow, CHAT_DEADLINE_MS)); /* the join_ack */
    assert_int_equal(scene.slow.follower.until, HISTORY);
    say(&scene, 2 * HISTORY);
    take_up_to(&scene.slow, scene.sent);
    assert_in_range(scene.slow.follower.gaps, 1, 10);
    assert_in_range(scene.slow.follower.batches, 2, HISTORY);
    tear_down(&scene);
}

/* Reads a little each time it is asked. */
static bool is_closed_as_slow(void *data)
{
    struct scene *scene = data;

    take_one(&scene->slow, 0);
    return fleet_metric(&fleet, scene->gateway,
                        q("roomcast_disconnects_total{reason='slow'}")) == 1;
}

static void a_slow_client_that_does_not_catch_up_is_closed_and_resumes(void **state)
{
    struct scene scene;

    (void)state;
    set_up(&scene, "slow", 10000,
           (const char *[]){"ROOMCAST_HISTORY_LIMIT=10000",
                            "ROOMCAST_HISTORY_MAX_BYTES=1073741824",
                            "ROOMCAST_SLOW_SECS=2", NULL});
    say_until(&scene, "roomcast_slow_consumers_total", 1);
    assert_true(wait_until(is_closed_as_slow, &scene, PATIENCE_MS));
    while (take_one(&scene.slow, CHAT_DEADLINE_MS))
        ;
    assert_int_equal(chat_wait_close(scene.slow.chat, CHAT_DEADLINE_MS), 4001);
    chat_abort(scene.slow.chat);
    follower_on_end(&scene.slow.follower);
    say(&scene, 10);

    scene.slow.chat = chat_open(fleet.gateways[0].port);
    join(&scene.slow);
    take_up_to(&scene.slow, scene.sent);
    assert_int_equal(scene.slow.follower.recovered, 1);
    assert_int_equal(scene.slow.follower.messages, scene.sent);
    assert_int_equal(scene.slow.follower.gaps, 0);
    tear_down(&scene);
}

static void of_all_queues_together_the_largest_is_closed(void **state)
{
    struct scene scene;
    struct chat *other;
    uint64_t other_sent = 0;
    struct guest small = {NULL, {0}};

    (void)state;
    set_up(&scene, "largest", 10000,
           (const char *[]){
               "ROOMCAST_HISTORY_LIMIT=10000", "ROOMCAST_HISTORY_MAX_BYTES=1073741824",
               "ROOMCAST_SLOW_SECS=3600", "ROOMCAST_SEND_QUEUE_MAX_BYTES=16777216",
               "ROOMCAST_QUEUES_MAX_BYTES=1048576", NULL});
    other = chat_open(fleet.gateways[scene.gateway].port);
    chat_join(other, "small", "other");
    small.chat = open_small(scene.gateway);
    small.follower = (struct follower){
        .room = "small", .user = "small", .history_limit = 10000, .sent = &other_sent};
    join(&small);
    while (fleet_metric(&fleet, scene.gateway, "roomcast_send_queue_bytes") < 200000) {
        struct strbuf text = {NULL, 0, 0};

        follower_print_message(&small.follower, &text, ++other_sent, TEXT_BYTES);
        send_text(other, &text);
        chat_expect_skipping(other, "message_ack");
    }
    say_until(&scene, q("roomcast_disconnects_total{reason='slow'}"), 1);
    while (take_one(&scene.slow, CHAT_DEADLINE_MS))
        ;
    assert_int_equal(chat_wait_close(scene.slow.chat, CHAT_DEADLINE_MS), 4001);
    chat_abort(scene.slow.chat);

    take_up_to(&small, other_sent);
    assert_int_equal(small.follower.messages, other_sent);
    assert_true(fleet_metric(&fleet, scene.gateway,
                             q("roomcast_disconnects_total{reason='slow'}")) == 1);
    chat_close(small.chat);
    chat_close(other);
    scene.slow.chat = chat_open(fleet.gateways[0].port);
    tear_down(&scene);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 1,
                                            .settings = (const char *[]){
                                                "ROOMCAST_PRESENCE_GRACE_MS=0", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_client_that_reads_in_time_has_missed_nothing),
        cmocka_unit_test(what_the_history_has_no_more_is_told_by_a_gap),
        cmocka_unit_test(a_history_that_is_read_too_late_has_a_gap_in_it),
        cmocka_unit_test(a_slow_client_that_does_not_catch_up_is_closed_and_resumes),
        cmocka_unit_test(of_all_queues_together_the_largest_is_closed),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
