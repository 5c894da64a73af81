/* test_arrival.c - whose connection it is by socket, PROXY header and X-Forwarded-For, and when it is
 * counted and refused. The test takes the place of the socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/log.h"
#include "gateway/arrival.h"

#define BALANCER "10.0.0.1"
#define STRANGER "198.51.100.7"
#define CLIENT "203.0.113.9"
#define OTHER "203.0.113.10"
#define PROXY(source) "PROXY TCP4 " source " 10.0.0.1 40000 9001\r\n"
#define REQUEST(lines)                                                                 \
    "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n"                   \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                              \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" lines "\r\n"
#define XFF(list) "X-Forwarded-For: " list "\r\n"

enum { DROPPED = HANDSHAKE_DROPPED };

static struct {
    struct config config;
    struct metrics metrics;
    struct address_limits limits;
    struct arrival_env env;
    const char *peer; /* NULL: it is gone */
} w;

/* One connection, as far as it has come. */
struct comer {
    struct arrival arrival;
    struct handshake handshake;
    uv_tcp_t socket;
};

int uv_tcp_getpeername(const uv_tcp_t *socket, struct sockaddr *name, int *len)
{
    struct sockaddr_in *v4 = (void *)name;

    (void)socket;
    assert_true(*len >= (int)sizeof(*v4));
    if (!w.peer)
        return UV_ENOTCONN;
    *v4 = (struct sockaddr_in){.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, w.peer, &v4->sin_addr), 1);
    return 0;
}

static void begin(const char *trusted, bool has_proxy_protocol, long connections_max)
{
    memset(&w, 0, sizeof(w));
    log_max = LOG_SILENT;
    w.config.allowed_origins = (char *)"*";
    w.config.proxy_protocol = has_proxy_protocol;
    w.config.address_connections_max = connections_max;
    if (trusted)
        assert_null(networks_parse(&w.config.trusted, trusted));
    address_limits_init(&w.limits, &w.config);
    w.env = (struct arrival_env){&w.config, &w.metrics, &w.limits};
}

static int finish(void **state)
{
    (void)state;
    networks_deinit(&w.config.trusted);
    address_limits_deinit(
        &w.limits); /* which asserts that nobody is counted any more */
    return 0;
}

static bool come(struct comer *comer, const char *peer)
{
    memset(comer, 0, sizeof(*comer));
    w.peer = peer;
    return arrival_begin(&comer->arrival, &w.env, &comer->socket);
}

static int say(struct comer *comer, const char *bytes)
{
    struct handshake_verdict verdict =
        handshake_take(&comer->handshake, bytes, strlen(bytes), &w.config, false);

    return arrival_check(&comer->arrival, &w.env, &comer->socket, &verdict);
}

static void go(struct comer *comer)
{
    handshake_deinit(&comer->handshake);
    arrival_end(&comer->arrival, &w.env);
    arrival_end(&comer->arrival, &w.env);
}

static unsigned refused(enum refused_connect why)
{
    return (unsigned)metric_read(&w.metrics.refused_connects_total[why]);
}

static unsigned ignored(void)
{
    return (unsigned)metric_read(&w.metrics.forwarded_ignored_total);
}

/* Each row comes while one connection of CLIENT, and so all that it may have, is there. 429: it is
 * CLIENT's, too; 101: it is another's. */
