/* test_join_property.c - whenever a client comes and goes, what it gets is without a hole
 * and without an overlap.
 *
 * One publisher sends at full speed, a window of messages in flight, while others join,
 * leave, join again, drop the connection and resume at random, on two gateways with two
 * workers each. follower.h checks every message that any of them gets. In the end all
 * come in once more, and must arrive at the last message.
 *
 * The rows differ in how much the history holds: everything, so that nothing at all may
 * be missing; less than what is published between a client's visits; nothing; and more
 * than one batch.
 *
 * Over 400 lines because a client, what it may do, and a round of them are one machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "client/ws_client.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/follower.h"
#include "tests/support/fleet/loop.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 4 };
#else
enum { SLOWER = 1 };
#endif

enum {
    CLIENTS = 36, /* without the publisher */
    USERS = 30,   /* so some users have two connections */
    TICK_MS = 1,
    ACTS_A_TICK = 4,
    SEED = 20250611,
    PATIENCE_MS = 120000
};

struct trial {
    const char *history_limit;
    unsigned window;     /* messages in flight */
    size_t text_bytes;   /* at least */
    uint64_t messages;   /* a round ends its publishing there; 0: with its joins */
    unsigned rounds;     /* each in a room of its own */
    unsigned joins;      /* at least so many a round */
    bool expect_batches; /* some history came in several */
};

struct peer {
    struct round *round;
    struct ws_client *client; /* NULL: none, or on its way out */
    bool is_open, is_closed;
    char user[16];
    struct follower follower;
};

struct round {
    const struct trial *trial;
    uv_loop_t loop;
    uv_timer_t tick;
    char room[32];
    uint64_t sent;
    struct peer publisher, clients[CLIENTS];
    bool settling; /* nobody leaves any more, everybody comes in */
};

static struct fleet fleet;
static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

/* ---- one client ---- */

static void on_open(void *owner)
{
    ((struct peer *)owner)->is_open = true;
}

static void publish(struct peer *publisher)
{
    struct round *round = publisher->round;
    const struct trial *trial = round->trial;
    struct strbuf text = {NULL, 0, 0};

    while (!round->settling && publisher->follower.state != FOLLOWER_OUT &&
           round->sent - publisher->follower.acks < trial->window &&
           (trial->messages == 0 || round->sent < trial->messages)) {
        strbuf_reset(&text, SIZE_MAX);
        follower_print_message(&publisher->follower, &text, ++round->sent,
                               trial->text_bytes);
        ws_client_send(publisher->client, text.data, text.len);
    }
    strbuf_deinit(&text);
}

static void on_text(void *owner, const char *text, size_t len)
{
    struct peer *peer = owner;

    follower_take(&peer->follower, text, len);
    if (peer == &peer->round->publisher)
        publish(peer);
}

static void on_close(void *owner, int code, const char *why)
{
    struct peer *peer = owner;

    if (!peer->is_closed) /* not by us */
        fail_msg("%s: the connection ended with %d, %s", peer->user, code, why);
    peer->client = NULL;
    peer->is_open = peer->is_closed = false;
}

static void connect_peer(struct peer *peer, unsigned gateway)
{
    peer->client =
        ws_client_open(&peer->round->loop, &(struct ws_client_opts){
                                               .host = "127.0.0.1",
                                               .port = fleet.gateways[gateway].port,
                                               .owner = peer,
                                               .on_open = on_open,
                                               .on_text = on_text,
                                               .on_close = on_close,
                                           });
}

/* With a close frame or, as if it crashed, without. */
static void disconnect(struct peer *peer, bool politely)
{
    peer->is_closed = true;
    follower_on_end(&peer->follower);
    if (politely && peer->is_open)
        ws_client_close(peer->client, 1000);
    else
        ws_client_abort(peer->client);
}

/* ---- what it may do ---- */

