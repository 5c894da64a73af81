/* ops.h - requests to handlers: one row a request in ops.c, one file op_<name>.c each.
 *
 * A client request = op_x.c + a row in ops.c + a row in common/proto.h + a section in
 * docs/protocol.md + a test.
 */
#ifndef GATEWAY_OPS_H
#define GATEWAY_OPS_H

#include "gateway/session.h"

/* A request came in; session_env.dispatch. */
void ops_dispatch(struct session *session, const char *text, size_t len,
                  const struct membership *turn_of);

/* What a handler gets. `membership` is NULL only for join (not in the room yet). */
struct op {
    struct session *session;
    struct membership *membership;
    const struct proto_request *req; /* borrowed for the call */
    size_t len;                      /* of the whole request */
};

/* Each returns PROTO_OK if it answered or will, else what to answer. *wait_ms may be set
 * with an error. */
enum proto_error op_join(const struct op *op, uint64_t *wait_ms);
enum proto_error op_leave(const struct op *op, uint64_t *wait_ms);
enum proto_error op_message(const struct op *op, uint64_t *wait_ms);
enum proto_error op_members(const struct op *op, uint64_t *wait_ms);
enum proto_error op_history(const struct op *op, uint64_t *wait_ms);
enum proto_error op_signal(const struct op *op, uint64_t *wait_ms);

#endif
