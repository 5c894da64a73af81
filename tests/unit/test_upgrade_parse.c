/* test_upgrade_parse.c - the one request that becomes a WebSocket, and every other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/upgrade.h"

#define LINE "GET /ws HTTP/1.1\r\n"
#define HOST "Host: 127.0.0.1:9001\r\n"
#define UP "Upgrade: websocket\r\n"
#define CONN "Connection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define REST HOST UP CONN KEY VERSION
#define END "\r\n"

static const struct request {
    const char *name;
    const char *bytes;
    int verdict;
} requests[] = {
    {"plain", LINE REST END, 101},
    {"a query string", "GET /ws?room=a%20b&x=/ws HTTP/1.1\r\n" REST END, 101},
    {"an empty query string", "GET /ws? HTTP/1.1\r\n" REST END, 101},
    {"a token in the query", "GET /ws?token=a.b.c HTTP/1.1\r\n" REST END, 400},
    {"a token behind another", "GET /ws?a=b&JWT=x HTTP/1.1\r\n" REST END, 400},
    {"an access token", "GET /ws?access_token= HTTP/1.1\r\n" REST END, 400},
    {"a token without a value", "GET /ws?a=1&jwt HTTP/1.1\r\n" REST END, 400},
    {"an encoded token", "GET /ws?to%6Ben=x HTTP/1.1\r\n" REST END, 400},
    {"what only looks like one", "GET /ws?a=token=b&tokens=x HTTP/1.1\r\n" REST END,
     101},
    {"a token", LINE REST "Authorization: Bearer a.b.c\r\n" END, 101},
    {"a token in any case", LINE REST "authorization:bearer  a.b.c \r\n" END, 101},
    {"another scheme", LINE REST "Authorization: Basic YTpi\r\n" END, 101},
    {"two tokens",
     LINE REST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n" END, 400},
    {"a token behind another scheme",
     LINE REST "Authorization: Basic YTpi\r\nauthorization: Bearer b\r\n" END, 400},
    {"another scheme behind a token",
     LINE REST "Authorization: Bearer b\r\nAuthorization: Basic YTpi\r\n" END, 400},
    {"a token and an empty line",
     LINE REST "Authorization: Bearer b\r\nAuthorization:\r\n" END, 400},
    {"names in any case",
     LINE "hOST: a\r\nuPGRADE: WebSocket\r\nconnection: UPGRADE\r\n"
          "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "SEC-WEBSOCKET-VERSION: 13\r\n" END,
     101},
    {"no space behind the colon",
     LINE "Host:a\r\nUpgrade:websocket\r\nConnection:upgrade\r\n"
          "Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Sec-WebSocket-Version:13\r\n" END,
     101},
    {"white space round values",
     LINE "Host: \t a \t\r\nUpgrade:  websocket  \r\nConnection:\tUpgrade\t\r\n"
          "Sec-WebSocket-Key:   dGhlIHNhbXBsZSBub25jZQ==   \r\n"
          "Sec-WebSocket-Version:  13 \r\n" END,
     101},
    {"Connection as a list",
     LINE HOST UP KEY VERSION "Connection: keep-alive, Upgrade\r\n" END, 101},
    {"Connection as a list without spaces",
     LINE HOST UP KEY VERSION "Connection: keep-alive,,upgrade,x\r\n" END, 101},
    {"Connection twice", LINE REST "Connection: keep-alive\r\n" END, 101},
    {"Connection twice, the second counts",
     LINE HOST UP KEY VERSION "Connection: keep-alive\r\n" CONN END, 101},
    {"Upgrade as a list", LINE HOST CONN KEY VERSION "Upgrade: h2c, websocket\r\n" END,
     101},
    {"Upgrade twice", LINE REST "Upgrade: h2c\r\n" END, 101},
    {"an IPv6 host", LINE UP CONN KEY VERSION "Host: [::1]:9001\r\n" END, 101},
    {"a header with obs-text", LINE REST "X-Name: J\xf6rg\r\n" END, 101},
    {"a header without a value", LINE REST "X-Empty:\r\n" END, 101},
    {"a header with a strange token", LINE REST "!#$%&'*+-.^_`|~09: x\r\n" END, 101},
    {"an absolute target", "GET http://a/ws?x=1 HTTP/1.1\r\n" REST END, 101},
    {"an absolute target over TLS", "GET HTTPS://a:8443/ws HTTP/1.1\r\n" REST END, 101},
    {"an absolute target without Host",
     "GET http://a/ws HTTP/1.1\r\n" UP CONN KEY VERSION END, 400},
    {"an absolute target without a path", "GET http://a HTTP/1.1\r\n" REST END, 404},
    {"an absolute target with another path", "GET http://a/x HTTP/1.1\r\n" REST END,
     404},
    {"an absolute target without a host", "GET http:///ws HTTP/1.1\r\n" REST END, 400},
    {"an absolute target with a user", "GET http://u@a/ws HTTP/1.1\r\n" REST END, 400},
    {"an absolute target of another scheme", "GET ftp://a/ws HTTP/1.1\r\n" REST END,
     404},
    {"an unknown header twice", LINE REST "Cookie: a\r\nCookie: b\r\n" END, 101},
    {"extensions are not taken up",
     LINE REST "Sec-WebSocket-Extensions: permessage-deflate\r\n" END, 101},
    {"a body of no bytes", LINE REST "Content-Length: 0\r\n" END, 101},
    {"a key that is not in its shortest form",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n" END,
     101},

    {"a first byte that is no HTTP", "\x16", 400},
    {"a control byte first", "\x01", 400},
    {"an empty line first", "\r\n" LINE REST END, 400},
    {"a space first", " " LINE REST END, 400},
    {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
    {"HTTP/1.0", "GET /ws HTTP/1.0\r\n" REST END, 400},
    {"HTTP/1.2", "GET /ws HTTP/1.2", 400},
    {"HTTP/2", "GET /ws HTTP/2", 400},
    {"HTTP/0.9", "GET /ws\r\n", 400},
    {"http in lower case", "GET /ws http/1.1\r\n", 400},
    {"two spaces before the target", "GET  /ws HTTP/1.1\r\n" REST END, 400},
    {"two spaces behind the target", "GET /ws  HTTP/1.1\r\n" REST END, 400},
    {"a tab behind the method", "GET\t/ws HTTP/1.1\r\n" REST END, 400},
    {"a space at the end of the line", "GET /ws HTTP/1.1 \r\n" REST END, 400},
    {"a control byte in the target", "GET /w\x01s HTTP/1.1\r\n" REST END, 400},
    {"a byte beyond ASCII in the target", "GET /w\xc3\xa4 HTTP/1.1\r\n" REST END, 400},
    {"a method that is no token", "G(T /ws HTTP/1.1\r\n" REST END, 400},
    {"a bare LF behind the request line", "GET /ws HTTP/1.1\n" REST END, 400},
    {"a bare CR behind the request line", "GET /ws HTTP/1.1\r" REST END, 400},
    {"a bare LF behind a header", LINE "Host: a\n" UP CONN KEY VERSION END, 400},
    {"a bare CR in a value", LINE REST "X: a\rb\r\n" END, 400},
    {"a bare LF at the end", LINE REST "\n", 400},
    {"a bare CR at the end", LINE REST "\rx", 400},
    {"a folded header", LINE REST "X: a\r\n b\r\n" END, 400},
    {"a folded header with a tab", LINE REST "X: a\r\n\tb\r\n" END, 400},
    {"a folded first header", LINE " X: a\r\n" REST END, 400},
    {"a space before the colon", LINE REST "X : a\r\n" END, 400},
    {"a name without a colon", LINE REST "X\r\n" END, 400},
    {"a header without a name", LINE REST ": a\r\n" END, 400},
    {"a name that is no token", LINE REST "X(: a\r\n" END, 400},
    {"a name beyond ASCII", LINE REST "X\xc3\xa4: a\r\n" END, 400},
    {"a control byte in a value", LINE REST "X: a\x01", 400},
    {"a DEL in a value", LINE REST "X: a\x7f", 400},
    {"a body", LINE REST "Content-Length: 5\r\n" END "hello", 400},
    {"a body of a strange length", LINE REST "Content-Length: -0\r\n" END, 400},
    {"a body without a length", LINE REST "Content-Length:\r\n" END, 400},
    {"a chunked body", LINE REST "Transfer-Encoding: chunked\r\n" END "0\r\n\r\n", 400},
    {"no Host", LINE UP CONN KEY VERSION END, 400},
    {"two Hosts", LINE REST HOST END, 400},
    {"an empty Host", LINE "Host:\r\n" UP CONN KEY VERSION END, 400},
    {"a Host that is a list", LINE "Host: a, b\r\n" UP CONN KEY VERSION END, 400},
    {"a Host with a path", LINE "Host: a/b\r\n" UP CONN KEY VERSION END, 400},
    {"no key", LINE HOST UP CONN VERSION END, 400},
    {"two keys", LINE REST KEY END, 400},
    {"an empty key", LINE HOST UP CONN VERSION "Sec-WebSocket-Key:\r\n" END, 400},
    {"a key of 15 bytes",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n" END, 400},
    {"a key of 17 bytes",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n" END,
     400},
    {"a key of 18 bytes",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" END,
     400},
    {"a key without its padding",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n" END,
     400},
    {"a key that is not base64",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBs-SBub25jZQ==\r\n" END,
     400},
    {"a key with padding inside",
     LINE HOST UP CONN VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n" END,
     400},
    {"two versions", LINE REST VERSION END, 400},
    {"two versions, the other wrong", LINE REST "Sec-WebSocket-Version: 8\r\n" END,
     400},
    {"two origins", LINE REST "Origin: a\r\nOrigin: a\r\n" END, 400},

    {"another path", "GET / HTTP/1.1\r\n" REST END, 404},
    {"a longer path", "GET /ws/ HTTP/1.1\r\n" REST END, 404},
    {"a path that begins alike", "GET /wsx HTTP/1.1\r\n" REST END, 404},
    {"a path in capitals", "GET /WS HTTP/1.1\r\n" REST END, 404},
    {"a path in disguise", "GET /%77s HTTP/1.1\r\n" REST END, 404},
    {"no path", "OPTIONS * HTTP/1.1\r\n" REST END, 404},
    {"another method elsewhere", "POST /x HTTP/1.1\r\n" REST END, 404},
    {"POST", "POST /ws HTTP/1.1\r\n" REST END, 405},
    {"HEAD", "HEAD /ws HTTP/1.1\r\n" REST END, 405},
    {"get in lower case", "get /ws HTTP/1.1\r\n" REST END, 405},
    {"an unknown method", "BREW /ws HTTP/1.1\r\n" REST END, 405},
    {"POST with a body", "POST /ws HTTP/1.1\r\n" HOST "Content-Length: 5\r\n" END, 405},

    {"an ordinary GET", LINE HOST END, 426},
    {"no Upgrade", LINE HOST CONN KEY VERSION END, 426},
    {"an Upgrade to something else", LINE HOST CONN KEY VERSION "Upgrade: h2c\r\n" END,
     426},
    {"an Upgrade that begins alike",
     LINE HOST CONN KEY VERSION "Upgrade: websocket2\r\n" END, 426},
    {"no Connection", LINE HOST UP KEY VERSION END, 426},
    {"a Connection that does not upgrade",
     LINE HOST UP KEY VERSION "Connection: keep-alive\r\n" END, 426},
    {"no version", LINE HOST UP CONN KEY END, 426},
    {"an empty version", LINE HOST UP CONN KEY "Sec-WebSocket-Version:\r\n" END, 426},
    {"version 8", LINE HOST UP CONN KEY "Sec-WebSocket-Version: 8\r\n" END, 426},
    {"version 013", LINE HOST UP CONN KEY "Sec-WebSocket-Version: 013\r\n" END, 426},
    {"version 13, 8", LINE HOST UP CONN KEY "Sec-WebSocket-Version: 13, 8\r\n" END,
     426},
};

enum { N_REQUESTS = sizeof(requests) / sizeof(requests[0]) };

static const char sample[] =
    LINE REST "Origin: http://example.com\r\n"
              "Sec-WebSocket-Protocol: chat, roomcast.v1\r\n" END;

/* Parses a copy that ends where its memory ends, so that a sanitizer sees a step
 * too far. The request's texts are not to be looked at afterwards. */
