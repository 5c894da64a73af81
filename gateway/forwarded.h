/* forwarded.h - whom proxies say that they forward for: X-Forwarded-For (SPEC-PUBLIC P4). Pure.
 *
 * Each proxy adds at the end whom it was asked by, so only the end can be believed, as far back as
 * the proxies are trusted.
 */
#ifndef GATEWAY_FORWARDED_H
#define GATEWAY_FORWARDED_H

#include "common/networks.h"
#include "gateway/http_text.h"

/* The last address that is not among `trusted`. False: there is none, or after it stands something
 * that is no address: the peer's own counts. `lines`: of upgrade_request. */
bool forwarded_find(struct http_text lines, const struct networks *trusted,
                    struct address *out);

#endif
