/* test_storm.c - a crowd that is cut off and comes back at once costs Redis one or two
 * history reads a room and gateway, not one a client, and misses nothing; and those who come
 * or leave in one turn of the loop are one notice.
 *
 * Redis is asked how often its lists were read: history.lua reads a short history with one
 * LRANGE, and nothing else does.
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
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/redis/process.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CLIENTS = 600 };
#else
enum { CLIENTS = 10000 };
#endif

enum {
    ROOMS = 5,
    GATEWAYS = 2,
    BEFORE = 40, /* messages a room before the storm */
    AWAY = 10,   /* and while everybody is away */
    AFTER = 5,
    READS =
        3, /* of a room by a gateway: the first one, the shared one, and one to spare */
    SPARE_FDS = 200,
    PATIENCE_MS = 200000
};

struct guest {
    struct chat_client *client;
    char room[32], user[16];
    uint64_t seq; /* of the last message */
};

static struct fleet fleet;
static struct guest guests[CLIENTS];
static uv_loop_t loop;
static uint64_t wanted; /* the number that everybody is to arrive at */
static unsigned closed;

static void on_message(void *owner, const struct chat_message *message)
{
    struct guest *guest = owner;

    if (message->seq != guest->seq + 1)
        fail_msg("%s got %llu behind %llu", guest->user,
                 (unsigned long long)message->seq, (unsigned long long)guest->seq);
    guest->seq = message->seq;
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    const struct guest *guest = owner;

    if (strncmp(type.base, "\"error\"", 7) == 0 ||
        strncmp(type.base, "\"gap\"", 5) == 0)
        fail_msg("%s got %.*s", guest->user, (int)event.len, event.base);
}

static void on_closed(void *owner)
{
    ((struct guest *)owner)->client = NULL;
    closed++;
}

static void open_guest(unsigned i)
{
    struct guest *guest = &guests[i];
    struct connection_address addresses[GATEWAYS];

    for (int g = 0; g < GATEWAYS; g++)
        addresses[g] = (struct connection_address){.host = "127.0.0.1",
                                                   .port = fleet.gateways[g].port};
    snprintf(guest->room, sizeof(guest->room), "storm-%u", i % ROOMS);
    snprintf(guest->user, sizeof(guest->user), "u%u", i);
    guest->client = chat_client_open(&loop, &(struct chat_client_opts){
                                                .addresses = addresses,
                                                .count = GATEWAYS,
                                                .first = i / ROOMS % GATEWAYS,
                                                .pause_least_ms = 200,
                                                .pause_most_ms = 2000,
                                                .silence_ms = 60000,
                                                .owner = guest,
                                                .on_message = on_message,
                                                .on_event = on_event,
                                                .on_closed = on_closed,
                                            });
    chat_client_join(guest->client, guest->room, guest->user);
}

static bool all_have_all(void *data)
{
    (void)data;
    for (int i = 0; i < CLIENTS; i++)
        if (guests[i].seq != wanted ||
            !chat_client_is_live(guests[i].client, guests[i].room))
            return false;
    return true;
}

static bool are_away(void *data)
{
    (void)data;
    for (int i = 0; i < CLIENTS; i++)
        if (chat_client_is_live(guests[i].client, guests[i].room))
            return false;
    return true;
}

/* In each room, by somebody on the first gateway. */
static void say(struct chat *chat, int count)
{
    for (int i = 0; i < count; i++)
        for (int r = 0; r < ROOMS; r++) {
            char room[32];

            snprintf(room, sizeof(room), "storm-%d", r);
            chat_say(chat, room, "x");
        }
    wanted += (uint64_t)count;
}

/* Calls of a command since Redis was started. */
static long long calls_of(const char *command)
{
    char *stats = redis_cmd_text(fleet.redis_port, "INFO commandstats"), field[64];
    const char *at;
    long long calls;

    snprintf(field, sizeof(field), "cmdstat_%s:calls=", command);
    at = strstr(stats, field);
    calls = at ? atoll(at + strlen(field)) : 0;
    free(stats);
    return calls;
}

static bool all_are_closed(void *data)
{
    (void)data;
    return closed == CLIENTS;
}

