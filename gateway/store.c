/* store.c - see store.h.
 *
 * Each function puts a script's KEYS and ARGV together in the order of its header and
 * names the callback that takes the reply apart. A reply of the wrong shape counts
 * as a failure. Messages have their own file, publish.c.
 */
#include "gateway/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/command.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/notice.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/announce.h"
#include "gateway/args.h"
#include "gateway/pool.h"

enum { REAP_USERS = 500 };

/* ---- sending ---- */

struct failed {
    struct list link;
    redis_reply_fn on_reply;
    void *data;
};

static void fail_later(struct store *store, redis_reply_fn on_reply, void *data)
{
    struct failed *failed = xmalloc(sizeof(*failed));

    failed->on_reply = on_reply;
    failed->data = data;
    list_add(&store->failed, &failed->link);
}

void store_run_failed(struct store *store)
{
    struct list now, *link;

    list_take_all(&now, &store->failed);
    while ((link = list_first(&now))) {
        struct failed *failed = list_entry(link, struct failed, link);

        list_remove(link);
        if (failed->on_reply)
            failed->on_reply(failed->data, UV_ENOTCONN, NULL);
        free(failed);
    }
}

/* Scripts that only read need not wait for the room's turn. */
static bool is_changing(enum script script)
{
    return script != SCRIPTS_COUNT && script != SCRIPT_HISTORY &&
           script != SCRIPT_MEMBERS;
}

static void send_by_cluster(struct store *store, enum script script, bool is_signal,
                            redis_reply_fn on_reply, void *data)
{
    struct args *args = &store->args;
    const struct cluster_target target = {
        .slot = args->slot,
        .turn = args->room ? &args->room->cluster.turn : NULL,
        .waits_for_turn = is_changing(script),
        .is_signal = is_signal,
        .since_ms = args->since_ms,
        .shard = args->shard,
    };

    args->since_ms = 0;
    cluster_send(store->cluster, &target, &args->cmd, script, on_reply, data);
}

static bool is_by_cluster(const struct store *store)
{
    return store->cluster && !store->cluster->is_closed;
}

void store_send_script(struct store *store, enum script script, redis_reply_fn on_reply,
                       void *data)
{
    if (is_by_cluster(store))
        send_by_cluster(store, script, false, on_reply, data);
    else if (scripts_send(store->link, script, &store->args.cmd, on_reply, data) < 0)
        fail_later(store, on_reply, data);
}

static void send_command(struct store *store, bool is_signal, redis_reply_fn on_reply,
                         void *data)
{
    if (is_by_cluster(store))
        send_by_cluster(store, SCRIPTS_COUNT, is_signal, on_reply, data);
    else if (redis_link_send(store->link, &store->args.cmd, on_reply, data) < 0)
        fail_later(store, on_reply, data);
}

void store_send_command(struct store *store, redis_reply_fn on_reply, void *data)
{
    send_command(store, false, on_reply, data);
}

/* ---- the registry's link ---- */

struct redis_link *store_link(const struct store *store)
{
    return store->cluster ? cluster_link(store->cluster, store->args.registry_slot)
                          : store->link;
}

enum redis_why store_why(const struct store *store)
{
    struct redis_link *link = store_link(store);

    return link ? redis_link_why(link) : cluster_why(store->cluster);
}

void store_fail_unsent(struct store *store)
{
    if (store->cluster)
        cluster_fail_unsent(store->cluster, store->args.shard);
}

void store_replace(struct store *store, const char *why)
{
    store_fail_unsent(store);
    if (store->cluster)
        cluster_replace_links(store->cluster, why);
    else
        redis_link_replace(store->link, why);
}

bool store_may_run(const struct store *store)
{
    return !store->cluster || cluster_may_run(store->cluster, store->args.shard);
}

static void forget_broken(struct store *store)
{
    uint32_t at = 0;
    char *name;

    while ((name = map_next(&store->broken, &at)))
        free(name);
    map_deinit(&store->broken);
}

