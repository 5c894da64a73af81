/* test_chat_client.c - a user of chat_client sees an unbroken conversation: over cuts,
 * gateways that are killed, stopped or drained, and a Redis that is away.
 *
 * Ann talks, bob listens; both stand on one loop. Ann's messages are numbered by their
 * texts, and bob must get each once and in order.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "client/chat_client.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/redis/redis_cmd.h"

enum { GATEWAYS = 2, MESSAGES = 300, WINDOW = 8, PATIENCE_MS = 60000 };

struct person {
    struct chat_client *client;
    const char *room;
    uint64_t said, acked;  /* messages */
    uint64_t heard;        /* of ann's messages, as their texts tell */
    uint64_t last_seq;     /* of an ack */
    unsigned opened;       /* connections */
    unsigned again;        /* messages that had to be sent again */
    unsigned left, errors; /* events */
    unsigned deleted, too_large;
    const char *refusal; /* of the last message that was not taken */
    unsigned kicked, rooms_closed;
    const char *closes_at; /* what on_state tells or an event's type; NULL: no word */
    bool closed, refused;
};

static struct fleet fleet;
static uv_loop_t loop;
static size_t in_flight; /* says_in_flight of who comes; 0: no limit */

static void on_state(void *owner, enum connection_state state, const char *why)
{
    struct person *person = owner;

    person->opened += state == CONNECTION_OPEN;
    person->refused = state == CONNECTION_ENDED;
    if (person->closes_at && strcmp(why, person->closes_at) == 0)
        chat_client_close(person->client);
}

static void on_message(void *owner, const struct chat_message *message)
{
    static const char mark[] = "\"text\":\"";
    struct person *person = owner;
    const char *text =
        memmem(message->event.base, message->event.len, mark, sizeof(mark) - 1);

    assert_non_null(text);
    assert_int_equal(strtoull(text + sizeof(mark) - 1, NULL, 10), person->heard + 1);
    person->heard++;
}

static bool is_type(struct json_text type, const char *word)
{
    return type.len == strlen(word) + 2 &&
           memcmp(type.base + 1, word, strlen(word)) == 0;
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    struct person *person = owner;

    (void)event;
    person->left += is_type(type, "member_left");
    person->errors += is_type(type, "error");
    person->deleted += is_type(type, "message_deleted");
    person->kicked += is_type(type, "kicked");
    person->rooms_closed += is_type(type, "room_closed");
    if (person->closes_at && is_type(type, person->closes_at))
        chat_client_close(person->client);
    assert_false(is_type(type, "gap"));
    assert_false(is_type(type, "reset"));
}

static void on_said(void *owner, const struct chat_said *said)
{
    struct person *person = owner;

    person->refusal = said->error ? "refused" : NULL;
    person->too_large += said->error && strcmp(said->error, "too_large") == 0;
    if (said->error)
        return;
    person->acked++;
    person->again += said->times > 1;
    person->last_seq = said->seq;
}

static void on_closed(void *owner)
{
    ((struct person *)owner)->closed = true;
}

static void come(struct person *person, const char *room, const char *user,
                 unsigned gateway)
{
    struct connection_address addresses[GATEWAYS];

    for (int g = 0; g < GATEWAYS; g++)
        addresses[g] = (struct connection_address){.host = "127.0.0.1",
                                                   .port = fleet.gateways[g].port};
    *person = (struct person){.room = room};
    person->client = chat_client_open(&loop, &(struct chat_client_opts){
                                                 .addresses = addresses,
                                                 .count = GATEWAYS,
                                                 .first = gateway,
                                                 .pause_least_ms = 20,
                                                 .pause_most_ms = 200,
                                                 .silence_ms = 1000,
                                                 .says_in_flight = in_flight,
                                                 .looks_for_deleted = true,
                                                 .owner = person,
                                                 .on_state = on_state,
                                                 .on_message = on_message,
                                                 .on_event = on_event,
                                                 .on_said = on_said,
                                                 .on_closed = on_closed,
                                             });
    chat_client_join(person->client, room, user);
}

static bool is_in(void *data)
{
    struct person *person = data;

    return chat_client_is_live(person->client, person->room);
}

static bool has_closed(void *data)
{
    return ((struct person *)data)->closed;
}

static void go(struct person *person)
{
    chat_client_close(person->client);
    assert_true(loop_run_until(&loop, has_closed, person, PATIENCE_MS));
}

static void say_next(struct person *ann)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)++ann->said);

    assert_true(chat_client_say(ann->client, ann->room, text, (size_t)len) > 0);
}

