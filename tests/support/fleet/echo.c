/* echo.c - see echo.h. */
#include "tests/support/fleet/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"

enum pieces { IN_ONE, A_FRAME, A_BYTE, PIECES_COUNT };

static const char *const pieces_names[] = {"in one", "a frame", "a byte"};

int echo_start(struct fleet *fleet)
{
    static const char *const settings[] = {"ROOMCAST_ECHO=1", NULL};

    return fleet_start(fleet,
                       &(struct fleet_opts){.gateways = 1, .settings = settings});
}

struct wire *echo_open(int port)
{
    struct wire *w = wire_open(port);

    wire_upgrade(w, "/ws", "");
    return w;
}

static void read_frame(struct wire *w, struct wire_frame *frame)
{
    if (!wire_read_frame(w, frame, ECHO_ENDS_MS))
        fail_msg("no answer, the connection is %s",
                 wire_wait_end(w, 0) == WIRE_OPEN ? "open" : "gone");
    assert_int_equal(frame->head & (WIRE_RSV1 | WIRE_RSV2 | WIRE_RSV3), 0);
}

static int close_status(const struct wire_frame *frame)
{
    const unsigned char *at = frame->bytes;

    return frame->len < 2 ? 0 : at[0] << 8 | at[1];
}

void echo_expect(struct wire *w, int opcode, const void *bytes, size_t len)
{
    struct strbuf got = {0};
    struct wire_frame frame;

    read_frame(w, &frame);
    if ((frame.head & 0xf) == WIRE_CLOSE && opcode != WIRE_CLOSE)
        fail_msg("closed with %d instead of an answer", close_status(&frame));
    assert_int_equal(frame.head & 0xf, opcode);
    for (;;) {
        strbuf_add(&got, frame.len ? frame.bytes : "", frame.len);
        if (frame.head & WIRE_FIN)
            break;
        read_frame(w, &frame);
        assert_int_equal(frame.head & 0xf, WIRE_CONTINUATION);
    }
    assert_int_equal(got.len, len);
    if (len > 0)
        assert_memory_equal(got.data, bytes, len);
    strbuf_deinit(&got);
}

void echo_expect_close(struct wire *w, int status)
{
    struct wire_frame frame;
    size_t rest;

    read_frame(w, &frame);
    assert_int_equal(frame.head, WIRE_FIN | WIRE_CLOSE);
    assert_true(frame.len <= 125);
    assert_int_equal(close_status(&frame), status);
    assert_int_equal(wire_wait_end(w, ECHO_ENDS_MS), WIRE_ENDED);
    wire_get_unread(w, &rest);
    assert_int_equal(rest, 0);
}

void echo_expect_open(struct wire *w)
{
    static const struct wire_frame ping =
        ECHO_FRAME(WIRE_FIN | WIRE_PING, "still there?");
    static const struct wire_frame end = ECHO_FRAME(WIRE_FIN | WIRE_CLOSE, "\x03\xe8");

    wire_send_frame(w, &ping);
    echo_expect(w, WIRE_PONG, ping.bytes, ping.len);
    wire_send_frame(w, &end);
    echo_expect_close(w, 1000);
}

/* A server that ends the connection half-way is part of some rows, so it is no failure
 * here that the rest cannot be sent. */
static void send_in(struct wire *w, const struct strbuf *bytes, size_t piece)
{
    for (size_t at = 0; at < bytes->len && wire_wait_end(w, 0) == WIRE_OPEN;
         at += piece)
        wire_send(w, bytes->data + at,
                  bytes->len - at < piece ? bytes->len - at : piece);
}

static void send_row(struct wire *w, const struct echo_row *row, enum pieces pieces)
{
    struct strbuf out = {0};

    for (const struct wire_frame *frame = row->send; frame->bytes; frame++) {
        wire_print_frame(&out, frame, 0x12345678U + (uint32_t)(frame - row->send));
        if (pieces == A_FRAME) {
            send_in(w, &out, out.len);
            strbuf_reset(&out, SIZE_MAX);
        }
    }
    if (out.len > 0)
        send_in(w, &out, pieces == A_BYTE ? 1 : out.len);
    strbuf_deinit(&out);
}

static void run_row(int port, const struct echo_row *row, enum pieces pieces)
{
    struct wire *w = echo_open(port);

    send_row(w, row, pieces);
    for (const struct wire_frame *answer = row->answers; answer->bytes; answer++)
        echo_expect(w, answer->head & 0xf, answer->bytes, answer->len);
    if (row->close == ECHO_STAYS_OPEN)
        echo_expect_open(w);
    else
        echo_expect_close(w, row->close);
    wire_free(w);
}

void echo_run(int port, const struct echo_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_message("  %s:", rows[i].name);
        for (int pieces = IN_ONE; pieces < PIECES_COUNT; pieces++) {
            print_message(" %s", pieces_names[pieces]);
            run_row(port, &rows[i], (enum pieces)pieces);
        }
        print_message("\n");
    }
}
