/* test_revoke.c - revoke.lua and sweep.lua, and copies of what is revoked that follow a Redis which is
 * emptied and goes back: in the end all of them and Redis have every entry that was ever written.
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

#include "common/revoked_copy.h"
#include "tests/support/redis/eval.h"
#include "tests/support/redis/redis_cmd.h"

enum {
    COPIES = 4,
    NAMES = 12,
    STEPS = 3000,
    ROUNDS = 40,
    LATER_MS = 100000, /* than now an entry is kept */
};

static struct eval redis;
static uint32_t random_state = 20251130;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static int port(void)
{
    return eval_port(&redis);
}

/* ---- the scripts ---- */

static void begin_revoke(const char *known, const char *most, const char *lock)
{
    eval_begin(&redis, SCRIPT_REVOKE);
    eval_key(&redis, "rc:policy");
    eval_key(&redis, "rc:revoked");
    eval_key(&redis, "rc:policy:restore");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "%s", known);
    eval_arg(&redis, "%s", most);
    eval_arg(&redis, "%s", lock);
}

static void entry(const char *name, const char *issued, const char *kept)
{
    eval_arg(&redis, "%s", name);
    eval_arg(&redis, "%s", issued);
    eval_arg(&redis, "%s", kept);
}

static void assert_entry(const char *name, const char *expected)
{
    char *value = redis_cmd_text(port(), "HGET rc:revoked %s", name);

    if (expected)
        assert_string_equal(value, expected);
    else
        assert_null(value);
    free(value);
}

static long long rev(void)
{
    return redis_cmd_number(port(), "HGET rc:policy revoked_rev");
}

static void an_entry_raises_the_number_to_the_clock(void **state)
{
    long long before = eval_now_ms(&redis);

    (void)state;
    begin_revoke("0", "10", "");
    entry("user:ann", "100", "2000");
    assert_non_null(strstr(eval_run(&redis), "(0 1"));
    assert_in_range(rev(), before, before + 60000);
    assert_entry("user:ann", "100 2000");
}

static void the_number_is_above_each_that_is_known(void **state)
{
    (void)state;
    redis_cmd(port(), "HSET rc:policy revoked_rev 900000000000000");
    begin_revoke("0", "10", "");
    entry("user:ann", "1", "2");
    assert_string_equal(eval_run(&redis), "(900000000000000 900000000000001 0)");
    begin_revoke("900000000000008", "10", "");
    entry("user:ann", "1", "2");
    assert_string_equal(eval_run(&redis), "(900000000000001 900000000000009 0)");
    redis_cmd(port(), "HSET rc:policy revoked_rev garbage");
    begin_revoke("900000000000008", "10", "");
    entry("user:ann", "1", "2");
    assert_string_equal(eval_run(&redis), "(0 900000000000009 0)");
}

static void of_two_the_later_counts_each(void **state)
{
    (void)state;
    begin_revoke("0", "10", "");
    entry("user:ann", "100", "2000");
    entry("user:ann", "99", "2001");
    entry("user:ann", "101", "1");
    eval_run(&redis);
    assert_entry("user:ann", "101 2001");
    redis_cmd(port(), "HSET rc:revoked user:ann garbage");
    begin_revoke("0", "10", "");
    entry("user:ann", "7", "8");
    eval_run(&redis);
    assert_entry("user:ann", "7 8");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    begin_revoke("0", "1", "");
    entry("user:ann", "100", "2000");
    eval_run(&redis);
    redis_cmd(port(), "HSET rc:policy revoked_rev 5");
    begin_revoke("0", "1", "");
    entry("user:bob", "100", "2000");
    assert_string_equal(eval_run(&redis), "(5 5 1)");
    assert_entry("user:bob", NULL);
    begin_revoke("", "1", "");
    entry("user:bob", "100", "2000");
    entry("user:ann", "200", "2000");
    assert_string_equal(eval_run(&redis), "(5 5 1)");
    assert_entry("user:ann", "200 2000");
}

static void only_its_own_lock_is_given_up(void **state)
{
    (void)state;
    redis_cmd(port(), "SET rc:policy:restore other");
    begin_revoke("", "1", "mine");
    eval_run(&redis);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:policy:restore"), 1);
    begin_revoke("", "1", "other");
    eval_run(&redis);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:policy:restore"), 0);
}

