/* test_admin_refusals.c - what the admin API refuses before it looks at a body: tokens,
 * methods, paths, numbers and cursors, HTTP as it should not be. Each refusal is an error
 * object where there is a request to answer, and the service lives on.
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
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As a header of a request by hand. */
#define AUTHORIZED "Authorization: Bearer " ADMIN_TOKEN "\r\n"

#define TOTAL(role, result)                                                            \
    "roomcast_admin_auth_total{role=\"" role "\",result=\"" result "\"}"

enum { PATIENCE_MS = 60000, FAILURES = 3 };

static struct fleet fleet;
static struct admin admin;
static struct chat *ann;

static void expect_alive(void)
{
    admin_get(&admin, 200, "/api/rooms/lobby");
    assert_int_equal(admin_number(&admin, "members"), 1);
}

static int ask_with_header(const char *path, const char *header)
{
    const char *options[] = {"-H", header, NULL};

    return admin_ask(
        &admin, &(struct admin_request){.path = path, .token = "", .options = options});
}

/* ---- tokens ---- */

static const char *const bad_tokens[] = {
    "X-Nothing: 1",
    "Authorization;",
    "Authorization: Bearer",
    "Authorization: Bearer wrong",
    "Authorization: Bearer " ADMIN_TOKEN "x",
    "Authorization: Bearer token-of-the-test",
    "Authorization: Bearer TOKEN-OF-THE-TESTS",
    "Authorization: Bearer \"" ADMIN_TOKEN "\"",
    "Authorization: Bearer " ADMIN_TOKEN ", Bearer x",
    "Authorization: Basic " ADMIN_TOKEN,
    "Authorization: " ADMIN_TOKEN,
    "Authorization: Bearer" ADMIN_TOKEN,
    "X-Authorization: Bearer " ADMIN_TOKEN,
    "Cookie: token=" ADMIN_TOKEN,
};

static void without_the_right_token_nothing_is_told(void **state)
{
    static const char *const paths[] = {"/api/rooms/lobby", "/api/events",
                                        "/api/openapi.json", "/api/no-such-thing"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad_tokens); i++) {
        print_message("  %s\n", bad_tokens[i]);
        ask_with_header(paths[i % COUNT(paths)], bad_tokens[i]);
        admin_expect_error(&admin, 401, "unauthorized");
        assert_non_null(strcasestr(admin.answer.head, "\r\nwww-authenticate: Bearer"));
    }
    ask_with_header("/api/rooms/lobby?token=" ADMIN_TOKEN, "X-Nothing: 1");
    admin_expect_error(&admin, 401, "unauthorized");
    expect_alive();
}

static void the_scheme_is_read_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(
        ask_with_header("/api/stats", "authorization: bearer " ADMIN_TOKEN), 200);
}

/* Neither the first counts nor the last. */
static void two_tokens_are_refused(void **state)
{
    static const char *const others[] = {("Authorization: Bearer " ADMIN_TOKEN),
                                         "Authorization: Bearer wrong",
                                         "Authorization: Basic YTpi", "Authorization;"};

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(others); i++) {
        const char *right = "Authorization: Bearer " ADMIN_TOKEN;
        const char *other = others[i / 2];
        const char *options[] = {"-H", i % 2 ? right : other, "-H",
                                 i % 2 ? other : right, NULL};

        print_message("  %s, %s\n", options[1], options[3]);
        admin_ask(&admin, &(struct admin_request){
                              .path = "/api/stats", .token = "", .options = options});
        admin_expect_error(&admin, 400, "bad_request");
    }
    expect_alive();
}

static void a_token_that_is_huge_or_binary_is_wrong(void **state)
{
    struct strbuf header = {0};

    (void)state;
    ask_with_header("/api/stats", "Authorization: Bearer \xff\xfe\x01");
    assert_in_range(admin.answer.status, 400, 401);
    strbuf_add_text(&header, "Authorization: Bearer ");
    for (int i = 0; i < 1000; i++)
        strbuf_add_text(&header, "wrong");
    ask_with_header("/api/stats", header.data);
    admin_expect_error(&admin, 401, "unauthorized");
    strbuf_deinit(&header);
    expect_alive();
}

static bool is_no_longer_throttled(void *data)
{
    return admin_ask(data, &(struct admin_request){.path = "/api/stats",
                                                   .token = "wrong"}) == 401;
}

