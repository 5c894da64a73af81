/* test_client_addresses.c - gateways that are told whose connection it is, by X-Forwarded-For and by the
 * PROXY protocol, and what one address may have (SPEC-PUBLIC P4, P12).
 *
 * The balancer is the test, from 127.0.0.2; test_behind_haproxy.c has the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/user_token.h"
#include "tests/support/redis/files.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BALANCER "127.0.0.2"
#define STRANGER "127.0.0.3"
#define PROXY(source) "PROXY TCP4 " source " 10.0.0.1 40000 9001\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The gateways of the fleet, by what is special about their settings. */
enum { DIRECT, FORWARDED, PROXIED, PENDING, JOINING, RATED };

enum { CONNECTIONS_MAX = 3, PENDING_MAX = 2, PATIENCE_MS = 10000 };

static struct fleet fleet;

static int port(unsigned gateway)
{
    return fleet.gateways[gateway].port;
}

static double refused(unsigned gateway, const char *why)
{
    char name[96];

    snprintf(name, sizeof(name), "roomcast_refused_connects_total{reason=\"%s\"}", why);
    return fleet_metric(&fleet, gateway, name);
}

/* Says `start` and then asks for an upgrade with these header lines. */
static struct wire *ask_from(unsigned gateway, const char *source, const char *start,
                             const char *lines)
{
    struct wire *w = wire_open_from(port(gateway), source);
    char bytes[1024];

    snprintf(bytes, sizeof(bytes), "%s" USUAL "%s" END, start, lines);
    assert_true(wire_send_text(w, bytes));
    return w;
}

static struct wire *enter(unsigned gateway, const char *source, const char *start,
                          const char *lines)
{
    struct wire *w = ask_from(gateway, source, start, lines);

    http_upgrade_expect_101(w, NULL);
    return w;
}

static void expect_429(unsigned gateway, const char *source, const char *start,
                       const char *lines)
{
    struct wire *w = ask_from(gateway, source, start, lines);

    http_upgrade_expect_refusal(w, 429, "Retry-After: 5");
    wire_free(w);
}

/* ---- the socket's own address ---- */

struct attempt {
    unsigned gateway;
    struct wire *w;
};

static bool is_let_in(void *data)
{
    struct attempt *attempt = data;

    attempt->w = ask_from(attempt->gateway, STRANGER, "", "");
    assert_true(wire_read_head(attempt->w, PATIENCE_MS));
    if (strstr(wire_get_head(attempt->w), " 101 "))
        return true;
    wire_free(attempt->w);
    return false;
}

/* Once it is known that another one has gone. */
static struct wire *enter_in_time(unsigned gateway)
{
    struct attempt attempt = {gateway, NULL};

    assert_true(wait_until(is_let_in, &attempt, PATIENCE_MS));
    return attempt.w;
}

static void an_address_over_its_limit_gets_429_and_another_does_not(void **state)
{
    struct wire *in[CONNECTIONS_MAX], *other;
    double before = refused(DIRECT, "connections");

    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        in[i] = enter(DIRECT, STRANGER, "", "");
    for (int i = 0; i < 8; i++) /* whichever of the two workers it comes to */
        expect_429(DIRECT, STRANGER, "", "");
    other = enter(DIRECT, "127.0.0.4", "", "");
    assert_true(refused(DIRECT, "connections") == before + 8);
    fleet_expect_logged(&fleet, DIRECT,
                        "connect_refused address=127.0.0.3 why=connections");
    wire_free(in[0]);
    in[0] = enter_in_time(DIRECT);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        wire_free(in[i]);
    wire_free(other);
}

static unsigned count_logged(unsigned gateway, const char *text)
{
    char *log = files_read(fleet.gateways[gateway].log_path);
    unsigned count = 0;

    for (const char *at = log; (at = strstr(at, text)); at += strlen(text))
        count++;
    free(log);
    return count;
}

static void what_an_untrusted_peer_forwards_changes_nothing(void **state)
{
    struct wire *in[CONNECTIONS_MAX];
    char name[64];

    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        snprintf(name, sizeof(name), "X-Forwarded-For: 203.0.113.%d\r\n", i);
        in[i] = enter(FORWARDED, STRANGER, "", name);
    }
    expect_429(FORWARDED, STRANGER, "", "X-Forwarded-For: 203.0.113.99\r\n");
    assert_true(fleet_metric(&fleet, FORWARDED, "roomcast_forwarded_ignored_total") ==
                CONNECTIONS_MAX);
    assert_int_equal(count_logged(FORWARDED, " forwarded_ignored "), 1);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        wire_free(in[i]);
}

