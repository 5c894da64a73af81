/* redis_sentinel.c - see redis_sentinel.h.
 *
 *     start_ask -> (no connection: start_dial -> on_open) -> send_ask -> on_bytes -> take_answer
 *        ^                                                                 |
 *        |   fail: the next Sentinel, until all were asked <---------------+
 *        +-- on_second
 *
 * What does not know SENTINEL is asked what it is (send_mode), to tell a Redis Cluster from one Redis.
 *
 * The first one asked is another for each connection, so that not all of a fleet ask one.
 */
#include "common/redis_sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "common/redis_command.h"
#include "common/redis_dialer.h"
#include "common/redis_replies.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum {
    EACH_MS = 1000,
    HOST_BYTES_MAX = 256,
    PORT_BYTES_MAX = 8,
};

struct redis_sentinel {
    struct redis_sentinel_opts opts;
    struct redis_dialer *dialer;
    struct redis_stream *stream; /* NULL: none is open */
    struct redis_replies replies;
    struct redis_command cmd;
    struct strbuf out; /* what is to be sent */
    uv_timer_t timer;  /* of the next ask; of the answer */
    unsigned at;       /* the Sentinel that is asked */
    unsigned failed;   /* of this ask */
    struct redis_loss loss;
    bool awaits_login, awaits_mode, is_asking;
};

static void start_ask(struct redis_sentinel *s);

static void on_second(uv_timer_t *timer)
{
    start_ask(timer->data);
}

/* The answer is there, or there is none. */
static void end_ask(struct redis_sentinel *s)
{
    s->is_asking = false;
    uv_timer_start(&s->timer, on_second, EACH_MS, 0);
}

static void drop_stream(struct redis_sentinel *s)
{
    redis_stream_close(s->stream);
    s->stream = NULL;
}

static void start_dial(struct redis_sentinel *s)
{
    uv_timer_stop(&s->timer);
    redis_dialer_start(s->dialer, &s->opts.url->hosts[s->at]);
}

void redis_sentinel_distrust(struct redis_sentinel *s)
{
    drop_stream(s);
    redis_dialer_stop(s->dialer);
    s->at = (s->at + 1) % s->opts.url->hosts_count;
    if (s->is_asking)
        start_dial(s);
}

/* Of several failures, the first one that is no silence is told. */
static void fail(struct redis_sentinel *s, struct redis_loss loss)
{
    if (s->failed == 0 || s->loss.why == REDIS_WHY_SENTINELS_SILENT)
        s->loss = loss;
    if (s->is_asking && ++s->failed == s->opts.url->hosts_count) {
        end_ask(s);
        redis_sentinel_distrust(s);
        s->opts.on_failed(s->opts.owner, s->loss);
    } else {
        redis_sentinel_distrust(s);
    }
}

static void on_failed(void *owner, struct redis_loss loss)
{
    fail(owner, loss.why == REDIS_WHY_NOT_KNOWN
                    ? redis_loss_of(REDIS_WHY_SENTINELS_SILENT)
                    : loss);
}

static void on_late(uv_timer_t *timer)
{
    fail(timer->data, redis_loss_of(REDIS_WHY_SENTINELS_SILENT));
}

/* ---- the answer ---- */

static void send_mode(struct redis_sentinel *s);

static bool is_unknown_command(const redisReply *reply)
{
    return strncmp(reply_error(reply), "ERR unknown command", 19) == 0;
}

static struct redis_loss loss_of_mode(const redisReply *reply)
{
    const char *info = reply_string(reply).base;
    bool is_cluster = strstr(info, "redis_mode:cluster") ||
                      strstr(info, "server_mode:cluster"); /* Valkey */

    return redis_loss_of(is_cluster ? REDIS_WHY_CLUSTER : REDIS_WHY_NOT_SENTINEL);
}

static struct redis_loss loss_of_error(const char *error)
{
    if (strncmp(error, "NOAUTH", 6) == 0 || strncmp(error, "WRONGPASS", 9) == 0 ||
        strncmp(error, "NOPERM", 6) == 0)
        return redis_loss_of(REDIS_WHY_SENTINELS_LOGIN);
    return redis_loss_of(REDIS_WHY_NO_MASTER);
}

static bool take_text(char *out, size_t size, const redisReply *reply, size_t i)
{
    struct json_text text = reply_text(reply, i);

    if (text.len == 0 || text.len >= size || memchr(text.base, '\0', text.len))
        return false;
    memcpy(out, text.base, text.len);
    out[text.len] = '\0';
    return true;
}

