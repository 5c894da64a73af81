/* shard_mark.h - the mark of a Redis in a list (rc:shard): `<fleet id> <number> <how many>`
 * (SPEC-SCALE S3). */
#ifndef COMMON_SHARD_MARK_H
#define COMMON_SHARD_MARK_H

#include <stdbool.h>

#include "common/json.h"
#include "common/strbuf.h"

enum { SHARD_MARK_ID_LEN = 16, SHARD_MARK_TEXT_MAX = 64 };

/* False: it cannot be read, and number and count are 0. */
bool shard_mark_read(struct json_text text, char id[SHARD_MARK_ID_LEN + 1],
                     unsigned *number, unsigned *count);

/* `shard 1 of 3 is marked 2 of 3` */
void shard_mark_print_wrong(struct strbuf *out, unsigned shard, unsigned of,
                            unsigned found, unsigned found_of);

#endif
