/* test_handover.c - a process with several workers: Redis sends each notice once to it, one worker reads
 * it, and hands it over to the others (SPEC-SCALE S13). Everybody gets everything once and in order,
 * also when a worker stands still, when what is published is too much for it, and while the process
 * drains.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/support/fleet/enter_on.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum {
    WORKERS = 4,
    CROWD = 24,
    SAID = 5, /* by each of them */
    PATIENCE_MS = 20000,
    LARGE = 60000,
    MEBIBYTE = 1024 * 1024,
};

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {
        "ROOMCAST_WORKERS=4", "ROOMCAST_PRESENCE_EVENTS_MAX=0",
        "ROOMCAST_JOINS_PER_SEC=0", "ROOMCAST_MAX_ROOMS=1000", NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 2, .settings = settings});
}

static int redis_port(void)
{
    return fleet.redis_port;
}

/* ---- how many connections and subscriptions ---- */

static unsigned count_in(const char *text, const char *part)
{
    unsigned count = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static unsigned count_connections(int port, const char *part)
{
    redisReply *list = redis_cmd_reply(port, "CLIENT LIST");
    unsigned count = count_in(list->str, part);

    freeReplyObject(list);
    return count;
}

static long long count_subscribers(const char *room)
{
    redisReply *reply =
        redis_cmd_reply(redis_port(), "PUBSUB NUMSUB rc:{%s}:events", room);
    long long count = reply->element[1]->integer;

    freeReplyObject(reply);
    return count;
}

struct subscribers {
    const char *room;
    long long count;
};

static bool has_subscribers(void *data)
{
    const struct subscribers *s = data;

    return count_subscribers(s->room) == s->count;
}

static void wait_for_subscribers(const char *room, long long count)
{
    assert_true(
        wait_until(has_subscribers, &(struct subscribers){room, count}, PATIENCE_MS));
}

static void a_process_has_one_connection_for_notices(void **state)
{
    (void)state;
    assert_int_equal(count_connections(redis_port(), "-notices"), 2);
    assert_int_equal(count_connections(redis_port(), "name=roomcast-0-0-notices"), 2);
    assert_int_equal(count_connections(redis_port(), "-commands"), 2 * WORKERS);
}

/* Each is read by the worker that its number says. */
static void of_a_list_one_for_each_redis(void **state)
{
    static const char *const settings[] = {"ROOMCAST_WORKERS=2", NULL};
    struct fleet list;

    (void)state;
    fleet_start(&list,
                &(struct fleet_opts){.gateways = 1, .settings = settings, .shards = 3});
    for (unsigned i = 0; i < 3; i++) {
        char name[64];

        snprintf(name, sizeof(name), "name=roomcast-%u-%u-notices", i % 2, i);
        assert_int_equal(count_connections(fleet_shard(&list, i)->port, "-notices"), 1);
        assert_int_equal(count_connections(fleet_shard(&list, i)->port, name), 1);
        assert_int_equal(count_connections(fleet_shard(&list, i)->port, "-commands"),
                         2);
    }
    fleet_stop(&list);
}

/* ---- all that is said ---- */

static void everybody_gets_all_once_in_order_and_redis_sends_it_once(void **state)
{
    struct chat *crowd[CROWD];
    char user[16];

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        crowd[i] = chat_enter(fleet.gateways[i % 2].port, "crowd", user);
    }
    for (int i = 0; i < 2; i++) { /* on at least two workers */
        snprintf(user, sizeof(user), "v%d", i);
        chat_close(crowd[i]);
        crowd[i] = enter_on(&fleet, 0, 2 + i, "crowd", user);
    }
    assert_int_equal(count_subscribers("crowd"), 2);
    for (int n = 0; n < SAID; n++)
        for (int i = 0; i < CROWD; i++)
            chat_send(crowd[i], "{'type':'message','room':'crowd','text':'%d-%d'}", i,
                      n);
    for (int i = 0; i < CROWD; i++)
        for (int seq = 1; seq <= SAID * CROWD; seq++) {
            chat_expect_skipping(crowd[i], "message");
            assert_int_equal(chat_get_number(crowd[i], "seq"), seq);
        }
    for (int i = 0; i < CROWD; i++)
        chat_close(crowd[i]);
    wait_for_subscribers("crowd", 0);
}

static void read_up_to(struct chat *chat, double seq)
{
    do
        chat_expect_skipping(chat, "message");
    while (chat_get_number(chat, "seq") < seq);
    assert_true(chat_get_number(chat, "seq") == seq);
}

