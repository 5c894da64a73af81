/* test_admin_http.c - HTTP that is not quite HTTP, or does not end: it does no harm, and
 * the service lives on. What is unusual and right is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As a header of a request by hand. */
#define AUTHORIZED "Authorization: Bearer " ADMIN_TOKEN "\r\n"

enum { CUT_MS = 60000 };

static struct fleet fleet;
static struct admin admin;
static struct chat *ann;

static void expect_untouched(void)
{
    admin_get(&admin, 200, "/api/rooms/lobby");
    assert_int_equal(admin_number(&admin, "members"), 1);
}

struct odd_request {
    const char *what, *bytes;
    size_t len; /* 0: a string */
};

static const struct odd_request odd_requests[] = {
    {"an unknown protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15},
    {"no version", "GET /api/stats\r\n\r\n", 0},
    {"no path", "GET HTTP/1.1\r\n\r\n", 0},
    {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
    {"HTTP/9.9", "GET /api/stats HTTP/9.9\r\nHost: x\r\n\r\n", 0},
    {"a header without a colon",
     "GET /api/stats HTTP/1.1\r\nHost x\r\n" AUTHORIZED "\r\n", 0},
    {"a NUL in the path", "GET /api/sta\0ts HTTP/1.1\r\nHost: x\r\n\r\n", 37},
    {"a length that is none",
     "POST /api/rooms/lobby/close HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
     "Content-Length: 2x\r\n\r\n{}",
     0},
    {"a negative length",
     "POST /api/rooms/lobby/close HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
     "Content-Length: -1\r\n\r\n{}",
     0},
    {"a chunk without a size",
     "POST /api/rooms/lobby/close HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
     "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
     0},
    {"a star", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 0},
    {"a tunnel", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
};

static void requests_that_are_no_http_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_requests); i++) {
        const struct odd_request *r = &odd_requests[i];
        struct http_answer answer = {0};
        struct wire *w = wire_open(admin.port);
        const char *bytes;
        size_t len;

        wire_send(w, r->bytes, r->len ? r->len : strlen(r->bytes));
        wire_end(w);
        assert_int_not_equal(wire_wait_end(w, WIRE_DEADLINE_MS), WIRE_OPEN);
        bytes = wire_get_unread(w, &len);
        http_get_parse(&answer, bytes, len);
        print_message("  %s: %d\n", r->what, answer.status);
        assert_false(answer.status >= 200 && answer.status < 300);
        http_get_deinit(&answer);
        wire_free(w);
    }
    expect_untouched();
}

static void http_1_0_is_answered(void **state)
{
    static const char *const options[] = {"--http1.0", NULL};

    (void)state;
    assert_int_equal(admin_ask(&admin, &(struct admin_request){.path = "/api/stats",
                                                               .options = options}),
                     200);
    admin_ask(&admin, &(struct admin_request){
                          .path = "/api/stats", .token = "", .options = options});
    admin_expect_error(&admin, 401, "unauthorized");
}

static void requests_on_one_connection_are_answered_in_order(void **state)
{
    static const char requests[] =
        "GET /api/rooms/lobby HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "\r\n"
        "GET /api/rooms/none HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "\r\n"
        "GET /config.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct http_answer answer = {0};
    const char *second, *third;

    (void)state;
    http_get_raw(&answer, admin.port, requests);
    assert_int_equal(answer.status, 200);
    second = strstr(answer.body, "HTTP/1.1 404");
    assert_non_null(second);
    third = strstr(second, "HTTP/1.1 200");
    assert_non_null(third);
    assert_non_null(strstr(third, "ws_urls"));
    http_get_deinit(&answer);
}

static void a_very_long_path_is_refused(void **state)
{
    static const size_t sizes[] = {20000, 1000000};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct strbuf request = {0};
        struct http_answer answer = {0};

        strbuf_add_text(&request, "GET /api/rooms/");
        memset(strbuf_reserve(&request, sizes[i]), 'r', sizes[i]);
        request.len += sizes[i];
        request.data[request.len] = '\0';
        strbuf_add_text(&request, " HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                                  "Connection: close\r\n\r\n");
        http_get_raw(&answer, admin.port, request.data);
        print_message("  %zu: %d\n", sizes[i], answer.status);
        if (i == 0)
            admin_expect_error_in(&answer, 400, "bad_request");
        else
            assert_true(answer.status == 0 || answer.status >= 400);
        http_get_deinit(&answer);
        strbuf_deinit(&request);
    }
    expect_untouched();
}

/* Nothing, half a head, half a body: the connection is cut in the end. */
static void who_does_not_finish_a_request_is_cut(void **state)
{
    static const char *const parts[] = {
        "", "GET /api/stats HT", "GET /api/stats HTTP/1.1\r\nHost: x\r\nX-A",
        "POST /api/rooms/lobby/close HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
        "Content-Length: 20\r\n\r\n{\"reason\""};
    struct wire *wires[COUNT(parts)];

    (void)state;
    for (size_t i = 0; i < COUNT(parts); i++) {
        wires[i] = wire_open(admin.port);
        assert_true(wire_send_text(wires[i], parts[i]));
    }
    for (size_t i = 0; i < COUNT(parts); i++) {
        print_message("  %s\n", parts[i]);
        assert_int_not_equal(wire_wait_end(wires[i], CUT_MS), WIRE_OPEN);
        wire_free(wires[i]);
    }
    expect_untouched();
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PING_INTERVAL_SECS=3600", NULL};

    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1, .settings = settings});
    admin_start(&admin, &fleet, (const char *[]){"ROOMCAST_ADMIN_FAILURES=1000", NULL});
    ann = chat_open(fleet.gateways[0].port);
    chat_join(ann, "lobby", "ann");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    chat_abort(ann);
    admin_stop(&admin);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_no_http_do_no_harm),
        cmocka_unit_test(http_1_0_is_answered),
        cmocka_unit_test(requests_on_one_connection_are_answered_in_order),
        cmocka_unit_test(a_very_long_path_is_refused),
        cmocka_unit_test(who_does_not_finish_a_request_is_cut),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
