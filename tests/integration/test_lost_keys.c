/* test_lost_keys.c - what a neighbour on Redis breaks is found and put right: a key of a room
 * that is deleted under its members, a number that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Keys live three times the longer of two leases and the TTL: a renewal each 3.6 s. */
enum { PATIENCE_MS = 20000 };

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {
        "ROOMCAST_PRESENCE_GRACE_MS=0", "ROOMCAST_LEASE_SECS=1",
        "ROOMCAST_ROOM_TTL_SECS=2", "ROOMCAST_HISTORY_LIMIT=50", NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 2, .settings = settings});
}

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

/* The name of the node of gateway 0 as Redis has it. */
static void find_node(char *out, size_t size)
{
    redisReply *nodes = redis_cmd_reply(fleet.redis_port, "ZRANGE rc:nodes 0 -1");
    char part[32];

    assert_non_null(nodes);
    snprintf(part, sizeof(part), "-%d-", (int)fleet.gateways[0].process.pid);
    *out = '\0';
    for (size_t i = 0; i < nodes->elements; i++)
        if (strstr(nodes->element[i]->str, part))
            snprintf(out, size, "%s", nodes->element[i]->str);
    assert_true(*out);
    freeReplyObject(nodes);
}

static long long count_of(const char *room, const char *user)
{
    return redis_cmd_number(fleet.redis_port, "HGET rc:{%s}:members %s", room, user);
}

/* On gateway 0 are these, under the room's epoch. */
static bool are_on_node(const char *room, const char *const users[2])
{
    char node[320];
    char *epoch = redis_cmd_text(fleet.redis_port, "HGET rc:{%s}:meta epoch", room);
    bool right;

    find_node(node, sizeof(node));
    right = epoch &&
            redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:on:%s", room, node) == 2;
    for (size_t i = 0; i < 2 && right; i++) {
        char *value = redis_cmd_text(fleet.redis_port, "HGET rc:{%s}:on:%s %s", room,
                                     node, users[i]);

        right = value && strcmp(value, epoch) == 0;
        free(value);
    }
    free(epoch);
    return right;
}

/* Ann is in through one gateway, Bob through both. */
static bool is_right(void *data)
{
    static const char *const users[] = {"ann", "bob"};
    const char *room = data;
    char *seq = redis_cmd_text(fleet.redis_port, "HGET rc:{%s}:meta seq", room);
    char *rev = redis_cmd_text(fleet.redis_port, "HGET rc:{%s}:meta rev", room);
    bool right =
        count_of(room, "ann") == 1 && count_of(room, "bob") == 2 &&
        redis_cmd_number(fleet.redis_port, "HLEN rc:{%s}:members", room) == 2 && seq &&
        strspn(seq, "0123456789") == strlen(seq) && rev &&
        strspn(rev, "0123456789") == strlen(rev) && are_on_node(room, users);

    free(seq);
    free(rev);
    return right;
}

static bool is_gone(void *data)
{
    return redis_cmd_number(fleet.redis_port, "EXISTS rc:{%s}:members",
                            (const char *)data) == 0;
}

static const struct {
    const char *room, *command, *second; /* %s: the node */
    bool resets;
} losses[] = {
    {"members", "DEL rc:{members}:members", NULL, true},
    {"on", "DEL rc:{on}:on:%s", NULL, true},
    {"meta", "DEL rc:{meta}:meta", NULL, true},
    {"seq", "HSET rc:{seq}:meta seq odd", NULL, true},
    {"rev", "HDEL rc:{rev}:meta rev", NULL, true},
    {"capitals", "HSET rc:{capitals}:meta epoch 0123456789ABCDEF", NULL, true},
    {"count", "HSET rc:{count}:members bob odd", NULL, true},
    {"one", "HDEL rc:{one}:members ann", NULL, true},
    {"place", "HDEL rc:{place}:members ann", "HSET rc:{place}:members ghost 1", true},
    {"place-on", "HDEL rc:{place-on}:on:%s ann",
     "HSET rc:{place-on}:on:%s ghost 0123456789abcdef", true},
    {"epoch", "HSET rc:{epoch}:on:%s ann 0123456789abcdef", NULL, false},
};