static int parse_copy(const char *bytes, size_t len, struct upgrade_request *out,
                      size_t *used)
{
    char *copy = malloc(len ? len : 1);
    int verdict;

    memcpy(copy, bytes, len);
    verdict = upgrade_parse(copy, len, out, used);
    free(copy);
    return verdict;
}

static void each_request_gets_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_REQUESTS; i++) {
        struct upgrade_request req;
        size_t used = 0, len = strlen(requests[i].bytes);
        int verdict = parse_copy(requests[i].bytes, len, &req, &used);

        if (verdict != requests[i].verdict)
            print_message("  %s\n", requests[i].name);
        assert_int_equal(verdict, requests[i].verdict);
        if (verdict == 101)
            assert_int_equal(used, len);
    }
}

static void a_verdict_stands_once_it_is_given(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_REQUESTS; i++) {
        struct upgrade_request req;
        size_t used, len = strlen(requests[i].bytes);
        int first = 0;

        for (size_t n = 0; n <= len; n++) {
            int verdict = parse_copy(requests[i].bytes, n, &req, &used);

            if (first && verdict != first)
                print_message("  %s\n", requests[i].name);
            assert_true(!first || verdict == first);
            first = verdict;
        }
        assert_int_equal(first, requests[i].verdict);
    }
}

