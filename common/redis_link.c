/* redis_link.c - see redis_link.h.
 *
 * What happens, in order, is the order of the functions below, read upwards:
 *
 *     start_resolve -> on_resolved -> start_connect -> on_connected -> start_greeting
 *           ^               |              ^  |              |          -> on_greeted -> (ready)
 *           |               |              |  |              |               |
 *        on_retry <---- retry_later <------|--+--------------+---------------+
 *           +------------------------------+ the next address of the name
 *
 * Every failure, at whatever step, ends in retry_later; there is no other error
 * path. An attempt tries the addresses of the name one after the other, and has failed when
 * all have. libuv moves the bytes and resolves the name (hiredis would block the
 * loop for that); hiredis reads the protocol, and writing it is a length and a copy.
 *
 * The first attempt after a loss comes at once, the next ones after a pause that
 * doubles, with jitter, so that a fleet does not come back in step.
 *
 *     redis_link_send -> out -> on_prepare -> start_write -> on_written
 *     on_bytes -> take_reply -> the command's callback
 *     on_deadlines (while commands wait) -> UV_ETIMEDOUT, or a silent connection restarts
 *
 * What is said in a greeting is redis_greeting.h's, which commands wait redis_pending.h's, whether
 * Redis still lives redis_pulse.h's, what a refusal means redis_errors.h's: all without libuv.
 *
 * Closing: redis_link_close marks the link, and each step looks at the mark first. The
 * memory goes when libuv has given back the resolve request, the handles and the socket.
 *
 * Over 400 lines because connecting, reading, writing and closing share one state and one exit.
 */
#include "common/redis_link.h"

#include <stdlib.h>
#include <sys/random.h>

#include "common/redis_errors.h"
#include "common/redis_greeting.h"
#include "common/redis_pulse.h"
#include "common/reply.h"
#include "common/reply_arena.h"
#include "common/xalloc.h"

enum {
    OUT_MAX_BYTES = 64 * 1024 * 1024, /* unsent commands; more is refused */
    DEADLINES_MS = 50,
};

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_link {
    struct redis_link_opts opts;
    uv_loop_t *loop;
    enum link_state state;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_timer_t retry, deadlines;
    uv_prepare_t prepare;
    uv_tcp_t tcp; /* valid while has_tcp; a new one for every attempt */
    uv_write_t write;
    redisReader *reader;
    struct reply_arena arena; /* of the reply that is being read */
    struct strbuf out;        /* commands of this turn */
    struct strbuf writing;    /* what libuv is writing */
    struct redis_pending pending;
    struct redis_greeting greeting;
    struct redis_pulse pulse;
    struct redis_errors errors;
    struct addrinfo *found,
        *next; /* what the name stands for; where to go if this one fails */
    uint64_t ready_at;
    uint64_t pause_ms;
    void (*on_closed)(void *owner);
    int handles; /* open or closing, and the resolve request while libuv has it */
    bool has_tcp, tcp_closing, is_writing, must_restart, is_replaced;
    bool was_ready; /* at least once */
    bool is_loose;  /* the connection before may still live, and nobody has asked yet */
    bool closing;
};

static void start_resolve(struct redis_link *link);
static void start_connect(struct redis_link *link);

static void fail_pending(struct redis_link *link, int status)
{
    while (link->pending.count > 0) {
        struct redis_call call = redis_pending_take(&link->pending);

        if (call.on_reply)
            call.on_reply(call.data, status, NULL);
    }
}

/* ---- the memory, and the way back ---- */

static void release(struct redis_link *link)
{
    if (--link->handles > 0 || !link->closing)
        return;
    redisReaderFree(link->reader);
    reply_arena_deinit(&link->arena);
    strbuf_deinit(&link->out);
    strbuf_deinit(&link->writing);
    redis_pending_deinit(&link->pending);
    uv_freeaddrinfo(link->found);
    if (link->on_closed)
        link->on_closed(link->opts.owner);
    free(link);
}

static void on_handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct redis_link *link = handle->data;

    link->tcp_closing = false;
    release(link);
}

static void drop_tcp(struct redis_link *link)
{
    if (!link->has_tcp)
        return;
    link->has_tcp = false;
    link->tcp_closing = true;
    uv_close((uv_handle_t *)&link->tcp, on_tcp_closed);
}

static void on_retry(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;

    if (link->tcp_closing)
        uv_timer_start(timer, on_retry, 1, 0);
    else if (link->next)
        start_connect(link);
    else
        start_resolve(link);
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
    drop_tcp(link);
    link->state = state;
    link->must_restart = link->is_replaced = false;
    link->out.len = 0;
    uv_timer_stop(&link->deadlines);
    fail_pending(link, UV_ECONNRESET);
}

