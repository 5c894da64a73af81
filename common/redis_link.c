/* redis_link.c - see redis_link.h.
 *
 * What happens, in order, is the order of the functions below, read upwards:
 *
 *     start_attempt -> (redis_sentinel_ask -> on_master) -> dial -> on_open -> start_greeting
 *           ^                                                ^         -> on_greeted -> (ready)
 *        on_retry <---- lose <-------------------------------|--------------+
 *                         +----------------------------------+ the next address of the name
 *
 * Every failure, at whatever step, ends in lose; there is no other error path. An attempt tries the
 * addresses of the name one after the other, and has failed when all have. hiredis reads the
 * protocol, and writing it is a length and a copy.
 *
 * The first attempt after a loss comes at once, the next ones after a pause that
 * doubles, with jitter, so that a fleet does not come back in step.
 *
 *     redis_link_send -> out -> on_prepare -> redis_stream_write
 *     on_bytes -> take_reply -> the command's callback
 *     on_deadlines (while commands wait) -> UV_ETIMEDOUT, or a silent connection restarts
 *
 * How bytes get there is redis_stream.h's, to which address redis_dialer.h's, to which master
 * redis_sentinel.h's. What is said in a greeting is redis_greeting.h's, which commands wait
 * redis_pending.h's, whether Redis still lives redis_pulse.h's, what a refusal means redis_errors.h's:
 * all of these without libuv.
 *
 * Closing: redis_link_close marks the link, and each step looks at the mark first. The memory goes
 * when libuv has given back its own handles; its parts let go of theirs by themselves.
 *
 * Over 400 lines because connecting, reading, writing and closing share one state and one exit.
 */
#include "common/redis_link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/redis_dialer.h"
#include "common/redis_errors.h"
#include "common/redis_greeting.h"
#include "common/redis_pulse.h"
#include "common/redis_replies.h"
#include "common/redis_sentinel.h"
#include "common/redis_stream.h"
#include "common/reply.h"
#include "common/xalloc.h"

enum {
    OUT_MAX_BYTES = 64 * 1024 * 1024, /* unsent commands; more is refused */
    DEADLINES_MS = 50,
    ASK_MS = 1000, /* of a Sentinel */
};

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_link {
    struct redis_link_opts opts;
    uv_loop_t *loop;
    enum link_state state;
    struct redis_sentinel *sentinel; /* NULL: the URL says where Redis is */
    struct redis_host master;        /* that the Sentinels named; owned */
    struct redis_dialer *dialer;
    struct redis_stream *stream; /* NULL: none is open */
    struct redis_replies replies;
    struct strbuf out; /* commands of this turn */
    uv_timer_t retry, deadlines;
    uv_prepare_t prepare;
    struct redis_pending pending;
    struct redis_greeting greeting;
    struct redis_pulse pulse;
    struct redis_errors errors;
    enum redis_why why; /* it is not ready */
    uint64_t ready_at;
    uint64_t pause_ms;
    int handles; /* open or closing */
    bool awaits_master, must_restart, is_replaced;
    bool was_ready; /* at least once */
    bool is_loose;  /* the connection before may still live, and nobody has asked yet */
    bool closing;
};

static void start_attempt(struct redis_link *link);

static void fail_pending(struct redis_link *link, int status)
{
    while (link->pending.count > 0) {
        struct redis_call call = redis_pending_take(&link->pending);

        if (call.on_reply)
            call.on_reply(call.data, status, NULL);
    }
}

/* ---- the memory, and the way back ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct redis_link *link = handle->data;

    if (--link->handles > 0)
        return;
    redis_replies_deinit(&link->replies);
    strbuf_deinit(&link->out);
    redis_pending_deinit(&link->pending);
    free(link->master.host);
    free(link->master.port);
    free(link);
}

static void on_retry(uv_timer_t *timer)
{
    start_attempt(timer->data);
}

static uint64_t jittered(uint64_t ms)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = (uint32_t)uv_hrtime();
    return ms / 2 + random % (ms / 2 + 1);
}

/* A connection that had worked for a while is made again at once, and so is one that is
 * only to be replaced. */
static uint64_t next_pause_ms(struct redis_link *link)
{
    uint64_t pause_ms;

    if (link->state == LINK_READY &&
        (link->is_replaced ||
         uv_now(link->loop) - link->ready_at >= link->opts.retry_max_ms)) {
        link->pause_ms = link->opts.retry_min_ms;
        return 0;
    }
    pause_ms = jittered(link->pause_ms);
    link->pause_ms *= 2;
    if (link->pause_ms > link->opts.retry_max_ms)
        link->pause_ms = link->opts.retry_max_ms;
    return pause_ms;
}

