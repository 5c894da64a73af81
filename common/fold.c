/* fold.c - see fold.h. */
#include "common/fold.h"

#include <stdint.h>
#include <wctype.h>

#include "common/json.h"
#include "common/utf8.h"

locale_t fold_open_locale(void)
{
    return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static void add_ascii(struct strbuf *out, unsigned char byte)
{
    strbuf_add_char(out,
                    (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte));
}

void fold_add(struct strbuf *out, locale_t locale, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;
    bool all = locale && json_is_utf8(bytes, len);

    while (at < end) {
        uint32_t c;

        if (!all || (unsigned char)*at < 0x80) {
            add_ascii(out, *at++);
            continue;
        }
        at = utf8_decode(at, end, &c);
        /* Up and down again: of some letters there are two small ones. */
        utf8_add(out, (uint32_t)towlower_l(towupper_l((wint_t)c, locale), locale));
    }
}