static void take_answer(struct redis_sentinel *s, const redisReply *reply)
{
    char host[HOST_BYTES_MAX], port[PORT_BYTES_MAX];

    if (s->awaits_mode) {
        fail(s, loss_of_mode(reply));
    } else if (is_unknown_command(reply) && !s->awaits_login) {
        send_mode(s);
    } else if (reply_is_error(reply)) {
        fail(s, s->awaits_login ? redis_loss_of(REDIS_WHY_SENTINELS_LOGIN)
                                : loss_of_error(reply_error(reply)));
    } else if (s->awaits_login) {
        s->awaits_login = false;
    } else if (!s->is_asking || !take_text(host, sizeof(host), reply, 0) ||
               !take_text(port, sizeof(port), reply, 1)) {
        fail(s, redis_loss_of(REDIS_WHY_NO_MASTER));
    } else {
        end_ask(s);
        s->opts.on_master(s->opts.owner, &(struct redis_host){host, port});
    }
}

static void on_bytes(void *owner, const char *bytes, size_t len)
{
    struct redis_sentinel *s = owner;
    const redisReply *reply;
    const char *garbled;

    redis_replies_feed(&s->replies, bytes, len);
    while (s->stream && (reply = redis_replies_next(&s->replies)))
        take_answer(s, reply);
    garbled = s->stream ? redis_replies_garbled(&s->replies) : NULL;
    if (garbled)
        fail(s, redis_loss_of(REDIS_WHY_NOT_SENTINEL));
}

/* ---- the question ---- */

static const struct redis_stream_hooks hooks = {NULL, on_bytes, on_failed};

static void add_words(struct redis_sentinel *s, unsigned count,
                      const char *const *words)
{
    redis_command_set_words(&s->cmd, count, words);
    redis_command_print(&s->cmd, &s->out);
}

/* Where they want a login, it goes in front. */
static void add_login(struct redis_sentinel *s)
{
    const char *user = s->opts.config->sentinel_user;
    const char *password = s->opts.config->sentinel_password;

    s->awaits_login = password[0];
    if (!password[0])
        return;
    if (user[0])
        add_words(s, 3, (const char *[]){"AUTH", user, password});
    else
        add_words(s, 2, (const char *[]){"AUTH", password});
}

static void send_ask(struct redis_sentinel *s)
{
    add_words(
        s, 3,
        (const char *[]){"SENTINEL", "GET-MASTER-ADDR-BY-NAME", s->opts.url->name});
    uv_timer_start(&s->timer, on_late, s->opts.deadline_ms, 0);
    redis_stream_write(s->stream, &s->out);
}

static void send_mode(struct redis_sentinel *s)
{
    s->awaits_mode = true;
    add_words(s, 2, (const char *[]){"INFO", "server"});
    redis_stream_write(s->stream, &s->out);
}

static void on_open(void *owner, struct redis_stream *stream)
{
    struct redis_sentinel *s = owner;

    redis_stream_hand_over(stream, &hooks, s);
    s->stream = stream;
    redis_replies_begin(&s->replies);
    s->awaits_mode = false;
    strbuf_reset(&s->out, 0);
    add_login(s);
    send_ask(s);
}

static void start_ask(struct redis_sentinel *s)
{
    s->is_asking = true;
    s->failed = 0;
    if (!s->stream)
        start_dial(s);
    else if (!redis_stream_is_writing(s->stream))
        send_ask(s);
    else
        fail(s, redis_loss_of(REDIS_WHY_SENTINELS_SILENT)); /* it does not read */
}

void redis_sentinel_ask(struct redis_sentinel *s)
{
    if (s->is_asking)
        return;
    uv_timer_stop(&s->timer);
    start_ask(s);
}

/* ---- beginning and end ---- */

struct redis_sentinel *redis_sentinel_open(const struct redis_sentinel_opts *opts)
{
    struct redis_sentinel *s = xcalloc(1, sizeof(*s));
    const struct redis_dialer_opts of_dialer = {
        .loop = opts->loop,
        .config = opts->config,
        .is_tls = opts->url->is_tls,
        .deadline_ms = opts->deadline_ms,
        .owner = s,
        .on_open = on_open,
        .on_failed = on_failed,
    };

    s->opts = *opts;
    s->at = (unsigned)(uv_hrtime() / 1000 % opts->url->hosts_count);
    s->dialer = redis_dialer_open(&of_dialer);
    uv_timer_init(opts->loop, &s->timer);
    s->timer.data = s;
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_sentinel *s = handle->data;

    redis_replies_deinit(&s->replies);
    redis_command_deinit(&s->cmd);
    strbuf_deinit(&s->out);
    free(s);
}

void redis_sentinel_close(struct redis_sentinel *s)
{
    if (!s)
        return;
    drop_stream(s);
    redis_dialer_close(s->dialer);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}
