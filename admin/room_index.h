/* room_index.h - the indexes that listings page through must know what this service does. */
#ifndef ADMIN_ROOM_INDEX_H
#define ADMIN_ROOM_INDEX_H

#include "common/json.h"

struct api;

/* Something was said in a room that is there. */
void room_index_touch(struct api *api, struct json_text room);

#endif
