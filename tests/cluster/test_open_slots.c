/* test_open_slots.c - each script of lua/ while its slot is on the way from one master to another.
 *
 * A script that writes is refused on either side, as a whole, however many of its keys have gone:
 * the channel among its KEYS is never a key, so one is always missing (docs/redis.md). A script that
 * only reads is refused, or finds all that it would have found. Where the slot has arrived, it is done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_error.h"
#include "common/xalloc.h"
#include "tests/support/redis/eval_calls.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"

enum { SOURCE, TARGET, NODES };
enum { KEYS_MAX = 32 };

static struct redis_cluster cluster;
static struct eval nodes[NODES];
static struct eval_room room;
static unsigned slots[2]; /* of the room, and of the first shard's registry */
static redisContext *listener;
static bool was_called[SCRIPTS_COUNT];
static unsigned refused, done; /* calls in an open slot */

/* ---- the slot ---- */

static void open_slots(void)
{
    for (int i = 0; i < 2; i++)
        redis_cluster_open_slot(&cluster, slots[i], TARGET);
}

static void reverse_slots(void)
{
    for (int i = 0; i < NODES; i++)
        redis_cmd(redis_cluster_port(&cluster, (unsigned)i), "FLUSHALL");
    for (int i = 0; i < 2; i++)
        redis_cluster_reverse_slot(&cluster, slots[i], TARGET);
}

static void end_slots(void)
{
    for (int i = 0; i < 2; i++) {
        redis_cluster_migrate_keys(&cluster, slots[i], TARGET);
        redis_cluster_end_slot(&cluster, slots[i], TARGET);
    }
}

static void move_back(void)
{
    reverse_slots();
    for (int i = 0; i < 2; i++)
        redis_cluster_move(&cluster, slots[i], 1, SOURCE);
}

/* ---- what has become of it ---- */

/* How many notices came: the answer to PING comes after all that was published before. */
static unsigned read_notices(void)
{
    unsigned count = 0;
    bool is_pong = false;

    assert_int_equal(redisAppendCommand(listener, "PING"), REDIS_OK);
    while (!is_pong) {
        redisReply *reply = NULL;

        assert_int_equal(redisGetReply(listener, (void **)&reply), REDIS_OK);
        is_pong = strcmp(reply->element[0]->str, "pong") == 0;
        count += !is_pong;
        freeReplyObject(reply);
    }
    return count;
}

static bool is_reading(enum script script)
{
    return script == SCRIPT_HISTORY || script == SCRIPT_MEMBERS ||
           script == SCRIPT_ROOM || script == SCRIPT_ROOMS || script == SCRIPT_CHANGES;
}

static void expect_refusal(size_t call, const struct eval *at)
{
    enum cluster_error error = cluster_error_of(at->text.data + 1);

    if (error != CLUSTER_MOVED && error != CLUSTER_ASK && error != CLUSTER_TRYAGAIN)
        fail_msg("%s: %s", eval_calls[call].name, at->text.data);
    refused++;
}

/* Makes the call at one of the two. It must leave all as it is. */
static void expect_nothing_done(size_t call, struct eval *at, const char *expected)
{
    char *before[NODES];

    for (int i = 0; i < NODES; i++)
        before[i] = eval_state(&nodes[i]);
    room.redis = at;
    eval_calls[call].run(&room);
    for (int i = 0; i < NODES; i++) {
        char *after = eval_state(&nodes[i]);

        if (strcmp(before[i], after) != 0)
            fail_msg("%s is half done: %s\n%s\n%s", eval_calls[call].name,
                     at->text.data, before[i], after);
        free(after);
        free(before[i]);
    }
    assert_int_equal(read_notices(), 0);
    if (at->text.data[0] == '!') {
        expect_refusal(call, at);
        return;
    }
    if (!is_reading(at->script))
        fail_msg("%s is not refused: %s", eval_calls[call].name, at->text.data);
    /* room.lua tells how many ms are left. After ASKING, which no program of ours sends, a script of
     * one key finds it, or finds nothing. */
    if (at->script != SCRIPT_ROOM && !at->asks)
        assert_string_equal(at->text.data, expected);
    done++;
}

static void expect_nothing_done_anywhere(size_t call, const char *expected)
{
    expect_nothing_done(call, &nodes[SOURCE], expected);
    expect_nothing_done(call, &nodes[TARGET], expected);
    nodes[TARGET].asks = true;
    expect_nothing_done(call, &nodes[TARGET], expected);
    nodes[TARGET].asks = false;
}

/* ---- how much has gone ---- */

static void prepare(size_t call)
{
    eval_room_begin(&room, &nodes[SOURCE]);
    eval_calls[call].prepare(&room);
}

struct keys {
    char *names[KEYS_MAX];
    unsigned slots[KEYS_MAX];
    size_t count;
};

static void read_keys(struct keys *keys)
{
    redisReply *reply = redis_cmd_reply(redis_cluster_port(&cluster, SOURCE), "KEYS *");

    assert_non_null(reply);
    assert_true(reply->elements <= KEYS_MAX);
    keys->count = reply->elements;
    for (size_t i = 0; i < keys->count; i++) {
        keys->names[i] = xstrdup(reply->element[i]->str);
        keys->slots[i] = cluster_slot_of_key(keys->names[i], strlen(keys->names[i]));
    }
    freeReplyObject(reply);
}

static void free_keys(struct keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->names[i]);
}