static void the_lock_is_given_up_where_nothing_fits(void **state)
{
    (void)state;
    redis_cmd(port(), "SET rc:policy:restore mine");
    begin_revoke("", "0", "mine");
    entry("user:ann", "100", "2000");
    eval_run(&redis);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:policy:restore"), 0);
    assert_entry("user:ann", NULL);
}

static void what_is_over_is_swept(void **state)
{
    long long now = eval_now_ms(&redis);

    (void)state;
    redis_cmd(port(), "HSET rc:revoked user:over %s", "1 1000");
    redis_cmd(port(), "HSET rc:revoked user:odd %s", "nothing");
    redis_cmd(port(), "HSET rc:revoked user:just %b", "1 9", (size_t)3);
    {
        char value[64];

        snprintf(value, sizeof(value), "1 %lld", now - 1000);
        redis_cmd(port(), "HSET rc:revoked user:just %s", value);
    }
    eval_begin(&redis, SCRIPT_SWEEP);
    eval_key(&redis, "rc:revoked");
    eval_key(&redis, "rc:events");
    eval_arg(&redis, "0");
    eval_arg(&redis, "1000");
    eval_arg(&redis, "60000");
    assert_string_equal(eval_run(&redis), "'0'");
    assert_entry("user:over", NULL);
    assert_entry("user:odd", "nothing");
    assert_int_equal(redis_cmd_number(port(), "HEXISTS rc:revoked user:just"), 1);
}

/* ---- copies ---- */

struct holder {
    struct revoked_copy copy;
    struct redis_command cmd;
    bool is_deaf;      /* Redis does not answer it */
    unsigned fails_in; /* calls, until one fails; 0: none does */
    bool is_late;      /* that one reaches Redis */
    unsigned orders, reads;
};

static struct metrics metrics;
static struct holder holders[COPIES];
static redisContext *link_to_redis;

static struct redis_command *begin(void *owner, const char *verb)
{
    struct holder *holder = owner;

    redis_command_begin(&holder->cmd);
    redis_command_add_text(&holder->cmd, verb);
    return &holder->cmd;
}

static struct redis_command *begin_script(void *owner, enum script script,
                                          unsigned keys)
{
    struct redis_command *cmd = begin(owner, "EVAL");

    redis_command_add_text(cmd, scripts_source(script));
    redis_command_add_u64(cmd, keys);
    return cmd;
}

static void add_key(void *owner, enum fleet_key key)
{
    char name[KEYS_MAX_BYTES];
    size_t len = keys_fleet(name, 0, key);

    redis_command_add(&((struct holder *)owner)->cmd, name, len);
}

static void send_it(void *owner, redis_reply_fn on_reply, void *data)
{
    struct holder *holder = owner;
    struct strbuf bytes = {NULL, 0, 0};
    redisReply *reply;
    bool fails = holder->fails_in > 0 && --holder->fails_in == 0;

    if (holder->is_deaf || (fails && !holder->is_late)) {
        on_reply(data, -1, NULL);
        return;
    }
    redis_command_print(&holder->cmd, &bytes);
    assert_int_equal(redisAppendFormattedCommand(link_to_redis, bytes.data, bytes.len),
                     REDIS_OK);
    strbuf_deinit(&bytes);
    assert_int_equal(redisGetReply(link_to_redis, (void **)&reply), REDIS_OK);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s", reply->str);
    on_reply(data, fails ? -1 : 0, fails ? NULL : reply);
    freeReplyObject(reply);
}

static void send_script(void *owner, enum script script, redis_reply_fn on_reply,
                        void *data)
{
    (void)script;
    send_it(owner, on_reply, data);
}

static void on_order(void *owner, struct json_text name, uint64_t grace_secs)
{
    (void)name, (void)grace_secs;
    ((struct holder *)owner)->orders++;
}

static void on_read(void *owner)
{
    ((struct holder *)owner)->reads++;
}

static const struct registry_calls calls = {
    .begin = begin,
    .begin_script = begin_script,
    .add_key = add_key,
    .send = send_it,
    .send_script = send_script,
};

static const struct revoked_copy_hooks hooks = {
    .calls = &calls,
    .on_order = on_order,
    .on_read = on_read,
};

