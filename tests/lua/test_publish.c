/* test_publish.c - publish.lua: who may speak, what is stored, which number it gets,
 * and what everybody is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/redis/eval_room.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a message of the lobby looks like, stored and told. */
#define SAID(seq, user, text)                                                          \
    "{\"type\":\"message\",\"room\":\"lobby\",\"seq\":" seq ",\"user\":\"" user        \
    "\",\"text\":\"" text "\"}"

#define TAIL(text) ",\"text\":\"" text "\"}"

static struct eval redis;
static int begin(void **state);
static struct eval_room room = {.redis = &redis};

static int port(void)
{
    return eval_port(&redis);
}

static long long history_length(void)
{
    return redis_cmd_number(port(), "LLEN rc:{lobby}:history");
}

/* Fails unless the history's element at `index` (of LINDEX) is `line`. */
static void expect_history(int index, const char *line)
{
    char *stored = redis_cmd_text(port(), "LINDEX rc:{lobby}:history %d", index);

    assert_non_null(stored);
    assert_string_equal(stored, line);
    free(stored);
}

/* Publishes one message, `key` or NULL; the reply. */
static const char *publish(const char *user, const char *key)
{
    struct eval_message message = {user, key, TAIL("hi")};

    return eval_room_publish(&room, "node-1", &message, 1);
}

/* ---- stored and told ---- */

static void a_message_is_numbered_stored_and_told_as_the_same_bytes(void **state)
{
    (void)state;
    assert_string_equal(eval_room_say(&room, "node-1", "ann", "hi"),
                        "('" EPOCH_1 "' 1)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1 " 2 message 1 1 -\n" SAID("1", "ann", "hi"));
    assert_int_equal(history_length(), 1);
    expect_history(0, SAID("1", "ann", "hi"));
    assert_int_equal(eval_room_number(&room, "meta", "seq"), 1);
    assert_int_equal(eval_room_number(&room, "meta", "rev"), 2);
}

static void messages_of_one_call_travel_as_one_notice(void **state)
{
    static const struct eval_message messages[] = {
        {"ann", NULL, ",\"user\":\"ann\",\"text\":\"1\"}"},
        {"bob", NULL, ",\"user\":\"bob\",\"text\":\"2\"}"},
        {"ann", NULL, ",\"user\":\"ann\",\"text\":\"3\"}"},
    };

    (void)state;
    eval_room_say(&room, "node-1", "ann", "0");
    eval_room_notices(&room);

    assert_string_equal(eval_room_publish(&room, "node-1", messages, 3),
                        "('" EPOCH_1 "' 2 3 4)");
    assert_string_equal(eval_room_notices(&room),
                        "1 " EPOCH_1
                        " 2 message 2 4 -\n" SAID("2", "ann", "1") "\n" SAID(
                            "3", "bob", "2") "\n" SAID("4", "ann", "3"));
    assert_int_equal(history_length(), 4);
    expect_history(3, SAID("4", "ann", "3"));
}

static void a_run_of_one_user_is_answered_by_its_first_number(void **state)
{
    static const struct eval_message messages[] = {
        {"ann", NULL, TAIL("1")},   {"ann", NULL, TAIL("2")},
        {"ann", NULL, TAIL("3")},   {"ann", "k", TAIL("4")},
        {"ann", "l", TAIL("5")},    {"nobody", "k", TAIL("6")},
        {"nobody", "l", TAIL("7")}, {"nobody", NULL, TAIL("8")},
        {"bob", NULL, TAIL("9")},   {"bob", NULL, TAIL("10")},
    };

    (void)state;
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 10),
                        "('" EPOCH_1 "' 1 4 5 -1 -1 6)");
    assert_non_null(strstr(eval_room_notices(&room), " message 1 7 -\n"));
    assert_int_equal(history_length(), 7);
}

static void numbers_go_on_over_every_power_of_ten(void **state)
{
    static const long long lasts[] = {0,  8,     9,         98,
                                      99, 12345, 999999999, 9007199254740000};
    static const struct eval_message messages[] = {
        {"ann", NULL, TAIL("1")}, {"ann", NULL, TAIL("2")}, {"ann", NULL, TAIL("3")}};

    (void)state;
    for (size_t i = 0; i < COUNT(lasts); i++) {
        char expected[512];

        print_message("  %lld\n", lasts[i]);
        redis_cmd(port(), "HSET rc:{lobby}:meta seq %lld", lasts[i]);
        eval_room_publish(&room, "node-1", messages, 3);
        snprintf(expected, sizeof(expected), "1 " EPOCH_1 " 2 message %lld %lld -\n",
                 lasts[i] + 1, lasts[i] + 3);
        for (int n = 1; n <= 3; n++)
            snprintf(
                expected + strlen(expected), sizeof(expected) - strlen(expected),
                "%s{\"type\":\"message\",\"room\":\"lobby\",\"seq\":%lld" TAIL("%d"),
                n > 1 ? "\n" : "", lasts[i] + n, n);
        assert_string_equal(eval_room_notices(&room), expected);
        assert_int_equal(eval_room_number(&room, "meta", "seq"), lasts[i] + 3);
    }
}

