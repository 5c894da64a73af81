/* test_balancer.c - compose/haproxy.cfg and compose/redis.conf as they stand, in front of and
 * behind three real gateways: a rolling restart that nobody notices.
 *
 *     crowd: chat_client x PEOPLE -> haproxy -> gateway 1, 2, 3 -> redis-server
 *
 * Everybody in the crowd talks and listens. Each message is numbered by its text, "3 17" is the
 * 17th of person 3, and everybody must get those of each person once and in order. Meanwhile
 * the gateways are stopped and started one after the other, and strangers keep coming to the
 * balancer, each of whom must be let in.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "client/chat_client.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/loop.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum {
    GATEWAYS = 3,
    PEOPLE = 9,
    BEHIND_MAX = 200, /* messages that the slowest may have to hear yet */
    BETWEEN = 20,     /* messages of each person between two restarts */
    PATIENCE_MS = 60000,
    PATH_BYTES = 512,
    ALL = FLEET_MAX,
};

static const char password[] = "password-of-the-tests";
static char source[PATH_BYTES], redis_conf[PATH_BYTES + 32];
static struct fleet fleet;
static uv_loop_t loop;

/* ---- the balancer ---- */

struct balancer {
    struct process process;
    int port, ops_port;
    char log_path[PATH_BYTES];
};

static struct balancer balancer;

static bool has_come_up(void *data)
{
    struct balancer *b = data;

    return !process_is_running(&b->process) ||
           http_get_status(b->ops_port, "/healthz") == 200;
}

/* As HAProxy counts: 1 where the gateway is in this state. */
static bool is_in_state(unsigned gateway, const char *state)
{
    char name[128];

    snprintf(name, sizeof(name),
             q("haproxy_server_status{proxy='gateways',server='gateway-%u',state="
               "'%s'}"),
             gateway + 1, state);
    return http_get_metric(balancer.ops_port, name) == 1;
}

/* `limit` is how many connections an address may have. How many new ones is left open, since a
 * fast machine makes many. `only`: the gateway behind each name, or ALL. */
static void start_balancer(struct balancer *b, const char *limit, unsigned only)
{
    enum { LINES = 5 + 2 * GATEWAYS };
    static char lines[LINES][128], config[PATH_BYTES + 32];
    const char *env[LINES + 1] = {NULL};
    unsigned n = 0;

    b->port = port_take();
    b->ops_port = port_take();
    snprintf(b->log_path, sizeof(b->log_path), "%s/haproxy-%d.log", fleet.dir, b->port);
    snprintf(config, sizeof(config), "%s/compose/haproxy.cfg", source);
    snprintf(lines[n++], 128, "BALANCER_LISTEN=127.0.0.1:%d", b->port);
    snprintf(lines[n++], 128, "BALANCER_OPS_LISTEN=127.0.0.1:%d", b->ops_port);
    snprintf(lines[n++], 128, "BALANCER_MAX_CONNECTIONS=2000");
    snprintf(lines[n++], 128, "BALANCER_CONNECTIONS_PER_SOURCE=%s", limit);
    snprintf(lines[n++], 128, "BALANCER_NEW_PER_SOURCE=1000000000");
    for (unsigned g = 0; g < GATEWAYS; g++) {
        const struct fleet_gateway *gateway = &fleet.gateways[only == ALL ? g : only];

        snprintf(lines[n++], 128, "GATEWAY_%u=127.0.0.1:%d", g + 1, gateway->port);
        snprintf(lines[n++], 128, "GATEWAY_%u_OPS_PORT=%d", g + 1, gateway->ops_port);
    }
    for (unsigned i = 0; i < n; i++)
        env[i] = lines[i];
    process_start(&b->process, (const char *[]){"haproxy", "-db", "-f", config, NULL},
                  env, b->log_path);
    if (!wait_until(has_come_up, b, PATIENCE_MS) || !process_is_running(&b->process)) {
        process_print_log(b->log_path);
        fail_msg("haproxy does not start");
    }
}

