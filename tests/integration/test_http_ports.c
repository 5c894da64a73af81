/* test_http_ports.c - the admin service's port and a gateway's ops port towards clients that
 * mean no good: requests that two programs could read differently, and clients that take no
 * answer, send many requests or open many connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/big_console.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LENGTH "Content-Length: 2\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define TOKEN "Authorization: Bearer " ADMIN_TOKEN "\r\n"

enum {
    DEADLINE_MS = 60000,
    CONNECTIONS = 30, /* the limit of the strict service */
    LAZY = 20,
    PIPELINED = 16,
    GROWTH_BYTES = 32 * 1024 * 1024,
};

static struct fleet fleet;
static struct admin admin, strict;
static char *console_dir;

/* ---- to the letter ---- */

static const struct {
    const char *what, *head, *body;
    int status;
} wrong[] = {
    {"two lengths", "Host: x\r\n" LENGTH LENGTH, "{}", 400},
    {"two unlike lengths", "Host: x\r\n" LENGTH "Content-Length: 40\r\n", "{}", 400},
    {"a length beside an encoding", "Host: x\r\n" LENGTH CHUNKED, "0\r\n\r\n", 400},
    {"an encoding beside a length", "Host: x\r\n" CHUNKED LENGTH, "0\r\n\r\n", 400},
    {"identity, chunked", "Host: x\r\nTransfer-Encoding: identity, chunked\r\n",
     "2\r\n{}\r\n0\r\n\r\n", 400},
    {"a chunk of 0xc", "Host: x\r\n" CHUNKED, "0xc\r\n{}\r\n0\r\n\r\n", 400},
    {"a bare LF", "Host: x\nX: y\r\n", "", 400},
    {"a bare LF in a chunk", "Host: x\r\n" CHUNKED, "2\n{}\r\n0\r\n\r\n", 400},
    {"no Host", "", "", 400},
    {"two Hosts", "Host: x\r\nHost: y\r\n", "", 400},
    {"two Hosts alike", "Host: x\r\nHost: x\r\n", "", 400},
    {"a space before the colon", "Host : x\r\n", "", 400},
    {"a folded header", "Host: x\r\nX: y\r\n z\r\n", "", 400},
    {"another expectation", "Host: x\r\nExpect: cake\r\n" LENGTH, "{}", 417},
};

static unsigned count_answers(const struct http_answer *answer)
{
    unsigned count = answer->status > 0;

    for (const char *at = answer->body; (at = strstr(at, "HTTP/1.1 ")); at++)
        count++;
    return count;
}

/* Behind the wrong request stands a right one: were it answered, or were a part of the first
 * one's body, somebody could slip a request into another's connection. */
static void ask_wrongly(int port, size_t i)
{
    struct http_answer answer = {0};
    char *request = print_text("POST /healthz HTTP/1.1\r\n" TOKEN "%s\r\n%s"
                               "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                               wrong[i].head, wrong[i].body);

    http_get_raw(&answer, port, request); /* reads to the end of the stream */
    if (answer.status != wrong[i].status || count_answers(&answer) != 1)
        fail_msg("%s: %d and %u answers", wrong[i].what, answer.status,
                 count_answers(&answer));
    admin_expect_error_in(&answer, wrong[i].status, "bad_request");
    assert_true(http_get_has_header(&answer, "Connection: close"));
    http_get_deinit(&answer);
    free(request);
}

static void
what_could_be_read_in_two_ways_is_refused_and_the_connection_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        print_message("  %s\n", wrong[i].what);
        ask_wrongly(admin.port, i);
        ask_wrongly(fleet.gateways[0].ops_port, i);
    }
}

static void a_right_request_before_a_wrong_one_is_answered_first(void **state)
{
    static const char requests[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"
                                   "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    const int ports[] = {admin.port, fleet.gateways[0].ops_port};

    (void)state;
    for (size_t i = 0; i < COUNT(ports); i++) {
        struct http_answer answer = {0};

        http_get_raw(&answer, ports[i], requests);
        assert_int_equal(answer.status, 200);
        assert_int_equal(count_answers(&answer), 2);
        assert_non_null(strstr(answer.body, "HTTP/1.1 400 "));
        http_get_deinit(&answer);
    }
}

static void a_target_in_absolute_form_is_served(void **state)
{
    static const char request[] =
        "GET http://whatever.example:80/healthz?x=/y HTTP/1.1\r\n"
        "Host: x\r\nConnection: close\r\n\r\n";
    const int ports[] = {admin.port, fleet.gateways[0].ops_port};

    (void)state;
    for (size_t i = 0; i < COUNT(ports); i++) {
        struct http_answer answer = {0};

        http_get_raw(&answer, ports[i], request);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body, "ok\n");
        http_get_deinit(&answer);
    }
}

static void chunks_with_extensions_and_trailers_are_taken(void **state)
{
    struct http_answer answer = {0};

    (void)state;
    http_get_raw(&answer, admin.port,
                 q("POST /api/rooms/none/close HTTP/1.1\r\nHost: x\r\n" TOKEN CHUNKED
                   "Connection: close\r\n\r\n"
                   "1;x='y'\r\n{\r\n01\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n"));
    admin_expect_error_in(&answer, 404, "room_not_found");
    http_get_deinit(&answer);
}

/* ---- clients that take no answers ---- */