static void nothing_is_remembered_that_cannot_be_stored(void **state)
{
    char *before, *after;

    (void)state;
    redis_cmd(port(), "SET rc:{lobby}:history odd");
    before = eval_state(&redis);
    publish("ann", "k");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    assert_string_equal(eval_room_notices(&room), "");
    redis_cmd(port(), "DEL rc:{lobby}:history");
    free(before);
    free(after);
}

static void what_stands_behind_the_number_is_passed_on_as_it_is(void **state)
{
    static const char tail[] = ",\"text\":\"%s %1 \\u0000 \xf0\x9f\x98\x80\",\"data\":"
                               "{\"n\":12345678901234567890,\"s\":\"a\\/b\"}}";
    static const struct eval_message message = {"ann", NULL, tail};

    (void)state;
    eval_room_publish(&room, "node-1", &message, 1);
    assert_non_null(strstr(eval_room_notices(&room), tail));
}

static void a_call_takes_256_messages_with_256_keys(void **state)
{
    static struct eval_message messages[256];
    static char keys[256][16], large[4096];
    struct strbuf seqs = {0};
    static const char header[] = "1 " EPOCH_1 " 2 message 1 256 -\n";

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    strbuf_add_text(&seqs, "('" EPOCH_1 "'");
    for (int i = 0; i < 256; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        messages[i] = (struct eval_message){i % 2 ? "ann" : "bob", keys[i], large};
        strbuf_add_format(&seqs, " %d", i + 1);
    }
    strbuf_add_char(&seqs, ')');

    assert_string_equal(eval_room_publish(&room, "node-1", messages, 256), seqs.data);
    assert_memory_equal(eval_room_notices(&room), header, sizeof(header) - 1);
    assert_int_equal(history_length(), 100);
    /* Once more: all are remembered, nothing is told. */
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 256), seqs.data);
    assert_string_equal(eval_room_notices(&room), "");
    strbuf_deinit(&seqs);
}

/* ---- who may speak ---- */

static void a_room_that_is_not_there_takes_nothing(void **state)
{
    (void)state;
    redis_cmd(port(), "FLUSHALL");
    assert_string_equal(publish("ann", "k"), "nil");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(redis_cmd_number(port(), "DBSIZE"), 0);
}

static void who_is_not_in_through_this_node_may_not_speak(void **state)
{
    char *before, *after;

    (void)state;
    eval_room_join(&room, "node-2", "cem");
    eval_room_notices(&room);
    before = eval_state(&redis);

    assert_string_equal(publish("cem", "k"), "('" EPOCH_1 "' -1)");
    assert_string_equal(publish("nobody", NULL), "('" EPOCH_1 "' -1)");
    after = eval_state(&redis);
    assert_string_equal(after, before);
    assert_string_equal(eval_room_notices(&room), "");
    free(before);
    free(after);
}

static void who_came_in_under_another_epoch_may_not_speak(void **state)
{
    (void)state;
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;
    eval_room_join(&room, "node-2", "cem");
    eval_room_notices(&room);

    assert_string_equal(publish("ann", NULL), "('" EPOCH_2 "' -1)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_false(eval_room_has_key(&room, "history"));
}

static const struct {
    const char *name;
    long long until; /* 0: for good, else from now */
    bool refused;
} mutes[] = {
    {"for good", 0, true},
    {"for a minute", 60000, true},
    {"for a year", 31536000000, true},
    {"until now", -1, false},
    {"until long ago", -1000000000000, false},
};

static void a_mute_silences_while_it_lasts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mutes); i++) {
        long long until = mutes[i].until ? eval_now_ms(&redis) + mutes[i].until : 0;
        long long result;

        print_message("  %s\n", mutes[i].name);
        redis_cmd(port(), "HSET rc:{lobby}:mutes ann %lld", until);
        assert_int_equal(sscanf(publish("ann", NULL), "('" EPOCH_1 "' %lld)", &result),
                         1);
        if (!mutes[i].refused)
            assert_true(result > 0);
        else if (until == 0)
            assert_int_equal(result, -2);
        else
            assert_true(result < -2 && result >= -2 - mutes[i].until);
    }
    assert_int_equal(redis_cmd_number(port(), "PTTL rc:{lobby}:mutes"), -1);
}