static void repeated_wrong_tokens_are_slowed_down_and_the_right_one_is_not(void **state)
{
    static const char *const elsewhere[] = {"--interface", "127.0.0.2", NULL};
    const struct admin_request wrong = {.path = "/api/stats", .token = "wrong"};
    struct admin strict;
    char *after;

    (void)state;
    admin_start(&strict, &fleet, (const char *[]){"ROOMCAST_ADMIN_FAILURES=3", NULL});
    for (int i = 0; i < FAILURES; i++) {
        admin_ask(&strict, &wrong);
        admin_expect_error(&strict, 401, "unauthorized");
    }
    admin_ask(&strict, &wrong);
    admin_expect_error(&strict, 429, "rate_limited");
    after = strcasestr(strict.answer.head, "\r\nretry-after: ");
    assert_non_null(after);
    assert_in_range(atoi(after + strlen("\r\nretry-after: ")), 1, 60);
    admin_ask(&strict, &(struct admin_request){.path = "/api/stats",
                                               .token = "wrong",
                                               .options = elsewhere});
    assert_int_equal(strict.answer.status, 401);
    for (int i = 0; i < FAILURES; i++) { /* while the wrong ones go on */
        admin_get(&strict, 200, "/api/stats");
        admin_ask(&strict, &wrong);
        assert_int_equal(strict.answer.status, 429);
    }
    assert_true(wait_until(is_no_longer_throttled, &strict, PATIENCE_MS));
    for (int i = 0; i < 3 * FAILURES; i++) /* right ones are no failures */
        admin_get(&strict, 200, "/api/stats");
    assert_true(http_get_metric(strict.port, TOTAL("none", "wrong")) >= FAILURES);
    assert_true(http_get_metric(strict.port, TOTAL("none", "throttled")) >= 1);
    assert_true(http_get_metric(strict.port, TOTAL("admin", "ok")) >= FAILURES);
    admin_stop(&strict);
}

/* ---- methods ---- */

static const struct {
    const char *method, *path, *allow;
} methods[] = {
    {"POST", "/api/rooms", "GET"},
    {"DELETE", "/api/rooms/lobby", "GET"},
    {"PUT", "/api/rooms/lobby/members", "GET"},
    {"PUT", "/api/rooms/lobby/messages", "POST"},
    {"GET", "/api/rooms/lobby/messages/1", "DELETE"},
    {"GET", "/api/rooms/lobby/kick/ann", "POST"},
    {"GET", "/api/rooms/lobby/close", "POST"},
    {"HEAD", "/api/rooms/lobby/close", "POST"},
    {"GET", "/api/rooms/lobby/ban/ann", "DELETE"},
    {"PATCH", "/api/rooms/lobby/mute/ann", "POST"},
    {"POST", "/api/rooms/lobby/bans", "GET"},
    {"POST", "/api/users/ann", "GET"},
    {"DELETE", "/api/users/ann/disconnect", "POST"},
    {"POST", "/api/stats", "GET"},
    {"OPTIONS", "/api/gateways", "GET"},
    {"TRACE", "/api/audit", "GET"},
    {"post", "/api/rooms/lobby/close", "POST"},
    {"BREW", "/api/events", "GET"},
    {"POST", "/api/openapi.json", "GET"},
    {"POST", "/config.json", "GET"},
    {"POST", "/metrics", "GET"},
    {"DELETE", "/healthz", "GET"},
    {"PUT", "/readyz", "GET"},
};

static void other_methods_are_told_which_are_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        const char *allow;

        print_message("  %s %s\n", methods[i].method, methods[i].path);
        admin_ask(&admin, &(struct admin_request){.method = methods[i].method,
                                                  .path = methods[i].path});
        assert_int_equal(admin.answer.status, 405);
        if (strcmp(methods[i].method, "HEAD") != 0)
            admin_expect_error(&admin, 405, "method_not_allowed");
        allow = strcasestr(admin.answer.head, "\r\nallow: ");
        assert_non_null(allow);
        assert_non_null(strstr(allow, methods[i].allow));
    }
    expect_alive();
}

static void head_is_get_without_a_body(void **state)
{
    struct http_answer answer = {0};

    (void)state;
    http_get_raw(&answer, admin.port,
                 "HEAD /api/rooms/lobby HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                 "Connection: close\r\n\r\n");
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_len, 0);
    http_get_deinit(&answer);
}

/* ---- paths and numbers ---- */

