/* http_route.h - which route a request's path fits, and what stands in a path or a query
 * (RFC 3986). Pure; http.h uses it. */
#ifndef COMMON_HTTP_ROUTE_H
#define COMMON_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"

enum { HTTP_PARAMS_MAX = 3 };

/* Whether `path` (as sent, without its query) fits `pattern`, segment by segment; a segment
 * `{…}` of the pattern takes any one that is not empty, into `params` (HTTP_PARAMS_MAX of
 * them), still percent-encoded and pointing into `path`. */
bool http_route_fits(const char *pattern, struct json_text path,
                     struct json_text *params);

/* The value of the first `name=` in a query, still encoded; base NULL if there is none. */
struct json_text http_route_query(struct json_text query, const char *name);

#endif
