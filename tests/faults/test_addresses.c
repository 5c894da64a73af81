/* test_addresses.c - a name with several addresses: each attempt tries them all, in order. The
 * first ones are nobody's, refuse, or do not answer at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/process.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 60000, FULL = 8 };

static struct fleet fleet;
static char preload[512], url[128];

static bool is_ready(void *data)
{
    return http_get_status(*(int *)data, "/readyz") == 200;
}

/* A gateway whose Redis is many.test; its index. */
static unsigned add_gateway(const char *addresses)
{
    char *odd = print_text("ODD_ADDRESSES=%s", addresses);
    const char *const settings[] = {
        preload,
        "ASAN_OPTIONS=detect_stack_use_after_return=1:verify_asan_link_order=0", odd,
        url, NULL};
    unsigned index = fleet_add(&fleet, settings);

    free(odd);
    return index;
}

static void expect_well(unsigned gateway)
{
    struct chat *ann = chat_enter(fleet.gateways[gateway].port, "well", "ann");

    chat_say(ann, "well", "hello");
    chat_close(ann);
}

static void an_address_that_refuses_is_passed_over(void **state)
{
    (void)state;
    expect_well(add_gateway("127.0.0.2 127.0.0.3 127.0.0.1"));
}

struct coming_back {
    unsigned gateway;
    double reconnects; /* in all, with those that are to come */
};

static double reconnects(unsigned gateway)
{
    return fleet_metric(&fleet, gateway,
                        q("roomcast_redis_reconnects_total{shard='0'}"));
}

static bool is_back(void *data)
{
    const struct coming_back *back = data;

    return reconnects(back->gateway) >= back->reconnects &&
           is_ready(&fleet.gateways[back->gateway].ops_port);
}

/* And so each time, not only at the start. */
static void a_lost_connection_comes_back_the_same_way(void **state)
{
    unsigned i = add_gateway("127.0.0.2 127.0.0.1");

    (void)state;
    for (int round = 0; round < 3; round++) {
        struct coming_back back = {i, reconnects(i) + 2}; /* both links */

        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE normal SKIPME yes");
        redis_cmd(fleet.redis_port, "CLIENT KILL TYPE pubsub");
        assert_true(wait_until(is_back, &back, PATIENCE_MS));
    }
    expect_well(i);
}

/* Listens, but takes nobody: once its queue is full, it does not answer any more. */
static int open_silent(const char *address, int port, int waiting[FULL])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    inet_pton(AF_INET, address, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < FULL; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(waiting[i], (struct sockaddr *)&at, sizeof(at));
    }
    return fd;
}

static void an_address_that_does_not_answer_is_given_up(void **state)
{
    int waiting[FULL], fd = open_silent("127.0.0.4", fleet.redis_port, waiting);

    (void)state;
    expect_well(add_gateway("127.0.0.4 127.0.0.1"));
    for (int i = 0; i < FULL; i++)
        close(waiting[i]);
    close(fd);
}

/* What it prints when it is connected. */
static void expect_client(const char *addresses)
{
    char *log = print_text("%s/client.log", fleet.dir);
    char *odd = print_text("ODD_ADDRESSES=%s", addresses);
    char *program = print_text("%s/roomcast", getenv("ROOMCAST_BIN"));
    char *at = print_text("ws://many.test:%d/ws", fleet.gateways[0].port);
    const char *const settings[] = {
        preload,
        "ASAN_OPTIONS=detect_stack_use_after_return=1:verify_asan_link_order=0", odd,
        NULL};
    struct process client = {0};
    struct chat *bob = chat_enter(fleet.gateways[0].port, "lobby", "bob");

    process_start(&client,
                  (const char *[]){program, "--plain", "--follow", "--user", "ann",
                                   "--url", at, "lobby", NULL},
                  settings, log);
    chat_expect_skipping(bob, "member_joined");
    assert_string_equal(chat_get_text(bob, "user"), "ann");
    process_kill(&client);
    chat_expect_skipping(bob, "member_left");
    chat_close(bob);
    unlink(log);
    free(at);
    free(program);
    free(odd);
    free(log);
}

static void clients_try_every_address_too(void **state)
{
    int waiting[FULL], fd = open_silent("127.0.0.5", fleet.gateways[0].port, waiting);

    (void)state;
    expect_client("127.0.0.2 127.0.0.1");
    expect_client("127.0.0.5 127.0.0.1");
    for (int i = 0; i < FULL; i++)
        close(waiting[i]);
    close(fd);
}

static int start(void **state)
{
    *state = &fleet;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/../tests/libodd_process.so",
             getenv("ROOMCAST_BIN"));
    snprintf(url, sizeof(url), "ROOMCAST_REDIS_URL=redis://many.test:%d",
             fleet.redis_port);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_that_refuses_is_passed_over),
        cmocka_unit_test(a_lost_connection_comes_back_the_same_way),
        cmocka_unit_test(an_address_that_does_not_answer_is_given_up),
        cmocka_unit_test(clients_try_every_address_too),
    };

    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
