/* test_expiry.c - the life of a room that nobody is in: Redis expires its keys, and one
 * gateway of the fleet takes it off the indexes, logs and counts it. With keyspace
 * notifications and without.
 *
 * To see that something does not happen, another room is emptied after it: once that one
 * has expired, the time of the first would have been over too.
 *
 * Over 400 lines because most tests run twice, once with each way to learn of it.
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
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { TTL_MS = 1000, LEASE_MS = 2000, PATIENCE_MS = 60000 };

static struct fleet fleet;

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

/* ---- what there is of a room ---- */

static bool has_no_keys(void *data)
{
    redisReply *reply = redis_cmd_reply(fleet.redis_port, "KEYS rc:{%s}:*", data);
    bool none = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 0;

    freeReplyObject(reply);
    return none;
}

static bool is_off_the_index(void *data)
{
    char *active = redis_cmd_text(fleet.redis_port, "ZSCORE rc:rooms %s", data);
    char *members =
        redis_cmd_text(fleet.redis_port, "ZSCORE rc:rooms:members %s", data);
    bool off = !active && !members;

    free(active);
    free(members);
    return off;
}

static long long ttl_of(const char *room, const char *key)
{
    return redis_cmd_number(fleet.redis_port, "PTTL rc:{%s}:%s", room, key);
}

static bool is_empty_since(const char *room)
{
    return redis_cmd_number(fleet.redis_port, "HEXISTS rc:{%s}:meta empty_since",
                            room) == 1;
}

static bool is_empty(void *data)
{
    return is_empty_since(data);
}

/* How often the logs of all gateways say that the room has expired. */
static int count_logged(const char *room)
{
    char *line = NULL, *name = print_text("room=%s\n", room);
    size_t size = 0;
    int count = 0;

    for (unsigned i = 0; i < fleet.count; i++) {
        FILE *log = fopen(fleet.gateways[i].log_path, "re");

        while (log && getline(&line, &size, log) >= 0)
            count += strstr(line, "room expired after TTL") && strstr(line, name);
        if (log)
            fclose(log);
    }
    free(line);
    free(name);
    return count;
}

static double count_expired(void)
{
    double sum = 0;

    for (unsigned i = 0; i < fleet.count; i++)
        if (!fleet.gateways[i].down)
            sum += fleet_metric(&fleet, i, "roomcast_rooms_expired_total");
    return sum;
}

static bool is_on_the_index(void *data)
{
    return !is_off_the_index(data);
}

static bool is_logged(void *data)
{
    return count_logged(data) > 0;
}

/* Another room is made, emptied, and seen to be gone. */
static void pass_a_lifetime(const char *room)
{
    struct chat *ann = on_gateway(0);

    chat_join(ann, room, "ann");
    chat_leave(ann, room);
    chat_close(ann);
    assert_true(wait_until(is_logged, (void *)room, PATIENCE_MS));
}

/* ---- the tests ---- */

static void an_empty_room_is_gone_after_its_time(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    double before = count_expired();

    (void)state;
    chat_join(ann, "gone", "ann");
    chat_join(bob, "gone", "bob");
    chat_say(ann, "gone", "x");
    chat_send(bob, "{'type':'message','room':'gone','text':'y','key':'k'}");
    chat_expect_skipping(bob, "message_ack");
    assert_false(is_off_the_index("gone"));
    chat_leave(ann, "gone");
    chat_leave(bob, "gone");
    assert_true(wait_until(is_off_the_index, "gone", PATIENCE_MS));
    assert_true(wait_until(is_logged, "gone", PATIENCE_MS));
    redis_cmd(fleet.redis_port, "DEL %s", "rc:{gone}:keys"); /* has its own time */
    assert_true(has_no_keys("gone"));

    pass_a_lifetime("after-gone");
    assert_int_equal(count_logged("gone"), 1);
    assert_int_equal(count_logged("after-gone"), 1);
    assert_true(count_expired() - before == 2);
    chat_close(ann);
    chat_close(bob);
}

static void many_rooms_that_expire_together_are_counted_once_each(void **state)
{
    enum { ROOMS = 60 };
    struct chat *ann = on_gateway(0);
    double before = count_expired();

    (void)state;
    for (int i = 0; i < ROOMS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "many-%d", i);
        chat_join(ann, room, "ann");
    }
    for (int i = 0; i < ROOMS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "many-%d", i);
        chat_leave(ann, room);
    }
    for (int i = 0; i < ROOMS; i++) {
        char room[32];

        snprintf(room, sizeof(room), "many-%d", i);
        assert_true(wait_until(is_logged, room, PATIENCE_MS));
    }
    pass_a_lifetime("after-many");
    assert_true(count_expired() - before == ROOMS + 1);
    chat_close(ann);
}

