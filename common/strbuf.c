/* strbuf.c - see strbuf.h. */
#include "common/strbuf.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <assert.h>
#include <endian.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { CAP_MIN = 64 };

static const char hex_digits[] = "0123456789abcdef";

void strbuf_deinit(struct strbuf *b)
{
    free(b->data);
    *b = (struct strbuf){0};
}

void strbuf_reset(struct strbuf *b, size_t keep_bytes)
{
    if (b->cap > keep_bytes)
        strbuf_deinit(b);
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

char *strbuf_reserve(struct strbuf *b, size_t more)
{
    size_t need = b->len + more + 1;

    assert(need > b->len && need <= SIZE_MAX / 2);
    if (need > b->cap) {
        size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap * 2;

        b->cap = cap < need ? need : cap;
        b->data = xrealloc(b->data, b->cap);
    }
    return b->data + b->len;
}

void strbuf_add(struct strbuf *b, const void *bytes, size_t len)
{
    char *to = strbuf_reserve(b, len);

    if (len > 0)
        memcpy(to, bytes, len);
    to[len] = '\0';
    b->len += len;
}

void strbuf_add_text(struct strbuf *b, const char *text)
{
    strbuf_add(b, text, strlen(text));
}

void strbuf_add_char(struct strbuf *b, char c)
{
    strbuf_add(b, &c, 1);
}

const char *strbuf_print_u64(char digits[STRBUF_U64_DIGITS], uint64_t value)
{
    char *at = digits + STRBUF_U64_DIGITS;

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return at;
}

void strbuf_add_u64(struct strbuf *b, uint64_t value)
{
    char digits[STRBUF_U64_DIGITS];
    const char *first = strbuf_print_u64(digits, value);

    strbuf_add(b, first, (size_t)(digits + sizeof(digits) - first));
}

void strbuf_add_format(struct strbuf *b, const char *fmt, ...)
{
    va_list args, again;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    assert(len >= 0);
    vsnprintf(strbuf_reserve(b, (size_t)len), (size_t)len + 1, fmt, again);
    b->len += (size_t)len;
    va_end(again);
    va_end(args);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Of the sixteen bytes at `text`, a bit for each that is not plain. Those beyond ASCII count as
 * negative, so as less than a space. */
#ifdef __SSE2__
static unsigned find_odd_16(const char *text)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));

    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(low, quote), _mm_or_si128(slash, del)));
}
#endif

/* Sixteen bytes at a time where the processor has it. Then eight: one that is not plain raises the high bit of its place, and may raise
 * those of places behind it, so that the lowest counts. */
size_t strbuf_plain_len(const char *text, size_t len)
{
    const uint64_t each = 0x0101010101010101u;
    size_t i = 0;

#ifdef __SSE2__
    for (; i + 16 <= len; i += 16) {
        unsigned found = find_odd_16(text + i);

        if (found)
            return i + (size_t)__builtin_ctz(found);
    }
#endif
    for (; i + 8 <= len; i += 8) {
        uint64_t eight, odd;

        memcpy(&eight, text + i, 8);
        eight = le64toh(eight);
        odd = (eight | (eight - 0x20 * each) | (eight + each) |
               ((eight ^ '"' * each) - each) | ((eight ^ '\\' * each) - each)) &
              0x80 * each;
        if (odd)
            return i + (size_t)__builtin_ctzll(odd) / 8;
    }
    while (i < len && is_plain((unsigned char)text[i]))
        i++;
    return i;
}

static void add_json_escape(struct strbuf *b, unsigned char c)
{
    static const char shorts[][2] = {
        {'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
        {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'},
    };

    for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
        if (c == (unsigned char)shorts[i][0]) {
            strbuf_add(b, (const char[]){'\\', shorts[i][1]}, 2);
            return;
        }
    strbuf_add(
        b, (const char[]){'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]},
        6);
}

void strbuf_add_json(struct strbuf *b, const char *text, size_t len)
{
    size_t start = 0, i = 0;

    strbuf_reserve(b, len + 2);
    strbuf_add_char(b, '"');
    while ((i += strbuf_plain_len(text + i, len - i)) < len) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x80) {
            strbuf_add(b, text + start, i - start);
            add_json_escape(b, c);
            start = i + 1;
        }
        do
            i++;
        while (c >= 0x80 && i < len && (unsigned char)text[i] >= 0x80);
    }
    strbuf_add(b, text + start, len - start);
    strbuf_add_char(b, '"');
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

void strbuf_add_percent(struct strbuf *b, const char *text, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (is_unreserved(text[i]))
            strbuf_add_char(b, text[i]);
        else
            strbuf_add(b, (const char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

void strbuf_drop_front(struct strbuf *b, size_t len)
{
    assert(len <= b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len + 1);
    b->len -= len;
}
