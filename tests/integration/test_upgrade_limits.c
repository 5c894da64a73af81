/* test_upgrade_limits.c - opening handshakes that are too long, too slow, too many, or from
 * the wrong page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { REQUEST_MAX = 40 * 1024 };

/* The gateways of the fleet, by what is special about their settings. */
enum { PLAIN, IMPATIENT, SMALL, PICKY };

static struct fleet fleet;

static int port(unsigned index)
{
    return fleet.gateways[index].port;
}

/* Length: one header line, many, the target, all without an end. */

static void print_long_line(struct strbuf *out)
{
    strbuf_add_text(out, USUAL "X-Long: ");
    while (out->len < REQUEST_MAX)
        strbuf_add_char(out, 'x');
}

static void print_many_lines(struct strbuf *out)
{
    strbuf_add_text(out, USUAL);
    for (unsigned i = 0; out->len < REQUEST_MAX; i++)
        strbuf_add_format(out, "X-%u: y\r\n", i);
}

static void print_long_target(struct strbuf *out)
{
    strbuf_add_text(out, "GET /ws?");
    while (out->len < REQUEST_MAX)
        strbuf_add_char(out, 'x');
}

static void print_long_name(struct strbuf *out)
{
    strbuf_add_text(out, USUAL);
    while (out->len < REQUEST_MAX)
        strbuf_add_char(out, 'x');
}

static void (*const print_too_long[])(struct strbuf *out) = {
    print_long_line, print_many_lines, print_long_target, print_long_name};

static void an_endless_request_is_refused_at_its_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(print_too_long); i++) {
        struct strbuf out = {0};
        struct wire *w = wire_open(port(PLAIN));

        print_too_long[i](&out);
        out.len = REQUEST_MAX;
        wire_send(w, out.data, out.len);
        http_upgrade_expect_refusal(w, 431, NULL);
        wire_free(w);
        strbuf_deinit(&out);
    }
}

static void who_goes_on_sending_still_reads_the_431(void **state)
{
    struct strbuf out = {0};
    struct wire *w = wire_open(port(PLAIN));

    (void)state;
    strbuf_add_text(&out, USUAL "X-Long: ");
    memset(strbuf_reserve(&out, 1 << 20), 'x', 1 << 20);
    out.len += 1 << 20;
    wire_send(w, out.data, out.len);
    http_upgrade_expect_refusal(w, 431, NULL);
    wire_free(w);
    strbuf_deinit(&out);
}

static void a_request_just_below_the_limit_is_accepted(void **state)
{
    static const char tail[] = "\r\n\r\n";
    struct strbuf out = {0};
    struct wire *w = wire_open(port(PLAIN));

    (void)state;
    strbuf_add_text(&out, USUAL "X-Long: ");
    while (out.len < REQUEST_MAX - strlen(tail) - 1)
        strbuf_add_char(&out, 'x');
    strbuf_add_text(&out, tail);
    wire_send(w, out.data, out.len);
    http_upgrade_expect_101(w, NULL);
    chat_close(chat_new(w));
    strbuf_deinit(&out);
}

/* Time: ROOMCAST_HANDSHAKE_SECS=1. */

static const char *const unfinished[] = {"", "G", GET, GET HOST, USUAL};

static void an_unfinished_handshake_is_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(unfinished); i++) {
        int64_t start_ms = wait_now_ms();
        struct wire *w = wire_open(port(IMPATIENT));
        struct http_answer answer = {0};
        const char *bytes;
        size_t len;

        wire_send_text(w, unfinished[i]);
        assert_int_equal(wire_wait_end(w, HTTP_UPGRADE_ENDS_MS), WIRE_ENDED);
        assert_in_range(wait_now_ms() - start_ms, 500, 5000);
        bytes = wire_get_unread(w, &len);
        http_get_parse(&answer, bytes, len);
        assert_true(len == 0 || answer.status == 408);
        http_get_deinit(&answer);
        wire_free(w);
    }
}