static const struct {
    const char *trusted;
    bool has_proxy_protocol;
    const char *peer, *bytes;
    int expected;
    unsigned ignored;
} cases[] = {
    /* the socket's own */
    {NULL, false, CLIENT, REQUEST(""), 429, 0},
    {NULL, false, OTHER, REQUEST(""), 101, 0},
    {NULL, false, OTHER, REQUEST(XFF(CLIENT)), 101, 1},
    {"10.0.0.0/8", false, CLIENT, REQUEST(XFF(OTHER)), 429, 0}, /* refused before */
    {"10.0.0.0/8", false, STRANGER, REQUEST(XFF(CLIENT)), 101, 1},
    /* a trusted balancer says */
    {"10.0.0.0/8", false, BALANCER, REQUEST(XFF(CLIENT)), 429, 0},
    {"10.0.0.0/8", false, BALANCER, REQUEST(XFF(OTHER)), 101, 0},
    {"10.0.0.0/8", false, BALANCER, REQUEST(XFF(OTHER ", " CLIENT)), 429, 0},
    {"10.0.0.0/8", false, BALANCER, REQUEST(XFF(CLIENT) XFF(OTHER ", 10.9.9.9")), 101,
     0},
    {"10.0.0.0/8", false, BALANCER, REQUEST(XFF(CLIENT ", junk")), 101, 0},
    {"10.0.0.0/8,203.0.113.9", false, BALANCER, REQUEST(XFF(OTHER ", " CLIENT)), 101,
     0},
    {"10.0.0.0/8", false, BALANCER, REQUEST(""), 101, 0},
    /* by the PROXY protocol */
    {NULL, true, BALANCER, PROXY(CLIENT) REQUEST(""), 429, 0},
    {NULL, true, CLIENT, PROXY(OTHER) REQUEST(""), 101, 0},
    {NULL, true, CLIENT, "PROXY UNKNOWN\r\n" REQUEST(""), 429, 0},
    {"10.0.0.0/8", true, BALANCER, PROXY(CLIENT), 429, 0}, /* at once */
    {"10.0.0.0/8", true, BALANCER, PROXY(OTHER) REQUEST(XFF(CLIENT)), 101, 1},
    {"10.0.0.0/8", true, BALANCER, PROXY("10.0.0.2") REQUEST(XFF(CLIENT)), 429, 0},
    {"10.0.0.0/8", true, BALANCER, "PROXY UNKNOWN\r\n" REQUEST(XFF(CLIENT)), 429, 0},
    {"10.0.0.0/8", true, BALANCER, REQUEST(XFF(CLIENT)), DROPPED, 0},
};

static const char *print(char *out, size_t size, size_t i)
{
    snprintf(out, size, "row %zu: %s says %.60s", i, cases[i].peer, cases[i].bytes);
    return out;
}

/* The one that is there. */
static void occupy(struct comer *first)
{
    bool has_proxy = w.config.proxy_protocol;

    assert_true(come(first, has_proxy && w.config.trusted.count ? BALANCER : CLIENT));
    assert_int_equal(say(first, has_proxy ? PROXY(CLIENT) REQUEST("") : REQUEST("")),
                     101);
}

static void the_connection_counts_for_the_address_that_is_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct comer first, second;
        char text[128];
        int status;

        begin(cases[i].trusted, cases[i].has_proxy_protocol, 1);
        if (cases[i].trusted && strstr(cases[i].trusted, CLIENT))
            memset(&first, 0, sizeof(first)); /* it is a balancer itself */
        else
            occupy(&first);
        assert_true(come(&second, cases[i].peer));
        status = say(&second, cases[i].bytes);
        if (status != cases[i].expected || ignored() != cases[i].ignored)
            fail_msg("%s: %d, %u ignored", print(text, sizeof(text), i), status,
                     ignored());
        assert_int_equal(refused(REFUSED_CONNECTIONS), status == 429);
        assert_int_equal(refused(REFUSED_PROXY_HEADER), status == DROPPED);
        go(&second);
        go(&first);
        finish(state);
    }
    begin(NULL, false, 0);
}

static void a_proxy_header_from_nobody_who_is_trusted_is_dropped_at_once(void **state)
{
    struct comer comer;

    (void)state;
    begin("10.0.0.0/8", true, 0);
    assert_false(come(&comer, STRANGER));
    assert_int_equal(refused(REFUSED_PROXY_HEADER), 1);
    go(&comer);
}

