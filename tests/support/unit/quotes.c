/* quotes.c - see quotes.h. */
#include "tests/support/unit/quotes.h"

#include <string.h>

#include "common/xalloc.h"

static struct turned {
    struct turned *next;
    char *from, *to;
} * all;

void q_turn(char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == '\'')
            bytes[i] = '"';
}

const char *q(const char *text)
{
    struct turned *t = all;

    while (t && strcmp(t->from, text) != 0)
        t = t->next;
    if (!t) {
        t = xmalloc(sizeof(*t));
        *t = (struct turned){all, xstrdup(text), xstrdup(text)};
        all = t;
        q_turn(t->to, strlen(t->to));
    }
    return t->to;
}