static void lose(const char *command)
{
    char node[320], line[512];
    const char *at = strstr(command, "%s");

    find_node(node, sizeof(node));
    if (at)
        snprintf(line, sizeof(line), "%.*s%s%s", (int)(at - command), command, node,
                 at + 2);
    else
        snprintf(line, sizeof(line), "%s", command);
    redis_cmd(fleet.redis_port, line);
}

/* Reads up to the message; until then comes neither a reset nor a gap. */
static void expect_message_without_reset(struct chat *chat, const char *text)
{
    do {
        assert_true(chat_recv(chat, PATIENCE_MS));
        assert_string_not_equal(chat_get_text(chat, "type"), "reset");
        assert_string_not_equal(chat_get_text(chat, "type"), "gap");
    } while (strcmp(chat_get_text(chat, "type"), "message") != 0 ||
             strcmp(chat_get_text(chat, "text"), text) != 0);
}

/* Ann and Bob on gateway 0, and Bob again on gateway 1. */
struct trio {
    struct chat *ann, *bob, *other;
};

static void enter_and_lose(struct trio *trio, size_t i)
{
    const char *room = losses[i].room;

    *trio = (struct trio){on_gateway(0), on_gateway(0), on_gateway(1)};
    chat_join(trio->ann, room, "ann");
    chat_join(trio->bob, room, "bob");
    chat_join(trio->other, room, "bob");
    chat_say(trio->ann, room, "before");
    assert_true(is_right((void *)room));
    lose(losses[i].command);
    if (losses[i].second)
        lose(losses[i].second);
    assert_false(is_right((void *)room));
}

static void expect_found(struct trio *trio, size_t i)
{
    const char *room = losses[i].room;

    print_message("  %s\n", losses[i].command);
    if (losses[i].resets) {
        chat_expect_skipping(trio->ann, "reset");
        chat_expect_skipping(trio->bob, "reset");
        chat_expect_skipping(trio->other, "reset");
    }
    assert_true(wait_until(is_right, (void *)room, PATIENCE_MS));
    chat_say(trio->ann, room, "after");
    expect_message_without_reset(trio->other, "after");
    chat_say(trio->other, room, "answer");
    expect_message_without_reset(trio->bob, "answer");
    chat_leave(trio->ann, room);
    chat_leave(trio->bob, room);
    chat_leave(trio->other, room);
}

/* All rooms at once, for each waits for a renewal and for its end. */
static void what_was_lost_is_found_by_the_next_renewal(void **state)
{
    struct trio trios[COUNT(losses)];

    (void)state;
    for (size_t i = 0; i < COUNT(losses); i++)
        enter_and_lose(&trios[i], i);
    for (size_t i = 0; i < COUNT(losses); i++)
        expect_found(&trios[i], i);
    for (size_t i = 0; i < COUNT(losses); i++) {
        assert_true(wait_until(is_gone, (void *)losses[i].room, PATIENCE_MS));
        chat_close(trios[i].ann);
        chat_close(trios[i].bob);
        chat_close(trios[i].other);
    }
}

enum { CROWD = 120, RENEWALS_MS = 4 * 3600 };

/* A connection on which Redis says what it is asked. */
static redisContext *monitor(void)
{
    const struct timeval patience = {.tv_sec = 1};
    redisContext *redis = redisConnect("127.0.0.1", fleet.redis_port);
    redisReply *reply;

    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    reply = redisCommand(redis, "MONITOR");
    assert_non_null(reply);
    freeReplyObject(reply);
    redisSetTimeout(redis, patience);
    return redis;
}

static unsigned count_named(const char *line, bool named[CROWD])
{
    unsigned count = 0;

    for (int i = 0; i < CROWD; i++) {
        char name[16];

        snprintf(name, sizeof(name), "\"u%d\"", i);
        count += !named[i] && strstr(line, name) != NULL;
        named[i] = named[i] || strstr(line, name) != NULL;
    }
    return count;
}

