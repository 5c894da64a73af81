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
#include "tests/support/fleet/rewind.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = REWIND_PATIENCE_MS };

static struct fleet fleet;
static struct process copy; /* another redis-server */
static int copy_port;
static struct admin admin;
static struct rewind ways = {.fleet = &fleet};

/* A master waits five seconds for more replicas, else. */
#define DO_NOT_WAIT "--repl-diskless-sync-delay", "0"

static int start(void **state)
{
    char history[64];
    const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=0",
                                    "ROOMCAST_LEASE_SECS=3", history, NULL};

    static const char *const args[] = {"--enable-debug-command", "yes", DO_NOT_WAIT,
                                       NULL};

    snprintf(history, sizeof(history), "ROOMCAST_HISTORY_LIMIT=%d", ways.limit);
    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){
                            .gateways = 2, .settings = settings, .redis_args = args});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

/* ---- what is said ---- */

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

static void save_room(void)
{
    redis_cmd(fleet.redis_port, "COPY rc:{r}:meta saved:meta REPLACE");
    redis_cmd(fleet.redis_port, "COPY rc:{r}:history saved:history REPLACE");
}

static void put_room_back(void)
{
    redis_cmd(fleet.redis_port, "COPY saved:meta rc:{r}:meta REPLACE");
    redis_cmd(fleet.redis_port, "COPY saved:history rc:{r}:history REPLACE");
}

static void end(struct chat *ann, struct chat *bob)
{
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
    redis_cmd(fleet.redis_port, "DEL saved:meta saved:history");
}

/* Nobody's link breaks, and the epoch stays. */
static void a_room_that_is_restored_is_told_by_reset(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    bool was_reset = false;

    (void)state;
    rewind_say_some(ann, bob, 5, "kept");
    save_room();
    rewind_say_some(ann, bob, 5, "lost");
    put_room_back();
    rewind_say_past(ann, "after", &was_reset);
    rewind_expect_reset(ann, was_reset);
    rewind_expect_reset(bob, false);
    rewind_expect_well(&ways, ann, bob);
    end(ann, bob);
}

static char *epoch_of_room(void)
{
    return redis_cmd_text(fleet.redis_port, "HGET rc:{r}:meta epoch");
}

/* Back to the same state twice: the epoch that meta has again was given up by the first reset. */
static void a_room_that_is_restored_twice_is_told_by_reset_twice(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    char *epochs[3];

    (void)state;
    rewind_say_some(ann, bob, 5, "kept");
    epochs[0] = epoch_of_room();
    save_room();
    for (int i = 1; i <= 2; i++) {
        bool was_reset = false;

        rewind_say_some(ann, bob, 5, "lost");
        put_room_back();
        rewind_say_past(ann, "after", &was_reset);
        rewind_expect_reset(ann, was_reset);
        rewind_expect_reset(bob, false);
        rewind_expect_well(&ways, ann, bob);
        epochs[i] = epoch_of_room();
        for (int k = 0; k < i; k++)
            assert_string_not_equal(epochs[i], epochs[k]);
    }
    for (int i = 0; i < 3; i++)
        free(epochs[i]);
    end(ann, bob);
}

static void assert_other_epoch(const char *than)
{
    char *epoch = epoch_of_room();

    assert_string_not_equal(epoch, than);
    free(epoch);
}

static void close_room(struct chat *ann, struct chat *bob)
{
    admin_post(&admin, 200, NULL, "/api/rooms/r/close");
    chat_expect_skipping(ann, "room_closed");
    chat_expect_skipping(bob, "room_closed");
}

/* As if it had not been closed: the gateways have no room any more that has stood at this epoch, but they know that
 * it is over. */
static void reverse_closing(void)
{
    put_room_back();
    redis_cmd(fleet.redis_port, "DEL rc:{r}:closed");
}

