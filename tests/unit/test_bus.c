/* test_bus.c - what the bus subscribes to, whose confirmation is whose, and what it makes of what comes.
 * With the real rooms; the test takes the place of the link and of the clock.
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

#include "common/intake.h"
#include "common/log.h"
#include "gateway/bus.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/room_rig.h"

enum { DEADLINE_MS = 1000, MANY = 450 };

static struct {
    struct bus bus;
    struct redis_link_opts link;
    struct strbuf sent; /* commands since the test last looked, one a line */
    bool is_ready, is_full;
    unsigned restarts, readies, losses, canaries, notices;
    char command[64], expired[64];
    struct member members[MANY];
} w;

/* ---- in place of libuv and the link ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return rig.now_ms;
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    (void)loop;
    assert_true(opts->for_notices);
    w.link = *opts;
    return (struct redis_link *)(void *)&w;
}

void redis_link_close(struct redis_link *link)
{
    assert_ptr_equal(link, &w);
    w.is_ready = false;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    (void)link;
    return w.is_ready;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    char *at = cmd->args.data;

    (void)link, (void)data;
    assert_null(on_reply);
    if (w.is_full)
        return UV_ENOBUFS;
    for (unsigned i = 0; i < cmd->argc; i++) {
        size_t len = strtoul(at + 1, &at, 10);

        strbuf_add(&w.sent, at + 2, len);
        strbuf_add_char(&w.sent, i + 1 < cmd->argc ? ' ' : '\n');
        at += 2 + len + 2;
    }
    return 0;
}

/* The connection is lost at once, as with the real one. */
void redis_link_restart(struct redis_link *link, const char *why)
{
    (void)link;
    w.restarts++;
    w.is_ready = false;
    w.link.on_lost(w.link.owner, why);
}

/* ---- the bus's owner ---- */

static void on_ready(struct bus *bus)
{
    assert_ptr_equal(bus, &w.bus);
    w.readies++;
}

