/* test_admin_away.c - the admin service without Redis, with one that does not answer or
 * refuses; and how the service starts and stops.
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

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/event_stream.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PATIENCE_MS = 30000, AT_ONCE_MS = 1500 };

static struct fleet fleet;
static struct admin admin;

static const struct {
    const char *method, *path, *body;
} requests[] = {
    {"GET", "/api/rooms", NULL},
    {"GET", "/api/rooms?search=x", NULL},
    {"GET", "/api/rooms/lobby", NULL},
    {"GET", "/api/rooms/lobby/members", NULL},
    {"GET", "/api/rooms/lobby/messages", NULL},
    {"GET", "/api/rooms/lobby/bans", NULL},
    {"GET", "/api/users/ann", NULL},
    {"GET", "/api/gateways", NULL},
    {"GET", "/api/stats", NULL},
    {"GET", "/api/stats/online", NULL},
    {"GET", "/api/audit", NULL},
    {"POST", "/api/rooms/lobby/messages", "{\"text\":\"x\"}"},
    {"DELETE", "/api/rooms/lobby/messages/1", NULL},
    {"POST", "/api/rooms/lobby/kick/ann", NULL},
    {"POST", "/api/rooms/lobby/close", NULL},
    {"POST", "/api/rooms/lobby/ban/ann", "{\"secs\":1}"},
    {"DELETE", "/api/rooms/lobby/mute/ann", NULL},
    {"POST", "/api/users/ann/disconnect", NULL},
};

static bool is_unready(void *data)
{
    (void)data;
    return http_get_status(admin.port, "/readyz") == 503;
}

static bool is_ready(void *data)
{
    (void)data;
    return http_get_status(admin.port, "/readyz") == 200;
}

static bool counts_redis_as_up(void *data)
{
    (void)data;
    return http_get_metric(admin.port, q("roomcast_redis_up{shard='0'}")) == 1;
}

/* Every request is answered with 503, at once if so wanted. */
static void expect_unavailable(bool at_once)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        int64_t began_ms = wait_now_ms();

        print_message("  %s %s\n", requests[i].method, requests[i].path);
        admin_ask(&admin, &(struct admin_request){.method = requests[i].method,
                                                  .path = requests[i].path,
                                                  .body = requests[i].body});
        admin_expect_error(&admin, 503, "unavailable");
        assert_non_null(strcasestr(admin.answer.head, "\r\nretry-after: "));
        if (at_once) /* no command waits for its deadline */
            assert_true(wait_now_ms() - began_ms < AT_ONCE_MS);
    }
}

static void expect_healthy(void)
{
    assert_int_equal(http_get_status(admin.port, "/healthz"), 200);
    assert_int_equal(http_get_status(admin.port, "/metrics"), 200);
    assert_int_equal(http_get_status(admin.port, "/config.json"), 200);
    assert_int_equal(http_get_status(admin.port, "/"), 200);
    admin_get(&admin, 200, "/api/openapi.json");
    admin_ask(&admin, &(struct admin_request){.path = "/api/stats", .token = "wrong"});
    admin_expect_error(&admin, 401, "unauthorized");
    admin_get(&admin, 404, "/api/nothing");
    admin_get(&admin, 400, "/api/rooms?limit=0");
}

static void without_redis_each_request_is_unavailable_at_once(void **state)
{
    (void)state;
    fleet_kill_redis(&fleet);
    assert_true(wait_until(is_unready, NULL, PATIENCE_MS));
    expect_unavailable(true);
    expect_healthy();
    assert_true(http_get_metric(admin.port, q("roomcast_redis_up{shard='0'}")) == 0);
    fleet_start_redis(&fleet);
    assert_true(wait_until(is_ready, NULL, PATIENCE_MS));
    admin_get(&admin, 200, "/api/rooms");
    assert_true(wait_until(counts_redis_as_up, NULL, PATIENCE_MS));
    assert_true(http_get_metric(admin.port,
                                q("roomcast_redis_reconnects_total{shard='0'}")) >= 1);
    fleet_wait_all_ready(&fleet);
}

static void a_redis_that_does_not_answer_is_given_up(void **state)
{
    (void)state;
    process_signal(&fleet.redis.process, SIGSTOP);
    admin_get(&admin, 503, "/api/rooms/lobby");
    admin_expect_error(&admin, 503, "unavailable");
    assert_true(wait_until(is_unready, NULL, PATIENCE_MS));
    expect_healthy();
    process_signal(&fleet.redis.process, SIGCONT);
    assert_true(wait_until(is_ready, NULL, PATIENCE_MS));
    admin_get(&admin, 200, "/api/rooms");
    fleet_wait_all_ready(&fleet);
}

static bool is_published(void *data)
{
    (void)data;
    return admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                     .path = "/api/rooms/full/messages",
                                                     .body = q("{'text':'x'}")}) == 201;
}

static void a_redis_that_refuses_is_unavailable(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);

    (void)state;
    chat_join(ann, "full", "ann");
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory 1");
    admin_post(&admin, 503, q("{'text':'x'}"), "/api/rooms/full/messages");
    admin_expect_error(&admin, 503, "unavailable");
    admin_get(&admin, 200, "/api/rooms/full"); /* reading goes on */
    redis_cmd(fleet.redis_port, "CONFIG SET maxmemory 0");
    assert_true(wait_until(is_published, NULL, PATIENCE_MS));
    assert_true(
        http_get_metric(admin.port, q("roomcast_redis_errors_total{kind='oom'}")) >= 1);
    chat_abort(ann);
}