void store_init(struct store *store, struct redis_link *link,
                const struct config *config, struct metrics *metrics)
{
    store->link = link;
    store->config = config;
    store->metrics = metrics;
    args_init(&store->args, config, store->node);
    list_init(&store->failed);
}

void store_deinit(struct store *store)
{
    store_run_failed(store);
    forget_broken(store);
    args_deinit(&store->args);
}

/* ---- what a call remembers ---- */

struct call {
    struct store *store;
    struct room *room;
    store_members_fn on_members;
    void *data; /* for it */
};

static struct call *new_call(struct store *store, struct room *room)
{
    struct call *call = pool_alloc(sizeof(*call));

    *call = (struct call){.store = store, .room = room};
    return call;
}

void store_touched(struct store *store, const struct room *room, bool is_new)
{
    store->on_touched(store, room->name, room->name_len, is_new);
}

/* ---- broken rooms ---- */

enum { BROKEN_MAX = 1000, BROKEN_MS = 60000 }; /* lines a minute */

/* Whether nothing was said of the room this minute; from now on something was. */
static bool is_news(struct store *store, const struct room *room)
{
    uint64_t now_ms = uv_hrtime() / 1000000;
    char *name;

    if (now_ms - store->broken_since_ms >= BROKEN_MS) {
        forget_broken(store);
        store->broken_since_ms = now_ms;
    }
    if (store->broken.count >= BROKEN_MAX ||
        map_find(&store->broken, room->name, room->name_len))
        return false;
    name = xmemdup(room->name, room->name_len);
    map_add(&store->broken, name, room->name_len, name);
    return true;
}

static void on_explained(void *data, int status, const redisReply *reply)
{
    struct json_text room = reply_text(reply, 0), why = reply_text(reply, 1);

    (void)data;
    if (status == 0 && reply_count(reply) == 2)
        log_warn("room_broken", "room=%s why=\"%.*s\"", log_name(room.base, room.len),
                 (int)why.len, why.base);
}

void store_note_refusal(struct store *store, const struct room *room, int status,
                        const redisReply *reply)
{
    struct json_text name = {room->name, room->name_len};

    if (status != UV_EREMOTEIO || strncmp(reply_error(reply), "WRONGTYPE", 9) != 0 ||
        !is_news(store, room))
        return;
    scripts_begin(&store->args.cmd, SCRIPT_ROOM, COMMAND_ROOM_KEYS + 1);
    command_add_room_keys(&store->args.cmd, name);
    args_add_own_on(&store->args, room);
    args_add_text(&store->args, name);
    store_send_script(store, SCRIPT_ROOM, on_explained, store);
}

/* ---- register ---- */

static void on_registered(void *data, int status, const redisReply *reply)
{
    struct call *used = data, call = *used;
    bool is_unknown = status == 0 && reply_is_value(reply, -1);

    pool_recycle(used, sizeof(*used));
    room_on_registered(call.room, status == 0 && !is_unknown);
    if (is_unknown)
        call.store->on_unknown(call.store);
}

void store_register(struct store *store, struct room *room)
{
    scripts_begin(&store->args.cmd, SCRIPT_REGISTER, 3);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, store->node, KEY_NODE_ROOMS);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    redis_command_add_text(&store->args.cmd, store->node);
    redis_command_add(&store->args.cmd, room->name, room->name_len);
    store_send_script(store, SCRIPT_REGISTER, on_registered, new_call(store, room));
}

/* ---- close: reap what may be left of this node in the room ---- */

void store_begin_reap(struct store *store, const char *room, size_t room_len,
                      const char *node)
{
    static const enum room_key keys[] = {KEY_META,   KEY_MEMBERS,    KEY_HISTORY,
                                         KEY_EVENTS, KEY_ROOM_NODES, KEY_CHANGED};
    const struct class_rules *rules =
        args_rules(&store->args, (struct json_text){room, room_len});

    scripts_begin(&store->args.cmd, SCRIPT_REAP, 7);
    for (size_t i = 0; i < 6; i++) {
        if (i == 2)
            args_add_on(&store->args, room, room_len, node);
        args_add_room_key(&store->args, room, room_len, keys[i]);
    }
    redis_command_add_u64(&store->args.cmd, REAP_USERS);
    args_add_room_ttl(&store->args, rules);
    args_add_events_max(&store->args, rules);
    args_add_presence_head(&store->args, "member_left", room, room_len, "expired");
    redis_command_add_text(&store->args.cmd, node);
}

