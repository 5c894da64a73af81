/* shard_mark.c - see shard_mark.h. */
#include "common/shard_mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool shard_mark_read(struct json_text text, char id[SHARD_MARK_ID_LEN + 1],
                     unsigned *number, unsigned *count)
{
    char copy[SHARD_MARK_TEXT_MAX], digits[2][3];
    int end = 0;

    *number = SHARD_MARK_NONE;
    *count = 0;
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    if (strncmp(copy, "moving ", 7) == 0)
        *number = SHARD_MARK_MOVING;
    else if (strncmp(copy, "moved ", 6) == 0)
        *number = SHARD_MARK_MOVED;
    if (sscanf(copy, "%16[0-9a-f] %2[0-9] %2[0-9]%n", id, digits[0], digits[1], &end) !=
            3 ||
        strlen(id) != SHARD_MARK_ID_LEN || (size_t)end != text.len)
        return false;
    *number = (unsigned)strtoul(digits[0], NULL, 10);
    *count = (unsigned)strtoul(digits[1], NULL, 10);
    return true;
}

void shard_mark_print_wrong(struct strbuf *out, unsigned shard, unsigned of,
                            unsigned found, unsigned found_of)
{
    strbuf_add_format(out, "shard %u of %u ", shard, of);
    if (found_of == 0 && found == SHARD_MARK_MOVING)
        strbuf_add_text(out, "has rooms on the move: roomcast-admin --move-rooms has "
                             "to come to its end");
    else if (found_of == 0 && found == SHARD_MARK_MOVED)
        strbuf_add_text(out, "has lost its rooms to another list, by roomcast-admin "
                             "--move-rooms");
    else
        strbuf_add_format(out, "is marked %u of %u", found, found_of);
}