static void every_part_of_a_valid_request_waits_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_REQUESTS; i++) {
        struct upgrade_request req;
        size_t used, len = strlen(requests[i].bytes);

        if (requests[i].verdict != 101)
            continue;
        for (size_t n = 0; n < len; n++)
            assert_int_equal(parse_copy(requests[i].bytes, n, &req, &used), 0);
    }
}

static void what_follows_the_request_is_left_alone(void **state)
{
    char bytes[sizeof(sample) + 2];
    struct upgrade_request req;
    size_t used = 0;

    (void)state;
    memcpy(bytes, sample, sizeof(sample) - 1);
    memcpy(bytes + sizeof(sample) - 1, "\x81\x80\0", 3);
    assert_int_equal(upgrade_parse(bytes, sizeof(bytes), &req, &used), 101);
    assert_int_equal(used, sizeof(sample) - 1);
}

static void a_nul_is_refused_everywhere(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(sample) - 1; at++) {
        char bytes[sizeof(sample)];
        struct upgrade_request req;
        size_t used;

        memcpy(bytes, sample, sizeof(sample));
        bytes[at] = '\0';
        assert_int_equal(upgrade_parse(bytes, at + 1, &req, &used), 400);
    }
}

static void the_parts_of_a_request_are_found(void **state)
{
    struct upgrade_request req;
    size_t used = 0;

    (void)state;
    assert_int_equal(upgrade_parse(sample, sizeof(sample) - 1, &req, &used), 101);
    assert_int_equal(req.key.len, 24);
    assert_memory_equal(req.key.base, "dGhlIHNhbXBsZSBub25jZQ==", 24);
    assert_int_equal(req.origin.len, 18);
    assert_memory_equal(req.origin.base, "http://example.com", 18);
    assert_true(req.wants_v1);
}