static size_t memory_bytes(const struct admin *a)
{
    char *path = print_text("/proc/%d/status", (int)a->process.pid);
    char *text = files_read(path), *line = strstr(text, "VmRSS:");
    size_t bytes;

    assert_non_null(line);
    bytes = strtoul(line + 6, NULL, 10) * 1024;
    free(path);
    free(text);
    return bytes;
}

static bool are_all_cut(void *data)
{
    struct admin *a = data;

    return http_get_metric(a->port, "roomcast_http_slow_total") >= LAZY;
}

static void clients_that_take_no_answer_cost_little_and_are_cut(void **state)
{
    struct wire *lazy[LAZY];
    size_t before;

    (void)state;
    admin_get(&strict, 200, "/big.js");
    before = memory_bytes(&strict);
    for (int i = 0; i < LAZY; i++) {
        lazy[i] = wire_open_small(strict.port, 4096);
        for (int k = 0; k < PIPELINED; k++)
            wire_send_text(lazy[i], "GET /big.js HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    admin_get(&strict, 200, "/healthz");
    assert_true(memory_bytes(&strict) < before + GROWTH_BYTES);
    assert_true(wait_until(are_all_cut, &strict, DEADLINE_MS));
    assert_true(memory_bytes(&strict) < before + GROWTH_BYTES);
    for (int i = 0; i < LAZY; i++)
        wire_abort(lazy[i]);
}

/* ---- many connections ---- */

static void idle_connections_make_room_for_new_ones(void **state)
{
    struct wire *idle[CONNECTIONS + 10];

    (void)state;
    for (size_t i = 0; i < COUNT(idle); i++) {
        idle[i] = wire_open(strict.port);
        wire_send_text(idle[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(wire_read_head(idle[i], DEADLINE_MS));
        assert_memory_equal(wire_get_head(idle[i]), "HTTP/1.1 200", 12);
    }
    assert_int_not_equal(wire_wait_end(idle[0], DEADLINE_MS), WIRE_OPEN);
    assert_int_equal(wire_wait_end(idle[COUNT(idle) - 1], 0), WIRE_OPEN);
    for (size_t i = 0; i < COUNT(idle); i++)
        wire_free(idle[i]);
}

static bool is_served_again(void *data)
{
    return http_get_status(*(int *)data, "/healthz") == 200;
}

/* The service cuts half requests after ten seconds; nobody waits for that. */
static void half_requests_keep_nobody_out(void **state)
{
    struct wire *half[2 * CONNECTIONS];

    (void)state;
    assert_true(wait_until(is_served_again, &strict.port, DEADLINE_MS));
    for (size_t i = 0; i < COUNT(half); i++) {
        half[i] = wire_open(strict.port);
        wire_send_text(half[i], "GET /healthz HTTP/1.1\r\nHo");
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(http_get_status(strict.port, "/healthz"), 200);
    assert_int_not_equal(wire_wait_end(half[0], DEADLINE_MS), WIRE_OPEN);
    for (size_t i = 0; i < COUNT(half); i++)
        wire_free(half[i]);
}

static bool is_refused(void *data)
{
    return http_get_try(data, strict.port, "/healthz") &&
           ((struct http_answer *)data)->status == 503;
}

/* Those that take no answer are cut soon. */
static void where_all_are_being_answered_a_new_connection_is_refused(void **state)
{
    struct wire *busy[2 * CONNECTIONS];
    struct http_answer answer = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(busy); i++) {
        busy[i] = wire_open_small(strict.port, 4096);
        wire_send_text(busy[i], "GET /big.js HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    assert_true(wait_until(is_refused, &answer, DEADLINE_MS));
    admin_expect_error_in(&answer, 503, "unavailable");
    assert_true(http_get_has_header(&answer, "Retry-After: 1"));
    assert_true(wait_until(is_served_again, &strict.port, DEADLINE_MS));
    assert_true(http_get_metric(strict.port, "roomcast_http_refused_total") >= 1);
    for (size_t i = 0; i < COUNT(busy); i++)
        wire_abort(busy[i]);
    http_get_deinit(&answer);
}

/* ---- */

static int start(void **state)
{
    char *console;

    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
    console_dir = big_console_write(fleet.dir);
    console = print_text("ROOMCAST_CONSOLE_DIR=%s", console_dir);
    admin_start(&admin, &fleet, NULL);
    admin_start(&strict, &fleet,
                (const char *[]){console, "ROOMCAST_HTTP_SEND_SECS=1",
                                 "ROOMCAST_HTTP_CONNECTIONS=30", NULL});
    free(console);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    admin_stop(&strict);
    admin_stop(&admin);
    files_remove(console_dir);
    free(console_dir);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_could_be_read_in_two_ways_is_refused_and_the_connection_ends),
        cmocka_unit_test(a_right_request_before_a_wrong_one_is_answered_first),
        cmocka_unit_test(a_target_in_absolute_form_is_served),
        cmocka_unit_test(chunks_with_extensions_and_trailers_are_taken),
        cmocka_unit_test(clients_that_take_no_answer_cost_little_and_are_cut),
        cmocka_unit_test(idle_connections_make_room_for_new_ones),
        cmocka_unit_test(half_requests_keep_nobody_out),
        cmocka_unit_test(where_all_are_being_answered_a_new_connection_is_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