static void an_odd_mute_is_for_good_and_silences_nobody_else(void **state)
{
    static const struct eval_message messages[] = {
        {"bob", NULL, TAIL("1")}, {"ann", NULL, TAIL("2")}, {"bob", "k", TAIL("3")}};

    (void)state;
    for (const char *const *odd = eval_room_odd_times; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        begin(state);
        redis_cmd(port(), "HSET rc:{lobby}:mutes ann %b", *odd, strlen(*odd));
        assert_string_equal(eval_room_publish(&room, "node-1", messages, 3),
                            "('" EPOCH_1 "' 1 -2 2)");
        assert_string_equal(publish("ann", NULL), "('" EPOCH_1 "' -2)");
    }
}

static void a_muted_user_learns_what_became_of_a_known_key(void **state)
{
    static const struct eval_message messages[] = {{"ann", "new", TAIL("1")},
                                                   {"ann", "old", TAIL("2")}};

    (void)state;
    publish("ann", "old");
    redis_cmd(port(), "HSET rc:{lobby}:mutes ann 0");
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 2),
                        "('" EPOCH_1 "' -2 1)");
    assert_int_equal(history_length(), 1);
}

/* ---- slow mode ---- */

#define SLOW_MS 60000
#define SLOW "-2000000000060000"

static long long slow_left(const char *user)
{
    return redis_cmd_number(port(), "PTTL rc:{lobby}:slow:%s", user);
}

static void slow_mode_takes_one_message_of_a_user(void **state)
{
    static const struct eval_message messages[] = {{"ann", NULL, TAIL("1")},
                                                   {"ann", NULL, TAIL("2")},
                                                   {"bob", NULL, TAIL("3")},
                                                   {"ann", "k", TAIL("4")}};
    long long left;

    (void)state;
    room.slow_ms = SLOW_MS;
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 4),
                        "('" EPOCH_1 "' 1 " SLOW " 2 " SLOW ")");
    assert_in_range(slow_left("ann"), 1, SLOW_MS);
    assert_in_range(slow_left("bob"), 1, SLOW_MS);
    assert_int_equal(sscanf(publish("ann", NULL), "('" EPOCH_1 "' %lld)", &left), 1);
    assert_in_range(-2000000000000000 - left, 1, SLOW_MS);
    assert_int_equal(history_length(), 2);
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:{lobby}:keys 3:ann:k"), 0);
    redis_cmd(port(), "DEL rc:{lobby}:slow:ann");
    assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 3)");
}

static void a_refused_message_does_not_prolong_slow_mode(void **state)
{
    (void)state;
    room.slow_ms = SLOW_MS;
    publish("ann", NULL);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:slow:ann 5000");
    publish("ann", NULL);
    assert_in_range(slow_left("ann"), 1, 5000);
}

static void a_known_key_is_no_message_to_slow_mode(void **state)
{
    static const struct eval_message messages[] = {
        {"ann", "a", TAIL("1")}, {"ann", "b", TAIL("2")}, {"ann", "a", TAIL("1")}};

    (void)state;
    room.slow_ms = SLOW_MS;
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 3),
                        "('" EPOCH_1 "' 1 " SLOW " 1)");
    assert_string_equal(publish("ann", "a"), "('" EPOCH_1 "' 1)");
    redis_cmd(port(), "HSET rc:{lobby}:mutes ann 0");
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 3),
                        "('" EPOCH_1 "' 1 -2 1)");
}

static void slow_mode_does_not_concern_who_moderates(void **state)
{
    static const struct eval_message messages[] = {{"mod", NULL, TAIL("1")},
                                                   {"mod", NULL, TAIL("2")},
                                                   {"mod", "k", TAIL("3")},
                                                   {"nobody", NULL, TAIL("4")},
                                                   {"nobody", NULL, TAIL("5")}};

    (void)state;
    eval_room_join(&room, "node-1", "mod");
    room.slow_ms = SLOW_MS;
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 5),
                        "('" EPOCH_1 "' 1 2 3 -1)");
    assert_int_equal(slow_left("mod"), -2);
    assert_int_equal(slow_left("nobody"), -2);
}

/* ---- */