static void stop_balancer(struct balancer *b)
{
    process_signal(&b->process, SIGTERM);
    assert_int_equal(process_wait(&b->process, PATIENCE_MS), 128 + SIGTERM);
    unlink(b->log_path);
}

static bool all_are_up(void *data)
{
    (void)data;
    for (unsigned g = 0; g < GATEWAYS; g++)
        if (!is_in_state(g, "UP"))
            return false;
    return true;
}

/* ---- the crowd ---- */

struct person {
    struct chat_client *client;
    struct crowd *crowd;
    uint64_t said, acked, heard; /* heard: of all */
    uint64_t heard_of[PEOPLE];
    unsigned opened;
    bool closed;
};

struct crowd {
    struct person people[PEOPLE];
    uint64_t may_say; /* of each */
};

static void on_state(void *owner, enum connection_state state, const char *why)
{
    struct person *person = owner;

    (void)why;
    assert_int_not_equal(state, CONNECTION_ENDED);
    person->opened += state == CONNECTION_OPEN;
}

static void on_message(void *owner, const struct chat_message *message)
{
    static const char mark[] = "\"text\":\"";
    struct person *person = owner;
    const char *text =
        memmem(message->event.base, message->event.len, mark, sizeof(mark) - 1);
    char *end;
    unsigned long of;

    assert_non_null(text);
    of = strtoul(text + sizeof(mark) - 1, &end, 10);
    assert_true(of < PEOPLE);
    assert_int_equal(strtoull(end, NULL, 10), ++person->heard_of[of]);
    person->heard++;
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    static const char *const never[] = {"\"gap\"", "\"reset\"", "\"error\"",
                                        "\"member_left\""};

    (void)owner;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (type.len == strlen(never[i]) && memcmp(type.base, never[i], type.len) == 0)
            fail_msg("%.*s", (int)event.len, event.base);
}

static void on_said(void *owner, const struct chat_said *said)
{
    assert_null(said->error);
    ((struct person *)owner)->acked++;
}

static void on_closed(void *owner)
{
    ((struct person *)owner)->closed = true;
}

static bool all_are_live(void *data)
{
    struct crowd *crowd = data;

    for (unsigned i = 0; i < PEOPLE; i++)
        if (!chat_client_is_live(crowd->people[i].client, "lobby"))
            return false;
    return true;
}

static void come(struct crowd *crowd)
{
    const struct connection_address address = {.host = "127.0.0.1",
                                               .port = balancer.port};

    for (unsigned i = 0; i < PEOPLE; i++) {
        struct person *person = &crowd->people[i];
        char name[16];

        person->crowd = crowd;
        person->client = chat_client_open(&loop, &(struct chat_client_opts){
                                                     .addresses = &address,
                                                     .count = 1,
                                                     .pause_least_ms = 20,
                                                     .pause_most_ms = 200,
                                                     .owner = person,
                                                     .on_state = on_state,
                                                     .on_message = on_message,
                                                     .on_event = on_event,
                                                     .on_said = on_said,
                                                     .on_closed = on_closed,
                                                 });
        snprintf(name, sizeof(name), "person-%u", i);
        chat_client_join(person->client, "lobby", name);
    }
    assert_true(loop_run_until(&loop, all_are_live, crowd, PATIENCE_MS));
}

static bool all_have_gone(void *data)
{
    struct crowd *crowd = data;

    for (unsigned i = 0; i < PEOPLE; i++)
        if (!crowd->people[i].closed)
            return false;
    return true;
}

static void go(struct crowd *crowd)
{
    for (unsigned i = 0; i < PEOPLE; i++)
        chat_client_close(crowd->people[i].client);
    assert_true(loop_run_until(&loop, all_have_gone, crowd, PATIENCE_MS));
}

static uint64_t total_said(const struct crowd *crowd)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < PEOPLE; i++)
        total += crowd->people[i].said;
    return total;
}

static uint64_t least_heard(const struct crowd *crowd)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < PEOPLE; i++)
        if (crowd->people[i].heard < least)
            least = crowd->people[i].heard;
    return least;
}

