/* test_admin_events.c - /api/events: what listeners are told, how many may listen, and
 * that one who never reads and a Redis that goes away do no harm.
 *
 * Something is made to happen as soon as the stream has begun: then nothing is missed any more.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/event_stream.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REFUSED "roomcast_malformed_total{from=\"notice\"}"

enum { LISTENERS = 4, PATIENCE_MS = 30000, DEAF_MESSAGES = 400, STOPPED_MS = 500 };

static struct fleet fleet;
static struct admin admin;

static struct chat *join_on(unsigned gateway, const char *room, const char *user)
{
    return chat_enter(fleet.gateways[gateway].port, room, user);
}

/* How many listen to a channel. */
static long long count_subscribers(const char *channel)
{
    redisReply *reply = redis_cmd_reply(fleet.redis_port, "PUBSUB NUMSUB %s", channel);
    long long count = 0;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        count = reply->element[1]->integer;
    freeReplyObject(reply);
    return count;
}

struct audience {
    const char *channel;
    long long count;
};

static bool has_audience(void *data)
{
    const struct audience *a = data;

    return count_subscribers(a->channel) >= a->count;
}

static void wait_for_audience(const char *channel, long long count)
{
    struct audience a = {channel, count};

    assert_true(wait_until(has_audience, &a, PATIENCE_MS));
}

/* ---- what is told ---- */

static void the_totals_come_every_second(void **state)
{
    static const char *const fields[] = {"connections", "members", "rooms", "gateways",
                                         "messages_total"};
    struct event_stream s;
    int64_t first_ms;

    (void)state;
    event_stream_open(&s, &admin, "");
    event_stream_expect(&s, "stats");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        assert_true(event_stream_get_number(&s, fields[i]) >= 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(s.data, "redis_up")));
    assert_int_equal(cJSON_GetArraySize(s.data), 6);
    first_ms = wait_now_ms();
    for (int i = 0; i < 3; i++)
        event_stream_expect(&s, "stats");
    assert_true(wait_now_ms() - first_ms > 1500); /* not more often */
    assert_non_null(strcasestr(s.read.data, "\r\ncache-control: no-"));
    event_stream_close(&s);
}

static void a_listener_learns_of_rooms_that_open_and_close(void **state)
{
    struct event_stream s;
    struct chat *ann;

    (void)state;
    event_stream_open(&s, &admin, "");
    ann = join_on(0, "opened \u00fc\\\"", "ann");
    event_stream_expect_text(&s, "room_opened", "room", "opened \u00fc\"");
    admin_post(&admin, 200, NULL, "/api/rooms/opened%%20%%C3%%BC%%22/close");
    event_stream_expect_text(&s, "room_closed", "room", "opened \u00fc\"");
    chat_close(ann);
    event_stream_close(&s);
}

static void a_listener_learns_of_rooms_that_expire(void **state)
{
    struct event_stream s;
    struct chat *ann;

    (void)state;
    event_stream_open(&s, &admin, "");
    ann = join_on(1, "short", "ann");
    event_stream_expect_text(&s, "room_opened", "room", "short");
    chat_leave(ann, "short");
    event_stream_expect_text(&s, "room_expired", "room", "short");
    admin_get(&admin, 404, "/api/rooms/short");
    chat_close(ann);
    event_stream_close(&s);
}

static void a_listener_learns_what_operators_do(void **state)
{
    struct event_stream s;

    (void)state;
    event_stream_open(&s, &admin, "");
    admin_post(&admin, 200, q("{'secs':60}"), "/api/rooms/court/mute/bob");
    event_stream_expect_text(&s, "audit", "what", "mute");
    assert_string_equal(event_stream_get_text(&s, "room"), "court");
    assert_string_equal(event_stream_get_text(&s, "user"), "bob");
    assert_string_equal(event_stream_get_text(&s, "who"), "admin");
    assert_true(event_stream_get_number(&s, "ts") > 1e12);
    admin_get(&admin, 200, "/api/audit?limit=1");
    assert_string_equal(event_stream_get_text(&s, "id"),
                        admin_text(&admin, "entries.0.id"));
    event_stream_close(&s);
}