static void retry_later(struct redis_link *link, const char *why)
{
    uint64_t pause_ms;

    if (link->state != LINK_READY && link->next) {
        drop_connection(link, LINK_CONNECTING);
        uv_timer_start(&link->retry, on_retry, 0, 0);
        return;
    }
    pause_ms = next_pause_ms(link);
    redis_errors_count_quietly(&link->errors, REDIS_CONNECTION);
    redis_greeting_on_lost(&link->greeting);
    link->next = NULL; /* the name is asked again */
    drop_connection(link, LINK_DOWN);
    if (!link->closing)
        link->opts.on_lost(link->opts.owner, why);
    if (!link->closing) /* the owner may close us from a callback */
        uv_timer_start(&link->retry, on_retry, pause_ms, 0);
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
        retry_later(link, "silent");
}

/* ---- bytes in and out ---- */

static void on_written(uv_write_t *req, int status)
{
    struct redis_link *link = req->data;

    link->is_writing = false;
    if (status < 0 && !link->closing && link->state >= LINK_GREETING)
        retry_later(link, uv_strerror(status));
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct redis_link *link = prepare->data;
    struct strbuf full = link->out;
    uv_buf_t buf;
    int rc;

    if (link->is_writing || full.len == 0)
        return;
    link->out = link->writing;
    link->out.len = 0;
    link->writing = full;
    strbuf_reset(&link->out, 256 * 1024);
    buf = uv_buf_init(full.data, (unsigned)full.len);
    rc = uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, on_written);
    if (rc < 0)
        retry_later(link, uv_strerror(rc));
    else
        link->is_writing = true;
}

static void send_bytes(struct redis_link *link, const struct redis_command *cmd,
                       struct redis_call call)
{
    strbuf_add_char(&link->out, '*');
    strbuf_add_u64(&link->out, cmd->argc);
    strbuf_add(&link->out, "\r\n", 2);
    strbuf_add(&link->out, cmd->args.data, cmd->args.len);
    if (link->opts.for_notices && link->state == LINK_READY)
        return;
    redis_pending_add(&link->pending, call);
    if (!uv_is_active((uv_handle_t *)&link->deadlines))
        uv_timer_start(&link->deadlines, on_deadlines, DEADLINES_MS, DEADLINES_MS);
}

static void take_error(struct redis_link *link, const redisReply *reply)
{
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
        retry_later(link, "a reply to nothing");
        return;
    }
    call = redis_pending_take(&link->pending);
    if (call.on_reply)
        call.on_reply(call.data, is_error ? UV_EREMOTEIO : 0, reply);
}

static void drop_garbled(struct redis_link *link, const char *why)
{
    redis_errors_count(&link->errors, REDIS_PROTOCOL, why, uv_now(link->loop));
    retry_later(link, why);
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct redis_link *link = stream->data;
    void *reply = NULL;
    bool is_whole = false;

    if (n < 0) {
        retry_later(link, uv_strerror((int)n));
        return;
    }
    redis_pulse_on_bytes(&link->pulse, (size_t)n, uv_now(link->loop));
    redisReaderFeed(link->reader, buf->base, (size_t)n);
    while (!link->closing && link->has_tcp &&
           redisReaderGetReply(link->reader, &reply) == REDIS_OK && reply) {
        is_whole = true;
        take_reply(link, reply);
        reply_arena_reset(&link->arena);
    }
    if (link->closing || !link->has_tcp)
        return;
    if (is_whole)
        redis_pulse_on_reply(&link->pulse, uv_now(link->loop));
    if (link->reader->err == REDIS_ERR_OOM || reply_arena_is_overrun(link->reader))
        drop_garbled(link, "a reply larger than any that is asked for");
    else if (link->reader->err)
        drop_garbled(link, link->reader->errstr);
    else if (link->must_restart)
        retry_later(link, "Redis refused; trying another connection");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static _Thread_local char scratch[64 * 1024]; /* used up before the next read */

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(scratch, sizeof(scratch));
}

/* ---- connecting ---- */

static void become_ready(struct redis_link *link)
{
    link->state = LINK_READY;
    link->ready_at = uv_now(link->loop);
    link->next = NULL;
    link->is_loose = !redis_greeting_take_ended(&link->greeting) && link->was_ready;
    if (link->was_ready)
        metric_add(&link->opts.metrics->redis_reconnects_total[0], 1);
    link->was_ready = true;
    link->opts.on_ready(link->opts.owner);
}

