/* fold.c - see fold.h. */
#include "common/fold.h"

#include <stdint.h>
#include <wctype.h>

#include "common/json.h"

locale_t fold_open_locale(void)
{
    return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static void add_ascii(struct strbuf *out, unsigned char byte)
{
    strbuf_add_char(out,
                    (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte));
}

/* The character at `at`, which is of more than one byte, in text that is UTF-8; its bytes. */
static size_t take(const unsigned char *at, uint32_t *out)
{
    size_t len = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

    *out = *at & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        *out = *out << 6 | (at[i] & 0x3f);
    return len;
}

static void add_character(struct strbuf *out, uint32_t c)
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

void fold_add(struct strbuf *out, locale_t locale, const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes, *end = at + len;
    bool all = locale && json_is_utf8(bytes, len);

    while (at < end) {
        uint32_t c;

        if (!all || *at < 0x80) {
            add_ascii(out, *at++);
            continue;
        }
        at += take(at, &c);
        /* Up and down again: of some letters there are two small ones. */
        add_character(out, (uint32_t)towlower_l(towupper_l((wint_t)c, locale), locale));
    }
}