static void the_host_of_an_absolute_target_counts_more_than_host(void **state)
{
    static const char *const starts[] = {LINE, "GET http://b:1/ws HTTP/1.1\r\n"};
    static const char *const hosts[] = {"127.0.0.1:9001", "b:1"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct upgrade_request req;
        char bytes[1024];
        size_t used = 0;
        int len = snprintf(bytes, sizeof(bytes), "%s" REST END, starts[i]);

        assert_int_equal(upgrade_parse(bytes, (size_t)len, &req, &used), 101);
        assert_int_equal(req.host.len, strlen(hosts[i]));
        assert_memory_equal(req.host.base, hosts[i], strlen(hosts[i]));
    }
}

static void cookies_of_32_kib_are_no_matter(void **state)
{
    struct strbuf out = {0};
    struct upgrade_request req;
    size_t used = 0;

    (void)state;
    strbuf_add_text(&out, LINE REST "Cookie: ");
    for (int i = 0; i < 32 * 1024; i++)
        strbuf_add_char(&out, 'c');
    strbuf_add_text(&out, "\r\n" END);
    assert_int_equal(upgrade_parse(out.data, out.len, &req, &used), 101);
    assert_int_equal(used, out.len);
    strbuf_deinit(&out);
}

static void a_hundred_headers_are_taken_and_more_are_not(void **state)
{
    struct upgrade_request req;
    size_t used = 0;

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct strbuf out = {0};

        strbuf_add_text(&out, LINE REST);
        for (int i = 5; i < UPGRADE_MAX_HEADERS + extra; i++)
            strbuf_add_text(&out, "a:\r\n");
        strbuf_add_text(&out, END);
        assert_int_equal(upgrade_parse(out.data, out.len, &req, &used),
                         extra ? 431 : 101);
        strbuf_deinit(&out);
    }
}

