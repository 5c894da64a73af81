/* room_json.c - see room_json.h. */
#include "admin/room_json.h"

#include "admin/broken.h"
#include "common/proto.h"
#include "common/shard_of.h"

/* One that cannot be read: what is not known of it is 0. */
static void add_broken_room(struct strbuf *out, const redisReply *reply, bool whole,
                            unsigned shards)
{
    struct json_text room = reply_text(reply, 0), why = broken_why(reply);

    strbuf_add_text(out, "{\"room\":");
    strbuf_add_json(out, room.base, room.len);
    strbuf_add_text(out, ",\"members\":0,\"seq\":0");
    proto_add_number(out, "shard_id", shard_of(room.base, room.len, shards));
    strbuf_add_text(out, ",\"created_at\":0,\"ttl_ms\":null");
    if (whole)
        strbuf_add_text(out, ",\"epoch\":\"\",\"history_length\":0");
    proto_add_text(out, "broken", why.base, why.len);
    strbuf_add_char(out, '}');
}

bool room_json_add(struct strbuf *out, const redisReply *reply, bool whole,
                   unsigned shards)
{
    struct json_text room = reply_text(reply, 0), epoch;
    uint64_t members;

    if (!proto_is_name(room.base, room.len, PROTO_ROOM_MAX))
        return false;
    if (reply_count(reply) == 2) {
        add_broken_room(out, reply, whole, shards);
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
    if (whole) {
        proto_add_text(out, "epoch", epoch.base, epoch.len);
        proto_add_number(out, "history_length", reply_number(reply, 7));
    }
    strbuf_add_char(out, '}');
    return true;
}
