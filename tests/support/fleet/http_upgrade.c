/* http_upgrade.c - see http_upgrade.h. */
#include "tests/support/fleet/http_upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/http_get.h"

#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Reads the answer to the handshake; for http_get_deinit. */
static void read_answer(struct wire *w, struct http_answer *answer)
{
    assert_true(wire_read_head(w, HTTP_UPGRADE_ENDS_MS));
    http_get_parse(answer, wire_get_head(w), strlen(wire_get_head(w)));
}

void http_upgrade_expect_101(struct wire *w, const char *has)
{
    struct http_answer answer = {0};

    read_answer(w, &answer);
    assert_int_equal(answer.status, 101);
    assert_true(http_get_has_header(&answer, ACCEPT));
    assert_true(http_get_has_header(&answer, "Upgrade: websocket"));
    assert_true(http_get_has_header(&answer, "Connection: Upgrade"));
    assert_null(strcasestr(answer.head, "Sec-WebSocket-Extensions"));
    if (has)
        assert_true(http_get_has_header(&answer, has));
    else
        assert_null(strcasestr(answer.head, "Sec-WebSocket-Protocol"));
    http_get_deinit(&answer);
}

void http_upgrade_expect_refusal(struct wire *w, int status, const char *has)
{
    struct http_answer answer = {0};
    char length[64];
    const char *bytes;
    size_t len;

    assert_int_equal(wire_wait_end(w, HTTP_UPGRADE_ENDS_MS), WIRE_ENDED);
    bytes = wire_get_unread(w, &len);
    http_get_parse(&answer, bytes, len);
    assert_int_equal(answer.status, status);
    assert_non_null(strcasestr(answer.head, "\r\nConnection: close"));
    snprintf(length, sizeof(length), "Content-Length: %zu", answer.body_len);
    assert_true(http_get_has_header(&answer, length));
    if (has)
        assert_true(http_get_has_header(&answer, has));
    http_get_deinit(&answer);
}
