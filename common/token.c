/* token.c - see token.h. A token comes with each notice and each answer, and is nearly always the same:
 * the last one that was parsed is compared before it is taken apart.
 */
#include "common/token.h"

#include <string.h>

#include "common/digits.h"

enum { HOME_DIGITS = 16, TEXT_MAX = 40 };

static _Thread_local struct {
    size_t len; /* 0: none yet */
    char text[TEXT_MAX];
    struct token token;
} last;

static inline bool take_home(const char *at, uint64_t *out)
{
    uint64_t home = 0;

    for (unsigned i = 0; i < HOME_DIGITS; i++) {
        unsigned decimal = (unsigned char)at[i] - (unsigned)'0';
        unsigned letter = (unsigned char)at[i] - (unsigned)'a';

        if (decimal > 9 && letter > 5)
            return false;
        home = home << 4 | (decimal <= 9 ? decimal : letter + 10);
    }
    *out = home;
    return true;
}

bool token_parse_home(struct json_text text, uint64_t *out)
{
    return text.len == HOME_DIGITS && take_home(text.base, out);
}

static bool take_apart(struct json_text text, struct token *out)
{
    size_t digits = text.len > HOME_DIGITS + 1 ? text.len - HOME_DIGITS - 1 : 0;
    struct token token = {0, 0};

    *out = token;
    if (digits == 0 || text.base[digits] != '.')
        return false;
    if (!digits_parse(text.base, digits, UINT64_MAX, &token.term) || token.term == 0 ||
        !take_home(text.base + digits + 1, &token.home))
        return false;
    *out = token;
    return true;
}

bool token_parse(struct json_text text, struct token *out)
{
    if (text.len > 0 && text.len == last.len &&
        memcmp(text.base, last.text, text.len) == 0) {
        *out = last.token;
        return true;
    }
    if (!take_apart(text, out))
        return false;
    if (text.len <= TEXT_MAX) {
        last.len = text.len;
        memcpy(last.text, text.base, text.len);
        last.token = *out;
    }
    return true;
}
