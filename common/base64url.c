/* base64url.c - see base64url.h. */
#include "common/base64url.h"

#include <stdint.h>
#include <string.h>

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

/* Four digits are three bytes. False: one of them is none. */
static bool take_four(const unsigned char *in, char *out)
{
    uint32_t a = values[in[0]] - 1u, b = values[in[1]] - 1u;
    uint32_t c = values[in[2]] - 1u, d = values[in[3]] - 1u;
    uint32_t bits = a << 18 | b << 12 | c << 6 | d;

    out[0] = (char)(bits >> 16);
    out[1] = (char)(bits >> 8);
    out[2] = (char)bits;
    return (a | b | c | d) < 64;
}

/* The last two or three, which stand for one byte or two; the bits behind those must be zero. */
static bool take_rest(const unsigned char *in, size_t len, char *out)
{
    unsigned char padded[4] = {'A', 'A', 'A', 'A'};
    char bytes[3];

    if (len == 0)
        return true;
    memcpy(padded, in, len);
    if (len == 1 || !take_four(padded, bytes))
        return false;
    memcpy(out, bytes, len - 1);
    return bytes[len - 1] == 0;
}

bool base64url_decode(struct strbuf *out, struct json_text text)
{
    const unsigned char *in = (const unsigned char *)text.base;
    size_t whole = text.len / 4 * 4, i = 0;
    char *to;
    bool is_good;

    strbuf_reserve(out, text.len / 4 * 3 + 3);
    to = out->data + out->len;
    while (i < whole && take_four(in + i, to)) {
        i += 4;
        to += 3;
    }
    is_good = i == whole && take_rest(in + i, text.len - i, to);
    if (is_good)
        out->len += text.len * 3 / 4;
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