/* ---- X-Forwarded-For ---- */

/* One more is refused; there is a line a second at most. */
static bool is_logged_as_the_clients(void *data)
{
    (void)data;
    expect_429(FORWARDED, BALANCER, "",
               "X-Forwarded-For: 198.51.100.99, 203.0.113.9\r\n");
    return count_logged(FORWARDED,
                        "connect_refused address=203.0.113.9 why=connections") > 0;
}

static void a_trusted_balancer_says_whose_connection_it_is(void **state)
{
    static const char *const forms[CONNECTIONS_MAX] = {
        "X-Forwarded-For: 203.0.113.9\r\n",
        "X-Forwarded-For: 198.51.100.1, 203.0.113.9, 127.0.0.2\r\n",
        "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: ::ffff:203.0.113.9\r\n",
    };
    struct wire *in[CONNECTIONS_MAX], *others[2];

    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        in[i] = enter(FORWARDED, BALANCER, "", forms[i]);
    assert_true(wait_until(is_logged_as_the_clients, NULL, PATIENCE_MS));
    others[0] = enter(FORWARDED, BALANCER, "", "X-Forwarded-For: 203.0.113.10\r\n");
    others[1] =
        enter(FORWARDED, BALANCER, "", "X-Forwarded-For: 203.0.113.9, junk\r\n");
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        wire_free(in[i]);
    wire_free(others[0]);
    wire_free(others[1]);
}

/* The search ends there, so it is the balancer's own. */
static void what_is_behind_junk_does_not_count(void **state)
{
    static const char *const forms[CONNECTIONS_MAX] = {
        "X-Forwarded-For: 203.0.113.20, 203.0.113.21, junk\r\n",
        "X-Forwarded-For: 203.0.113.22\r\nX-Forwarded-For: junk, 127.0.0.2\r\n",
        "X-Forwarded-For: 203.0.113.23, 203.0.113.024\r\n",
    };
    struct wire *in[CONNECTIONS_MAX], *others[CONNECTIONS_MAX];
    char name[64];

    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        in[i] = enter(FORWARDED, BALANCER, "", forms[i]);
    expect_429(FORWARDED, BALANCER, "", "X-Forwarded-For: 203.0.113.25, junk\r\n");
    expect_429(FORWARDED, BALANCER, "", "");
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        snprintf(name, sizeof(name), "X-Forwarded-For: 203.0.113.2%d\r\n", i);
        others[i] = enter(FORWARDED, BALANCER, "", name);
    }
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        wire_free(in[i]);
        wire_free(others[i]);
    }
}

/* ---- the PROXY protocol ---- */

static void a_proxy_header_says_whose_connection_it_is(void **state)
{
    struct wire *in[CONNECTIONS_MAX], *other;

    (void)state;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        in[i] = enter(PROXIED, BALANCER, PROXY("203.0.113.9"), "");
    expect_429(PROXIED, BALANCER, PROXY("203.0.113.9"),
               "X-Forwarded-For: 203.0.113.99\r\n");
    other = enter(PROXIED, BALANCER, PROXY("203.0.113.10"), "");
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        wire_free(in[i]);
    wire_free(other);
}

/* Header, request and a frame in one write: each has its reader. */
static void what_comes_behind_the_header_in_one_write_is_read(void **state)
{
    static const char header[] =
        SIGNATURE "\x21\x11\0\x0c\xcb\0\x71\x0b\x0a\0\0\x01\x9c\x40\x23\x29";
    const struct wire_frame ping = {
        .head = WIRE_FIN | WIRE_PING, .bytes = "hi", .len = 2};
    struct strbuf bytes = {NULL, 0, 0};
    struct wire *w = wire_open_from(port(PROXIED), BALANCER);
    struct wire_frame frame;

    (void)state;
    strbuf_add(&bytes, header, sizeof(header) - 1);
    strbuf_add_text(&bytes, USUAL END);
    wire_print_frame(&bytes, &ping, 0x12345678);
    assert_true(wire_send(w, bytes.data, bytes.len));
    http_upgrade_expect_101(w, NULL);
    assert_true(wire_read_frame(w, &frame, PATIENCE_MS));
    assert_int_equal(frame.head, WIRE_FIN | WIRE_PONG);
    assert_memory_equal(frame.bytes, "hi", 2);
    wire_free(w);
    strbuf_deinit(&bytes);
}

