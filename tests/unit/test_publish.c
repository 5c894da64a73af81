/* test_publish.c - messages of one room as one call: what the script is told, and what each message
 * learns from its answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/publish.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { MESSAGES_MAX = 8 };

static struct {
    struct room *room;
    struct list messages;
    struct publish_message message[MESSAGES_MAX];
    unsigned count;
    bool is_known;
    struct publish_answer answer;
} w;

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    rig.config.keys_max = 9;
    rig.config.dedupe_ms = 60000;
    store_rig_open(&rig.config, &rig.metrics);
    w.room = rig_live(5, 1, rig_client("ann"), NULL);
    list_init(&w.messages);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close();
    store_rig_close();
    return 0;
}

static void add(const char *user, const char *key, const char *tail)
{
    struct publish_message *m = &w.message[w.count++];

    *m = (struct publish_message){.user = {user, strlen(user)},
                                  .key = {key, strlen(key)},
                                  .tail = {tail, strlen(tail)}};
    list_init(&m->link);
    list_add(&w.messages, &m->link);
}

static void on_reply(void *data, int status, const redisReply *reply)
{
    (void)data;
    w.is_known = publish_read(status, reply, &w.messages, &w.answer);
}

static void call(void)
{
    publish_send(&store_rig.store, w.room, &w.messages, on_reply, NULL);
}

/* The answer to what was added. */
static void answer(const char *words)
{
    call();
    store_rig_answer(words);
}

static void assert_result(unsigned i, enum proto_error error, uint64_t seq,
                          uint64_t wait_ms)
{
    assert_true(w.is_known);
    assert_int_equal(w.answer.results[i].error, error);
    assert_int_equal(w.answer.results[i].seq, seq);
    assert_int_equal(w.answer.results[i].wait_ms, wait_ms);
}

#define HEAD "{\"type\":\"message\",\"room\":\"r\",\"seq\":"

/* ---- the call ---- */

static void the_messages_of_a_user_are_one_run(void **state)
{
    (void)state;
    add("ann", "", "1");
    add("ann", "", "2");
    add("bob", "", "3");
    add("ann", "", "4");
    call();
    store_rig_assert_call(
        SCRIPT_PUBLISH, 0,
        "rc:{r}:meta rc:{r}:history rc:{r}:events rc:{r}:on:n1 rc:{r}:mutes "
        "1000 1048576 " HEAD " 3 ann 2 0 bob 1 0 ann 1 0 1 2 3 4");
    assert_int_equal(store_rig.calls[0].keys, 5);
    store_rig_answer(RIG_EPOCH " 999 - 6 8 9");
    assert_string_equal(w.answer.epoch, RIG_EPOCH);
    for (unsigned i = 0; i < 4; i++)
        assert_result(i, PROTO_OK, 6 + i, 0);
}

static void messages_with_keys_are_a_run_of_their_own(void **state)
{
    (void)state;
    add("ann", "", "1");
    add("ann", "k", "2");
    add("ann", "l", "3");
    call();
    store_rig_assert_call(
        SCRIPT_PUBLISH, 0,
        "rc:{r}:meta rc:{r}:history rc:{r}:events rc:{r}:on:n1 rc:{r}:mutes "
        "rc:{r}:keys rc:{r}:keys:old 1000 1048576 " HEAD
        " 2 ann 1 0 ann 2 1 60000 9 0 2 3:ann:k 3:ann:l 1 2 3");
    assert_int_equal(store_rig.calls[0].keys, 7);
    store_rig_answer(RIG_EPOCH " 999 - 6 7 3");
    assert_result(0, PROTO_OK, 6, 0);
    assert_result(1, PROTO_OK, 7, 0);
    assert_result(2, PROTO_OK, 3, 0); /* was sent before */
}

static void a_name_that_another_begins_with_is_another_run(void **state)
{
    (void)state;
    add("ann", "", "1");
    add("anna", "", "2");
    add("ann", "", "3");
    call();
    store_rig_assert_call(SCRIPT_PUBLISH, 8, "3 ann 1 0 anna 1 0 ann 1 0 1 2 3");
    store_rig_answer(NULL);
}

