/* percent.c - see percent.h. */
#include "common/percent.h"

#include <uv.h>

#include "common/digits.h"

int percent_decode(char *text, size_t len, size_t *out_len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        int byte;

        if (text[i] != '%') {
            text[out++] = text[i];
            continue;
        }
        byte = len - i > 2 ? digits_parse_hex(text + i + 1, 2) : -1;
        if (byte < 0)
            return UV_EINVAL;
        text[out++] = (char)byte;
        i += 2;
    }
    *out_len = out;
    return 0;
}
