/* store.c - see store.h.
 *
 * Each function puts a script's KEYS and ARGV together in the order of its header and
 * names the callback that takes the reply apart. A reply of the wrong shape counts
 * as a failure.
 */
#include "gateway/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/router.h"
#include "common/xalloc.h"
#include "gateway/deliver.h"

enum {
    UNDO_USERS = 500,
    SYNC_USERS = 500,
    PUBLISH_MAX = 256,
    BATCH_ENVELOPE_BYTES = 2048, /* of a history_batch, around the messages */
};

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
    struct list now = store->failed, *link;

    if (list_is_empty(&store->failed))
        return;
    now.next->prev = now.prev->next = &now;
    list_init(&store->failed);
    while ((link = list_first(&now))) {
        struct failed *failed = list_entry(link, struct failed, link);

        list_remove(link);
        if (failed->on_reply)
            failed->on_reply(failed->data, UV_ENOTCONN, NULL);
        free(failed);
    }
}

void store_send_script(struct store *store, enum script script, redis_reply_fn on_reply,
                       void *data)
{
    if (scripts_send(store->link, script, &store->cmd, on_reply, data) < 0)
        fail_later(store, on_reply, data);
}

void store_send_command(struct store *store, redis_reply_fn on_reply, void *data)
{
    if (redis_link_send(store->link, &store->cmd, on_reply, data) < 0)
        fail_later(store, on_reply, data);
}

void store_init(struct store *store, struct redis_link *link,
                const struct config *config)
{
    store->link = link;
    store->config = config;
    list_init(&store->failed);
}

void store_deinit(struct store *store)
{
    store_run_failed(store);
    redis_command_deinit(&store->cmd);
    strbuf_deinit(&store->scratch);
}

uint64_t store_keep_ms(const struct config *config)
{
    long secs = config->room_ttl_secs > 2 * config->lease_secs ? config->room_ttl_secs
                                                               : 2 * config->lease_secs;

    return 3000u * (uint64_t)secs;
}

/* ---- arguments ---- */

void store_add_room_key(struct store *store, const char *room, size_t len,
                        enum room_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_room(key, room, len, which));
}

void store_add_node_key(struct store *store, const char *node, enum node_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_node(key, node, which));
}

void store_add_fleet_key(struct store *store, enum fleet_key which)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_fleet(key, which));
}

static void add_key(struct store *store, const struct room *room, enum room_key which)
{
    store_add_room_key(store, room->name, room->name_len, which);
}

static void add_on(struct store *store, const char *room, size_t len, const char *node)
{
    char key[KEYS_MAX_BYTES];

    redis_command_add(&store->cmd, key, keys_on_node(key, room, len, node));
}

static void add_own_on(struct store *store, const struct room *room)
{
    add_on(store, room->name, room->name_len, store->node);
}

static void add_new_epoch(struct store *store)
{
    uint64_t random = 0;
    char text[PROTO_EPOCH_LEN + 1];

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)random);
    redis_command_add(&store->cmd, text, PROTO_EPOCH_LEN);
}

static void add_text(struct store *store, struct json_text text)
{
    redis_command_add(&store->cmd, text.base, text.len);
}

static void add_scratch(struct store *store)
{
    redis_command_add(&store->cmd, store->scratch.data, store->scratch.len);
}

static void add_percent(struct store *store, const char *name, size_t len)
{
    strbuf_reset(&store->scratch, 4096);
    strbuf_add_percent(&store->scratch, name, len);
    add_scratch(store);
}

static void add_shard(struct store *store, const struct room *room)
{
    redis_command_add_u64(&store->cmd, shard_of(room->name, room->name_len, 1));
}

static void add_events_max(struct store *store)
{
    redis_command_add_u64(&store->cmd, (uint64_t)store->config->presence_events_max);
}

static void add_room_ttl(struct store *store)
{
    redis_command_add_u64(&store->cmd, 1000u * (uint64_t)store->config->room_ttl_secs);
}

/* The JSON of a presence event up to the user's name. */
static void begin_presence(struct store *store, const char *type, const char *room,
                           size_t room_len, const char *reason)
{
    strbuf_reset(&store->scratch, 4096);
    proto_begin(&store->scratch, type, (struct json_text){NULL, 0});
    proto_add_text(&store->scratch, "room", room, room_len);
    if (reason)
        proto_add_text(&store->scratch, "reason", reason, strlen(reason));
    strbuf_add_text(&store->scratch, ",\"user\":");
}