struct talk {
    struct person ann, bob;
    uint64_t until;
    void (*trouble)(struct talk *talk); /* each 20 messages */
    uint64_t troubled;
};

/* Says more while it may, and makes trouble. */
static bool is_over(void *data)
{
    struct talk *talk = data;

    while (talk->ann.said < talk->until && talk->ann.said - talk->ann.acked < WINDOW)
        say_next(&talk->ann);
    if (talk->trouble && talk->ann.said / 20 > talk->troubled) {
        talk->troubled = talk->ann.said / 20;
        talk->trouble(talk);
    }
    return talk->ann.acked == talk->until && talk->bob.heard == talk->until &&
           talk->ann.heard == talk->until;
}

static void begin_talk(struct talk *talk, const char *room)
{
    uv_loop_init(&loop);
    come(&talk->ann, room, "ann", 0);
    come(&talk->bob, room, "bob", 1);
    assert_true(loop_run_until(&loop, is_in, &talk->ann, PATIENCE_MS));
    assert_true(loop_run_until(&loop, is_in, &talk->bob, PATIENCE_MS));
}

static void go_on(struct talk *talk, uint64_t messages)
{
    talk->until += messages;
    assert_true(loop_run_until(&loop, is_over, talk, PATIENCE_MS));
    assert_int_equal(talk->ann.last_seq, talk->until); /* nothing is stored twice */
}

static void end_talk(struct talk *talk)
{
    go(&talk->ann);
    go(&talk->bob);
    loop_close(&loop);
}

static void cut_one(struct talk *talk)
{
    chat_client_cut(talk->troubled % 2 ? talk->ann.client : talk->bob.client);
}

static void a_conversation_goes_on_over_cuts(void **state)
{
    struct talk talk = {.trouble = cut_one};

    (void)state;
    begin_talk(&talk, "cuts");
    go_on(&talk, MESSAGES);
    assert_true(talk.ann.opened > 2 && talk.bob.opened > 2);
    assert_true(talk.ann.again > 0);
    assert_int_equal(talk.ann.left + talk.bob.left, 0);
    end_talk(&talk);
}

static void a_conversation_goes_on_over_a_killed_gateway(void **state)
{
    struct talk talk = {.trouble = NULL};

    (void)state;
    begin_talk(&talk, "kill");
    go_on(&talk, 20);
    say_next(&talk.ann); /* may be on its way when the gateway dies */
    fleet_kill_gateway(&fleet, 0);
    go_on(&talk, 20);
    assert_int_equal(chat_client_address(talk.ann.client)->port,
                     fleet.gateways[1].port);
    fleet_start_gateway(&fleet, 0);
    fleet_kill_gateway(&fleet, 1);
    go_on(&talk, 20);
    assert_int_equal(chat_client_address(talk.bob.client)->port,
                     fleet.gateways[0].port);
    fleet_start_gateway(&fleet, 1);
    end_talk(&talk);
}

static void a_gateway_that_does_not_answer_is_given_up(void **state)
{
    struct talk talk = {.trouble = NULL};

    (void)state;
    begin_talk(&talk, "silent");
    go_on(&talk, 20);
    process_signal(&fleet.gateways[0].process, SIGSTOP);
    go_on(&talk, 20);
    assert_int_equal(chat_client_address(talk.ann.client)->port,
                     fleet.gateways[1].port);
    process_signal(&fleet.gateways[0].process, SIGCONT);
    end_talk(&talk);
    fleet_wait_all_ready(&fleet);
}

static bool is_down(void *data)
{
    return !process_is_running(data);
}

static void a_draining_gateway_is_left_at_the_time_it_tells(void **state)
{
    struct talk talk = {.trouble = NULL};

    (void)state;
    begin_talk(&talk, "drain");
    go_on(&talk, 20);
    process_signal(&fleet.gateways[0].process, SIGTERM);
    go_on(&talk, MESSAGES);
    assert_true(
        loop_run_until(&loop, is_down, &fleet.gateways[0].process, PATIENCE_MS));
    assert_int_equal(fleet.gateways[0].process.status, 0);
    fleet.gateways[0].down = true;
    assert_int_equal(chat_client_address(talk.ann.client)->port,
                     fleet.gateways[1].port);
    assert_int_equal(talk.bob.left, 0);
    end_talk(&talk);
    fleet_start_gateway(&fleet, 0);
}

static bool all_is_sent_again(void *data)
{
    struct talk *talk = data;

    return talk->ann.errors > 0;
}

