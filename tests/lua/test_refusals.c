/* test_refusals.c - a script that fails has written nothing and told nobody.
 *
 * Redis does not roll back, so each script has to find out before its first write
 * whether it can do all of it. Each is made to fail in every way there is: one of its
 * keys holds something of another type, memory is full, this Redis is a replica, or has
 * too few of its own.
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

#include "common/xalloc.h"
#include "tests/support/redis/eval_room.h"
#include "tests/support/redis/redis_cmd.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { KEYS_MAX = 16 };

static struct eval redis;
static struct eval_room room;

static int port(void)
{
    return eval_port(&redis);
}

/* ---- what there is before a call ---- */

static void prepare_nothing(void)
{
}

static void prepare_room(void)
{
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_join(&room, "node-2", "bob");
    eval_room_say(&room, "node-1", "ann", "hi");
}

static void prepare_new_room(void)
{
    eval_room_join(&room, "node-1", "ann");
}

static void prepare_empty_room(void)
{
    prepare_room();
    eval_room_leave(&room, "node-1", "ann");
    eval_room_leave(&room, "node-1", "bob");
    eval_room_leave(&room, "node-2", "bob");
}

static void prepare_lost_room(void)
{
    prepare_room();
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;
}

static void prepare_kick(void)
{
    prepare_room();
    redis_cmd(port(), "HSET rc:{lobby}:kicks cem %s", "9 spam");
    redis_cmd(port(), "EXPIRE rc:{lobby}:kicks 600");
}

static void prepare_ban(void)
{
    redis_cmd(port(), "HSET rc:{lobby}:bans ann 0");
    eval_room_join(&room, "node-1", "bob");
}

static void prepare_nodes(void)
{
    redis_cmd(port(), "ZADD rc:nodes 1 dead %lld me", eval_now_ms(&redis));
    redis_cmd(port(), "HSET rc:node:me pid 1");
    redis_cmd(port(), "HSET rc:node:dead pid 2");
}

static void prepare_registered(void)
{
    prepare_nodes();
    redis_cmd(port(), "SADD rc:node:me:rooms lobby");
}

static void prepare_index(void)
{
    prepare_room();
    redis_cmd(port(), "ZADD rc:rooms 1 gone");
    redis_cmd(port(), "ZADD rc:rooms:members 0 gone");
}

/* ---- the calls ---- */

static const char *join_ann(void)
{
    return eval_room_join(&room, "node-1", "ann");
}

static const char *join_cem(void)
{
    return eval_room_join(&room, "node-3", "cem");
}

static const char *leave_ann(void)
{
    return eval_room_leave(&room, "node-1", "ann");
}

static const char *renew(void)
{
    return eval_room_renew(&room, "node-1", (const char *[]){"ann", NULL});
}

static const char *reap(void)
{
    return eval_room_reap(&room, "node-1", 500);
}

static const char *sync_two(void)
{
    return eval_room_sync(&room, "node-1", EPOCH_1,
                          (const char *[]){"ann", "1", "cem", "2", NULL});
}

static const char *remake(void)
{
    return eval_room_remake(&room, EPOCH_1, EPOCH_2);
}

static const char *publish(void)
{
    return eval_room_say(&room, "node-1", "ann", "hello");
}

static const char *publish_without_history(void)
{
    room.history_limit = 0;
    return publish();
}

static const char *publish_with_keys(void)
{
    static const struct eval_message messages[] = {{"ann", "k", ",\"text\":\"1\"}"},
                                                   {"ann", NULL, ",\"text\":\"2\"}"},
                                                   {"bob", "k", ",\"text\":\"3\"}"}};

    return eval_room_publish(&room, "node-1", messages, 3);
}

static const char *history(void)
{
    return eval_room_history(&room, "0", "", 100, 1000);
}

static const char *members(void)
{
    eval_begin(&redis, SCRIPT_MEMBERS);
    eval_key(&redis, "rc:{lobby}:members");
    eval_arg(&redis, "0");
    eval_arg(&redis, "100");
    eval_arg(&redis, "1000");
    eval_arg(&redis, "0");
    return eval_run(&redis);
}

static const char *kick(void)
{
    eval_begin(&redis, SCRIPT_KICK);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:members");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:kicks");
    eval_key(&redis, "rc:{lobby}:events");
    eval_key(&redis, "rc:{lobby}:nodes");
    eval_key(&redis, "rc:{lobby}:on:node-1");
    for (int i = 0; i < 5; i++)
        eval_arg(&redis, "ann"); /* user, token, reason, events */
    eval_arg(&redis, "500");
    eval_arg(&redis, "300000");
    return eval_run(&redis);
}

