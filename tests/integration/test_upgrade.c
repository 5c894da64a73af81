/* test_upgrade.c - the opening handshake of a real gateway by raw bytes: what is accepted,
 * what is refused, and how. Its limits are in test_upgrade_limits.c.
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fleet fleet;

static int port(void)
{
    return fleet.gateways[0].port;
}

static const struct {
    const char *name, *request;
    const char *has; /* a line the answer has; NULL: no subprotocol is answered */
} accepted[] = {
    {"as in the RFC", USUAL END, NULL},
    {"other order", GET VERSION KEY UPGRADE HOST END, NULL},
    {"lower case",
     "GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: "
     "upgrade\r\n"
     "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
     NULL},
    {"upper case values",
     GET HOST "Upgrade: WebSocket\r\nConnection: UPGRADE\r\n" KEY VERSION END, NULL},
    {"a list in Connection",
     GET HOST
     "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" KEY VERSION END,
     NULL},
    {"two Connection headers",
     GET HOST "Connection: keep-alive\r\n" UPGRADE KEY VERSION END, NULL},
    {"no blanks after the colons",
     GET
     "Host:localhost\r\nUpgrade:websocket\r\nConnection:Upgrade\r\n"
     "Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version:13\r\n\r\n",
     NULL},
    {"blanks around the values",
     GET "Host: \t localhost \t\r\n"
         "Upgrade:   websocket  \r\nConnection: Upgrade\t\r\n" KEY
         "Sec-WebSocket-Version: 13 \r\n\r\n",
     NULL},
    {"headers that mean nothing here",
     USUAL
     "User-Agent: test\r\nCookie: a=b; c=\"d\"\r\nX-Empty:\r\nX-Utf8: \xc3\xa9\r\n" END,
     NULL},
    {"a query", "GET /ws?from=test HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, NULL},
    {"the subprotocol", USUAL "Sec-WebSocket-Protocol: roomcast.v1\r\n" END,
     "Sec-WebSocket-Protocol: roomcast.v1"},
    {"the subprotocol among others",
     USUAL "Sec-WebSocket-Protocol: chat,roomcast.v1, roomcast.v2\r\n" END,
     "Sec-WebSocket-Protocol: roomcast.v1"},
    {"the subprotocol in a header of its own",
     USUAL
     "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: roomcast.v1\r\n" END,
     "Sec-WebSocket-Protocol: roomcast.v1"},
    {"another subprotocol", USUAL "Sec-WebSocket-Protocol: roomcast.v2\r\n" END, NULL},
    {"a subprotocol that begins alike",
     USUAL "Sec-WebSocket-Protocol: roomcast.v11, xroomcast.v1\r\n" END, NULL},
    {"extensions, which are not answered",
     USUAL "Sec-WebSocket-Extensions: x-unheard-of; a=1\r\n" END, NULL},
    {"a page of the same host", USUAL "Origin: https://localhost\r\n" END, NULL},
};

/* A `ping` request as a client frame, and the `pong` to it. */

static void print_ping(struct strbuf *out)
{
    static const char text[] = "{\"type\":\"ping\",\"id\":7}";
    static const struct wire_frame frame = {
        .head = WIRE_FIN | WIRE_TEXT, .bytes = text, .len = sizeof(text) - 1};

    wire_print_frame(out, &frame, 0x11223344);
}

/* Takes the connection. */
static void expect_pong_and_close(struct wire *w)
{
    struct chat *chat = chat_new(w);

    chat_expect(chat, "pong");
    assert_true(chat_get_number(chat, "id") == 7);
    chat_close(chat);
}

static void a_right_handshake_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        struct wire *w = wire_open(port());

        print_message("  %s\n", accepted[i].name);
        wire_send_text(w, accepted[i].request);
        http_upgrade_expect_101(w, accepted[i].has);
        chat_close(chat_new(w));
    }
}

static void a_handshake_may_come_byte_by_byte(void **state)
{
    static const char request[] = USUAL END;
    struct wire *w = wire_open(port());

    (void)state;
    for (const char *at = request; *at; at++)
        wire_send(w, at, 1);
    http_upgrade_expect_101(w, NULL);
    chat_close(chat_new(w));
}

static void the_first_frame_may_come_with_the_handshake(void **state)
{
    static const char request[] = USUAL END;
    struct strbuf out = {0};

    (void)state;
    strbuf_add_text(&out, request);
    print_ping(&out);
    for (size_t cut = 1; cut <= out.len; cut++) {
        struct wire *w = wire_open(port());

        wire_send(w, out.data, cut);
        wire_send(w, out.data + cut, out.len - cut);
        http_upgrade_expect_101(w, NULL);
        expect_pong_and_close(w);
    }
    strbuf_deinit(&out);
}

