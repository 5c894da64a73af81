/* https_url.h - whether a URL may be asked: https, or http to loopback, where nobody is in between.
 * Pure.
 */
#ifndef COMMON_HTTPS_URL_H
#define COMMON_HTTPS_URL_H

#include <stdbool.h>

#include "common/json.h"

/* https, or http with a host that is loopback; a host, no user and password, no blanks. */
bool https_url_is(struct json_text url);

/* Of such a URL: whether it is one of http. */
bool https_url_is_plain(struct json_text url);

#endif