static void a_header_in_pieces_is_waited_for_and_given_up_in_the_end(void **state)
{
    static const char bytes[] = PROXY(CLIENT) REQUEST("");
    struct comer comer;
    int status = 0;

    (void)state;
    begin(NULL, true, 1);
    assert_true(come(&comer, BALANCER));
    for (size_t i = 0; i < strlen(bytes); i++) {
        char piece[2] = {bytes[i], '\0'};

        assert_int_equal(status, 0);
        status = say(&comer, piece);
    }
    assert_int_equal(status, 101);
    assert_true(arrival_give_up(&comer.arrival, &w.env));
    go(&comer);
    assert_true(come(&comer, BALANCER));
    assert_int_equal(say(&comer, "PROXY "), 0);
    assert_false(arrival_give_up(&comer.arrival, &w.env));
    assert_int_equal(refused(REFUSED_PROXY_HEADER), 1);
    go(&comer);
}

static void who_is_over_the_limit_is_answered_with_its_first_bytes(void **state)
{
    struct comer first, second, refused_ones[ADDRESS_LIMITS_REFUSED];

    (void)state;
    begin(NULL, false, 1);
    assert_true(come(&first, CLIENT));
    for (int i = 0; i < ADDRESS_LIMITS_REFUSED; i++) {
        assert_true(come(&refused_ones[i], CLIENT));
        assert_int_equal(say(&refused_ones[i], "G"), 429);
    }
    assert_false(come(&second, CLIENT)); /* too many that wait for their answer */
    go(&second);
    assert_int_equal(refused(REFUSED_CONNECTIONS), ADDRESS_LIMITS_REFUSED + 1);
    for (int i = 0; i < ADDRESS_LIMITS_REFUSED; i++)
        go(&refused_ones[i]);
    go(&first);
}

static void who_has_proven_itself_makes_room_for_the_next_one(void **state)
{
    struct comer first, second;

    (void)state;
    begin(NULL, false, 0);
    w.limits.pending_max = 1;
    assert_true(come(&first, CLIENT));
    assert_int_equal(say(&first, REQUEST("")), 101);
    assert_true(come(&second, CLIENT));
    assert_int_equal(say(&second, REQUEST("")), 429);
    assert_int_equal(refused(REFUSED_PENDING), 1);
    go(&second);
    arrival_settle(&first.arrival, &w.env);
    arrival_settle(&first.arrival, &w.env);
    assert_true(come(&second, CLIENT));
    assert_int_equal(say(&second, REQUEST("")), 101);
    go(&second);
    go(&first);
}

static void a_socket_that_is_gone_already_is_left_to_its_read(void **state)
{
    struct comer comer;

    (void)state;
    begin("10.0.0.0/8", false, 1);
    assert_true(come(&comer, NULL));
    go(&comer);
    finish(state);
    begin(NULL, true, 1);
    assert_true(come(&comer, NULL));
    assert_int_equal(say(&comer, "PROXY UNKNOWN\r\n" REQUEST("")), 101);
    go(&comer);
}

static void a_bad_request_behind_a_balancer_is_refused_for_what_it_is(void **state)
{
    struct comer comer;

    (void)state;
    begin("10.0.0.0/8", false, 1);
    assert_true(come(&comer, BALANCER));
    assert_int_equal(say(&comer, "GET /other HTTP/1.1\r\n" XFF(CLIENT) "\r\n"), 404);
    go(&comer);
}

#define TEST(function) cmocka_unit_test_teardown(function, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_connection_counts_for_the_address_that_is_believed),
        TEST(a_proxy_header_from_nobody_who_is_trusted_is_dropped_at_once),
        TEST(a_header_in_pieces_is_waited_for_and_given_up_in_the_end),
        TEST(who_is_over_the_limit_is_answered_with_its_first_bytes),
        TEST(who_has_proven_itself_makes_room_for_the_next_one),
        TEST(a_socket_that_is_gone_already_is_left_to_its_read),
        TEST(a_bad_request_behind_a_balancer_is_refused_for_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
