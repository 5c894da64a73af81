/* test_move_rooms.c - roomcast-admin --move-rooms, between real Redis: lists that grow and shrink, and from
 * one Redis to a cluster (SPEC-SCALE S11). What was there stays so, for clients too; a move that is killed is
 * gone on with; and it does not begin where it must not.
 *
 * Two kinds of rooms: some in which people were, through gateways, and many that a script has made.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cluster.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/redis/redis_sentinels.h"
#include "tests/support/unit/certificates.h"
#include "tests/support/unit/wait.h"

enum {
    SERVERS = 4,
    ROOMS = 6, /* with people */
    SAID = 5,  /* messages in each of them */
    MANY = 4000,
    PATIENCE_MS = 60000,
    DONE = 0,
    BROKE_OFF = 1,
    BAD_SETTING = 2,
    REFUSED = 3,
    TTL_MS = 900000,
};

#define PASSWORD "a-secret-that-is-never-printed"

static struct fleet fleet; /* gateways; its own Redis is not used */
static struct redis_server servers[SERVERS];
static struct redis_cluster cluster;
static bool has_cluster;

/* ---- Redis ---- */

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet, &(struct fleet_opts){0});
}

static void open_servers(const char *password)
{
    for (unsigned i = 0; i < SERVERS; i++)
        redis_server_open(&servers[i],
                          &(struct redis_server_opts){.password = password});
}

static int open_plain(void **state)
{
    (void)state;
    open_servers(NULL);
    return 0;
}

static int open_secret(void **state)
{
    (void)state;
    open_servers(PASSWORD);
    return 0;
}

static int open_with_cluster(void **state)
{
    open_plain(state);
    redis_cluster_open(&cluster, &(struct redis_cluster_opts){.masters = 3});
    has_cluster = true;
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVERS; i++)
        redis_server_close(&servers[i]);
    if (has_cluster)
        redis_cluster_close(&cluster);
    has_cluster = false;
    redis_cmd_set_password(NULL);
    return 0;
}

/* The URL of these servers, "012"; `name` is of the setting. Borrowed until the next but one call. */
static const char *list_of(const char *name, const char *numbers)
{
    static char *settings[4];
    static unsigned next;
    const char *password = servers[0].opts.password;
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_format(&text, "%s=", name);
    for (const char *at = numbers; *at; at++)
        strbuf_add_format(&text, "%sredis://%s%s%s127.0.0.1:%d",
                          at == numbers ? "" : ",", password ? ":" : "",
                          password ? password : "", password ? "@" : "",
                          servers[*at - '0'].port);
    next = (next + 1) % 4;
    free(settings[next]);
    settings[next] = text.data;
    return text.data;
}

static const char *cluster_of(const char *name)
{
    static char text[128];

    snprintf(text, sizeof(text), "%s=redis+cluster://127.0.0.1:%d", name,
             redis_cluster_port(&cluster, 1));
    return text;
}

/* ---- the program ---- */

struct run {
    struct process process;
    char log[96];
};

static void launch(struct run *run, const char *from, const char *to, const char *flag,
                   const char *const *more)
{
    char *program = print_text("%s/roomcast-admin", getenv("ROOMCAST_BIN"));
    const char *argv[] = {program, "--move-rooms", flag, NULL};
    const char *env[8] = {from, to};

    for (unsigned n = 2; more && *more; n++)
        env[n] = *more++;
    snprintf(run->log, sizeof(run->log), "%s/move.log", fleet.dir);
    files_remove(run->log);
    process_start(&run->process, argv, env, run->log);
    free(program);
}

/* Runs it to its end, which must be `status`, with a line that has `text`. */
static void expect_run_with(const char *from, const char *to, const char *flag,
                            const char *const *more, int status, const char *text)
{
    struct run run = {0};
    int ended;
    char *said;

    launch(&run, from, to, flag, more);
    ended = process_wait(&run.process, PATIENCE_MS);
    said = files_read(run.log);
    if (ended != status || !strstr(said, text))
        fail_msg("ends with %d, not %d with \"%s\":\n%s", ended, status, text, said);
    assert_null(strstr(said, PASSWORD));
    free(said);
}

static void expect_run(const char *from, const char *to, int status, const char *text)
{
    expect_run_with(from, to, NULL, NULL, status, text);
}

static const char *from_list(const char *numbers)
{
    return list_of("ROOMCAST_MOVE_FROM", numbers);
}

static const char *to_list(const char *numbers)
{
    return list_of("ROOMCAST_MOVE_TO", numbers);
}

/* ---- gateways ---- */

static unsigned add_gateway(const char *url_setting, bool is_awaited)
{
    const char *const settings[] = {url_setting, "ROOMCAST_LEASE_SECS=1",
                                    "ROOMCAST_PRESENCE_GRACE_MS=0",
                                    "ROOMCAST_ROOM_TTL_SECS=300", NULL};

    return is_awaited ? fleet_add(&fleet, settings) : fleet_launch(&fleet, settings);
}