static void a_room_that_was_closed_and_is_restored_has_another_epoch(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    bool was_reset = false;
    char *closed;

    (void)state;
    rewind_say_some(ann, bob, 5, "closed");
    closed = epoch_of_room();
    save_room();
    close_room(ann, bob);
    chat_join(ann, "r", "ann");
    chat_join(bob, "r", "bob");
    rewind_say_some(ann, bob, 5, "lost");
    reverse_closing();
    rewind_say_past(ann, "after", &was_reset);
    rewind_expect_reset(ann, was_reset);
    rewind_expect_reset(bob, false);
    rewind_expect_well(&ways, ann, bob);
    assert_other_epoch(closed);
    close_room(ann, bob); /* and once more, before anybody is in again */
    reverse_closing();
    chat_join(ann, "r", "ann");
    rewind_expect_reset(ann, false);
    chat_join(bob, "r", "bob");
    rewind_expect_well(&ways, ann, bob);
    assert_other_epoch(closed);
    free(closed);
    end(ann, bob);
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
    rewind_say_some(eve, NULL, 5, "kept");
    save_room();
    rewind_say_some(eve, NULL, 5, "lost");
    bob = chat_enter(fleet.gateways[1].port, "r", "bob");
    chat_leave(eve, "r");
    chat_expect_skipping(bob, "member_left");
    published = count_published();
    assert_true(wait_until(canaries_have_flown, &published, PATIENCE_MS));
    put_room_back();
    publish_behind_everybodys_back(
        (unsigned)redis_cmd_number(fleet.redis_port, "HGET rc:{r}:meta seq") + 1);
    rewind_expect_reset(bob, false);
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
    rewind_say_some(ann, bob, 5, "kept");
    start_copy();
    redis_cmd(copy_port, "REPLICAOF NO ONE");
    rewind_say_some(ann, bob, 5, "lost");
    redis_cmd(fleet.redis_port, "REPLICAOF 127.0.0.1 %d", copy_port);
    assert_true(wait_until(has_synced_back, NULL, PATIENCE_MS));
    redis_cmd(fleet.redis_port, "REPLICAOF NO ONE");
    rewind_say_past(ann, "after", &was_reset);
    rewind_expect_reset(ann, was_reset);
    rewind_expect_reset(bob, false);
    rewind_expect_well(&ways, ann, bob);
    stop_copy();
    chat_leave(ann, "r");
    chat_leave(bob, "r");
    chat_close(ann);
    chat_close(bob);
}

static void a_lost_tail_is_told_also_where_somebody_writes_on_past_it(void **state)
{
    (void)state;
    rewind_past_a_tail(&ways);
}

static void a_lost_tail_of_changes_is_told_by_reset(void **state)
{
    (void)state;
    rewind_changes(&ways);
}

static void a_kick_and_a_deletion_that_are_lost_leave_nobody_in_the_dark(void **state)
{
    (void)state;
    rewind_orders(&ways, &admin);
}

static void a_kick_and_a_ban_that_were_not_heard_count_after_a_remake(void **state)
{
    (void)state;
    rewind_unheard_orders(&ways, &admin);
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
    static const int limits[] = {0, 2, 100, 150};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_server_that_loses_nothing_is_told_by_nothing),
        cmocka_unit_test(a_room_that_is_restored_is_told_by_reset),
        cmocka_unit_test(a_room_that_is_restored_twice_is_told_by_reset_twice),
        cmocka_unit_test(a_room_that_was_closed_and_is_restored_has_another_epoch),
        cmocka_unit_test(a_room_that_is_restored_after_a_join_is_told_by_reset),
        cmocka_unit_test(a_copy_that_is_taken_back_is_told_by_reset),
        cmocka_unit_test(a_lost_tail_is_told_also_where_somebody_writes_on_past_it),
        cmocka_unit_test(a_lost_tail_of_changes_is_told_by_reset),
        cmocka_unit_test(a_kick_and_a_deletion_that_are_lost_leave_nobody_in_the_dark),
        cmocka_unit_test(a_kick_and_a_ban_that_were_not_heard_count_after_a_remake),
    };
    int failed = 0;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        ways.limit = limits[i];
        print_message("history limit %d\n", limits[i]);
        failed += cmocka_run_group_tests(tests, start, admin_teardown);
    }
    return failed;
}
