/* main.c - settings -> sockets -> workers -> signals -> ordered stop; no logic.
 *
 * Start: config_load, bind, worker_new for each, worker_start, the ops server.
 * Stop, in the reverse order: SIGTERM or SIGINT drains the workers, their threads end
 * by themselves, the ops server closes, the loop ends, memory is freed. A second signal
 * ends at once. SIGUSR1: each worker logs its rooms.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "common/config.h"
#include "common/descriptors.h"
#include "common/healthcheck.h"
#include "common/http.h"
#include "common/keys.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/scripts.h"
#include "common/xalloc.h"
#include "gateway/conn.h"
#include "gateway/ops_server.h"
#include "gateway/shards.h"
#include "gateway/worker.h"

enum {
    EXIT_SETTINGS = 2,
    /* Descriptors: standard streams, signals, the ops loop and its listener, resolving */
    FDS_PROCESS = 24,
    FDS_WORKER = 6, /* loop, listener */
    FDS_REDIS = 4,  /* of each worker: two links and their successors */
    OPS_MIN = 8,    /* connections to the ops port */
    CLIENTS_MIN = 16,
    CLUSTER_MASTERS = 16, /* how many there are is known later */
    ENDED_TICK_MS = 20,
};

struct gateway {
    struct config config;
    struct worker_shared shared;
    struct worker **workers;
    struct ops_server *ops;
    uv_loop_t loop;
    uv_signal_t term, interrupt, usr1;
    uv_timer_t ended;
    char *address;
    bool is_stopping;
};

/* Connections to the ops port, where the process may have `have` descriptors. */
static unsigned ops_connections(const struct gateway *g, unsigned have)
{
    unsigned most = (unsigned)g->config.http_connections;
    unsigned share = have / 8 < OPS_MIN ? OPS_MIN : have / 8;

    return share < most ? share : most;
}

/* A link behind Sentinels asks one of them by a connection of its own. */
static unsigned fds_of_worker(const struct gateway *g)
{
    unsigned fds = FDS_WORKER;

    if (redis_urls_is_cluster(&g->config.redis))
        return fds + CLUSTER_MASTERS * FDS_REDIS;
    for (unsigned i = 0; i < g->config.redis.count; i++)
        fds +=
            g->config.redis.urls[i].form == REDIS_SENTINEL ? 2 * FDS_REDIS : FDS_REDIS;
    return fds;
}

/* Descriptors of everything but clients, at its worst. */
static unsigned reserve_of(const struct gateway *g, unsigned have)
{
    return FDS_PROCESS + fds_of_worker(g) * g->shared.count + CONN_OVER_LIMIT_EXTRA +
           http_descriptors(ops_connections(g, have));
}

/* Clients get what the rest of the process does not need: else a crowd of them would keep it
 * from Redis and from its operators. */
static void share_descriptors(struct gateway *g)
{
    unsigned have = descriptors_raise(), wanted = (unsigned)g->config.max_connections;
    unsigned need = CLIENTS_MIN, possible;
    char what[64];

    while (need < reserve_of(g, need) + CLIENTS_MIN)
        need++;
    snprintf(what, sizeof(what), "a gateway with ROOMCAST_WORKERS=%u", g->shared.count);
    descriptors_require(have, need, what);
    possible = have - reserve_of(g, have);
    g->config.http_connections = ops_connections(g, have);
    g->shared.max_connections = wanted > 0 && wanted < possible ? wanted : possible;
    if (wanted > possible)
        log_warn("max_connections_lowered",
                 "wanted=%u possible=%u text=\"ulimit -n is %u\"", wanted, possible,
                 have);
}

static char *advertised(const struct config *config)
{
    const char *port = strrchr(config->listen, ':');
    char host[256] = "localhost", text[512];

    if (config->advertise[0])
        return xstrdup(config->advertise);
    gethostname(host, sizeof(host) - 1);
    snprintf(text, sizeof(text), "%s%s", host, port ? port : "");
    return xstrdup(text);
}

static void warn_about_names(const struct config *config)
{
    const char *at = config->listen;

    if (strcmp(config->auth, "none") == 0 && strncmp(at, "127.", 4) != 0 &&
        strncmp(at, "[::1]", 5) != 0 && strncmp(at, "localhost", 9) != 0)
        log_warn("names_not_proven",
                 "listen=%s auth=none text=\"anybody may use any user name\"", at);
}

/* Then a client says itself whose connection it is. */
static void warn_about_proxies(const struct config *config)
{
    if (config->proxy_protocol && config->trusted.count == 0)
        log_warn("proxies_not_named",
                 "setting=ROOMCAST_TRUSTED_PROXIES text=\"anybody may send a PROXY "
                 "header\"");
}

static void on_dump(uv_signal_t *signal, int number)
{
    struct gateway *g = signal->data;

    (void)number;
    for (unsigned i = 0; i < g->shared.count; i++)
        if (!worker_has_ended(g->workers[i]))
            worker_dump(g->workers[i]);
}

