/* fleet_keys.c - see fleet_keys.h.
 *
 *     on_tick -> issuers_tick -> get -> on_answer -> issuers_answer -> on_keys -> offer
 *     on_tick, every OFFER_MS -> offer
 *     offer -> on_read -> [nothing to change] adopt -> tell_readings
 *                      -> write -> on_written -> orders_send, adopt | offer with the next tick
 *
 * What was read is taken for the fleet's if nobody has changed it meanwhile (lua/policy.lua). `copy` is what
 * was there as number `known`: a Redis that says a smaller number has lost it.
 */
#include "admin/fleet_keys.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/keys_merge.h"
#include "admin/orders.h"
#include "admin/public_keys.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/moments.h"
#include "common/xalloc.h"

enum { TICK_MS = 1000, OFFER_MS = 5000, CLOCK_BACK_MS = 5000 };

struct fleet_keys {
    struct api *api;
    struct issuers issuers;
    struct fetch *fetch; /* NULL: there are no issuers */
    uv_timer_t tick;
    struct strbuf copy, draft;
    uint64_t known; /* its number; 0: none was read yet */
    uint64_t
        started_at; /* by Redis's clock, and later than any other's; 0: not known */
    uint64_t offer_at_ms;
    bool is_offering, is_closed;
    bool is_offered[ISSUER_LIST_MAX]; /* was fresh, and is in the draft */
};

static struct json_text text_of(const struct strbuf *b)
{
    return (struct json_text){b->data ? b->data : "", b->len};
}

/* Nothing need not be written. */
static bool is_same(struct json_text draft, struct json_text there)
{
    return json_text_equals(draft, there) ||
           (there.len == 0 && draft.len == strlen("{}"));
}

static void copy_text(struct strbuf *to, struct json_text from)
{
    strbuf_reset(to, 0);
    strbuf_add(to, from.base, from.len);
}

/* ---- into Redis ---- */

static void end_offer(struct fleet_keys *keys, bool is_done)
{
    keys->is_offering = false;
    keys->offer_at_ms = uv_now(keys->api->loop) + (is_done ? OFFER_MS : 0);
    for (size_t i = 0; i < keys->issuers.count; i++) {
        if (keys->is_offered[i] && !is_done)
            keys->issuers.all[i].is_fresh = true;
        keys->is_offered[i] = false;
    }
}

static void log_failure(int status, const redisReply *reply)
{
    static struct log_limit lines = {.per_sec = 1};

    log_limited(LOG_WARN, &lines, "policy_failed", "why=\"%.120s\"",
                reply ? reply_error(reply) : uv_strerror(status));
}

/* Gateways refuse what they do not know right after this. */
static void tell_readings(struct fleet_keys *keys)
{
    for (size_t i = 0; i < keys->issuers.count; i++) {
        const char *name = keys->issuers.all[i].source->name;
        struct strbuf order = {NULL, 0, 0};

        if (!keys->is_offered[i])
            continue;
        strbuf_add_format(&order, "keys %llu ", (unsigned long long)keys->known);
        strbuf_add_percent(&order, name, strlen(name));
        orders_send(keys->api, order.data);
        strbuf_deinit(&order);
    }
}

static void adopt(struct fleet_keys *keys, struct json_text text, uint64_t number)
{
    copy_text(&keys->copy, text);
    keys->known = number;
    tell_readings(keys);
    end_offer(keys, true);
}

static void on_written(void *data, int status, const redisReply *reply)
{
    struct fleet_keys *keys = data;
    char order[32];

    if (status < 0 || reply_number(reply, 0) != 1) {
        if (status < 0)
            log_failure(status, reply);
        end_offer(keys, false);
        return;
    }
    snprintf(order, sizeof(order), "keys %llu",
             (unsigned long long)reply_number(reply, 1));
    orders_send(keys->api, order);
    adopt(keys, text_of(&keys->draft), reply_number(reply, 1));
    log_info("keys_written", "rev=%llu bytes=%zu", (unsigned long long)keys->known,
             keys->copy.len);
}

static void write_draft(struct fleet_keys *keys, uint64_t seen, bool is_chosen)
{
    struct db *db = &keys->api->db;

    db_begin_script(db, 0, SCRIPT_POLICY, 2);
    command_add_fleet_key(&db->cmd, 0, KEY_POLICY);
    command_add_fleet_key(&db->cmd, 0, KEY_FLEET_EVENTS);
    redis_command_add_text(&db->cmd, "keys_rev");
    redis_command_add_u64(&db->cmd, seen);
    redis_command_add_u64(&db->cmd, keys->known);
    redis_command_add_text(&db->cmd, "keys");
    redis_command_add(&db->cmd, keys->draft.data, keys->draft.len);
    if (is_chosen) {
        redis_command_add_text(&db->cmd, "issuers_at");
        redis_command_add_u64(&db->cmd, keys->started_at);
    }
    db_send_script(db, SCRIPT_POLICY, on_written, keys);
}

static void draw_up(struct fleet_keys *keys, struct json_text base, bool is_chosen)
{
    strbuf_reset(&keys->draft, 64 * 1024);
    keys_merge(&keys->draft, base, &keys->issuers, is_chosen);
    for (size_t i = 0; i < keys->issuers.count; i++) {
        keys->is_offered[i] = keys->issuers.all[i].is_fresh;
        keys->issuers.all[i].is_fresh = false;
    }
}

/* Whether no replica has written that started later. One that will start in a while is none: Redis's clock
 * was set back. */
static bool may_choose(const struct fleet_keys *keys, uint64_t others)
{
    return keys->started_at >= others ||
           others > keys->api->fleet.now_ms + CLOCK_BACK_MS;
}