/* Each says one more thing, unless its last one is not acked yet or somebody is behind. */
static void say_more(struct crowd *crowd)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct person *person = &crowd->people[i];
        char text[48];
        int len;

        if (person->said > person->acked || person->said >= crowd->may_say ||
            total_said(crowd) - least_heard(crowd) >= BEHIND_MAX)
            continue;
        len = snprintf(text, sizeof(text), "%u %llu", i,
                       (unsigned long long)++person->said);
        assert_true(chat_client_say(person->client, "lobby", text, (size_t)len) > 0);
    }
}

static bool all_is_heard(void *data)
{
    struct crowd *crowd = data;

    say_more(crowd);
    return total_said(crowd) == PEOPLE * crowd->may_say &&
           least_heard(crowd) == total_said(crowd) && all_are_live(crowd);
}

/* ---- the restart ---- */

enum step { ROLL_TALK, ROLL_DRAIN, ROLL_START };

struct roll {
    struct crowd *crowd;
    enum step step;
    unsigned gateway;
    uint64_t talk_until; /* said by all before the next one is stopped */
    double connects;  /* of the draining gateway once the balancer knew; < 0: not yet */
    unsigned noticed; /* gateways that the balancer was seen to leave out */
    unsigned strangers, waited;
};

/* Comes to the balancer and is let in, whatever happens behind it. */
static void send_stranger(struct roll *roll)
{
    struct chat *chat;

    if (roll->waited++ % 4 != 0)
        return;
    chat = chat_open(balancer.port);
    chat_close(chat);
    roll->strangers++;
}

/* How many clients have ever come to it; -1: it is gone meanwhile. */
static double count_connects(unsigned gateway)
{
    static const char name[] = "\nroomcast_connects_total ";
    struct http_answer answer = {0};
    const char *line;
    double count;

    if (!http_get_try(&answer, fleet.gateways[gateway].ops_port, "/metrics"))
        return -1;
    line = strstr(answer.body, name);
    count = line ? strtod(line + sizeof(name) - 1, NULL) : -1;
    http_get_deinit(&answer);
    return count;
}

/* Once the balancer knows, nobody comes any more. */
static void watch_drain(struct roll *roll)
{
    bool is_known = is_in_state(roll->gateway, "DOWN");
    double count = is_known ? count_connects(roll->gateway) : -1;

    if (count < 0)
        return;
    roll->noticed += roll->connects < 0;
    if (roll->connects < 0)
        roll->connects = count;
    assert_true(count == roll->connects);
}

static void start_drain(struct roll *roll)
{
    process_signal(&fleet.gateways[roll->gateway].process, SIGTERM);
    roll->connects = -1;
    roll->step = ROLL_DRAIN;
}

static void restart(struct roll *roll)
{
    struct fleet_gateway *g = &fleet.gateways[roll->gateway];

    assert_int_equal(g->process.status, 0);
    g->down = true;
    fleet_launch_gateway(&fleet, roll->gateway);
    roll->step = ROLL_START;
}

static bool is_rolled(void *data)
{
    struct roll *roll = data;

    say_more(roll->crowd);
    send_stranger(roll);
    if (roll->step == ROLL_TALK && roll->gateway == GATEWAYS)
        return true;
    if (roll->step == ROLL_TALK && total_said(roll->crowd) >= roll->talk_until)
        start_drain(roll);
    else if (roll->step == ROLL_DRAIN &&
             process_is_running(&fleet.gateways[roll->gateway].process))
        watch_drain(roll);
    else if (roll->step == ROLL_DRAIN)
        restart(roll);
    else if (roll->step == ROLL_START && is_in_state(roll->gateway, "UP")) {
        roll->step = ROLL_TALK;
        roll->gateway++;
        roll->talk_until = total_said(roll->crowd) + PEOPLE * BETWEEN;
    }
    return false;
}

