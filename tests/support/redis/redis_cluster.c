/* redis_cluster.c - see redis_cluster.h.
 *
 *     start all -> ADDSLOTSRANGE -> MEET -> all know all -> REPLICATE -> well
 *
 * Who owns what is read off CLUSTER NODES, in which each node tells of all as it knows them, and of
 * itself with the flag `myself`.
 */
#include "tests/support/redis/redis_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "common/cluster_slot.h"
#include "common/fnv.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { DEADLINE_MS = 60000, KEYS_AT_ONCE = 100, MIGRATE_MS = 60000 };

int redis_cluster_port(const struct redis_cluster *cluster, unsigned node)
{
    return cluster->nodes[node].server.port;
}

static bool answers(struct redis_cluster_node *node)
{
    return !node->is_stopped && process_is_running(&node->server.process);
}

/* ---- what a node knows ---- */

/* A line of CLUSTER NODES. */
struct line {
    char id[REDIS_CLUSTER_ID_LEN + 1], flags[128], master[REDIS_CLUSTER_ID_LEN + 1];
    unsigned long long epoch;
    const char *slots; /* up to the end of the line */
};

/* Returns where the next one begins, or NULL if there is none at `at`. */
static const char *read_line(const char *at, struct line *line)
{
    int slots_at = 0;

    if (sscanf(at, "%40s %*s %127s %40s %*s %*s %llu %*s%n", line->id, line->flags,
               line->master, &line->epoch, &slots_at) < 4)
        return NULL;
    line->slots = at + slots_at;
    at = strchr(at, '\n');
    return at ? at + 1 : "";
}

static bool has_flag(const struct line *line, const char *flag)
{
    const char *at = strstr(line->flags, flag);
    size_t len = strlen(flag);

    return at && (at == line->flags || at[-1] == ',') &&
           (at[len] == ',' || at[len] == '\0');
}

/* Calls `take` for each range: " 0-5460 7 [8->-ID]"; what is open is passed over. */
static void each_range(const struct line *line,
                       void (*take)(void *data, unsigned first, unsigned last),
                       void *data)
{
    const char *at = line->slots;

    while (*at == ' ') {
        char *end;
        unsigned first = (unsigned)strtoul(++at, &end, 10), last = first;

        if (end > at) {
            if (*end == '-')
                last = (unsigned)strtoul(end + 1, &end, 10);
            take(data, first, last);
        }
        at += strcspn(at, " \n");
    }
}

static char *read_nodes(struct redis_cluster *cluster, unsigned node)
{
    return redis_cmd_text(redis_cluster_port(cluster, node), "CLUSTER NODES");
}

/* ---- waiting ---- */

static bool info_has(int port, const char *command, const char *text)
{
    char *info = redis_cmd_text(port, command);
    bool has = strstr(info, text) != NULL;

    free(info);
    return has;
}

static bool know_each_other(void *data)
{
    struct redis_cluster *cluster = data;
    char known[64];

    snprintf(known, sizeof(known), "cluster_known_nodes:%u\r\n", cluster->count);
    for (unsigned i = 0; i < cluster->count; i++) {
        char *nodes = read_nodes(cluster, i);
        bool is_shaking_hands = strstr(nodes, "handshake") != NULL;

        free(nodes);
        if (is_shaking_hands ||
            !info_has(redis_cluster_port(cluster, i), "CLUSTER INFO", known))
            return false;
    }
    return true;
}

static bool is_of_running_master(struct redis_cluster *cluster, const struct line *line)
{
    for (unsigned i = 0; i < cluster->count; i++)
        if (strcmp(cluster->nodes[i].id, line->id) == 0)
            return has_flag(line, "master") && answers(&cluster->nodes[i]);
    return false;
}

struct view {
    unsigned owned;  /* slots of masters that run */
    uint64_t digest; /* of who owns what since which epoch */
};

static void add_range(void *data, unsigned first, unsigned last)
{
    struct view *view = data;
    const unsigned range[] = {first, last};

    view->owned += last - first + 1;
    view->digest = fnv64_add(view->digest, (const char *)range, sizeof(range));
}