/* What one worker gives up the others still hear. */
static void rooms_come_and_go_on_each_worker(void **state)
{
    struct chat *stays = chat_enter(fleet.gateways[0].port, "door", "stays");

    (void)state;
    for (int round = 0; round < 30; round++) {
        struct chat *guest = chat_enter(fleet.gateways[0].port, "door", "guest");

        assert_int_equal(count_subscribers("door"), 1);
        read_up_to(stays, chat_say(guest, "door", "in"));
        read_up_to(guest, chat_say(stays, "door", "hello"));
        if (round % 2)
            chat_leave(guest, "door");
        chat_abort(guest);
    }
    chat_close(stays);
}

/* ---- the connection for notices is lost ---- */

static bool is_well(void *data)
{
    (void)data;
    return count_subscribers("cut") == 2 &&
           http_get_status(fleet.gateways[0].ops_port, "/readyz") == 200 &&
           http_get_status(fleet.gateways[1].ops_port, "/readyz") == 200;
}

static void after_its_loss_all_workers_listen_again(void **state)
{
    struct chat *all[WORKERS], *ann = chat_enter(fleet.gateways[1].port, "cut", "ann");
    char user[16];

    (void)state;
    for (int i = 0; i < WORKERS; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        all[i] = enter_on(&fleet, 0, i, "cut", user);
    }
    for (int round = 1; round <= 3; round++) {
        redis_cmd(redis_port(), "CLIENT KILL TYPE pubsub");
        assert_true(wait_until(is_well, NULL, PATIENCE_MS));
        chat_send(ann, "{'type':'message','room':'cut','text':'%d'}", round);
        for (int i = 0; i < WORKERS; i++) {
            chat_expect_skipping(all[i], "message");
            assert_int_equal(chat_get_number(all[i], "seq"), round);
        }
    }
    for (int i = 0; i < WORKERS; i++)
        chat_close(all[i]);
    chat_close(ann);
}

/* ---- a worker that stands still ---- */

static pid_t thread_of(unsigned gateway, int worker)
{
    pid_t pid = fleet.gateways[gateway].process.pid, found = 0;
    char path[320], wanted[16];
    struct dirent *entry;
    DIR *tasks;

    snprintf(wanted, sizeof(wanted), "worker-%d\n", worker);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    while ((entry = readdir(tasks))) {
        char *name;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, entry->d_name);
        name = files_read(path);
        if (strcmp(name, wanted) == 0)
            found = atoi(entry->d_name);
        free(name);
    }
    closedir(tasks);
    assert_true(found > 0);
    return found;
}

/* A signal would stop all threads of the process; a debugger stops one. False: there may be none. */
static bool stop_thread(pid_t thread)
{
    int status;

    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0) {
        assert_int_equal(errno, EPERM);
        return false;
    }
    assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
    assert_int_equal(waitpid(thread, &status, __WALL), thread);
    assert_true(WIFSTOPPED(status));
    return true;
}

