/* answer.c - see answer.h. */
#include "gateway/answer.h"

enum { RETRY_AFTER_MS = 1000 }; /* what a client is told when Redis is away */

void answer_send(struct conn *conn, const struct strbuf *json)
{
    conn_send_text(conn, json->data, json->len);
}

void answer_send_error(struct conn *conn, struct strbuf *out,
                       const struct answer_error *error)
{
    struct metrics *m = conn->env->metrics;
    uint64_t wait_ms = error->wait_ms;

    metric_add(&m->errors_total[error->error - 1], 1); /* PROTO_OK is none */
    if (error->error == PROTO_UNAVAILABLE && wait_ms == 0)
        wait_ms = RETRY_AFTER_MS;
    strbuf_reset(out, 64 * 1024);
    proto_print_error(out, error->id, error->error, error->text, wait_ms);
    answer_send(conn, out);
}
