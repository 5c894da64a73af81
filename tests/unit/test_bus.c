/* test_bus.c - what a worker asks of the one that reads, whose confirmation is whose, and what it makes
 * of what it is told. With the real rooms; the test takes the place of the feed and of the other
 * worker's inbox.
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
#include "gateway/bus.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/room_rig.h"

enum { MANY = 450, SHARD = 4, WORKER = 2 };

static struct {
    struct bus bus;
    struct feed feed;
    struct inbox reader;
    bool is_remote;      /* another worker reads */
    struct strbuf asked; /* since the test last looked, a line each */
    uint64_t number;     /* of the last request */
    unsigned readies, losses, canaries, notices;
    uint64_t read_ns;
    char command[64];
    struct member members[MANY];
} w;

/* ---- in place of libuv, the feed and the inbox ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return rig.now_ms;
}

static void write_down(const struct handover *what)
{
    static const char *const words[] = {
        [HANDOVER_ATTACH] = "attach",       [HANDOVER_DEAF] = "deaf",
        [HANDOVER_DETACH] = "detach",       [HANDOVER_NODE] = "node",
        [HANDOVER_SUBSCRIBE] = "subscribe", [HANDOVER_UNSUBSCRIBE] = "unsubscribe",
    };
    struct json_text left = what->text, room;

    assert_int_equal(what->shard, SHARD);
    assert_int_equal(what->worker, WORKER);
    assert_int_equal(what->number, ++w.number);
    strbuf_add_text(&w.asked, words[what->kind]);
    if (what->kind == HANDOVER_NODE)
        strbuf_add_format(&w.asked, " %.*s", (int)left.len, left.base);
    while (what->kind >= HANDOVER_SUBSCRIBE && handover_take_room(&left, &room))
        strbuf_add_format(&w.asked, " %.*s", (int)room.len, room.base);
    strbuf_add_char(&w.asked, '\n');
}

void feed_take(struct feed *feed, const struct handover *request)
{
    assert_ptr_equal(feed, &w.feed);
    write_down(request);
}

bool inbox_post_new(struct inbox *inbox, const struct handover *what)
{
    assert_true(w.is_remote);
    assert_ptr_equal(inbox, &w.reader);
    write_down(what);
    return true;
}

static void assert_asked(const char *lines)
{
    assert_string_equal(w.asked.len > 0 ? w.asked.data : "", lines);
    strbuf_deinit(&w.asked);
}

static void forget_asked(void)
{
    strbuf_deinit(&w.asked);
}

/* ---- the bus's owner ---- */

static void on_ready(struct bus *bus)
{
    assert_ptr_equal(bus, &w.bus);
    w.readies++;
}

static void on_lost(struct bus *bus)
{
    (void)bus;
    w.losses++;
}

static void on_canary(struct bus *bus, uint64_t number)
{
    (void)bus;
    assert_int_equal(number, ++w.canaries);
}

static void on_command(struct bus *bus, struct json_text command)
{
    (void)bus;
    snprintf(w.command, sizeof(w.command), "%.*s", (int)command.len, command.base);
}

static void on_notice(struct bus *bus, uint64_t read_ns)
{
    (void)bus;
    w.notices++;
    w.read_ns = read_ns;
}

static void subscribe(struct room *room)
{
    bus_subscribe(&w.bus, room);
}

static void unsubscribe(struct room *room)
{
    bus_unsubscribe(&w.bus, room);
}

/* ---- what it is told ---- */

/* After the request of this number. */
static void tell_after(uint64_t number, enum handover_kind kind, const char *room,
                       const char *text)
{
    const struct handover what = {
        .kind = kind,
        .number = number,
        .read_ns = 5,
        .room = {room, strlen(room)},
        .text = {text, strlen(text)},
        .room_hash = map_hash(room, strlen(room)),
    };

    bus_take(&w.bus, &what);
}

static void tell(enum handover_kind kind, const char *room, const char *text)
{
    tell_after(w.number, kind, room, text);
}

static void confirm(const char *room)
{
    tell(HANDOVER_CONFIRMED, room, "");
}

static void open_bus(bool is_remote)
{
    static const struct bus_hooks hooks = {
        .on_ready = on_ready,
        .on_lost = on_lost,
        .on_canary = on_canary,
        .on_command = on_command,
        .on_notice = on_notice,
    };
    const struct bus_opts opts = {
        .rooms = &rig.rooms,
        .shard = SHARD,
        .worker = WORKER,
        .feed = is_remote ? NULL : &w.feed,
        .reader = is_remote ? &w.reader : NULL,
        .hooks = &hooks,
    };

    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    keys_set_prefix("rc");
    rig_open();
    rig.rooms.hooks.subscribe = subscribe;
    rig.rooms.hooks.unsubscribe = unsubscribe;
    w.is_remote = is_remote;
    bus_open(&w.bus, &opts);
}