static int start_copies(void **state)
{
    (void)state;
    memset(holders, 0, sizeof(holders));
    for (unsigned i = 0; i < COPIES; i++)
        revoked_copy_init(&holders[i].copy, &hooks, &holders[i], &metrics);
    link_to_redis = redisConnect("127.0.0.1", port());
    return eval_reset(&redis);
}

static int stop_copies(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COPIES; i++) {
        revoked_copy_deinit(&holders[i].copy);
        redis_command_deinit(&holders[i].cmd);
    }
    redisFree(link_to_redis);
    return 0;
}

static void beat_once(struct holder *holder)
{
    if (!holder->is_deaf)
        revoked_copy_on_rev(&holder->copy, (uint64_t)rev());
}

static struct json_text name_of(unsigned i)
{
    static char name[32];

    snprintf(name, sizeof(name), "%s%u", i % 2 ? "user:u" : "jti:j", i);
    return (struct json_text){name, strlen(name)};
}

/* What was ever written. */
static struct revocation written[NAMES];

static void hear(void *data, int status, const redisReply *reply)
{
    struct revoked_order *order = data;

    if (status == 0) {
        order->before = reply_number(reply, 0);
        order->rev = reply_number(reply, 1);
    }
}

/* As the admin service does with `by`; each of the others hears the order or does not. */
static void write_entry(struct holder *by, unsigned name, uint64_t issued)
{
    struct revoked_order order = {
        .name = name_of(name),
        .is = {issued, (uint64_t)eval_now_ms(&redis) + LATER_MS}};
    struct redis_command *cmd;

    if (by->is_deaf)
        return;
    cmd = revoked_copy_begin_call(&by->copy, true, "");
    revoked_copy_add_entry(cmd, order.name, &order.is);
    send_script(by, SCRIPT_REVOKE, hear, &order);
    assert_true(order.rev > order.before);
    if (written[name].issued_before < issued)
        written[name].issued_before = issued;
    if (written[name].until_ms < order.is.until_ms)
        written[name].until_ms = order.is.until_ms;
    revoked_copy_on_order(&by->copy, &order);
    for (unsigned i = 0; i < COPIES; i++)
        if (&holders[i] != by && !holders[i].is_deaf && random_below(3) > 0)
            revoked_copy_on_order(&holders[i].copy, &order);
}

/* Two rounds of heartbeats: one puts back, the others read. */
static void settle(void)
{
    for (unsigned i = 0; i < COPIES; i++)
        holders[i].is_deaf = false;
    for (unsigned turn = 0; turn < 3; turn++)
        for (unsigned i = 0; i < COPIES; i++)
            beat_once(&holders[i]);
}

static void assert_all_have_all(void)
{
    for (unsigned name = 0; name < NAMES; name++) {
        struct json_text text = name_of(name);
        char expected[64];

        if (written[name].issued_before == 0)
            continue;
        snprintf(expected, sizeof(expected), "%llu %llu",
                 (unsigned long long)written[name].issued_before,
                 (unsigned long long)written[name].until_ms);
        assert_entry(text.base, expected);
        for (unsigned i = 0; i < COPIES; i++) {
            const struct revocation_entry *has =
                map_find(&holders[i].copy.table.map, text.base, text.len);

            assert_non_null(has);
            assert_int_equal(has->is.issued_before, written[name].issued_before);
            assert_int_equal(has->is.until_ms, written[name].until_ms);
            assert_int_equal(holders[i].copy.rev, rev());
        }
    }
}

static void a_copy_follows_orders_and_numbers(void **state)
{
    (void)state;
    memset(written, 0, sizeof(written));
    write_entry(&holders[0], 1, 100);
    settle();
    assert_all_have_all();
    write_entry(&holders[1], 2, 100);
    write_entry(&holders[1], 1, 50);
    settle();
    assert_all_have_all();
    assert_int_equal(holders[0].reads + holders[0].orders > 0, true);
}

static void an_emptied_redis_is_filled_again(void **state)
{
    (void)state;
    memset(written, 0, sizeof(written));
    for (unsigned i = 0; i < NAMES; i++)
        write_entry(&holders[0], i, 100 + i);
    settle();
    redis_cmd(port(), "FLUSHALL");
    settle();
    assert_all_have_all();
    redis_cmd(port(), "DEL rc:revoked"); /* the number is as it was */
    write_entry(&holders[2], 3, 500);
    settle();
    assert_int_equal(holders[3].copy.missing, 0);
}

