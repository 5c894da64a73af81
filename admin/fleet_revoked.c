/* fleet_revoked.c - see fleet_revoked.h.
 *
 *     on_tick -> on_rev -> revoked_copy_on_rev
 *     on_tick, every SWEEP_MS -> on_swept
 *     fleet_revoked_add -> on_written -> revoked_copy_on_order, orders_tell -> on_told -> on_done
 */
#include "admin/fleet_revoked.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/registry.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/revoked_copy.h"
#include "common/xalloc.h"

enum { TICK_MS = 1000, SWEEP_MS = 10000, SWEEP_COUNT = 1000, CLOCKS_MS = 60000 };

struct fleet_revoked {
    struct api *api;
    struct revoked_copy copy;
    uv_timer_t tick;
    uint64_t swept_ms;
    char cursor[REPLY_CURSOR_BYTES];
    bool is_asking, is_sweeping;
};

/* ---- the copy ---- */

static void on_order(void *owner, struct json_text name, uint64_t grace_secs)
{
    (void)owner, (void)name, (void)grace_secs; /* there are no connections here */
}

static void on_read(void *owner)
{
    (void)owner;
}

static const struct revoked_copy_hooks hooks = {
    .calls = &registry_calls,
    .on_order = on_order,
    .on_read = on_read,
};

static void on_rev(void *data, int status, const redisReply *reply)
{
    struct fleet_revoked *revoked = data;

    revoked->is_asking = false;
    if (status == 0)
        revoked_copy_on_rev(&revoked->copy, reply_decimal(reply_string(reply)));
}

static void ask_rev(struct fleet_revoked *revoked)
{
    revoked->is_asking = true;
    registry_ask_rev(revoked->api, "revoked_rev", on_rev, revoked);
}

/* Somebody may have deleted the hash and left its number. */
static void on_count(void *data, int status, const redisReply *reply)
{
    if (status == 0)
        revoked_copy_on_count(data, reply_value(reply));
}

static void ask_count(struct fleet_revoked *revoked)
{
    struct db *db = &revoked->api->db;

    db_begin(db, 0, "HLEN");
    command_add_fleet_key(&db->cmd, 0, KEY_REVOKED);
    db_send(db, on_count, &revoked->copy);
}

/* ---- what is over ---- */

static void on_swept(void *data, int status, const redisReply *reply)
{
    struct fleet_revoked *revoked = data;
    struct json_text next = reply_string(reply);

    revoked->is_sweeping = false;
    if (status == 0 && next.len > 0 && next.len < sizeof(revoked->cursor)) {
        memcpy(revoked->cursor, next.base, next.len);
        revoked->cursor[next.len] = '\0';
    }
}

static void sweep(struct fleet_revoked *revoked, uint64_t now_ms)
{
    struct db *db = &revoked->api->db;

    revoked->swept_ms = now_ms;
    revocations_drop_old(&revoked->copy.table, clock_ms());
    db_begin_script(db, 0, SCRIPT_SWEEP, 2);
    revoked->is_sweeping = true;
    command_add_fleet_key(&db->cmd, 0, KEY_REVOKED);
    command_add_fleet_key(&db->cmd, 0, KEY_FLEET_EVENTS);
    redis_command_add_text(&db->cmd, revoked->cursor);
    redis_command_add_u64(&db->cmd, SWEEP_COUNT);
    redis_command_add_u64(&db->cmd, CLOCKS_MS);
    db_send_script(db, SCRIPT_SWEEP, on_swept, revoked);
}

static void on_tick(uv_timer_t *timer)
{
    struct fleet_revoked *revoked = timer->data;
    uint64_t now_ms = uv_now(revoked->api->loop);

    if (!fleet_shard_is_up(&revoked->api->fleet, 0))
        return;
    if (!revoked->is_asking)
        ask_rev(revoked);
    if (!revoked->is_sweeping && now_ms - revoked->swept_ms >= SWEEP_MS) {
        sweep(revoked, now_ms);
        ask_count(revoked);
    }
}

/* ---- another one ---- */

struct call {
    struct fleet_revoked *revoked;
    struct revocation is;
    uint64_t grace_secs;
    fleet_revoked_fn on_done;
    void *data;
    size_t len;
    char name[];
};

static void on_told(void *data, const struct orders_told *told)
{
    struct call *call = data;

    call->on_done(call->data, FLEET_REVOKED_OK, told);
    free(call);
}

static void tell(struct call *call, uint64_t before, uint64_t rev)
{
    const struct revoked_order order = {
        before, rev, {call->name, call->len}, call->is, call->grace_secs};
    struct strbuf text = {NULL, 0, 0};

    revoked_copy_on_order(&call->revoked->copy, &order);
    revoked_order_print(&text, &order);
    orders_tell(call->revoked->api, text.data, on_told, call);
    strbuf_deinit(&text);
}

static void on_written(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    uint64_t before = reply_number(reply, 0), rev = reply_number(reply, 1);

    if (status == 0 && rev > before) {
        tell(call, before, rev);
        return;
    }
    call->on_done(call->data,
                  status == 0 && reply_number(reply, 2) > 0 ? FLEET_REVOKED_FULL
                                                            : FLEET_REVOKED_FAILED,
                  NULL);
    free(call);
}

void fleet_revoked_add(struct fleet_revoked *revoked, struct json_text name,
                       const struct revocation *is, uint64_t grace_secs,
                       fleet_revoked_fn on_done, void *data)
{
    struct call *call = xcalloc(1, sizeof(*call) + name.len);
    struct redis_command *cmd;

    call->revoked = revoked;
    call->is = *is;
    call->grace_secs = grace_secs;
    call->on_done = on_done;
    call->data = data;
    call->len = name.len;
    memcpy(call->name, name.base, name.len);
    cmd = revoked_copy_begin_call(&revoked->copy, true, "");
    revoked_copy_add_entry(cmd, name, is);
    db_send_script(&revoked->api->db, SCRIPT_REVOKE, on_written, call);
}

/* ---- beginning and end ---- */

struct fleet_revoked *fleet_revoked_open(struct api *api)
{
    struct fleet_revoked *revoked = xcalloc(1, sizeof(*revoked));

    revoked->api = api;
    revoked->cursor[0] = '0';
    revoked_copy_init(&revoked->copy, &hooks, api, api->metrics);
    uv_timer_init(api->loop, &revoked->tick);
    revoked->tick.data = revoked;
    uv_timer_start(&revoked->tick, on_tick, TICK_MS, TICK_MS);
    return revoked;
}

void fleet_revoked_close(struct fleet_revoked *revoked)
{
    uv_close((uv_handle_t *)&revoked->tick, NULL);
}

void fleet_revoked_free(struct fleet_revoked *revoked)
{
    if (!revoked)
        return;
    revoked_copy_deinit(&revoked->copy);
    free(revoked);
}