static void on_lost(struct bus *bus, const char *why)
{
    (void)bus, (void)why;
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

static void on_expired(struct bus *bus, const char *room, size_t len)
{
    (void)bus;
    snprintf(w.expired, sizeof(w.expired), "%.*s", (int)len, room);
}

static void on_notice(struct bus *bus)
{
    (void)bus;
    w.notices++;
}

static void subscribe(struct room *room)
{
    bus_subscribe(&w.bus, room);
}

static void unsubscribe(struct room *room)
{
    bus_unsubscribe(&w.bus, room);
}

static void become_ready(void)
{
    w.is_ready = true;
    w.link.on_ready(w.link.owner);
}

static void forget_sent(void)
{
    strbuf_deinit(&w.sent);
}

static int set_up(void **state)
{
    static const struct bus_hooks hooks = {
        .on_ready = on_ready,
        .on_lost = on_lost,
        .on_canary = on_canary,
        .on_command = on_command,
        .on_expired = on_expired,
        .on_notice = on_notice,
    };
    static const struct redis_url url;
    const struct bus_opts opts = {
        .config = &rig.config,
        .url = &url,
        .rooms = &rig.rooms,
        .metrics = &rig.metrics,
        .name = "notices",
        .hooks = &hooks,
    };
    (void)state;
    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    keys_set_prefix("rc");
    rig_open();
    rig.config.redis_deadline_ms = DEADLINE_MS;
    rig.rooms.hooks.subscribe = subscribe;
    rig.rooms.hooks.unsubscribe = unsubscribe;
    bus_open(&w.bus, &opts);
    bus_set_node(&w.bus, "n1");
    become_ready();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close();
    bus_close(&w.bus);
    bus_deinit(&w.bus);
    forget_sent();
    return 0;
}

static void assert_sent(const char *lines)
{
    assert_string_equal(w.sent.len > 0 ? w.sent.data : "", lines);
    forget_sent();
}

/* ---- what Redis says ---- */

static void take_resp(const char *resp, size_t len)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, resp, len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    w.link.on_push(w.link.owner, reply);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

/* An array of these. */
static void push(const char *first, const char *second, const char *third,
                 const char *fourth)
{
    const char *const words[] = {first, second, third, fourth};
    struct strbuf resp = {NULL, 0, 0};
    int count = fourth ? 4 : 3;

    strbuf_add_format(&resp, "*%d\r\n", count);
    for (int i = 0; i < count; i++)
        strbuf_add_format(&resp, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    take_resp(resp.data, resp.len);
    strbuf_deinit(&resp);
}

static void confirm(const char *what)
{
    push(what, "channel", "1", NULL);
}

static void refuse(void)
{
    take_resp("-NOPERM no\r\n", 12);
}

/* The canary and the expiry. */
static void confirm_first(void)
{
    confirm("subscribe");
    confirm("psubscribe");
    forget_sent();
}

static struct room *join(struct rig_client *client)
{
    rig_join(client);
    return client->member.room;
}

/* ---- subscriptions ---- */

static void the_canary_and_the_expiry_come_before_the_rooms(void **state)
{
    (void)state;
    assert_int_equal(w.readies, 1);
    assert_sent("SUBSCRIBE rc:canary:n1\nPSUBSCRIBE __keyspace@0__:rc:{*}:meta\n");
}

static void a_room_is_subscribed_once_that_is_confirmed(void **state)
{
    struct room *room;

    (void)state;
    forget_sent();
    room = join(rig_client("ann"));
    assert_sent("SUBSCRIBE rc:{r}:events\n");
    confirm_first();
    assert_false(room->is_subscribed); /* those were of others */
    confirm("subscribe");
    assert_true(room->is_subscribed);
}

static void
a_confirmation_for_a_room_that_is_gone_is_none_for_the_next_one(void **state)
{
    struct rig_client *ann;
    struct room *room;

    (void)state;
    confirm_first();
    ann = rig_client("ann");
    join(ann);
    rig_leave(ann, LEAVE_ASKED);
    assert_sent("SUBSCRIBE rc:{r}:events\nUNSUBSCRIBE rc:{r}:events\n");
    room = join(ann);
    confirm("subscribe");
    confirm("unsubscribe");
    assert_false(room->is_subscribed);
    confirm("subscribe");
    assert_true(room->is_subscribed);
}

static void after_a_loss_all_is_subscribed_again(void **state)
{
    struct room *room;

    (void)state;
    confirm_first();
    room = join(rig_client("ann"));
    confirm("subscribe");
    redis_link_restart(w.bus.link, "cut");
    assert_int_equal(w.losses, 1);
    assert_false(room->is_subscribed);
    forget_sent();
    become_ready();
    assert_sent("SUBSCRIBE rc:canary:n1\nPSUBSCRIBE __keyspace@0__:rc:{*}:meta\n"
                "SUBSCRIBE rc:{r}:events\n");
    confirm_first();
    confirm("subscribe");
    assert_true(room->is_subscribed);
}

static void rooms_without_a_link_are_subscribed_once_there_is_one(void **state)
{
    struct room *room;

    (void)state;
    redis_link_restart(w.bus.link, "cut");
    forget_sent();
    room = join(rig_client("ann"));
    assert_sent("");
    become_ready();
    confirm_first();
    confirm("subscribe");
    assert_true(room->is_subscribed);
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

static void many_rooms_are_subscribed_in_batches(void **state)
{
    const struct member_calls *calls;
    unsigned lines = 0;
    char name[8];

    (void)state;
    redis_link_restart(w.bus.link, "cut");
    forget_sent();
    calls = rig_client("ann")->member.calls;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        w.members[i].calls = calls;
        room_join(&rig.rooms, &w.members[i], (struct json_text){name, strlen(name)},
                  (struct json_text){"ann", 3}, NULL);
    }
    become_ready();
    confirm("subscribe");
    confirm("psubscribe");
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(count_subscribed(), i);
        confirm("subscribe");
    }
    assert_int_equal(count_subscribed(), MANY);
    for (size_t i = 0; i < w.sent.len; i++)
        lines += w.sent.data[i] == '\n';
    assert_int_equal(lines, 2 + 3); /* of 200, 200 and 50 */
    for (unsigned i = 0; i < MANY; i++)
        room_leave(&w.members[i], LEAVE_ASKED, rig.now_ms);
}

static void another_node_has_another_canary(void **state)
{
    (void)state;
    confirm_first();
    bus_set_node(&w.bus, "n2");
    assert_sent("UNSUBSCRIBE rc:canary:n1\nSUBSCRIBE rc:canary:n2\n");
    push("message", "rc:canary:n1", "1", NULL);
    assert_int_equal(w.canaries, 0);
    push("message", "rc:canary:n2", "1", NULL);
    assert_int_equal(w.canaries, 1);
}

/* ---- when it goes wrong ---- */

static void a_subscription_that_is_not_confirmed_in_time_restarts_the_link(void **state)
{
    (void)state;
    confirm_first();
    bus_check(&w.bus);
    join(rig_client("ann"));
    rig.now_ms += DEADLINE_MS - 1;
    bus_check(&w.bus);
    assert_int_equal(w.restarts, 0);
    rig.now_ms++;
    bus_check(&w.bus);
    assert_int_equal(w.restarts, 1);
    bus_check(&w.bus);
    assert_int_equal(w.restarts, 1); /* nothing is pending any more */
}

static void without_the_expiry_one_can_live_without_a_room_not(void **state)
{
    (void)state;
    confirm("subscribe");
    refuse();
    assert_int_equal(w.restarts, 0);
    join(rig_client("ann"));
    refuse();
    assert_int_equal(w.restarts, 1);
}

static void a_confirmation_of_nothing_restarts_the_link(void **state)
{
    (void)state;
    confirm_first();
    refuse(); /* of nothing: it may be of a command that is not the bus's */
    assert_int_equal(w.restarts, 0);
    confirm("subscribe");
    assert_int_equal(w.restarts, 1);
}

static void a_link_that_takes_nothing_is_restarted(void **state)
{
    struct room *room;

    (void)state;
    w.is_full = true;
    room = join(rig_client("ann"));
    assert_int_equal(w.restarts, 1);
    assert_false(room->is_subscribed);
}

static void what_is_no_push_is_counted_as_malformed(void **state)
{
    (void)state;
    take_resp(":1\r\n", 4);
    push("what", "channel", "1", NULL);
    assert_int_equal(metric_read(&rig.metrics.malformed_total[INTAKE_REPLY]), 2);
    assert_int_equal(w.restarts, 0);
}

/* ---- what comes ---- */

static void notices_are_delivered_to_their_room(void **state)
{
    struct rig_client *ann;

    (void)state;
    confirm_first();
    ann = rig_client("ann");
    join(ann);
    confirm("subscribe");
    rig_registered(true);
    rig_joined(RIG_EPOCH, 5, 1);
    rig_read(rig_history(5, 1, 1, 5));
    rig_assert_given(ann, "ack 5, batch 1-5");
    push("message", "rc:{r}:events",
         q("1 " RIG_EPOCH " 1 message 6 6 - \n{'type':'message','room':'r','seq':6,"
           "'user':'u','text':'t','ts':1}"),
         NULL);
    rig_assert_given(ann, "6");
    assert_int_equal(w.notices, 1);
    push("message", "rc:{other}:events", "1 " RIG_EPOCH " 1 message 6 6 - \n{}", NULL);
    push("message", "rc:{r}:other", "x", NULL);
    assert_int_equal(w.notices, 1);
    push("message", "rc:{r}:events", "x", NULL);
    assert_int_equal(w.notices, 1);
    assert_int_equal(metric_read(&rig.metrics.malformed_total[INTAKE_NOTICE]), 1);
    while (rig_count(RIG_BACKFILL) > 0)
        rig_backfilled(rig_history(6, 1, 7, 6));
}

static void a_text_on_the_channel_of_the_canary_is_a_command(void **state)
{
    (void)state;
    push("message", "rc:canary:n1", "disconnect ann", NULL);
    assert_string_equal(w.command, "disconnect ann");
    assert_int_equal(w.canaries, 0);
    push("message", "rc:canary:n1", "1", NULL);
    assert_int_equal(w.canaries, 1);
    push("message", "rc:canary:n1", "", NULL);
    assert_string_equal(w.command, "");
    assert_int_equal(w.canaries, 1);
}

static void only_rooms_that_expire_are_told_of(void **state)
{
    static const char pattern[] = "__keyspace@0__:rc:{*}:meta";

    (void)state;
    push("pmessage", pattern, "__keyspace@0__:rc:{r}:meta", "hset");
    push("pmessage", pattern, "__keyspace@0__:rc:{r}:other", "expired");
    push("pmessage", pattern, "other", "expired");
    assert_string_equal(w.expired, "");
    push("pmessage", pattern, "__keyspace@0__:rc:{r}:meta", "expired");
    assert_string_equal(w.expired, "r");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_canary_and_the_expiry_come_before_the_rooms),
        TEST(a_room_is_subscribed_once_that_is_confirmed),
        TEST(a_confirmation_for_a_room_that_is_gone_is_none_for_the_next_one),
        TEST(after_a_loss_all_is_subscribed_again),
        TEST(rooms_without_a_link_are_subscribed_once_there_is_one),
        TEST(many_rooms_are_subscribed_in_batches),
        TEST(another_node_has_another_canary),
        TEST(a_subscription_that_is_not_confirmed_in_time_restarts_the_link),
        TEST(without_the_expiry_one_can_live_without_a_room_not),
        TEST(a_confirmation_of_nothing_restarts_the_link),
        TEST(a_link_that_takes_nothing_is_restarted),
        TEST(what_is_no_push_is_counted_as_malformed),
        TEST(notices_are_delivered_to_their_room),
        TEST(a_text_on_the_channel_of_the_canary_is_a_command),
        TEST(only_rooms_that_expire_are_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