static void send_join(struct peer *peer)
{
    struct follower_since since = follower_since(&peer->follower);
    struct strbuf text = {NULL, 0, 0};
    uint32_t draw = random_below(100);
    bool resumes = peer->follower.epoch[0] && draw < 85;

    if (draw < 10)
        since.seq = random_below((uint32_t)since.seq + 1);
    else if (draw < 15)
        since.seq += 1000000; /* not yet */
    else if (draw < 20)
        snprintf(since.epoch, sizeof(since.epoch), "0123456789abcdef");
    follower_print_join(&peer->follower, &text, resumes ? &since : NULL);
    ws_client_send(peer->client, text.data, text.len);
    strbuf_deinit(&text);
}

static void send_leave(struct peer *peer)
{
    struct strbuf text = {NULL, 0, 0};

    follower_print_leave(&peer->follower, &text);
    ws_client_send(peer->client, text.data, text.len);
    strbuf_deinit(&text);
}

/* Out and in again without waiting for an answer. */
static void send_leave_and_join(struct peer *peer)
{
    send_leave(peer);
    send_join(peer);
}

static void drop(struct peer *peer)
{
    disconnect(peer, false);
}

static void close_politely(struct peer *peer)
{
    disconnect(peer, true);
}

static void do_nothing(struct peer *peer)
{
    (void)peer;
}

/* Whether it is in, or will be once all is answered. */
static bool will_be_in(const struct follower *f)
{
    return f->asked_count > 0 ? !f->asked[f->asked_count - 1].is_leave
                              : f->state != FOLLOWER_OUT;
}

static void act_inside(struct peer *peer)
{
    static void (*const acts[])(struct peer * peer) = {
        drop,       drop,       close_politely,
        send_leave, send_join,  send_leave_and_join,
        do_nothing, do_nothing,
    };

    acts[random_below(sizeof(acts) / sizeof(acts[0]))](peer);
}

static void act(struct peer *peer)
{
    bool settling = peer->round->settling;

    if (peer->is_closed)
        return;
    if (!peer->client)
        connect_peer(peer, random_below(2));
    else if (!peer->is_open && !settling && random_below(20) == 0)
        drop(peer);
    else if (peer->is_open && !will_be_in(&peer->follower))
        send_join(peer);
    else if (peer->is_open && !settling &&
             peer->follower.asked_count + 2 <= FOLLOWER_ASKED_MAX)
        act_inside(peer);
}

static void on_tick(uv_timer_t *timer)
{
    struct round *round = timer->data;

    for (int i = 0; i < ACTS_A_TICK; i++)
        act(&round->clients[random_below(CLIENTS)]);
}

/* ---- a round ---- */

static unsigned joins_of(const struct round *round)
{
    unsigned joins = 0;

    for (int i = 0; i < CLIENTS; i++)
        joins += round->clients[i].follower.joins;
    return joins;
}

static bool publisher_is_open(void *data)
{
    return ((struct round *)data)->publisher.is_open;
}

static bool has_gone_far_enough(void *data)
{
    const struct round *round = data;

    return joins_of(round) * SLOWER >= round->trial->joins &&
           round->publisher.follower.acks >= round->trial->messages;
}

static bool has_all(const struct peer *peer)
{
    return peer->follower.state == FOLLOWER_LIVE && peer->follower.asked_count == 0 &&
           peer->follower.next == peer->round->sent + 1;
}

static bool has_settled(void *data)
{
    const struct round *round = data;

    if (round->publisher.follower.acks != round->sent || !has_all(&round->publisher))
        return false;
    for (int i = 0; i < CLIENTS; i++)
        if (!has_all(&round->clients[i]))
            return false;
    return true;
}

static void set_up_peer(struct round *round, struct peer *peer, unsigned user)
{
    peer->round = round;
    snprintf(peer->user, sizeof(peer->user), "u%u", user);
    peer->follower =
        (struct follower){.room = round->room,
                          .user = peer->user,
                          .history_limit = (unsigned)atoi(round->trial->history_limit),
                          .sent = &round->sent};
}