static int set_up(void **state)
{
    (void)state;
    open_bus(false);
    bus_set_node(&w.bus, "n1");
    tell(HANDOVER_READY, "", "");
    assert_asked("attach\nnode rc:canary:n1\n");
    assert_int_equal(w.readies, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forget_asked();
    bus_close(&w.bus);
    assert_asked("detach\n");
    rig_close();
    assert_asked("");
    bus_deinit(&w.bus);
    return 0;
}

static struct room *join(struct rig_client *client)
{
    rig_join(client);
    return client->member.room;
}

/* ---- subscriptions ---- */

static void a_room_is_subscribed_once_that_is_confirmed(void **state)
{
    struct room *room = join(rig_client("ann"));

    (void)state;
    assert_asked("subscribe r\n");
    confirm("other");
    assert_false(room->is_subscribed);
    confirm("r");
    assert_true(room->is_subscribed);
}

static void
a_confirmation_for_a_room_that_is_gone_is_none_for_the_next_one(void **state)
{
    struct rig_client *ann = rig_client("ann");
    struct room *room;
    uint64_t first;

    (void)state;
    join(ann);
    first = w.number;
    rig_leave(ann, LEAVE_ASKED);
    room = join(ann);
    assert_asked("subscribe r\nunsubscribe r\nsubscribe r\n");
    tell_after(first, HANDOVER_CONFIRMED, "r", "");
    tell_after(first + 1, HANDOVER_CONFIRMED, "r", "");
    assert_false(room->is_subscribed);
    confirm("r");
    assert_true(room->is_subscribed);
}

static void after_a_loss_all_is_asked_for_again(void **state)
{
    struct room *room = join(rig_client("ann"));
    uint64_t before = w.number;

    (void)state;
    confirm("r");
    forget_asked();
    tell(HANDOVER_LOST, "", "cut");
    assert_int_equal(w.losses, 1);
    assert_false(room->is_subscribed);
    assert_asked("attach\n");
    tell(HANDOVER_READY, "", "");
    assert_asked("node rc:canary:n1\nsubscribe r\n");
    tell_after(before, HANDOVER_CONFIRMED, "r", "");
    assert_false(room->is_subscribed);
    confirm("r");
    assert_true(room->is_subscribed);
}

static void rooms_of_a_bus_that_is_not_ready_are_asked_for_once_it_is(void **state)
{
    struct rig_client *ann = rig_client("ann"), *bob = rig_client("bob");

    (void)state;
    tell(HANDOVER_LOST, "", "cut");
    forget_asked();
    join(ann);
    bob->room = "s";
    join(bob);
    rig_leave(bob, LEAVE_ASKED);
    assert_asked("");
    tell(HANDOVER_READY, "", "");
    assert_asked("node rc:canary:n1\nsubscribe r\n");
}

static void what_was_told_before_it_attached_again_counts_no_more(void **state)
{
    uint64_t before = w.number;
    struct room *room = join(rig_client("ann"));

    (void)state;
    confirm("r");
    bus_restart(&w.bus);
    assert_int_equal(w.losses, 1);
    assert_false(bus_is_ready(&w.bus));
    forget_asked();
    tell_after(before, HANDOVER_CONFIRMED, "r", "");
    tell_after(before, HANDOVER_LOST, "", "cut");
    tell_after(before, HANDOVER_READY, "", "");
    assert_asked("");
    assert_int_equal(w.losses, 1);
    assert_int_equal(w.readies, 1);
    tell(HANDOVER_READY, "", "");
    assert_true(bus_is_ready(&w.bus));
    assert_false(room->is_subscribed);
}

static unsigned count_subscribed(void)
{
    const struct room *room;
    unsigned count = 0;
    uint32_t at = 0;

    while ((room = map_next(&rig.rooms.map, &at)))
        count += room->is_subscribed;
    return count;
}

static void many_rooms_are_asked_for_in_batches(void **state)
{
    const struct member_calls *calls = rig_client("ann")->member.calls;
    unsigned lines = 0;
    char name[8];

    (void)state;
    tell(HANDOVER_LOST, "", "cut");
    forget_asked();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        w.members[i].calls = calls;
        room_join(&rig.rooms, &w.members[i], (struct json_text){name, strlen(name)},
                  (struct json_text){"ann", 3}, NULL);
    }
    tell(HANDOVER_READY, "", "");
    for (size_t i = 0; i < w.asked.len; i++)
        lines += w.asked.data[i] == '\n';
    assert_int_equal(lines, 1 + 3); /* of 200, 200 and 50 */
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        assert_int_equal(count_subscribed(), i);
        confirm(name);
    }
    assert_int_equal(count_subscribed(), MANY);
    for (unsigned i = 0; i < MANY; i++)
        room_leave(&w.members[i], LEAVE_ASKED, rig.now_ms);
}

