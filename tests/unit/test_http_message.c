/* test_http_message.c - requests to the letter of RFC 9112, fed whole, byte by byte, and
 * several in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/http_message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST /x HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

enum { BODY_MAX = 64 };

static const struct {
    const char *what, *bytes, *out;
} taken[] = {
    {"a plain one", GET HOST "\r\n", GET HOST "\r\n"},
    {"an empty line before it", "\r\n" GET HOST "\r\n", GET HOST "\r\n"},
    {"headers in any case", GET "hOST: a\r\nX-y:z\r\n\r\n",
     GET "X-y: z\r\n" HOST "\r\n"},
    {"an Authorization", GET HOST "aUTHORIZATION:  Bearer a \r\n\r\n",
     GET "Authorization: Bearer a\r\n" HOST "\r\n"},
    {"white space round a value", GET "Host:\t a \r\nX:\r\n\r\n",
     GET "X: \r\n" HOST "\r\n"},
    {"bytes that are not ASCII", GET HOST "X: \xff\r\n\r\n",
     GET "X: \xff\r\n" HOST "\r\n"},
    {"a Host with a port", GET "Host: a.b-c:65535\r\n\r\n",
     GET "Host: a.b-c:65535\r\n\r\n"},
    {"a Host with an empty port", GET "Host: a:\r\n\r\n", GET "Host: a:\r\n\r\n"},
    {"an IPv6 Host", GET "Host: [fe80::1%25eth0]:1\r\n\r\n",
     GET "Host: [fe80::1%25eth0]:1\r\n\r\n"},
    {"a percent-encoded Host", GET "Host: a%2Db\r\n\r\n", GET "Host: a%2Db\r\n\r\n"},
    {"an empty Host", GET "Host:\r\n\r\n", GET "Host: \r\n\r\n"},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"},
    {"a later minor version", "GET / HTTP/1.9\r\n" HOST "\r\n", GET HOST "\r\n"},
    {"a length", POST HOST "Content-Length: 2\r\n\r\nhi",
     POST HOST "Content-Length: 2\r\n\r\nhi"},
    {"a length of 0", POST HOST "Content-Length: 0\r\n\r\n",
     POST HOST "Content-Length: 0\r\n\r\n"},
    {"a length with zeros in front", POST HOST "Content-Length: 0002\r\n\r\nhi",
     POST HOST "Content-Length: 2\r\n\r\nhi"},
    {"chunks", POST HOST CHUNKED "\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
     POST HOST "Content-Length: 3\r\n\r\nhi!"},
    {"no chunk", POST HOST CHUNKED "\r\n0\r\n\r\n",
     POST HOST "Content-Length: 0\r\n\r\n"},
    {"chunks in hex", POST HOST CHUNKED "\r\n00C\r\n123456789012\r\n0\r\n\r\n",
     POST HOST "Content-Length: 12\r\n\r\n123456789012"},
    {"extensions of a chunk", POST HOST CHUNKED "\r\n1;a=\"b c\"\r\n!\r\n0 ; x\r\n\r\n",
     POST HOST "Content-Length: 1\r\n\r\n!"},
    {"trailers", POST HOST CHUNKED "\r\n0\r\nContent-Length: 7\r\nX: y\r\n\r\n",
     POST HOST "Content-Length: 0\r\n\r\n"},
    {"CHUNKED", POST HOST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
     POST HOST "Content-Length: 0\r\n\r\n"},
    {"an address as the target", "GET http://b:8/p?q HTTP/1.1\r\n" HOST "\r\n",
     "GET /p?q HTTP/1.1\r\nHost: b:8\r\n\r\n"},
    {"an address without a path", "GET HTTP://b HTTP/1.1\r\n" HOST "\r\n",
     GET "Host: b\r\n\r\n"},
    {"an address without a path, with a query",
     "GET http://b?q HTTP/1.1\r\n" HOST "\r\n", "GET /?q HTTP/1.1\r\nHost: b\r\n\r\n"},
    {"a star", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
     "OPTIONS / HTTP/1.1\r\n" HOST "\r\n"},
};

static const struct {
    const char *what, *bytes;
    int status;
} refused[] = {
    {"no Host", GET "\r\n", 400},
    {"two Hosts", GET HOST HOST "\r\n", 400},
    {"two Authorizations",
     GET HOST "Authorization: Bearer a\r\naUTHORIZATION: Bearer a\r\n\r\n", 400},
    {"an Authorization and an empty one",
     GET HOST "Authorization: Bearer a\r\nAuthorization:\r\n\r\n", 400},
    {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
    {"a port that is none", GET "Host: a:xx\r\n\r\n", 400},
    {"a port too large", GET "Host: a:65536\r\n\r\n", 400},
    {"two ports", GET "Host: a:1:2\r\n\r\n", 400},
    {"an open bracket", GET "Host: [::1\r\n\r\n", 400},
    {"a closed bracket", GET "Host: ::1]\r\n\r\n", 400},
    {"something behind the bracket", GET "Host: [::1]x\r\n\r\n", 400},
    {"a Host that is not percent-encoded", GET "Host: %zz\r\n\r\n", 400},
    {"an address with a port that is none", "GET http://a:zz/ HTTP/1.1\r\n" HOST "\r\n",
     400},
    {"a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a target that is not ASCII", "GET /\xff HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a Host with a path", GET "Host: a/b\r\n\r\n", 400},
    {"a Host with a user", GET "Host: u@a\r\n\r\n", 400},
    {"an address without Host", "GET http://b/ HTTP/1.1\r\n\r\n", 400},
    {"an address without a host", "GET http:///p HTTP/1.1\r\n" HOST "\r\n", 400},
    {"an address of another scheme", "GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a tunnel", "CONNECT b:22 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a star that is no OPTIONS", "GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"two lengths", POST HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 400},
    {"two unlike lengths", POST HOST "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
     400},
    {"a list of lengths", POST HOST "Content-Length: 2, 2\r\n\r\nhi", 400},
    {"a length that is none", POST HOST "Content-Length: 2x\r\n\r\nhi", 400},
    {"a length with a sign", POST HOST "Content-Length: +2\r\n\r\nhi", 400},
    {"a negative length", POST HOST "Content-Length: -1\r\n\r\nhi", 400},
    {"a length in hex", POST HOST "Content-Length: 0x2\r\n\r\nhi", 400},
    {"an empty length", POST HOST "Content-Length:\r\n\r\n", 400},
    {"a length beside an encoding",
     POST HOST "Content-Length: 2\r\n" CHUNKED "\r\n0\r\n\r\n", 400},
    {"an encoding beside a length",
     POST HOST CHUNKED "Content-Length: 2\r\n\r\n0\r\n\r\n", 400},
    {"identity", POST HOST "Transfer-Encoding: identity\r\n\r\n", 400},
    {"identity, chunked",
     POST HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunked, identity",
     POST HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
    {"gzip, chunked", POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     400},
    {"chunked twice", POST HOST CHUNKED CHUNKED "\r\n0\r\n\r\n", 400},
    {"xchunked", POST HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
    {"chunked with a control",
     POST HOST "Transfer-Encoding: \x0b"
               "chunked\r\n\r\n",
     400},
    {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\n" HOST CHUNKED "\r\n0\r\n\r\n", 400},
    {"a chunk of 0xc", POST HOST CHUNKED "\r\n0xc\r\n123456789012\r\n0\r\n\r\n", 400},
    {"a chunk without a size", POST HOST CHUNKED "\r\n\r\n", 400},
    {"a chunk with a sign", POST HOST CHUNKED "\r\n+1\r\n!\r\n0\r\n\r\n", 400},
    {"a chunk with a space before its size", POST HOST CHUNKED "\r\n 1\r\n!\r\n", 400},
    {"a chunk with a space behind its size", POST HOST CHUNKED "\r\n1 \r\n!\r\n", 400},
    {"a chunk with a bare LF", POST HOST CHUNKED "\r\n1\n!\r\n0\r\n\r\n", 400},
    {"a chunk that is too long", POST HOST CHUNKED "\r\n1\r\n!!\r\n0\r\n\r\n", 400},
    {"a chunk that ends in LF", POST HOST CHUNKED "\r\n1\r\n!\n0\r\n\r\n", 400},
    {"an extension with a control", POST HOST CHUNKED "\r\n1;\x01\r\n!\r\n", 400},
    {"a trailer without a colon", POST HOST CHUNKED "\r\n0\r\nx\r\n\r\n", 400},
    {"a trailer with a bare LF", POST HOST CHUNKED "\r\n0\r\nx: y\n\r\n", 400},
    {"a bare LF behind the request line", "GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"a bare LF behind a header", GET "Host: a\n\r\n", 400},
    {"a bare LF at the end", GET HOST "\n", 400},
    {"a bare CR in a header", GET HOST "X: a\rb\r\n\r\n", 400},
    {"a bare CR at the end", GET HOST "\r\r\n", 400},
    {"a NUL in a header", GET HOST "X: a\x01\r\n\r\n", 400},
    {"a folded header", GET HOST "X: a\r\n b\r\n\r\n", 400},
    {"a header before the first", GET " X: a\r\n" HOST "\r\n", 400},
    {"a space before the colon", GET "Host : a\r\n\r\n", 400},
    {"a header without a name", GET HOST ": a\r\n\r\n", 400},
    {"a header without a colon", GET "Host a\r\n\r\n", 400},
    {"a request line of one word", "GET\r\n", 400},
    {"a request line of two words", "GET /\r\n", 400},
    {"a request line of four words", "GET / / HTTP/1.1\r\n", 400},
    {"two spaces in the request line", "GET  / HTTP/1.1\r\n", 400},
    {"a space before the method", " GET / HTTP/1.1\r\n", 400},
    {"a tab in the request line", "GET\t/ HTTP/1.1\r\n", 400},
    {"no HTTP", "GET / HTTX/1.1\r\n", 400},
    {"a small http", "GET / http/1.1\r\n", 400},
    {"a version of two digits", "GET / HTTP/1.10\r\n", 400},
    {"HTTP/2", "PRI * HTTP/2.0\r\n", 505},
    {"HTTP/0.9", "GET / HTTP/0.9\r\n", 505},
    {"a body over the limit", POST HOST "Content-Length: 65\r\n\r\n", 413},
    {"a length beyond 64 bits",
     POST HOST "Content-Length: 18446744073709551617\r\n\r\n", 413},
    {"a chunk over the limit", POST HOST CHUNKED "\r\n41\r\n", 413},
    {"a chunk beyond 64 bits", POST HOST CHUNKED "\r\n10000000000000001\r\n", 413},
    {"another expectation", POST HOST "Expect: cake\r\n\r\n", 417},
};

/* Feeds `len` bytes at once, each time; how many of them were taken. */
static size_t feed(struct http_message *m, const char *bytes, size_t step)
{
    size_t len = strlen(bytes), at = 0;

    while (at < len && m->state < HTTP_MESSAGE_WHOLE)
        at += http_message_feed(m, bytes + at, len - at < step ? len - at : step);
    return at;
}