/* Expects `gateways` events until one has as many entries. */
static void expect_gateways(struct event_stream *s, int count)
{
    do
        event_stream_expect(s, "gateways");
    while (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(s->data, "gateways")) !=
           count);
}

static void a_listener_learns_of_gateways_that_come_and_go(void **state)
{
    struct event_stream s;
    unsigned third;

    (void)state;
    event_stream_open(&s, &admin, "");
    expect_gateways(&s, 2);
    third = fleet_add(&fleet, NULL);
    expect_gateways(&s, 3);
    fleet_stop_gateway(&fleet, third);
    expect_gateways(&s, 2);
    event_stream_close(&s);
}

static void with_a_room_its_events_come_as_members_get_them(void **state)
{
    struct event_stream s, other;
    struct chat *ann = join_on(0, "watched", "ann"), *bob;

    (void)state;
    event_stream_open(&s, &admin, "?room=watched");
    event_stream_open(&other, &admin, "?room=elsewhere");
    bob = join_on(1, "watched", "bob");
    event_stream_expect_text(&s, "member_joined", "user", "bob");
    assert_int_equal(event_stream_get_number(&s, "members"), 2);
    chat_send(ann, "{'type':'message','room':'watched','text':'a\\nb',"
                   "'data':12345678901234567890}");
    chat_expect_skipping(bob, "message");
    event_stream_expect(&s, "message");
    assert_string_equal(s.text.data, chat_bytes(bob));
    chat_send(ann, "{'type':'signal','room':'watched','kind':'typing'}");
    event_stream_expect_text(&s, "signal", "kind", "typing");
    admin_delete(&admin, 200, "/api/rooms/watched/messages/1");
    event_stream_expect(&s, "message_deleted");
    admin_post(&admin, 200, q("{'reason':'x'}"), "/api/rooms/watched/kick/bob");
    event_stream_expect_text(&s, "member_left", "reason", "kicked");
    admin_post(&admin, 200, NULL, "/api/rooms/watched/close");
    event_stream_expect_text(&s, "room_closed", "room", "watched");
    event_stream_expect_text(&other, "room_closed", "room", "watched");
    assert_null(strstr(other.read.data, "event: message"));
    assert_null(strstr(other.read.data, "event: member_"));
    chat_close(ann);
    chat_close(bob);
    event_stream_close(&s);
    event_stream_close(&other);
}

/* As gateways do (test_malformed.c). */
static void what_gateways_would_not_pass_on_is_told_to_nobody(void **state)
{
    static const char header[] = "1 0123456789abcdef 9 ";
    static const struct {
        const char *kind, *line;
    } bad[] = {
        {"", "{\"type\":\"signal\",\"room\":\"forged\"}"},
        {"what 0 0 -", "{\"type\":\"what\",\"room\":\"forged\"}"},
        {"closed 0 0 -", "{\"type\":\"signal\",\"room\":\"forged\",\"user\":\"a\","
                         "\"kind\":\"k\",\"data\":1}"},
        {"signal 0 0 a", "{\"type\":\"signal\",\"room\":\"other\",\"user\":\"a\","
                         "\"kind\":\"k\",\"data\":1}"},
        {"signal 0 0 a",
         "{\"type\":\"signal\",\"room\":\"forged\",\"kind\":\"k\",\"data\":1}"},
        {"left 0 0 a", "{\"type\":\"member_left\",\"room\":\"forged\",\"user\":\"a\","
                       "\"reason\":\"left\"}"},
        {"message 7 7 -", "{\"type\":\"message\",\"room\":\"forged\",\"seq\":8,"
                          "\"user\":\"a\",\"text\":\"x\",\"ts\":1}"},
    };
    static const char *const bad_of_fleet[] = {
        "{\"type\":\"what\",\"room\":\"forged\"}",     "{\"type\":\"room_opened\"}",
        "{\"type\":\"room_opened\",\"room\":\"a{b\"}", "{\"type\":\"audit\"}",
        "{\"type\":\"signal\",\"room\":\"forged\"}",
    };
    double before = http_get_metric(admin.port, REFUSED);
    struct event_stream s;

    (void)state;
    event_stream_open(&s, &admin, "?room=forged");
    for (size_t i = 0; i < COUNT(bad); i++)
        redis_cmd(fleet.redis_port, "PUBLISH rc:{forged}:events %s%s\n%s", header,
                  bad[i].kind, bad[i].line);
    for (size_t i = 0; i < COUNT(bad_of_fleet); i++)
        redis_cmd(fleet.redis_port, "PUBLISH rc:events %s", bad_of_fleet[i]);
    redis_cmd(fleet.redis_port, "PUBLISH rc:{forged}:events %s%s\n%s", header,
              "signal 0 0 a",
              q("{'type':'signal','room':'forged','user':'a','kind':'last',"
                "'data':1}"));
    event_stream_expect_text(&s, "signal", "kind", "last");
    assert_null(strstr(s.read.data, "what"));
    assert_null(strstr(s.read.data, "event: member_left"));
    assert_null(strstr(s.read.data, "event: message"));
    assert_null(strstr(s.read.data, "event: room_opened"));
    assert_null(strstr(s.read.data, "event: audit"));
    assert_null(strstr(s.read.data, q("'kind':'k'")));
    assert_true(http_get_metric(admin.port, REFUSED) ==
                before + COUNT(bad) + COUNT(bad_of_fleet));
    event_stream_close(&s);
}