static const char *close_room(void)
{
    eval_begin(&redis, SCRIPT_CLOSE);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:members");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:kicks");
    eval_key(&redis, "rc:{lobby}:keys");
    eval_key(&redis, "rc:{lobby}:keys:old");
    eval_key(&redis, "rc:{lobby}:bans");
    eval_key(&redis, "rc:{lobby}:mutes");
    eval_key(&redis, "rc:{lobby}:closed");
    eval_key(&redis, "rc:{lobby}:events");
    eval_key(&redis, "rc:{lobby}:nodes");
    eval_key(&redis, "rc:{lobby}:on:node-1");
    eval_arg(&redis, "late");
    eval_arg(&redis, "{}");
    return eval_run(&redis);
}

static const char *delete_message(void)
{
    eval_begin(&redis, SCRIPT_DELETE);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:events");
    eval_arg(&redis, "1");
    eval_arg(&redis, "head");
    eval_arg(&redis, "{}");
    return eval_run(&redis);
}

static const char *moderate(const char *secs)
{
    eval_begin(&redis, SCRIPT_MODERATE);
    eval_key(&redis, "rc:{lobby}:bans");
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:events");
    eval_arg(&redis, "ann");
    eval_arg(&redis, "%s", secs);
    eval_arg(&redis, "1000");
    return eval_run(&redis);
}

static const char *ban(void)
{
    return moderate("60");
}

static const char *lift_ban(void)
{
    return moderate("");
}

static const char *read_room(void)
{
    eval_begin(&redis, SCRIPT_ROOM);
    eval_key(&redis, "rc:{lobby}:meta");
    eval_key(&redis, "rc:{lobby}:members");
    eval_key(&redis, "rc:{lobby}:history");
    eval_key(&redis, "rc:{lobby}:bans");
    eval_key(&redis, "rc:{lobby}:mutes");
    eval_key(&redis, "rc:{lobby}:kicks");
    eval_key(&redis, "rc:{lobby}:keys");
    eval_key(&redis, "rc:{lobby}:keys:old");
    eval_key(&redis, "rc:{lobby}:closed");
    eval_key(&redis, "rc:{lobby}:nodes");
    eval_arg(&redis, "lobby");
    return eval_run(&redis);
}

static const char *read_rooms(void)
{
    eval_begin(&redis, SCRIPT_ROOMS);
    eval_key(&redis, "rc:rooms");
    eval_arg(&redis, "5");
    eval_arg(&redis, "gone");
    eval_arg(&redis, "10");
    return eval_run(&redis);
}

static const char *sample(void)
{
    eval_begin(&redis, SCRIPT_SAMPLE);
    eval_key(&redis, "rc:stats:sampler");
    eval_key(&redis, "rc:stats:online");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "replica");
    eval_arg(&redis, "6000");
    eval_arg(&redis, "10");
    eval_arg(&redis, "}");
    return eval_run(&redis);
}

static const char *audit(void)
{
    eval_begin(&redis, SCRIPT_AUDIT);
    eval_key(&redis, "rc:audit");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "1000");
    eval_arg(&redis, "}");
    eval_arg(&redis, "who");
    eval_arg(&redis, "me");
    return eval_run(&redis);
}

static const char *beat_as(const char *node, int first)
{
    eval_begin(&redis, SCRIPT_HEARTBEAT);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:%s", node);
    eval_key(&redis, "rc:node:%s:claim", node);
    eval_key(&redis, "rc:events");
    eval_key(&redis, "rc:stats");
    eval_arg(&redis, "%s", node);
    eval_arg(&redis, "10000");
    eval_arg(&redis, "%d", first);
    eval_arg(&redis, "5");
    eval_arg(&redis, "pid");
    eval_arg(&redis, "1");
    return eval_run(&redis);
}

static const char *beat(void)
{
    return beat_as("me", 0);
}

static const char *first_beat(void)
{
    return beat_as("you", 1);
}

static const char *register_node(void)
{
    eval_begin(&redis, SCRIPT_REGISTER);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:me:rooms");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "me");
    eval_arg(&redis, "lobby");
    return eval_run(&redis);
}

static const char *claim(void)
{
    eval_begin(&redis, SCRIPT_CLAIM);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:dead:claim");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "dead");
    eval_arg(&redis, "10000");
    eval_arg(&redis, "me");
    eval_arg(&redis, "10000");
    return eval_run(&redis);
}

