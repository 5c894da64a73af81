/* test_handshake.c - the client's handshake: what is asked, and which answers will do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "client/handshake.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OK "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: $\r\n" /* $ becomes the right one */

static const struct {
    const char *name, *answer;
    const char *offered;
    bool accepted;
} answers[] = {
    {"usual", OK UPGRADE ACCEPT "\r\n", NULL, true},
    {"case and blanks",
     OK "upgrade:WebSocket\r\nCONNECTION: keep-alive, UPGRADE \r\n"
        "sec-websocket-accept:  $  \r\n\r\n",
     NULL, true},
    {"other headers", OK "Server: x\r\n" UPGRADE "Date: y\r\n" ACCEPT "\r\n", NULL,
     true},
    {"the subprotocol", OK UPGRADE ACCEPT "Sec-WebSocket-Protocol: a\r\n\r\n", "a",
     true},
    {"no subprotocol", OK UPGRADE ACCEPT "\r\n", "a", true},
    {"another subprotocol", OK UPGRADE ACCEPT "Sec-WebSocket-Protocol: b\r\n\r\n", "a",
     false},
    {"a subprotocol unasked", OK UPGRADE ACCEPT "Sec-WebSocket-Protocol: a\r\n\r\n",
     NULL, false},
    {"the subprotocol twice",
     OK UPGRADE ACCEPT "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n",
     "a", false},
    {"an extension unasked", OK UPGRADE ACCEPT "Sec-WebSocket-Extensions: x\r\n\r\n",
     NULL, false},
    {"another status", "HTTP/1.1 200 OK\r\n" UPGRADE ACCEPT "\r\n", NULL, false},
    {"a refusal", "HTTP/1.1 503 Service Unavailable\r\n\r\n", NULL, false},
    {"HTTP/1.0", "HTTP/1.0 101 Switching Protocols\r\n" UPGRADE ACCEPT "\r\n", NULL,
     false},
    {"no HTTP", "hello\r\n\r\n", NULL, false},
    {"nothing", "\r\n\r\n", NULL, false},
    {"no accept", OK UPGRADE "\r\n", NULL, false},
    {"a wrong accept", OK UPGRADE "Sec-WebSocket-Accept: wrong\r\n\r\n", NULL, false},
    {"accept twice", OK UPGRADE ACCEPT ACCEPT "\r\n", NULL, false},
    {"a right and a wrong accept",
     OK UPGRADE ACCEPT "Sec-WebSocket-Accept: wrong\r\n\r\n", NULL, false},
    {"no Upgrade", OK "Connection: Upgrade\r\n" ACCEPT "\r\n", NULL, false},
    {"another Upgrade", OK "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
     NULL, false},
    {"no Connection", OK "Upgrade: websocket\r\n" ACCEPT "\r\n", NULL, false},
    {"another Connection",
     OK "Upgrade: websocket\r\nConnection: keep-alive\r\n" ACCEPT "\r\n", NULL, false},
};

/* The answer of the row with the accept that `h` wants. */
static void print_answer(struct strbuf *out, const char *answer, const char *accept)
{
    for (; *answer; answer++)
        if (*answer == '$')
            strbuf_add_text(out, accept);
        else
            strbuf_add_char(out, *answer);
}

static void only_a_right_answer_will_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct handshake h;
        struct strbuf request = {0}, answer = {0};
        ssize_t used;

        print_message("  %s\n", answers[i].name);
        handshake_init(&h, &request, "127.0.0.1", 9001, "/ws", answers[i].offered);
        print_answer(&answer, answers[i].answer, h.accept);
        used = handshake_take(&h, answer.data, answer.len);
        assert_int_equal(used, answers[i].accepted ? (ssize_t)answer.len
                                                   : (ssize_t)UV_EPROTO);
        handshake_deinit(&h);
        strbuf_deinit(&request);
        strbuf_deinit(&answer);
    }
}

static void an_answer_may_be_cut_anywhere(void **state)
{
    static const char behind[] = "frames";
    struct strbuf request = {0}, answer = {0};
    struct handshake h;
    size_t len;

    (void)state;
    handshake_init(&h, &request, "127.0.0.1", 9001, "/ws", NULL);
    print_answer(&answer, answers[0].answer, h.accept);
    len = answer.len;
    strbuf_add_text(&answer, behind);
    for (size_t cut = 1; cut < len; cut++) {
        assert_int_equal(handshake_take(&h, answer.data, cut), 0);
        assert_int_equal(handshake_take(&h, answer.data + cut, answer.len - cut),
                         len - cut);
        strbuf_reset(&h.head, SIZE_MAX);
    }
    handshake_deinit(&h);
    strbuf_deinit(&request);
    strbuf_deinit(&answer);
}

static void an_endless_answer_is_refused(void **state)
{
    struct strbuf request = {0};
    struct handshake h;
    char piece[1024];
    ssize_t used = 0;
    int pieces = 0;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    handshake_init(&h, &request, "127.0.0.1", 9001, "/ws", NULL);
    while (used == 0 && pieces++ < 100)
        used = handshake_take(&h, piece, sizeof(piece));
    assert_int_equal(used, UV_EPROTO);
    assert_int_equal(pieces, HANDSHAKE_MAX / sizeof(piece) + 1);
    handshake_deinit(&h);
    strbuf_deinit(&request);
}

static void the_request_says_what_was_given_and_a_new_key(void **state)
{
    struct strbuf first = {0}, second = {0};
    struct handshake h, other;

    (void)state;
    handshake_init(&h, &first, "127.0.0.1", 9001, "/ws?a=b", "roomcast.v1");
    handshake_init(&other, &second, "127.0.0.1", 9001, "/ws?a=b", "roomcast.v1");
    assert_non_null(
        strstr(first.data, "GET /ws?a=b HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"));
    assert_non_null(strstr(first.data, "\r\nSec-WebSocket-Protocol: roomcast.v1\r\n"));
    assert_string_equal(first.data + first.len - 4, "\r\n\r\n");
    assert_string_not_equal(first.data, second.data);
    assert_string_not_equal(h.accept, other.accept);
    handshake_deinit(&h);
    handshake_deinit(&other);
    strbuf_deinit(&first);
    strbuf_deinit(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_right_answer_will_do),
        cmocka_unit_test(an_answer_may_be_cut_anywhere),
        cmocka_unit_test(an_endless_answer_is_refused),
        cmocka_unit_test(the_request_says_what_was_given_and_a_new_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
