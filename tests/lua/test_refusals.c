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
#include "tests/support/redis/eval_calls.h"
#include "tests/support/redis/redis_cmd.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { KEYS_MAX = 16 };

static struct eval redis;
static struct eval_room room;

static int port(void)
{
    return eval_port(&redis);
}

static void prepare(size_t i)
{
    eval_room_begin(&room, &redis);
    eval_calls[i].prepare(&room);
    eval_notices(&redis, NULL);
}

/* What a call came to. */
enum outcome { DONE, FAILED, HALF_DONE };

/* Makes the call: if it fails, all must be as it was. */
static enum outcome call(size_t i)
{
    char *before = eval_state(&redis), *after;
    enum outcome outcome = DONE;

    if (eval_calls[i].run(&room)[0] == '!') {
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
    if (eval_calls[i].run(&room)[0] == '!')
        fail_msg("%s fails by itself: %s", eval_calls[i].name, redis.text.data);
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
    for (size_t i = 0; i < eval_calls_count; i++) {
        char *keys[KEYS_MAX];

        print_message("  %s\n", eval_calls[i].name);
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
    for (size_t i = 0; i < eval_calls_count; i++) {
        print_message("  %s\n", eval_calls[i].name);
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
    for (size_t i = 0; i < eval_calls_count; i++) {
        print_message("  %s\n", eval_calls[i].name);
        prepare(i);
        eval_refuse(&redis, EVAL_OOM);
        if (call(i) != (eval_calls[i].takes_memory ? FAILED : DONE)) {
            print_error("    %s\n",
                        eval_calls[i].takes_memory ? "NOT REFUSED" : "REFUSED");
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
        for (size_t i = 0; i < eval_calls_count; i++) {
            char *before, *after;

            print_message("  %s\n", eval_calls[i].name);
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
