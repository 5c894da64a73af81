/* base64url.c - see base64url.h. Four digits of six bits are three bytes. */
#include "common/base64url.h"

#include <stdint.h>

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* What each digit stands for, plus one; 0: it is none. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
    ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
    ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
    ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
    ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
    ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
    ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63,
    ['_'] = 64,
};

/* What is left of the bits behind the last byte must be zero, and less than a digit. */
static bool is_whole(uint32_t bits, unsigned count)
{
    return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

bool base64url_decode(struct strbuf *out, struct json_text text)
{
    uint32_t bits = 0;
    unsigned count = 0;
    bool is_good = true;
    char *to;

    strbuf_reserve(out, text.len / 4 * 3 + 3);
    to = out->data + out->len;
    for (size_t i = 0; i < text.len && is_good; i++) {
        unsigned value = values[(unsigned char)text.base[i]];

        is_good = value > 0;
        bits = bits << 6 | (value - 1);
        count += 6;
        if (count >= 8) {
            count -= 8;
            *to++ = (char)(bits >> count);
        }
    }
    if (is_good && is_whole(bits, count))
        out->len = (size_t)(to - out->data);
    else
        is_good = false;
    out->data[out->len] = '\0';
    return is_good;
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