static const struct {
    const char *path;
    int status; /* 0: 400 or 404 */
} paths[] = {
    {"/api/", 404},
    {"/api/nothing", 404},
    {"/api/rooms/", 0},
    {"/api/rooms//members", 0},
    {"/api//rooms", 404},
    {"//api/rooms", 404},
    {"/api/rooms/lobby/", 404},
    {"/api/rooms/lobby/nothing", 404},
    {"/api/rooms/lobby/members/x", 404},
    {"/api/rooms/lobby/../stats", 0},
    {"/api/../api/stats", 0},
    {"/api/rooms/..", 0},
    {"/api/rooms/%2e%2e/%2e%2e/etc/passwd", 0},
    {"/api/rooms/%", 400},
    {"/api/rooms/%4", 400},
    {"/api/rooms/%zz", 400},
    {"/api/rooms/%00", 400},
    {"/api/rooms/a%00b", 400},
    {"/api/rooms/a%0ab", 400},
    {"/api/rooms/%7Bx%7D", 400},
    {"/api/rooms/{x}", 400},
    {"/api/rooms/%ff", 400},
    {"/api/rooms/%c0%af", 400},
    {"/api/rooms/%ed%a0%80", 400},
    {"/api/rooms/%e2%80%a8", 400},
    {"/api/rooms/%C2%85", 400},
    {"/api/rooms/x/members?limit=%zz", 400},
    {"/api/rooms?search=%ff", 400},
    {"/api/users/%00", 400},
    {"/api/users/%7F", 400},
    {"/api/rooms?limit=0", 400},
    {"/api/rooms?limit=-1", 400},
    {"/api/rooms?limit=1001", 400},
    {"/api/rooms?limit=", 400},
    {"/api/rooms?limit=ten", 400},
    {"/api/rooms?limit=1.5", 400},
    {"/api/rooms?limit=1e2", 400},
    {"/api/rooms?limit=+5", 400},
    {"/api/rooms?limit=0x10", 400},
    {"/api/rooms?limit=99999999999999999999999999", 400},
    {"/api/rooms?limit=18446744073709551617", 400},
    {"/api/rooms?sort=", 400},
    {"/api/rooms?sort=name", 400},
    {"/api/rooms?sort=RECENT", 400},
    {"/api/rooms?cursor=!", 400},
    {"/api/rooms?cursor=%00", 400},
    {"/api/rooms?cursor=-1", 400},
    {"/api/rooms?search=x&cursor=nonsense", 400},
    {"/api/rooms/lobby/members?cursor=nonsense", 400},
    {"/api/rooms/lobby/members?limit=1001", 400},
    {"/api/rooms/lobby/messages?before=-5", 400},
    {"/api/rooms/lobby/messages?before=x", 400},
    {"/api/rooms/lobby/messages?before=99999999999999999999999", 400},
    {"/api/rooms/lobby/messages?limit=0", 400},
    {"/api/rooms/lobby/bans?limit=0", 400},
    {"/api/rooms/lobby/mutes?cursor=nonsense", 400},
    {"/api/users/ann?cursor=nonsense", 400},
    {"/api/stats/online?minutes=0", 400},
    {"/api/stats/online?minutes=1441", 400},
    {"/api/stats/online?minutes=x", 400},
    {"/api/audit?limit=0", 400},
    {"/api/audit?cursor=nonsense", 400},
    {"/api/audit?cursor=1-1-1", 400},
    {"/api/rooms?search=x&cursor=7331383434363734343037333730393535313631362078", 400},
    {"/api/audit?cursor=302d30", 400},
    {"/api/audit?cursor=39393939393939393939393939393939393939392d31", 400},
    {"/api/events?room=%7B", 400},
    {"/api/events?room=", 400},
};

static void bad_paths_and_numbers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        int status = admin_ask(&admin, &(struct admin_request){.path = paths[i].path});

        print_message("  %s: %d\n", paths[i].path, status);
        if (paths[i].status == 0)
            assert_true(status == 400 || status == 404);
        else
            assert_int_equal(status, paths[i].status);
        if (status == 400)
            admin_expect_error(&admin, 400, "bad_request");
        else if (!strstr(admin.answer.body, "room_not_found"))
            admin_expect_error(&admin, 404, "not_found");
    }
    expect_alive();
}

static void names_that_are_too_long_are_refused(void **state)
{
    char room[130] = "", user[66] = "", wide[3 * 65 + 1] = "";

    (void)state;
    memset(room, 'r', 129);
    memset(user, 'u', 65);
    for (int i = 0; i < 65; i++)
        memcpy(wide + 3 * (size_t)i, "%C3", 3); /* not UTF-8 either */
    admin_get(&admin, 400, "/api/rooms/%s", room);
    admin_expect_error(&admin, 400, "bad_request");
    admin_get(&admin, 400, "/api/users/%s", user);
    admin_expect_error(&admin, 400, "bad_request");
    admin_post(&admin, 400, NULL, "/api/rooms/lobby/kick/%s", user);
    admin_post(&admin, 400, NULL, "/api/rooms/lobby/kick/%s", wide);
    admin_post(&admin, 400, NULL, "/api/rooms/%s/close", room);
    admin_post(&admin, 400, q("{'secs':1}"), "/api/rooms/%s/ban/ann", room);
    expect_alive();
}

static void numbers_of_messages_that_are_none_are_refused(void **state)
{
    static const char *const seqs[] = {
        "x", "-1", "1.0", "1x", "%31%20", "99999999999999999999", "0x1", "+1"};

    (void)state;
    for (size_t i = 0; i < COUNT(seqs); i++) {
        print_message("  %s\n", seqs[i]);
        admin_delete(&admin, 400, "/api/rooms/lobby/messages/%s", seqs[i]);
        admin_expect_error(&admin, 400, "bad_request");
    }
    expect_alive();
}

/* ---- */

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
        cmocka_unit_test(without_the_right_token_nothing_is_told),
        cmocka_unit_test(the_scheme_is_read_in_any_case),
        cmocka_unit_test(two_tokens_are_refused),
        cmocka_unit_test(a_token_that_is_huge_or_binary_is_wrong),
        cmocka_unit_test(
            repeated_wrong_tokens_are_slowed_down_and_the_right_one_is_not),
        cmocka_unit_test(other_methods_are_told_which_are_allowed),
        cmocka_unit_test(head_is_get_without_a_body),
        cmocka_unit_test(bad_paths_and_numbers_are_refused),
        cmocka_unit_test(names_that_are_too_long_are_refused),
        cmocka_unit_test(numbers_of_messages_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