static void right_requests_are_printed_in_the_plainest_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(taken); i++)
        for (size_t step = 1; step < 200; step += step < 4 ? 1 : 50) {
            struct http_message m = {.max_body_bytes = BODY_MAX};

            assert_int_equal(feed(&m, taken[i].bytes, step), strlen(taken[i].bytes));
            if (m.state != HTTP_MESSAGE_WHOLE)
                fail_msg("%s: state %d, %s", taken[i].what, m.state, m.why);
            assert_string_equal(m.out.data, taken[i].out);
            http_message_deinit(&m);
        }
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++)
        for (size_t step = 1; step < 200; step += step < 4 ? 1 : 50) {
            struct http_message m = {.max_body_bytes = BODY_MAX};

            feed(&m, refused[i].bytes, step);
            if (m.state != HTTP_MESSAGE_REFUSED || m.status != refused[i].status)
                fail_msg("%s: state %d, status %d", refused[i].what, m.state, m.status);
            assert_non_null(m.why);
            assert_int_equal(http_message_feed(&m, GET, sizeof(GET) - 1), 0);
            http_message_deinit(&m);
        }
}

/* What is printed reads as the same request, so nobody behind can take it for another. */
static void what_is_printed_is_a_right_request_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(taken); i++) {
        struct http_message m = {.max_body_bytes = BODY_MAX};

        feed(&m, taken[i].out, 1000);
        assert_int_equal(m.state, HTTP_MESSAGE_WHOLE);
        assert_string_equal(m.out.data, taken[i].out);
        http_message_deinit(&m);
    }
}