/* The lines come in any order, so their digests are added up. */
static struct view read_view(struct redis_cluster *cluster, unsigned node)
{
    char *nodes = read_nodes(cluster, node);
    struct view all = {0, 0};
    struct line line;

    for (const char *at = nodes; (at = read_line(at, &line));) {
        struct view one = {0, fnv64_add(FNV64_START, line.id, strlen(line.id))};

        if (!is_of_running_master(cluster, &line))
            continue;
        one.digest =
            fnv64_add(one.digest, (const char *)&line.epoch, sizeof(line.epoch));
        each_range(&line, add_range, &one);
        all.owned += one.owned;
        all.digest += one.digest;
    }
    free(nodes);
    return all;
}

/* Not before that may a slot move on: a master that has not heard of the newest epoch would take a
 * slot under an older one, and lose it to a message that is on its way. */
static bool is_agreed(void *data)
{
    struct redis_cluster *cluster = data;
    uint64_t digest = 0;

    for (unsigned i = 0; i < cluster->count; i++) {
        struct view view;

        if (!answers(&cluster->nodes[i]))
            continue;
        view = read_view(cluster, i);
        if (view.owned != REDIS_CLUSTER_SLOTS || (digest && view.digest != digest))
            return false;
        digest = view.digest;
    }
    return true;
}

static bool is_well(void *data)
{
    struct redis_cluster *cluster = data;

    for (unsigned i = 0; i < cluster->count; i++) {
        int port = redis_cluster_port(cluster, i);

        if (answers(&cluster->nodes[i]) &&
            (!info_has(port, "CLUSTER INFO", "cluster_state:ok") ||
             (info_has(port, "INFO replication", "role:slave") &&
              !info_has(port, "INFO replication", "master_link_status:up"))))
            return false;
    }
    return is_agreed(cluster);
}

static void wait_for(struct redis_cluster *cluster, wait_condition_fn condition,
                     const char *what)
{
    if (wait_until(condition, cluster, DEADLINE_MS))
        return;
    for (unsigned i = 0; i < cluster->count; i++) {
        process_print_log(cluster->nodes[i].server.log_path);
        if (answers(&cluster->nodes[i])) {
            char *nodes = read_nodes(cluster, i);

            print_error("%s", nodes);
            free(nodes);
        }
    }
    fail_msg("the cluster %s within %d ms", what, DEADLINE_MS);
}

void redis_cluster_wait_well(struct redis_cluster *cluster)
{
    wait_for(cluster, is_well, "is not well");
}

/* ---- beginning and end ---- */

static void start_node(struct redis_cluster *cluster, struct redis_cluster_node *node)
{
    const char *const own[] = {"--cluster-enabled", "yes", "--cluster-node-timeout",
                               node->timeout, "--cluster-port", node->bus_port,
                               /* a replica is not let wait for others */
                               "--repl-diskless-sync-delay", "0", NULL};
    const char *const *lists[] = {own, cluster->opts.args};
    unsigned count = 0;

    snprintf(node->timeout, sizeof(node->timeout), "%u", cluster->opts.node_timeout_ms);
    snprintf(node->bus_port, sizeof(node->bus_port), "%d", port_take());
    for (int i = 0; i < 2; i++)
        for (const char *const *arg = lists[i]; arg && *arg; arg++) {
            assert_true(count + 1 < REDIS_CLUSTER_ARGS_MAX);
            node->args[count++] = *arg;
        }
    redis_server_open(&node->server, &(struct redis_server_opts){.args = node->args});
    {
        char *id = redis_cmd_text(node->server.port, "CLUSTER MYID");

        snprintf(node->id, sizeof(node->id), "%s", id);
        free(id);
    }
}

