/* keys_merge.h - what `keys` of rc:policy becomes: what is there, and what this replica has read. Pure. */
#ifndef ADMIN_KEYS_MERGE_H
#define ADMIN_KEYS_MERGE_H

#include <stdbool.h>

#include "admin/issuers.h"

/* Adds `{issuer: JWKS, …}` to `out`: of `base`, the same (empty or broken: nothing), with the keys of the issuers that are fresh.
 * `may_choose`: issuers that are not of this replica go, and those of it that are not there come. */
void keys_merge(struct strbuf *out, struct json_text base, struct issuers *issuers,
                bool may_choose);

/* The set of one issuer in such a text; of length 0 where it is not there. `in` has what was read. */
struct json_text keys_merge_find(struct json_text text, struct json_text issuer,
                                 struct json_members *in);

#endif
