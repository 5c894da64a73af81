/* proxy_header.h - the header of the PROXY protocol, version 1 or 2, with which a balancer says whose
 * connection it passes on (SPEC-PUBLIC P4). Pure: bytes in, a verdict out.
 */
#ifndef GATEWAY_PROXY_HEADER_H
#define GATEWAY_PROXY_HEADER_H

#include "common/address.h"

enum { PROXY_V1_BYTES_MAX = 107, PROXY_V2_BYTES_MAX = 536 };

enum proxy_result { PROXY_MORE, PROXY_WRONG, PROXY_WHOLE };

struct proxy_header {
    size_t len;      /* of a whole one; else 0 */
    bool has_source; /* else the socket's own address counts: LOCAL, UNKNOWN, unix */
    struct address source;
};

/* Looks at the `len` bytes that have come so far. PROXY_MORE: more are needed (never once
 * PROXY_V2_BYTES_MAX are there). A verdict does not change when more bytes come. */
enum proxy_result proxy_header_parse(const char *bytes, size_t len,
                                     struct proxy_header *out);

#endif