/* More than one page. */
static void many_are_put_back(void **state)
{
    enum { MANY = 2500 };

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        struct revocation is = {7, (uint64_t)eval_now_ms(&redis) + LATER_MS};

        revocations_add(&holders[1].copy.table, name_of(i), &is, NULL);
    }
    holders[1].copy.rev = 5;
    beat_once(&holders[1]);
    assert_int_equal(redis_cmd_number(port(), "HLEN rc:revoked"), MANY);
    assert_true(rev() > 5);
    beat_once(&holders[0]);
    assert_int_equal(revocations_count(&holders[0].copy.table), MANY);
    assert_int_equal(redis_cmd_number(port(), "EXISTS rc:policy:restore"), 0);
}

/* Each call of it in turn, whether it or its answer is lost. */
static void who_fails_to_put_back_gives_up_the_lock(void **state)
{
    enum { MANY = 2500, CALLS = 4 };

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        struct revocation is = {7, (uint64_t)eval_now_ms(&redis) + LATER_MS};

        for (unsigned k = 0; k < 2; k++)
            revocations_add(&holders[k].copy.table, name_of(i), &is, NULL);
    }
    for (unsigned i = 0; i < 2 * CALLS; i++) {
        holders[1].fails_in = 1 + i / 2;
        holders[1].is_late = i % 2 > 0;
        holders[0].copy.rev = holders[1].copy.rev = 5;
        redis_cmd(port(), "FLUSHALL");
        beat_once(&holders[1]);
        assert_int_equal(holders[1].fails_in, 0);
        assert_int_equal(redis_cmd_number(port(), "EXISTS rc:policy:restore"), 0);
        beat_once(&holders[0]);
        assert_int_equal(redis_cmd_number(port(), "HLEN rc:revoked"), MANY);
        assert_true(rev() > 5);
    }
}

/* One who holds the lock has stopped: the next number after it has gone puts back. */
static void one_puts_back_at_a_time(void **state)
{
    (void)state;
    memset(written, 0, sizeof(written));
    write_entry(&holders[0], 1, 100);
    settle();
    redis_cmd(port(), "FLUSHALL");
    redis_cmd(port(), "SET rc:policy:restore other");
    settle();
    assert_entry("user:u1", NULL);
    redis_cmd(port(), "DEL rc:policy:restore");
    settle();
    assert_all_have_all();
}

/* A backup of Redis, and Redis put back to it. */
static void keep(const char *key, char **bytes, size_t *len)
{
    redisReply *reply = redis_cmd_reply(port(), "DUMP %s", key);

    free(*bytes);
    *bytes = NULL;
    if (reply->type == REDIS_REPLY_STRING) {
        *len = reply->len;
        *bytes = malloc(*len);
        memcpy(*bytes, reply->str, *len);
    }
    freeReplyObject(reply);
}

static void put_back(const char *key, const char *bytes, size_t len)
{
    redis_cmd(port(), "DEL %s", key);
    if (bytes)
        redis_cmd(port(), "RESTORE %s 0 %b", key, bytes, len);
}

/* It takes until the clock is past all numbers, so none comes twice. */
static void go_back(const char *const *keys, char **bytes, const size_t *lens)
{
    long long highest = rev();

    for (unsigned i = 0; i < COPIES; i++)
        if ((long long)holders[i].copy.rev > highest)
            highest = (long long)holders[i].copy.rev;
    for (unsigned i = 0; i < 2; i++)
        put_back(keys[i], bytes[i], lens[i]);
    while (eval_now_ms(&redis) <= highest)
        ;
}