/* More than one renewal names. */
static void renewals_name_all_users_of_a_large_room_in_turn(void **state)
{
    static struct chat *chats[CROWD];
    bool named[CROWD] = {false};
    unsigned count = 0, most = 0;
    int64_t until;
    redisContext *redis;

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        char user[16];

        snprintf(user, sizeof(user), "u%d", i);
        chats[i] = on_gateway(0);
        chat_join(chats[i], "crowd", user);
    }
    redis = monitor();
    for (until = wait_now_ms() + RENEWALS_MS; count < CROWD && wait_now_ms() < until;) {
        redisReply *reply = NULL;

        if (redisGetReply(redis, (void **)&reply) != REDIS_OK) {
            assert_int_equal(redis->err, REDIS_ERR_IO); /* a second without a line */
            redisFree(redis);
            redis = monitor();
            continue;
        }
        if (strstr(reply->str, "\"rc:{crowd}:history\"")) {
            unsigned more = count_named(reply->str, named);

            count += more;
            most = more > most ? more : most;
        }
        freeReplyObject(reply);
    }
    assert_int_equal(count, CROWD);
    assert_int_equal(most, 100);
    redisFree(redis);
    for (int i = 0; i < CROWD; i++)
        chat_close(chats[i]);
}

static const struct {
    const char *room, *commands[2];
    int seq; /* that is left of five */
} backs[] = {
    {"seq went back", {"RPOP rc:{%s}:history 4", "HSET rc:{%s}:meta seq 1"}, 1},
    {"rev went back", {"HSET rc:{%s}:meta rev 1", NULL}, 5},
};

/* The next messages are these, and nothing is behind them. */
static void expect_messages(struct chat *chat, int from, int to)
{
    for (int seq = from; seq <= to; seq++) {
        chat_expect_skipping(chat, "message");
        assert_int_equal(chat_get_number(chat, "seq"), seq);
    }
    chat_expect_usable(chat);
}

static void a_room_that_went_back_under_its_epoch_is_reset_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(backs); i++) {
        const char *room = backs[i].room;
        struct chat *ann = on_gateway(0), *bob = on_gateway(1);
        int seq = backs[i].seq;

        print_message("  %s\n", room);
        chat_join(ann, room, "ann");
        chat_join(bob, room, "bob");
        for (int n = 1; n <= 5; n++)
            chat_say(ann, room, "before");
        expect_messages(bob, 1, 5);
        for (size_t k = 0; k < 2 && backs[i].commands[k]; k++)
            redis_cmd(fleet.redis_port, backs[i].commands[k], room);
        chat_expect_skipping(ann, "reset");
        assert_int_equal(chat_get_number(ann, "seq"), seq);
        chat_expect_skipping(bob, "reset");
        assert_int_equal(chat_get_number(bob, "seq"), seq);

        for (int n = 1; n <= 3; n++)
            assert_int_equal(chat_say(ann, room, "after"), seq + n);
        expect_messages(bob, seq + 1, seq + 3);
        assert_int_equal(chat_say(bob, room, "back"), seq + 4);
        do
            chat_expect_skipping(ann, "message");
        while (chat_get_number(ann, "seq") < seq + 4);
        chat_expect_silence(ann, 4000); /* over the next renewal */
        chat_close(ann);
        chat_close(bob);
    }
}

static void a_lost_history_is_told_to_nobody_who_has_read_it(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "history", "ann");
    chat_say(ann, "history", "one");
    chat_say(ann, "history", "two");
    redis_cmd(fleet.redis_port, "DEL rc:{history}:history");
    chat_send(bob, "{'type':'join','room':'history','user':'bob'}");
    chat_expect_skipping(bob, "join_ack");
    assert_int_equal(chat_get_number(bob, "seq"), 2);
    chat_expect(bob, "history_batch");
    assert_int_equal(chat_get_count(bob, "messages"), 0);
    assert_int_equal(chat_say(ann, "history", "three"), 3);
    chat_expect(bob, "message");
    assert_int_equal(chat_get_number(bob, "seq"), 3);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{history}:history"),
                     1);
    assert_true(redis_cmd_number(fleet.redis_port, "PTTL rc:{history}:history") > 0);
    chat_close(ann);
    chat_close(bob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_lost_is_found_by_the_next_renewal),
        cmocka_unit_test(renewals_name_all_users_of_a_large_room_in_turn),
        cmocka_unit_test(a_room_that_went_back_under_its_epoch_is_reset_once),
        cmocka_unit_test(a_lost_history_is_told_to_nobody_who_has_read_it),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
