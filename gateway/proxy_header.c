/* proxy_header.c - see proxy_header.h.
 *
 *     version 1   "PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n"
 *     version 2   12 bytes of signature, version and command, family, length; addresses; the rest is skipped
 */
#include "gateway/proxy_header.h"

#include <stdint.h>
#include <string.h>

#include "common/digits.h"

enum {
    SIGNATURE_BYTES = 12,
    HEAD_BYTES = 16,
    VERSION = 2,
    LOCAL = 0,
    PROXY = 1,
    STREAM = 1, /* over TCP; 0: not said */
    WORDS = 4,
    PORT_MAX = 65535,
    PORT_DIGITS_MAX = 5,
};

static const char signature[SIGNATURE_BYTES + 1] = "\r\n\r\n\0\r\nQUIT\n";
static const char word[] = "PROXY ";

/* Whether the bytes begin as `start`, as far as they have come. */
static bool may_begin_as(const char *bytes, size_t len, const char *start,
                         size_t start_len)
{
    return memcmp(bytes, start, len < start_len ? len : start_len) == 0;
}

/* ---- version 1 ---- */

/* PROXY_WHOLE: the line's end is at *end. */
static enum proxy_result find_end(const char *bytes, size_t len, size_t *end)
{
    for (size_t i = 0; i < len && i + 1 < PROXY_V1_BYTES_MAX; i++) {
        *end = i;
        if (bytes[i] == '\r' && i + 1 == len)
            return PROXY_MORE;
        if (bytes[i] == '\r')
            return bytes[i + 1] == '\n' ? PROXY_WHOLE : PROXY_WRONG;
        if (bytes[i] < ' ' || bytes[i] > '~')
            return PROXY_WRONG;
    }
    return len + 1 < PROXY_V1_BYTES_MAX ? PROXY_MORE : PROXY_WRONG;
}

/* Exactly so many words with one space between. */
static bool split(const char *at, const char *end, const char *words[WORDS],
                  size_t lens[WORDS])
{
    for (size_t i = 0; i < WORDS; i++) {
        const char *space = memchr(at, ' ', (size_t)(end - at));

        if ((space != NULL) != (i + 1 < WORDS))
            return false;
        words[i] = at;
        lens[i] = (size_t)((space ? space : end) - at);
        at = space ? space + 1 : end;
    }
    return true;
}

/* A zero in front is no port, as octal would be another one. */
static bool is_port(const char *text, size_t len)
{
    uint64_t port;

    return len <= PORT_DIGITS_MAX && (len == 1 || text[0] != '0') &&
           digits_parse(text, len, PORT_MAX, &port);
}

static bool parse_addresses(const char *at, const char *end, bool is_v6,
                            struct address *source)
{
    const char *words[WORDS];
    size_t lens[WORDS];
    struct address target;

    if (!split(at, end, words, lens) || !address_parse(source, words[0], lens[0]) ||
        !address_parse(&target, words[1], lens[1]))
        return false;
    for (size_t i = 0; i < 2; i++)
        if ((memchr(words[i], ':', lens[i]) != NULL) != is_v6 ||
            !is_port(words[2 + i], lens[2 + i]))
            return false;
    return true;
}

static bool starts_with(const char *at, const char *end, const char *start)
{
    size_t len = strlen(start);

    return (size_t)(end - at) >= len && memcmp(at, start, len) == 0;
}

static bool parse_line(const char *at, const char *end, struct proxy_header *out)
{
    static const char unknown[] = "UNKNOWN";
    bool is_v6 = starts_with(at, end, "TCP6 ");

    if (starts_with(at, end, unknown))
        return at + strlen(unknown) == end || at[strlen(unknown)] == ' ';
    if (!is_v6 && !starts_with(at, end, "TCP4 "))
        return false;
    out->has_source = parse_addresses(at + 5, end, is_v6, &out->source);
    return out->has_source;
}

static enum proxy_result parse_v1(const char *bytes, size_t len,
                                  struct proxy_header *out)
{
    size_t end;
    enum proxy_result result = find_end(bytes, len, &end);

    if (result != PROXY_WHOLE)
        return result;
    if (!parse_line(bytes + strlen(word), bytes + end, out))
        return PROXY_WRONG;
    out->len = end + 2;
    return PROXY_WHOLE;
}

/* ---- version 2 ---- */

/* By family and transport, in one byte. */
static const struct family {
    unsigned char byte;
    uint16_t bytes;        /* of both addresses and ports */
    uint16_t source_bytes; /* 0: none that counts here */
} families[] = {
    {0x00, 0, 0},
    {0x10 | STREAM, 12, ADDRESS_V4_BYTES},
    {0x20 | STREAM, 36, ADDRESS_BYTES},
    {0x30 | STREAM, 216, 0}, /* a unix socket of the balancer's */
};

static const struct family *find_family(unsigned char byte)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (families[i].byte == byte)
            return &families[i];
    return NULL;
}

static void take_source(const struct family *family, const unsigned char *bytes,
                        struct proxy_header *out)
{
    out->has_source = family->source_bytes > 0;
    if (family->source_bytes == ADDRESS_V4_BYTES)
        address_from_v4(&out->source, bytes);
    else if (out->has_source)
        memcpy(out->source.bytes, bytes, ADDRESS_BYTES);
}

static enum proxy_result parse_v2(const unsigned char *bytes, size_t len,
                                  struct proxy_header *out)
{
    unsigned command;
    const struct family *family;
    size_t more;

    if (len < HEAD_BYTES)
        return PROXY_MORE;
    command = bytes[SIGNATURE_BYTES] & 0x0f;
    family = find_family(bytes[SIGNATURE_BYTES + 1]);
    more = (size_t)bytes[SIGNATURE_BYTES + 2] * 256 + bytes[SIGNATURE_BYTES + 3];
    if (bytes[SIGNATURE_BYTES] >> 4 != VERSION || command > PROXY ||
        HEAD_BYTES + more > PROXY_V2_BYTES_MAX)
        return PROXY_WRONG;
    if (command == PROXY && (!family || more < family->bytes))
        return PROXY_WRONG;
    if (len < HEAD_BYTES + more)
        return PROXY_MORE;
    out->len = HEAD_BYTES + more;
    if (command == PROXY)
        take_source(family, bytes + HEAD_BYTES, out);
    return PROXY_WHOLE;
}

enum proxy_result proxy_header_parse(const char *bytes, size_t len,
                                     struct proxy_header *out)
{
    *out = (struct proxy_header){.len = 0};
    if (len == 0)
        return PROXY_MORE;
    if (may_begin_as(bytes, len, signature, SIGNATURE_BYTES))
        return parse_v2((const unsigned char *)bytes, len, out);
    if (may_begin_as(bytes, len, word, strlen(word)))
        return parse_v1(bytes, len, out);
    return PROXY_WRONG;
}