static void start_round(struct round *round, const struct trial *trial, unsigned nth)
{
    round->trial = trial;
    snprintf(round->room, sizeof(round->room), "round-%u", nth);
    uv_loop_init(&round->loop);
    uv_timer_init(&round->loop, &round->tick);
    round->tick.data = round;
    set_up_peer(round, &round->publisher, USERS);
    for (unsigned i = 0; i < CLIENTS; i++)
        set_up_peer(round, &round->clients[i], i % USERS);
    connect_peer(&round->publisher, 0);
    assert_true(loop_run_until(&round->loop, publisher_is_open, round, PATIENCE_MS));
    send_join(&round->publisher);
    uv_timer_start(&round->tick, on_tick, TICK_MS, TICK_MS);
}

static void end_round(struct round *round)
{
    uv_close((uv_handle_t *)&round->tick, NULL);
    disconnect(&round->publisher, true);
    for (int i = 0; i < CLIENTS; i++)
        disconnect(&round->clients[i], true);
    loop_close(&round->loop);
}

static void print_round(const struct round *round)
{
    unsigned recovered = 0, batches = 0, gaps = 0;
    uint64_t messages = 0;

    for (int i = 0; i < CLIENTS; i++) {
        const struct follower *f = &round->clients[i].follower;

        recovered += f->recovered;
        batches += f->batches;
        gaps += f->gaps;
        messages += f->messages;
    }
    print_message("  %s: %u joins, %u recovered, %u batches, %u gaps, %llu messages "
                  "of %llu\n",
                  round->room, joins_of(round), recovered, batches, gaps,
                  (unsigned long long)messages, (unsigned long long)round->sent);
    if (round->trial->expect_batches)
        assert_true(batches > joins_of(round));
}

static void there_is_no_hole_and_no_overlap(void **state)
{
    const struct trial *trial = *state;

    print_message("  seed %d\n", SEED);
    random_state = SEED;
    for (unsigned nth = 1; nth <= trial->rounds; nth++) {
        struct round *round = calloc(1, sizeof(*round));

        start_round(round, trial, nth);
        assert_true(
            loop_run_until(&round->loop, has_gone_far_enough, round, PATIENCE_MS));
        round->settling = true;
        assert_true(loop_run_until(&round->loop, has_settled, round, PATIENCE_MS));
        print_round(round);
        end_round(round);
        free(round);
    }
}

static int start(void **state)
{
    const struct trial *trial = *state;
    char limit[64];

    snprintf(limit, sizeof(limit), "ROOMCAST_HISTORY_LIMIT=%s", trial->history_limit);
    return fleet_start(&fleet,
                       &(struct fleet_opts){
                           .gateways = 2,
                           .settings = (const char *[]){
                               limit, "ROOMCAST_WORKERS=2", "ROOMCAST_JOINS_PER_SEC=0",
                               "ROOMCAST_PRESENCE_GRACE_MS=100", NULL}});
}

static int stop(void **state)
{
    (void)state;
    return fleet_stop(&fleet);
}

/* Nothing is ever out of the history, so nobody may be told of a gap. */
static struct trial all_is_kept = {
    .history_limit = "1500", .window = 32, .messages = 1500, .rounds = 4, .joins = 250};

static struct trial usual = {
    .history_limit = "100", .window = 32, .rounds = 1, .joins = 2000};

static struct trial little_is_kept = {
    .history_limit = "5", .window = 32, .rounds = 1, .joins = 1000};

static struct trial nothing_is_kept = {
    .history_limit = "0", .window = 32, .rounds = 1, .joins = 1000};

static struct trial large = {.history_limit = "100",
                             .window = 8,
                             .text_bytes = 8000,
                             .rounds = 1,
                             .joins = 400,
                             .expect_batches = true};

#define TRIAL(label, row)                                                              \
    {                                                                                  \
        .name = (label), .test_func = there_is_no_hole_and_no_overlap,                 \
        .setup_func = start, .teardown_func = stop, .initial_state = &(row)            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIAL("nothing_is_missing_where_the_history_holds_everything", all_is_kept),
        TRIAL("no_hole_and_no_overlap_with_the_usual_history", usual),
        TRIAL("no_hole_and_no_overlap_where_resumes_are_often_in_vain", little_is_kept),
        TRIAL("no_hole_and_no_overlap_without_a_history", nothing_is_kept),
        TRIAL("no_hole_and_no_overlap_over_several_batches", large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