static void on_unregistered(void *data, int status, const redisReply *reply)
{
    (void)reply;
    room_on_closed(data, status == 0);
}

static void on_closed(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct store *store = call->store;
    struct room *room = call->room;

    if (status < 0 || !reply_is_array(reply, 3)) {
        room_on_closed(room, false);
        pool_recycle(call, sizeof(*call));
        return;
    }
    if (reply_number(reply, 0) > 0)
        store_touched(store, room, false);
    if (reply_number(reply, 2) > 0) { /* more than one call takes */
        pool_recycle(call, sizeof(*call));
        store_close(store, room);
        return;
    }
    pool_recycle(call, sizeof(*call));
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "SREM");
    args_add_node_key(&store->args, store->node, KEY_NODE_ROOMS);
    redis_command_add(&store->args.cmd, room->name, room->name_len);
    store_send_command(store, on_unregistered, room);
}

void store_close(struct store *store, struct room *room)
{
    store_begin_reap(store, room->name, room->name_len, store->node);
    store_send_script(store, SCRIPT_REAP, on_closed, new_call(store, room));
}

/* ---- members ---- */

/* Empty: these are all. */
static bool take_next(char next[REPLY_CURSOR_BYTES], const redisReply *reply)
{
    next[0] = '\0';
    return reply_is_array(reply, 2) &&
           (reply_is_text(reply, 1, "all") || reply_take_cursor(next, reply, 1));
}

static void on_members(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct store_members members = {.count = UINT64_MAX};
    struct json_text *names = NULL;
    char next[REPLY_CURSOR_BYTES];

    store_note_refusal(call->store, call->room, status, reply);
    if (status == 0 && take_next(next, reply)) {
        names = xcalloc(reply_count(reply), sizeof(*names));
        members.count = reply_number(reply, 0);
        members.next = next[0] ? next : NULL;
        members.names = names;
        for (size_t i = 2; i < reply_count(reply); i++)
            if (intake_user(call->store->metrics, "members", reply_text(reply, i)))
                names[members.names_count++] = reply_text(reply, i);
    }
    call->on_members(call->data, &members);
    room_unref(call->room);
    free(names);
    pool_recycle(call, sizeof(*call));
}

void store_members(struct store *store, struct room *room,
                   const struct store_page *page, store_members_fn on_done, void *data)
{
    struct call *call = new_call(store, room);

    room_ref(room);
    call->on_members = on_done;
    call->data = data;
    scripts_begin(&store->args.cmd, SCRIPT_MEMBERS, 1);
    args_add_key(&store->args, room, KEY_MEMBERS);
    redis_command_add_text(&store->args.cmd, page->cursor ? page->cursor : "");
    redis_command_add_u64(&store->args.cmd, page->limit);
    redis_command_add_u64(&store->args.cmd, page->exact_max);
    redis_command_add_u64(&store->args.cmd, 0); /* only names */
    store_send_script(store, SCRIPT_MEMBERS, on_members, call);
}

/* ---- signals ---- */

void store_signal(struct store *store, const struct room *room, struct json_text user,
                  const struct strbuf *event, redis_reply_fn on_reply, void *data)
{
    struct strbuf *text = &store->args.scratch;
    const char *epoch = room_log_epoch(&room->log);
    struct notice notice = {
        .epoch = {epoch, strlen(epoch)},
        .rev = announce_rev(room),
        .kind = NOTICE_SIGNAL,
        .lines = {event->data, event->len},
    };

    strbuf_reset(text, 4096);
    notice_print(text, &notice, &user, 1);
    args_begin_publish(&store->args);
    args_add_key(&store->args, room, KEY_EVENTS);
    redis_command_add(&store->args.cmd, text->data, text->len);
    send_command(store, true, on_reply, data);
}
