/* test_feed.c - one worker reads for three: what they ask for, what is subscribed for them, and what
 * each is told, by its inbox or directly. In place of the inboxes the test writes down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/feed.h"
#include "tests/support/unit/notices_rig.h"

enum { WORKERS = 3, OWN = 1, DEADLINE_MS = 1000, MANY = 450, SHARD = 4 };

static struct {
    struct feed feed;
    struct config config;
    struct redis_url url;
    struct metrics metrics;
    struct inbox inboxes[WORKERS];
    uint64_t numbers[WORKERS]; /* of the last request */
    struct strbuf told;        /* since the test last looked, a line each */
    const struct handover_copy
        *copies[WORKERS]; /* the last that it was given; not held */
    bool is_full[WORKERS];
    char expired[64];
} w;

/* ---- who is told ---- */

static const char *const words[] = {
    [HANDOVER_READY] = "ready",    [HANDOVER_LOST] = "lost",
    [HANDOVER_NOTICE] = "notice",  [HANDOVER_CONFIRMED] = "confirmed",
    [HANDOVER_NODE_TEXT] = "node",
};

static void write_down(unsigned worker, const char *how, const struct handover *what)
{
    assert_int_equal(what->shard, SHARD);
    strbuf_add_format(&w.told, "%u%s %s", worker, how, words[what->kind]);
    if (what->room.len > 0)
        strbuf_add_format(&w.told, " %.*s", (int)what->room.len, what->room.base);
    if (what->text.len > 0)
        strbuf_add_format(&w.told, " %.*s", (int)what->text.len, what->text.base);
    strbuf_add_char(&w.told, '\n');
    if (what->kind != HANDOVER_NOTICE)
        assert_int_equal(what->number, w.numbers[worker]);
}

bool inbox_post(struct inbox *inbox, struct handover_copy *copy)
{
    unsigned worker = (unsigned)(inbox - w.inboxes);

    w.copies[worker] = copy;
    if (w.is_full[worker] && handover_may_be_dropped(handover_of(copy)))
        return false;
    write_down(worker, "", handover_of(copy));
    return true;
}

bool inbox_post_new(struct inbox *inbox, const struct handover *what)
{
    struct handover_copy *copy = handover_copy(what);
    bool is_taken = inbox_post(inbox, copy);

    handover_unref(copy);
    return is_taken;
}

static void on_told(struct feed *feed, const struct handover *what)
{
    assert_ptr_equal(feed, &w.feed);
    write_down(feed->opts.worker, "!", what);
}

static void on_expired(struct feed *feed, const char *room, size_t len)
{
    (void)feed;
    snprintf(w.expired, sizeof(w.expired), "%.*s", (int)len, room);
}

/* Lines; `!` stands for what is told directly. */
static void assert_told(const char *lines)
{
    assert_string_equal(w.told.len > 0 ? w.told.data : "", lines);
    strbuf_deinit(&w.told);
}

/* ---- what they ask for ---- */

static void ask(unsigned worker, enum handover_kind kind, const char *text, size_t len)
{
    const struct handover request = {
        .kind = kind,
        .worker = worker,
        .number = ++w.numbers[worker],
        .text = {text, len},
    };

    feed_take(&w.feed, &request);
}

static void attach(unsigned worker)
{
    ask(worker, HANDOVER_ATTACH, "", 0);
}

static void ask_for(unsigned worker, enum handover_kind kind, const char *room)
{
    struct strbuf names = {NULL, 0, 0};

    handover_add_room(&names, room, strlen(room));
    ask(worker, kind, names.data, names.len);
    strbuf_deinit(&names);
}

static void subscribe(unsigned worker, const char *room)
{
    ask_for(worker, HANDOVER_SUBSCRIBE, room);
}

static void unsubscribe(unsigned worker, const char *room)
{
    ask_for(worker, HANDOVER_UNSUBSCRIBE, room);
}

/* By a canary a worker. */
static void listen_to_node(unsigned worker)
{
    char channel[32];

    snprintf(channel, sizeof(channel), "rc:canary:n%u", worker);
    ask(worker, HANDOVER_NODE, channel, strlen(channel));
    notices_rig_confirm("subscribe");
    notices_rig_forget_sent();
}