static void spread_slots(struct redis_cluster *cluster)
{
    unsigned masters = cluster->opts.masters;

    for (unsigned i = 0; i < masters; i++) {
        redis_cmd(redis_cluster_port(cluster, i), "CLUSTER SET-CONFIG-EPOCH %u", i + 1);
        redis_cmd(redis_cluster_port(cluster, i), "CLUSTER ADDSLOTSRANGE %u %u",
                  REDIS_CLUSTER_SLOTS * i / masters,
                  REDIS_CLUSTER_SLOTS * (i + 1) / masters - 1);
    }
}

static void meet(struct redis_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        for (unsigned k = 0; k < i; k++)
            redis_cmd(redis_cluster_port(cluster, i), "CLUSTER MEET 127.0.0.1 %d %s",
                      redis_cluster_port(cluster, k), cluster->nodes[k].bus_port);
    wait_for(cluster, know_each_other, "does not know itself");
}

void redis_cluster_open(struct redis_cluster *cluster,
                        const struct redis_cluster_opts *opts)
{
    *cluster = (struct redis_cluster){.opts = *opts};
    if (cluster->opts.node_timeout_ms == 0)
        cluster->opts.node_timeout_ms = 2000;
    cluster->count = opts->masters * (1 + opts->replicas);
    assert_true(cluster->count <= REDIS_CLUSTER_NODES_MAX);
    for (unsigned i = 0; i < cluster->count; i++)
        start_node(cluster, &cluster->nodes[i]);
    spread_slots(cluster);
    meet(cluster);
    for (unsigned i = opts->masters; i < cluster->count; i++)
        redis_cmd(redis_cluster_port(cluster, i), "CLUSTER REPLICATE %s",
                  cluster->nodes[(i - opts->masters) / opts->replicas].id);
    redis_cluster_wait_well(cluster);
}

void redis_cluster_close(struct redis_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        redis_server_close(&cluster->nodes[i].server);
    *cluster = (struct redis_cluster){.count = 0};
}

/* ---- slots ---- */

struct claim {
    unsigned slot;
    bool found;
};

static void look_for_slot(void *data, unsigned first, unsigned last)
{
    struct claim *claim = data;

    claim->found = claim->found || (claim->slot >= first && claim->slot <= last);
}

int redis_cluster_owner(struct redis_cluster *cluster, unsigned slot)
{
    unsigned long long epoch = 0;
    int owner = REDIS_CLUSTER_NONE;

    for (unsigned i = 0; i < cluster->count; i++) {
        struct claim claim = {.slot = slot};
        struct line line;
        char *nodes;

        if (!answers(&cluster->nodes[i]))
            continue;
        nodes = read_nodes(cluster, i);
        for (const char *at = nodes; (at = read_line(at, &line));)
            if (has_flag(&line, "myself") && has_flag(&line, "master"))
                break;
        if (has_flag(&line, "myself") && has_flag(&line, "master"))
            each_range(&line, look_for_slot, &claim);
        if (claim.found && (owner < 0 || line.epoch > epoch)) {
            owner = (int)i;
            epoch = line.epoch;
        }
        free(nodes);
    }
    return owner;
}

static unsigned expect_owner(struct redis_cluster *cluster, unsigned slot)
{
    int owner = redis_cluster_owner(cluster, slot);

    if (owner < 0)
        fail_msg("nobody owns slot %u", slot);
    return (unsigned)owner;
}

static void set_slot(struct redis_cluster *cluster, unsigned at, unsigned slot,
                     const char *how, unsigned node)
{
    redis_cmd(redis_cluster_port(cluster, at), "CLUSTER SETSLOT %u %s %s", slot, how,
              cluster->nodes[node].id);
}

static void open_slot(struct redis_cluster *cluster, unsigned slot, unsigned from,
                      unsigned to)
{
    set_slot(cluster, to, slot, "IMPORTING", from);
    set_slot(cluster, from, slot, "MIGRATING", to);
}

void redis_cluster_open_slot(struct redis_cluster *cluster, unsigned slot, unsigned to)
{
    open_slot(cluster, slot, expect_owner(cluster, slot), to);
}

static void expect_ok(redisReply *reply)
{
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s", reply->str);
    freeReplyObject(reply);
}