static void a_rolling_restart_is_noticed_by_nobody(void **state)
{
    static struct crowd crowd;
    struct roll roll = {.crowd = &crowd, .talk_until = PEOPLE * BETWEEN};
    unsigned opened = 0;

    (void)state;
    uv_loop_init(&loop);
    come(&crowd);
    crowd.may_say = UINT64_MAX / PEOPLE;
    assert_true(loop_run_until(&loop, is_rolled, &roll, 3 * PATIENCE_MS));
    crowd.may_say = 0;
    for (unsigned i = 0; i < PEOPLE; i++)
        if (crowd.people[i].said > crowd.may_say)
            crowd.may_say = crowd.people[i].said;
    crowd.may_say += BETWEEN; /* after it all goes on */
    assert_true(loop_run_until(&loop, all_is_heard, &crowd, PATIENCE_MS));
    for (unsigned i = 0; i < PEOPLE; i++)
        opened += crowd.people[i].opened;
    print_message("  %llu messages, %u connections of the crowd, %u of strangers\n",
                  (unsigned long long)total_said(&crowd), opened, roll.strangers);
    assert_int_equal(roll.noticed, GATEWAYS);
    assert_true(opened > PEOPLE);
    go(&crowd);
    loop_close(&loop);
}

/* ---- the rest of what it promises ---- */

static bool is_evenly_spread(void *data)
{
    (void)data;
    for (unsigned g = 0; g < GATEWAYS; g++)
        if (fleet_metric(&fleet, g, "roomcast_connections") != 2)
            return false;
    return true;
}

static void clients_go_where_there_are_fewest(void **state)
{
    struct chat *clients[2 * GATEWAYS];

    (void)state;
    assert_true(wait_until(all_are_up, NULL, PATIENCE_MS));
    for (unsigned i = 0; i < 2 * GATEWAYS; i++)
        clients[i] = chat_open(balancer.port);
    assert_true(wait_until(is_evenly_spread, NULL, PATIENCE_MS));
    for (unsigned i = 0; i < 2 * GATEWAYS; i++)
        chat_close(clients[i]);
}

static const char upgrade[] = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                              "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int status_of_upgrade(int port)
{
    struct http_answer answer = {0};
    int status;

    http_get_raw(&answer, port, upgrade);
    status = answer.status;
    http_get_deinit(&answer);
    return status;
}

static void an_address_with_too_many_connections_gets_429(void **state)
{
    static struct balancer strict;
    struct chat *first, *second;

    (void)state;
    start_balancer(&strict, "2", ALL);
    first = chat_open(strict.port);
    second = chat_open(strict.port);
    assert_int_equal(status_of_upgrade(strict.port), 429);
    chat_close(first);
    chat_close(second);
    stop_balancer(&strict);
}

static int status_from(int port, const char *address, const char *lines,
                       struct wire **out)
{
    struct wire *w = wire_open_from(port, address);

    assert_true(wire_send_text(w, USUAL));
    assert_true(wire_send_text(w, lines));
    assert_true(wire_send_text(w, END));
    assert_true(wire_read_head(w, PATIENCE_MS));
    *out = w;
    return atoi(wire_get_head(w) + strlen("HTTP/1.1 "));
}

/* As docker-compose.yml has it, but for the numbers. */
static void the_gateway_knows_whose_connection_it_is(void **state)
{
    static const char *const settings[] = {"ROOMCAST_TRUSTED_PROXIES=127.0.0.1",
                                           "ROOMCAST_ADDRESS_PENDING_MAX=1", NULL};
    static struct balancer own;
    unsigned gateway = fleet_add(&fleet, settings);
    struct wire *first, *second, *other;

    (void)state;
    start_balancer(&own, "1000", gateway);
    assert_int_equal(status_from(own.port, "127.0.0.7", "", &first), 101);
    assert_int_equal(
        status_from(own.port, "127.0.0.7", "X-Forwarded-For: 203.0.113.9\r\n", &second),
        429);
    assert_int_equal(status_from(own.port, "127.0.0.8", "", &other), 101);
    fleet_expect_logged(&fleet, gateway, "connect_refused address=127.0.0.7");
    wire_free(first);
    wire_free(second);
    wire_free(other);
    stop_balancer(&own);
    fleet_stop_gateway(&fleet, gateway);
}

static bool has_no_gateway(void *data)
{
    (void)data;
    return http_get_status(balancer.ops_port, "/healthz") == 503;
}