static void a_room_is_empty_since_the_last_one_left(void **state)
{
    unsigned patient =
        fleet_add(&fleet, (const char *[]){"ROOMCAST_ROOM_TTL_SECS=60", NULL});
    struct chat *ann = on_gateway(patient), *bob = on_gateway(patient);

    (void)state;
    chat_join(ann, "since", "ann");
    assert_false(is_empty_since("since"));
    chat_join(bob, "since", "bob");
    chat_leave(ann, "since");
    chat_expect_skipping(bob, "member_left");
    assert_false(is_empty_since("since"));
    chat_leave(bob, "since");
    assert_true(wait_until(is_empty, "since", PATIENCE_MS));
    assert_in_range(ttl_of("since", "meta"), 1, 60000);
    chat_join(ann, "since", "ann");
    assert_false(is_empty_since("since"));
    assert_true(ttl_of("since", "meta") > 60000);
    chat_close(ann);
    chat_close(bob);
    fleet_stop_gateway(&fleet, patient);
}

/* Both in one write: the room's time must not be over between them. */
static void leave_and_join(struct chat *chat, const char *room, const char *user)
{
    struct strbuf frames = {NULL, 0, 0}, text[2] = {{NULL, 0, 0}, {NULL, 0, 0}};

    strbuf_add_format(&text[0], q("{'type':'leave','room':'%s'}"), room);
    strbuf_add_format(&text[1], q("{'type':'join','room':'%s','user':'%s'}"), room,
                      user);
    for (int i = 0; i < 2; i++) {
        struct wire_frame frame = {
            .head = WIRE_FIN | WIRE_TEXT, .bytes = text[i].data, .len = text[i].len};

        wire_print_frame(&frames, &frame, 0);
        strbuf_deinit(&text[i]);
    }
    assert_true(wire_send(chat_wire(chat), frames.data, frames.len));
    strbuf_deinit(&frames);
    chat_expect_skipping(chat, "leave_ack");
    chat_expect_skipping(chat, "join_ack");
}

static void a_join_stops_the_countdown(void **state)
{
    struct chat *ann = on_gateway(0);
    char epoch[32];

    (void)state;
    chat_join(ann, "back", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    chat_say(ann, "back", "x");
    leave_and_join(ann, "back", "ann");
    assert_string_equal(chat_get_text(ann, "epoch"), epoch);
    assert_true(ttl_of("back", "meta") > 2 * LEASE_MS);
    assert_true(ttl_of("back", "history") > 2 * LEASE_MS);
    assert_true(ttl_of("back", "members") > 2 * LEASE_MS);

    pass_a_lifetime("after-back");
    assert_int_equal(chat_say(ann, "back", "y"), 2);
    assert_int_equal(count_logged("back"), 0);
    chat_close(ann);
}

struct life {
    const char *room;
    long long least_ms;
};

static bool has_been_renewed(void *data)
{
    struct life *life = data;
    long long ttl_ms = ttl_of(life->room, "meta");

    if (ttl_ms > life->least_ms)
        return true;
    life->least_ms = ttl_ms;
    return false;
}

static void a_room_with_somebody_in_lives_on_however_short_its_time(void **state)
{
    struct chat *ann = on_gateway(0);
    struct life life = {"lasting", 0};

    (void)state;
    chat_join(ann, "lasting", "ann");
    chat_say(ann, "lasting", "x");
    life.least_ms = ttl_of("lasting", "meta");
    assert_in_range(life.least_ms, 2 * LEASE_MS, 6 * LEASE_MS);
    assert_true(wait_until(has_been_renewed, &life, PATIENCE_MS));
    assert_in_range(life.least_ms, 2 * LEASE_MS, 6 * LEASE_MS);
    assert_true(ttl_of("lasting", "history") > 2 * LEASE_MS);
    assert_true(ttl_of("lasting", "members") > 2 * LEASE_MS);
    assert_int_equal(chat_say(ann, "lasting", "y"), 2);
    assert_int_equal(count_logged("lasting"), 0);
    chat_close(ann);
}

static void every_key_of_a_room_expires_but_bans_and_mutes(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    redisReply *keys;
    int seen = 0;

    (void)state;
    chat_join(ann, "keys", "ann");
    chat_join(bob, "keys", "bob");
    chat_send(ann, "{'type':'message','room':'keys','text':'x','key':'k'}");
    chat_expect_skipping(ann, "message_ack");
    chat_leave(bob, "keys");
    chat_expect_skipping(ann, "member_left");
    redis_cmd(fleet.redis_port, "HSET rc:{keys}:bans eve 0");
    redis_cmd(fleet.redis_port, "HSET rc:{keys}:mutes eve 0");
    keys = redis_cmd_reply(fleet.redis_port, "KEYS %s", "rc:{keys}:*");
    assert_non_null(keys);
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str;
        bool outlives = strstr(key, ":bans") || strstr(key, ":mutes");
        long long ttl_ms = redis_cmd_number(fleet.redis_port, "PTTL %s", key);

        if (outlives ? ttl_ms != -1 : ttl_ms <= 0)
            fail_msg("%s: PTTL %lld", key, ttl_ms);
        seen++;
    }
    assert_in_range(seen, 7, 8); /* meta, members, history, a key, one or two on: */
    freeReplyObject(keys);
    chat_close(ann);
    chat_close(bob);
}

