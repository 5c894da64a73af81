/* req_delete.c - `delete`: with the right to moderate any message, which is noted in the audit; else one's own,
 * for as long as the room's class says. */
#include "gateway/requests.h"

#include "gateway/audit.h"

static void on_moderated(void *data, const struct change_result *result)
{
    struct session *session = session_of_request(data);
    const struct request *request = data;
    const struct audit_entry entry = {
        .what = AUDIT_DELETE,
        .room = {result->room->name, result->room->name_len},
        .seq = request->seq,
    };

    if (result->error == PROTO_OK)
        audit_note(&session->env->policy, result->by, &entry);
    req_change_done(data, result);
}

enum proto_error req_delete(const struct req *req, uint64_t *wait_ms)
{
    bool moderates = req->membership->rights & RIGHT_MODERATE;
    struct room *room = req->membership->member.room;
    struct change_wish wish;

    (void)wait_ms;
    if (!req_change_may(req, moderates, &wish))
        return PROTO_FORBIDDEN;
    changes_delete(&shard_of_room(room)->store, room, &wish,
                   moderates ? on_moderated : req_change_done, req_change_begin(req));
    return PROTO_OK;
}
