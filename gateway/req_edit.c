/* req_edit.c - `edit`: another text for a message of one's own, for as long as the room's class says. */
#include "gateway/requests.h"

enum proto_error req_edit(const struct req *req, uint64_t *wait_ms)
{
    const struct member *member = &req->membership->member;
    const struct proto_message message = {
        .user = {member->user->name, member->user->name_len},
        .name = session_name(req->session),
        .text = req->parsed->text,
        .data = req->parsed->data,
    };
    struct change_wish wish;

    (void)wait_ms;
    if (!req_change_may(req, false, &wish))
        return PROTO_FORBIDDEN;
    changes_edit(&shard_of_room(member->room)->store, member->room, &wish, &message,
                 req_change_done, req_change_begin(req));
    return PROTO_OK;
}