static void on_greeted(void *data, int status, const redisReply *reply)
{
    struct redis_link *link = data;

    if (link->closing || link->state != LINK_GREETING)
        return; /* retry_later is at work above us, or a late answer */
    switch (redis_greeting_take(&link->greeting, status, reply)) {
    case REDIS_GREETING_GOES_ON:
        break;
    case REDIS_GREETING_DONE:
        become_ready(link);
        break;
    case REDIS_GREETING_REFUSED:
        retry_later(link, reply ? "greeting refused" : uv_strerror(status));
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

static void on_connected(uv_connect_t *req, int status)
{
    struct redis_link *link = req->data;

    if (link->closing || link->state != LINK_CONNECTING || link->tcp_closing)
        return;
    uv_timer_stop(&link->retry);
    if (status < 0) {
        retry_later(link, uv_strerror(status));
        return;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    redis_pulse_on_reply(&link->pulse, uv_now(link->loop));
    uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_bytes);
    start_greeting(link);
}

static void on_connect_late(uv_timer_t *timer)
{
    retry_later(timer->data, "no connection within the deadline");
}

static void start_connect(struct redis_link *link)
{
    const struct sockaddr *addr = link->next->ai_addr;
    int rc;

    link->next = link->next->ai_next;
    redisReaderFree(link->reader);
    reply_arena_reset(&link->arena);
    link->reader = redisReaderCreateWithFunctions(&reply_arena_functions);
    link->reader->privdata = &link->arena;
    link->reader->maxbuf = 0; /* keep its buffer: notices come all the time */
    uv_tcp_init(link->loop, &link->tcp);
    link->tcp.data = link;
    link->has_tcp = true;
    link->handles++;
    uv_timer_start(&link->retry, on_connect_late, link->opts.deadline_ms, 0);
    rc = uv_tcp_connect(&link->connect, &link->tcp, addr, on_connected);
    if (rc < 0)
        retry_later(link, uv_strerror(rc));
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct redis_link *link = req->data;

    uv_freeaddrinfo(link->found);
    link->found = link->next = status < 0 ? NULL : found;
    if (link->closing)
        ; /* release below is all that is left to do */
    else if (status < 0)
        retry_later(link, uv_strerror(status));
    else
        start_connect(link);
    release(link);
}

static void start_resolve(struct redis_link *link)
{
    static const struct addrinfo tcp = {.ai_socktype = SOCK_STREAM};
    int rc;

    link->state = LINK_CONNECTING;
    rc = uv_getaddrinfo(link->loop, &link->resolve, on_resolved,
                        link->opts.url->hosts[0].host, link->opts.url->hosts[0].port,
                        &tcp);
    if (rc < 0)
        retry_later(link, uv_strerror(rc));
    else
        link->handles++;
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
    link->greeting.me = (struct redis_identity){opts->url->user, opts->url->password,
                                                opts->name, opts->url->db};
    link->errors.metrics = opts->metrics;
    link->errors.link = opts->name;
    link->pause_ms = opts->retry_min_ms;
    link->resolve.data = link;
    link->connect.data = link;
    link->write.data = link;
    uv_timer_init(loop, &link->retry);
    uv_timer_init(loop, &link->deadlines);
    uv_prepare_init(loop, &link->prepare);
    uv_prepare_start(&link->prepare, on_prepare);
    count_handle(link, (uv_handle_t *)&link->retry);
    count_handle(link, (uv_handle_t *)&link->deadlines);
    count_handle(link, (uv_handle_t *)&link->prepare);
    /* Not start_resolve: our callbacks must come from the loop, never from open. */
    uv_timer_start(&link->retry, on_retry, 0, 0);
    return link;
}

void redis_link_close(struct redis_link *link, void (*on_closed)(void *owner))
{
    if (!link || link->closing)
        return;
    link->closing = true;
    link->on_closed = on_closed;
    fail_pending(link, UV_ECANCELED);
    uv_cancel((uv_req_t *)&link->resolve); /* best effort; on_resolved still comes */
    drop_tcp(link);
    uv_close((uv_handle_t *)&link->retry, on_handle_closed);
    uv_close((uv_handle_t *)&link->deadlines, on_handle_closed);
    uv_close((uv_handle_t *)&link->prepare, on_handle_closed);
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && link->state == LINK_READY && !link->closing;
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

    return send_pending(link, cmd, (struct redis_call){on_reply, data, now, false});
}

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
{
    return send_pending(link, cmd, (struct redis_call){on_reply, data, since_ms, true});
}

uint64_t redis_link_now(const struct redis_link *link)
{
    return uv_now(link->loop);
}

void redis_link_restart(struct redis_link *link, const char *why)
{
    if (link && !link->closing && link->state != LINK_DOWN)
        retry_later(link, why);
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
