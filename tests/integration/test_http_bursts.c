/* test_http_bursts.c - more connections to the admin service's port than it may have, all at
 * once: it is stopped while they come, and finds them in one turn of its loop.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/big_console.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEALTHZ "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

enum {
    DEADLINE_MS = 60000,
    CONNECTIONS = 30, /* the limit of the service */
    LINGERING = 15,   /* how many refused ones it reads from at once */
    BODY_BYTES = 32 * 1024,
};

static struct fleet fleet;
static struct admin admin; /* waits long for clients that take no answer */
static char *console_dir;

static void open_all(struct wire **wires, size_t count, int port, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        wires[i] = wire_open(port);
        wire_send_text(wires[i], text);
    }
}

static void free_all(struct wire **wires, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wire_free(wires[i]);
}

static void expect_head(struct wire *w, int status)
{
    const char *head;

    assert_true(wire_read_head(w, DEADLINE_MS));
    head = wire_get_head(w);
    if (strncmp(head, "HTTP/1.1 ", 9) != 0 || atoi(head + 9) != status)
        fail_msg("not a %d:\n%s", status, head);
}

static void a_burst_up_to_the_limit_is_answered(void **state)
{
    static const char *const before[] = {"", "GET /healthz HTTP/1.1\r\nHo", HEALTHZ};
    struct wire *old[CONNECTIONS], *burst[CONNECTIONS];
    double refused = http_get_metric(admin.port, "roomcast_http_refused_total");

    (void)state;
    for (size_t k = 0; k < COUNT(before); k++) {
        process_signal(&admin.process, SIGSTOP);
        open_all(old, COUNT(old), admin.port, before[k]);
        open_all(burst, COUNT(burst), admin.port, HEALTHZ);
        process_signal(&admin.process, SIGCONT);
        for (size_t i = 0; i < COUNT(burst); i++)
            expect_head(burst[i], 200);
        free_all(old, COUNT(old));
        free_all(burst, COUNT(burst));
    }
    assert_true(http_get_metric(admin.port, "roomcast_http_refused_total") == refused);
}

static void of_a_burst_beyond_the_limit_each_one_is_answered(void **state)
{
    struct wire *burst[3 * CONNECTIONS];

    (void)state;
    process_signal(&admin.process, SIGSTOP);
    open_all(burst, COUNT(burst), admin.port, HEALTHZ);
    process_signal(&admin.process, SIGCONT);
    for (size_t i = 0; i < COUNT(burst); i++)
        expect_head(burst[i], 200);
    free_all(burst, COUNT(burst));
}

/* Connections that are being answered for as long as they live. */
static void keep_busy(struct wire *busy[static CONNECTIONS])
{
    for (int i = 0; i < CONNECTIONS; i++) {
        busy[i] = wire_open_small(admin.port, 4096);
        wire_send_text(busy[i], "GET /big.js HTTP/1.1\r\nHost: x\r\n\r\n");
        expect_head(busy[i], 200);
    }
}

static void abort_all(struct wire **wires, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wire_abort(wires[i]);
}

/* With more bytes than the service reads at once: were they left unread, the connection would
 * be reset, which may destroy the answer. */
static void those_that_are_refused_read_why(void **state)
{
    struct wire *busy[CONNECTIONS], *refused[LINGERING];
    char *body = calloc(1, BODY_BYTES + 1);

    (void)state;
    assert_non_null(body);
    memset(body, 'x', BODY_BYTES);
    keep_busy(busy);
    process_signal(&admin.process, SIGSTOP);
    open_all(refused, COUNT(refused), admin.port, body);
    process_signal(&admin.process, SIGCONT);
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct http_answer answer = {0};
        const char *bytes;
        char length[64];
        size_t len;

        assert_int_equal(wire_wait_end(refused[i], DEADLINE_MS), WIRE_ENDED);
        bytes = wire_get_unread(refused[i], &len);
        http_get_parse(&answer, bytes, len);
        admin_expect_error_in(&answer, 503, "unavailable");
        assert_true(http_get_has_header(&answer, "Retry-After: 1"));
        snprintf(length, sizeof(length), "Content-Length: %zu", answer.body_len);
        assert_true(http_get_has_header(&answer, length));
        http_get_deinit(&answer);
    }
    free_all(refused, COUNT(refused));
    abort_all(busy, COUNT(busy));
    free(body);
}

static int descriptors_of(const struct admin *a)
{
    char *path = print_text("/proc/%d/fd", (int)a->process.pid);
    DIR *dir = opendir(path);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    free(path);
    return count;
}

static int descriptors_before;

static bool are_all_closed(void *data)
{
    return descriptors_of(data) <= descriptors_before;
}

/* They end neither by themselves nor in silence. */
static void those_that_are_refused_and_stay_cost_little(void **state)
{
    struct wire *busy[CONNECTIONS], *refused[4 * LINGERING];

    (void)state;
    keep_busy(busy);
    descriptors_before = descriptors_of(&admin);
    for (size_t i = 0; i < COUNT(refused); i++) {
        refused[i] = wire_open(admin.port);
        expect_head(refused[i], 503);
        assert_true(descriptors_of(&admin) <= descriptors_before + LINGERING + 1);
    }
    assert_int_equal(wire_wait_end(busy[0], 0), WIRE_OPEN);
    assert_true(wait_until(are_all_closed, &admin, DEADLINE_MS));
    free_all(refused, COUNT(refused));
    abort_all(busy, COUNT(busy));
    admin_get(&admin, 200, "/healthz");
}

static int start(void **state)
{
    char *console;

    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    console_dir = big_console_write(fleet.dir);
    console = print_text("ROOMCAST_CONSOLE_DIR=%s", console_dir);
    admin_start(&admin, &fleet,
                (const char *[]){console, "ROOMCAST_HTTP_SEND_SECS=600",
                                 "ROOMCAST_HTTP_CONNECTIONS=30", NULL});
    free(console);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    admin_stop(&admin);
    files_remove(console_dir);
    free(console_dir);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_up_to_the_limit_is_answered),
        cmocka_unit_test(of_a_burst_beyond_the_limit_each_one_is_answered),
        cmocka_unit_test(those_that_are_refused_read_why),
        cmocka_unit_test(those_that_are_refused_and_stay_cost_little),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
