/* move_walk.h - walks all keys of rooms on one side of a move (move.h), page by page.
 *
 * SCAN gives each key that is there from the beginning to the end at least once, perhaps twice.
 */
#ifndef ADMIN_MOVE_WALK_H
#define ADMIN_MOVE_WALK_H

#include "admin/move_links.h"

/* A key of a room; both texts are borrowed from the page. */
struct move_name {
    struct json_text key, room;
};

/* May wait for calls. False: the move has failed, and the walk ends. */
typedef bool (*move_page_fn)(void *data, const struct move_place *place,
                             const struct move_name *names, size_t count);

/* False: as above. */
bool move_walk(struct move_links *links, enum move_which which, move_page_fn on_page,
               void *data);

#endif
