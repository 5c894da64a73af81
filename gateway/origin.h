/* origin.h - which pages may connect (SPEC section 5). Pure. */
#ifndef GATEWAY_ORIGIN_H
#define GATEWAY_ORIGIN_H

#include "gateway/http_text.h"

/* Whether a page of this Origin may connect to `host`. `allowed` is a comma separated list of
 * origins, compared without case; `*` stands for any, `same-host` for a page over http or https
 * from the host that the request is for, ports aside, where all loopback hosts are one. A request
 * without Origin (base NULL) is no browser's and always allowed. */
bool origin_is_allowed(struct http_text origin, struct http_text host,
                       const char *allowed);

#endif
