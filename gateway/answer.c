/* answer.c - see answer.h. */
#include "gateway/answer.h"

enum { RETRY_AFTER_MS = 1000 }; /* what a client is told when Redis is away */

void answer_send(struct conn *conn, const struct strbuf *json)
{
    conn_send_text(conn, json->data, json->len);
}

void answer_send_error(struct conn *conn, struct strbuf *out, struct json_text id,
                       const struct proto_refusal *refusal)
{
    struct proto_refusal answer = *refusal;

    metric_add(&conn->env->metrics->errors_total[answer.error - 1],
               1); /* 0: PROTO_OK */
    if (answer.error == PROTO_UNAVAILABLE && answer.retry_after_ms == 0)
        answer.retry_after_ms = RETRY_AFTER_MS;
    strbuf_reset(out, 64 * 1024);
    proto_print_error(out, id, &answer);
    answer_send(conn, out);
}
