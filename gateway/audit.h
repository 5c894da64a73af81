/* audit.h - what moderators in rooms do, in the stream rc:audit of shard 0, as `user:<name>` (SPEC-PUBLIC P6).
 */
#ifndef GATEWAY_AUDIT_H
#define GATEWAY_AUDIT_H

#include "common/audit_entry.h"
#include "gateway/policy.h"

/* Writes it; a failure is logged. `who` is made of `user`. */
void audit_note(struct policy *policy, struct json_text user,
                const struct audit_entry *entry);

#endif