static void a_crowd_that_comes_back_at_once_shares_its_history_reads(void **state)
{
    struct chat *speaker = chat_open(fleet.gateways[0].port);
    long long reads;

    (void)state;
    for (int r = 0; r < ROOMS; r++) {
        char room[32];

        snprintf(room, sizeof(room), "storm-%d", r);
        chat_join(speaker, room, "speaker");
    }
    say(speaker, BEFORE);
    uv_loop_init(&loop);
    reads = calls_of("lrange");
    for (unsigned i = 0; i < CLIENTS; i++)
        open_guest(i);
    assert_true(loop_run_until(&loop, all_have_all, NULL, PATIENCE_MS));
    print_message("  %d clients come: %lld reads\n", CLIENTS,
                  calls_of("lrange") - reads);
    assert_in_range(calls_of("lrange") - reads, 0,
                    READS * ROOMS * GATEWAYS * fleet_workers());

    reads = calls_of("lrange");
    for (unsigned i = 0; i < CLIENTS; i++)
        chat_client_cut(guests[i].client);
    assert_true(loop_run_until(&loop, are_away, NULL, PATIENCE_MS));
    say(speaker, AWAY);
    assert_true(loop_run_until(&loop, all_have_all, NULL, PATIENCE_MS));
    print_message("  %d clients come back: %lld reads\n", CLIENTS,
                  calls_of("lrange") - reads);
    assert_in_range(calls_of("lrange") - reads, 0,
                    READS * ROOMS * GATEWAYS * fleet_workers());

    say(speaker, AFTER);
    assert_true(loop_run_until(&loop, all_have_all, NULL, PATIENCE_MS));
    for (unsigned i = 0; i < CLIENTS; i++)
        chat_client_close(guests[i].client);
    assert_true(loop_run_until(&loop, all_are_closed, NULL, PATIENCE_MS));
    loop_close(&loop);
    chat_close(speaker);
}

/* Joins as somebody new and looks at the first message of the history. */
static bool is_first_deleted(const char *user)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);
    bool deleted;

    chat_send(chat, "{'type':'join','room':'edited','user':'%s'}", user);
    chat_expect_skipping(chat, "history_batch");
    assert_int_equal(chat_get_count(chat, "messages"), 2);
    deleted = chat_has(chat, "messages.0.deleted");
    chat_close(chat);
    return deleted;
}

static void a_deleted_message_is_not_shared(void **state)
{
    static const char tombstone[] = "{\"type\":\"message\",\"room\":\"edited\","
                                    "\"seq\":1,\"deleted\":true,\"ts\":1}";
    struct chat *ann = chat_open(fleet.gateways[0].port);
    char notice[256];

    (void)state;
    chat_join(ann, "edited", "ann");
    snprintf(notice, sizeof(notice),
             q("1 %s 1000 deleted 1 1 -\n"
               "{'type':'message_deleted','room':'edited','seq':1}"),
             chat_get_text(ann, "epoch"));
    chat_say(ann, "edited", "x");
    chat_say(ann, "edited", "y");
    assert_false(is_first_deleted("bob"));
    assert_false(is_first_deleted("eve")); /* now the ring answers */
    redis_cmd(fleet.redis_port, "LSET %s 0 %s", "rc:{edited}:history", tombstone);
    redis_cmd(fleet.redis_port, "PUBLISH %s %s", "rc:{edited}:events", notice);
    chat_expect_skipping(ann, "message_deleted");
    assert_true(is_first_deleted("joe"));
    chat_close(ann);
}

/* How many notices of the kind come before somebody says something. */
static unsigned count_notices(redisContext *redis, const char *kind)
{
    unsigned count = 0;
    bool is_end = false;

    while (!is_end) {
        redisReply *reply = NULL;
        const char *header;

        assert_int_equal(redisGetReply(redis, (void **)&reply), REDIS_OK);
        header = reply->element[2]->str;
        is_end = strstr(header, " message ") != NULL;
        count += strstr(header, kind) != NULL;
        freeReplyObject(reply);
    }
    return count;
}

enum { TOGETHER = 20, NOTICES = 3 }; /* at most: a turn reads what is there */

/* All send while the gateway sleeps, so that it finds everything in one turn. */
static void send_together(unsigned gateway, struct chat *const *all, const char *type,
                          const char *room)
{
    process_signal(&fleet.gateways[gateway].process, SIGSTOP);
    for (int i = 0; i < TOGETHER; i++)
        chat_send(all[i], "{'type':'%s','room':'%s','user':'u%d'}", type, room, i);
    process_signal(&fleet.gateways[gateway].process, SIGCONT);
}

