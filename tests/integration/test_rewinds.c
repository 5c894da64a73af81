/* test_rewinds.c - a Redis that goes back to an older state, by every way there is: what was acked
 * or changed and is gone is said by `reset`, also with a history of 0; and a change of server that
 * loses nothing is said by nothing (SPEC-SCALE S4).
 */
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

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 30000 };

static struct fleet fleet;
static struct process copy; /* another redis-server */
static int copy_port;
static int limit; /* ROOMCAST_HISTORY_LIMIT */

/* A master waits five seconds for more replicas, else. */
#define DO_NOT_WAIT "--repl-diskless-sync-delay", "0"

static int start(void **state)
{
    char history[64];
    const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=0",
                                    "ROOMCAST_LEASE_SECS=3", history, NULL};

    static const char *const args[] = {"--enable-debug-command", "yes", DO_NOT_WAIT,
                                       NULL};

    snprintf(history, sizeof(history), "ROOMCAST_HISTORY_LIMIT=%d", limit);
    *state = &fleet;
    return fleet_start(
        &fleet,
        &(struct fleet_opts){.gateways = 2, .settings = settings, .redis_args = args});
}

/* ---- what is said ---- */

/* Ann says it, and both have it. Again until it is acked: Redis may have been away. */
static double say(struct chat *ann, struct chat *bob, const char *text)
{
    double seq = chat_say(ann, "r", text);

    while (bob) {
        chat_expect_skipping(bob, "message");
        if (strcmp(chat_get_text(bob, "text"), text) == 0)
            break;
    }
    return seq;
}

static void say_some(struct chat *ann, struct chat *bob, int count, const char *what)
{
    char text[32];

    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%s-%d", what, i);
        say(ann, bob, text);
    }
}

/* Again until it is acked, past errors, resets and whatever else is told meanwhile. */
static void say_past(struct chat *chat, const char *text, bool *was_reset)
{
    int64_t end_ms = wait_now_ms() + PATIENCE_MS;

    for (;;) {
        const char *type;

        assert_true(wait_now_ms() < end_ms);
        chat_send(chat, "{'type':'message','room':'r','text':'%s'}", text);
        do {
            assert_true(chat_recv(chat, PATIENCE_MS));
            type = chat_get_text(chat, "type");
            *was_reset = *was_reset || strcmp(type, "reset") == 0;
        } while (strcmp(type, "message_ack") != 0 && strcmp(type, "error") != 0);
        if (strcmp(type, "message_ack") == 0)
            return;
    }
}

static void expect_reset(struct chat *chat, bool was_reset)
{
    if (!was_reset)
        chat_expect_skipping(chat, "reset");
}

/* Reads on to this message. False: a gap was told in its place, because it was published while
 * the client was still being caught up, and there is no history. */
static bool has_heard(struct chat *chat, const char *text)
{
    for (;;) {
        const char *type;

        assert_true(chat_recv(chat, PATIENCE_MS));
        type = chat_get_text(chat, "type");
        if (strcmp(type, "gap") == 0 && limit == 0)
            return false;
        if (strcmp(type, "message") == 0 &&
            strcmp(chat_get_text(chat, "text"), text) == 0)
            return true;
    }
}

/* After all of it, the room is well for both. */
static void expect_well(struct chat *ann, struct chat *bob)
{
    bool ignored = false;

    do
        say_past(ann, "the end", &ignored);
    while (!has_heard(bob, "the end"));
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{r}:members"), 2);
}

/* Neither is told of a gap or a reset: the next that comes is what is said next. */
static void expect_nothing_lost(struct chat *ann, struct chat *bob, double before)
{
    assert_int_equal(chat_say(ann, "r", "next"), before + 1);
    chat_expect(bob, "message");
    assert_string_equal(chat_get_text(bob, "text"), "next");
    assert_int_equal(chat_get_number(bob, "seq"), before + 1);
}

/* ---- another server ---- */

static bool copy_is_up(void *data)
{
    (void)data;
    return redis_cmd_is_up(copy_port);
}

static bool copy_has_all(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "WAIT 1 100") == 1;
}