static bool has_ended(void *data)
{
    return wire_wait_end(data, 0) != WIRE_OPEN;
}

static void a_trickle_does_not_win_time(void **state)
{
    static const char request[] = USUAL;
    int64_t start_ms = wait_now_ms();
    struct wire *w = wire_open(port(IMPATIENT));

    (void)state;
    for (const char *at = request; *at && !wait_until(has_ended, w, 100); at++)
        wire_send(w, at, 1);
    assert_int_equal(wire_wait_end(w, 0), WIRE_ENDED);
    assert_in_range(wait_now_ms() - start_ms, 500, 5000);
    wire_free(w);
}

static void a_finished_handshake_has_no_such_limit(void **state)
{
    struct chat *chat = chat_open(port(IMPATIENT));

    (void)state;
    chat_expect_silence(chat, 2500);
    chat_close(chat);
}

/* Number: ROOMCAST_MAX_CONNECTIONS=2. */

static bool is_accepted_again(void *data)
{
    struct wire *w = wire_open(port(SMALL));
    bool accepted_now;

    (void)data;
    wire_send_text(w, USUAL END);
    accepted_now = wire_read_head(w, HTTP_UPGRADE_ENDS_MS) &&
                   strncmp(wire_get_head(w), "HTTP/1.1 101", 12) == 0;
    wire_free(w);
    return accepted_now;
}

static void one_connection_too_many_is_sent_away(void **state)
{
    struct chat *first = chat_open(port(SMALL));
    struct chat *second = chat_open(port(SMALL));
    struct wire *w = wire_open(port(SMALL));

    (void)state;
    wire_send_text(w, USUAL END);
    assert_int_equal(wire_wait_end(w, HTTP_UPGRADE_ENDS_MS), WIRE_ENDED);
    http_upgrade_expect_refusal(w, 503, NULL);
    wire_free(w);
    chat_send(first, "{'type':'ping'}");
    chat_expect(first, "pong");
    chat_close(first);
    assert_true(wait_until(is_accepted_again, NULL, HTTP_UPGRADE_ENDS_MS));
    chat_close(second);
}

static void cookies_of_32_kib_do_not_refuse_a_handshake(void **state)
{
    struct strbuf out = {0};
    struct wire *w = wire_open(port(PLAIN));

    (void)state;
    strbuf_add_text(&out, USUAL "Cookie: ");
    for (int i = 0; i < 32 * 1024; i++)
        strbuf_add_char(&out, 'c');
    strbuf_add_text(&out, "\r\n" END);
    for (size_t at = 0; at < out.len; at += 1000) /* in pieces, as a network does */
        wire_send(w, out.data + at, out.len - at < 1000 ? out.len - at : 1000);
    http_upgrade_expect_101(w, NULL);
    chat_close(chat_new(w));
    strbuf_deinit(&out);
}

/* Origin: ROOMCAST_ALLOWED_ORIGINS=https://chat.example,http://localhost:3000 */

static const struct {
    const char *headers;
    int status;
} origins[] = {
    {"", 101},
    {"Origin: https://chat.example\r\n", 101},
    {"Origin: HTTPS://Chat.Example\r\n", 101},
    {"Origin: http://localhost:3000\r\n", 101},
    {"Origin: http://chat.example\r\n", 403},
    {"Origin: https://chat.example:8443\r\n", 403},
    {"Origin: https://chat.example.evil.example\r\n", 403},
    {"Origin: https://evil.example\r\n", 403},
    {"Origin: null\r\n", 403},
    {"Origin:\r\n", 403},
    {"Origin: *\r\n", 403},
};

