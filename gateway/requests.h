/* requests.h - from a request to its handler: one row a request in PROTO_REQUESTS, one file
 * req_<name>.c each.
 *
 * A client request = a row in common/proto.h + req_x.c + a section in docs/protocol.md + a test.
 */
#ifndef GATEWAY_REQUESTS_H
#define GATEWAY_REQUESTS_H

#include "gateway/changes.h"
#include "gateway/session.h"

/* A request came in; session_env.dispatch. */
void requests_dispatch(struct session *session, struct json_text text,
                       const struct request_turns *turn_of);

/* What a handler gets. `membership` is there if the row says that it must be. */
struct req {
    struct session *session;
    struct membership *membership;
    struct proto_request *parsed; /* borrowed for the call */
    size_t len;                   /* of the whole request */
};

/* req_join and so on. Each returns PROTO_OK if it answered or will, else what to answer. *wait_ms
 * may be set with an error. */
#define X(id, word, ...)                                                               \
    enum proto_error req_##word(const struct req *req, uint64_t *wait_ms);
PROTO_REQUESTS(X)
#undef X

/* Of `edit` and `delete`: what may be changed (SPEC-PUBLIC P6), with `is_any` any message, else one's own for
 * as long as the room's class says. False: nothing. */
bool req_change_may(const struct req *req, bool is_any, struct change_wish *wish);

/* It takes a token of ROOMCAST_MESSAGES_PER_SEC, as a message does. req_change_done answers it, with the
 * request as data. */
struct request *req_change_begin(const struct req *req);
void req_change_done(void *data, const struct change_result *result);

#endif
