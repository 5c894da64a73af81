/* test_rfc6455_close.c - the gateway against RFC 6455: which status codes are taken, who
 * says what at the end of a connection, and who hears it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/echo.h"
#include "tests/support/fleet/fleet.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define X25 "xxxxxxxxxxxxxxxxxxxxxxxxx"
#define NORMAL "\x03\xe8" /* 1000 */

static struct fleet fleet;

static int port(void)
{
    return fleet.gateways[0].port;
}

/* 7.4: status codes */

enum verdict { ECHOED, REFUSED, EITHER };

static const struct {
    int first, last;
    enum verdict verdict;
} statuses[] = {
    {0, 1, REFUSED},
    {999, 999, REFUSED},
    {1000, 1003, ECHOED},
    {1004, 1006, REFUSED},
    {1007, 1011, ECHOED},
    {1012, 1014, EITHER}, /* registered with IANA after the RFC */
    {1015, 1017, REFUSED},
    {1100, 1100, REFUSED},
    {2000, 2000, REFUSED},
    {2998, 2999, REFUSED},
    {3000, 3001, ECHOED},
    {3999, 4001, ECHOED},
    {4500, 4500, ECHOED},
    {4999, 4999, ECHOED},
    {5000, 5001, REFUSED},
    {32768, 32768, REFUSED},
    {65535, 65535, REFUSED},
};

static void expect_verdict(struct wire *w, int status, enum verdict verdict)
{
    struct wire_frame frame;
    const unsigned char *at;

    if (verdict != EITHER) {
        echo_expect_close(w, verdict == ECHOED ? status : 1002);
        return;
    }
    assert_true(wire_read_frame(w, &frame, ECHO_ENDS_MS));
    at = frame.bytes;
    assert_true(frame.head == (WIRE_FIN | WIRE_CLOSE) && frame.len >= 2);
    assert_true((at[0] << 8 | at[1]) == status || (at[0] << 8 | at[1]) == 1002);
    assert_int_equal(wire_wait_end(w, ECHO_ENDS_MS), WIRE_ENDED);
}

static void a_status_is_echoed_if_it_may_be_sent(void **state)
{
    static const char *const reasons[] = {"", "reason"};

    (void)state;
    for (size_t i = 0; i < COUNT(statuses) * COUNT(reasons); i++) {
        size_t row = i / COUNT(reasons);

        for (int status = statuses[row].first; status <= statuses[row].last; status++) {
            char payload[16] = {(char)(status >> 8), (char)(status & 0xff)};
            struct wire *w = echo_open(port());

            strcpy(payload + 2, reasons[i % COUNT(reasons)]);
            print_message("  %d %s\n", status, payload + 2);
            wire_send_frame(w, &(struct wire_frame){.head = WIRE_FIN | WIRE_CLOSE,
                                                    .bytes = payload,
                                                    .len = 2 + strlen(payload + 2)});
            expect_verdict(w, status, statuses[row].verdict);
            wire_free(w);
        }
    }
}

/* 5.5.1, 7.1: closing */

static const struct echo_row closings[] = {
    {"with a reason", {CLOSE(NORMAL "goodbye")}, {{0}}, 1000},
    {"with a reason that is not ASCII",
     {CLOSE(NORMAL "\xce\xba\xe1\xbd\xb9")},
     {{0}},
     1000},
    {"with a reason of 123 bytes",
     {CLOSE(NORMAL X25 X25 X25 X25 "12345678901234567890123")},
     {{0}},
     1000},
    {"with one byte", {CLOSE("\x03")}, {{0}}, 1002},
    {"with a reason that is not UTF-8",
     {CLOSE(NORMAL "\xce\xba\xed\xa0\x80")},
     {{0}},
     1007},
    {"with a reason cut in a character", {CLOSE(NORMAL "\xce")}, {{0}}, 1007},
    {"after a message", {TEXT("a"), CLOSE(NORMAL)}, {TEXT("a")}, 1000},
    {"after a ping", {PING("a"), CLOSE(NORMAL)}, {PONG("a")}, 1000},
    {"then a message", {CLOSE(NORMAL), TEXT("late")}, {{0}}, 1000},
    {"then a ping", {CLOSE(NORMAL), PING("late")}, {{0}}, 1000},
    {"then another", {CLOSE(NORMAL), CLOSE("\x03\xe9")}, {{0}}, 1000},
    {"then a broken frame", {CLOSE(NORMAL), ECHO_FRAME(0xff, "broken")}, {{0}}, 1000},
};

static void a_close_frame_is_answered_once_and_by_nothing_else(void **state)
{
    (void)state;
    echo_run(port(), closings, COUNT(closings));
}

static void a_close_frame_without_status_is_answered(void **state)
{
    static const struct wire_frame close = CLOSE("");
    struct wire *w = echo_open(port());
    struct wire_frame frame;

    (void)state;
    wire_send_frame(w, &close);
    assert_true(wire_read_frame(w, &frame, ECHO_ENDS_MS));
    assert_int_equal(frame.head, WIRE_FIN | WIRE_CLOSE);
    assert_true(frame.len == 0 || memcmp(frame.bytes, NORMAL, 2) == 0);
    assert_int_equal(wire_wait_end(w, ECHO_ENDS_MS), WIRE_ENDED);
    wire_free(w);
}

static void an_end_without_a_close_frame_ends_the_connection(void **state)
{
    struct wire *w = echo_open(port());

    (void)state;
    wire_end(w);
    assert_int_equal(wire_wait_end(w, ECHO_ENDS_MS), WIRE_ENDED);
    wire_free(w);
}

static void an_end_in_the_middle_of_a_frame_hurts_nobody(void **state)
{
    struct wire *w = echo_open(port());
    struct wire *other = echo_open(port());

    (void)state;
    wire_send(w, "\x81\xfe\x10\x00MASKsome of it", 18);
    wire_abort(w);
    echo_expect_open(other);
    wire_free(other);
}

static void a_client_in_full_flow_still_reads_why_it_is_closed(void **state)
{
    static const struct wire_frame bad = ECHO_FRAME(0x83, "bad");
    struct strbuf out = {0};
    struct wire *w = echo_open(port());

    (void)state;
    wire_print_frame(&out, &bad, 1);
    memset(strbuf_reserve(&out, 1 << 20), 0, 1 << 20);
    out.len += 1 << 20;
    wire_send(w, out.data, out.len);
    echo_expect_close(w, 1002);
    wire_free(w);
    strbuf_deinit(&out);
}

static int start(void **state)
{
    *state = &fleet;
    return echo_start(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_echoed_if_it_may_be_sent),
        cmocka_unit_test(a_close_frame_is_answered_once_and_by_nothing_else),
        cmocka_unit_test(a_close_frame_without_status_is_answered),
        cmocka_unit_test(an_end_without_a_close_frame_ends_the_connection),
        cmocka_unit_test(an_end_in_the_middle_of_a_frame_hurts_nobody),
        cmocka_unit_test(a_client_in_full_flow_still_reads_why_it_is_closed),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