/* The same up to the count of members. */
static void add_presence(struct store *store, const char *type, const struct room *room,
                         const struct room_user *user, const char *reason)
{
    begin_presence(store, type, room->name, room->name_len, reason);
    strbuf_add_json(&store->scratch, user->name, user->name_len);
    strbuf_add_text(&store->scratch, ",\"members\":");
    add_scratch(store);
}

/* ---- replies ---- */

static bool is_array(const redisReply *reply, size_t least)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static uint64_t number_at(const redisReply *reply, size_t i)
{
    const redisReply *e = reply->element[i];

    return e->type == REDIS_REPLY_INTEGER && e->integer > 0 ? (uint64_t)e->integer : 0;
}

static struct json_text text_at(const redisReply *reply, size_t i)
{
    const redisReply *e = reply->element[i];

    if (e->type != REDIS_REPLY_STRING)
        return (struct json_text){"", 0};
    return (struct json_text){e->str, (size_t)e->len};
}

static bool is_text(const redisReply *reply, size_t i, const char *text)
{
    struct json_text t = text_at(reply, i);

    return t.len == strlen(text) && memcmp(t.base, text, t.len) == 0;
}

static bool take_epoch(char *out, const redisReply *reply, size_t i)
{
    struct json_text t = text_at(reply, i);

    if (t.len != PROTO_EPOCH_LEN)
        return false;
    memcpy(out, t.base, t.len);
    out[t.len] = '\0';
    return true;
}

/* ---- what a call remembers ---- */

struct call {
    struct store *store;
    struct room *room;
    struct room_user *user;
    struct join *join;
    struct list *messages;
    unsigned count;
    char *cursor;
    void *data;
    union {
        store_history_fn history;
        store_members_fn members;
        void (*published)(void *data, const char *epoch,
                          const struct store_published *results);
    } on_done;
};

static struct call *new_call(struct store *store, struct room *room)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->store = store;
    call->room = room;
    return call;
}

static void touched(struct call *call)
{
    call->store->on_touched(call->store->owner, call->room->name, call->room->name_len);
}

/* ---- register ---- */

static void on_registered(void *data, int status, const redisReply *reply)
{
    (void)reply;
    room_on_registered(data, status == 0);
}

void store_register(void *owner, struct room *room)
{
    struct store *store = owner;

    redis_command_begin(&store->cmd);
    redis_command_add_text(&store->cmd, "SADD");
    store_add_node_key(store, store->node, KEY_NODE_ROOMS);
    redis_command_add(&store->cmd, room->name, room->name_len);
    store_send_command(store, on_registered, room);
}

/* ---- join ---- */

static void on_join(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct room_joined joined = {"", 0, 0, 0};

    if (status == 0 && is_array(reply, 7) && is_text(reply, 0, "ok") &&
        take_epoch(joined.epoch, reply, 1)) {
        joined.seq = number_at(reply, 2);
        joined.rev = number_at(reply, 3);
        joined.members = number_at(reply, 4);
        touched(call);
        room_on_joined(call->join, PROTO_OK, &joined, 0);
    } else if (status == 0 && is_array(reply, 2) && is_text(reply, 0, "banned")) {
        room_on_joined(call->join, PROTO_BANNED, NULL, number_at(reply, 1));
    } else {
        room_on_joined(call->join, PROTO_UNAVAILABLE, NULL, 0);
    }
    free(call);
}

void store_join(void *owner, struct room *room, struct join *join)
{
    struct store *store = owner;
    struct call *call = new_call(store, room);

    call->join = join;
    scripts_begin(&store->cmd, SCRIPT_JOIN, 6);
    add_key(store, room, KEY_META);
    add_key(store, room, KEY_MEMBERS);
    add_own_on(store, room);
    add_key(store, room, KEY_HISTORY);
    add_key(store, room, KEY_BANS);
    add_key(store, room, KEY_EVENTS);
    redis_command_add(&store->cmd, join->user->name, join->user->name_len);
    add_percent(store, join->user->name, join->user->name_len);
    add_presence(store, "member_joined", room, join->user, NULL);
    add_new_epoch(store);
    redis_command_add_u64(&store->cmd, store_keep_ms(store->config));
    add_shard(store, room);
    add_events_max(store);
    store_send_script(store, SCRIPT_JOIN, on_join, call);
}

