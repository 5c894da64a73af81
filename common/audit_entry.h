/* audit_entry.h - an entry of the stream rc:audit: who did what, to whom, when, from where (lua/audit.lua). Admin
 * services write what operators do, gateways what moderators do.
 */
#ifndef COMMON_AUDIT_ENTRY_H
#define COMMON_AUDIT_ENTRY_H

#include <stdint.h>

#include "common/json.h"
#include "common/metric_labels.h"
#include "common/registry_calls.h"

enum audit_action {
#define X(id, word) id,
    AUDIT_ACTIONS(X)
#undef X
        AUDIT_ACTIONS_COUNT
};

/* Texts with base NULL and seq 0 are left out. */
struct audit_entry {
    struct json_text who, room, user, detail, from;
    enum audit_action what;
    uint64_t seq;
};

/* Writes it to the registry of shard 0, where about `keep` entries stay; a failure is logged. */
void audit_entry_write(const struct registry_calls *calls, void *owner,
                       const struct audit_entry *entry, long keep);

#endif