static void the_refused_take_no_numbers_from_the_others(void **state)
{
    static const struct eval_message messages[] = {
        {"nobody", "a", TAIL("0")}, {"ann", "b", TAIL("1")},    {"mia", "c", TAIL("2")},
        {"bob", NULL, TAIL("3")},   {"nobody", "d", TAIL("4")},
    };

    (void)state;
    eval_room_join(&room, "node-1", "mia");
    redis_cmd(port(), "HSET rc:{lobby}:mutes mia 0");
    eval_room_notices(&room);

    assert_string_equal(eval_room_publish(&room, "node-1", messages, 5),
                        "('" EPOCH_1 "' -1 1 -2 2 -1)");
    assert_non_null(strstr(eval_room_notices(&room), " message 1 2 -\n"));
    assert_int_equal(history_length(), 2);
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:{lobby}:keys 6:nobody:a"), 0);
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:{lobby}:keys 3:mia:c"), 0);
    redis_cmd(port(), "DEL rc:{lobby}:mutes");
    assert_string_equal(publish("mia", "c"), "('" EPOCH_1 "' 3)");
}

/* ---- keys ---- */

static void the_same_key_is_stored_once(void **state)
{
    char *stored;

    (void)state;
    assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 1)");
    assert_string_equal(publish("bob", NULL), "('" EPOCH_1 "' 2)");
    eval_room_notices(&room);
    stored = redis_cmd_text(port(), "HGET rc:{lobby}:keys 3:ann:k");
    assert_string_equal(stored, "1");
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys"), 1);

    assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 1)");
    assert_string_equal(eval_room_notices(&room), "");
    assert_int_equal(history_length(), 2);
    free(stored);
}

static void two_equal_keys_in_one_call_are_stored_once(void **state)
{
    static const struct eval_message messages[] = {
        {"ann", "k", TAIL("first")}, {"bob", "k", TAIL("another's")},
        {"ann", "k", TAIL("again")}, {"ann", NULL, TAIL("none")},
        {"ann", "l", TAIL("other")}, {"ann", "k", TAIL("and again")},
    };

    (void)state;
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 6),
                        "('" EPOCH_1 "' 1 2 1 3 4 1)");
    assert_non_null(strstr(eval_room_notices(&room), " message 1 4 -\n"));
    assert_int_equal(history_length(), 4);
}

static void a_known_and_a_new_key_go_together(void **state)
{
    static const struct eval_message messages[] = {{"ann", "new", TAIL("1")},
                                                   {"ann", "old", TAIL("2")},
                                                   {"ann", "new", TAIL("3")}};

    (void)state;
    publish("ann", "old");
    eval_room_notices(&room);
    assert_string_equal(eval_room_publish(&room, "node-1", messages, 3),
                        "('" EPOCH_1 "' 2 1 2)");
    assert_non_null(strstr(eval_room_notices(&room), " message 2 2 -\n"));
}

static const struct {
    const char *user, *key;
} colliding[] = {
    {"a:b", "c"},  {"a", "b:c"},   {"a", "b"},    {"a:", "b"},    {"3:a", "b"},
    {"3", ":a:b"}, {"a:b:c", ":"}, {"a", "b:c:"}, {"A", "b"},     {"a", "B"},
    {"a b", "c"},  {"a", "b c"},   {"*", "*"},    {"1", "1:1:1"}, {"\"", "\\\"}"},
};

static void keys_of_different_users_never_meet(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(colliding); i++)
        eval_room_join(&room, "node-1", colliding[i].user);
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < COUNT(colliding); i++) {
            char expected[64];

            print_message("  (%s) (%s)\n", colliding[i].user, colliding[i].key);
            snprintf(expected, sizeof(expected), "('" EPOCH_1 "' %zu)", i + 1);
            assert_string_equal(publish(colliding[i].user, colliding[i].key), expected);
        }
    assert_int_equal(history_length(), COUNT(colliding));
}

static void a_key_does_not_outlive_the_epoch(void **state)
{
    char *stored;

    (void)state;
    publish("ann", "k");
    redis_cmd(port(), "DEL rc:{lobby}:meta");
    room.epoch = EPOCH_2;
    eval_room_join(&room, "node-1", "bob");
    eval_room_join(&room, "node-1", "ann");
    publish("bob", NULL);
    eval_room_notices(&room);

    assert_string_equal(publish("ann", "k"), "('" EPOCH_2 "' 2)");
    assert_non_null(strstr(eval_room_notices(&room), " message 2 2 -\n"));
    stored = redis_cmd_text(port(), "HGET rc:{lobby}:keys 3:ann:k");
    assert_string_equal(stored, "2");
    assert_string_equal(publish("ann", "k"), "('" EPOCH_2 "' 2)");
    free(stored);
}

