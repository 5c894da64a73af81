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
 *     on_watch (while commands wait) -> UV_ETIMEDOUT, or a silent connection restarts
 *
 * CLIENT SETNAME is a courtesy. Where CLIENT INFO or CLIENT KILL is refused for good, what was sent
 * on a lost connection may run later, and redis_link_take_loose says so.
 *
 * Closing: redis_link_close marks the link, and each step looks at the mark first. The
 * memory goes when all that libuv may still hold has come back: the resolve request,
 * the handles and the socket.
 *
 * Over 300 lines because connecting, deadlines and replies share one state.
 */
#include "common/redis_link.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/reply.h"
#include "common/reply_arena.h"
#include "common/xalloc.h"

enum {
    OUT_MAX_BYTES = 64 * 1024 * 1024, /* unsent commands; more is refused */
    WATCH_MS = 50,
    SIGN_BYTES = 16 * 1024,     /* so many of one reply are a sign of life, */
    SIGNS_TIMES = 10,           /* for so many times silence_ms after a whole one */
    ERROR_LOG_PAUSE_MS = 10000, /* one line a kind of refusal in this time */
    KINDS_MAX = 16,
};

/* No connection has them. */
#define NOBODY_ID "9223372036854775807"
#define NOBODY_ADDR "0.0.0.0:0"

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct pending {
    redis_reply_fn on_reply; /* NULL: nobody waits (any more) */
    void *data;
    uint64_t sent_at;
    bool may_refuse; /* a right that one can live without */
    bool is_again;   /* sent_at is that of another one, before those in front of it */
};

/* X(id, right it takes; NULL: one that is needed) */
#define GREETINGS(X)                                                                   \
    X(GREETING_AUTH, NULL)                                                             \
    X(GREETING_SELECT, NULL)                                                           \
    X(GREETING_KILL, "client|kill")                                                    \
    X(GREETING_NAME, "client|setname")                                                 \
    X(GREETING_INFO, "client|info")

enum greeting {
#define X(id, right) id,
    GREETINGS(X)
#undef X
        GREETINGS_COUNT
};

static const char *const rights[GREETINGS_COUNT] = {
#define X(id, right) [id] = right,
    GREETINGS(X)
#undef X
};

/* A connection by Redis's own words: id=… and addr=… of CLIENT INFO. */
struct client {
    char id[24], addr[64]; /* id empty: none */
};

struct redis_link {
    struct redis_link_opts opts;
    uv_loop_t *loop;
    enum link_state state;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_timer_t retry, watch;
    uv_prepare_t prepare;
    uv_tcp_t tcp; /* valid while has_tcp; a new one for every attempt */
    uv_write_t write;
    redisReader *reader;
    struct reply_arena arena; /* of the reply that is being read */
    struct strbuf out;        /* commands of this turn */
    struct strbuf writing;    /* what libuv is writing */
    struct pending *pending;
    unsigned pending_head, pending_count, pending_cap; /* a ring; cap: power of two */
    unsigned expired_count; /* of the first pending ones: timed out already */
    unsigned again_count;   /* of the pending ones: is_again */
    enum greeting greetings[GREETINGS_COUNT]; /* sent, in order */
    unsigned greetings_count, greetings_taken;
    struct addrinfo *found,
        *next;           /* what the name stands for; where to go if this one fails */
    uint64_t replied_at; /* a whole reply, or the connection, came */
    uint64_t heard_at;   /* that, or SIGN_BYTES of one */
    uint64_t ready_at;
    uint64_t pause_ms;
    uint64_t error_logged_at[KINDS_MAX];
    struct client self, old; /* as Redis knows this connection, and the one before */
    void (*on_closed)(void *owner);
    int held; /* what libuv still holds of us */
    bool has_tcp, tcp_closing, is_writing, must_restart, is_renewed;
    uint32_t unheard_bytes; /* since heard_at */
    bool was_ready;         /* at least once */
    bool
        has_ended_old; /* this connection ended the one before, so far as there was one */
    bool is_loose;     /* it could not, and nobody has asked yet */
    bool closing;
};

static void start_resolve(struct redis_link *link);
static void start_connect(struct redis_link *link);

/* ---- the ring of commands that wait for their replies ---- */

static struct pending *pending_at(struct redis_link *link, unsigned i)
{
    return &link->pending[(link->pending_head + i) & (link->pending_cap - 1)];
}

static void pending_grow(struct redis_link *link)
{
    unsigned cap = link->pending_cap ? link->pending_cap * 2 : 64;
    struct pending *bigger = xmalloc(cap * sizeof(*bigger));

    for (unsigned i = 0; i < link->pending_count; i++)
        bigger[i] = *pending_at(link, i);
    free(link->pending);
    link->pending = bigger;
    link->pending_cap = cap;
    link->pending_head = 0;
}

