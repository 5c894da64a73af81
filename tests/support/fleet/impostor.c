/* impostor.c - see impostor.h.
 *
 *     accept_all -> serve (a thread each): the gateway's commands -> Redis, or an answer
 *                                          Redis' replies        -> the gateway
 *
 * Replies must come in the order of the commands, so each command leaves an entry in a queue:
 * a reply of Redis to wait for, or the bytes that stand for one. A connection that subscribes
 * is passed through from then on.
 */
#include "tests/support/fleet/impostor.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "common/json.h"
#include "common/scripts.h"
#include "common/xalloc.h"
#include "tests/support/unit/wait.h"

enum { QUEUE_MAX = 65536, TICK_MS = 50, SHA_HEX = 2 * SHA_DIGEST_LENGTH };

struct impostor {
    int listener, to;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    char command[64];     /* empty: none */
    struct strbuf answer, notice;
    unsigned late_ms;
    unsigned notices; /* given so far */
    unsigned count, connections, threads;
    _Atomic bool is_closing;
};

struct side {
    int fd;
    struct strbuf in, out;
};

struct serving {
    struct impostor *impostor;
    struct side client, redis;
    int64_t *due_ms; /* a queue: when ours is to be given; 0: it is Redis's */
    unsigned head, tail;
    unsigned notices; /* of the impostor's, it has had or missed */
    bool is_subscribed;
};

static const char *const names[] = {
#define X(id, name) [id] = #name,
    SCRIPTS(X)
#undef X
};

/* ---- RESP, as far as it must be told apart ---- */

/* The number behind the letter at `at`, and where its line ends; NULL: not all of it is here. */
static const char *read_line(const char *at, const char *end, long long *number)
{
    const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);

    *number = stop ? atoll(at + 1) : 0;
    return stop ? stop + 2 : NULL;
}

/* Behind the value at `at`; NULL: it is not whole. */
static const char *skip_value(const char *at, const char *end)
{
    long long number;
    char type;

    if (at == end)
        return NULL;
    type = *at;
    at = read_line(at, end, &number);
    if (!at || number < 0 || (type != '$' && type != '*'))
        return at;
    if (type == '$')
        return end - at >= number + 2 ? at + number + 2 : NULL;
    for (long long i = 0; at && i < number; i++)
        at = skip_value(at, end);
    return at;
}

/* Argument `i` of a whole command. */
static struct json_text argument(const char *at, const char *end, int i)
{
    long long count, len;

    at = read_line(at, end, &count);
    for (; at && count > i && i > 0; i--)
        at = skip_value(at, end);
    if (!at || count <= i)
        return (struct json_text){"", 0};
    at = read_line(at, end, &len);
    return (struct json_text){at, (size_t)len};
}

static bool is(struct json_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.base, word, text.len) == 0;
}

static bool is_script(struct json_text verb, struct json_text what, const char *name)
{
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        unsigned char raw[SHA_DIGEST_LENGTH];
        char digest[SHA_HEX + 1];
        const char *source = scripts_source((enum script)i);

        if (strcmp(names[i], name) != 0)
            continue;
        SHA1((const unsigned char *)source, strlen(source), raw);
        for (int k = 0; k < SHA_DIGEST_LENGTH; k++)
            snprintf(digest + 2 * k, 3, "%02x", raw[k]);
        return (is(verb, "EVALSHA") && is(what, digest)) ||
               (is(verb, "EVAL") && is(what, source));
    }
    return false;
}

/* ---- one connection ---- */

/* When ours is to be given; 0: it is not ours. */
static int64_t answers_at(struct serving *s, const char *at, const char *end)
{
    struct impostor *i = s->impostor;
    struct json_text verb = argument(at, end, 0), what = argument(at, end, 1);
    int64_t due_ms = 0;

    pthread_mutex_lock(&i->lock);
    if (i->command[0] && (is(verb, i->command) || is_script(verb, what, i->command)))
        due_ms = wait_now_ms() + i->late_ms;
    pthread_mutex_unlock(&i->lock);
    return due_ms;
}

static void take_commands(struct serving *s)
{
    const char *at = s->client.in.data, *end = at + s->client.in.len, *next;

    while (!s->is_subscribed && at < end && (next = skip_value(at, end))) {
        int64_t due_ms = answers_at(s, at, end);

        assert(s->tail - s->head < QUEUE_MAX);
        s->due_ms[s->tail++ % QUEUE_MAX] = due_ms;
        s->is_subscribed = is(argument(at, end, 0), "SUBSCRIBE") ||
                           is(argument(at, end, 0), "PSUBSCRIBE");
        if (due_ms == 0)
            strbuf_add(&s->redis.out, at, (size_t)(next - at));
        at = next;
    }
    if (s->is_subscribed) {
        strbuf_add(&s->redis.out, at, (size_t)(end - at));
        at = end;
    }
    strbuf_drop_front(&s->client.in, (size_t)(at - s->client.in.data));
}

static void give_replies(struct serving *s)
{
    struct impostor *i = s->impostor;

    while (s->head < s->tail) {
        const char *at = s->redis.in.data, *end = at + s->redis.in.len, *next;

        int64_t due_ms = s->due_ms[s->head % QUEUE_MAX];

        if (due_ms > wait_now_ms())
            return;
        if (due_ms > 0) {
            pthread_mutex_lock(&i->lock);
            strbuf_add(&s->client.out, i->answer.data, i->answer.len);
            i->count++;
            pthread_mutex_unlock(&i->lock);
        } else {
            next = at ? skip_value(at, end) : NULL;
            if (!next)
                return;
            strbuf_add(&s->client.out, at, (size_t)(next - at));
            strbuf_drop_front(&s->redis.in, (size_t)(next - at));
        }
        s->head++;
    }
    if (s->is_subscribed) {
        strbuf_add(&s->client.out, s->redis.in.data, s->redis.in.len);
        s->redis.in.len = 0;
    }
}