static void keys_of_a_former_life_are_dropped_with_the_old_ones(void **state)
{
    (void)state;
    publish("ann", "k");
    redis_cmd(port(), "HSET rc:{lobby}:keys:old 3:ann:l 1");
    eval_room_remake(&room, EPOCH_1, EPOCH_2);
    room.epoch = EPOCH_2;
    eval_room_sync(&room, "node-1", EPOCH_1, (const char *[]){"ann", "1", NULL});

    assert_string_equal(publish("ann", "l"), "('" EPOCH_2 "' 2)");
    assert_string_equal(publish("ann", "k"), "('" EPOCH_2 "' 3)");
    assert_false(eval_room_has_key(&room, "keys:old"));
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys"), 2);
}

static void keys_live_twice_their_time_and_are_never_prolonged(void **state)
{
    (void)state;
    publish("ann", "k");
    eval_room_expect_ttl(&room, "keys", 600000);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:keys 400000");
    publish("ann", "l");
    eval_room_expect_ttl(&room, "keys", 400000);
    assert_false(eval_room_has_key(&room, "keys:old"));
}

/* How much life the hash may have left for a new one to begin. */
static const struct {
    const char *name, *command;
    bool begins;
} lives[] = {
    {"enough", "PEXPIRE rc:{lobby}:keys 310000", false},
    {"less than a key has to be known", "PEXPIRE rc:{lobby}:keys 299000", true},
    {"more than it was given", "PEXPIRE rc:{lobby}:keys 4000000", true},
    {"no end", "PERSIST rc:{lobby}:keys", true},
};

static void a_new_hash_begins_in_time_and_the_old_one_is_still_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lives); i++) {
        long long before = eval_now_ms(&redis);

        print_message("  %s\n", lives[i].name);
        begin(state);
        assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 1)");
        assert_int_equal(eval_room_number(&room, "meta", "keys_at"), 0);
        redis_cmd(port(), lives[i].command);
        assert_string_equal(publish("ann", "l"), "('" EPOCH_1 "' 2)");
        assert_int_equal(eval_room_has_key(&room, "keys:old"), lives[i].begins);
        assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 1)");
        assert_string_equal(publish("ann", "l"), "('" EPOCH_1 "' 2)");
        if (!lives[i].begins)
            continue;
        eval_room_expect_ttl(&room, "keys", 600000);
        assert_in_range(redis_cmd_number(port(), "PTTL rc:{lobby}:keys:old"), 1,
                        310000);
        assert_true(eval_room_number(&room, "meta", "keys_at") >= before);
    }
}

static void a_new_hash_begins_when_the_old_one_is_full(void **state)
{
    static const char *const keys[] = {"1", "2", "3", "4", "5", "6", "7"};

    (void)state;
    room.keys_max = 3;
    for (size_t i = 0; i < 7; i++)
        publish("ann", keys[i]);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys"), 1);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys:old"), 3);
    assert_string_equal(publish("ann", "4"), "('" EPOCH_1 "' 4)");
    assert_string_equal(publish("ann", "3"), "('" EPOCH_1 "' 8)"); /* forgotten */
}

/* Of keys that come one by one it is looked at now and then only; of several at once always. */
static void
a_large_hash_that_is_full_is_noticed_with_the_next_call_of_several(void **state)
{
    static const struct eval_message messages[] = {{"ann", "k", TAIL("1")},
                                                   {"ann", "l", TAIL("2")}};

    (void)state;
    room.keys_max = 1000;
    publish("ann", "first");
    for (int i = 0; i < 999; i++)
        redis_cmd(port(), "HSET rc:{lobby}:keys %d 1", i);
    eval_room_publish(&room, "node-1", messages, 2);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys"), 2);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys:old"), 1000);
}

static void the_hash_of_keys_is_a_hash_table_from_the_start(void **state)
{
    char *encoding;

    (void)state;
    publish("ann", "k");
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:{lobby}:keys"), 1);
    encoding = redis_cmd_text(port(), "OBJECT ENCODING rc:{lobby}:keys");
    assert_string_equal(encoding, "hashtable");
    free(encoding);
}

static void a_hash_of_keys_that_was_deleted_is_made_again(void **state)
{
    (void)state;
    publish("ann", "k");
    redis_cmd(port(), "PEXPIRE rc:{lobby}:keys 1000");
    publish("ann", "l");
    redis_cmd(port(), "DEL rc:{lobby}:keys");
    assert_string_equal(publish("ann", "m"), "('" EPOCH_1 "' 3)");
    eval_room_expect_ttl(&room, "keys", 600000);
    assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 1)"); /* in the old one */
}

