/* changes.c - see changes.h. */
#include "gateway/changes.h"

#include <stdlib.h>

#include "common/command.h"
#include "common/intake.h"
#include "common/lines.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/args.h"

enum { EVENTS_AT = 5 }; /* in the answer */

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

static void add_head(struct args *args, const struct room *room, const char *type)
{
    strbuf_reset(&args->scratch, 4096);
    room_begin_event(room, &args->scratch, type);
    strbuf_add_text(&args->scratch, ",\"seq\":");
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
    add_head(args, room, "message_deleted");
    add_head(args, room, "message_edited");
    command_add_changes_max(&args->cmd, room->rules);
    redis_command_add_u64(&args->cmd, PROTO_BATCH_BYTES);
    store_send_script(store, SCRIPT_CHANGES, on_reply, reading);
}