/* Some of the keys have gone: those that `goes` tells. */
static void play(size_t call, bool (*goes)(size_t key, size_t chosen), size_t chosen)
{
    struct keys keys;
    char *expected;

    prepare(call);
    room.redis = &nodes[SOURCE];
    expected = xstrdup(eval_calls[call].run(&room));
    was_called[nodes[SOURCE].script] = true;
    prepare(call); /* once more: what it did is gone */
    read_keys(&keys);
    open_slots();
    for (size_t i = 0; i < keys.count; i++)
        if (goes(i, chosen))
            redis_cluster_migrate_key(&cluster, keys.slots[i], keys.names[i], TARGET);
    read_notices(); /* of the preparation */
    expect_nothing_done_anywhere(call, expected);
    reverse_slots();
    free_keys(&keys);
    free(expected);
}

static bool none_goes(size_t key, size_t chosen)
{
    (void)key, (void)chosen;
    return false;
}

static bool all_go(size_t key, size_t chosen)
{
    (void)key, (void)chosen;
    return true;
}

static bool one_goes(size_t key, size_t chosen)
{
    return key == chosen;
}

static bool all_others_go(size_t key, size_t chosen)
{
    return key != chosen;
}

static size_t count_keys(size_t call)
{
    struct keys keys;

    prepare(call);
    read_keys(&keys);
    free_keys(&keys);
    return keys.count;
}

/* ---- the tests ---- */

/* What the channel is for. */
static void
a_script_whose_keys_are_all_there_breaks_off_and_what_it_wrote_stays(void **state)
{
    static const char script[] = "redis.call('HSET', KEYS[2], 'f', 'new')"
                                 "redis.call('HDEL', KEYS[1], 'f')"
                                 "return redis.call('HLEN', KEYS[1])";
    int port = redis_cluster_port(&cluster, SOURCE);
    redisReply *reply;
    char *value;

    (void)state;
    redis_cmd(port, "HSET rc:{lobby}:a f 1");
    redis_cmd(port, "HSET rc:{lobby}:b f old");
    open_slots();
    reply = redis_cmd_reply(
        port, "EVAL %s 3 rc:{lobby}:a rc:{lobby}:b rc:{lobby}:events", script);
    assert_int_equal(cluster_error_of(reply->str), CLUSTER_TRYAGAIN);
    freeReplyObject(reply);
    reply = redis_cmd_reply(port, "EVAL %s 2 rc:{lobby}:a rc:{lobby}:b", script);
    assert_int_equal(cluster_error_of(reply->str), CLUSTER_HALFWAY);
    freeReplyObject(reply);
    value = redis_cmd_text(port, "HGET rc:{lobby}:b f");
    assert_string_equal(value, "new");
    free(value);
    reverse_slots();
}

static void a_script_in_an_open_slot_is_refused_as_a_whole_or_reads_all(void **state)
{
    (void)state;
    for (size_t call = 0; call < eval_calls_count; call++) {
        size_t count = count_keys(call);

        print_message("  %s\n", eval_calls[call].name);
        play(call, none_goes, 0);
        play(call, all_go, 0);
        for (size_t key = 0; key < count; key++) {
            play(call, one_goes, key);
            play(call, all_others_go, key);
        }
    }
    print_message("    %u refused, %u read\n", refused, done);
    assert_true(refused > 1000);
    for (int i = 0; i < SCRIPTS_COUNT; i++)
        /* The first names no key, the others one only. */
        assert_true(was_called[i] || i == SCRIPT_RIGHTS || i == SCRIPT_CANARY ||
                    i == SCRIPT_USER);
}

static void a_script_is_done_where_the_slot_has_arrived(void **state)
{
    (void)state;
    for (size_t call = 0; call < eval_calls_count; call++) {
        print_message("  %s\n", eval_calls[call].name);
        prepare(call);
        open_slots();
        end_slots();
        room.redis = &nodes[SOURCE];
        assert_memory_equal(eval_calls[call].run(&room), "!MOVED", 6);
        room.redis = &nodes[TARGET];
        if (eval_calls[call].run(&room)[0] == '!')
            fail_msg("%s: %s", eval_calls[call].name, nodes[TARGET].text.data);
        move_back();
    }
}

/* ---- */

static void listen_at_source(void)
{
    static const char *const channels[] = {"rc:{lobby}:events", "rc:shard:{10}:events"};

    listener = redis_cluster_connect(&cluster, SOURCE);
    for (int i = 0; i < 2; i++) {
        redisReply *reply = redisCommand(listener, "SSUBSCRIBE %s", channels[i]);

        assert_non_null(reply);
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        freeReplyObject(reply);
    }
}

static int start(void **state)
{
    static const char *const args[] = {"--enable-debug-command", "yes", NULL};

    (void)state;
    scripts_init(true);
    redis_cluster_open(&cluster,
                       &(struct redis_cluster_opts){.masters = 2, .args = args});
    slots[0] = cluster_slot_of_room("lobby", 5);
    slots[1] = cluster_slot_of_room("10", 2);
    for (int i = 0; i < 2; i++)
        redis_cluster_move(&cluster, slots[i], 1, SOURCE);
    for (int i = 0; i < NODES; i++)
        eval_start_at_node(&nodes[i], redis_cluster_port(&cluster, (unsigned)i));
    listen_at_source();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redisFree(listener);
    for (int i = 0; i < NODES; i++)
        eval_stop(&nodes[i]);
    redis_cluster_close(&cluster);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_script_whose_keys_are_all_there_breaks_off_and_what_it_wrote_stays),
        cmocka_unit_test(a_script_in_an_open_slot_is_refused_as_a_whole_or_reads_all),
        cmocka_unit_test(a_script_is_done_where_the_slot_has_arrived),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