#define BYTES(text) text, sizeof(text) - 1

/* What begins a connection and is no header; the last two are torn: nothing follows. */
static const struct {
    const char *bytes;
    size_t len;
    bool ends; /* the client says that nothing follows */
} wrong[] = {
    {BYTES(USUAL END), false},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 40000\r\n" USUAL END), false},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1 05 9001\r\n" USUAL END), false},
    {BYTES("PROXY TCP4 203.0.113.09 10.0.0.1 5 9001\r\n" USUAL END), false},
    {BYTES("PROXY TCP9 203.0.113.9 10.0.0.1 40000 9001\r\n" USUAL END), false},
    {BYTES(
         "PROXY UNKNOWN 00000000000000000000000000000000000000000000000000000000000000"
         "000000000000000000000000000000000000\r\n" USUAL END),
     false},
    {BYTES(SIGNATURE "\x21\x41\0\x0c????????????"), false},
    {BYTES(SIGNATURE "\x21\x11\x02\x09????????????"), false},
    {BYTES(SIGNATURE "\x31\x11\0\x0c????????????"), false},
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1"), false}, /* its time ends */
    {BYTES("PROXY TCP4 203.0.113.9 10.0.0.1"), true},
};

static void what_begins_without_a_header_is_dropped_without_a_word(void **state)
{
    double before = refused(PROXIED, "proxy_header");
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct wire *w = wire_open_from(port(PROXIED), BALANCER);

        wire_send(w, wrong[i].bytes, wrong[i].len);
        if (wrong[i].ends)
            wire_end(w);
        assert_int_not_equal(wire_wait_end(w, PATIENCE_MS), WIRE_OPEN);
        wire_get_unread(w, &len);
        if (len > 0 || refused(PROXIED, "proxy_header") != before + (double)i + 1)
            fail_msg("row %zu", i);
        wire_free(w);
    }
}

static void a_header_of_nobody_who_is_trusted_is_dropped_without_a_word(void **state)
{
    double before = refused(PROXIED, "proxy_header");
    struct wire *w = wire_open_from(port(PROXIED), STRANGER);
    size_t len;

    (void)state;
    wire_send_text(w, PROXY("203.0.113.12") USUAL END);
    assert_int_not_equal(wire_wait_end(w, PATIENCE_MS), WIRE_OPEN);
    wire_get_unread(w, &len);
    assert_int_equal(len, 0);
    assert_true(refused(PROXIED, "proxy_header") == before + 1);
    wire_free(w);
}

static void a_balancers_own_connection_is_its_own(void **state)
{
    struct wire *local = wire_open_from(port(PROXIED), BALANCER), *unknown;
    static const char header[] = SIGNATURE "\x20\0\0\0" USUAL END;

    (void)state;
    assert_true(wire_send(local, header, sizeof(header) - 1));
    http_upgrade_expect_101(local, NULL);
    unknown = enter(PROXIED, BALANCER, "PROXY UNKNOWN\r\n", "");
    wire_free(local);
    wire_free(unknown);
}

/* ---- who has proven nothing ---- */

static struct chat *enter_as_chat(unsigned gateway, const char *source)
{
    struct wire *w = wire_open_from(port(gateway), source);

    wire_upgrade(w, "/ws", "");
    return chat_new(w);
}

static void who_is_authenticated_does_not_count_as_pending(void **state)
{
    enum { ROUNDS = 4 };
    struct chat *in[ROUNDS * PENDING_MAX];
    char *token = user_token("ann", 600, ""), *lines = NULL;
    struct strbuf header = {NULL, 0, 0};
    struct wire *bearer;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PENDING_MAX; i++)
            in[PENDING_MAX * round + i] = enter_as_chat(PENDING, STRANGER);
        expect_429(PENDING, STRANGER, "", "");
        for (unsigned i = 0; i < PENDING_MAX; i++) {
            chat_send(in[PENDING_MAX * round + i], "{'type':'auth','token':'%s'}",
                      token);
            chat_expect(in[PENDING_MAX * round + i], "auth_ack");
        }
    }
    assert_true(refused(PENDING, "pending") == ROUNDS);
    strbuf_add_format(&header, "Authorization: Bearer %s\r\n", token);
    lines = header.data;
    for (unsigned i = 0; i < 2 * PENDING_MAX; i++) {
        bearer = enter(PENDING, STRANGER, "", lines);
        wire_abort(bearer);
    }
    for (unsigned i = 0; i < COUNT(in); i++)
        chat_close(in[i]);
    strbuf_deinit(&header);
    free(token);
}

