/* handshake.h - the HTTP request of one client, as far as it has come, and what is answered
 * (upgrade.h parses and prints). Knows no socket: bytes in, a verdict and bytes out.
 */
#ifndef GATEWAY_HANDSHAKE_H
#define GATEWAY_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"
#include "common/metrics.h"
#include "common/strbuf.h"
#include "gateway/proxy_header.h"
#include "gateway/upgrade.h"

/* Of a request that is no good handshake, or comes when there is no place. */
enum upgrade_refusal {
#define X(id, status) id,
    UPGRADE_REFUSALS(X)
#undef X
        UPGRADE_REFUSALS_COUNT
};

/* Zeroed to begin with. */
struct handshake {
    struct strbuf *head; /* what has come, unless it came at once */
};

enum { HANDSHAKE_DROPPED = -1 };

struct handshake_verdict {
    /* As of upgrade_parse; 0: more must come; HANDSHAKE_DROPPED: it does not begin with the header of
     * the PROXY protocol, and is answered nothing */
    int status;
    struct proxy_header proxy; /* of that protocol; its len is 0 until it is whole */
    struct upgrade_request
        req;          /* as far as it was read; points into the bytes and the head */
    const char *rest; /* what came after the request; of 101 */
    size_t rest_len;
};

/* More of the request has come. `is_full`: whatever it says, it gets 503. */
struct handshake_verdict handshake_take(struct handshake *handshake, const char *bytes,
                                        size_t len, const struct config *config,
                                        bool is_full);

/* Counts a refusal and adds its answer to `out`. To a page that may not connect it says what to set,
 * and in the log. `req`: NULL where the status is not of handshake_take. */
void handshake_print_refusal(struct strbuf *out, int status,
                             const struct upgrade_request *req,
                             struct metrics *metrics);

void handshake_deinit(struct handshake *handshake);

#endif
