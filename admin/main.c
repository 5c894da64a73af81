/* main.c - the admin service: settings -> socket -> loop -> signals -> ordered stop; no logic. Or, with
 * --move-rooms, what admin/move.h does; or, as `roomcast-admin token` and `hash`, what admin/token.h and
 * admin/hash.h do.
 *
 * One loop: h2o, and for each Redis a link for commands (db.h) and one for notices (event_links.h). All
 * state is in Redis, so any number of these run side by side. Stop: SIGTERM or SIGINT closes the server, the links
 * and the timers, and the loop ends by itself. A second signal ends at once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "admin/api.h"
#include "admin/events.h"
#include "admin/fleet_classes.h"
#include "admin/fleet_keys.h"
#include "admin/fleet_revoked.h"
#include "admin/hash.h"
#include "admin/move.h"
#include "admin/oidc.h"
#include "admin/routes.h"
#include "admin/token.h"
#include "common/descriptors.h"
#include "common/healthcheck.h"
#include "common/http.h"
#include "common/keys.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/xalloc.h"

enum {
    EXIT_SETTINGS = 2,
    FDS_PROCESS =
        32, /* for everything but Redis and HTTP connections; the latter are at least */
    FDS_REDIS = 4,        /* of each: two links and their successors */
    CLUSTER_MASTERS = 16, /* how many there are is known later */
    CONNECTIONS_MIN = 8,
};

struct service {
    struct config config;
    struct metrics metrics;
    struct api api;
    struct http_server *http;
    uv_loop_t loop;
    uv_signal_t term, interrupt;
};

static void on_link(void *owner, unsigned shard, bool is_up)
{
    struct api *api = owner;

    fleet_on_link(&api->fleet, shard, is_up);
}

static void on_fleet_read(void *owner)
{
    struct api *api = owner;

    if (api->keys)
        fleet_keys_on_fleet(api->keys);
    if (api->events)
        events_on_fleet(api->events);
}

static void on_stop(uv_signal_t *signal, int number)
{
    struct service *s = signal->data;

    if (s->api.is_closing)
        _exit(128 + number); /* asked twice: at once */
    log_info("stopping", "signal=%d", number);
    s->api.is_closing = true;
    http_close(s->http);
    files_close(&s->api.files);
    events_close(s->api.events);
    fleet_keys_close(s->api.keys);
    fleet_revoked_close(s->api.revoked);
    fleet_classes_close(s->api.classes);
    oidc_close(s->api.oidc);
    fleet_close(&s->api.fleet);
    db_close(&s->api.db);
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
}

static void start_signals(struct service *s)
{
    uv_signal_init(&s->loop, &s->term);
    uv_signal_init(&s->loop, &s->interrupt);
    s->term.data = s->interrupt.data = s;
    uv_signal_start(&s->term, on_stop, SIGTERM);
    uv_signal_start(&s->interrupt, on_stop, SIGINT);
}

static unsigned count_redis(const struct config *config)
{
    return redis_urls_is_cluster(&config->redis) ? CLUSTER_MASTERS
                                                 : config->redis.count;
}

/* Not so many connections that there would be no descriptor left for Redis. */
static void share_descriptors(struct service *s)
{
    unsigned have = descriptors_raise(), most = (unsigned)s->config.http_connections;
    unsigned reserved = FDS_PROCESS + FDS_REDIS * count_redis(&s->config);

    descriptors_require(have, reserved + http_descriptors(CONNECTIONS_MIN),
                        "the admin service");
    while (http_descriptors(most) > have - reserved)
        most--;
    s->config.http_connections = most;
    /* Those that listen to the events stay: they must leave some for questions. */
    if (s->config.admin_listeners > s->config.http_connections / 2)
        s->config.admin_listeners = s->config.http_connections / 2;
}