/* ---- leave ---- */

static void on_leave(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    bool ok = status == 0 && is_array(reply, 2);

    if (ok)
        touched(call);
    room_on_left(call->room, call->user, ok);
    free(call);
}

static void send_leave(struct store *store, const struct room *room,
                       const struct room_user *user, const char *reason,
                       redis_reply_fn on_reply, void *data)
{
    scripts_begin(&store->cmd, SCRIPT_LEAVE, 5);
    add_key(store, room, KEY_META);
    add_key(store, room, KEY_MEMBERS);
    add_own_on(store, room);
    add_key(store, room, KEY_HISTORY);
    add_key(store, room, KEY_EVENTS);
    redis_command_add(&store->cmd, user->name, user->name_len);
    add_percent(store, user->name, user->name_len);
    add_presence(store, "member_left", room, user, reason);
    add_room_ttl(store);
    add_events_max(store);
    store_send_script(store, SCRIPT_LEAVE, on_reply, data);
}

void store_leave(void *owner, struct room *room, struct room_user *user)
{
    struct call *call = new_call(owner, room);

    call->user = user;
    send_leave(owner, room, user, user->reason, on_leave, call);
}

/* ---- close: undo what may be left of this node in the room ---- */

void store_begin_undo(struct store *store, const char *room, size_t room_len,
                      const char *node)
{
    static const enum room_key keys[] = {KEY_META, KEY_MEMBERS, KEY_HISTORY,
                                         KEY_EVENTS};

    scripts_begin(&store->cmd, SCRIPT_UNDO, 5);
    for (size_t i = 0; i < 4; i++) {
        if (i == 2)
            add_on(store, room, room_len, node);
        store_add_room_key(store, room, room_len, keys[i]);
    }
    redis_command_add_u64(&store->cmd, UNDO_USERS);
    add_room_ttl(store);
    add_events_max(store);
    begin_presence(store, "member_left", room, room_len, "expired");
    add_scratch(store);
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

    if (status < 0 || !is_array(reply, 3)) {
        room_on_closed(room, false);
        free(call);
        return;
    }
    if (number_at(reply, 0) > 0)
        touched(call);
    if (number_at(reply, 2) > 0) { /* more than one call takes */
        free(call);
        store_close(store, room);
        return;
    }
    free(call);
    redis_command_begin(&store->cmd);
    redis_command_add_text(&store->cmd, "SREM");
    store_add_node_key(store, store->node, KEY_NODE_ROOMS);
    redis_command_add(&store->cmd, room->name, room->name_len);
    store_send_command(store, on_unregistered, room);
}

void store_close(void *owner, struct room *room)
{
    struct store *store = owner;

    store_begin_undo(store, room->name, room->name_len, store->node);
    store_send_script(store, SCRIPT_UNDO, on_closed, new_call(store, room));
}

/* ---- sync: pages of users, then whoever stands there too much ---- */

struct sync {
    struct store *store;
    struct room *room;
    char known[PROTO_EPOCH_LEN + 1];
    uint32_t at;    /* in the walk over the users */
    uint32_t seen;  /* how many there were: another number begins again */
    unsigned users; /* sent so far */
    struct room_joined state;
    char cursor[24]; /* of the HSCAN over on:<node> */
};

static void start_sync_page(struct sync *sync);
static void start_extras(struct sync *sync);

static void end_sync(struct sync *sync, bool ok)
{
    struct room *room = sync->room;
    struct room_joined state = sync->state;

    free(sync);
    room_on_synced(room, ok, &state);
}

/* Somebody whom Redis has on this node, but who is not here. */
static void send_extra(struct sync *sync, struct json_text name)
{
    struct room_user *ghost = xcalloc(1, sizeof(*ghost) + name.len + 1);

    ghost->name_len = (unsigned char)name.len;
    memcpy(ghost->name, name.base, name.len);
    send_leave(sync->store, sync->room, ghost, "expired", NULL, NULL);
    free(ghost);
}