static void one_request_is_taken_at_a_time(void **state)
{
    static const char first[] = POST HOST CHUNKED "\r\n2\r\nhi\r\n0\r\n\r\n";
    static const char both[] =
        POST HOST CHUNKED "\r\n2\r\nhi\r\n0\r\n\r\n" GET HOST "\r\n";
    struct http_message m = {.max_body_bytes = BODY_MAX};
    size_t at = feed(&m, both, 1000);

    (void)state;
    assert_int_equal(at, strlen(first));
    http_message_next(&m);
    assert_int_equal(m.state, HTTP_MESSAGE_START);
    assert_int_equal(feed(&m, both + at, 1000), strlen(both) - at);
    assert_string_equal(m.out.data, GET HOST "\r\n");
    http_message_deinit(&m);
}

static void a_client_that_waits_for_100_is_known(void **state)
{
    struct http_message m = {.max_body_bytes = BODY_MAX};

    (void)state;
    feed(&m, POST HOST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n", 1000);
    assert_int_equal(m.state, HTTP_MESSAGE_BODY);
    assert_true(m.wants_continue);
    feed(&m, "hi", 1);
    assert_string_equal(m.out.data, POST HOST "Content-Length: 2\r\n\r\nhi");
    http_message_deinit(&m);
}

static int status_of_long(const char *head, const char *filler, size_t count,
                          const char *tail)
{
    struct http_message m = {.max_body_bytes = BODY_MAX};
    struct strbuf out = {0};
    int status;

    strbuf_add_text(&out, head);
    for (size_t i = 0; i < count; i++)
        strbuf_add_text(&out, filler);
    strbuf_add_text(&out, tail);
    feed(&m, out.data, 1000);
    status = m.state == HTTP_MESSAGE_WHOLE ? 200 : m.status;
    strbuf_deinit(&out);
    http_message_deinit(&m);
    return status;
}

static void the_head_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(status_of_long(GET HOST "Cookie: ", "c", 32 * 1024, "\r\n\r\n"),
                     200);
    assert_int_equal(status_of_long(GET HOST "X: ", "c", 40 * 1024, "\r\n\r\n"), 431);
    assert_int_equal(status_of_long("GET /", "c", 40 * 1024, ""), 431);
    assert_int_equal(status_of_long("", "\r\n", 40 * 1024, ""), 431);
    assert_int_equal(
        status_of_long(GET HOST, "X: y\r\n", HTTP_MESSAGE_HEADERS - 1, "\r\n"), 200);
    assert_int_equal(status_of_long(GET HOST, "X: y\r\n", HTTP_MESSAGE_HEADERS, "\r\n"),
                     431);
    assert_int_equal(
        status_of_long(POST HOST CHUNKED "\r\n0\r\n", "X: y\r\n", 10000, ""), 431);
    assert_int_equal(status_of_long(POST HOST CHUNKED "\r\n1;", "x", 40 * 1024, ""),
                     431);
    /* A byte a chunk: the body's limit holds, and so does that of the lines. */
    assert_int_equal(
        status_of_long(POST HOST CHUNKED "\r\n", "1\r\n!\r\n", BODY_MAX, "0\r\n\r\n"),
        200);
    assert_int_equal(
        status_of_long(POST HOST CHUNKED "\r\n", "1\r\n!\r\n", BODY_MAX + 1, ""), 413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_requests_are_printed_in_the_plainest_form),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(what_is_printed_is_a_right_request_itself),
        cmocka_unit_test(one_request_is_taken_at_a_time),
        cmocka_unit_test(a_client_that_waits_for_100_is_known),
        cmocka_unit_test(the_head_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