static bool has_comment(void *data)
{
    struct event_stream *s = data;

    while (event_stream_next(s, 0))
        ;
    return s->comments > 0;
}

static void a_comment_comes_within_fifteen_seconds(void **state)
{
    struct event_stream s;

    (void)state;
    event_stream_open(&s, &admin, "");
    assert_true(wait_until(has_comment, &s, 20000));
    event_stream_close(&s);
}

/* ---- who listens ---- */

static bool may_listen(void *data)
{
    static const char *const options[] = {"--max-time", "1", NULL};

    (void)data;
    return admin_ask(&admin, &(struct admin_request){.path = "/api/events",
                                                     .options = options}) == 200;
}

static void there_is_a_limit_to_listeners(void **state)
{
    struct event_stream all[LISTENERS];

    (void)state;
    for (int i = 0; i < LISTENERS; i++)
        event_stream_open(&all[i], &admin, i % 2 ? "?room=x" : "");
    admin_get(&admin, 503, "/api/events");
    admin_expect_error(&admin, 503, "unavailable");
    assert_non_null(strcasestr(admin.answer.head, "\r\nretry-after: "));
    assert_int_equal(http_get_metric(admin.port, "roomcast_admin_listeners"),
                     LISTENERS);
    admin_get(&admin, 200, "/api/stats"); /* all else is served */
    event_stream_close(&all[0]);
    assert_true(wait_until(may_listen, NULL, PATIENCE_MS));
    for (int i = 1; i < LISTENERS; i++) {
        event_stream_expect(&all[i], "stats");
        event_stream_close(&all[i]);
    }
}

static bool has_one_listener(void *data)
{
    (void)data;
    return http_get_metric(admin.port, "roomcast_admin_listeners") == 1;
}

/* A socket that takes next to nothing, while much is said in the room: it is cut, and the
 * other listener misses nothing. */
static void a_listener_that_never_reads_does_no_harm(void **state)
{
    struct wire *w = wire_open_small(admin.port, 1024);
    struct chat *ann = join_on(0, "busy", "ann");
    struct event_stream s;
    char text[20001] = "";

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    assert_true(wire_send_text(w, "GET /api/events?room=busy HTTP/1.1\r\nHost: x\r\n"
                                  "Authorization: Bearer " ADMIN_TOKEN "\r\n\r\n"));
    event_stream_open(&s, &admin, "?room=busy");
    wait_for_audience("rc:{busy}:events", 2);
    for (int i = 1; i <= DEAF_MESSAGES; i++) {
        chat_say(ann, "busy", text);
        event_stream_expect(&s, "message"); /* so that this one keeps up */
        assert_true(event_stream_get_number(&s, "seq") == i);
    }
    assert_true(wait_until(has_one_listener, NULL, PATIENCE_MS));
    wire_abort(w);
    chat_close(ann);
    event_stream_close(&s);
}