static void on_extras(void *data, int status, const redisReply *reply)
{
    struct sync *sync = data;
    const redisReply *page;

    if (status < 0 || !is_array(reply, 2) || !is_array(reply->element[1], 0)) {
        end_sync(sync, false);
        return;
    }
    page = reply->element[1];
    for (size_t i = 0; i + 1 < page->elements; i += 2) {
        struct json_text name = text_at(page, i);

        if (name.len <= PROTO_USER_MAX &&
            !map_find(&sync->room->users, name.base, name.len))
            send_extra(sync, name);
    }
    snprintf(sync->cursor, sizeof(sync->cursor), "%.20s", text_at(reply, 0).base);
    if (strcmp(sync->cursor, "0") == 0)
        end_sync(sync, true);
    else
        start_extras(sync);
}

static void start_extras(struct sync *sync)
{
    struct store *store = sync->store;

    redis_command_begin(&store->cmd);
    redis_command_add_text(&store->cmd, "HSCAN");
    add_own_on(store, sync->room);
    redis_command_add_text(&store->cmd, sync->cursor);
    redis_command_add_text(&store->cmd, "COUNT");
    redis_command_add_u64(&store->cmd, SYNC_USERS);
    store_send_command(store, on_extras, sync);
}

static void take_kicks(struct sync *sync, const redisReply *reply)
{
    for (size_t i = 6; i + 1 < reply->elements; i += 2)
        deliver_kick(sync->room, text_at(reply, i), text_at(reply, i + 1), 0);
}

static void on_sync_page(void *data, int status, const redisReply *reply)
{
    struct sync *sync = data;
    struct room *room = sync->room;

    if (status == 0 && is_array(reply, 2) && is_text(reply, 0, "closed")) {
        deliver_closing(room, text_at(reply, 1), 0);
        memcpy(sync->state.epoch, room->epoch, sizeof(room->epoch));
        end_sync(sync, true);
        return;
    }
    if (status < 0 || !is_array(reply, 6) || !take_epoch(sync->state.epoch, reply, 1)) {
        end_sync(sync, false);
        return;
    }
    sync->state.seq = number_at(reply, 2);
    sync->state.rev = number_at(reply, 3);
    sync->state.members = number_at(reply, 4);
    sync->store->on_touched(sync->store->owner, room->name, room->name_len);
    take_kicks(sync, reply);
    if (sync->seen != room->users.count)
        sync->at = sync->users = 0;
    if (sync->at < room->users.cap)
        start_sync_page(sync);
    else if (number_at(reply, 5) > sync->users)
        start_extras(sync);
    else
        end_sync(sync, true);
}

static void start_sync_page(struct sync *sync)
{
    struct store *store = sync->store;
    struct room *room = sync->room;
    struct room_user *user;
    unsigned count = 0;

    sync->seen = room->users.count;
    scripts_begin(&store->cmd, SCRIPT_SYNC, 7);
    add_key(store, room, KEY_META);
    add_key(store, room, KEY_MEMBERS);
    add_own_on(store, room);
    add_key(store, room, KEY_HISTORY);
    add_key(store, room, KEY_EVENTS);
    add_key(store, room, KEY_KICKS);
    add_key(store, room, KEY_CLOSED);
    redis_command_add_text(&store->cmd, sync->known);
    add_new_epoch(store);
    redis_command_add_u64(&store->cmd, store_keep_ms(store->config));
    add_shard(store, room);
    add_events_max(store);
    begin_presence(store, "member_joined", room->name, room->name_len, NULL);
    add_scratch(store);
    while (count < SYNC_USERS && (user = map_next(&room->users, &sync->at))) {
        if (!user->is_in || user->leaving)
            continue;
        redis_command_add(&store->cmd, user->name, user->name_len);
        add_percent(store, user->name, user->name_len);
        redis_command_add_u64(&store->cmd, user->rev);
        count++;
    }
    sync->users += count;
    store_send_script(store, SCRIPT_SYNC, on_sync_page, sync);
}

void store_sync(void *owner, struct room *room)
{
    struct sync *sync = xcalloc(1, sizeof(*sync));

    sync->store = owner;
    sync->room = room;
    memcpy(sync->known, room->epoch, sizeof(sync->known));
    strcpy(sync->cursor, "0");
    start_sync_page(sync);
}

/* ---- renew ---- */

