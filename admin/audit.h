/* audit.h - what operators did, in the stream rc:audit: who, what, to whom, when, from
 * where. Those who listen to the events are told at once. */
#ifndef ADMIN_AUDIT_H
#define ADMIN_AUDIT_H

#include <stdint.h>

#include "admin/auth.h"
#include "common/audit_entry.h"
#include "common/http.h"

/* Who asks and from where; of a request that was admitted, and taken while the request is handled, because the client may go. */
struct audit_origin {
    char who[AUTH_NAME_MAX + 1];
    char from[HTTP_PEER_MAX];
};

void audit_origin_of(struct audit_origin *origin, const struct http_request *req);

/* Counts it and writes it; a failure is logged. `who` and `from` are the origin's. */
struct api;
void audit_add(struct api *api, const struct audit_origin *origin,
               const struct audit_entry *entry);

#endif