/* All keys of `keys`, an array. */
static void migrate(struct redis_cluster *cluster, unsigned from, unsigned to,
                    const redisReply *keys)
{
    char port[16], ms[16];
    const char *argv[8 + KEYS_AT_ONCE] = {"MIGRATE", "127.0.0.1", port,  "",
                                          "0",       ms,          "KEYS"};
    size_t lens[8 + KEYS_AT_ONCE];
    int argc = 7;
    redisContext *redis = redis_cluster_connect(cluster, from);

    snprintf(port, sizeof(port), "%d", redis_cluster_port(cluster, to));
    snprintf(ms, sizeof(ms), "%d", MIGRATE_MS);
    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    for (size_t i = 0; i < keys->elements; i++) {
        argv[argc] = keys->element[i]->str;
        lens[argc++] = keys->element[i]->len;
    }
    expect_ok(redisCommandArgv(redis, argc, argv, lens));
    redisFree(redis);
}

static void migrate_all(struct redis_cluster *cluster, unsigned slot, unsigned from,
                        unsigned to)
{
    redisReply *keys;

    while (
        (keys = redis_cmd_reply(redis_cluster_port(cluster, from),
                                "CLUSTER GETKEYSINSLOT %u %d", slot, KEYS_AT_ONCE)) &&
        keys->elements > 0) {
        migrate(cluster, from, to, keys);
        freeReplyObject(keys);
    }
    assert_non_null(keys);
    freeReplyObject(keys);
}

void redis_cluster_migrate_key(struct redis_cluster *cluster, unsigned slot,
                               const char *key, unsigned to)
{
    expect_ok(redis_cmd_reply(redis_cluster_port(cluster, expect_owner(cluster, slot)),
                              "MIGRATE 127.0.0.1 %d %s 0 %d",
                              redis_cluster_port(cluster, to), key, MIGRATE_MS));
}

void redis_cluster_migrate_keys(struct redis_cluster *cluster, unsigned slot,
                                unsigned to)
{
    migrate_all(cluster, slot, expect_owner(cluster, slot), to);
}

static void wait_for_agreement(struct redis_cluster *cluster)
{
    wait_for(cluster, is_agreed, "does not agree");
}

/* The new owner first, as redis-cli does: between the two nobody would own it else. */
static void end_slot(struct redis_cluster *cluster, unsigned slot, unsigned from,
                     unsigned to)
{
    set_slot(cluster, to, slot, "NODE", to);
    set_slot(cluster, from, slot, "NODE", to);
}

void redis_cluster_end_slot(struct redis_cluster *cluster, unsigned slot, unsigned to)
{
    end_slot(cluster, slot, expect_owner(cluster, slot), to);
    wait_for_agreement(cluster);
}

void redis_cluster_reverse_slot(struct redis_cluster *cluster, unsigned slot,
                                unsigned to)
{
    unsigned owner = expect_owner(cluster, slot);

    /* While it is MIGRATING the owner takes no key that it has not. */
    redis_cmd(redis_cluster_port(cluster, owner), "CLUSTER SETSLOT %u STABLE", slot);
    migrate_all(cluster, slot, to, owner);
    redis_cmd(redis_cluster_port(cluster, to), "CLUSTER SETSLOT %u STABLE", slot);
}

void redis_cluster_move(struct redis_cluster *cluster, unsigned first_slot,
                        unsigned slots, unsigned to)
{
    for (unsigned slot = first_slot; slot < first_slot + slots; slot++) {
        unsigned from = expect_owner(cluster, slot);

        if (from == to)
            continue;
        open_slot(cluster, slot, from, to);
        migrate_all(cluster, slot, from, to);
        end_slot(cluster, slot, from, to);
    }
    wait_for_agreement(cluster);
}

/* ---- nodes ---- */