static const char *forget(void)
{
    eval_begin(&redis, SCRIPT_FORGET);
    eval_key(&redis, "rc:nodes");
    eval_key(&redis, "rc:node:dead");
    eval_key(&redis, "rc:node:dead:rooms");
    eval_key(&redis, "rc:node:dead:claim");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "dead");
    return eval_run(&redis);
}

static const char *write_index(void)
{
    eval_begin(&redis, SCRIPT_INDEX);
    eval_key(&redis, "rc:rooms");
    eval_key(&redis, "rc:rooms:members");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "lobby");
    eval_arg(&redis, "2");
    return eval_run(&redis);
}

static const char *take_off_index(void)
{
    eval_begin(&redis, SCRIPT_UNINDEX);
    eval_key(&redis, "rc:rooms");
    eval_key(&redis, "rc:rooms:members");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "room_expired");
    eval_arg(&redis, "gone");
    eval_arg(&redis, "1");
    return eval_run(&redis);
}

/* When memory is full, publishing, new members and new rooms are refused. What frees some, or
 * only reads or prolongs, goes on, and so does what operators do and what keeps the fleet
 * together: its size is bounded. */
static const struct {
    const char *name;
    void (*prepare)(void);
    const char *(*call)(void);
    bool takes_memory;
} calls[] = {
    {"join, which makes the room", prepare_nothing, join_cem, true},
    {"join of a room that was lost", prepare_lost_room, join_cem, true},
    {"join", prepare_room, join_cem, true},
    {"join again", prepare_room, join_ann, false},
    {"join of an empty room", prepare_empty_room, join_cem, true},
    {"leave", prepare_room, leave_ann, false},
    {"the last leave", prepare_new_room, leave_ann, false},
    {"renew", prepare_room, renew, false},
    {"reap", prepare_room, reap, false},
    {"reap of the last", prepare_new_room, reap, false},
    {"sync", prepare_room, sync_two, true},
    {"sync after a kick", prepare_kick, sync_two, false},
    {"sync of a room that was lost", prepare_lost_room, sync_two, true},
    {"sync, which makes the room", prepare_nothing, sync_two, true},
    {"remake", prepare_room, remake, true},
    {"publish", prepare_room, publish, true},
    {"publish for the first time", prepare_new_room, publish, true},
    {"publish without history", prepare_room, publish_without_history, true},
    {"publish with keys", prepare_room, publish_with_keys, true},
    {"history", prepare_room, history, false},
    {"members", prepare_room, members, false},
    {"heartbeat", prepare_nodes, beat, false},
    {"the first heartbeat", prepare_nodes, first_beat, false},
    {"register", prepare_nodes, register_node, true},
    {"register again", prepare_registered, register_node, false},
    {"claim", prepare_nodes, claim, false},
    {"forget", prepare_nodes, forget, false},
    {"index", prepare_index, write_index, false},
    {"unindex", prepare_index, take_off_index, false},
    {"kick", prepare_room, kick, false},
    {"kick of the last", prepare_new_room, kick, false},
    {"close", prepare_room, close_room, false},
    {"delete", prepare_room, delete_message, false},
    {"ban", prepare_room, ban, false},
    {"lifting a ban", prepare_ban, lift_ban, false},
    {"room", prepare_room, read_room, false},
    {"rooms", prepare_index, read_rooms, false},
    {"sample", prepare_nothing, sample, false},
    {"audit", prepare_nothing, audit, false},
};

static void prepare(size_t i)
{
    eval_room_begin(&room, &redis);
    calls[i].prepare();
    eval_notices(&redis, NULL);
}

/* What a call came to. */
enum outcome { DONE, FAILED, HALF_DONE };

/* Makes the call: if it fails, all must be as it was. */
static enum outcome call(size_t i)
{
    char *before = eval_state(&redis), *after;
    enum outcome outcome = DONE;

    if (calls[i].call()[0] == '!') {
        print_message("    %s\n", redis.text.data);
        after = eval_state(&redis);
        outcome = strcmp(before, after) == 0 && *eval_notices(&redis, NULL) == '\0'
                      ? FAILED
                      : HALF_DONE;
        if (outcome == HALF_DONE)
            print_error("    HALF DONE\n%s\n%s\n", before, after);
        free(after);
    }
    free(before);
    return outcome;
}

/* ---- keys of another type ---- */

