/* shard_mark.h - the mark of a Redis in a list (rc:shard): `<fleet id> <number> <how many>`
 * (SPEC-SCALE S3). While rooms are moved to another list it is `moving …`, and `moved …` where they have
 * left for good (admin/move_marks.h): no gateway works with such a one. */
#ifndef COMMON_SHARD_MARK_H
#define COMMON_SHARD_MARK_H

#include <stdbool.h>

#include "common/json.h"
#include "common/strbuf.h"

enum { SHARD_MARK_ID_LEN = 16, SHARD_MARK_TEXT_MAX = 64 };

/* In place of the number, with a count of 0, of what is no such mark. */
enum shard_mark_word { SHARD_MARK_NONE, SHARD_MARK_MOVING, SHARD_MARK_MOVED };

/* False: it is another one: the count is 0, and the number one of the words above. */
bool shard_mark_read(struct json_text text, char id[SHARD_MARK_ID_LEN + 1],
                     unsigned *number, unsigned *count);

/* `shard 1 of 3 is marked 2 of 3`, or what one of the words says. */
void shard_mark_print_wrong(struct strbuf *out, unsigned shard, unsigned of,
                            unsigned found, unsigned found_of);

#endif