static void only_pages_of_allowed_origins_come_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(origins); i++) {
        struct wire *w = wire_open(port(PICKY));

        print_message("  %d for %s", origins[i].status,
                      *origins[i].headers ? origins[i].headers : "none\n");
        wire_send_text(w, USUAL);
        wire_send_text(w, origins[i].headers);
        wire_send_text(w, END);
        if (origins[i].status == 101) {
            http_upgrade_expect_101(w, NULL);
            chat_close(chat_new(w));
        } else {
            http_upgrade_expect_refusal(w, origins[i].status, NULL);
            wire_free(w);
        }
    }
}

static void by_default_pages_of_the_same_host_come_in(void **state)
{
    static const struct {
        const char *host, *origin;
        int status;
    } pages[] = {
        {"chat.example:9001", "https://chat.example", 101},
        {"chat.example:9001", "https://evil.example", 403},
        {"chat.example:9001", "null", 403},
        {"chat.example:9001", "http://localhost:8080", 403},
        {"127.0.0.1:9001", "http://localhost:8080", 101},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(pages); i++) {
        struct wire *w = wire_open(port(PLAIN));
        char headers[256];

        snprintf(headers, sizeof(headers), "Host: %s\r\nOrigin: %s\r\n", pages[i].host,
                 pages[i].origin);
        wire_send_text(w, GET UPGRADE KEY VERSION);
        wire_send_text(w, headers);
        wire_send_text(w, END);
        if (pages[i].status == 101) {
            http_upgrade_expect_101(w, NULL);
            chat_close(chat_new(w));
        } else {
            http_upgrade_expect_refusal(w, pages[i].status, NULL);
            wire_free(w);
        }
    }
}

static bool is_refused_and_logged(void *data)
{
    struct http_answer *answer = data;

    http_get_raw(
        answer, port(PLAIN),
        GET "Host: chat.example:9001\r\nOrigin: https://evil.example/\"\r\n" UPGRADE KEY
            VERSION END);
    assert_int_equal(answer->status, 403);
    return process_has_logged(
        fleet.gateways[PLAIN].log_path,
        "origin_refused origin=https://evil.example/%22 host=chat.example:9001 "
        "setting=ROOMCAST_ALLOWED_ORIGINS");
}

/* A line a second is logged at most. */
static void a_refused_origin_is_told_what_to_set(void **state)
{
    struct http_answer answer = {0};

    (void)state;
    assert_true(wait_until(is_refused_and_logged, &answer, HTTP_UPGRADE_ENDS_MS));
    assert_non_null(strstr(answer.body, "https://evil.example/%22"));
    assert_non_null(strstr(answer.body, "chat.example:9001"));
    assert_non_null(strstr(answer.body, "ROOMCAST_ALLOWED_ORIGINS"));
    http_get_deinit(&answer);
}

static int start(void **state)
{
    *state = &fleet;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
    fleet_add(&fleet, (const char *[]){"ROOMCAST_HANDSHAKE_SECS=1", NULL});
    fleet_add(&fleet, (const char *[]){"ROOMCAST_MAX_CONNECTIONS=2", NULL});
    fleet_add(&fleet, (const char *[]){"ROOMCAST_ALLOWED_ORIGINS=https://chat.example,"
                                       "http://localhost:3000",
                                       NULL});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endless_request_is_refused_at_its_limit),
        cmocka_unit_test(who_goes_on_sending_still_reads_the_431),
        cmocka_unit_test(a_request_just_below_the_limit_is_accepted),
        cmocka_unit_test(an_unfinished_handshake_is_ended),
        cmocka_unit_test(a_trickle_does_not_win_time),
        cmocka_unit_test(a_finished_handshake_has_no_such_limit),
        cmocka_unit_test(one_connection_too_many_is_sent_away),
        cmocka_unit_test(cookies_of_32_kib_do_not_refuse_a_handshake),
        cmocka_unit_test(only_pages_of_allowed_origins_come_in),
        cmocka_unit_test(by_default_pages_of_the_same_host_come_in),
        cmocka_unit_test(a_refused_origin_is_told_what_to_set),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