static void publish(const char *channel, const char *text)
{
    notices_rig_push("message", channel, text, NULL);
}

static void set_up_with(unsigned workers, unsigned own, struct inbox *const *inboxes)
{
    static const struct feed_hooks hooks = {on_told, on_expired};
    const struct feed_opts opts = {
        .config = &w.config,
        .url = &w.url,
        .metrics = &w.metrics,
        .name = "notices",
        .shard = SHARD,
        .worker = own,
        .workers = workers,
        .inboxes = inboxes,
        .hooks = &hooks,
    };

    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    keys_set_prefix("rc");
    notices_rig_open();
    w.config.redis_deadline_ms = DEADLINE_MS;
    feed_open(&w.feed, &opts);
}

static void set_up_unconnected(void)
{
    static struct inbox *const inboxes[] = {&w.inboxes[0], &w.inboxes[1],
                                            &w.inboxes[2]};

    set_up_with(WORKERS, OWN, inboxes);
}

static int set_up(void **state)
{
    (void)state;
    set_up_unconnected();
    for (unsigned i = 0; i < WORKERS; i++)
        attach(i);
    notices_rig_connect();
    notices_rig_confirm("psubscribe");
    assert_told("2 ready\n0 ready\n1! ready\n");
    notices_rig_forget_sent();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < w.feed.opts.workers && feed_is_open(&w.feed); i++)
        if (w.feed.listeners[i].state != FEED_ENDED)
            ask(i, HANDOVER_DETACH, "", 0);
    assert_false(feed_is_open(&w.feed));
    assert_false(notices_rig.is_open);
    feed_deinit(&w.feed);
    strbuf_deinit(&w.told);
    notices_rig_close();
    return 0;
}

/* ---- subscriptions ---- */

static void a_room_is_subscribed_once_for_all_workers(void **state)
{
    (void)state;
    subscribe(0, "r");
    notices_rig_assert_sent("SUBSCRIBE rc:{r}:events\n");
    subscribe(2, "r");
    subscribe(OWN, "r");
    notices_rig_assert_sent("");
    assert_told("");
    notices_rig_confirm("subscribe");
    assert_told("0 confirmed r\n2 confirmed r\n1! confirmed r\n");
}

static void a_room_that_is_confirmed_is_so_at_once_for_the_next_worker(void **state)
{
    (void)state;
    subscribe(0, "r");
    notices_rig_confirm("subscribe");
    assert_told("0 confirmed r\n");
    subscribe(2, "r");
    assert_told("2 confirmed r\n");
    subscribe(OWN, "r");
    assert_told("1 confirmed r\n"); /* not from inside its own request */
    subscribe(0, "r");
    assert_told("0 confirmed r\n");
}

static void a_room_is_given_up_when_the_last_worker_does(void **state)
{
    (void)state;
    subscribe(0, "r");
    subscribe(2, "r");
    notices_rig_forget_sent();
    unsubscribe(0, "r");
    unsubscribe(0, "r");
    notices_rig_assert_sent("");
    unsubscribe(2, "r");
    notices_rig_assert_sent("UNSUBSCRIBE rc:{r}:events\n");
    unsubscribe(2, "r");
    unsubscribe(2, "never");
    notices_rig_assert_sent("");
    notices_rig_confirm("subscribe");
    assert_told("");
    assert_int_equal(w.feed.rooms.map.count, 0);
    notices_rig_confirm("unsubscribe");
}

static void
a_confirmation_counts_for_the_workers_of_its_time_and_no_earlier(void **state)
{
    (void)state;
    subscribe(0, "r");
    unsubscribe(0, "r");
    subscribe(2, "r");
    notices_rig_assert_sent("SUBSCRIBE rc:{r}:events\nUNSUBSCRIBE rc:{r}:events\n"
                            "SUBSCRIBE rc:{r}:events\n");
    notices_rig_confirm("subscribe");
    notices_rig_confirm("unsubscribe");
    assert_told("");
    subscribe(0, "r");
    assert_told(""); /* not confirmed yet, so not at once */
    notices_rig_confirm("subscribe");
    assert_told("0 confirmed r\n2 confirmed r\n");
}

