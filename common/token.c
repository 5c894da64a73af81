/* token.c - see token.h. A token comes with each notice and each answer. */
#include "common/token.h"

#include "common/digits.h"

enum { HOME_DIGITS = 16 };

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

bool token_parse(struct json_text text, struct token *out)
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