static void expect_refused_url(const char *url_setting, const char *why)
{
    unsigned gateway = add_gateway(url_setting, false);

    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", 503, why);
    fleet_stop_gateway(&fleet, gateway);
}

static void expect_refused_gateway(const char *numbers, const char *why)
{
    expect_refused_url(list_of("ROOMCAST_REDIS_URL", numbers), why);
}

/* ---- rooms with people ---- */

static char epochs[ROOMS][32];

static const char *room_of(unsigned i)
{
    static char name[32];

    snprintf(name, sizeof(name), "people %u", i);
    return name;
}

static void people_talk(unsigned gateway)
{
    struct chat *ann = chat_open(fleet.gateways[gateway].port);

    for (unsigned i = 0; i < ROOMS; i++) {
        chat_join(ann, room_of(i), "ann");
        for (unsigned n = 0; n < SAID; n++)
            assert_true(chat_say(ann, room_of(i), "hello") == n + 1);
        snprintf(epochs[i], sizeof(epochs[i]), "%s", chat_get_text(ann, "epoch"));
    }
    chat_abort(ann);
}

/* Comes back with what was seen: the third message. */
static void come_back(struct chat *ann, unsigned i)
{
    chat_send(ann,
              "{'type':'join','room':'%s','user':'ann','since':{'epoch':'%s','seq':3}}",
              room_of(i), epochs[i]);
    chat_expect_skipping(ann, "join_ack");
    assert_true(chat_is_true(ann, "recovered"));
    assert_string_equal(chat_get_text(ann, "epoch"), epochs[i]);
    assert_true(chat_get_number(ann, "seq") == SAID);
    assert_true(chat_get_number(ann, "members") == 1);
    chat_expect(ann, "history_batch");
    assert_int_equal(chat_get_count(ann, "messages"), SAID - 3);
    assert_true(chat_get_number(ann, "messages.0.seq") == 4);
}

static void expect_people(unsigned gateway)
{
    struct chat *ann = chat_open(fleet.gateways[gateway].port);
    struct chat *bob = chat_open(fleet.gateways[gateway].port);

    for (unsigned i = 0; i < ROOMS; i++) {
        come_back(ann, i);
        assert_true(chat_say(ann, room_of(i), "again") == SAID + 1);
        assert_string_equal(chat_get_text(ann, "epoch"), epochs[i]);
        chat_send(bob, "{'type':'join','room':'%s','user':'bob'}", room_of(i));
        chat_expect_error(bob, "banned");
        chat_join(bob, room_of(i), "cem");
        chat_send(bob, "{'type':'message','room':'%s','text':'x'}", room_of(i));
        chat_expect_skipping(bob, "error");
        assert_string_equal(chat_get_text(bob, "code"), "muted");
        chat_leave(bob, room_of(i));
    }
    chat_close(ann);
    chat_close(bob);
}

/* bob is banned, cem may not speak. */
static void ban(int port, unsigned i)
{
    redis_cmd(port, "HSET rc:{%s}:bans bob 0", room_of(i));
    redis_cmd(port, "HSET rc:{%s}:mutes cem 0", room_of(i));
}

/* ---- many rooms ---- */

/* Rooms that nobody is in, and a ban in each; members of a gateway that is no more. */
static const char make_many[] =
    "for i = 1, ARGV[1] do local r = 'rc:{many ' .. i .. '}:' "
    "redis.call('HSET', r .. 'meta', 'epoch', '00000000000000e1', 'seq', i, 'rev', 7, "
    "'created_at', 1700000000000, 'shard_id', 0, 'term', 1, 'home', 'h', 'terms', 't') "
    "redis.call('RPUSH', r .. 'history', 'a', 'b', i) "
    "redis.call('HSET', r .. 'bans', 'bob', 0) "
    "redis.call('HSET', r .. 'members', 'ann', 1) "
    "redis.call('HSET', r .. 'nodes', 'dead-1-00000000.0', '1 1000') "
    "redis.call('HSET', r .. 'on:dead-1-00000000.0', 'ann', '00000000000000e1') "
    "for _, k in ipairs({'meta', 'history', 'members', 'nodes', "
    "'on:dead-1-00000000.0'}) do "
    "redis.call('PEXPIRE', r .. k, ARGV[2]) end "
    "redis.call('ZADD', 'rc:rooms', 1700000000000 + i, 'many ' .. i) "
    "redis.call('ZADD', 'rc:rooms:members', 1, 'many ' .. i) "
    "redis.call('SADD', 'rc:node:dead-1-00000000.0:rooms', 'many ' .. i) end "
    "redis.call('ZADD', 'rc:nodes', 1, 'dead-1-00000000.0') "
    "redis.call('HSET', 'rc:stats', 'messages_total', 4711) "
    "redis.call('HSET', 'rc:policy', 'keys', '{}', 'keys_rev', 12) "
    "redis.call('DEL', 'rc:audit') redis.call('XADD', 'rc:audit', '7-7', 'who', 'me') "
    "return 0";