static void many_rooms_are_one_command_a_request(void **state)
{
    struct strbuf names = {NULL, 0, 0};
    unsigned lines = 0, spaces = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        char name[8];

        snprintf(name, sizeof(name), "r%u", i);
        handover_add_room(&names, name, strlen(name));
    }
    ask(0, HANDOVER_SUBSCRIBE, names.data, names.len);
    strbuf_deinit(&names);
    for (size_t i = 0; i < notices_rig.sent.len; i++) {
        lines += notices_rig.sent.data[i] == '\n';
        spaces += notices_rig.sent.data[i] == ' ';
    }
    assert_int_equal(lines, 1);
    assert_int_equal(spaces, MANY);
    notices_rig_forget_sent();
    ask(0, HANDOVER_DETACH, "", 0);
    lines = 0;
    for (size_t i = 0; i < notices_rig.sent.len; i++)
        lines += notices_rig.sent.data[i] == '\n';
    assert_int_equal(lines, 3); /* of 200, 200 and 50 */
}

/* ---- what comes ---- */

static void a_notice_goes_to_the_workers_that_want_its_room(void **state)
{
    (void)state;
    subscribe(0, "r");
    subscribe(OWN, "r");
    subscribe(2, "other");
    publish("rc:{r}:events", "n1");
    assert_told("0 notice r n1\n1! notice r n1\n");
    publish("rc:{other}:events", "n2");
    publish("rc:{nobody}:events", "n3");
    publish("rc:{r}:other", "n4");
    assert_told("2 notice other n2\n");
}

static void the_bytes_are_copied_once_for_all(void **state)
{
    (void)state;
    subscribe(0, "r");
    subscribe(2, "r");
    publish("rc:{r}:events", "n1");
    assert_ptr_equal(w.copies[0], w.copies[2]);
    assert_told("0 notice r n1\n2 notice r n1\n");
}

static void what_comes_by_the_channel_of_a_node_is_for_its_worker(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++)
        listen_to_node(i);
    publish("rc:canary:n0", "1");
    publish("rc:canary:n1", "disconnect ann");
    publish("rc:canary:n2", "7");
    publish("rc:canary:n3", "7");
    assert_told("0 node 1\n1! node disconnect ann\n2 node 7\n");
}

static void another_node_has_another_channel(void **state)
{
    (void)state;
    listen_to_node(0);
    ask(0, HANDOVER_NODE, "rc:canary:next", 14);
    notices_rig_assert_sent("UNSUBSCRIBE rc:canary:n0\nSUBSCRIBE rc:canary:next\n");
    publish("rc:canary:n0", "1");
    publish("rc:canary:next", "2");
    assert_told("0 node 2\n");
}

static void what_a_full_inbox_does_not_take_is_counted(void **state)
{
    (void)state;
    listen_to_node(0);
    subscribe(0, "r");
    subscribe(2, "r");
    w.is_full[0] = true;
    publish("rc:{r}:events", "n1");
    publish("rc:canary:n0", "1");
    assert_told("2 notice r n1\n");
    assert_int_equal(metric_read(&w.metrics.handover_dropped_total), 2);
    notices_rig_confirm("subscribe");
    assert_told("0 confirmed r\n2 confirmed r\n"); /* comes all the same */
}

static void rooms_expire_while_this_worker_listens(void **state)
{
    (void)state;
    notices_rig_push("pmessage", "p", "__keyspace@0__:rc:{r}:meta", "expired");
    assert_string_equal(w.expired, "r");
    ask(OWN, HANDOVER_DETACH, "", 0);
    notices_rig_push("pmessage", "p", "__keyspace@0__:rc:{s}:meta", "expired");
    assert_string_equal(w.expired, "r");
}

/* ---- the link goes and comes ---- */