static void start(struct service *s)
{
    struct api *api = &s->api;
    int fd = listen_bind("ROOMCAST_ADMIN_LISTEN", s->config.admin_listen, 0), rc;
    struct http_opts opts;

    api->loop = &s->loop;
    api->config = &s->config;
    api->metrics = &s->metrics;
    auth_init(&api->auth, s->config.auth_token, (unsigned)s->config.admin_failures);
    if (!files_open(&api->files, api->loop, api->config, api->metrics,
                    &api->auth.operators))
        exit(EXIT_SETTINGS);
    console_init(&api->console, &s->config);
    fleet_init(&api->fleet, &s->loop, &api->db, &s->metrics, on_fleet_read, api);
    db_open(&api->db, api->loop, api->config, api->metrics, on_link, api);
    api->keys = fleet_keys_open(api);
    api->revoked = fleet_revoked_open(api);
    api->classes = fleet_classes_open(api);
    api->oidc = oidc_open(api->loop, api->config);
    api->auth.has_sessions = api->oidc != NULL;
    api->events = events_open(api);
    start_signals(s);
    opts = routes_opts(api);
    rc = http_open(&s->http, &s->loop, fd, &opts);
    if (rc < 0) {
        log_error("listen_failed", "why=\"%s\"", uv_strerror(rc));
        exit(EXIT_SETTINGS);
    }
    log_info("started", "version=%s listen=%s", ROOMCAST_VERSION,
             s->config.admin_listen);
}

static void stop(struct service *s)
{
    struct api *api = &s->api;

    events_free(api->events);
    fleet_keys_free(api->keys);
    fleet_revoked_free(api->revoked);
    fleet_classes_free(api->classes);
    oidc_free(api->oidc);
    fleet_deinit(&api->fleet);
    console_deinit(&api->console);
    files_deinit(&api->files);
    auth_deinit(&api->auth);
    db_deinit(&api->db);
    strbuf_deinit(&api->out);
    proto_deinit_thread();
    config_deinit(&s->config);
}

static int move_and_end(struct config *config)
{
    enum move_exit exit_code;

    signal(SIGPIPE, SIG_IGN);
    keys_set_prefix(config->key_prefix);
    scripts_init(redis_urls_is_cluster(&config->move_to));
    exit_code = move_run(config);
    config_deinit(config);
    return (int)exit_code;
}

/* The word `token` is taken off. */
static int make_token_and_end(int argc, char **argv)
{
    struct config config = {0};
    enum config_outcome outcome =
        config_load(&config, CONFIG_TOKEN, argc - 1, argv + 1);
    int status = outcome == CONFIG_EXIT_OK ? 0 : EXIT_SETTINGS;

    if (outcome == CONFIG_RUN)
        status = token_command(&config);
    config_deinit(&config);
    return status;
}

int main(int argc, char **argv)
{
    static struct service service;
    enum config_outcome outcome;

    descriptors_open_standard();
    if (argc > 1 && strcmp(argv[1], "token") == 0)
        return make_token_and_end(argc, argv);
    if (argc > 1 && strcmp(argv[1], "hash") == 0)
        return hash_command(argc - 2, argv + 2);
    outcome = config_load(&service.config, CONFIG_ADMIN, argc, argv);
    if (outcome == CONFIG_MOVE_ROOMS)
        return move_and_end(&service.config);
    if (outcome != CONFIG_RUN) {
        int status = outcome == CONFIG_EXIT_OK ? 0 : EXIT_SETTINGS;

        if (outcome == CONFIG_HEALTHCHECK)
            status = healthcheck_run(service.config.admin_listen);
        config_deinit(&service.config);
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    log_start();
    keys_set_prefix(service.config.key_prefix);
    keys_set_cluster(redis_urls_is_cluster(&service.config.redis));
    scripts_init(keys_is_cluster());
    metrics_set_shards(db_shards_count(&service.config));
    share_descriptors(&service);
    uv_loop_init(&service.loop);
    start(&service);
    uv_run(&service.loop, UV_RUN_DEFAULT);
    stop(&service);
    if (uv_loop_close(&service.loop) != 0)
        abort();
    log_info("stopped", "exit=0");
    return 0;
}
