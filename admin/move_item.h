/* move_item.h - one key of a move (move.h): what it is called and where it is on either side, and what was
 * found about it on the way. */
#ifndef ADMIN_MOVE_ITEM_H
#define ADMIN_MOVE_ITEM_H

#include "admin/move_links.h"

enum move_type {
    MOVE_TYPE_GONE,
    MOVE_TYPE_STRING,
    MOVE_TYPE_LIST,
    MOVE_TYPE_HASH,
    MOVE_TYPE_SET,
    MOVE_TYPE_ZSET,
    MOVE_TYPE_STREAM,
    MOVE_TYPE_OTHER
};

struct move_item {
    struct json_text key[2]; /* its name on either side; borrowed */
    struct json_text room;   /* borrowed; empty: it is none of a room */
    struct move_at at[2];
    bool is_left; /* it is not copied, only removed */
    bool is_meta; /* of its room */

    /* What is found. */
    struct move_links *links;
    enum move_type type;
    long long ttl_ms[2];  /* below 0: it does not expire, or is gone */
    uint64_t measured_ms; /* when that of the source was read */
    uint64_t bytes;
    long long len[2];
    char numbers[2][160]; /* of a room's meta */
    char score[40];       /* in the index */
    bool is_copied;
};

#endif