/* How many of them are here and as they were, without members; -1: one is not as it was. */
static const char count_many[] =
    "local found = 0 for i = 1, ARGV[1] do local r = 'rc:{many ' .. i .. '}:' "
    "if redis.call('EXISTS', r .. 'meta') == 1 then found = found + 1 "
    "local m = redis.call('HMGET', r .. 'meta', 'seq', 'rev', 'shard_id', 'epoch') "
    "local t = redis.call('PTTL', r .. 'meta') "
    "if m[1] ~= tostring(i) or m[2] ~= '7' or m[4] ~= '00000000000000e1' "
    "or m[3] ~= ARGV[2] or redis.call('HEXISTS', r .. 'meta', 'empty_since') == 0 "
    "or redis.call('LINDEX', r .. 'history', 2) ~= tostring(i) "
    "or redis.call('HGET', r .. 'bans', 'bob') ~= '0' "
    "or redis.call('TTL', r .. 'bans') ~= -1 "
    "or t > tonumber(ARGV[3]) or t < ARGV[3] - 120000 "
    "or redis.call('EXISTS', r .. 'members', r .. 'nodes', r .. "
    "'on:dead-1-00000000.0') > 0 "
    "or redis.call('ZSCORE', 'rc:rooms', 'many ' .. i) ~= tostring(1700000000000 + i) "
    "or redis.call('ZSCORE', 'rc:rooms:members', 'many ' .. i) ~= '0' "
    "then return -1 end end end return found";

static void fill(unsigned server)
{
    redis_cmd_number(servers[server].port, "EVAL %s 0 %d %d", make_many, MANY, TTL_MS);
}

static long long many_at(unsigned server, unsigned shard)
{
    return redis_cmd_number(servers[server].port, "EVAL %s 0 %d %d %d", count_many,
                            MANY, shard, TTL_MS);
}

/* Keys of rooms, whatever they are. */
static long long keys_at(unsigned server)
{
    return redis_cmd_number(servers[server].port, "EVAL %s 0",
                            "return #redis.call('KEYS', 'rc:{*')");
}

static void expect_mark(unsigned server, const char *end)
{
    char *mark = redis_cmd_text(servers[server].port, "GET rc:shard");

    if (!mark || strlen(mark) < strlen(end) ||
        strcmp(mark + strlen(mark) - strlen(end), end) != 0)
        fail_msg("the mark is %s, not … %s", mark, end);
    free(mark);
}

/* Servers 1, 2, 3 are the new list, 0 was the old one and has nothing left. */
static void expect_all_on_three(void)
{
    long long sum = 0;

    for (unsigned i = 0; i < 3; i++) {
        char mark[8];
        long long found = many_at(i + 1, i);

        assert_true(found > MANY / 6);
        sum += found;
        snprintf(mark, sizeof(mark), " %u 3", i);
        expect_mark(i + 1, mark);
        assert_int_equal(redis_cmd_number(servers[i + 1].port, "ZCARD rc:rooms"),
                         found);
    }
    assert_int_equal(sum, MANY);
    expect_mark(0, "");
    assert_int_equal(keys_at(0), 0);
    assert_int_equal(redis_cmd_number(servers[0].port, "DBSIZE"), 1); /* the mark */
    assert_int_equal(redis_cmd_number(servers[1].port, "HGET rc:stats messages_total"),
                     4711);
    assert_int_equal(redis_cmd_number(servers[1].port, "HGET rc:policy keys_rev"), 12);
    assert_int_equal(redis_cmd_number(servers[1].port, "XLEN rc:audit"), 1);
}

/* ---- one, three, two, and a cluster ---- */

static void one_redis_becomes_a_list_of_three(void **state)
{
    unsigned gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "0"), true);

    (void)state;
    people_talk(gateway);
    for (unsigned i = 0; i < ROOMS; i++)
        ban(servers[0].port, i);
    fleet_stop_gateway(&fleet, gateway);
    expect_run(from_list("0"), to_list("012"), DONE, "done: start the gateways");

    expect_refused_gateway("0", "shard 0 of 1 is marked 0 of 3");
    gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "012"), true);
    expect_people(gateway);
    for (unsigned i = 0, found = 0; i < 3; i++, found = 0) {
        for (unsigned k = 0; k < ROOMS; k++)
            found += (unsigned)redis_cmd_number(servers[i].port, "EXISTS rc:{%s}:meta",
                                                room_of(k));
        assert_int_equal(redis_cmd_number(servers[i].port, "ZCARD rc:rooms"), found);
    }
    fleet_stop_gateway(&fleet, gateway);
    expect_run(from_list("0"), to_list("012"), DONE, "done before");
}

