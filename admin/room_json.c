/* room_json.c - see room_json.h. */
#include "admin/room_json.h"

#include "admin/broken.h"
#include "common/proto.h"
#include "common/shard_of.h"

static void add_class(struct strbuf *out, const struct classes *classes,
                      struct json_text room)
{
    const struct class_entry *class = classes_find(classes, room);

    if (class)
        proto_add_text(out, "class", class->bytes, class->prefix_len);
    else
        proto_add_raw(out, "class", "null");
    strbuf_add_text(out, ",\"rules\":");
    class_rules_print(out, classes_rules(classes, room));
}

/* One that cannot be read: what is not known of it is 0. */
static void add_broken_room(struct strbuf *out, const redisReply *reply,
                            const struct classes *classes, unsigned shards)
{
    struct json_text room = reply_text(reply, 0), why = broken_why(reply);

    strbuf_add_text(out, "{\"room\":");
    strbuf_add_json(out, room.base, room.len);
    strbuf_add_text(out, ",\"members\":0,\"seq\":0");
    proto_add_number(out, "shard_id", shard_of(room.base, room.len, shards));
    strbuf_add_text(out, ",\"created_at\":0,\"ttl_ms\":null");
    if (classes) {
        strbuf_add_text(out, ",\"epoch\":\"\",\"history_length\":0");
        add_class(out, classes, room);
    }
    proto_add_text(out, "broken", why.base, why.len);
    strbuf_add_char(out, '}');
}

bool room_json_add(struct strbuf *out, const redisReply *reply,
                   const struct classes *classes, unsigned shards)
{
    struct json_text room = reply_text(reply, 0), epoch;
    uint64_t members;

    if (!proto_is_name(room.base, room.len, PROTO_ROOM_MAX))
        return false;
    if (reply_count(reply) == 2) {
        add_broken_room(out, reply, classes, shards);
        return true;
    }
    if (!reply_is_array(reply, 8))
        return false;
    epoch = reply_text(reply, 1);
    if (!proto_is_epoch(epoch.base, epoch.len))
        epoch.len = 0;
    members = reply_number(reply, 5);
    strbuf_add_text(out, "{\"room\":");
    strbuf_add_json(out, room.base, room.len);
    proto_add_number(out, "members", members);
    proto_add_number(out, "seq", reply_number(reply, 2));
    proto_add_number(out, "shard_id", reply_number(reply, 3));
    proto_add_number(out, "created_at", reply_number(reply, 4));
    if (members > 0)
        proto_add_raw(out, "ttl_ms", "null");
    else
        proto_add_number(out, "ttl_ms", reply_number(reply, 6));
    if (classes) {
        proto_add_text(out, "epoch", epoch.base, epoch.len);
        proto_add_number(out, "history_length", reply_number(reply, 7));
        add_class(out, classes, room);
    }
    strbuf_add_char(out, '}');
    return true;
}