static void the_protocol_is_found_only_as_a_whole_element(void **state)
{
    static const struct {
        const char *headers;
        bool wants_v1;
    } offers[] = {
        {"", false},
        {"Sec-WebSocket-Protocol: roomcast.v1\r\n", true},
        {"Sec-WebSocket-Protocol: a,roomcast.v1 ,b\r\n", true},
        {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: roomcast.v1\r\n", true},
        {"Sec-WebSocket-Protocol: roomcast.v1\r\nSec-WebSocket-Protocol: a\r\n", true},
        {"Sec-WebSocket-Protocol: roomcast.v10\r\n", false},
        {"Sec-WebSocket-Protocol: xroomcast.v1\r\n", false},
        {"Sec-WebSocket-Protocol: Roomcast.V1\r\n", false},
        {"Sec-WebSocket-Protocol: roomcast.v1 x\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        char bytes[1024];
        struct upgrade_request req;
        size_t used;
        int len = snprintf(bytes, sizeof(bytes), LINE REST "%s" END, offers[i].headers);

        assert_int_equal(upgrade_parse(bytes, (size_t)len, &req, &used), 101);
        assert_true(req.wants_v1 == offers[i].wants_v1);
    }
}

/* A request of exactly `len` bytes, filled up with a long header; free() it. */
static char *new_request_of(size_t len)
{
    static const char head[] = LINE REST "X-Filler: ";
    char *bytes = malloc(len + 1);

    memset(bytes, 'x', len);
    memcpy(bytes, head, sizeof(head) - 1);
    memcpy(bytes + len - 4, "\r\n\r\n", 5);
    return bytes;
}

static void the_longest_request_is_taken_and_a_longer_one_is_not(void **state)
{
    struct upgrade_request req;
    size_t used = 0;
    char *fits = new_request_of(UPGRADE_MAX_BYTES);
    char *longer = new_request_of(UPGRADE_MAX_BYTES + 1);

    (void)state;
    assert_int_equal(upgrade_parse(fits, UPGRADE_MAX_BYTES - 1, &req, &used), 0);
    assert_int_equal(upgrade_parse(fits, UPGRADE_MAX_BYTES, &req, &used), 101);
    assert_int_equal(used, UPGRADE_MAX_BYTES);
    assert_int_equal(upgrade_parse(longer, UPGRADE_MAX_BYTES, &req, &used), 431);
    assert_int_equal(upgrade_parse(longer, UPGRADE_MAX_BYTES + 1, &req, &used), 431);
    free(fits);
    free(longer);
}

static void endless_parts_are_refused(void **state)
{
    static const char *const starts[] = {"", "GET /", LINE "X", LINE "X: "};

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        char bytes[UPGRADE_MAX_BYTES];
        struct upgrade_request req;
        size_t used;

        memset(bytes, 'x', sizeof(bytes));
        memcpy(bytes, starts[i], strlen(starts[i]));
        assert_int_equal(upgrade_parse(bytes, sizeof(bytes) - 1, &req, &used), 0);
        assert_int_equal(upgrade_parse(bytes, sizeof(bytes), &req, &used), 431);
    }
}

static void the_answer_to_the_sample_key_is_that_of_the_rfc(void **state)
{
    struct upgrade_request req = {.key = {"dGhlIHNhbXBsZSBub25jZQ==", 24}};
    struct strbuf out = {0};

    (void)state;
    upgrade_print_accept(&out, &req);
    assert_string_equal(out.data,
                        "HTTP/1.1 101 Switching Protocols\r\n"
                        "Upgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                        "\r\n");
    strbuf_deinit(&out);
}

static void the_protocol_is_answered_when_offered(void **state)
{
    struct upgrade_request req;
    struct strbuf out = {0};
    size_t used;

    (void)state;
    assert_int_equal(upgrade_parse(sample, sizeof(sample) - 1, &req, &used), 101);
    upgrade_print_accept(&out, &req);
    assert_non_null(
        strstr(out.data, "xOo=\r\nSec-WebSocket-Protocol: roomcast.v1\r\n\r\n"));
    strbuf_deinit(&out);
}

static void each_refusal_is_a_whole_answer(void **state)
{
    static const struct {
        int status;
        const char *start;
        const char *header;
    } answers[] = {
        {400, "HTTP/1.1 400 Bad Request\r\n", "\r\nConnection: close\r\n"},
        {403, "HTTP/1.1 403 Forbidden\r\n", "\r\nConnection: close\r\n"},
        {404, "HTTP/1.1 404 Not Found\r\n", "\r\nConnection: close\r\n"},
        {405, "HTTP/1.1 405 Method Not Allowed\r\n", "\r\nAllow: GET\r\n"},
        {408, "HTTP/1.1 408 Request Timeout\r\n", "\r\nConnection: close\r\n"},
        {426, "HTTP/1.1 426 Upgrade Required\r\n", "\r\nSec-WebSocket-Version: 13\r\n"},
        {426, "HTTP/1.1 426 Upgrade Required\r\n", "\r\nUpgrade: websocket\r\n"},
        {431, "HTTP/1.1 431 ", "\r\nConnection: close\r\n"},
        {503, "HTTP/1.1 503 Service Unavailable\r\n", "\r\nRetry-After: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct strbuf out = {0};
        const char *body, *length;

        upgrade_print_refusal(&out, answers[i].status, NULL);
        assert_memory_equal(out.data, answers[i].start, strlen(answers[i].start));
        assert_non_null(strstr(out.data, answers[i].header));
        assert_non_null(strstr(out.data, "\r\nConnection: close"));
        body = strstr(out.data, "\r\n\r\n");
        length = strstr(out.data, "\r\nContent-Length: ");
        assert_non_null(body);
        assert_non_null(length);
        assert_int_equal(strtol(length + 18, NULL, 10), strlen(body + 4));
        strbuf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_gets_its_verdict),
        cmocka_unit_test(a_verdict_stands_once_it_is_given),
        cmocka_unit_test(every_part_of_a_valid_request_waits_for_more),
        cmocka_unit_test(what_follows_the_request_is_left_alone),
        cmocka_unit_test(a_nul_is_refused_everywhere),
        cmocka_unit_test(the_parts_of_a_request_are_found),
        cmocka_unit_test(the_protocol_is_found_only_as_a_whole_element),
        cmocka_unit_test(the_longest_request_is_taken_and_a_longer_one_is_not),
        cmocka_unit_test(endless_parts_are_refused),
        cmocka_unit_test(the_host_of_an_absolute_target_counts_more_than_host),
        cmocka_unit_test(cookies_of_32_kib_are_no_matter),
        cmocka_unit_test(a_hundred_headers_are_taken_and_more_are_not),
        cmocka_unit_test(the_answer_to_the_sample_key_is_that_of_the_rfc),
        cmocka_unit_test(the_protocol_is_answered_when_offered),
        cmocka_unit_test(each_refusal_is_a_whole_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