static void nobody_is_told_before_the_link_is_ready(void **state)
{
    (void)state;
    set_up_unconnected();
    attach(0);
    notices_rig_cut();
    assert_told("");
    notices_rig_connect();
    assert_told("0 ready\n");
    attach(2);
    attach(OWN);
    assert_told("2 ready\n1 ready\n");
    notices_rig_assert_sent("PSUBSCRIBE __keyspace@0__:rc:{*}:meta\n");
}

static void what_was_asked_for_is_lost_with_the_link(void **state)
{
    (void)state;
    listen_to_node(2);
    subscribe(0, "r");
    notices_rig_cut();
    assert_told("2 lost cut\n0 lost cut\n1! lost cut\n");
    assert_int_equal(w.feed.rooms.map.count, 0);
    subscribe(0, "r"); /* does not know it yet */
    assert_int_equal(notices_rig.restarts, 0);
    attach(0);
    notices_rig_connect();
    assert_told("0 ready\n"); /* the others have not attached */
    notices_rig_forget_sent();
    publish("rc:{r}:events", "n1");
    publish("rc:canary:n2", "1");
    assert_told("");
    attach(2);
    assert_told("2 ready\n");
}

static void the_loss_is_told_in_order_with_the_notices(void **state)
{
    (void)state;
    subscribe(0, "r");
    notices_rig_confirm("subscribe");
    publish("rc:{r}:events", "n1");
    notices_rig_cut();
    attach(0);
    notices_rig_connect();
    notices_rig_confirm("psubscribe");
    subscribe(0, "r");
    notices_rig_confirm("subscribe");
    publish("rc:{r}:events", "n2");
    assert_told("0 confirmed r\n0 notice r n1\n2 lost cut\n0 lost cut\n1! lost cut\n"
                "0 ready\n0 confirmed r\n0 notice r n2\n");
}

static void a_worker_that_attaches_again_asks_for_all_again(void **state)
{
    (void)state;
    listen_to_node(0);
    subscribe(0, "a");
    subscribe(0, "b");
    subscribe(2, "b");
    notices_rig_forget_sent();
    attach(0);
    notices_rig_assert_sent("UNSUBSCRIBE rc:{a}:events\nUNSUBSCRIBE rc:canary:n0\n");
    assert_told("0 ready\n");
    publish("rc:{b}:events", "n1");
    assert_told("2 notice b n1\n");
}

/* ---- a deaf worker ---- */

static void a_worker_that_is_deaf_alone_asks_for_all_again(void **state)
{
    (void)state;
    listen_to_node(2);
    subscribe(0, "r");
    subscribe(2, "s");
    notices_rig.now_ms += 3000;
    publish("rc:canary:n2", "1");
    assert_told("2 node 1\n");
    ask(0, HANDOVER_DEAF, "", 0);
    assert_int_equal(notices_rig.restarts, 0);
    assert_told("0 ready\n");
    assert_int_equal(w.feed.rooms.map.count, 2); /* one is still to be confirmed */
}

static void where_nobody_hears_anything_the_link_is_restarted(void **state)
{
    (void)state;
    listen_to_node(0);
    listen_to_node(2);
    publish("rc:canary:n0", "1");
    publish("rc:canary:n2", "1");
    assert_told("0 node 1\n2 node 1\n");
    notices_rig.now_ms += 3000;
    ask(0, HANDOVER_DEAF, "", 0);
    assert_int_equal(notices_rig.restarts, 1);
    assert_told("2 lost deaf: own notices do not come back\n"
                "1! lost deaf: own notices do not come back\n");
    ask(2, HANDOVER_DEAF, "", 0); /* it was under way */
    assert_int_equal(notices_rig.restarts, 1);
    notices_rig_connect();
    assert_told("2 ready\n0 ready\n");
}

static void with_one_worker_nothing_needs_an_inbox(void **state)
{
    (void)state;
    set_up_with(1, 0, NULL);
    attach(0);
    notices_rig_connect();
    strbuf_deinit(&w.told);
    subscribe(0, "r");
    listen_to_node(0);
    ask(0, HANDOVER_DEAF, "", 0);
    assert_int_equal(notices_rig.restarts, 1);
    assert_told("");
    attach(0);
    notices_rig_connect();
    notices_rig_confirm("psubscribe");
    subscribe(0, "r");
    unsubscribe(0, "r");
    subscribe(0, "r");
    publish("rc:{r}:events", "n1");
    notices_rig_cut();
    assert_told("0! ready\n0! notice r n1\n0! lost cut\n");
}