static void on_ended_tick(uv_timer_t *timer)
{
    struct gateway *g = timer->data;

    for (unsigned i = 0; i < g->shared.count; i++)
        if (!worker_has_ended(g->workers[i]))
            return;
    ops_server_close(g->ops);
    uv_close((uv_handle_t *)&g->term, NULL);
    uv_close((uv_handle_t *)&g->interrupt, NULL);
    uv_close((uv_handle_t *)&g->usr1, NULL);
    uv_close((uv_handle_t *)&g->ended, NULL);
}

static void on_stop(uv_signal_t *signal, int number)
{
    struct gateway *g = signal->data;

    if (g->is_stopping)
        _exit(128 + number); /* asked twice: at once */
    g->is_stopping = true;
    log_info("stopping", "signal=%d", number);
    ops_server_drain(g->ops);
    for (unsigned i = 0; i < g->shared.count; i++)
        worker_drain(g->workers[i]);
    uv_timer_start(&g->ended, on_ended_tick, 0, ENDED_TICK_MS);
}

static void count_workers(struct gateway *g)
{
    g->shared.count = (unsigned)g->config.workers;
    if (g->shared.count == 0)
        g->shared.count = uv_available_parallelism();
}

static void start_workers(struct gateway *g)
{
    unsigned count = g->shared.count;

    g->shared.config = &g->config;
    g->shared.shards = shards_count(&g->config);
    metrics_set_shards(g->shared.shards);
    cluster_maps_init(&g->shared.maps);
    address_limits_init(&g->shared.addresses, &g->config);
    g->shared.address = g->address;
    g->shared.metrics = xcalloc(count, sizeof(*g->shared.metrics));
    g->shared.inboxes = xcalloc(count, sizeof(*g->shared.inboxes));
    g->workers = xcalloc(count, sizeof(struct worker *));
    /* Alone first: with SO_REUSEPORT two gateways would share a port unnoticed. */
    close(listen_bind("ROOMCAST_LISTEN", g->config.listen, 0));
    for (unsigned i = 0; i < count; i++)
        g->workers[i] = worker_new(&g->shared, i,
                                   listen_bind("ROOMCAST_LISTEN", g->config.listen, 1));
}

static void start_signals(struct gateway *g)
{
    uv_signal_init(&g->loop, &g->term);
    uv_signal_init(&g->loop, &g->interrupt);
    uv_signal_init(&g->loop, &g->usr1);
    uv_timer_init(&g->loop, &g->ended);
    g->term.data = g->interrupt.data = g->usr1.data = g->ended.data = g;
    uv_signal_start(&g->term, on_stop, SIGTERM);
    uv_signal_start(&g->interrupt, on_stop, SIGINT);
    uv_signal_start(&g->usr1, on_dump, SIGUSR1);
}

static void start(struct gateway *g)
{
    int ops_fd;

    count_workers(g);
    share_descriptors(g);
    ops_fd = listen_bind("ROOMCAST_OPS_LISTEN", g->config.ops_listen, 0);
    g->address = advertised(&g->config);
    start_workers(g);
    start_signals(g);
    g->ops = ops_server_open(&g->loop, ops_fd, g->workers, &g->shared);
    for (unsigned i = 0; i < g->shared.count; i++)
        worker_start(g->workers[i]);
    log_info("started", "version=%s listen=%s ops=%s workers=%u", ROOMCAST_VERSION,
             g->config.listen, g->config.ops_listen, g->shared.count);
    warn_about_names(&g->config);
    warn_about_proxies(&g->config);
}

static void stop(struct gateway *g)
{
    for (unsigned i = 0; i < g->shared.count; i++)
        worker_join(g->workers[i]);
    free(g->workers);
    free(g->shared.metrics);
    cluster_maps_deinit(&g->shared.maps);
    address_limits_deinit(&g->shared.addresses);
    free(g->shared.inboxes);
    free(g->address);
    ops_server_free(g->ops);
    config_deinit(&g->config);
}

int main(int argc, char **argv)
{
    static struct gateway gateway;
    enum config_outcome outcome;

    descriptors_open_standard();
    outcome = config_load(&gateway.config, CONFIG_GATEWAY, argc, argv);
    if (outcome != CONFIG_RUN) {
        int status = outcome == CONFIG_EXIT_OK ? 0 : EXIT_SETTINGS;

        if (outcome == CONFIG_HEALTHCHECK)
            status = healthcheck_run(gateway.config.ops_listen);
        config_deinit(&gateway.config);
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    log_start();
    keys_set_prefix(gateway.config.key_prefix);
    keys_set_cluster(redis_urls_is_cluster(&gateway.config.redis));
    scripts_init(keys_is_cluster());
    uv_loop_init(&gateway.loop);
    start(&gateway);
    uv_run(&gateway.loop, UV_RUN_DEFAULT);
    stop(&gateway);
    if (uv_loop_close(&gateway.loop) != 0)
        abort();
    log_info("stopped", "exit=0");
    return 0;
}