static const struct {
    const char *name, *request;
    int status;
    const char *has; /* a line the answer has, or NULL */
} refused[] = {
    {"no HTTP", "hello\r\n\r\n", 400, NULL},
    {"TLS", "\x16\x03\x01\x02\x01\x01\r\n\r\n", 400, NULL},
    {"a frame", "\x81\x85MASKhello", 400, NULL},
    {"an empty line first", "\r\n" USUAL END, 400, NULL},
    {"lines that end with LF", "GET /ws HTTP/1.1\nHost: localhost\n\n", 400, NULL},
    {"HTTP/1.0", "GET /ws HTTP/1.0\r\n" HOST UPGRADE KEY VERSION END, 400, NULL},
    {"HTTP/2.0", "GET /ws HTTP/2.0\r\n" HOST UPGRADE KEY VERSION END, 400, NULL},
    {"no version of HTTP", "GET /ws\r\n" HOST UPGRADE KEY VERSION END, 400, NULL},
    {"two blanks", "GET  /ws HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 400, NULL},
    {"no Host", GET UPGRADE KEY VERSION END, 400, NULL},
    {"two Hosts", USUAL HOST END, 400, NULL},
    {"no key", GET HOST UPGRADE VERSION END, 400, NULL},
    {"two keys", USUAL KEY END, 400, NULL},
    {"an empty key", GET HOST UPGRADE VERSION "Sec-WebSocket-Key:\r\n" END, 400, NULL},
    {"a short key", GET HOST UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n" END, 400,
     NULL},
    {"a long key",
     GET HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTEyMw==\r\n" END,
     400, NULL},
    {"a key that is not base64",
     GET HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n" END,
     400, NULL},
    {"a folded header", USUAL "X-Folded: a\r\n b\r\n" END, 400, NULL},
    {"a blank before the colon", USUAL "X-Blank : a\r\n" END, 400, NULL},
    {"a header without a colon", USUAL "nonsense\r\n" END, 400, NULL},
    {"a header without a name", USUAL ": a\r\n" END, 400, NULL},
    {"a CR in a value", USUAL "X-Cr: a\rb\r\n" END, 400, NULL},
    {"a control character in a value", USUAL "X-Bell: \a\r\n" END, 400, NULL},
    {"a body", USUAL "Content-Length: 5\r\n" END "hello", 400, NULL},
    {"a chunked body", USUAL "Transfer-Encoding: chunked\r\n" END "0\r\n\r\n", 400,
     NULL},
    {"another path", "GET / HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 404, NULL},
    {"a longer path", "GET /wss HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 404, NULL},
    {"a path below", "GET /ws/ HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 404, NULL},
    {"a path in capitals", "GET /WS HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 404,
     NULL},
    {"POST elsewhere", "POST /other HTTP/1.1\r\n" HOST END, 404, NULL},
    {"POST", "POST /ws HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 405, "Allow: GET"},
    {"HEAD", "HEAD /ws HTTP/1.1\r\n" HOST END, 405, "Allow: GET"},
    {"OPTIONS", "OPTIONS /ws HTTP/1.1\r\n" HOST END, 405, "Allow: GET"},
    {"get", "get /ws HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 405, "Allow: GET"},
    {"a browser's GET", GET HOST "Accept: text/html\r\n" END, 426,
     "Upgrade: websocket"},
    {"no Upgrade", GET HOST "Connection: Upgrade\r\n" KEY VERSION END, 426,
     "Upgrade: websocket"},
    {"another Upgrade",
     GET HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION END, 426,
     "Upgrade: websocket"},
    {"no Connection", GET HOST "Upgrade: websocket\r\n" KEY VERSION END, 426,
     "Upgrade: websocket"},
    {"a Connection without upgrade",
     GET HOST "Upgrade: websocket\r\nConnection: keep-alive\r\n" KEY VERSION END, 426,
     "Upgrade: websocket"},
    {"no version", GET HOST UPGRADE KEY END, 426, "Sec-WebSocket-Version: 13"},
    {"version 8", GET HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" END, 426,
     "Sec-WebSocket-Version: 13"},
    {"version 14", GET HOST UPGRADE KEY "Sec-WebSocket-Version: 14\r\n" END, 426,
     "Sec-WebSocket-Version: 13"},
    {"two requests in one", "GET /a HTTP/1.1\r\n" HOST END USUAL END, 404, NULL},
};

static void a_wrong_request_gets_its_answer_and_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct wire *w = wire_open(port());

        print_message("  %s\n", refused[i].name);
        wire_send_text(w, refused[i].request);
        http_upgrade_expect_refusal(w, refused[i].status, refused[i].has);
        wire_free(w);
    }
}

static void a_nul_in_a_header_is_refused(void **state)
{
    static const char request[] = USUAL "X-Nul: a\0b\r\n" END;
    struct wire *w = wire_open(port());

    (void)state;
    wire_send(w, request, sizeof(request) - 1);
    http_upgrade_expect_refusal(w, 400, NULL);
    wire_free(w);
}

static void refusals_are_counted(void **state)
{
    static const char name[] = "roomcast_refused_upgrades_total{status=\"404\"}";
    double before = fleet_metric(&fleet, 0, name);

    (void)state;
    assert_int_equal(http_get_status(port(), "/nothing"), 404);
    assert_true(fleet_metric(&fleet, 0, name) == before + 1);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_handshake_is_accepted),
        cmocka_unit_test(a_handshake_may_come_byte_by_byte),
        cmocka_unit_test(the_first_frame_may_come_with_the_handshake),
        cmocka_unit_test(a_wrong_request_gets_its_answer_and_the_end),
        cmocka_unit_test(a_nul_in_a_header_is_refused),
        cmocka_unit_test(refusals_are_counted),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