static void three_redis_become_two(void **state)
{
    unsigned gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "012"), true);

    (void)state;
    people_talk(gateway);
    for (unsigned i = 0; i < ROOMS; i++)
        for (unsigned k = 0; k < 3; k++)
            if (redis_cmd_number(servers[k].port, "EXISTS rc:{%s}:meta", room_of(i)))
                ban(servers[k].port, i);
    fleet_kill_gateway(&fleet, gateway); /* it leaves members behind */
    expect_run(from_list("012"), to_list("31"), REFUSED, "stop all gateways first");
    for (unsigned i = 0; i < 3; i++) /* as a lease later */
        redis_cmd_number(servers[i].port, "EVAL %s 0",
                         "for _, k in ipairs(redis.call('KEYS', 'rc:node:*.?')) do "
                         "redis.call('DEL', k) end return 0");
    expect_run(from_list("012"), to_list("31"), DONE, "done: start the gateways");

    expect_mark(3, " 0 2");
    expect_mark(1, " 1 2");
    expect_refused_gateway("012", "has lost its rooms to another list");
    assert_int_equal(redis_cmd_number(servers[0].port, "DBSIZE"), 1);
    assert_int_equal(redis_cmd_number(servers[2].port, "DBSIZE"), 1);
    gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "31"), true);
    expect_people(gateway); /* each is alone: nobody of before is counted */
    fleet_stop_gateway(&fleet, gateway);
}

static void one_redis_becomes_a_cluster(void **state)
{
    unsigned gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "0"), true);

    (void)state;
    people_talk(gateway);
    for (unsigned i = 0; i < ROOMS; i++)
        ban(servers[0].port, i);
    fleet_stop_gateway(&fleet, gateway);
    redis_cmd(servers[0].port, "XADD rc:audit 7-7 who me");
    expect_run(from_list("0"), cluster_of("ROOMCAST_MOVE_TO"), DONE,
               "done: start the gateways");
    expect_refused_gateway("0", "has lost its rooms to another list");
    assert_int_equal(redis_cmd_number(servers[0].port, "DBSIZE"), 1);
    gateway = add_gateway(cluster_of("ROOMCAST_REDIS_URL"), true);
    expect_people(gateway);
    assert_int_equal(
        redis_cmd_number(redis_cluster_port_of_key(&cluster, "rc:shard:{10}:audit"),
                         "XLEN rc:shard:{10}:audit"),
        1);
    expect_run(cluster_of("ROOMCAST_MOVE_FROM"), to_list("12"), REFUSED,
               "stop all gateways first");
    fleet_stop_gateway(&fleet, gateway);

    /* And back, to two of a list. */
    expect_run(cluster_of("ROOMCAST_MOVE_FROM"), to_list("12"), DONE,
               "done: start the gateways");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            redis_cmd_number(redis_cluster_port(&cluster, i), "EVAL %s 0",
                             "local n = 0 "
                             "for _, k in ipairs(redis.call('KEYS', '*')) do "
                             "if not k:find('^rc:canary:') and "
                             "k ~= 'rc:shard:{10}:shard' then n = n + 1 end "
                             "end return n"),
            0); /* but what expires in a moment, and the mark */
    expect_refused_url(cluster_of("ROOMCAST_REDIS_URL"),
                       "shard 63 of 64 has lost its rooms to another list");
    gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "12"), true);
    for (unsigned i = 0; i < ROOMS; i++) {
        struct chat *bob = chat_open(fleet.gateways[gateway].port);

        chat_send(bob, "{'type':'join','room':'%s','user':'bob'}", room_of(i));
        chat_expect_error(bob, "banned");
        chat_join(bob, room_of(i), "dora");
        assert_true(chat_say(bob, room_of(i), "and on") == SAID + 2);
        assert_string_equal(chat_get_text(bob, "epoch"), epochs[i]);
        chat_close(bob);
    }
    fleet_stop_gateway(&fleet, gateway);
}

/* ---- the admin service of before ---- */

static void admin_is_shut(struct admin *admin, unsigned server, const char *why)
{
    http_get_await(admin->port, "/readyz", 503, why);
    admin_post(admin, 503, "{\"secs\":0}", "/api/rooms/lobby/ban/eve");
    assert_non_null(strstr(admin->answer.body, why));
    admin_get(admin, 503, "/api/rooms");
    admin_get(admin, 503, "/api/stats");
    assert_int_equal(redis_cmd_number(servers[server].port, "EXISTS rc:{lobby}:bans"),
                     0);
}

static void admin_is_open(struct admin *admin, unsigned server)
{
    admin_wait_ready(admin);
    admin_post(admin, 200, "{\"secs\":0}", "/api/rooms/lobby/ban/eve");
    assert_int_equal(redis_cmd_number(servers[server].port, "EXISTS rc:{lobby}:bans"),
                     1);
    admin_delete(admin, 200, "/api/rooms/lobby/ban/eve");
}

