/* withheld.h - notices of a room under another token than its own, until it is known what that token
 * means (SPEC-SCALE S4). Pure.
 *
 * At most a mebibyte of them: then they are dropped, and the history is read instead.
 */
#ifndef GATEWAY_WITHHELD_H
#define GATEWAY_WITHHELD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"
#include "common/list.h"
#include "common/token.h"

enum { WITHHELD_MAX_BYTES = 1024 * 1024 };

/* Of one room. */
struct withheld {
    struct list notices; /* struct withheld_notice, in order */
    size_t bytes;
    bool has_dropped; /* there were more of them */
};

struct withheld_notice {
    struct list link;
    struct token token;
    size_t len;
    char text[];
};

void withheld_init(struct withheld *withheld);

/* Copies the text. */
void withheld_add(struct withheld *withheld, struct token token, struct json_text text);

/* Puts all into `to`, in order; the caller frees each. Whether some were dropped: that is
 * forgotten then. */
bool withheld_take(struct withheld *withheld, struct list *to);

/* Drops all; none is missed. */
void withheld_clear(struct withheld *withheld);

#endif
