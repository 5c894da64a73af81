/* digits.c - see digits.h. */
#include "common/digits.h"

int digits_parse_hex(const char *text, size_t count)
{
    int value = 0;

    for (size_t i = 0; i < count; i++) {
        char c = text[i], lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + lower - 'a' + 10;
        else
            return -1;
    }
    return value;
}

void digits_print_hex(char *out, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *out++ = "0123456789abcdef"[bytes[i] >> 4];
        *out++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *out = '\0';
}

bool digits_parse(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    *out = 0;
    if (len < 1 || len > 19)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    }
    return *out <= max;
}
