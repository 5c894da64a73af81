/* grants.h - which rooms a token opens: patterns and the rights that each gives
 * (SPEC-PUBLIC P1).
 *
 * A pattern is a room's name, or the beginning of one with `*` behind it. The one that is the
 * name itself counts before all others, then the longest beginning.
 *
 * Users of one application mostly have equal grants: a worker keeps each set once, and
 * connections share it by references.
 */
#ifndef COMMON_GRANTS_H
#define COMMON_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/map.h"

enum { GRANTS_MAX = 256 };

/* Rights, as bits. */
enum { RIGHT_READ = 1, RIGHT_WRITE = 2, RIGHT_MODERATE = 4 };

/* What a pattern gives where none fits. */
enum { GRANTS_NONE = -1 };

struct grants;

/* The sets of a worker. Zeroed is empty. */
struct grants_table {
    struct map sets;
};

/* Of letters `r`, `w`, `m` (`m` gives the others too), decoded. False: another one. */
bool grants_parse_rights(struct json_text letters, unsigned *rights);

/* "r", "rw", "rwm", "": static. Without `r` there is nothing. */
const char *grants_print_rights(unsigned rights);

/* A reference to the set that `rooms` tells, a JSON object that json_scan has checked. NULL: it
 * has more than GRANTS_MAX entries, a pattern that is none, rights that are none, or a pattern
 * twice. */
struct grants *grants_get(struct grants_table *table, struct json_text rooms);

/* The rights for this room, or GRANTS_NONE. */
int grants_find(const struct grants *grants, struct json_text room);

/* Gives a reference back; accepts NULL. */
void grants_unref(struct grants *grants);

/* All references must have been given back. */
void grants_table_deinit(struct grants_table *table);

#endif