/* Also if it is the seq of a message to come, which the room has not given yet. */
static void a_key_whose_seq_is_none_of_the_rooms_counts_as_new(void **state)
{
    static const struct eval_message twins[] = {
        {"ann", "k", TAIL("1")}, {"ann", "k", TAIL("2")}, {"bob", NULL, TAIL("3")}};
    static const char *const more[] = {"0", "-2", "7", NULL};
    const char *const *lists[] = {eval_room_odd_seqs, more};

    for (size_t i = 0; i < COUNT(lists); i++)
        for (const char *const *odd = lists[i]; *odd; odd++) {
            print_message("  '%s'\n", *odd);
            begin(state);
            publish("ann", "k");
            redis_cmd(port(), "HSET rc:{lobby}:keys 3:ann:k %b", *odd, strlen(*odd));
            assert_string_equal(eval_room_publish(&room, "node-1", twins, 3),
                                "('" EPOCH_1 "' 2 2 3)");
            assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 2)");
            assert_int_equal(history_length(), 3);
        }
}

/* All scripts agree: else what one of them stores is lost to another. */
static void a_seq_that_cannot_be_is_a_lost_room(void **state)
{
    for (const char *const *odd = eval_room_odd_seqs; *odd; odd++) {
        print_message("  '%s'\n", *odd);
        begin(state);
        publish("ann", NULL);
        redis_cmd(port(), "HSET rc:{lobby}:meta seq %b", *odd, strlen(*odd));
        assert_string_equal(publish("ann", NULL), "nil");
        assert_string_equal(publish("ann", "k"), "nil");
        assert_int_equal(history_length(), 1);
        assert_string_equal(eval_room_history(&room, "0", "", 100, 1000), "nil");
        assert_string_equal(eval_room_renew(&room, "node-1", NULL), "('' 0 0 2 2 0 0)");
        room.epoch = EPOCH_2;
        assert_string_equal(eval_room_sync(&room, "node-1", EPOCH_1,
                                           (const char *[]){"ann", "1", NULL}),
                            "('ok' '" EPOCH_2 "' 0 1 1 1 0 0)");
        room.epoch = EPOCH_1;
    }
}

static void the_largest_seq_is_one(void **state)
{
    (void)state;
    redis_cmd(port(), "HSET rc:{lobby}:meta seq 9007199254740990");
    assert_string_equal(publish("ann", NULL), "('" EPOCH_1 "' 9007199254740991)");
    assert_string_equal(eval_room_renew(&room, "node-1", NULL),
                        "('" EPOCH_1 "' 9007199254740991 2 2 2 0 0)");
    assert_non_null(strstr(eval_room_join(&room, "node-2", "cem"), "9007199254740991"));
}

/* ---- the history ---- */

static void without_history_numbers_and_notices_go_on(void **state)
{
    (void)state;
    room.history_limit = 0;
    assert_string_equal(publish("ann", NULL), "('" EPOCH_1 "' 1)");
    assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 2)");
    assert_string_equal(publish("ann", "k"), "('" EPOCH_1 "' 2)");

    assert_non_null(strstr(eval_room_notices(&room), " message 2 2 -\n"));
    assert_false(eval_room_has_key(&room, "history"));
    assert_string_equal(eval_room_history(&room, "0", "", 100, 1000),
                        "('" EPOCH_1 "' 2 3 3 0)");
}

static void a_history_that_is_switched_off_is_not_numbered_wrongly(void **state)
{
    (void)state;
    publish("ann", NULL);
    publish("ann", NULL);
    room.history_limit = 0; /* a gateway with another setting */
    publish("ann", NULL);
    assert_string_equal(eval_room_history(&room, "0", "", 100, 1000),
                        "('" EPOCH_1 "' 3 4 4 0)");
}

static void the_history_keeps_the_last_messages(void **state)
{
    (void)state;
    room.history_limit = 3;
    for (int i = 0; i < 10; i++)
        eval_room_say(&room, "node-1", "ann", "hi");
    assert_int_equal(history_length(), 3);
    expect_history(0, SAID("8", "ann", "hi"));
    expect_history(-1, SAID("10", "ann", "hi"));
    room.history_limit = 1;
    eval_room_say(&room, "node-1", "ann", "hi");
    assert_int_equal(history_length(), 1);
    expect_history(0, SAID("11", "ann", "hi"));
    room.history_limit = 10000;
    eval_room_say(&room, "node-1", "ann", "hi");
    assert_int_equal(history_length(), 2);
}