static void listeners_outlive_a_restart_of_redis(void **state)
{
    struct event_stream s;
    struct chat *ann;

    (void)state;
    event_stream_open(&s, &admin, "?room=again");
    event_stream_expect(&s, "stats");
    fleet_kill_redis(&fleet);
    event_stream_expect_text(&s, "status", "redis", "down");
    fleet_start_redis(&fleet);
    event_stream_expect_text(&s, "status", "redis", "up");
    fleet_wait_all_ready(&fleet);
    ann = join_on(0, "again", "ann");
    event_stream_expect_text(&s, "room_opened", "room", "again");
    chat_say(ann, "again", "hello");
    event_stream_expect_text(&s, "message", "text", "hello");
    event_stream_expect(&s, "stats");
    chat_close(ann);
    event_stream_close(&s);
}

static void *let_redis_go_on(void *data)
{
    (void)data;
    usleep(1000 * STOPPED_MS);
    process_signal(&fleet.redis.process, SIGCONT);
    return NULL;
}

/* As long as Redis has not confirmed that it listens, something may be missed. */
static void a_stream_begins_when_nothing_is_missed_any_more(void **state)
{
    struct event_stream s;
    struct chat *ann = join_on(0, "begun", "ann");
    int64_t stopped_ms;
    pthread_t thread;

    (void)state;
    process_signal(&fleet.redis.process, SIGSTOP);
    stopped_ms = wait_now_ms();
    assert_int_equal(pthread_create(&thread, NULL, let_redis_go_on, NULL), 0);
    event_stream_open(&s, &admin, "?room=begun");
    assert_true(wait_now_ms() - stopped_ms >= STOPPED_MS);
    pthread_join(thread, NULL);
    for (int i = 0; i < 20; i++) {
        struct event_stream next;

        event_stream_open(&next, &admin, "?room=begun");
        redis_cmd(fleet.redis_port, "PUBLISH rc:{begun}:events %s",
                  q("1 0123456789abcdef 0 signal 0 0 a\n{'type':'signal','room':"
                    "'begun','user':'a','kind':'k','data':1}"));
        event_stream_expect(&next, "signal");
        event_stream_close(&next);
    }
    event_stream_close(&s);
    chat_close(ann);
}

static bool has_no_listeners(void *data)
{
    (void)data;
    return http_get_metric(admin.port, "roomcast_admin_listeners") == 0;
}

/* Before each test: who has gone is noticed with the next bytes for them. */
static int wait_for_quiet(void **state)
{
    (void)state;
    return wait_until(has_no_listeners, NULL, PATIENCE_MS) ? 0 : -1;
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_ROOM_TTL_SECS=1",
                                           "ROOMCAST_LEASE_SECS=3", NULL};
    static const char *const of_admin[] = {"ROOMCAST_ADMIN_LISTENERS=4",
                                           "ROOMCAST_ROOM_TTL_SECS=1", NULL};
    static const char *const args[] = {"--notify-keyspace-events", "Kx", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){
                            .gateways = 2, .settings = settings, .redis_args = args});
    admin_start(&admin, &fleet, of_admin);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_totals_come_every_second, wait_for_quiet),
        cmocka_unit_test_setup(a_listener_learns_of_rooms_that_open_and_close,
                               wait_for_quiet),
        cmocka_unit_test_setup(a_listener_learns_of_rooms_that_expire, wait_for_quiet),
        cmocka_unit_test_setup(a_listener_learns_what_operators_do, wait_for_quiet),
        cmocka_unit_test_setup(a_listener_learns_of_gateways_that_come_and_go,
                               wait_for_quiet),
        cmocka_unit_test_setup(with_a_room_its_events_come_as_members_get_them,
                               wait_for_quiet),
        cmocka_unit_test_setup(what_gateways_would_not_pass_on_is_told_to_nobody,
                               wait_for_quiet),
        cmocka_unit_test_setup(a_comment_comes_within_fifteen_seconds, wait_for_quiet),
        cmocka_unit_test_setup(there_is_a_limit_to_listeners, wait_for_quiet),
        cmocka_unit_test_setup(a_listener_that_never_reads_does_no_harm,
                               wait_for_quiet),
        cmocka_unit_test_setup(a_stream_begins_when_nothing_is_missed_any_more,
                               wait_for_quiet),
        cmocka_unit_test_setup(listeners_outlive_a_restart_of_redis, wait_for_quiet),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
