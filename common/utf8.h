/* utf8.h - characters out of UTF-8 and into it. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdint.h>

#include "common/strbuf.h"

enum { UTF8_REPLACEMENT = 0xfffd };

/* One character at `at` (before `end`); returns the place behind it. Bytes that are not UTF-8
 * are U+FFFD, one by one. */
const char *utf8_decode(const char *at, const char *end, uint32_t *c);

void utf8_add(struct strbuf *out, uint32_t c);

#endif