static void on_renewed(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct room *room = call->room;

    free(call);
    if (status == 0 && is_array(reply, 3)) {
        char epoch[PROTO_EPOCH_LEN + 1] = "";

        take_epoch(epoch, reply, 0);
        deliver_position(room, epoch, number_at(reply, 1));
        if (number_at(reply, 2) == 0 && room->users.count > 0)
            room_needs_sync(room);
    }
    room_release(room);
}

void store_renew(struct store *store, struct room *room)
{
    room->holds++;
    scripts_begin(&store->cmd, SCRIPT_RENEW, 4);
    add_key(store, room, KEY_META);
    add_key(store, room, KEY_MEMBERS);
    add_own_on(store, room);
    add_key(store, room, KEY_HISTORY);
    redis_command_add_u64(&store->cmd, store_keep_ms(store->config));
    store_send_script(store, SCRIPT_RENEW, on_renewed, new_call(store, room));
}

/* ---- history ---- */

static void on_history(void *data, int status, const redisReply *reply)
{
    static _Thread_local struct json_text lines[PROTO_LIMIT_MAX];
    struct call *call = data;
    char epoch[PROTO_EPOCH_LEN + 1];
    struct follow_history history = {.epoch = epoch, .lines = lines};

    if (status == 0 && is_array(reply, 4) && take_epoch(epoch, reply, 0)) {
        history.seq = number_at(reply, 1);
        history.oldest = number_at(reply, 2);
        history.first = number_at(reply, 3);
        for (size_t i = 4; i < reply->elements && history.count < PROTO_LIMIT_MAX; i++)
            lines[history.count++] = text_at(reply, i);
        call->on_done.history(call->data, &history);
    } else {
        call->on_done.history(call->data, NULL);
    }
    free(call);
}

void store_history(struct store *store, const struct room *room, uint64_t after,
                   uint64_t before, unsigned limit, store_history_fn on_done,
                   void *data)
{
    struct call *call = new_call(store, NULL);

    call->on_done.history = on_done;
    call->data = data;
    scripts_begin(&store->cmd, SCRIPT_HISTORY, 2);
    add_key(store, room, KEY_META);
    add_key(store, room, KEY_HISTORY);
    if (after == UINT64_MAX) {
        redis_command_add_text(&store->cmd, "");
        redis_command_add_u64(&store->cmd, before);
    } else {
        redis_command_add_u64(&store->cmd, after);
        redis_command_add_text(&store->cmd, "");
    }
    redis_command_add_u64(&store->cmd, limit);
    redis_command_add_u64(&store->cmd, PROTO_BATCH_BYTES - BATCH_ENVELOPE_BYTES);
    store_send_script(store, SCRIPT_HISTORY, on_history, call);
}

static void on_backfill(void *data, const struct follow_history *history)
{
    deliver_backfill(data, history);
}

void store_backfill(void *owner, struct room *room, uint64_t after)
{
    store_history(owner, room, after, 0, PROTO_BATCH_MESSAGES, on_backfill, room);
}

/* ---- members ---- */

static void on_members(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct store_members members = {.count = UINT64_MAX};
    struct json_text *names = NULL;

    if (status == 0 && is_array(reply, 2)) {
        names = xcalloc(reply->elements, sizeof(*names));
        members.count = number_at(reply, 0);
        members.next = is_text(reply, 1, "all") ? NULL : text_at(reply, 1).base;
        members.names = names;
        members.names_count = reply->elements - 2;
        for (size_t i = 2; i < reply->elements; i++)
            names[i - 2] = text_at(reply, i);
    }
    call->on_done.members(call->data, &members);
    free(names);
    free(call);
}

void store_members(struct store *store, const struct room *room, const char *cursor,
                   unsigned limit, unsigned exact_max, store_members_fn on_done,
                   void *data)
{
    struct call *call = new_call(store, NULL);

    call->on_done.members = on_done;
    call->data = data;
    scripts_begin(&store->cmd, SCRIPT_MEMBERS, 1);
    add_key(store, room, KEY_MEMBERS);
    redis_command_add_text(&store->cmd, cursor ? cursor : "");
    redis_command_add_u64(&store->cmd, limit);
    redis_command_add_u64(&store->cmd, exact_max);
    store_send_script(store, SCRIPT_MEMBERS, on_members, call);
}

/* ---- messages and signals ---- */

static struct store_published published_from(const redisReply *e)
{
    struct store_published p = {PROTO_UNAVAILABLE, 0, 0};

