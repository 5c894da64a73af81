/* audit_entry.h - an entry of the stream rc:audit: who did what, to whom, when, from where (lua/audit.lua). Admin
 * services write what operators do, gateways what moderators do.
 */
#ifndef COMMON_AUDIT_ENTRY_H
#define COMMON_AUDIT_ENTRY_H

#include <stdint.h>

#include "common/json.h"
#include "common/metric_labels.h"
#include "common/redis_command.h"
#include "common/strbuf.h"

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

/* Adds ARGV of audit.lua from the event on. */
void audit_entry_add(struct redis_command *cmd, struct strbuf *scratch,
                     const struct audit_entry *entry);

#endif
