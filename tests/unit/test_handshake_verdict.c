/* test_handshake_verdict.c - a request that comes in pieces gets the verdict of the whole, and a refusal
 * is counted and says what to set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "gateway/handshake.h"

static const char request[] = "GET /ws HTTP/1.1\r\n"
                              "Host: a.example\r\n"
                              "Connection: Upgrade\r\n"
                              "Upgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Origin: https://a.example\r\n"
                              "\r\n";

static struct metrics metrics;

static struct handshake_verdict take(struct handshake *h, const char *bytes, size_t len,
                                     const char *allowed, bool is_full)
{
    const struct config config = {.allowed_origins = (char *)allowed};

    return handshake_take(h, bytes, len, &config, is_full);
}

static void a_request_at_once_is_accepted_and_nothing_is_copied(void **state)
{
    struct handshake h = {NULL};
    struct handshake_verdict v;

    (void)state;
    v = take(&h, request, strlen(request), "same-host", false);
    assert_int_equal(v.status, 101);
    assert_int_equal(v.rest_len, 0);
    assert_null(h.head);
}

static void a_request_in_pieces_is_accepted_with_what_comes_behind_it(void **state)
{
    size_t len = strlen(request);
    char bytes[512];

    (void)state;
    memcpy(bytes, request, len);
    memcpy(bytes + len, "abc", 3);
    for (size_t piece = 1; piece < len; piece++) {
        struct handshake h = {NULL};
        struct handshake_verdict v = {.status = 0};
        size_t at = 0;

        while (v.status == 0) {
            size_t n = at + piece < len ? piece : len + 3 - at;

            v = take(&h, bytes + at, n, "same-host", false);
            at += n;
        }
        assert_int_equal(v.status, 101);
        assert_int_equal(v.rest_len, 3);
        assert_memory_equal(v.rest, "abc", 3);
        assert_memory_equal(v.req.host.base, "a.example", 9);
        handshake_deinit(&h);
        assert_null(h.head);
    }
}

static void a_proxy_header_comes_first_and_the_bytes_behind_it_count(void **state)
{
    static const char proxy[] = "PROXY TCP4 203.0.113.9 10.0.0.1 40000 9001\r\n";
    const struct config config = {.allowed_origins = (char *)"*", .proxy_protocol = 1};
    char bytes[512];
    size_t len;

    (void)state;
    len = (size_t)snprintf(bytes, sizeof(bytes), "%s%sabc", proxy, request);
    for (size_t piece = 1; piece <= len; piece++) {
        struct handshake h = {NULL};
        struct handshake_verdict v = {.status = 0};

        for (size_t at = 0; at < len && v.status == 0; at += piece) {
            size_t n = at + piece < len ? piece : len - at;

            v = handshake_take(&h, bytes + at, n, &config, false);
            assert_true(v.proxy.len == (at + n < strlen(proxy) ? 0 : strlen(proxy)));
        }
        assert_int_equal(v.status, 101);
        assert_true(v.proxy.has_source);
        assert_memory_equal(v.rest, "abc", v.rest_len);
        handshake_deinit(&h);
    }
}

static void what_begins_otherwise_where_a_proxy_header_must_is_dropped(void **state)
{
    const struct config config = {.allowed_origins = (char *)"*", .proxy_protocol = 1};
    struct handshake h = {NULL};

    (void)state;
    assert_int_equal(
        handshake_take(&h, request, strlen(request), &config, false).status,
        HANDSHAKE_DROPPED);
    assert_int_equal(handshake_take(&h, "PROXY ", 6, &config, false).status, 0);
    assert_int_equal(handshake_take(&h, "\n", 1, &config, false).status,
                     HANDSHAKE_DROPPED);
    handshake_deinit(&h);
}

static void a_full_gateway_says_503_to_a_good_request(void **state)
{
    static const char other[] = "GET /other HTTP/1.1\r\n";
    struct handshake h = {NULL};

    (void)state;
    assert_int_equal(take(&h, request, strlen(request), "*", true).status, 503);
    assert_int_equal(take(&h, other, strlen(other), "*", true).status, 404);
}

static void a_page_that_may_not_connect_is_told_what_to_set(void **state)
{
    struct metrics *m = &metrics;
    struct handshake h = {NULL};
    struct strbuf out = {NULL, 0, 0};
    struct handshake_verdict v;

    (void)state;
    log_max = LOG_SILENT;
    v = take(&h, request, strlen(request), "https://b.example", false);
    assert_int_equal(v.status, 403);
    handshake_print_refusal(&out, v.status, &v.req, m);
    strbuf_add_char(&out, '\0');
    assert_non_null(strstr(out.data, "HTTP/1.1 403 Forbidden\r\n"));
    assert_non_null(strstr(out.data, "Origin \"https://a.example\" may not connect"));
    assert_non_null(strstr(out.data, "ROOMCAST_ALLOWED_ORIGINS"));
    assert_int_equal(metric_read(&m->refused_upgrades_total[UPGRADE_403]), 1);
    strbuf_deinit(&out);
}

static void a_refusal_without_a_request_says_what_fits_its_status(void **state)
{
    struct strbuf out = {NULL, 0, 0};

    (void)state;
    handshake_print_refusal(&out, 408, NULL, &metrics);
    strbuf_add_char(&out, '\0');
    assert_non_null(strstr(out.data, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(out.data, "The handshake took too long."));
    strbuf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_at_once_is_accepted_and_nothing_is_copied),
        cmocka_unit_test(a_request_in_pieces_is_accepted_with_what_comes_behind_it),
        cmocka_unit_test(a_proxy_header_comes_first_and_the_bytes_behind_it_count),
        cmocka_unit_test(what_begins_otherwise_where_a_proxy_header_must_is_dropped),
        cmocka_unit_test(a_full_gateway_says_503_to_a_good_request),
        cmocka_unit_test(a_page_that_may_not_connect_is_told_what_to_set),
        cmocka_unit_test(a_refusal_without_a_request_says_what_fits_its_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