static void a_room_whose_last_member_lost_the_connection_goes_too(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "lost", "ann");
    chat_abort(ann);
    assert_true(wait_until(has_no_keys, "lost", PATIENCE_MS));
    assert_true(wait_until(is_off_the_index, "lost", PATIENCE_MS));
    assert_true(wait_until(is_logged, "lost", PATIENCE_MS));
    assert_int_equal(count_logged("lost"), 1);
}

static void a_room_whose_gateway_stops_is_found_by_the_others(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "stopped", "ann");
    assert_true(wait_until(is_on_the_index, "stopped", PATIENCE_MS));
    chat_leave(ann, "stopped");
    chat_close(ann);
    fleet_stop_gateway(&fleet, 0); /* it has no time to look at the room again */
    assert_true(wait_until(is_off_the_index, "stopped", PATIENCE_MS));
    assert_true(wait_until(is_logged, "stopped", PATIENCE_MS));
    assert_int_equal(count_logged("stopped"), 1);
    fleet_start_gateway(&fleet, 0);
}

/* The keys' time passes faster. */
static void expire_soon(const char *room)
{
    redisReply *keys = redis_cmd_reply(fleet.redis_port, "KEYS rc:{%s}:*", room);

    assert_non_null(keys);
    for (size_t i = 0; i < keys->elements; i++)
        redis_cmd(fleet.redis_port, "PEXPIRE %s 1", keys->element[i]->str);
    freeReplyObject(keys);
}

static void what_expired_while_no_gateway_lived_is_found_afterwards(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "orphan", "ann");
    chat_join(bob, "orphan", "bob");
    chat_join(ann, "left-behind", "ann");
    chat_leave(ann, "left-behind");
    assert_false(is_off_the_index("orphan"));
    fleet_kill_gateway(&fleet, 0);
    fleet_kill_gateway(&fleet, 1);
    chat_abort(ann);
    chat_abort(bob);
    assert_true(ttl_of("orphan", "meta") > 0);
    expire_soon("orphan");
    assert_true(wait_until(has_no_keys, "orphan", PATIENCE_MS));
    assert_true(wait_until(has_no_keys, "left-behind", PATIENCE_MS));
    assert_false(is_off_the_index("orphan"));
    fleet_start_gateway(&fleet, 0);
    fleet_start_gateway(&fleet, 1);
    assert_true(wait_until(is_off_the_index, "orphan", PATIENCE_MS));
    assert_true(wait_until(is_logged, "orphan", PATIENCE_MS));
    assert_true(wait_until(is_logged, "left-behind", PATIENCE_MS));
    pass_a_lifetime("after-orphan");
    assert_int_equal(count_logged("orphan"), 1);
    assert_int_equal(count_logged("left-behind"), 1);
}

static int start_with(const char *const *redis_args)
{
    return fleet_start(
        &fleet,
        &(struct fleet_opts){.gateways = 2,
                             .redis_args = redis_args,
                             .settings = (const char *[]){
                                 "ROOMCAST_ROOM_TTL_SECS=1", "ROOMCAST_LEASE_SECS=2",
                                 "ROOMCAST_PRESENCE_GRACE_MS=100", NULL}});
}

static int start_with_notifications(void **state)
{
    static const char *const args[] = {"--notify-keyspace-events", "Kx", NULL};

    *state = &fleet;
    return start_with(args);
}

static int start_without(void **state)
{
    *state = &fleet;
    return start_with(NULL);
}

/* The first two count what expires, so nothing of another test may be left. */
int main(void)
{
    const struct CMUnitTest by_notifications[] = {
        cmocka_unit_test(an_empty_room_is_gone_after_its_time),
        cmocka_unit_test(many_rooms_that_expire_together_are_counted_once_each),
        cmocka_unit_test(a_room_is_empty_since_the_last_one_left),
        cmocka_unit_test(a_join_stops_the_countdown),
        cmocka_unit_test(a_room_with_somebody_in_lives_on_however_short_its_time),
        cmocka_unit_test(every_key_of_a_room_expires_but_bans_and_mutes),
        cmocka_unit_test(a_room_whose_last_member_lost_the_connection_goes_too),
        cmocka_unit_test(what_expired_while_no_gateway_lived_is_found_afterwards),
        cmocka_unit_test(a_room_whose_gateway_stops_is_found_by_the_others),
    };
    const struct CMUnitTest by_walking[] = {
        cmocka_unit_test(an_empty_room_is_gone_after_its_time),
        cmocka_unit_test(many_rooms_that_expire_together_are_counted_once_each),
        cmocka_unit_test(a_join_stops_the_countdown),
        cmocka_unit_test(a_room_whose_last_member_lost_the_connection_goes_too),
        cmocka_unit_test(what_expired_while_no_gateway_lived_is_found_afterwards),
        cmocka_unit_test(a_room_whose_gateway_stops_is_found_by_the_others),
    };
    int failed =
        cmocka_run_group_tests_name("with keyspace notifications", by_notifications,
                                    start_with_notifications, fleet_teardown);

    return failed + cmocka_run_group_tests_name("without keyspace notifications",
                                                by_walking, start_without,
                                                fleet_teardown);
}
