/* utf8.c - see utf8.h. */
#include "common/utf8.h"

#include <stddef.h>

void utf8_add(struct strbuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_add_char(out, (char)c);
        return;
    }
    if (c < 0x800) {
        strbuf_add_char(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            strbuf_add_char(out, (char)(0xe0 | c >> 12));
        } else {
            strbuf_add_char(out, (char)(0xf0 | c >> 18));
            strbuf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
}

const char *utf8_decode(const char *at, const char *end, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char a = (unsigned char)*at;
    size_t len = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;

    *c = UTF8_REPLACEMENT;
    if (len == 0 || a > 0xf4 || (size_t)(end - at) < len)
        return at + 1;
    *c = len == 1 ? a : a & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        unsigned char b = (unsigned char)at[i];

        *c = *c << 6 | (b & 0x3f);
        if ((b & 0xc0) != 0x80) {
            *c = UTF8_REPLACEMENT;
            return at + 1;
        }
    }
    if (*c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff)) {
        *c = UTF8_REPLACEMENT;
        return at + 1;
    }
    return at + len;
}