/* Nothing of this connection is left. */
static void drop_connection(struct redis_link *link, enum link_state state)
{
    redis_stream_close(link->stream);
    link->stream = NULL;
    link->state = state;
    link->must_restart = link->is_replaced = link->awaits_master = false;
    link->out.len = 0;
    uv_timer_stop(&link->deadlines);
    fail_pending(link, UV_ECONNRESET);
}

static void lose(struct redis_link *link, struct redis_loss loss)
{
    uint64_t pause_ms;

    if (link->state == LINK_GREETING && redis_dialer_go_on(link->dialer)) {
        drop_connection(link, LINK_CONNECTING);
        return;
    }
    pause_ms = next_pause_ms(link);
    link->why = loss.why;
    redis_errors_count_quietly(&link->errors, REDIS_CONNECTION);
    redis_greeting_on_lost(&link->greeting);
    redis_dialer_stop(link->dialer);
    if (link->sentinel && !link->is_replaced && !link->awaits_master)
        redis_sentinel_distrust(link->sentinel);
    drop_connection(link, LINK_DOWN);
    if (!link->closing)
        link->opts.on_lost(link->opts.owner, loss.text);
    if (!link->closing) /* the owner may close us from a callback */
        uv_timer_start(&link->retry, on_retry, pause_ms, 0);
}

static void lose_as(struct redis_link *link, const char *text)
{
    lose(link, redis_loss_as(text));
}

/* ---- deadlines ---- */

static void on_deadlines(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    uint64_t now = uv_now(link->loop), asked_at;
    struct redis_call call;
    unsigned at = 0;

    while (
        redis_pending_expire(&link->pending, &at, now, link->opts.deadline_ms, &call)) {
        redis_errors_count(&link->errors, REDIS_TIMEOUT,
                           "no answer within the deadline", now);
        call.on_reply(call.data, UV_ETIMEDOUT, NULL);
        if (link->closing || link->state == LINK_DOWN)
            return;
    }
    if (link->pending.count == 0) {
        uv_timer_stop(timer);
        return;
    }
    asked_at = redis_pending_first(&link->pending)->sent_at;
    if (redis_pulse_is_silent(&link->pulse, asked_at, link->opts.silence_ms, now))
        lose_as(link, "silent");
}

/* ---- bytes in and out ---- */

static void on_failed(void *owner, struct redis_loss loss)
{
    lose(owner, loss);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct redis_link *link = prepare->data;

    if (link->out.len > 0 && !redis_stream_is_writing(link->stream))
        redis_stream_write(link->stream, &link->out);
}

static void send_bytes(struct redis_link *link, const struct redis_command *cmd,
                       struct redis_call call)
{
    redis_command_print(cmd, &link->out);
    if (link->opts.for_notices && link->state == LINK_READY)
        return;
    redis_pending_add(&link->pending, call);
    if (!uv_is_active((uv_handle_t *)&link->deadlines))
        uv_timer_start(&link->deadlines, on_deadlines, DEADLINES_MS, DEADLINES_MS);
}

static bool may_be_refused(const struct redis_link *link)
{
    return link->pending.count > 0 &&
           redis_pending_first(&link->pending)->may_be_refused;
}

static void take_error(struct redis_link *link, const redisReply *reply)
{
    if (may_be_refused(link))
        return;
    if (link->state == LINK_GREETING &&
        redis_greeting_is_bearable(&link->greeting, reply))
        return;
    if (redis_errors_take(&link->errors, reply_error(reply), uv_now(link->loop)))
        link->must_restart = true;
}

static void take_reply(struct redis_link *link, redisReply *reply)
{
    struct redis_call call;
    bool is_error = reply_is_error(reply);

    if (is_error)
        take_error(link, reply);
    if (link->opts.for_notices && link->state == LINK_READY) {
        link->opts.on_push(link->opts.owner, reply);
        return;
    }
    if (link->pending.count == 0) {
        lose_as(link, "a reply to nothing");
        return;
    }
    call = redis_pending_take(&link->pending);
    if (call.on_reply)
        call.on_reply(call.data, is_error ? UV_EREMOTEIO : 0, reply);
}