/* The names of the call's keys, up to a NULL; to be freed one by one. */
static void collect_keys(size_t i, char **keys)
{
    unsigned count;

    prepare(i);
    if (calls[i].call()[0] == '!')
        fail_msg("%s fails by itself: %s", calls[i].name, redis.text.data);
    count = redis.keys;
    assert_true(count < KEYS_MAX);
    for (unsigned k = 0; k < count; k++)
        keys[k] = xstrdup(redis.argv[3 + k]);
    keys[count] = NULL;
}

static const char *const others[] = {"SET %s x", "RPUSH %s x", "HSET %s x x",
                                     "ZADD %s 1 x"};

static void a_key_of_another_type_breaks_nothing_else(void **state)
{
    int outcomes[3] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        char *keys[KEYS_MAX];

        print_message("  %s\n", calls[i].name);
        collect_keys(i, keys);
        for (char **key = keys; *key; key++) {
            for (size_t k = 0; k < COUNT(others); k++) {
                prepare(i);
                redis_cmd(port(), "DEL %s", *key);
                redis_cmd(port(), others[k], *key);
                redis_cmd(port(), "EXPIRE %s 600", *key);
                print_message("   %s: %.4s\n", *key, others[k]);
                outcomes[call(i)]++;
            }
            free(*key);
        }
    }
    assert_int_equal(outcomes[HALF_DONE], 0);
    assert_true(outcomes[FAILED] > 100);
}

/* ---- fields that are no numbers ---- */

static const char *const odd_fields[] = {"meta epoch",  "meta seq",      "meta rev",
                                         "meta bytes",  "meta keys_at",  "members ann",
                                         "members bob", "on:node-1 ann", "bans ann",
                                         "bans bob",    "mutes ann",     "kicks ann"};
static const char *const odd_values[] = {"",
                                         "x",
                                         "1.5",
                                         "-1",
                                         "-5",
                                         "1e300",
                                         "nan",
                                         "inf",
                                         "0x7",
                                         " 1",
                                         "9223372036854775807"};

static void a_field_that_is_no_number_leaves_nothing_half_done(void **state)
{
    int outcomes[3] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        print_message("  %s\n", calls[i].name);
        for (size_t k = 0; k < COUNT(odd_fields); k++) {
            size_t key = strcspn(odd_fields[k], " ");

            for (size_t v = 0; v < COUNT(odd_values); v++) {
                prepare(i);
                redis_cmd(port(), "HSET rc:{lobby}:%b %s %b", odd_fields[k], key,
                          odd_fields[k] + key + 1, odd_values[v],
                          strlen(odd_values[v]));
                print_message("   %s '%s'\n", odd_fields[k], odd_values[v]);
                outcomes[call(i)]++;
            }
        }
    }
    assert_int_equal(outcomes[HALF_DONE], 0);
}

/* ---- Redis takes no writes ---- */

static void full_memory_refuses_what_takes_more(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        print_message("  %s\n", calls[i].name);
        prepare(i);
        eval_refuse(&redis, EVAL_OOM);
        if (call(i) != (calls[i].takes_memory ? FAILED : DONE)) {
            print_error("    %s\n", calls[i].takes_memory ? "NOT REFUSED" : "REFUSED");
            wrong++;
        }
        eval_refuse_no_more(&redis);
    }
    assert_int_equal(wrong, 0);
}

static void a_redis_that_refuses_writes_is_left_as_it_is(void **state)
{
    static const enum eval_refusal reasons[] = {EVAL_READONLY, EVAL_NOREPLICAS};

    (void)state;
    for (size_t k = 0; k < COUNT(reasons); k++)
        for (size_t i = 0; i < COUNT(calls); i++) {
            char *before, *after;

            print_message("  %s\n", calls[i].name);
            prepare(i);
            before = eval_state(&redis);
            eval_refuse(&redis, reasons[k]);
            call(i);
            after = eval_state(&redis);
            assert_string_equal(after, before);
            assert_string_equal(eval_notices(&redis, NULL), "");
            eval_refuse_no_more(&redis);
            free(before);
            free(after);
        }
}

/* ---- */

static int start(void **state)
{
    *state = &redis;
    return eval_start(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_of_another_type_breaks_nothing_else),
        cmocka_unit_test(a_field_that_is_no_number_leaves_nothing_half_done),
        cmocka_unit_test(full_memory_refuses_what_takes_more),
        cmocka_unit_test(a_redis_that_refuses_writes_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, start, eval_teardown);
}