static void an_admin_service_that_runs_on_sees_it(void **state)
{
    const char *const settings[] = {list_of("ROOMCAST_REDIS_URL", "0"),
                                    "AUTH_TOKEN=" ADMIN_TOKEN, NULL};
    struct admin before, one_of_three;

    (void)state;
    admin_start(&before, &fleet, settings);
    admin_is_open(&before, 0);
    redis_cmd(servers[0].port, "SET rc:shard %s", "moving 0123456789abcdef 0/1 -");
    admin_is_shut(&before, 0, "shard 0 of 1 has rooms on the move");
    redis_cmd(servers[0].port, "SET rc:shard %s", "0123456789abcdef 1 3");
    admin_is_shut(&before, 0, "shard 0 of 1 is marked 1 of 3");
    redis_cmd(servers[0].port, "SET rc:shard %s", "0123456789abcdef 0 1");
    admin_is_open(&before, 0);
    redis_cmd(servers[0].port, "DEL rc:shard");
    admin_is_open(&before, 0);

    admin_post(&before, 200, "{\"secs\":0}", "/api/rooms/people/ban/bob");
    expect_run(from_list("0"), to_list("123"), DONE, "done: start the gateways");
    admin_is_shut(&before, 0, "shard 0 of 1 has lost its rooms to another list");
    admin_launch(&one_of_three, &fleet,
                 (const char *[]){list_of("ROOMCAST_REDIS_URL", "2"),
                                  "AUTH_TOKEN=" ADMIN_TOKEN, NULL});
    admin_is_shut(&one_of_three, 2, "shard 0 of 1 is marked 1 of 3");
    admin_stop(&one_of_three);

    expect_run(from_list("123"), to_list("0"), DONE, "done: start the gateways");
    admin_is_open(&before, 0);
    assert_int_equal(redis_cmd_number(servers[0].port, "HEXISTS rc:{people}:bans bob"),
                     1);
    admin_stop(&before);
}

/* ---- killed ---- */

static struct run run;

/* Starts a move to three others, and stops it once so few keys are left. No pause: it is quick. */
static void stop_at(long long keys_left, int signal)
{
    int64_t deadline_ms = wait_now_ms() + PATIENCE_MS;

    launch(&run, from_list("0"), to_list("123"), NULL, NULL);
    while (redis_cmd_number(servers[0].port, "DBSIZE") > keys_left)
        if (!process_is_running(&run.process) || wait_now_ms() > deadline_ms) {
            process_print_log(run.log);
            fail_msg("the move has ended before only %lld keys were left", keys_left);
        }
    process_signal(&run.process, signal);
}

static void kill_at(long long keys_left)
{
    stop_at(keys_left, SIGKILL);
    assert_int_equal(process_wait(&run.process, PATIENCE_MS), 128 + SIGKILL);
}

static void a_cluster_serves_once_rooms_have_come_to_it(void **state)
{
    unsigned gateway;

    (void)state;
    redis_cmd(redis_cluster_port_of_key(&cluster, "rc:shard:{10}:shard"),
              "SET rc:shard:{10}:shard %s", "moving 0123456789abcdef - 0/64");
    gateway = add_gateway(cluster_of("ROOMCAST_REDIS_URL"), false);
    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", 503,
                   "shard 0 of 64 has rooms on the move");
    for (unsigned i = 0; i < 3; i++) /* nothing was written */
        assert_int_equal(redis_cmd_number(redis_cluster_port(&cluster, i), "EVAL %s 0",
                                          "return #redis.call('KEYS', '*:nodes')"),
                         0);
    redis_cmd(redis_cluster_port_of_key(&cluster, "rc:shard:{10}:shard"),
              "SET rc:shard:{10}:shard %s", "0123456789abcdef 0 64");
    fleet_wait_ready(&fleet, gateway);
    fleet_stop_gateway(&fleet, gateway);
}

static void mark_cluster(const char *text)
{
    redis_cmd(redis_cluster_port_of_key(&cluster, "rc:shard:{10}:shard"),
              "SET rc:shard:{10}:shard %s", text);
}

static bool never(void *data)
{
    (void)data;
    return false;
}

/* It was taken for dead, and its rooms were moved: what clients said meanwhile is not acked. */
static void a_gateway_that_stood_still_meanwhile_serves_a_cluster_no_more(void **state)
{
    unsigned gateway = add_gateway(cluster_of("ROOMCAST_REDIS_URL"), true);
    struct chat *ann = chat_enter(fleet.gateways[gateway].port, "lobby", "ann");

    (void)state;
    process_signal(&fleet.gateways[gateway].process, SIGSTOP);
    chat_send(ann, "{'type':'message','id':1,'room':'lobby','text':'late'}");
    wait_until(never, NULL, 2000);
    mark_cluster("moved 0123456789abcdef");
    process_signal(&fleet.gateways[gateway].process, SIGCONT);
    chat_expect_skipping(ann, "error");
    assert_string_equal(chat_get_text(ann, "code"), "unavailable");
    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", 503,
                   "has lost its rooms to another list");
    chat_abort(ann);
    fleet_stop_gateway(&fleet, gateway);
}

static void a_cluster_that_is_marked_is_left_at_once(void **state)
{
    unsigned gateway = add_gateway(cluster_of("ROOMCAST_REDIS_URL"), true);

    (void)state;
    mark_cluster("moving 0123456789abcdef 0/64 -");
    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", 503,
                   "shard 0 of 64 has rooms on the move");
    mark_cluster("0123456789abcdef 0 64");
    fleet_wait_ready(&fleet, gateway);
    fleet_stop_gateway(&fleet, gateway);
}