static void nothing_is_lost_however_redis_goes_back(void **state)
{
    static char *bytes[2];
    static size_t lens[2];
    static const char *const keys[] = {"rc:policy", "rc:revoked"};

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        stop_copies(NULL);
        start_copies(NULL);
        memset(written, 0, sizeof(written));
        for (unsigned i = 0; i < 2; i++)
            keep(keys[i], &bytes[i], &lens[i]);
        for (unsigned step = 0; step < STEPS / ROUNDS; step++) {
            struct holder *holder = &holders[random_below(COPIES)];

            switch (random_below(8)) {
            case 0:
            case 1:
                write_entry(holder, random_below(NAMES), 1 + random_below(1000));
                break;
            case 2:
            case 3:
            case 4:
                beat_once(holder);
                break;
            case 5:
                holder->is_deaf = !holder->is_deaf && random_below(2) == 0;
                break;
            case 6:
                for (unsigned i = 0; i < 2; i++)
                    keep(keys[i], &bytes[i], &lens[i]);
                break;
            case 7:
                go_back(keys, bytes, lens);
                break;
            }
        }
        settle();
        assert_all_have_all();
    }
    for (unsigned i = 0; i < 2; i++) {
        free(bytes[i]);
        bytes[i] = NULL;
    }
}

/* ---- orders ---- */

static void an_order_is_read_as_it_was_printed(void **state)
{
    const struct revoked_order order = {
        5, 900000000000001, {"user:a b%\n", 10}, {1700000000, 1700000000000}, 60};
    char name[REVOCATION_NAME_MAX];
    struct revoked_order read;
    struct strbuf text = {NULL, 0, 0};

    (void)state;
    revoked_order_print(&text, &order);
    assert_int_equal(strncmp(text.data, "revoked ", 8), 0);
    /* A line's end is in no user's name. */
    assert_false(revoked_order_parse((struct json_text){text.data + 8, text.len - 8},
                                     name, &read));
    strbuf_reset(&text, 0);
    revoked_order_print(&text,
                        &(struct revoked_order){5, 6, {"jti:a b%/", 9}, {1, 2}, 0});
    assert_string_equal(text.data, "revoked 5 6 jti%3Aa%20b%25%2F 1 2");
    assert_true(revoked_order_parse((struct json_text){text.data + 8, text.len - 8},
                                    name, &read));
    assert_int_equal(read.before, 5);
    assert_int_equal(read.rev, 6);
    assert_int_equal(read.name.len, 9);
    assert_memory_equal(read.name.base, "jti:a b%/", 9);
    assert_int_equal(read.is.issued_before, 1);
    assert_int_equal(read.is.until_ms, 2);
    assert_int_equal(read.grace_secs, 0);
    strbuf_deinit(&text);
}

static void other_orders_are_refused(void **state)
{
    static const char *const orders[] = {
        "",
        "5",
        "5 6",
        "5 6 user:a",
        "5 6 user:a 1",
        "5 6 user:a 1 2 3 4",
        "5 6 user:a 1 2 x",
        "5 6  1 2",
        "5 6 user: 1 2",
        "5 6 jti: 1 2",
        "5 6 other:a 1 2",
        "5 6 user:a%zz 1 2",
        "5 6 jti:%FF 1 2",
        "5 6 jti:a%0Ab 1 2",
        "5 6 user:a -1 2",
        "-5 6 user:a 1 2",
        "5 9999999999999999 user:a 1 2",
    };
    char name[REVOCATION_NAME_MAX];
    struct revoked_order order;

    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        print_message("  %s\n", orders[i]);
        assert_false(revoked_order_parse(
            (struct json_text){orders[i], strlen(orders[i])}, name, &order));
    }
}

/* ---- */

static int start(void **state)
{
    *state = &redis;
    return eval_start(&redis);
}

static int reset(void **state)
{
    return eval_reset(*state);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)
#define COPIES_TEST(name)                                                              \
    cmocka_unit_test_setup_teardown(name, start_copies, stop_copies)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_raises_the_number_to_the_clock),
        TEST(the_number_is_above_each_that_is_known),
        TEST(of_two_the_later_counts_each),
        TEST(what_does_not_fit_is_refused),
        TEST(only_its_own_lock_is_given_up),
        TEST(the_lock_is_given_up_where_nothing_fits),
        TEST(what_is_over_is_swept),
        COPIES_TEST(a_copy_follows_orders_and_numbers),
        COPIES_TEST(an_emptied_redis_is_filled_again),
        COPIES_TEST(many_are_put_back),
        COPIES_TEST(who_fails_to_put_back_gives_up_the_lock),
        COPIES_TEST(one_puts_back_at_a_time),
        COPIES_TEST(nothing_is_lost_however_redis_goes_back),
        TEST(an_order_is_read_as_it_was_printed),
        TEST(other_orders_are_refused),
    };

    return cmocka_run_group_tests(tests, start, eval_teardown);
}
