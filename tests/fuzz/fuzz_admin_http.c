/* fuzz_admin_http.c - any bytes into the admin service's port: consecutive requests,
 * by way of http_message, h2o, the routes, the token and the console. Redis is never there.
 *
 * Beside what the sanitizers see: what http_message prints reads as the same request, a
 * request is read alike in one piece and in two, and each connection ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/api.h"
#include "admin/events.h"
#include "admin/fleet_keys.h"
#include "admin/routes.h"
#include "common/http_message.h"
#include "common/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { BODY_MAX = 4096 };

static struct {
    uv_loop_t loop;
    struct config config;
    struct metrics metrics;
    struct api api;
    struct http_server *http;
    struct sockaddr_in address;
} service;

static void require(int condition)
{
    if (!condition)
        abort();
}

static void on_link(void *owner, unsigned shard, bool is_up)
{
    (void)owner, (void)shard;
    require(!is_up);
}

static void on_fleet_read(void *owner)
{
    (void)owner;
}

static void open_api(void)
{
    struct api *api = &service.api;

    api->loop = &service.loop;
    api->config = &service.config;
    api->metrics = &service.metrics;
    auth_init(&api->auth, "t", 10);
    console_init(&api->console, &service.config);
    fleet_init(&api->fleet, &service.loop, &api->db, &service.metrics, on_fleet_read,
               NULL);
    db_open(&api->db, &service.loop, &service.config, &service.metrics, on_link, NULL);
    api->keys = fleet_keys_open(api);
    api->events = events_open(api);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *settings[] = {**argv, NULL};
    socklen_t len = sizeof(service.address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct http_opts opts;

    (void)argc;
    setenv("AUTH_TOKEN", "t", 1);
    setenv("ROOMCAST_REDIS_URL", "redis+unix:///dev/null/none", 1);
    setenv("ROOMCAST_MAX_MESSAGE_BYTES", "4096", 1);
    setenv("ROOMCAST_HTTP_CONNECTIONS", "900", 1);
    require(config_load(&service.config, CONFIG_ADMIN, 1, settings) == CONFIG_RUN);
    log_max = LOG_ERROR;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&service.loop);
    open_api();
    service.address.sin_family = AF_INET;
    service.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(bind(fd, (struct sockaddr *)&service.address, len) == 0);
    require(getsockname(fd, (struct sockaddr *)&service.address, &len) == 0);
    opts = routes_opts(&service.api);
    require(http_open(&service.http, &service.loop, fd, &opts) == 0);
    return 0;
}

/* The requests in `bytes`, each read up to `split` and from there. */
static void check_messages(const char *bytes, size_t len, size_t split)
{
    struct http_message whole = {.max_body_bytes = BODY_MAX};
    struct http_message parts = {.max_body_bytes = BODY_MAX};
    struct http_message again = {.max_body_bytes = BODY_MAX};
    size_t taken = http_message_feed(&whole, bytes, len);
    size_t first = http_message_feed(&parts, bytes, split);

    if (first == split)
        first += http_message_feed(&parts, bytes + split, len - split);
    require(parts.state == whole.state && parts.status == whole.status);
    require(whole.state == HTTP_MESSAGE_REFUSED || first == taken);
    if (whole.state == HTTP_MESSAGE_WHOLE) {
        require(http_message_feed(&again, whole.out.data, whole.out.len) ==
                whole.out.len);
        require(again.state == HTTP_MESSAGE_WHOLE);
        require(again.out.len == whole.out.len &&
                memcmp(again.out.data, whole.out.data, again.out.len) == 0);
    }
    http_message_deinit(&whole);
    http_message_deinit(&parts);
    http_message_deinit(&again);
}

/* Sends all, reads all, until the service ends the connection: one that does not is found by
 * the fuzzer's -timeout. */
static void talk(const char *bytes, size_t len)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const struct linger at_once = {1, 0};
    char answer[16 * 1024];
    ssize_t got = -1;

    require(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)); /* no TIME_WAIT */
    if (connect(fd, (struct sockaddr *)&service.address, sizeof(service.address)) < 0 &&
        errno != EINPROGRESS) {
        require(errno == EADDRNOTAVAIL); /* the ports of this machine are used up */
        close(fd);
        return;
    }
    while (got != 0) {
        ssize_t sent = len > 0 ? send(fd, bytes, len, 0) : 0;

        bytes += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        if (len == 0)
            shutdown(fd, SHUT_WR);
        uv_run(&service.loop, UV_RUN_NOWAIT);
        got = recv(fd, answer, sizeof(answer), 0);
        if (got < 0 && errno != EAGAIN)
            break; /* a reset: it was refused, and went on sending */
    }
    close(fd);
    uv_run(&service.loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;

    check_messages(bytes, size, size / 2);
    check_messages(bytes, size, size > 0 ? size - 1 : 0);
    talk(bytes, size);
    return 0;
}