/* ---- when it goes wrong ---- */

static void a_link_that_takes_nothing_is_lost_for_all(void **state)
{
    (void)state;
    subscribe(2, "r");
    subscribe(2, "s");
    notices_rig.is_full = true;
    subscribe(0, "t");
    assert_int_equal(notices_rig.restarts, 1);
    assert_told("2 lost cannot send\n0 lost cannot send\n1! lost cannot send\n");
    notices_rig.is_full = false;
    attach(0);
    notices_rig_connect();
    assert_told("0 ready\n");
}

static void so_is_one_that_does_not_take_what_is_given_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        char name[8];

        snprintf(name, sizeof(name), "r%u", i);
        subscribe(2, name);
    }
    notices_rig.is_full = true;
    ask(2, HANDOVER_DETACH, "", 0);
    assert_int_equal(notices_rig.restarts, 1);
    assert_told("0 lost cannot send\n1! lost cannot send\n");
    assert_int_equal(w.feed.rooms.map.count, 0);
}

/* ---- the end ---- */

static void it_reads_until_the_last_worker_has_ended(void **state)
{
    (void)state;
    subscribe(0, "r");
    subscribe(2, "r");
    ask(OWN, HANDOVER_DETACH, "", 0);
    ask(2, HANDOVER_DETACH, "", 0);
    assert_true(feed_is_open(&w.feed));
    publish("rc:{r}:events", "n1");
    notices_rig_cut();
    attach(0);
    notices_rig_connect();
    assert_told("0 notice r n1\n0 lost cut\n0 ready\n");
    ask(0, HANDOVER_DETACH, "", 0);
    assert_false(feed_is_open(&w.feed));
    assert_told("");
}

static void it_waits_for_workers_that_have_not_begun(void **state)
{
    (void)state;
    set_up_unconnected();
    attach(OWN);
    ask(OWN, HANDOVER_DETACH, "", 0);
    attach(0);
    ask(0, HANDOVER_DETACH, "", 0);
    assert_true(feed_is_open(&w.feed));
    attach(2);
    notices_rig_connect();
    assert_told("2 ready\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_subscribed_once_for_all_workers),
        TEST(a_room_that_is_confirmed_is_so_at_once_for_the_next_worker),
        TEST(a_room_is_given_up_when_the_last_worker_does),
        TEST(a_confirmation_counts_for_the_workers_of_its_time_and_no_earlier),
        TEST(many_rooms_are_one_command_a_request),
        TEST(a_notice_goes_to_the_workers_that_want_its_room),
        TEST(the_bytes_are_copied_once_for_all),
        TEST(what_comes_by_the_channel_of_a_node_is_for_its_worker),
        TEST(another_node_has_another_channel),
        TEST(what_a_full_inbox_does_not_take_is_counted),
        TEST(rooms_expire_while_this_worker_listens),
        cmocka_unit_test_teardown(nobody_is_told_before_the_link_is_ready, tear_down),
        TEST(what_was_asked_for_is_lost_with_the_link),
        TEST(the_loss_is_told_in_order_with_the_notices),
        TEST(a_worker_that_attaches_again_asks_for_all_again),
        TEST(a_worker_that_is_deaf_alone_asks_for_all_again),
        TEST(where_nobody_hears_anything_the_link_is_restarted),
        cmocka_unit_test_teardown(with_one_worker_nothing_needs_an_inbox, tear_down),
        TEST(a_link_that_takes_nothing_is_lost_for_all),
        TEST(so_is_one_that_does_not_take_what_is_given_up),
        TEST(it_reads_until_the_last_worker_has_ended),
        cmocka_unit_test_teardown(it_waits_for_workers_that_have_not_begun, tear_down),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