/* It knows of all, by its ack or by an event; and of both messages, by its history or live. */
static void expect_to_know_all(struct chat *chat)
{
    int members, messages;

    chat_expect(chat, "join_ack");
    members = (int)chat_get_number(chat, "members");
    chat_expect(chat, "history_batch");
    messages = chat_get_count(chat, "messages");
    for (; members < TOGETHER + 1; members++) {
        chat_expect(chat, "member_joined");
        assert_int_equal(chat_get_number(chat, "members"), members + 1);
    }
    if (messages < 2)
        chat_expect(chat, "message");
}

static void those_who_come_or_leave_in_one_turn_are_one_notice(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port), *all[TOGETHER];
    redisContext *redis = redisConnect("127.0.0.1", fleet.redis_port);

    (void)state;
    freeReplyObject(redisCommand(redis, "SUBSCRIBE %s", "rc:{turn}:events"));
    chat_join(ann, "turn", "ann");
    chat_say(ann, "turn", "x");
    assert_int_equal(count_notices(redis, " joined "), 1);
    for (int i = 0; i < TOGETHER; i++)
        all[i] = chat_open(fleet.gateways[0].port);
    send_together(0, all, "join", "turn");
    for (int i = 0; i < TOGETHER; i++) {
        chat_expect_skipping(ann, "member_joined");
        assert_int_equal(chat_get_number(ann, "members"), i + 2);
    }
    chat_say(ann, "turn", "y");
    assert_in_range(count_notices(redis, " joined "), 1, NOTICES);
    for (int i = 0; i < TOGETHER; i++)
        expect_to_know_all(all[i]);
    send_together(0, all, "leave", "turn");
    for (int i = 0; i < TOGETHER; i++)
        chat_expect_skipping(ann, "member_left");
    assert_int_equal(chat_get_number(ann, "members"), 1);
    chat_say(ann, "turn", "z");
    assert_in_range(count_notices(redis, " left "), 1, NOTICES);
    for (int i = 0; i < TOGETHER; i++)
        chat_close(all[i]);
    chat_close(ann);
    redisFree(redis);
}

enum { LONG = 1500 }; /* messages: more than a ring keeps, and two batches */

/* Reads its batches to the end: all messages, in order. */
static void expect_all_of_long(struct chat *chat)
{
    int next = 1;

    chat_expect_skipping(chat, "join_ack");
    do {
        int count;

        chat_expect_skipping(chat, "history_batch");
        count = chat_get_count(chat, "messages");
        assert_int_equal(chat_get_number(chat, "messages.0.seq"), next);
        next += count;
    } while (chat_is_true(chat, "more"));
    assert_int_equal(next, LONG + 1);
}

static void
a_history_beyond_the_ring_is_read_once_for_all_who_ask_meanwhile(void **state)
{
    unsigned g =
        fleet_add(&fleet, (const char *const[]){"ROOMCAST_HISTORY_LIMIT=2000", NULL});
    struct chat *ann = chat_open(fleet.gateways[g].port), *all[TOGETHER];
    double reads;

    (void)state;
    chat_join(ann, "long", "ann");
    for (int i = 0; i < LONG; i++)
        chat_say(ann, "long", "x");
    for (int i = 0; i < TOGETHER; i++)
        all[i] = chat_open(fleet.gateways[g].port);
    reads = fleet_metric(&fleet, g, "roomcast_history_reads_total");
    send_together(g, all, "join", "long");
    for (int i = 0; i < TOGETHER; i++)
        expect_all_of_long(all[i]);
    reads = fleet_metric(&fleet, g, "roomcast_history_reads_total") - reads;
    print_message("  %d clients, two batches each: %d reads\n", TOGETHER, (int)reads);
    assert_true(reads <= TOGETHER); /* of 2 * TOGETHER batches */
    for (int i = 0; i < TOGETHER; i++)
        chat_close(all[i]);
    chat_close(ann);
}

static int start(void **state)
{
    *state = &fleet;
    process_raise_fd_limit(CLIENTS + SPARE_FDS);
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = GATEWAYS});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_that_comes_back_at_once_shares_its_history_reads),
        cmocka_unit_test(a_deleted_message_is_not_shared),
        cmocka_unit_test(
            a_history_beyond_the_ring_is_read_once_for_all_who_ask_meanwhile),
        cmocka_unit_test(those_who_come_or_leave_in_one_turn_are_one_notice),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