/* Of two runs: after the keys, the bounds and the head, the runs, and the bounds of keys. */
static void assert_repeats(const char *wanted)
{
    call();
    assert_string_equal(store_rig.calls[0].argv[7 + 3 + 1 + 2 * 3 + 2], wanted);
    store_rig_answer(NULL);
}

static void the_script_is_told_where_a_key_may_be_twice(void **state)
{
    (void)state;
    add("ann", "k", "1");
    add("bob", "k", "2");
    assert_repeats("0");
    add("bob", "k", "3");
    assert_repeats("1");
}

static void one_key_is_never_twice(void **state)
{
    (void)state;
    add("ann", "", "1");
    add("ann", "k", "2");
    assert_repeats("0");
}

/* ---- the answer ---- */

static void a_run_that_is_refused_is_refused_as_a_whole(void **state)
{
    (void)state;
    add("ann", "", "1");
    add("ann", "", "2");
    add("bob", "k", "3");
    add("bob", "l", "4");
    add("eve", "", "5");
    add("joe", "", "6");
    answer(RIG_EPOCH " 999 - -1 -2 -2 -502 6");
    assert_result(0, PROTO_NOT_JOINED, 0, 0);
    assert_result(1, PROTO_NOT_JOINED, 0, 0);
    assert_result(2, PROTO_MUTED, 0, 0);
    assert_result(3, PROTO_MUTED, 0, 0);
    assert_result(4, PROTO_MUTED, 0, 500);
    assert_result(5, PROTO_OK, 6, 0);
}

/* Which messages were sent in slow mode is remembered: the class may be another one meanwhile. */
static void in_slow_mode_each_message_has_an_answer_of_its_own(void **state)
{
    struct class_rules slow = *w.room->rules;

    (void)state;
    slow.slow_secs = 7;
    w.room->rules = &slow;
    add("ann", "", "1");
    add("ann", "", "2");
    add("bob", "k", "3");
    add("mod", "", "4");
    w.message[3].is_spared = true;
    call();
    store_rig_assert_call(
        SCRIPT_PUBLISH, 5,
        "rc:{r}:keys rc:{r}:keys:old rc:{r}:slow:ann rc:{r}:slow:bob rc:{r}:slow:mod "
        "1000 1048576 " HEAD " 3 ann 2 0 bob 1 1 mod 1 2 60000 9 0 1 3:bob:k 7000 "
        "1 2 3 4");
    assert_int_equal(store_rig.calls[0].keys, 10);
    w.room->rules = &rig.rooms.no_classes.fallback;
    store_rig_answer(RIG_EPOCH " 999 - 6 -2000000000006999 7 8");
    assert_result(0, PROTO_OK, 6, 0);
    assert_result(1, PROTO_SLOW_MODE, 0, 6999);
    assert_result(2, PROTO_OK, 7, 0);
    assert_result(3, PROTO_OK, 8, 0);
}

static void an_answer_that_makes_no_sense_tells_nothing(void **state)
{
    static const char *const answers[] = {
        NULL,
        "nil",
        "x 999 - 6",
        RIG_EPOCH,
        RIG_EPOCH " 999",
        RIG_EPOCH " 999 - x",
        RIG_EPOCH " 999 - 0",
        RIG_EPOCH " 999 - 6",
        RIG_EPOCH " 999 - 6 7 nil",
        RIG_EPOCH " 999 - 6 7 0",
    };

    (void)state;
    add("ann", "", "1");
    add("bob", "k", "2");
    add("bob", "l", "3");
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        w.is_known = true;
        answer(answers[i]);
        assert_false(w.is_known);
    }
    w.is_known = true;
    call();
    store_rig_answer_error("ERR no");
    assert_false(w.is_known);
    answer(RIG_EPOCH " 999 - 6 7 8");
    assert_true(w.is_known);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_messages_of_a_user_are_one_run),
        TEST(messages_with_keys_are_a_run_of_their_own),
        TEST(a_name_that_another_begins_with_is_another_run),
        TEST(the_script_is_told_where_a_key_may_be_twice),
        TEST(one_key_is_never_twice),
        TEST(a_run_that_is_refused_is_refused_as_a_whole),
        TEST(in_slow_mode_each_message_has_an_answer_of_its_own),
        TEST(an_answer_that_makes_no_sense_tells_nothing),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
