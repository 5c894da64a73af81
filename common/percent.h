/* percent.h - decoding percent-encoding (RFC 3986, section 2.1). strbuf_add_percent makes
 * it. */
#ifndef COMMON_PERCENT_H
#define COMMON_PERCENT_H

#include <stddef.h>

/* Decodes `text` in place into `*out_len` bytes, which may hold a NUL. 0, or UV_EINVAL where
 * a `%` has not two hex digits behind it. */
int percent_decode(char *text, size_t len, size_t *out_len)
    __attribute__((warn_unused_result));

#endif