static void without_tokens_who_is_in_a_room_does_not_count_as_pending(void **state)
{
    struct chat *in[2 * PENDING_MAX];

    (void)state;
    for (unsigned i = 0; i < COUNT(in); i++) {
        in[i] = enter_as_chat(JOINING, STRANGER);
        if (i + 1 < COUNT(in))
            chat_join(in[i], "lobby", "ann");
    }
    chat_close(in[0]);
    in[0] = enter_as_chat(JOINING, STRANGER);
    chat_leave(in[1], "lobby"); /* it has been in one */
    expect_429(JOINING, STRANGER, "", "");
    chat_join(in[0], "lobby", "ann");
    chat_close(chat_new(enter_in_time(JOINING)));
    for (unsigned i = 0; i < COUNT(in); i++)
        chat_close(in[i]);
}

/* ---- the rate ---- */

static void new_connections_of_one_address_are_paced_by_a_bucket(void **state)
{
    unsigned refusals = 0;
    int64_t start_ms = wait_now_ms();

    (void)state;
    for (int i = 0; i < 3; i++)
        wire_free(enter(RATED, STRANGER, "", ""));
    while (refusals == 0 && wait_now_ms() - start_ms < PATIENCE_MS) {
        struct wire *w = ask_from(RATED, STRANGER, "", "");

        assert_true(wire_read_head(w, PATIENCE_MS));
        refusals += strstr(wire_get_head(w), " 429 ") != NULL;
        wire_free(w);
    }
    assert_int_equal(refusals, 1);
    assert_true(refused(RATED, "rate") == 1);
    wire_free(enter(RATED, "127.0.0.5", "", ""));
}

static int start(void **state)
{
    static const char *const direct[] = {"ROOMCAST_WORKERS=2",
                                         "ROOMCAST_ADDRESS_CONNECTIONS_MAX=3", NULL};
    static const char *const forwarded[] = {
        "ROOMCAST_TRUSTED_PROXIES=127.0.0.2/32,10.0.0.0/8",
        "ROOMCAST_ADDRESS_CONNECTIONS_MAX=3", NULL};
    static const char *const proxied[] = {
        "ROOMCAST_TRUSTED_PROXIES=127.0.0.2", "ROOMCAST_PROXY_PROTOCOL=1",
        "ROOMCAST_ADDRESS_CONNECTIONS_MAX=3", "ROOMCAST_HANDSHAKE_SECS=1", NULL};
    static const char *const pending[] = {"ROOMCAST_AUTH=jwt",
                                          "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                          "ROOMCAST_ADDRESS_PENDING_MAX=2", NULL};
    static const char *const joining[] = {"ROOMCAST_ADDRESS_PENDING_MAX=2", NULL};
    static const char *const rated[] = {"ROOMCAST_ADDRESS_CONNECTS_PER_SEC=1",
                                        "ROOMCAST_ADDRESS_CONNECTS_BURST=3", NULL};
    const char *const *const settings[] = {
        [DIRECT] = direct,   [FORWARDED] = forwarded, [PROXIED] = proxied,
        [PENDING] = pending, [JOINING] = joining,     [RATED] = rated};

    *state = &fleet;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    for (unsigned i = 0; i < COUNT(settings); i++)
        assert_int_equal(fleet_add(&fleet, settings[i]), i);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_over_its_limit_gets_429_and_another_does_not),
        cmocka_unit_test(what_an_untrusted_peer_forwards_changes_nothing),
        cmocka_unit_test(a_trusted_balancer_says_whose_connection_it_is),
        cmocka_unit_test(what_is_behind_junk_does_not_count),
        cmocka_unit_test(a_proxy_header_says_whose_connection_it_is),
        cmocka_unit_test(what_comes_behind_the_header_in_one_write_is_read),
        cmocka_unit_test(what_begins_without_a_header_is_dropped_without_a_word),
        cmocka_unit_test(a_header_of_nobody_who_is_trusted_is_dropped_without_a_word),
        cmocka_unit_test(a_balancers_own_connection_is_its_own),
        cmocka_unit_test(who_is_authenticated_does_not_count_as_pending),
        cmocka_unit_test(without_tokens_who_is_in_a_room_does_not_count_as_pending),
        cmocka_unit_test(new_connections_of_one_address_are_paced_by_a_bucket),
    };

    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
