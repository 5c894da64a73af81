/* req_ping.c - `ping`: answered at once, whatever Redis does. */
#include "gateway/requests.h"

enum proto_error req_ping(const struct req *req, uint64_t *wait_ms)
{
    struct strbuf *out = &req->session->env->reply;

    (void)wait_ms;
    strbuf_reset(out, 64 * 1024);
    proto_begin(out, "pong", req->parsed->id);
    strbuf_add_char(out, '}');
    session_send(req->session, out);
    return PROTO_OK;
}