static struct pending pending_pop(struct redis_link *link)
{
    struct pending first = *pending_at(link, 0);

    link->pending_head = (link->pending_head + 1) & (link->pending_cap - 1);
    link->pending_count--;
    if (link->expired_count > 0)
        link->expired_count--;
    link->again_count -= first.is_again;
    return first;
}

static void fail_pending(struct redis_link *link, int status)
{
    while (link->pending_count > 0) {
        struct pending p = pending_pop(link);

        if (p.on_reply)
            p.on_reply(p.data, status, NULL);
    }
}

/* ---- what libuv holds ---- */

static void release(struct redis_link *link)
{
    if (--link->held > 0 || !link->closing)
        return;
    redisReaderFree(link->reader);
    reply_arena_deinit(&link->arena);
    strbuf_deinit(&link->out);
    strbuf_deinit(&link->writing);
    free(link->pending);
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
        (link->is_renewed ||
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
    link->must_restart = link->is_renewed = false;
    link->out.len = 0;
    uv_timer_stop(&link->watch);
    fail_pending(link, UV_ECONNRESET);
}

static void retry_later(struct redis_link *link, const char *why)
{
    uint64_t pause_ms;
    unsigned kind = metric_label("redis_errors_total", "connection");

    if (link->state != LINK_READY && link->next) {
        drop_connection(link, LINK_CONNECTING);
        uv_timer_start(&link->retry, on_retry, 0, 0);
        return;
    }
    pause_ms = next_pause_ms(link);
    metric_add(&link->opts.metrics->redis_errors_total[kind], 1);
    if (link->self.id[0])
        link->old = link->self;
    link->self.id[0] = '\0';
    link->next = NULL; /* the name is asked again */
    drop_connection(link, LINK_DOWN);
    if (!link->closing)
        link->opts.on_lost(link->opts.owner, why);
    if (!link->closing) /* the owner may close us from a callback */
        uv_timer_start(&link->retry, on_retry, pause_ms, 0);
}

/* ---- refusals ---- */

static const struct {
    const char *prefix, *kind;
    bool restarts; /* another connection may reach a better Redis */
} refusals[] = {
    {"OOM", "oom", false},           {"READONLY", "readonly", true},
    {"LOADING", "loading", true},    {"BUSY", "busy", false},
    {"MISCONF", "misconf", false},   {"NOPERM", "noperm", false},
    {"NOAUTH", "noperm", false},     {"WRONGPASS", "noperm", false},
    {"MASTERDOWN", "loading", true}, {"NOREPLICAS", "readonly", true},
};

static void count_error(struct redis_link *link, const char *kind, const char *text)
{
    unsigned i = metric_label("redis_errors_total", kind);
    uint64_t now = uv_now(link->loop);

    metric_add(&link->opts.metrics->redis_errors_total[i], 1);
    assert(i < KINDS_MAX);
    if (link->error_logged_at[i] && now - link->error_logged_at[i] < ERROR_LOG_PAUSE_MS)
        return;
    link->error_logged_at[i] = now ? now : 1;
    log_warn("redis_error", "link=%s kind=%s text=\"%.120s\"", link->opts.name, kind,
             text);
}

/* A script hands an inner refusal on with its code in front, so the first word tells. */
static void on_error_reply(struct redis_link *link, const char *text)
{
    if (strncmp(text, "NOSCRIPT", 8) == 0) {
        unsigned i = metric_label("redis_errors_total", "noscript");

        metric_add(&link->opts.metrics->redis_errors_total[i], 1);
        return;
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strncmp(text, refusals[i].prefix, strlen(refusals[i].prefix)) == 0) {
            count_error(link, refusals[i].kind, text);
            link->must_restart = link->must_restart || refusals[i].restarts;
            return;
        }
    count_error(link, "other", text);
}

/* ---- deadlines ---- */

/* Bytes alone prove little: what comes may all be swallowed by a reply that never ends. A large
 * one on a slow link, though, must not be cut while it comes, or it would come in vain again and
 * again. So a few bytes do not count, and many do for a bounded time. */
static bool is_silent(struct redis_link *link, uint64_t now)
{
    uint64_t silence_ms = link->opts.silence_ms;
    uint64_t asked_ms = now - pending_at(link, 0)->sent_at;

    return (asked_ms >= silence_ms && now - link->heard_at >= silence_ms) ||
           (asked_ms >= SIGNS_TIMES * silence_ms &&
            now - link->replied_at >= SIGNS_TIMES * silence_ms);
}

static void note_bytes(struct redis_link *link, size_t count)
{
    link->unheard_bytes += (uint32_t)count;
    if (link->unheard_bytes < SIGN_BYTES)
        return;
    link->unheard_bytes = 0;
    link->heard_at = uv_now(link->loop);
}

static void note_reply(struct redis_link *link)
{
    link->unheard_bytes = 0;
    link->heard_at = link->replied_at = uv_now(link->loop);
}

/* They were sent in order, so the first one in time ends the search, unless there are some that
 * took the place of others. */
static void on_watch(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    uint64_t now = uv_now(link->loop);

    for (unsigned i = link->expired_count; i < link->pending_count; i++) {
        struct pending *p = pending_at(link, i);
        redis_reply_fn on_reply = p->on_reply;

        if (now - p->sent_at < link->opts.deadline_ms) {
            if (link->again_count == 0)
                break;
            continue;
        }
        link->expired_count += i == link->expired_count;
        p->on_reply = NULL;
        if (!on_reply)
            continue;
        count_error(link, "timeout", "no answer within the deadline");
        on_reply(p->data, UV_ETIMEDOUT, NULL);
        if (link->closing || link->state == LINK_DOWN)
            return;
    }
    if (link->pending_count == 0)
        uv_timer_stop(timer);
    else if (is_silent(link, now))
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
                       struct pending p)
{
    strbuf_add_char(&link->out, '*');
    strbuf_add_u64(&link->out, cmd->argc);
    strbuf_add(&link->out, "\r\n", 2);
    strbuf_add(&link->out, cmd->args.data, cmd->args.len);
    if (link->opts.for_notices && link->state == LINK_READY)
        return;
    if (link->pending_count == link->pending_cap)
        pending_grow(link);
    *pending_at(link, link->pending_count++) = p;
    link->again_count += p.is_again;
    if (!uv_is_active((uv_handle_t *)&link->watch))
        uv_timer_start(&link->watch, on_watch, WATCH_MS, WATCH_MS);
}

static bool is_refused_for_good(const redisReply *reply)
{
    return strncmp(reply_error(reply), "NOPERM", 6) == 0 ||
           strncmp(reply_error(reply), "ERR ", 4) == 0;
}

static bool may_be_refused(struct redis_link *link, const redisReply *reply)
{
    return link->pending_count > 0 && pending_at(link, 0)->may_refuse &&
           is_refused_for_good(reply);
}

static void take_reply(struct redis_link *link, redisReply *reply)
{
    struct pending p;
    bool is_error = reply_is_error(reply);

    if (is_error && !may_be_refused(link, reply))
        on_error_reply(link, reply_error(reply));
    if (link->opts.for_notices && link->state == LINK_READY) {
        link->opts.on_push(link->opts.owner, reply);
        return;
    }
    if (link->pending_count == 0) {
        retry_later(link, "a reply to nothing");
        return;
    }
    p = pending_pop(link);
    if (p.on_reply)
        p.on_reply(p.data, is_error ? UV_EREMOTEIO : 0, reply);
}

static void drop_garbled(struct redis_link *link, const char *why)
{
    count_error(link, "protocol", why);
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
    note_bytes(link, (size_t)n);
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
        note_reply(link);
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

/* The word behind `name` in `text`; empty if it is not there, or too long. */
static void take_word(char *out, size_t size, const char *text, const char *name)
{
    const char *at = strstr(text, name);
    size_t len = at ? strcspn(at + strlen(name), " \r\n") : 0;

    out[0] = '\0';
    if (at && len < size) {
        memcpy(out, at + strlen(name), len);
        out[len] = '\0';
    }
}

/* Once a process and right. */
static void warn_of_right(enum greeting greeting, const redisReply *reply)
{
    static atomic_flag has_warned[GREETINGS_COUNT];

    if (!atomic_flag_test_and_set(&has_warned[greeting]))
        log_warn("redis_right_missing", "right=%s text=\"%.120s\" see=docs/redis.md",
                 rights[greeting], reply_error(reply));
}

static void take_info(struct redis_link *link, const redisReply *reply)
{
    const char *info = reply_string(reply).base;

    take_word(link->self.id, sizeof(link->self.id), info, "id=");
    take_word(link->self.addr, sizeof(link->self.addr), info, " addr=");
    if (!link->self.addr[0])
        link->self.id[0] = '\0';
}

static void become_ready(struct redis_link *link)
{
    link->state = LINK_READY;
    link->ready_at = uv_now(link->loop);
    link->next = NULL;
    link->is_loose = link->was_ready && !(link->old.id[0] && link->has_ended_old);
    link->old.id[0] = '\0';
    if (link->was_ready)
        metric_add(&link->opts.metrics->redis_reconnects_total[0], 1);
    link->was_ready = true;
    link->opts.on_ready(link->opts.owner);
}

static void on_greeted(void *data, int status, const redisReply *reply)
{
    struct redis_link *link = data;
    enum greeting greeting;

    if (link->closing || link->state != LINK_GREETING)
        return; /* retry_later is at work above us, or a late answer */
    greeting = link->greetings[link->greetings_taken++];
    if (status == UV_EREMOTEIO && rights[greeting] && is_refused_for_good(reply)) {
        warn_of_right(greeting, reply);
    } else if (status < 0) {
        retry_later(link, reply ? "greeting refused" : uv_strerror(status));
        return;
    } else if (greeting == GREETING_KILL) {
        link->has_ended_old = true;
    } else if (greeting == GREETING_INFO) {
        take_info(link, reply);
    }
    if (link->greetings_taken == link->greetings_count)
        become_ready(link);
}

static void greet(struct redis_link *link, enum greeting greeting, int argc,
                  const char *const *argv)
{
    struct redis_command cmd = {{0}, 0};
    struct pending p = {.on_reply = on_greeted,
                        .data = link,
                        .sent_at = uv_now(link->loop),
                        .may_refuse = rights[greeting] != NULL};

    for (int i = 0; i < argc; i++)
        redis_command_add_text(&cmd, argv[i]);
    link->greetings[link->greetings_count++] = greeting;
    send_bytes(link, &cmd, p);
    redis_command_deinit(&cmd);
}

/* Numbers begin again when Redis does, so only with its address is the old connection told from
 * somebody else's. Where there is none yet, nobody is ended: it is asked whether one could. */
static void start_greeting(struct redis_link *link)
{
    const struct redis_link_opts *o = &link->opts;
    bool has_old = link->old.id[0];
    char number[24];

    link->state = LINK_GREETING;
    link->greetings_count = link->greetings_taken = 0;
    link->has_ended_old = false;
    if (o->password && o->user)
        greet(link, GREETING_AUTH, 3, (const char *[]){"AUTH", o->user, o->password});
    else if (o->password)
        greet(link, GREETING_AUTH, 2, (const char *[]){"AUTH", o->password});
    greet(link, GREETING_KILL, 6,
          (const char *[]){"CLIENT", "KILL", "ID", has_old ? link->old.id : NOBODY_ID,
                           "ADDR", has_old ? link->old.addr : NOBODY_ADDR});
    snprintf(number, sizeof(number), "%d", o->db);
    if (o->db)
        greet(link, GREETING_SELECT, 2, (const char *[]){"SELECT", number});
    greet(link, GREETING_NAME, 3, (const char *[]){"CLIENT", "SETNAME", o->name});
    greet(link, GREETING_INFO, 2, (const char *[]){"CLIENT", "INFO"});
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
    note_reply(link);
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
    link->held++;
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
    rc = uv_getaddrinfo(link->loop, &link->resolve, on_resolved, link->opts.host,
                        link->opts.port, &tcp);
    if (rc < 0)
        retry_later(link, uv_strerror(rc));
    else
        link->held++;
}

static void hold_handle(struct redis_link *link, uv_handle_t *handle)
{
    handle->data = link;
    link->held++;
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    struct redis_link *link = xcalloc(1, sizeof(*link));

    link->opts = *opts;
    link->loop = loop;
    link->pause_ms = opts->retry_min_ms;
    link->resolve.data = link;
    link->connect.data = link;
    link->write.data = link;
    uv_timer_init(loop, &link->retry);
    uv_timer_init(loop, &link->watch);
    uv_prepare_init(loop, &link->prepare);
    uv_prepare_start(&link->prepare, on_prepare);
    hold_handle(link, (uv_handle_t *)&link->retry);
    hold_handle(link, (uv_handle_t *)&link->watch);
    hold_handle(link, (uv_handle_t *)&link->prepare);
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
    uv_close((uv_handle_t *)&link->watch, on_handle_closed);
    uv_close((uv_handle_t *)&link->prepare, on_handle_closed);
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && link->state == LINK_READY && !link->closing;
}

static int send_pending(struct redis_link *link, const struct redis_command *cmd,
                        struct pending p)
{
    if (!redis_link_is_ready(link))
        return UV_ENOTCONN;
    if (link->out.len + cmd->args.len > OUT_MAX_BYTES)
        return UV_ENOBUFS;
    send_bytes(link, cmd, p);
    return 0;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    uint64_t now = link ? uv_now(link->loop) : 0;

    return send_pending(link, cmd, (struct pending){on_reply, data, now, false, false});
}

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
{
    return send_pending(link, cmd,
                        (struct pending){on_reply, data, since_ms, false, true});
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

void redis_link_renew(struct redis_link *link, const char *why)
{
    if (!link)
        return;
    link->is_renewed = true;
    redis_link_restart(link, why);
    link->is_renewed = false;
}
