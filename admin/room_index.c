/* room_index.c - see room_index.h.
 *
 *     room_index_touch -> HLEN of its members -> on_members -> index.lua
 */
#include "admin/room_index.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/xalloc.h"

struct touch {
    struct api *api;
    size_t len;
    char room[];
};

/* One that was emptied and gone meanwhile is taken off by those who look for such. */
static void on_members(void *data, int status, const redisReply *reply)
{
    struct touch *touch = data;
    struct db *db = &touch->api->db;
    struct json_text room = {touch->room, touch->len};
    unsigned shard = db_shard_of(db, room);

    if (status == 0) {
        db_begin_script(db, shard, SCRIPT_INDEX, 3);
        command_add_fleet_key(&db->cmd, shard, KEY_ROOMS);
        command_add_fleet_key(&db->cmd, shard, KEY_ROOMS_MEMBERS);
        command_add_fleet_key(&db->cmd, shard, KEY_FLEET_EVENTS);
        command_add(&db->cmd, room);
        redis_command_add_u64(&db->cmd, reply_value(reply));
        db_send_script(db, SCRIPT_INDEX, NULL, NULL);
    }
    free(touch);
}

void room_index_touch(struct api *api, struct json_text room)
{
    struct touch *touch = xcalloc(1, sizeof(*touch) + room.len);

    touch->api = api;
    touch->len = room.len;
    memcpy(touch->room, room.base, room.len);
    db_begin_room(&api->db, room, "HLEN");
    command_add_room_key(&api->db.cmd, room, KEY_MEMBERS);
    db_send(&api->db, on_members, touch);
}