static void a_call_with_more_than_the_history_holds_keeps_the_last(void **state)
{
    static const struct eval_message messages[] = {
        {"ann", NULL, ",\"user\":\"ann\",\"text\":\"1\"}"},
        {"ann", NULL, ",\"user\":\"ann\",\"text\":\"2\"}"},
        {"ann", NULL, ",\"user\":\"ann\",\"text\":\"3\"}"},
    };

    (void)state;
    room.history_limit = 2;
    eval_room_publish(&room, "node-1", messages, 3);
    assert_non_null(strstr(eval_room_notices(&room), " message 1 3 -\n"));
    assert_int_equal(history_length(), 2);
    expect_history(0, SAID("2", "ann", "2"));
    expect_history(1, SAID("3", "ann", "3"));
}

static void the_first_message_gives_the_history_what_meta_has_left(void **state)
{
    long long meta, history;

    (void)state;
    redis_cmd(port(), "PEXPIRE rc:{lobby}:meta 123456");
    publish("ann", NULL);
    meta = redis_cmd_number(port(), "PEXPIRETIME rc:{lobby}:meta");
    history = redis_cmd_number(port(), "PEXPIRETIME rc:{lobby}:history");
    assert_true(history >= meta && history <= meta + 1000);
    redis_cmd(port(), "PEXPIRE rc:{lobby}:meta 999999");
    publish("ann", NULL);
    assert_int_equal(redis_cmd_number(port(), "PEXPIRETIME rc:{lobby}:history"),
                     history);
}

/* ---- the history's bytes ---- */

static size_t history_bytes(void)
{
    redisReply *lines = redis_cmd_reply(port(), "LRANGE rc:{lobby}:history 0 -1");
    size_t bytes = 0;

    assert_non_null(lines);
    for (size_t i = 0; i < lines->elements; i++)
        bytes += (size_t)lines->element[i]->len;
    freeReplyObject(lines);
    return bytes;
}

/* Says something `len` bytes long. */
static void say_long(size_t len)
{
    char *text = calloc(1, len + 1);

    memset(text, 'x', len);
    eval_room_say(&room, "node-1", "ann", text);
    free(text);
}

static void meta_tells_the_bytes_of_the_history(void **state)
{
    static const struct eval_message messages[] = {{"ann", NULL, TAIL("1")},
                                                   {"bob", "k", TAIL("\xc3\xa4")}};

    (void)state;
    say_long(1000);
    assert_int_equal(eval_room_number(&room, "meta", "bytes"), history_bytes());
    eval_room_publish(&room, "node-1", messages, 2);
    assert_int_equal(history_length(), 3);
    assert_int_equal(eval_room_number(&room, "meta", "bytes"), history_bytes());
}

/* Sends `count` messages of up to `len` bytes; after each of them the history must be as
 * long as the limits allow. */
static void expect_bounded(unsigned limit, unsigned max_bytes, int count, size_t len)
{
    void *state = &room;
    size_t lens[512];

    begin(&state);
    room.history_limit = limit;
    room.history_max_bytes = max_bytes;
    for (int n = 0; n < count; n++) {
        size_t bytes = 0;
        long long held = 0, stated;
        char *last;

        say_long((size_t)(n * 7919) % len);
        last = redis_cmd_text(port(), "LINDEX rc:{lobby}:history -1");
        lens[n] = strlen(last);
        free(last);
        for (int k = n; k >= 0 && held < (long long)limit; k--) {
            bytes += lens[k];
            if (bytes > max_bytes && k < n)
                break;
            held++;
        }
        assert_int_equal(history_length(), held);
        stated = eval_room_number(&room, "meta", "bytes");
        if (stated >= 0)
            assert_int_equal(stated, history_bytes());
        else
            assert_in_range(history_bytes(), 1, -stated);
    }
}

static void the_oldest_go_when_the_history_has_too_many_bytes(void **state)
{
    (void)state;
    expect_bounded(100, 10000, 200, 2000); /* bytes bind */
    expect_bounded(5, 10000, 200, 3000);   /* by turns */
    expect_bounded(5, 100000, 500,
                   1000);            /* the number binds, bytes are counted again */
    expect_bounded(3, 100, 50, 300); /* one message has more */
    expect_bounded(1, 1, 20, 300);
}

static void a_call_with_more_bytes_than_the_history_holds_keeps_the_last(void **state)
{
    static char tail[1200];
    static struct eval_message messages[40];

    (void)state;
    snprintf(tail, sizeof(tail), q(",'text':'%01000d'}"), 0);
    for (int i = 0; i < 40; i++)
        messages[i] = (struct eval_message){"ann", NULL, tail};
    room.history_max_bytes = 10000;
    say_long(100);
    eval_room_publish(&room, "node-1", messages, 40);
    assert_int_equal(history_length(), 9);
    assert_int_equal(eval_room_number(&room, "meta", "bytes"), history_bytes());
}