static void a_move_that_is_killed_is_gone_on_with(void **state)
{
    long long all;

    (void)state;
    fill(0);
    all = redis_cmd_number(servers[0].port, "DBSIZE");
    for (unsigned part = 1; part <= 6; part++)
        kill_at(all - (long long)part * all / 10);
    assert_true(keys_at(0) > 0);
    expect_refused_gateway("0", "has rooms on the move");
    expect_refused_gateway("123", "has rooms on the move");
    expect_run(from_list("0"), to_list("12"), REFUSED, "this is another move");
    expect_run(from_list("0"), to_list("123"), DONE, "goes on with a move");
    expect_all_on_three();
}

/* What a move has left that was killed after it had copied a room, and before it removed it. */
static void what_was_copied_before_is_not_doubled(void **state)
{
    (void)state;
    fill(0);
    kill_at(redis_cmd_number(servers[0].port, "DBSIZE") / 2);
    for (unsigned i = 1; i <= 3; i++) /* and what is older */
        redis_cmd_number(servers[i].port, "EVAL %s 0",
                         "for _, k in ipairs(redis.call('KEYS', 'rc:{*}:history')) do "
                         "redis.call('RPUSH', k, 'old') end "
                         "for _, k in ipairs(redis.call('KEYS', 'rc:{*}:meta')) do "
                         "redis.call('HSET', k, 'seq', 0) end return 0");
    fill(0); /* all of it is at the source once more */
    expect_run(from_list("0"), to_list("123"), DONE, "goes on with a move");
    expect_all_on_three();
}

static void bans_go_first(void **state)
{
    long long bans = 0;

    (void)state;
    fill(0);
    /* All bans, and a little more. */
    kill_at(redis_cmd_number(servers[0].port, "DBSIZE") - MANY - 100);
    for (unsigned i = 1; i <= 3; i++)
        bans += redis_cmd_number(servers[i].port, "EVAL %s 0",
                                 "return #redis.call('KEYS', 'rc:{*}:bans')");
    assert_int_equal(bans, MANY);
    assert_true(redis_cmd_number(servers[0].port, "EVAL %s 0",
                                 "return #redis.call('KEYS', 'rc:{*}:meta')") > 0);
}

/* ---- it does not begin ---- */

static void a_dry_run_changes_nothing(void **state)
{
    long long keys;

    (void)state;
    fill(0);
    keys = redis_cmd_number(servers[0].port, "DBSIZE");
    expect_run_with(from_list("0"), to_list("012"), "--dry-run", NULL, DONE,
                    "would be moved: ");
    expect_run_with(from_list("0"), to_list("012"), "--dry-run", NULL, DONE,
                    "  shard 0 to shard 2: ");
    assert_int_equal(redis_cmd_number(servers[0].port, "DBSIZE"), keys);
    assert_int_equal(redis_cmd_number(servers[1].port, "DBSIZE"), 0);
    assert_int_equal(redis_cmd_number(servers[2].port, "DBSIZE"), 0);
}

static void it_is_refused_while_a_gateway_runs(void **state)
{
    unsigned gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "0"), true);

    (void)state;
    expect_run(from_list("0"), to_list("123"), REFUSED, "stop all gateways first");
    expect_run_with(from_list("0"), to_list("123"), "--dry-run", NULL, DONE,
                    "gateways are alive: they must be stopped");
    fleet_stop_gateway(&fleet, gateway);
    gateway = add_gateway(list_of("ROOMCAST_REDIS_URL", "1"), true);
    expect_run(from_list("0"), to_list("123"), REFUSED, "in ROOMCAST_MOVE_TO: stop");
    fleet_stop_gateway(&fleet, gateway);
    assert_int_equal(redis_cmd_number(servers[0].port, "EXISTS rc:shard"), 0);
}

static void a_gateway_that_is_started_on_the_way_ends_it(void **state)
{
    char *said;

    (void)state;
    fill(0);
    stop_at(redis_cmd_number(servers[0].port, "DBSIZE") / 2, SIGSTOP);
    redis_cmd(servers[2].port, "ZADD rc:nodes 1 late-1-00000000.0");
    redis_cmd(servers[2].port,
              "HSET rc:node:late-1-00000000.0 address late:9001 pid 1");
    process_signal(&run.process, SIGCONT);
    assert_int_equal(process_wait(&run.process, PATIENCE_MS), REFUSED);
    said = files_read(run.log);
    assert_non_null(strstr(said, "late:9001 (late-1-00000000.0) in ROOMCAST_MOVE_TO"));
    free(said);
    redis_cmd(servers[2].port, "DEL rc:nodes rc:node:late-1-00000000.0");
    expect_run(from_list("0"), to_list("123"), DONE, "goes on with a move");
    expect_all_on_three();
}

static void it_is_refused_where_rooms_would_be_mixed(void **state)
{
    (void)state;
    fill(0);
    redis_cmd(servers[2].port, "HSET rc:{other}:meta seq 1");
    expect_run(from_list("0"), to_list("123"), REFUSED,
               "ROOMCAST_MOVE_TO, shard 1 has rooms already (other)");
    redis_cmd(servers[2].port, "DEL rc:{other}:meta");
    redis_cmd(servers[2].port, "SET rc:shard %s", "0123456789abcdef 1 2");
    expect_run(from_list("0"), to_list("123"), REFUSED,
               "shard 1 of 3 is marked 1 of 2");
    assert_int_equal(redis_cmd_number(servers[1].port, "DBSIZE"), 0);
}