static void resume_thread(pid_t thread)
{
    assert_int_equal(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
}

/* Puts so many bytes into the room's channel that no notice is; each worker of gateway 0 is
 * handed them. */
static void publish_junk(const char *room, size_t bytes)
{
    char *junk = calloc(1, bytes + 1);

    memset(junk, 'x', bytes);
    redis_cmd(redis_port(), "PUBLISH rc:{%s}:events %b", room, junk, bytes);
    free(junk);
}

static double dropped(void)
{
    return fleet_metric(&fleet, 0, "roomcast_handover_dropped_total");
}

/* The worker that reads may hear of a message after its sender has the ack. */
static bool has_dropped(void *data)
{
    return dropped() >= *(const double *)data;
}

static void say_large(struct chat *chat, const char *room, char letter)
{
    static char text[LARGE + 1];

    memset(text, letter, LARGE);
    chat_say(chat, room, text);
}

/* It is stopped for less than its clients and its lease bear. */
static void a_worker_that_stands_still_stops_no_other_and_gets_all_later(void **state)
{
    struct chat *stopped = enter_on(&fleet, 0, 2, "still", "stopped");
    struct chat *other = enter_on(&fleet, 0, 3, "still", "other");
    struct chat *reads = enter_on(&fleet, 0, 0, "still", "reads");
    pid_t thread = thread_of(0, 2);
    double before = dropped();
    unsigned count = 0;

    (void)state;
    chat_say(other, "still", "before");
    chat_expect_skipping(stopped, "message");
    chat_expect_skipping(reads, "message");
    if (!stop_thread(thread))
        skip();
    while (dropped() == before) { /* the others take this in their turn */
        assert_true(++count < 200);
        publish_junk("still", MEBIBYTE);
    }
    assert_true(count >= 31);
    for (int i = 0; i < 20; i++) /* what is left of the inbox */
        publish_junk("still", LARGE - 1000);
    before = dropped() + 3;
    for (int i = 0; i < 3; i++)
        say_large(other, "still", (char)('a' + i));
    assert_true(wait_until(has_dropped, &before, FLEET_DEADLINE_MS));
    for (int i = 0; i < 3; i++) {
        chat_expect_skipping(reads, "message");
        assert_int_equal(chat_get_number(reads, "seq"), i + 2);
    }
    resume_thread(thread);
    for (int i = 0; i < 3; i++) {
        chat_expect_skipping(stopped, "message");
        assert_int_equal(chat_get_number(stopped, "seq"), i + 2);
        assert_int_equal(chat_get_text(stopped, "text")[0], 'a' + i);
    }
    fleet_expect_logged(&fleet, 0, "handover_dropped worker=2 shard=0");
    chat_say(stopped, "still", "after");
    chat_expect_skipping(reads, "message");
    assert_int_equal(chat_get_number(reads, "seq"), 5);
    chat_close(stopped);
    chat_close(other);
    chat_close(reads);
    fleet_wait_all_ready(&fleet);
}

/* As long as Redis passes on by default. */
static void the_largest_notice_stops_nobody(void **state)
{
    struct chat *all[WORKERS];
    char user[16];

    (void)state;
    for (int i = 0; i < WORKERS; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        all[i] = enter_on(&fleet, 0, i, "large", user);
    }
    for (int n = 1; n <= 4; n++) {
        publish_junk("large", (size_t)24 * MEBIBYTE);
        chat_send(all[n % WORKERS], "{'type':'message','room':'large','text':'x'}");
        for (int i = 0; i < WORKERS; i++) {
            chat_expect_skipping(all[i], "message");
            assert_int_equal(chat_get_number(all[i], "seq"), n);
        }
    }
    for (int i = 0; i < WORKERS; i++)
        chat_close(all[i]);
    fleet_wait_all_ready(&fleet);
}

/* ---- the end ---- */

static bool has_forgotten_reader(void *data)
{
    redisReply *nodes = redis_cmd_reply(redis_port(), "ZRANGE rc:nodes 0 -1");
    const char *part = data;
    bool is_there = false;

    for (size_t i = 0; i < nodes->elements; i++)
        is_there |= strstr(nodes->element[i]->str, part) &&
                    strcmp(strrchr(nodes->element[i]->str, '.'), ".0") == 0;
    freeReplyObject(nodes);
    return !is_there;
}

/* Nobody is on the worker that reads: it has ended as a node while the others' clients are there. */
static void the_worker_that_reads_does_so_until_the_last_client_has_gone(void **state)
{
    unsigned third = fleet_add(
        &fleet, (const char *const[]){"ROOMCAST_WORKERS=3", "ROOMCAST_DRAIN_SECS=30",
                                      "ROOMCAST_PRESENCE_GRACE_MS=0", NULL});
    struct chat *ann = chat_enter(fleet.gateways[1].port, "end", "ann");
    struct chat *goes[2], *stays[2];
    char part[32], user[16];

    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        goes[i] = enter_on(&fleet, third, 1 + i, "end", user);
        snprintf(user, sizeof(user), "v%d", i);
        stays[i] = enter_on(&fleet, third, 1 + i, "end", user);
    }
    snprintf(part, sizeof(part), "-%d-", (int)fleet.gateways[third].process.pid);
    process_signal(&fleet.gateways[third].process, SIGTERM);
    assert_true(wait_until(has_forgotten_reader, part, PATIENCE_MS));
    for (int n = 1; n <= 3; n++) {
        chat_say(ann, "end", "x");
        for (int i = 0; i < 2; i++) {
            chat_expect_skipping(stays[i], "message");
            assert_int_equal(chat_get_number(stays[i], "seq"), n);
        }
    }
    chat_join(stays[0], "late", "v0");
    chat_join(stays[1], "late", "v1");
    chat_say(stays[0], "late", "x");
    chat_expect_skipping(stays[1], "message");
    for (int i = 0; i < 2; i++) {
        chat_abort(goes[i]);
        chat_close(stays[i]);
    }
    assert_int_equal(process_wait(&fleet.gateways[third].process, PATIENCE_MS), 0);
    fleet.gateways[third].down = true;
    chat_close(ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_has_one_connection_for_notices),
        cmocka_unit_test(of_a_list_one_for_each_redis),
        cmocka_unit_test(everybody_gets_all_once_in_order_and_redis_sends_it_once),
        cmocka_unit_test(rooms_come_and_go_on_each_worker),
        cmocka_unit_test(after_its_loss_all_workers_listen_again),
        cmocka_unit_test(a_worker_that_stands_still_stops_no_other_and_gets_all_later),
        cmocka_unit_test(the_largest_notice_stops_nobody),
        cmocka_unit_test(the_worker_that_reads_does_so_until_the_last_client_has_gone),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