static void on_bytes(void *owner, const char *bytes, size_t len)
{
    struct redis_link *link = owner;
    bool is_whole = false;
    redisReply *reply;
    const char *garbled;

    redis_pulse_on_bytes(&link->pulse, len, uv_now(link->loop));
    redis_replies_feed(&link->replies, bytes, len);
    while (link->stream && (reply = redis_replies_next(&link->replies))) {
        is_whole = true;
        take_reply(link, reply);
    }
    if (!link->stream)
        return;
    if (is_whole)
        redis_pulse_on_reply(&link->pulse, uv_now(link->loop));
    garbled = redis_replies_garbled(&link->replies);
    if (garbled) {
        redis_errors_count(&link->errors, REDIS_PROTOCOL, garbled, uv_now(link->loop));
        lose_as(link, garbled);
    } else if (link->must_restart) {
        lose_as(link, "Redis refused; trying another connection");
    }
}

/* ---- connecting ---- */

static void become_ready(struct redis_link *link)
{
    link->state = LINK_READY;
    link->ready_at = uv_now(link->loop);
    link->is_loose = !redis_greeting_take_ended(&link->greeting) && link->was_ready;
    if (link->was_ready)
        metric_add(&link->opts.metrics->redis_reconnects_total[link->opts.shard], 1);
    link->was_ready = true;
    link->opts.on_ready(link->opts.owner);
}

static void on_greeted(void *data, int status, const redisReply *reply)
{
    struct redis_link *link = data;

    if (link->closing || link->state != LINK_GREETING)
        return; /* lose is at work above us, or a late answer */
    switch (redis_greeting_take(&link->greeting, status, reply)) {
    case REDIS_GREETING_GOES_ON:
        break;
    case REDIS_GREETING_DONE:
        become_ready(link);
        break;
    case REDIS_GREETING_REFUSED:
        if (link->greeting.why != REDIS_WHY_NOT_KNOWN)
            lose(link, redis_loss_of(link->greeting.why));
        else
            lose_as(link, reply ? "greeting refused" : uv_strerror(status));
    }
}

static void start_greeting(struct redis_link *link)
{
    struct redis_command cmd = {{0}, 0};
    struct redis_call call = {
        .on_reply = on_greeted, .data = link, .sent_at = uv_now(link->loop)};

    link->state = LINK_GREETING;
    redis_greeting_begin(&link->greeting);
    while (redis_greeting_next(&link->greeting, &cmd))
        send_bytes(link, &cmd, call);
    redis_command_deinit(&cmd);
}

static const struct redis_stream_hooks stream_hooks = {NULL, on_bytes, on_failed};

static void on_open(void *owner, struct redis_stream *stream)
{
    struct redis_link *link = owner;

    redis_stream_hand_over(stream, &stream_hooks, link);
    link->stream = stream;
    redis_replies_begin(&link->replies);
    redis_pulse_on_reply(&link->pulse, uv_now(link->loop));
    start_greeting(link);
}

static void on_master(void *owner, const struct redis_host *master)
{
    struct redis_link *link = owner;
    bool is_same = link->master.host && strcmp(link->master.host, master->host) == 0 &&
                   strcmp(link->master.port, master->port) == 0;

    if (link->awaits_master) {
        link->awaits_master = false;
        if (!is_same) {
            log_info("redis_master", "link=%s host=%s port=%s", link->opts.name,
                     master->host, master->port);
            free(link->master.host);
            free(link->master.port);
            link->master =
                (struct redis_host){xstrdup(master->host), xstrdup(master->port)};
        }
        redis_dialer_start(link->dialer, &link->master);
    } else if (link->state == LINK_READY && !is_same) {
        redis_link_replace(link, "the Sentinels name another master");
    }
}

/* While there is a connection, that goes on; a failure is counted and logged. */
static void on_no_master(void *owner, struct redis_loss loss)
{
    struct redis_link *link = owner;

    if (link->awaits_master)
        lose(link, loss);
    else if (link->state == LINK_READY)
        redis_errors_count(&link->errors, REDIS_CONNECTION, loss.text,
                           uv_now(link->loop));
}

static void start_attempt(struct redis_link *link)
{
    const struct redis_url *url = link->opts.url;

    link->state = LINK_CONNECTING;
    link->awaits_master = link->sentinel != NULL;
    if (link->sentinel)
        redis_sentinel_ask(link->sentinel);
    else if (url->form == REDIS_UNIX)
        redis_dialer_start_path(link->dialer, url->path);
    else
        redis_dialer_start(link->dialer, &url->hosts[0]);
}

static struct redis_dialer *open_dialer(struct redis_link *link)
{
    const struct redis_dialer_opts opts = {
        .loop = link->loop,
        .config = link->opts.config,
        .is_tls = link->opts.url->is_tls,
        .deadline_ms = link->opts.deadline_ms,
        .owner = link,
        .on_open = on_open,
        .on_failed = on_failed,
    };