static void start_copy(void)
{
    char port[16], master[16];
    const char *const args[] = {"redis-server", "--port", port,        "--bind",
                                "127.0.0.1",    "--dir",  fleet.dir,   "--dbfilename",
                                "copy.rdb",     "--save", "",          "--replicaof",
                                "127.0.0.1",    master,   DO_NOT_WAIT, NULL};

    copy_port = port_take();
    snprintf(port, sizeof(port), "%d", copy_port);
    snprintf(master, sizeof(master), "%d", fleet.redis_port);
    process_start(&copy, args, NULL, "/dev/null");
    assert_true(wait_until(copy_is_up, NULL, PATIENCE_MS));
    assert_true(wait_until(copy_has_all, NULL, PATIENCE_MS));
}

static bool has_synced_back(void *data)
{
    char *link = redis_cmd_text(fleet.redis_port, "EVAL %s 0",
                                "return redis.call('INFO','replication')"
                                ":match('master_link_status:(%a+)') or ''");
    bool is_up = link && strcmp(link, "up") == 0;

    (void)data;
    free(link);
    return is_up;
}

static void stop_copy(void)
{
    char path[512];

    process_kill(&copy);
    snprintf(path, sizeof(path), "%s/copy.rdb", fleet.dir);
    unlink(path);
}

/* ---- the ways ---- */

/* Nobody's link breaks, and the epoch stays. */
static void a_room_that_is_restored_is_told_by_reset(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    bool was_reset = false;

    (void)state;
    say_some(ann, bob, 5, "kept");
    redis_cmd(fleet.redis_port, "COPY rc:{r}:meta saved:meta REPLACE");
    redis_cmd(fleet.redis_port, "COPY rc:{r}:history saved:history REPLACE");
    say_some(ann, bob, 5, "lost");
    redis_cmd(fleet.redis_port, "COPY saved:meta rc:{r}:meta REPLACE");
    redis_cmd(fleet.redis_port, "COPY saved:history rc:{r}:history REPLACE");
    say_past(ann, "after", &was_reset);
    expect_reset(ann, was_reset);
    expect_reset(bob, false);
    expect_well(ann, bob);
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
    redis_cmd(fleet.redis_port, "DEL saved:meta saved:history");
}

static double count_published(void)
{
    char *stats = redis_cmd_text(fleet.redis_port, "EVAL %s 0",
                                 "return redis.call('INFO','commandstats')"
                                 ":match('cmdstat_publish:calls=(%d+)') or '0'");
    double published = atof(stats);

    free(stats);
    return published;
}

/* Each gateway has sent itself two canaries since then. */
static bool canaries_have_flown(void *data)
{
    return count_published() >= *(double *)data + 8;
}

/* The token and the rev that meta has, as a script would write them. */
static void publish_behind_everybodys_back(unsigned seq)
{
    redis_cmd(fleet.redis_port, "EVAL %s 2 rc:{r}:meta rc:{r}:events %u",
              "local m = redis.call('HMGET', KEYS[1], 'epoch', 'rev', 'term', 'home')"
              "local n, q = ARGV[1], string.char(34)"
              "local line = ('{`type`:`message`,`room`:`r`,`seq`:' .. n .. "
              "',`user`:`eve`,`text`:`x`,`ts`:1}'):gsub('`', q)"
              "redis.call('HSET', KEYS[1], 'seq', n)"
              "redis.call('PUBLISH', KEYS[2], '1 ' .. m[1] .. ' ' .. m[2] .. "
              "' message ' .. n .. ' ' .. n .. ' - ' .. m[3] .. '.' .. "
              "m[4]:sub(1, 16) .. string.char(10) .. line)",
              seq);
}

/* Bob's gateway has not heard a message since bob joined: only the number that the join was
 * answered with tells that the room went back. */
static void a_room_that_is_restored_after_a_join_is_told_by_reset(void **state)
{
    struct chat *eve = chat_enter(fleet.gateways[0].port, "r", "eve"), *bob;
    double published;

    (void)state;
    say_some(eve, NULL, 5, "kept");
    redis_cmd(fleet.redis_port, "COPY rc:{r}:meta saved:meta REPLACE");
    redis_cmd(fleet.redis_port, "COPY rc:{r}:history saved:history REPLACE");
    say_some(eve, NULL, 5, "lost");
    bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    chat_leave(eve, "r");
    chat_expect_skipping(bob, "member_left");
    published = count_published();
    assert_true(wait_until(canaries_have_flown, &published, PATIENCE_MS));
    redis_cmd(fleet.redis_port, "COPY saved:meta rc:{r}:meta REPLACE");
    redis_cmd(fleet.redis_port, "COPY saved:history rc:{r}:history REPLACE");
    publish_behind_everybodys_back(
        (unsigned)redis_cmd_number(fleet.redis_port, "HGET rc:{r}:meta seq") + 1);
    expect_reset(bob, false);
    chat_leave(bob, "r");
    chat_close(eve);
    chat_close(bob);
    redis_cmd(fleet.redis_port, "DEL saved:meta saved:history");
}