static void without_a_gateway_the_balancer_is_not_well_and_says_503(void **state)
{
    (void)state;
    for (unsigned g = 0; g < GATEWAYS; g++)
        fleet_stop_gateway(&fleet, g);
    assert_true(wait_until(has_no_gateway, NULL, PATIENCE_MS));
    assert_int_equal(status_of_upgrade(balancer.port), 503);
    for (unsigned g = 0; g < GATEWAYS; g++)
        fleet_start_gateway(&fleet, g);
    assert_true(wait_until(all_are_up, NULL, PATIENCE_MS));
}

/* ---- Redis ---- */

static const struct {
    const char *name, *value;
} configured[] = {
    {"appendonly", "yes"},
    {"appendfsync", "everysec"},
    {"maxmemory-policy", "noeviction"},
    {"notify-keyspace-events", "xK"},
};

static void expect_config(const char *name, const char *value)
{
    redisReply *reply = redis_cmd_reply(fleet.redis_port, "CONFIG GET %s", name);

    assert_non_null(reply);
    assert_int_equal(reply->elements, 2);
    if (!strstr(reply->element[1]->str, value))
        fail_msg("%s is %s, not %s", name, reply->element[1]->str, value);
    freeReplyObject(reply);
}

static void redis_is_as_the_file_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(configured) / sizeof(configured[0]); i++)
        expect_config(configured[i].name, configured[i].value);
    expect_config("client-output-buffer-limit", "pubsub 268435456 67108864 60");
}

static void redis_wants_its_password_and_hides_it(void **state)
{
    char path[64], line[512] = "";
    FILE *file;
    size_t len;

    (void)state;
    redis_cmd_set_password(NULL);
    assert_false(redis_cmd_is_up(fleet.redis_port));
    redis_cmd_set_password(password);
    assert_true(redis_cmd_is_up(fleet.redis_port));
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)fleet.redis.process.pid);
    file = fopen(path, "r");
    assert_non_null(file);
    len = fread(line, 1, sizeof(line), file);
    fclose(file);
    assert_true(len > 0);
    assert_null(memmem(line, len, password, strlen(password)));
}

static void what_was_acked_outlives_redis(void **state)
{
    struct chat *ann = chat_open(balancer.port);

    (void)state;
    chat_join(ann, "kept", "ann");
    chat_say(ann, "kept", "still here");
    chat_close(ann);
    fleet_restart_redis(&fleet);
    fleet_wait_all_ready(&fleet);
    assert_true(wait_until(all_are_up, NULL, PATIENCE_MS));
    ann = chat_open(balancer.port);
    chat_send(ann, "{'type':'join','room':'kept','user':'bob'}");
    chat_expect_skipping(ann, "history_batch");
    assert_string_equal(chat_get_text(ann, "messages.0.text"), "still here");
    chat_close(ann);
}

static int start(void **state)
{
    (void)state;
    snprintf(source, sizeof(source), "%s", getenv("ROOMCAST_SOURCE"));
    snprintf(redis_conf, sizeof(redis_conf), "%s/compose/redis.conf", source);
    fleet_start(&fleet, &(struct fleet_opts){.gateways = GATEWAYS,
                                             .redis_conf = redis_conf,
                                             .redis_password = password,
                                             .settings = (const char *[]){
                                                 "ROOMCAST_DRAIN_SECS=3",
                                                 "ROOMCAST_PRESENCE_GRACE_MS=20000",
                                                 "ROOMCAST_HISTORY_LIMIT=1000", NULL}});
    start_balancer(&balancer, "1000", ALL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stop_balancer(&balancer);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_is_as_the_file_says),
        cmocka_unit_test(redis_wants_its_password_and_hides_it),
        cmocka_unit_test(clients_go_where_there_are_fewest),
        cmocka_unit_test(an_address_with_too_many_connections_gets_429),
        cmocka_unit_test(the_gateway_knows_whose_connection_it_is),
        cmocka_unit_test(a_rolling_restart_is_noticed_by_nobody),
        cmocka_unit_test(what_was_acked_outlives_redis),
        cmocka_unit_test(without_a_gateway_the_balancer_is_not_well_and_says_503),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
