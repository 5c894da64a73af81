/* percent.c - see percent.h. */
#include "common/percent.h"

#include <uv.h>

static int value_of_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_decode(char *text, size_t len, size_t *out_len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        int high, low;

        if (text[i] != '%') {
            text[out++] = text[i];
            continue;
        }
        high = len - i > 2 ? value_of_hex(text[i + 1]) : -1;
        low = high >= 0 ? value_of_hex(text[i + 2]) : -1;
        if (low < 0)
            return UV_EINVAL;
        text[out++] = (char)(high * 16 + low);
        i += 2;
    }
    *out_len = out;
    return 0;
}