/* A master that becomes the replica of a copy, and is promoted again: its links stay up. */
static void a_copy_that_is_taken_back_is_told_by_reset(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    bool was_reset = false;

    (void)state;
    say_some(ann, bob, 5, "kept");
    start_copy();
    redis_cmd(copy_port, "REPLICAOF NO ONE");
    say_some(ann, bob, 5, "lost");
    redis_cmd(fleet.redis_port, "REPLICAOF 127.0.0.1 %d", copy_port);
    assert_true(wait_until(has_synced_back, NULL, PATIENCE_MS));
    redis_cmd(fleet.redis_port, "REPLICAOF NO ONE");
    say_past(ann, "after", &was_reset);
    expect_reset(ann, was_reset);
    expect_reset(bob, false);
    expect_well(ann, bob);
    stop_copy();
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
}

/* Ann writes on past the lost tail while bob's gateway stands still. */
static void a_lost_tail_is_told_also_where_somebody_writes_on_past_it(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    bool was_reset = false;

    (void)state;
    say_some(ann, bob, 5, "kept");
    redis_cmd(fleet.redis_port, "SAVE");
    say_some(ann, bob, 5, "lost");
    process_signal(&fleet.gateways[1].process, SIGSTOP);
    fleet_kill_redis(&fleet);
    fleet_start_redis(&fleet);
    fleet_wait_ready(&fleet, 0);
    for (int i = 0; i < 8; i++)
        say_past(ann, "past it", &was_reset);
    expect_reset(ann, was_reset);
    process_signal(&fleet.gateways[1].process, SIGCONT);
    expect_reset(bob, false);
    fleet_wait_all_ready(&fleet);
    expect_well(ann, bob);
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
}

/* Only changes are lost: no message was said. */
static void a_lost_tail_of_changes_is_told_by_reset(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob;

    (void)state;
    redis_cmd(fleet.redis_port, "SAVE");
    for (int i = 0; i < 5; i++) {
        struct chat *eve = chat_enter(fleet.gateways[0].port, "r", "eve");

        chat_leave(eve, "r");
        chat_close(eve);
    }
    bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    chat_expect_skipping(ann, "member_joined");
    fleet_kill_redis(&fleet);
    fleet_start_redis(&fleet);
    expect_reset(bob, false);
    expect_reset(ann, false);
    fleet_wait_all_ready(&fleet);
    expect_well(ann, bob);
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
}

/* The master's id changes with its first replica, and with its promotion after a failover. */
static void a_change_of_server_that_loses_nothing_is_told_by_nothing(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    double seq;

    (void)state;
    chat_expect_skipping(ann, "member_joined");
    seq = chat_say(ann, "r", "before");
    chat_expect(bob, "message");
    start_copy();
    expect_nothing_lost(ann, bob, seq);
    expect_nothing_lost(ann, bob, seq + 1);
    redis_cmd(fleet.redis_port, "DEBUG CHANGE-REPL-ID");
    expect_nothing_lost(ann, bob, seq + 2);
    expect_nothing_lost(ann, bob, seq + 3);
    assert_true(redis_cmd_number(fleet.redis_port, "HGET rc:{r}:meta term") >= 2);
    stop_copy();
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
}

int main(void)
{
    static const int limits[] = {0, 2, 100};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_server_that_loses_nothing_is_told_by_nothing),
        cmocka_unit_test(a_room_that_is_restored_is_told_by_reset),
        cmocka_unit_test(a_room_that_is_restored_after_a_join_is_told_by_reset),
        cmocka_unit_test(a_copy_that_is_taken_back_is_told_by_reset),
        cmocka_unit_test(a_lost_tail_is_told_also_where_somebody_writes_on_past_it),
        cmocka_unit_test(a_lost_tail_of_changes_is_told_by_reset),
    };
    int failed = 0;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        limit = limits[i];
        print_message("history limit %d\n", limit);
        failed += cmocka_run_group_tests(tests, start, fleet_teardown);
    }
    return failed;
}
