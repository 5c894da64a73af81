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
#include "gateway/upgrade.h"

/* Of a request that is no good handshake, or comes when there is no place. */
enum upgrade_refusal {
#define X(id, status) id,
    UPGRADE_REFUSALS(X)
#undef X
        UPGRADE_REFUSALS_COUNT
};

enum refused_connect {
#define X(id, word) id,
    METRIC_REFUSED_CONNECTS(X)
#undef X
};

/* Zeroed to begin with. */
struct handshake {
    struct strbuf *head; /* what has come, unless it came at once */
};

struct handshake_verdict {
    int status; /* as of upgrade_parse; 0: more must come */
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
