/* base64url.h - bytes as base64url without padding (RFC 4648 section 5, RFC 7515 section 2),
 * strictly: no padding, no other alphabet, no white space, and the bits that stand for nothing
 * are zero, so that bytes are written in one way only. Pure.
 */
#ifndef COMMON_BASE64URL_H
#define COMMON_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"
#include "common/strbuf.h"

/* Adds the bytes that `text` stands for to `out`. False: it is no base64url, and `out` is as it was. */
bool base64url_decode(struct strbuf *out, struct json_text text)
    __attribute__((warn_unused_result));

/* Adds the text of `len` bytes. */
void base64url_add(struct strbuf *out, const void *bytes, size_t len);

#endif