static void what_redis_did_not_take_is_said_again(void **state)
{
    struct talk talk = {.trouble = NULL};

    (void)state;
    begin_talk(&talk, "again");
    go_on(&talk, 20);
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory 1");
    say_next(&talk.ann);
    assert_true(loop_run_until(&loop, all_is_sent_again, &talk, PATIENCE_MS));
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory 0");
    go_on(&talk, 20);
    assert_true(talk.ann.again > 0);
    end_talk(&talk);
}

static void one_at_a_time_stay_in_order_whatever_is_refused(void **state)
{
    struct talk talk = {.trouble = NULL};

    (void)state;
    in_flight = 1;
    begin_talk(&talk, "order");
    go_on(&talk, 20);
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory 1");
    for (int i = 0; i < 50; i++)
        say_next(&talk.ann);
    assert_true(loop_run_until(&loop, all_is_sent_again, &talk, PATIENCE_MS));
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory 0");
    go_on(&talk, 80); /* bob asserts the order */
    assert_true(talk.ann.again > 0);
    end_talk(&talk);
    in_flight = 0;
}

static bool is_too_large(void *data)
{
    return ((struct person *)data)->too_large == 1;
}

static void a_message_too_large_is_given_up_and_the_rest_goes_on(void **state)
{
    struct talk talk = {.trouble = NULL};
    char *much = calloc(1, 100000);

    (void)state;
    memset(much, 'x', 99999);
    begin_talk(&talk, "large");
    go_on(&talk, 20);
    assert_true(chat_client_say(talk.ann.client, "large", much, 99999) > 0);
    assert_true(loop_run_until(&loop, is_too_large, &talk.ann, PATIENCE_MS));
    go_on(&talk, 20);
    end_talk(&talk);
    free(much);
}

static bool has_heard_of_it(void *data)
{
    return ((struct person *)data)->deleted > 0;
}

static void what_was_deleted_while_away_is_told(void **state)
{
    struct talk talk = {.trouble = NULL};
    struct admin admin;

    (void)state;
    admin_start(&admin, &fleet, NULL);
    begin_talk(&talk, "deleted");
    go_on(&talk, 5);
    fleet_kill_gateway(&fleet, 1); /* bob's; the loop does not turn meanwhile */
    admin_delete(&admin, 200, "/api/rooms/deleted/messages/3");
    assert_true(loop_run_until(&loop, has_heard_of_it, &talk.bob, PATIENCE_MS));
    assert_int_equal(talk.bob.deleted, 1);
    go_on(&talk, 5);
    end_talk(&talk);
    admin_stop(&admin);
    fleet_start_gateway(&fleet, 1);
}

static bool has_an_error(void *data)
{
    return ((struct person *)data)->errors > 0;
}

static void who_is_banned_is_not_in_and_does_not_try_again(void **state)
{
    struct person eve;

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:{shut}:bans eve 0");
    uv_loop_init(&loop);
    come(&eve, "shut", "eve", 0);
    assert_true(chat_client_say(eve.client, "shut", "x", 1) > 0);
    assert_int_equal(chat_client_say(eve.client, "elsewhere", "x", 1), 0);
    assert_true(loop_run_until(&loop, has_an_error, &eve, PATIENCE_MS));
    assert_non_null(eve.refusal);
    assert_int_equal(chat_client_say(eve.client, "shut", "x", 1), 0);
    go(&eve);
    loop_close(&loop);
}

static bool has_opened(void *data)
{
    return ((struct person *)data)->opened > 0;
}

static bool is_kicked(void *data)
{
    return ((struct person *)data)->kicked == 1;
}

static bool has_seen_the_closing(void *data)
{
    return ((struct person *)data)->rooms_closed == 1;
}

static bool is_refused(void *data)
{
    return ((struct person *)data)->refused;
}

static void an_operator_is_obeyed(void **state)
{
    struct person ann;
    struct admin admin;

    (void)state;
    uv_loop_init(&loop);
    admin_start(&admin, &fleet, NULL);
    come(&ann, "den", "ann", 0);
    chat_client_join(ann.client, "hall", "ann");
    assert_true(loop_run_until(&loop, is_in, &ann, PATIENCE_MS));
    ann.room = "hall";
    assert_true(loop_run_until(&loop, is_in, &ann, PATIENCE_MS));

    admin_post(&admin, 200, NULL, "/api/rooms/den/kick/ann");
    assert_true(loop_run_until(&loop, is_kicked, &ann, PATIENCE_MS));
    assert_int_equal(chat_client_say(ann.client, "den", "?", 1), 0);
    assert_true(chat_client_is_live(ann.client, "hall"));
    admin_post(&admin, 200, NULL, "/api/rooms/hall/close");
    assert_true(loop_run_until(&loop, has_seen_the_closing, &ann, PATIENCE_MS));
    assert_int_equal(chat_client_say(ann.client, "hall", "?", 1), 0);

    chat_client_join(ann.client, "hall", "ann");
    assert_true(loop_run_until(&loop, is_in, &ann, PATIENCE_MS));
    admin_post(&admin, 200, NULL, "/api/users/ann/disconnect");
    assert_true(loop_run_until(&loop, is_refused, &ann, PATIENCE_MS));
    assert_int_equal(ann.opened, 1);
    go(&ann);
    admin_stop(&admin);
    loop_close(&loop);
}