static void on_read(void *data, int status, const redisReply *reply)
{
    struct fleet_keys *keys = data;
    struct json_text there = reply_text(reply, 1), base = there;
    uint64_t number = reply_decimal(reply_text(reply, 0));
    uint64_t others = reply_decimal(reply_text(reply, 2));
    bool is_lost = number < keys->known, is_chosen = may_choose(keys, others);

    if (status < 0) {
        log_failure(status, reply);
        end_offer(keys, false);
        return;
    }
    if (is_lost)
        base = text_of(&keys->copy);
    draw_up(keys, base, is_chosen);
    if (!is_lost && is_same(text_of(&keys->draft), there))
        adopt(keys, there, number);
    else
        write_draft(keys, number, is_chosen);
}

static void offer(struct fleet_keys *keys)
{
    struct api *api = keys->api;
    struct db *db = &api->db;

    if (keys->is_offering || keys->is_closed || keys->started_at == 0 ||
        !fleet_shard_is_up(&api->fleet, 0))
        return;
    keys->is_offering = true;
    db_begin(db, 0, "HMGET");
    command_add_fleet_key(&db->cmd, 0, KEY_POLICY);
    redis_command_add_text(&db->cmd, "keys_rev");
    redis_command_add_text(&db->cmd, "keys");
    redis_command_add_text(&db->cmd, "issuers_at");
    db_send(db, on_read, keys);
}

/* ---- from the issuers ---- */

static void on_answer(void *data, const struct fetch_answer *answer)
{
    struct issuer *issuer = data;
    struct fleet_keys *keys = issuer->in->owner;

    issuers_answer(issuer, answer, uv_now(keys->api->loop), clock_ms());
}

static void get(void *owner, struct issuer *issuer, const char *url)
{
    struct fleet_keys *keys = owner;

    fetch_get(keys->fetch, url, on_answer, issuer);
}

static void on_keys(void *owner, struct issuer *issuer)
{
    (void)issuer;
    offer(owner);
}

static const struct issuers_hooks hooks = {
    .get = get,
    .on_keys = on_keys,
    .random = moments_below,
};

static void on_tick(uv_timer_t *timer)
{
    struct fleet_keys *keys = timer->data;
    uint64_t now = uv_now(keys->api->loop);

    issuers_tick(&keys->issuers, now, clock_ms());
    if (now >= keys->offer_at_ms)
        offer(keys);
}

void fleet_keys_on_fleet(struct fleet_keys *keys)
{
    if (keys->started_at > 0 || !fleet_is_up(&keys->api->fleet))
        return;
    keys->started_at = keys->api->fleet.now_ms;
    if (keys->fetch)
        offer(keys);
}

void fleet_keys_want(struct fleet_keys *keys, struct json_text issuer)
{
    if (!keys->is_closed)
        issuers_want(&keys->issuers, issuer, uv_now(keys->api->loop), clock_ms());
}

/* ---- what is told ---- */

static void print_issuer(const struct fleet_keys *keys, const struct issuer *issuer,
                         struct strbuf *out)
{
    const char *name = issuer->source->name;
    struct json_members in = {NULL, 0, 0, 0};
    struct json_text set = keys_merge_find(text_of(&keys->copy),
                                           (struct json_text){name, strlen(name)}, &in);

    strbuf_add_text(out, "{\"issuer\":");
    strbuf_add_json(out, name, strlen(name));
    strbuf_add_text(out, ",\"kids\":");
    public_keys_add_kids(out, set);
    proto_add_number(out, "left_out", issuer->left_out);
    if (issuer->fetched_at)
        proto_add_number(out, "fetched_at", issuer->fetched_at);
    else
        proto_add_raw(out, "fetched_at", "null");
    if (issuer->error)
        proto_add_text(out, "error", issuer->error, strlen(issuer->error));
    else
        proto_add_raw(out, "error", "null");
    strbuf_add_char(out, '}');
    json_members_deinit(&in);
}

void fleet_keys_print(struct fleet_keys *keys, struct strbuf *out)
{
    strbuf_add_text(out, "{\"issuers\":[");
    for (size_t i = 0; i < keys->issuers.count; i++) {
        strbuf_add_text(out, i > 0 ? "," : "");
        print_issuer(keys, &keys->issuers.all[i], out);
    }
    strbuf_add_text(out, "]}");
}

void fleet_keys_print_metrics(const struct fleet_keys *keys, struct strbuf *out)
{
    issuers_print_metrics(&keys->issuers, uv_now(keys->api->loop), out);
}

/* ---- beginning and end ---- */

struct fleet_keys *fleet_keys_open(struct api *api)
{
    struct fleet_keys *keys = xcalloc(1, sizeof(*keys));
    const struct config *config = api->config;

    keys->api = api;
    issuers_init(&keys->issuers, &config->issuers,
                 1000 * (uint64_t)config->jwks_refresh_secs, &hooks, keys,
                 uv_now(api->loop));
    if (config->issuers.count == 0)
        return keys;
    keys->fetch = fetch_open(api->loop);
    uv_timer_init(api->loop, &keys->tick);
    keys->tick.data = keys;
    uv_timer_start(&keys->tick, on_tick, 0, TICK_MS);
    return keys;
}

void fleet_keys_close(struct fleet_keys *keys)
{
    keys->is_closed = true;
    if (!keys->fetch)
        return;
    fetch_close(keys->fetch);
    uv_close((uv_handle_t *)&keys->tick, NULL);
}

void fleet_keys_free(struct fleet_keys *keys)
{
    if (!keys)
        return;
    issuers_deinit(&keys->issuers);
    strbuf_deinit(&keys->copy);
    strbuf_deinit(&keys->draft);
    free(keys);
}