static void a_list_that_was_never_one_is_refused(void **state)
{
    (void)state;
    expect_run(from_list("01"), to_list("01"), REFUSED, "are the same");
    expect_run(from_list("01"), to_list("022"), REFUSED,
               "shards 1 and 2 are one Redis");
    expect_run(from_list("01"), to_list("2"), REFUSED, "none of its Redis is marked");
    for (unsigned i = 0; i < 2; i++)
        redis_cmd(servers[i].port, "SET rc:shard 0123456789abcdef%s",
                  i ? " 1 2" : " 0 2");
    expect_run(from_list("10"), to_list("2"), REFUSED, "shard 0 of 2 is marked 1 of 2");
    expect_run(from_list("0"), to_list("2"), REFUSED, "shard 0 of 1 is marked 0 of 2");
    expect_run(from_list("01"), to_list("2"), DONE, "moved: 0 rooms");
}

static void wrong_settings_are_told_without_the_password(void **state)
{
    (void)state;
    expect_run(from_list("0"), "X=", BAD_SETTING, "ROOMCAST_MOVE_TO: must be set");
    expect_run(from_list("0"), "ROOMCAST_MOVE_TO=http://:" PASSWORD "@h", BAD_SETTING,
               "ROOMCAST_MOVE_TO: ");
    expect_run("ROOMCAST_MOVE_FROM=redis://:" PASSWORD "x@127.0.0.1:1", to_list("1"),
               BROKE_OFF, "broke off: ROOMCAST_MOVE_FROM, shard 0: ");
    expect_run(from_list("0"), to_list("1"), DONE, "done");
    redis_cmd(servers[2].port, "CONFIG SET requirepass other");
    expect_run(from_list("1"), to_list("32"), BROKE_OFF,
               "ROOMCAST_MOVE_TO, shard 1: Redis refuses the user or the password");
}

/* Of docs/redis.md, and one more. */
static void the_rights_of_a_gateway_and_restore_are_enough(void **state)
{
    char *from, *to;

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        redis_cmd(servers[i].port,
                  "ACL SETUSER roomcast on >secret ~rc:* &rc:* +@read +@write +@pubsub "
                  "+@scripting +@connection -@dangerous +time +info +client|kill "
                  "+client|info %s",
                  i == 1 ? "+restore" : "-restore");
    fill(0);
    from = print_text("ROOMCAST_MOVE_FROM=redis://roomcast:secret@127.0.0.1:%d",
                      servers[0].port);
    to = print_text("ROOMCAST_MOVE_TO=redis://roomcast:secret@127.0.0.1:%d",
                    servers[1].port);
    expect_run(from, to, DONE, "done: start the gateways");
    assert_int_equal(many_at(1, 0), MANY);
    free(from);
    free(to);
}

static void an_address_in_a_file_does_as_well(void **state)
{
    char *path = print_text("%s/move-to", fleet.dir), *setting;
    FILE *file = fopen(path, "w");

    (void)state;
    fill(0);
    assert_non_null(file);
    fprintf(file, "%s\n", strchr(to_list("123"), '=') + 1);
    fclose(file);
    setting = print_text("ROOMCAST_MOVE_TO_FILE=%s", path);
    expect_run(from_list("0"), setting, DONE, "done: start the gateways");
    expect_all_on_three();
    files_remove(path);
    free(setting);
    free(path);
}

static void what_is_not_of_the_fleet_stays(void **state)
{
    static const char *const names[] = {"other:{lobby}:meta", "rc2:{lobby}:bans",
                                        "rc:{not\na room}:meta", "rc:lobby"};

    (void)state;
    fill(0);
    for (unsigned i = 0; i < 4; i++)
        redis_cmd(servers[0].port, "SET %s here", names[i]);
    expect_run(from_list("0"), to_list("123"), DONE, "done: start the gateways");
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(redis_cmd_number(servers[0].port, "UNLINK %s", names[i]), 1);
    expect_all_on_three();
}

/* ---- large keys, other forms ---- */

static const char make_large[] =
    "local text = string.rep('x', 100000) local r = 'rc:{large}:' "
    "redis.call('HSET', r .. 'meta', 'epoch', '00000000000000e1', 'seq', 400, 'rev', "
    "1) "
    "for i = 1, 400 do redis.call('RPUSH', r .. 'history', text .. i) "
    "redis.call('HSET', r .. 'keys', text .. i, i) "
    "redis.call('XADD', 'rc:audit', i .. '-1', 'text', text) end "
    "redis.call('PEXPIRE', r .. 'history', ARGV[1]) return 0";

