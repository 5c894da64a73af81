/* arrival.c - see arrival.h.
 *
 *     arrival_begin -> [PROXY header] -> [X-Forwarded-For] -> enter -> arrival_settle -> arrival_end
 *
 * Either of the two in brackets is waited for only where the settings and the peer make it count.
 */
#include "gateway/arrival.h"

#include <stdatomic.h>

#include "common/log.h"
#include "gateway/forwarded.h"

static void count(const struct arrival_env *env, enum refused_connect why)
{
    metric_add(&env->metrics->refused_connects_total[why], 1);
}

static bool has_limits(const struct arrival_env *env)
{
    return env->limits && address_limits_are_on(env->limits);
}

/* False: it is gone already. */
static bool find_peer(const uv_tcp_t *socket, struct address *out)
{
    struct sockaddr_storage name;
    int len = sizeof(name);

    return uv_tcp_getpeername(socket, (struct sockaddr *)&name, &len) == 0 &&
           address_from_socket(out, (const struct sockaddr *)&name);
}

static void log_refused(const struct address *address, enum refused_connect why)
{
    static struct log_limit lines = {.per_sec = 1};
    static const char *const words[] = {
#define X(id, word) [id] = #word,
        METRIC_REFUSED_CONNECTS(X)
#undef X
    };
    char text[ADDRESS_TEXT_MAX];

    address_print(text, address);
    log_limited(LOG_WARN, &lines, "connect_refused", "address=%s why=%s", text,
                words[why]);
}

/* It is this address's. */
static void enter(struct arrival *arrival, const struct arrival_env *env,
                  const struct address *address)
{
    uint32_t now_ms = (uint32_t)(uv_hrtime() / 1000000);
    enum refused_connect why;

    arrival->stage = ARRIVAL_KNOWN;
    arrival->place = ADDRESS_PENDING;
    if (!has_limits(env) ||
        address_limits_enter(env->limits, address, now_ms, &arrival->entry, &why))
        return;
    arrival->place = ADDRESS_REFUSED;
    count(env, why);
    log_refused(address, why);
}

/* Whose it is, unless one who is trusted says by X-Forwarded-For that it is another's. */
static void enter_or_wait(struct arrival *arrival, const struct arrival_env *env,
                          const struct address *address)
{
    if (networks_have(&env->config->trusted, address))
        arrival->stage = ARRIVAL_AWAITS_REQUEST;
    else
        enter(arrival, env, address);
}

static bool drop(const struct arrival_env *env)
{
    count(env, REFUSED_PROXY_HEADER);
    return false;
}

bool arrival_begin(struct arrival *arrival, const struct arrival_env *env,
                   const uv_tcp_t *socket)
{
    const struct networks *trusted = &env->config->trusted;
    struct address peer;

    if (env->config->proxy_protocol)
        arrival->stage = ARRIVAL_AWAITS_PROXY;
    if (trusted->count == 0 && (env->config->proxy_protocol || !has_limits(env)))
        return true;
    if (!find_peer(socket, &peer))
        return true; /* reading it will tell */
    if (env->config->proxy_protocol)
        return networks_have(trusted, &peer) || drop(env);
    enter_or_wait(arrival, env, &peer);
    return arrival->place != ADDRESS_REFUSED || arrival->entry;
}

/* The address that the socket is believed to be of: the PROXY header's, or its own. */
static bool find_address(const uv_tcp_t *socket, const struct proxy_header *proxy,
                         struct address *out)
{
    if (!proxy->has_source)
        return find_peer(socket, out);
    *out = proxy->source;
    return true;
}

static void note_ignored(const struct arrival_env *env)
{
    static _Atomic bool was_said;

    metric_add(&env->metrics->forwarded_ignored_total, 1);
    if (!atomic_exchange(&was_said, true))
        log_warn("forwarded_ignored", "setting=ROOMCAST_TRUSTED_PROXIES text=\"an "
                                      "X-Forwarded-For came from a peer that is not "
                                      "trusted; this is said once\"");
}

/* The request is whole, and in order. */
static void read_request(struct arrival *arrival, const struct arrival_env *env,
                         const uv_tcp_t *socket,
                         const struct handshake_verdict *verdict)
{
    struct address address;

    if (arrival->stage == ARRIVAL_KNOWN) {
        if (verdict->req.forwarded.base)
            note_ignored(env);
        return;
    }
    arrival->stage = ARRIVAL_KNOWN;
    if ((verdict->req.forwarded.base &&
         forwarded_find(verdict->req.forwarded, &env->config->trusted, &address)) ||
        find_address(socket, &verdict->proxy, &address))
        enter(arrival, env, &address);
}

/* The PROXY header is whole. False: it is dropped. */
static bool read_proxy(struct arrival *arrival, const struct arrival_env *env,
                       const uv_tcp_t *socket, const struct proxy_header *proxy)
{
    struct address address;

    arrival->stage = ARRIVAL_KNOWN;
    if (find_address(socket, proxy, &address))
        enter_or_wait(arrival, env, &address);
    return arrival->place != ADDRESS_REFUSED || arrival->entry;
}

int arrival_check(struct arrival *arrival, const struct arrival_env *env,
                  const uv_tcp_t *socket, const struct handshake_verdict *verdict)
{
    if (verdict->status == HANDSHAKE_DROPPED) {
        drop(env);
        return HANDSHAKE_DROPPED;
    }
    if (arrival->stage == ARRIVAL_AWAITS_PROXY && verdict->proxy.len > 0 &&
        !read_proxy(arrival, env, socket, &verdict->proxy))
        return HANDSHAKE_DROPPED;
    if (verdict->status == 101 && arrival->place != ADDRESS_REFUSED)
        read_request(arrival, env, socket, verdict);
    return arrival->place == ADDRESS_REFUSED ? 429 : verdict->status;
}

bool arrival_give_up(const struct arrival *arrival, const struct arrival_env *env)
{
    return arrival->stage != ARRIVAL_AWAITS_PROXY || drop(env);
}

void arrival_settle(struct arrival *arrival, const struct arrival_env *env)
{
    if (arrival->place != ADDRESS_PENDING)
        return;
    arrival->place = ADDRESS_SETTLED;
    if (arrival->entry)
        address_limits_settle(env->limits, arrival->entry);
}

void arrival_end(struct arrival *arrival, const struct arrival_env *env)
{
    if (arrival->entry)
        address_limits_leave(env->limits, arrival->entry,
                             (enum address_place)arrival->place);
    arrival->entry = NULL;
}
