/* test_crowd.c - two thousand clients in one room over two gateways each get a thousand
 * messages in order, with none missing.
 *
 * All of them stand on one loop; the publisher is one more, with a window of messages in
 * flight. follower.h checks each message of each client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <uv.h>

#include "client/ws_client.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/follower.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/redis/process.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CLIENTS = 300, MESSAGES = 200 };
#else
enum { CLIENTS = 2000, MESSAGES = 1000 };
#endif

enum {
    WINDOW = 32,     /* messages in flight */
    CONNECTING = 64, /* handshakes and joins under way */
    SPARE_FDS = 100,
    PATIENCE_MS = 240000
};

struct crowd;

struct guest {
    struct crowd *crowd;
    struct ws_client *client;
    char user[16];
    struct follower follower;
};

struct crowd {
    uv_loop_t loop;
    struct guest guests[CLIENTS + 1]; /* the last one is the publisher */
    unsigned opened, in, closed;
    uint64_t sent;
    bool closing;
};

static struct fleet fleet;
static struct crowd crowd;

static struct guest *publisher(void)
{
    return &crowd.guests[CLIENTS];
}

static void open_more(void);

static void publish(void)
{
    struct guest *self = publisher();
    struct strbuf text = {NULL, 0, 0};

    while (crowd.sent < MESSAGES && crowd.sent - self->follower.acks < WINDOW) {
        strbuf_reset(&text, SIZE_MAX);
        follower_print_message(&self->follower, &text, ++crowd.sent, 0);
        ws_client_send(self->client, text.data, text.len);
    }
    strbuf_deinit(&text);
}

static void on_open(void *owner)
{
    struct guest *guest = owner;
    struct strbuf text = {NULL, 0, 0};

    follower_print_join(&guest->follower, &text, NULL);
    ws_client_send(guest->client, text.data, text.len);
    strbuf_deinit(&text);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct guest *guest = owner;
    bool was_in = guest->follower.state == FOLLOWER_LIVE;

    follower_take(&guest->follower, text, len);
    if (!was_in && guest->follower.state == FOLLOWER_LIVE) {
        crowd.in++;
        open_more();
    }
    if (guest == publisher() && crowd.sent > 0)
        publish();
}

static void on_close(void *owner, int code, const char *why)
{
    struct guest *guest = owner;

    if (!crowd.closing)
        fail_msg("%s: the connection ended with %d, %s", guest->user, code, why);
    assert_int_equal(code, 1000);
    crowd.closed++;
}

static void open_guest(unsigned i)
{
    struct guest *guest = &crowd.guests[i];

    snprintf(guest->user, sizeof(guest->user), "u%u", i);
    guest->follower = (struct follower){.room = "crowd",
                                        .user = guest->user,
                                        .history_limit = 100,
                                        .sent = &crowd.sent};
    guest->client = ws_client_open(&crowd.loop, &(struct ws_client_opts){
                                                    .host = "127.0.0.1",
                                                    .port = fleet.gateways[i % 2].port,
                                                    .owner = guest,
                                                    .on_open = on_open,
                                                    .on_text = on_text,
                                                    .on_close = on_close,
                                                });
}

/* Not all at once: a listener's queue has an end. */
static void open_more(void)
{
    while (crowd.opened <= CLIENTS && crowd.opened - crowd.in < CONNECTING)
        open_guest(crowd.opened++);
}

static bool all_are_in(void *data)
{
    (void)data;
    return crowd.in == CLIENTS + 1;
}

static bool all_have_all(void *data)
{
    (void)data;
    for (int i = 0; i <= CLIENTS; i++)
        if (crowd.guests[i].follower.messages < MESSAGES)
            return false;
    return true;
}

static bool all_are_closed(void *data)
{
    (void)data;
    return crowd.closed == CLIENTS + 1;
}

static void everybody_in_a_crowd_gets_every_message_in_order(void **state)
{
    (void)state;
    uv_loop_init(&crowd.loop);
    open_more();
    assert_true(loop_run_until(&crowd.loop, all_are_in, NULL, PATIENCE_MS));

    publish();
    assert_true(loop_run_until(&crowd.loop, all_have_all, NULL, PATIENCE_MS));
    for (int i = 0; i <= CLIENTS; i++) {
        assert_int_equal(crowd.guests[i].follower.gaps, 0);
        assert_int_equal(crowd.guests[i].follower.messages, MESSAGES);
        assert_int_equal(crowd.guests[i].follower.next, MESSAGES + 1);
    }

    crowd.closing = true;
    for (int i = 0; i <= CLIENTS; i++)
        ws_client_close(crowd.guests[i].client, 1000);
    assert_true(loop_run_until(&crowd.loop, all_are_closed, NULL, PATIENCE_MS));
    loop_close(&crowd.loop);
}

static int start(void **state)
{
    *state = &fleet;
    process_raise_fd_limit(CLIENTS + SPARE_FDS);
    return fleet_start(&fleet, &(struct fleet_opts){.gateways = 2,
                                                    .settings = (const char *[]){
                                                        "ROOMCAST_WORKERS=2", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_in_a_crowd_gets_every_message_in_order),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