static void scripts_that_redis_forgot_are_loaded_again(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);

    (void)state;
    chat_join(ann, "forgot", "ann");
    redis_cmd(fleet.redis_port, "SCRIPT FLUSH");
    admin_get(&admin, 200, "/api/rooms/forgot");
    redis_cmd(fleet.redis_port, "SCRIPT FLUSH");
    admin_post(&admin, 201, q("{'text':'x'}"), "/api/rooms/forgot/messages");
    redis_cmd(fleet.redis_port, "SCRIPT FLUSH");
    admin_post(&admin, 200, NULL, "/api/rooms/forgot/close");
    chat_abort(ann);
}

static void cut_connections_come_back(void **state)
{
    struct chat *ann = chat_open(fleet.gateways[0].port);

    (void)state;
    chat_join(ann, "cut", "ann");
    for (int i = 0; i < 10; i++) {
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE %s", i % 2 ? "pubsub" : "normal");
        assert_true(wait_until(is_ready, NULL, PATIENCE_MS));
        do
            admin_ask(&admin, &(struct admin_request){.path = "/api/gateways"});
        while (admin.answer.status == 503);
        assert_int_equal(admin.answer.status, 200);
    }
    chat_abort(ann);
}

/* ---- start and stop ---- */

static const struct {
    const char *settings[3];
    const char *line; /* begins so, on stderr */
} bad_starts[] = {
    {{NULL}, "AUTH_TOKEN: "},
    {{"AUTH_TOKEN=", NULL}, "AUTH_TOKEN: "},
    {{"AUTH_TOKEN_FILE=/nonexistent/file", NULL}, "AUTH_TOKEN_FILE: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_ADMIN_LISTEN=nonsense", NULL},
     "ROOMCAST_ADMIN_LISTEN: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_ADMIN_LISTENERS=-1", NULL},
     "ROOMCAST_ADMIN_LISTENERS: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_PUBLIC_WS_URLS=http://x\"y", NULL},
     "ROOMCAST_PUBLIC_WS_URLS: "},
};

static bool begins_a_line(const char *log_path, const char *text)
{
    FILE *log = fopen(log_path, "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    while (log && !found && getline(&line, &size, log) >= 0)
        found = strncmp(line, text, strlen(text)) == 0;
    free(line);
    if (log)
        fclose(log);
    return found;
}

static void a_start_that_cannot_be_says_why_and_exits_with_2(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_starts); i++) {
        struct admin bad;

        print_message("  %s\n", bad_starts[i].line);
        admin_launch(&bad, &fleet, bad_starts[i].settings);
        assert_int_equal(process_wait(&bad.process, PATIENCE_MS), 2);
        assert_true(begins_a_line(bad.log_path, bad_starts[i].line));
        admin_deinit(&bad);
    }
}

static void the_token_may_stand_in_a_file(void **state)
{
    struct admin other;
    char path[128], setting[160];
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/token", fleet.dir);
    file = fopen(path, "we");
    fputs(ADMIN_TOKEN "\n", file);
    fclose(file);
    snprintf(setting, sizeof(setting), "AUTH_TOKEN_FILE=%s", path);
    admin_launch(&other, &fleet, (const char *[]){setting, NULL});
    admin_wait_ready(&other);
    admin_get(&other, 200, "/api/stats");
    assert_false(admin_has_logged(&other, ADMIN_TOKEN));
    admin_stop(&other);
    unlink(path);
}

static void it_starts_without_redis_and_gets_ready_with_it(void **state)
{
    struct admin other;

    (void)state;
    fleet_kill_redis(&fleet);
    admin_launch(&other, &fleet, (const char *[]){"AUTH_TOKEN=" ADMIN_TOKEN, NULL});
    while (http_get_status(other.port, "/healthz") != 200)
        assert_true(process_is_running(&other.process));
    admin_get(&other, 503, "/api/rooms");
    fleet_start_redis(&fleet);
    admin_wait_ready(&other);
    admin_stop(&other);
    fleet_wait_all_ready(&fleet);
    admin_wait_ready(&admin);
}

static void it_stops_with_listeners_and_idle_connections(void **state)
{
    struct admin other;
    struct event_stream s;
    struct wire *idle, *half;

    (void)state;
    admin_start(&other, &fleet, NULL);
    event_stream_open(&s, &other, "?room=x");
    idle = wire_open(other.port);
    half = wire_open(other.port);
    wire_send_text(half, "GET /api/stats HTTP/1.1\r\nHost: x\r\n");
    event_stream_expect(&s, "stats");
    admin_stop(&other); /* with exit 0 */
    event_stream_close(&s);
    wire_free(idle);
    wire_free(half);
}

static int start(void **state)
{
    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
    admin_start(&admin, &fleet, (const char *[]){"ROOMCAST_ADMIN_FAILURES=1000", NULL});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_redis_each_request_is_unavailable_at_once),
        cmocka_unit_test(a_redis_that_does_not_answer_is_given_up),
        cmocka_unit_test(a_redis_that_refuses_is_unavailable),
        cmocka_unit_test(scripts_that_redis_forgot_are_loaded_again),
        cmocka_unit_test(cut_connections_come_back),
        cmocka_unit_test(a_start_that_cannot_be_says_why_and_exits_with_2),
        cmocka_unit_test(the_token_may_stand_in_a_file),
        cmocka_unit_test(it_starts_without_redis_and_gets_ready_with_it),
        cmocka_unit_test(it_stops_with_listeners_and_idle_connections),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