static void another_node_has_another_channel(void **state)
{
    (void)state;
    bus_set_node(&w.bus, "n2");
    assert_asked("node rc:canary:n2\n");
    tell(HANDOVER_LOST, "", "cut");
    bus_set_node(&w.bus, "n3");
    assert_asked("attach\n");
    tell(HANDOVER_READY, "", "");
    assert_asked("node rc:canary:n3\n");
}

static void where_another_worker_reads_it_is_asked_by_its_inbox(void **state)
{
    (void)state;
    open_bus(true);
    tell(HANDOVER_READY, "", "");
    join(rig_client("ann"));
    assert_asked("attach\nsubscribe r\n");
    bus_restart(&w.bus);
    assert_asked("deaf\n");
}

static void a_subscription_begins_with_its_confirmation(void **state)
{
    struct room *room = join(rig_client("ann"));

    (void)state;
    room->deliver.noticed = 5;
    confirm("r");
    assert_int_equal(room->deliver.noticed, 0);
}

/* ---- what comes ---- */

static void notices_are_delivered_to_their_room(void **state)
{
    struct rig_client *ann = rig_client("ann");

    (void)state;
    join(ann);
    confirm("r");
    rig_registered(true);
    rig_joined(RIG_EPOCH, 5, 1);
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(ann, "ack 5, batch 1-5");
    tell(HANDOVER_NOTICE, "r",
         q("1 " RIG_EPOCH " 1 message 6 6 - \n{'type':'message','room':'r','seq':6,"
           "'user':'u','text':'t','ts':1}"));
    rig_assert_given(ann, "6");
    assert_int_equal(w.notices, 1);
    assert_int_equal(w.read_ns, 5);
    tell(HANDOVER_NOTICE, "other", "1 " RIG_EPOCH " 1 message 6 6 - \n{}");
    assert_int_equal(w.notices, 1);
    tell(HANDOVER_NOTICE, "r", "x");
    assert_int_equal(w.notices, 1);
    assert_int_equal(metric_read(&rig.metrics.malformed_total[INTAKE_NOTICE]), 1);
    while (rig_count(RIG_BACKFILL) > 0)
        rig_backfilled(rig_history(6, 1, 7, 6));
}

static void a_text_on_the_channel_of_the_node_is_a_canary_or_a_command(void **state)
{
    (void)state;
    tell(HANDOVER_NODE_TEXT, "", "disconnect ann");
    assert_string_equal(w.command, "disconnect ann");
    assert_int_equal(w.canaries, 0);
    tell(HANDOVER_NODE_TEXT, "", "1");
    assert_int_equal(w.canaries, 1);
    tell(HANDOVER_NODE_TEXT, "", "");
    assert_string_equal(w.command, "");
    assert_int_equal(w.canaries, 1);
}

static void a_closed_bus_hears_nothing(void **state)
{
    (void)state;
    bus_close(&w.bus);
    assert_asked("detach\n");
    tell(HANDOVER_LOST, "", "cut");
    tell(HANDOVER_READY, "", "");
    tell(HANDOVER_NODE_TEXT, "", "1");
    assert_asked("");
    assert_int_equal(w.losses, 0);
    assert_int_equal(w.canaries, 0);
    rig_close();
    bus_deinit(&w.bus);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_subscribed_once_that_is_confirmed),
        TEST(a_confirmation_for_a_room_that_is_gone_is_none_for_the_next_one),
        TEST(after_a_loss_all_is_asked_for_again),
        TEST(rooms_of_a_bus_that_is_not_ready_are_asked_for_once_it_is),
        TEST(what_was_told_before_it_attached_again_counts_no_more),
        TEST(many_rooms_are_asked_for_in_batches),
        TEST(another_node_has_another_channel),
        cmocka_unit_test_teardown(where_another_worker_reads_it_is_asked_by_its_inbox,
                                  tear_down),
        TEST(a_subscription_begins_with_its_confirmation),
        TEST(notices_are_delivered_to_their_room),
        TEST(a_text_on_the_channel_of_the_node_is_a_canary_or_a_command),
        cmocka_unit_test_setup(a_closed_bus_hears_nothing, set_up),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
