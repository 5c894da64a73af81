/* routes.h - the table of SPEC section 4: which path goes where, and which role it takes
 * (SPEC-PUBLIC P14). */
#ifndef ADMIN_ROUTES_H
#define ADMIN_ROUTES_H

#include "common/http.h"

struct api;

/* What http_open takes. */
struct http_opts routes_opts(struct api *api);

#endif