    if (e->type != REDIS_REPLY_INTEGER)
        return p;
    if (e->integer > 0)
        p = (struct store_published){PROTO_OK, (uint64_t)e->integer, 0};
    else if (e->integer == -1)
        p.error = PROTO_NOT_JOINED;
    else
        p = (struct store_published){PROTO_MUTED, 0, (uint64_t)(-2 - e->integer)};
    return p;
}

static void on_published(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct store_published results[PUBLISH_MAX];
    char epoch[PROTO_EPOCH_LEN + 1];

    if (status < 0 || !is_array(reply, call->count + 1) ||
        !take_epoch(epoch, reply, 0)) {
        call->on_done.published(call->data, NULL, NULL);
    } else {
        for (unsigned i = 0; i < call->count; i++)
            results[i] = published_from(reply->element[i + 1]);
        touched(call);
        call->on_done.published(call->data, epoch, results);
    }
    free(call);
}

static unsigned count_keys(struct list *messages)
{
    unsigned count = 0;

    list_each(link, messages)
    {
        count += list_entry(link, struct store_message, link)->key.len > 0;
    }
    return count;
}

/* Two messages with one key must name one KEYS entry, so that the second finds the first:
 * the entry of the first message with the same user and key. */
static unsigned find_key(struct list *messages, const struct store_message *m)
{
    unsigned at = 5;

    list_each(link, messages)
    {
        const struct store_message *other =
            list_entry(link, struct store_message, link);

        if (other->key.len == 0)
            continue;
        at++;
        if (other == m ||
            (other->key.len == m->key.len && other->user.len == m->user.len &&
             memcmp(other->key.base, m->key.base, m->key.len) == 0 &&
             memcmp(other->user.base, m->user.base, m->user.len) == 0))
            return at;
    }
    return 0;
}

static void add_dedupe_keys(struct store *store, struct room *room,
                            struct list *messages)
{
    char key[KEYS_MAX_BYTES];

    list_each(link, messages)
    {
        const struct store_message *m = list_entry(link, struct store_message, link);

        if (m->key.len > 0)
            redis_command_add(&store->cmd, key,
                              keys_dedupe(key, room->name, room->name_len, m->user.base,
                                          m->user.len, m->key.base, m->key.len));
    }
}

void store_publish(struct store *store, struct room *room, struct list *messages,
                   unsigned count,
                   void (*on_done)(void *data, const char *epoch,
                                   const struct store_published *results),
                   void *data)
{
    struct call *call = new_call(store, room);

    assert(count <= PUBLISH_MAX);
    call->count = count;
    call->on_done.published = on_done;
    call->data = data;
    scripts_begin(&store->cmd, SCRIPT_PUBLISH, 5 + count_keys(messages));
    add_key(store, room, KEY_META);
    add_key(store, room, KEY_HISTORY);
    add_key(store, room, KEY_EVENTS);
    add_own_on(store, room);
    add_key(store, room, KEY_MUTES);
    add_dedupe_keys(store, room, messages);
    redis_command_add_u64(&store->cmd, (uint64_t)store->config->history_limit);
    redis_command_add_u64(&store->cmd, (uint64_t)store->config->dedupe_secs);
    redis_command_add(&store->cmd, room->message_head.data, room->message_head.len);
    list_each(link, messages)
    {
        const struct store_message *m = list_entry(link, struct store_message, link);

        add_text(store, m->user);
        redis_command_add_u64(&store->cmd, m->key.len ? find_key(messages, m) : 0);
        add_text(store, m->tail);
    }
    store_send_script(store, SCRIPT_PUBLISH, on_published, call);
}

int store_signal(struct store *store, const struct room *room, const char *user,
                 size_t user_len, const struct strbuf *event)
{
    struct strbuf *notice = &store->scratch;

    strbuf_reset(notice, 4096);
    strbuf_add_format(notice, "1 %s %llu signal 0 0 ", room->epoch,
                      (unsigned long long)room->rev);
    strbuf_add_percent(notice, user, user_len);
    strbuf_add_char(notice, '\n');
    strbuf_add(notice, event->data, event->len);
    redis_command_begin(&store->cmd);
    redis_command_add_text(&store->cmd, "PUBLISH");
    add_key(store, room, KEY_EVENTS);
    add_scratch(store);
    return redis_link_send(store->link, &store->cmd, NULL, NULL);
}