static void large_keys_go_in_parts(void **state)
{
    (void)state;
    redis_cmd_number(servers[0].port, "EVAL %s 0 %d", make_large, TTL_MS);
    expect_run(from_list("0"), to_list("1"), DONE, "moved: 1 rooms, 4 keys");
    assert_int_equal(redis_cmd_number(servers[1].port, "LLEN rc:{large}:history"), 400);
    assert_int_equal(redis_cmd_number(servers[1].port, "HLEN rc:{large}:keys"), 400);
    assert_int_equal(redis_cmd_number(servers[1].port, "XLEN rc:audit"), 400);
    assert_int_equal(
        redis_cmd_number(servers[1].port, "EVAL %s 0",
                         "local t = string.rep('x', 100000) "
                         "for i = 1, 400 do if redis.call('LINDEX', "
                         "'rc:{large}:history', i - 1) ~= t .. i or "
                         "redis.call('HGET', 'rc:{large}:keys', t .. i) ~= "
                         "tostring(i) then return i end end return 0"),
        0);
    assert_true(redis_cmd_number(servers[1].port, "PTTL rc:{large}:history") >
                TTL_MS - 120000);
    assert_int_equal(redis_cmd_number(servers[0].port, "DBSIZE"), 1);
}

static void from_sentinels_to_a_socket(void **state)
{
    struct redis_sentinels sentinels;
    char *path = print_text("%s/r.sock", fleet.dir), *from, *to, *url;
    const char *const args[] = {"--unixsocket", path, NULL};

    (void)state;
    redis_server_close(&servers[1]);
    redis_server_open(&servers[1], &(struct redis_server_opts){.args = args});
    fill(0);
    redis_sentinels_open(&sentinels, &(struct redis_sentinels_opts){
                                         .count = 1, .master_port = servers[0].port});
    redis_sentinels_wait_well(&sentinels, 0);
    url = redis_sentinels_url(&sentinels, "redis+sentinel", "");
    from = print_text("ROOMCAST_MOVE_FROM=%s", url);
    to = print_text("ROOMCAST_MOVE_TO=redis+unix://%s", path);
    expect_run(from, to, DONE, "done: start the gateways");
    assert_int_equal(many_at(1, 0), MANY);
    redis_sentinels_close(&sentinels);
    files_remove(path);
    free(path);
    free(from);
    free(to);
    free(url);
}

static void to_redis_over_tls(void **state)
{
    struct certificates files;
    char port[16], *ca, *to;
    static const struct certificate of_redis = {.names = "IP:127.0.0.1"};

    (void)state;
    certificates_open(&files);
    certificates_add(&files, "redis", &of_redis);
    snprintf(port, sizeof(port), "%d", port_take());
    redis_cmd(servers[1].port,
              "CONFIG SET tls-ca-cert-file %s tls-cert-file %s tls-key-file %s "
              "tls-auth-clients no tls-port %s",
              certificates_path(&files, "ca.pem"),
              certificates_path(&files, "redis.pem"),
              certificates_path(&files, "redis.key"), port);
    fill(0);
    ca = print_text("ROOMCAST_REDIS_CA_FILE=%s", certificates_path(&files, "ca.pem"));
    to = print_text("ROOMCAST_MOVE_TO=rediss://127.0.0.1:%s", port);
    expect_run(from_list("0"), to, BROKE_OFF, "TLS: wrong CA");
    expect_run_with(from_list("0"), to, NULL, (const char *[]){ca, NULL}, DONE,
                    "done: ");
    assert_int_equal(many_at(1, 0), MANY);
    certificates_close(&files);
    free(ca);
    free(to);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_plain, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_redis_becomes_a_list_of_three),
        TEST(three_redis_become_two),
        TEST(an_admin_service_that_runs_on_sees_it),
        cmocka_unit_test_setup_teardown(one_redis_becomes_a_cluster, open_with_cluster,
                                        close_all),
        cmocka_unit_test_setup_teardown(
            a_gateway_that_stood_still_meanwhile_serves_a_cluster_no_more,
            open_with_cluster, close_all),
        cmocka_unit_test_setup_teardown(a_cluster_that_is_marked_is_left_at_once,
                                        open_with_cluster, close_all),
        cmocka_unit_test_setup_teardown(a_cluster_serves_once_rooms_have_come_to_it,
                                        open_with_cluster, close_all),
        TEST(a_move_that_is_killed_is_gone_on_with),
        TEST(what_was_copied_before_is_not_doubled),
        TEST(bans_go_first),
        TEST(a_dry_run_changes_nothing),
        TEST(it_is_refused_while_a_gateway_runs),
        TEST(a_gateway_that_is_started_on_the_way_ends_it),
        TEST(it_is_refused_where_rooms_would_be_mixed),
        TEST(a_list_that_was_never_one_is_refused),
        cmocka_unit_test_setup_teardown(wrong_settings_are_told_without_the_password,
                                        open_secret, close_all),
        cmocka_unit_test_setup_teardown(an_address_in_a_file_does_as_well, open_secret,
                                        close_all),
        TEST(the_rights_of_a_gateway_and_restore_are_enough),
        TEST(what_is_not_of_the_fleet_stays),
        TEST(large_keys_go_in_parts),
        TEST(from_sentinels_to_a_socket),
        TEST(to_redis_over_tls),
    };

    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
