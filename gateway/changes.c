/* changes.c - see changes.h. */
#include "gateway/changes.h"

#include <stdlib.h>
#include <string.h>

#include "common/command.h"
#include "common/intake.h"
#include "common/lines.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/args.h"

enum { EVENTS_AT = 5 }; /* in the answer */

static void add_head(struct args *args, const struct room *room, const char *type)
{
    strbuf_reset(&args->scratch, 4096);
    room_begin_event(room, &args->scratch, type);
    strbuf_add_text(&args->scratch, ",\"seq\":");
}

/* ---- changing ---- */

struct changing {
    struct store *store;
    struct room *room; /* a ref */
    change_done_fn on_done;
    void *data;
    size_t by_len;
    char by[PROTO_USER_MAX];
};

static enum proto_error error_of(int status, const redisReply *reply)
{
    static const struct {
        const char *word;
        enum proto_error error;
    } words[] = {
        {"ok", PROTO_OK},
        {"no_message", PROTO_MESSAGE_NOT_FOUND},
        {"not_joined", PROTO_NOT_JOINED},
        {"banned", PROTO_BANNED},
        {"muted", PROTO_MUTED},
        {"forbidden", PROTO_FORBIDDEN},
    };

    for (size_t i = 0; status == 0 && i < sizeof(words) / sizeof(words[0]); i++)
        if (reply_is_text(reply, 0, words[i].word))
            return words[i].error;
    return PROTO_UNAVAILABLE; /* also where Redis has lost the room: it is made again */
}

/* The rev of a change counts as seen, so that it is missed where Redis loses it (SPEC-SCALE S4). */
static void on_changed(void *data, int status, const redisReply *reply)
{
    struct changing *changing = data;
    const struct change_result result = {
        changing->room, {changing->by, changing->by_len}, error_of(status, reply)};

    store_note_refusal(changing->store, changing->room, status, reply);
    if (result.error == PROTO_OK && reply_count(reply) > 2)
        terms_see(&changing->room->terms, reply_token(reply, 2), 0,
                  reply_number(reply, 1));
    changing->on_done(changing->data, &result);
    room_unref(changing->room);
    free(changing);
}

static void add_keys(struct args *args, const struct room *room, bool is_own)
{
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_EVENTS);
    args_add_key(args, room, KEY_CHANGED);
    if (!is_own)
        return;
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_MUTES);
    args_add_key(args, room, KEY_BANS);
}

static void begin_change(struct store *store, const struct room *room,
                         const struct change_wish *wish, enum script script)
{
    struct args *args = &store->args;
    bool is_delete = script == SCRIPT_DELETE;

    scripts_begin(&args->cmd, script, wish->user ? 7 : 4);
    add_keys(args, room, wish->user);
    redis_command_add_u64(&args->cmd, wish->seq);
    args_add_text(args, room_head(room));
    add_head(args, room, is_delete ? "message_deleted" : "message_edited");
    strbuf_add_u64(&args->scratch, wish->seq);
    strbuf_add_text(&args->scratch, is_delete ? ",\"rev\":" : "");
    redis_command_add(&args->cmd, args->scratch.data, args->scratch.len);
    command_add_changes_max(&args->cmd, room->rules);
    if (!wish->user)
        return;
    redis_command_add(&args->cmd, wish->user->name, wish->user->name_len);
    redis_command_add_u64(&args->cmd, wish->life_ms);
}

static void send_change(struct store *store, struct room *room,
                        const struct change_wish *wish, enum script script,
                        change_done_fn on_done, void *data)
{
    struct changing *changing = xcalloc(1, sizeof(*changing));

    changing->store = store;
    changing->room = room_ref(room);
    changing->on_done = on_done;
    changing->data = data;
    changing->by_len = wish->by->name_len;
    memcpy(changing->by, wish->by->name, wish->by->name_len);
    store_send_script(store, script, on_changed, changing);
}

