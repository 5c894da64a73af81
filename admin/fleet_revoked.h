/* fleet_revoked.h - what is revoked in the fleet (rc:revoked, SPEC-PUBLIC P3): written here, told to the
 * nodes, put back where Redis lost it, and swept when its time is over.
 */
#ifndef ADMIN_FLEET_REVOKED_H
#define ADMIN_FLEET_REVOKED_H

#include "admin/orders.h"
#include "common/revocations.h"

struct api;
struct fleet_revoked;

struct fleet_revoked *fleet_revoked_open(struct api *api);
void fleet_revoked_close(struct fleet_revoked *revoked);

/* Once the loop has ended. */
void fleet_revoked_free(struct fleet_revoked *revoked);

/* What became of it. OK: it counts, and `told` says who has heard of it; else `told` is NULL. */
enum fleet_revoked_result {
    FLEET_REVOKED_OK,
    FLEET_REVOKED_FULL,
    FLEET_REVOKED_FAILED,
};
typedef void (*fleet_revoked_fn)(void *data, enum fleet_revoked_result result,
                                 const struct orders_told *told);

/* `name` as in revocations.h, copied; open connections have `grace_secs`. */
void fleet_revoked_add(struct fleet_revoked *revoked, struct json_text name,
                       const struct revocation *is, uint64_t grace_secs,
                       fleet_revoked_fn on_done, void *data);

#endif
