/* answer.h - what one client is answered, as JSON through its socket. */
#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H

#include "common/proto.h"
#include "gateway/conn.h"

/* What is wrong with a request. */
struct answer_error {
    struct json_text id;
    enum proto_error error;
    const char *text; /* NULL: the usual words */
    uint64_t wait_ms; /* until it may be tried again; 0: as long as is usual */
};

void answer_send(struct conn *conn, const struct strbuf *json);

/* Counts the error and sends it; `out` is scratch. */
void answer_send_error(struct conn *conn, struct strbuf *out,
                       const struct answer_error *error);

#endif