static void give_notice(struct serving *s)
{
    struct impostor *i = s->impostor;

    pthread_mutex_lock(&i->lock);
    if (s->is_subscribed && s->notices != i->notices)
        strbuf_add(&s->client.out, i->notice.data, i->notice.len);
    s->notices = i->notices;
    pthread_mutex_unlock(&i->lock);
}

/* False: the other side has ended. */
static bool move(struct side *side, short revents)
{
    char bytes[64 * 1024];
    ssize_t n;

    if (revents & (POLLIN | POLLHUP | POLLERR)) {
        n = recv(side->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0)
            strbuf_add(&side->in, bytes, (size_t)n);
    }
    if (side->out.len > 0) {
        n = send(side->fd, side->out.data, side->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            strbuf_drop_front(&side->out, (size_t)n);
        else if (errno != EAGAIN)
            return false;
    }
    return true;
}

static bool turn(struct serving *s)
{
    struct pollfd fds[] = {
        {s->client.fd, (short)(POLLIN | (s->client.out.len > 0 ? POLLOUT : 0)), 0},
        {s->redis.fd, (short)(POLLIN | (s->redis.out.len > 0 ? POLLOUT : 0)), 0},
    };

    poll(fds, 2, TICK_MS);
    if (!move(&s->client, fds[0].revents) || !move(&s->redis, fds[1].revents))
        return false;
    if (s->client.in.len > 0)
        take_commands(s);
    give_replies(s);
    give_notice(s);
    return true;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void deinit_side(struct side *side)
{
    strbuf_deinit(&side->in);
    strbuf_deinit(&side->out);
    if (side->fd >= 0)
        close(side->fd);
}

static void *serve(void *arg)
{
    struct serving *s = arg;
    struct impostor *i = s->impostor;

    s->redis.fd = connect_to(i->to);
    while (s->redis.fd >= 0 && !i->is_closing && turn(s))
        ;
    deinit_side(&s->client);
    deinit_side(&s->redis);
    free(s->due_ms);
    free(s);
    pthread_mutex_lock(&i->lock);
    i->threads--;
    pthread_mutex_unlock(&i->lock);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct impostor *i = arg;

    while (!i->is_closing) {
        struct pollfd waiting = {i->listener, POLLIN, 0};
        struct serving *s;
        pthread_t thread;
        int fd;

        if (poll(&waiting, 1, TICK_MS) < 1 ||
            (fd = accept(i->listener, NULL, NULL)) < 0)
            continue;
        s = xcalloc(1, sizeof(*s));
        s->impostor = i;
        s->client.fd = fd;
        s->due_ms = xcalloc(QUEUE_MAX, sizeof(*s->due_ms));
        pthread_mutex_lock(&i->lock);
        i->threads++;
        i->connections++;
        s->notices = i->notices;
        pthread_mutex_unlock(&i->lock);
        pthread_create(&thread, NULL, serve, s);
        pthread_detach(thread);
    }
    return NULL;
}

/* ---- for the test ---- */

struct impostor *impostor_open(int port, int to)
{
    struct impostor *i = xcalloc(1, sizeof(*i));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    i->to = to;
    pthread_mutex_init(&i->lock, NULL);
    i->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(i->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(i->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(i->listener, 128) < 0) {
        perror("impostor");
        abort();
    }
    pthread_create(&i->thread, NULL, accept_all, i);
    return i;
}

void impostor_answer(struct impostor *i, const char *command, const void *bytes,
                     size_t len)
{
    pthread_mutex_lock(&i->lock);
    snprintf(i->command, sizeof(i->command), "%s", command ? command : "");
    i->answer.len = 0;
    if (len > 0)
        strbuf_add(&i->answer, bytes, len);
    i->count = 0;
    i->late_ms = 0;
    pthread_mutex_unlock(&i->lock);
}

void impostor_delay(struct impostor *i, unsigned late_ms)
{
    pthread_mutex_lock(&i->lock);
    i->late_ms = late_ms;
    pthread_mutex_unlock(&i->lock);
}

void impostor_notify(struct impostor *i, const char *bytes)
{
    pthread_mutex_lock(&i->lock);
    i->notice.len = 0;
    strbuf_add_text(&i->notice, bytes);
    i->notices++;
    pthread_mutex_unlock(&i->lock);
}

static unsigned read_number(struct impostor *i, const unsigned *number)
{
    unsigned value;

    pthread_mutex_lock(&i->lock);
    value = *number;
    pthread_mutex_unlock(&i->lock);
    return value;
}

unsigned impostor_count(struct impostor *i)
{
    return read_number(i, &i->count);
}

unsigned impostor_connections(struct impostor *i)
{
    return read_number(i, &i->connections);
}

void impostor_close(struct impostor *i)
{
    i->is_closing = true;
    pthread_join(i->thread, NULL);
    while (read_number(i, &i->threads) > 0)
        usleep(1000);
    close(i->listener);
    pthread_mutex_destroy(&i->lock);
    strbuf_deinit(&i->answer);
    strbuf_deinit(&i->notice);
    free(i);
}
