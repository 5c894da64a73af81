/* base64url.c - see base64url.h. Four digits of six bits are three bytes. */
#include "common/base64url.h"

#include <stdint.h>

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* -1: no digit. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* What is left of the bits behind the last byte must be zero, and less than a digit. */
static bool is_whole(uint32_t bits, unsigned count)
{
    return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

bool base64url_decode(struct strbuf *out, struct json_text text)
{
    size_t before = out->len;
    uint32_t bits = 0;
    unsigned count = 0;

    strbuf_reserve(out, text.len / 4 * 3 + 3);
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.base[i]);

        if (value < 0)
            break;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            strbuf_add_char(out, (char)(bits >> count));
        }
        if (i + 1 == text.len && is_whole(bits, count))
            return true;
    }
    out->len = before;
    out->data[before] = '\0';
    return text.len == 0;
}

void base64url_add(struct strbuf *out, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    uint32_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (count += 8; count >= 6; count -= 6)
            strbuf_add_char(out, digits[bits >> (count - 6) & 63]);
    }
    if (count > 0)
        strbuf_add_char(out, digits[bits << (6 - count) & 63]);
}