void changes_delete(struct store *store, struct room *room,
                    const struct change_wish *wish, change_done_fn on_done, void *data)
{
    begin_change(store, room, wish, SCRIPT_DELETE);
    send_change(store, room, wish, SCRIPT_DELETE, on_done, data);
}

void changes_edit(struct store *store, struct room *room,
                  const struct change_wish *wish, const struct proto_message *message,
                  change_done_fn on_done, void *data)
{
    struct strbuf *scratch = &store->args.scratch;

    begin_change(store, room, wish, SCRIPT_EDIT);
    strbuf_reset(scratch, 64 * 1024);
    proto_add_message_said(scratch, message);
    redis_command_add(&store->args.cmd, scratch->data, scratch->len);
    strbuf_reset(scratch, 64 * 1024);
    proto_add_message_data(scratch, message);
    redis_command_add(&store->args.cmd, scratch->len > 0 ? scratch->data : "",
                      scratch->len);
    send_change(store, room, wish, SCRIPT_EDIT, on_done, data);
}

/* ---- reading ---- */

struct reading {
    struct store *store;
    struct room *room; /* a ref */
    changes_read_fn on_done;
    void *data;
};

static bool is_change(const struct room *room, const struct change *change)
{
    struct lines_event event = {.type = "message_deleted", .seq = change->seq};

    if (lines_is_event(room_head(room), &event, change->event))
        return true;
    event.type = "message_edited";
    return lines_is_event(room_head(room), &event, change->event);
}

/* What is none is left out. */
static size_t take_items(const struct reading *reading, const redisReply *reply,
                         struct change *items)
{
    const struct room *room = reading->room;
    size_t count = 0;

    for (size_t i = EVENTS_AT; i + 1 < reply_count(reply); i += 2) {
        struct change change = {reply_number(reply, i), reply_text(reply, i + 1)};

        if (is_change(room, &change))
            items[count++] = change;
        else
            intake_refuse(reading->store->metrics, INTAKE_HISTORY, "changes",
                          (struct json_text){room->name, room->name_len});
    }
    return count;
}

static void on_reply(void *data, int status, const redisReply *reply)
{
    struct reading *reading = data;
    struct changes changes = {0};
    struct change *items = NULL;
    char epoch[PROTO_EPOCH_LEN + 1];
    bool ok = status == 0 && reply_is_array(reply, EVENTS_AT) &&
              reply_take_epoch(epoch, reply, 0);

    store_note_refusal(reading->store, reading->room, status, reply);
    if (ok) {
        items = xcalloc(reply_count(reply) / 2, sizeof(*items));
        changes = (struct changes){
            .token = reply_token(reply, 1),
            .rev = reply_number(reply, 2),
            .has_more = reply_number(reply, 3) == 1,
            .is_cut = reply_number(reply, 4) == 1,
            .items = items,
            .count = take_items(reading, reply, items),
        };
    }
    reading->on_done(reading->data, ok ? &changes : NULL);
    free(items);
    room_unref(reading->room);
    free(reading);
}

static void add_event_head(struct args *args, const struct room *room, const char *type)
{
    add_head(args, room, type);
    redis_command_add(&args->cmd, args->scratch.data, args->scratch.len);
}

void changes_read(struct store *store, struct room *room,
                  const struct changes_range *range, changes_read_fn on_done,
                  void *data)
{
    struct reading *reading = xcalloc(1, sizeof(*reading));
    struct args *args = &store->args;

    *reading = (struct reading){store, room_ref(room), on_done, data};
    scripts_begin(&args->cmd, SCRIPT_CHANGES, 3);
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_CHANGED);
    redis_command_add_u64(&args->cmd, range->after);
    redis_command_add_u64(&args->cmd, range->last);
    args_add_text(args, room_head(room));
    add_event_head(args, room, "message_deleted");
    add_event_head(args, room, "message_edited");
    command_add_changes_max(&args->cmd, room->rules);
    redis_command_add_u64(&args->cmd, PROTO_BATCH_BYTES);
    store_send_script(store, SCRIPT_CHANGES, on_reply, reading);
}