static void it_can_be_closed_at_each_step(void **state)
{
    struct person ann;

    (void)state;
    for (int step = 0; step < 4; step++) {
        uv_loop_init(&loop);
        come(&ann, "steps", "ann", 0);
        if (step == 1)
            uv_run(&loop, UV_RUN_NOWAIT);
        else if (step == 2)
            assert_true(loop_run_until(&loop, has_opened, &ann, PATIENCE_MS));
        else if (step == 3)
            assert_true(loop_run_until(&loop, is_in, &ann, PATIENCE_MS));
        if (step == 3)
            chat_client_cut(ann.client);
        chat_client_say(ann.client, "steps", "x", 1);
        go(&ann);
        loop_close(&loop);
    }
}

static void it_can_be_closed_in_a_callback(void **state)
{
    static const char *const words[] = {"connecting", "connected", "join_ack",
                                        "leave_ack"};
    struct person ann;

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        print_message("  %s\n", words[i]);
        uv_loop_init(&loop);
        come(&ann, "steps", "ann", 0);
        ann.closes_at = words[i];
        if (strcmp(words[i], "leave_ack") == 0) {
            assert_true(loop_run_until(&loop, is_in, &ann, PATIENCE_MS));
            chat_client_leave(ann.client, "steps");
        }
        assert_true(loop_run_until(&loop, has_closed, &ann, PATIENCE_MS));
        loop_close(&loop);
    }
}

/* The close frame is not answered, and after leaving, the leave is not acked either. What
 * ends it must be sooner than ws_client's own 5 s. */
static void a_server_that_does_not_answer_does_not_hold_it(void **state)
{
    static const struct {
        bool leaves;
        long deadline_ms;
    } cases[] = {{false, 4000}, {true, 5000}};
    struct person ann;
    bool ended;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uv_loop_init(&loop);
        come(&ann, "farewell", "ann", 0);
        assert_true(loop_run_until(&loop, is_in, &ann, PATIENCE_MS));
        assert_int_equal(chat_client_address(ann.client)->port, fleet.gateways[0].port);
        process_signal(&fleet.gateways[0].process, SIGSTOP);
        if (cases[i].leaves)
            chat_client_leave(ann.client, "farewell");
        chat_client_close(ann.client);
        ended = loop_run_until(&loop, has_closed, &ann, cases[i].deadline_ms);
        process_signal(&fleet.gateways[0].process, SIGCONT);
        assert_true(ended);
        loop_close(&loop);
        fleet_wait_all_ready(&fleet);
    }
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){
                                   .gateways = GATEWAYS,
                                   .settings = (const char *[]){
                                       "ROOMCAST_LEASE_SECS=2", "ROOMCAST_DRAIN_SECS=4",
                                       "ROOMCAST_PRESENCE_GRACE_MS=2000",
                                       "ROOMCAST_HISTORY_LIMIT=1000", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_goes_on_over_cuts),
        cmocka_unit_test(a_conversation_goes_on_over_a_killed_gateway),
        cmocka_unit_test(a_gateway_that_does_not_answer_is_given_up),
        cmocka_unit_test(a_draining_gateway_is_left_at_the_time_it_tells),
        cmocka_unit_test(what_redis_did_not_take_is_said_again),
        cmocka_unit_test(one_at_a_time_stay_in_order_whatever_is_refused),
        cmocka_unit_test(a_message_too_large_is_given_up_and_the_rest_goes_on),
        cmocka_unit_test(who_is_banned_is_not_in_and_does_not_try_again),
        cmocka_unit_test(an_operator_is_obeyed),
        cmocka_unit_test(it_can_be_closed_at_each_step),
        cmocka_unit_test(it_can_be_closed_in_a_callback),
        cmocka_unit_test(a_server_that_does_not_answer_does_not_hold_it),
        cmocka_unit_test(what_was_deleted_while_away_is_told),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