    return redis_dialer_open(&opts);
}

static struct redis_sentinel *open_sentinel(struct redis_link *link)
{
    const struct redis_sentinel_opts opts = {
        .loop = link->loop,
        .config = link->opts.config,
        .url = link->opts.url,
        .deadline_ms =
            link->opts.deadline_ms < ASK_MS ? link->opts.deadline_ms : ASK_MS,
        .owner = link,
        .on_master = on_master,
        .on_failed = on_no_master,
    };

    return link->opts.url->form == REDIS_SENTINEL ? redis_sentinel_open(&opts) : NULL;
}

static void count_handle(struct redis_link *link, uv_handle_t *handle)
{
    handle->data = link;
    link->handles++;
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    struct redis_link *link = xcalloc(1, sizeof(*link));

    link->opts = *opts;
    link->loop = loop;
    link->greeting.me =
        (struct redis_identity){opts->url->user, opts->url->password, opts->name,
                                opts->url->db, opts->url->form};
    link->errors.metrics = opts->metrics;
    link->errors.link = opts->name;
    link->pause_ms = opts->retry_min_ms;
    link->dialer = open_dialer(link);
    link->sentinel = open_sentinel(link);
    uv_timer_init(loop, &link->retry);
    uv_timer_init(loop, &link->deadlines);
    uv_prepare_init(loop, &link->prepare);
    uv_prepare_start(&link->prepare, on_prepare);
    count_handle(link, (uv_handle_t *)&link->retry);
    count_handle(link, (uv_handle_t *)&link->deadlines);
    count_handle(link, (uv_handle_t *)&link->prepare);
    /* Not start_attempt: our callbacks must come from the loop, never from open. */
    uv_timer_start(&link->retry, on_retry, 0, 0);
    return link;
}

void redis_link_close(struct redis_link *link)
{
    if (!link || link->closing)
        return;
    link->closing = true;
    fail_pending(link, UV_ECANCELED);
    redis_stream_close(link->stream);
    link->stream = NULL;
    redis_dialer_close(link->dialer);
    redis_sentinel_close(link->sentinel);
    uv_close((uv_handle_t *)&link->retry, on_handle_closed);
    uv_close((uv_handle_t *)&link->deadlines, on_handle_closed);
    uv_close((uv_handle_t *)&link->prepare, on_handle_closed);
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && link->state == LINK_READY && !link->closing;
}

enum redis_why redis_link_why(const struct redis_link *link)
{
    return link ? link->why : REDIS_WHY_NOT_KNOWN;
}

static int send_pending(struct redis_link *link, const struct redis_command *cmd,
                        struct redis_call call)
{
    if (!redis_link_is_ready(link))
        return UV_ENOTCONN;
    if (link->out.len + cmd->args.len > OUT_MAX_BYTES)
        return UV_ENOBUFS;
    send_bytes(link, cmd, call);
    return 0;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    uint64_t now = link ? uv_now(link->loop) : 0;

    return send_pending(
        link, cmd,
        (struct redis_call){.on_reply = on_reply, .data = data, .sent_at = now});
}

int redis_link_ask(struct redis_link *link, const struct redis_command *cmd,
                   redis_reply_fn on_reply, void *data)
{
    uint64_t now = link ? uv_now(link->loop) : 0;

    return send_pending(link, cmd,
                        (struct redis_call){.on_reply = on_reply,
                                            .data = data,
                                            .sent_at = now,
                                            .may_be_refused = true});
}

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
{
    return send_pending(
        link, cmd,
        (struct redis_call){
            .on_reply = on_reply, .data = data, .sent_at = since_ms, .is_again = true});
}

uint64_t redis_link_now(const struct redis_link *link)
{
    return uv_now(link->loop);
}

void redis_link_restart(struct redis_link *link, const char *why)
{
    if (link && !link->closing && link->state != LINK_DOWN)
        lose_as(link, why);
}

bool redis_link_take_loose(struct redis_link *link)
{
    bool is_loose = link && link->is_loose;

    if (link)
        link->is_loose = false;
    return is_loose;
}

void redis_link_hurry(struct redis_link *link)
{
    if (link && !link->closing && link->state == LINK_DOWN)
        uv_timer_start(&link->retry, on_retry, 0, 0);
}

void redis_link_replace(struct redis_link *link, const char *why)
{
    if (!link)
        return;
    link->is_replaced = true;
    redis_link_restart(link, why);
    link->is_replaced = false;
}