/* The next replica of `node`, behind `after`, as that one knows it; REDIS_CLUSTER_NONE: no more. */
static int next_replica(struct redis_cluster *cluster, unsigned node, int after)
{
    char *nodes = read_nodes(cluster, node);
    int found = REDIS_CLUSTER_NONE;
    struct line line;

    for (const char *at = nodes; (at = read_line(at, &line));)
        for (int i = after + 1; i < (int)cluster->count; i++)
            if (has_flag(&line, "slave") && answers(&cluster->nodes[i]) &&
                strcmp(line.id, cluster->nodes[i].id) == 0 &&
                strcmp(line.master, cluster->nodes[node].id) == 0 &&
                (found < 0 || i < found))
                found = i;
    free(nodes);
    return found;
}

unsigned redis_cluster_replica(struct redis_cluster *cluster, unsigned node)
{
    int replica = next_replica(cluster, node, REDIS_CLUSTER_NONE);

    if (replica < 0)
        fail_msg("node %u has no replica", node);
    return (unsigned)replica;
}

static bool may_be_elected(void *data)
{
    const struct redis_cluster_node *node = data;

    return wait_now_ms() >= node->may_be_elected_ms;
}

/* It will be elected within `soon_ms`. */
static void expect_election(struct redis_cluster *cluster, unsigned replica,
                            unsigned soon_ms)
{
    struct redis_cluster_node *node = &cluster->nodes[replica];
    unsigned pause_ms = 4 * cluster->opts.node_timeout_ms;

    if (pause_ms < 4000) /* it is no less, whatever the node-timeout */
        pause_ms = 4000;
    assert_true(wait_until(may_be_elected, node, DEADLINE_MS));
    node->may_be_elected_ms = wait_now_ms() + soon_ms + pause_ms + 500;
}

/* One of its replicas will be elected. */
static void expect_elections(struct redis_cluster *cluster, unsigned master)
{
    int replica = REDIS_CLUSTER_NONE;

    while (answers(&cluster->nodes[master]) &&
           (replica = next_replica(cluster, master, replica)) >= 0)
        expect_election(cluster, (unsigned)replica, 3 * cluster->opts.node_timeout_ms);
}

static bool is_master(void *data)
{
    const struct redis_server *server = data;

    return info_has(server->port, "INFO replication", "role:master");
}

void redis_cluster_fail_over(struct redis_cluster *cluster, unsigned replica,
                             const char *how)
{
    struct redis_server *server = &cluster->nodes[replica].server;

    if (strcmp(how, "TAKEOVER") != 0) /* which asks for no votes */
        expect_election(cluster, replica, 0);
    expect_ok(redis_cmd_reply(
        server->port, how[0] ? "CLUSTER FAILOVER %s" : "CLUSTER FAILOVER", how));
    if (!wait_until(is_master, server, DEADLINE_MS))
        fail_msg("node %u does not become a master", replica);
}

void redis_cluster_kill(struct redis_cluster *cluster, unsigned node)
{
    expect_elections(cluster, node);
    process_kill(&cluster->nodes[node].server.process);
    cluster->nodes[node].is_stopped = false;
}

void redis_cluster_start(struct redis_cluster *cluster, unsigned node)
{
    redis_server_start(&cluster->nodes[node].server);
}

void redis_cluster_stop(struct redis_cluster *cluster, unsigned node)
{
    expect_elections(cluster, node);
    process_signal(&cluster->nodes[node].server.process, SIGSTOP);
    cluster->nodes[node].is_stopped = true;
}

void redis_cluster_go_on(struct redis_cluster *cluster, unsigned node)
{
    process_signal(&cluster->nodes[node].server.process, SIGCONT);
    cluster->nodes[node].is_stopped = false;
}

/* ---- commands ---- */

int redis_cluster_port_of_key(struct redis_cluster *cluster, const char *key)
{
    unsigned slot = cluster_slot_of_key(key, strlen(key));

    return redis_cluster_port(cluster, expect_owner(cluster, slot));
}

redisContext *redis_cluster_connect(struct redis_cluster *cluster, unsigned node)
{
    struct timeval patience = {.tv_sec = 30};
    redisContext *redis = redisConnectWithTimeout(
        "127.0.0.1", redis_cluster_port(cluster, node), patience);

    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    redisSetTimeout(redis, patience);
    return redis;
}
