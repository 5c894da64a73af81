/* requests.h - from a request to its handler: one row a request in requests.c, one file
 * req_<name>.c each.
 *
 * A client request = req_x.c + a row in requests.c + a row in common/proto.h + a section in
 * docs/protocol.md + a test.
 */
#ifndef GATEWAY_REQUESTS_H
#define GATEWAY_REQUESTS_H

#include "gateway/session.h"

/* A request came in; session_env.dispatch. */
void requests_dispatch(struct session *session, struct json_text text,
                       const struct request_turns *turn_of);

/* What a handler gets. `membership` is there unless the row says that it need not be. */
struct req {
    struct session *session;
    struct membership *membership;
    const struct proto_request *parsed; /* borrowed for the call */
    size_t len;                         /* of the whole request */
};

/* Each returns PROTO_OK if it answered or will, else what to answer. *wait_ms may be set
 * with an error. */
enum proto_error req_join(const struct req *req, uint64_t *wait_ms);
enum proto_error req_leave(const struct req *req, uint64_t *wait_ms);
enum proto_error req_message(const struct req *req, uint64_t *wait_ms);
enum proto_error req_members(const struct req *req, uint64_t *wait_ms);
enum proto_error req_history(const struct req *req, uint64_t *wait_ms);
enum proto_error req_signal(const struct req *req, uint64_t *wait_ms);
enum proto_error req_ping(const struct req *req, uint64_t *wait_ms);

#endif