/* What meta may say instead of the bytes. */
static const char *const odd_bytes[] = {
    "odd", "inf", "-inf", "nan", "1e300", "", "99999999999999999999"};

static void bytes_that_cannot_be_are_counted_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_bytes); i++) {
        print_message("  %s\n", odd_bytes[i]);
        begin(state);
        room.history_max_bytes = 5000;
        for (int n = 0; n < 3; n++)
            say_long(1000);
        redis_cmd(port(), "HSET rc:{lobby}:meta bytes %s", odd_bytes[i]);
        for (int n = 0; n < 9; n++)
            say_long(1000);
        assert_int_equal(history_length(), 4);
        assert_int_equal(eval_room_number(&room, "meta", "bytes"), history_bytes());
    }
    redis_cmd(port(), "HDEL rc:{lobby}:meta bytes");
    say_long(10);
    assert_int_equal(eval_room_number(&room, "meta", "bytes"), history_bytes());
    redis_cmd(port(), "DEL rc:{lobby}:history");
    say_long(10);
    assert_int_equal(history_length(), 1);
    assert_int_equal(eval_room_number(&room, "meta", "bytes"), history_bytes());
}

/* ---- */

static int start(void **state)
{
    *state = &room;
    return eval_start(&redis);
}

/* Ann and Bob are in through node-1. */
static int begin(void **state)
{
    eval_room_begin_test(state);
    eval_room_join(&room, "node-1", "ann");
    eval_room_join(&room, "node-1", "bob");
    eval_room_notices(&room);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, eval_room_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_numbered_stored_and_told_as_the_same_bytes),
        TEST(messages_of_one_call_travel_as_one_notice),
        TEST(a_run_of_one_user_is_answered_by_its_first_number),
        TEST(numbers_go_on_over_every_power_of_ten),
        TEST(nothing_is_remembered_that_cannot_be_stored),
        TEST(what_stands_behind_the_number_is_passed_on_as_it_is),
        TEST(a_call_takes_256_messages_with_256_keys),
        TEST(a_room_that_is_not_there_takes_nothing),
        TEST(who_is_not_in_through_this_node_may_not_speak),
        TEST(who_came_in_under_another_epoch_may_not_speak),
        TEST(a_mute_silences_while_it_lasts),
        TEST(an_odd_mute_is_for_good_and_silences_nobody_else),
        TEST(a_muted_user_learns_what_became_of_a_known_key),
        TEST(slow_mode_takes_one_message_of_a_user),
        TEST(a_refused_message_does_not_prolong_slow_mode),
        TEST(a_known_key_is_no_message_to_slow_mode),
        TEST(slow_mode_does_not_concern_who_moderates),
        TEST(the_refused_take_no_numbers_from_the_others),
        TEST(the_same_key_is_stored_once),
        TEST(two_equal_keys_in_one_call_are_stored_once),
        TEST(a_known_and_a_new_key_go_together),
        TEST(keys_of_different_users_never_meet),
        TEST(a_key_does_not_outlive_the_epoch),
        TEST(keys_of_a_former_life_are_dropped_with_the_old_ones),
        TEST(keys_live_twice_their_time_and_are_never_prolonged),
        TEST(a_new_hash_begins_in_time_and_the_old_one_is_still_asked),
        TEST(a_new_hash_begins_when_the_old_one_is_full),
        TEST(a_large_hash_that_is_full_is_noticed_with_the_next_call_of_several),
        TEST(the_hash_of_keys_is_a_hash_table_from_the_start),
        TEST(a_hash_of_keys_that_was_deleted_is_made_again),
        TEST(a_key_whose_seq_is_none_of_the_rooms_counts_as_new),
        TEST(a_seq_that_cannot_be_is_a_lost_room),
        TEST(the_largest_seq_is_one),
        TEST(without_history_numbers_and_notices_go_on),
        TEST(a_history_that_is_switched_off_is_not_numbered_wrongly),
        TEST(the_history_keeps_the_last_messages),
        TEST(a_call_with_more_than_the_history_holds_keeps_the_last),
        TEST(the_first_message_gives_the_history_what_meta_has_left),
        TEST(meta_tells_the_bytes_of_the_history),
        TEST(the_oldest_go_when_the_history_has_too_many_bytes),
        TEST(a_call_with_more_bytes_than_the_history_holds_keeps_the_last),
        TEST(bytes_that_cannot_be_are_counted_again),
    };
    return cmocka_run_group_tests(tests, start, eval_room_teardown);
}
