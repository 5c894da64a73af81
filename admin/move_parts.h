/* move_parts.h - copies a key that is too large for one DUMP (move_copy.h): some of its elements at a time. */
#ifndef ADMIN_MOVE_PARTS_H
#define ADMIN_MOVE_PARTS_H

#include "admin/move_item.h"

/* False: the calls have failed, or its type cannot be taken apart. */
bool move_parts_copy(struct move_item *item);

#endif
