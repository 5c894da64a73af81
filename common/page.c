/* page.c - see page.h. */
#include "common/page.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto.h"
#include "common/xalloc.h"

int page_compare_names(const void *left, const void *right)
{
    const struct json_text *a = left, *b = right;
    int order = memcmp(a->base, b->base, a->len < b->len ? a->len : b->len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

bool page_is_cursor(struct json_text cursor)
{
    if (cursor.len < 2 || (cursor.base[0] != 'n' && cursor.base[0] != 's'))
        return false;
    if (cursor.base[0] == 'n')
        return proto_is_name(cursor.base + 1, cursor.len - 1, PROTO_USER_MAX);
    for (size_t i = 1; i < cursor.len; i++)
        if (cursor.base[i] < '0' || cursor.base[i] > '9')
            return false;
    return cursor.len <= 20;
}

char *page_scan_of(struct json_text cursor)
{
    if (!cursor.base || cursor.base[0] != 's')
        return NULL;
    return xmemdup(cursor.base + 1, cursor.len - 1);
}

size_t page_cut(struct json_text *names, size_t stride, size_t total,
                struct json_text cursor, size_t limit, size_t *from)
{
    struct json_text after = {"", 0};

    if (total > 0)
        qsort(names, total, stride * sizeof(*names), page_compare_names);
    if (cursor.base && cursor.base[0] == 'n')
        after = (struct json_text){cursor.base + 1, cursor.len - 1};
    *from = 0;
    while (*from < total && page_compare_names(&names[*from * stride], &after) <= 0)
        (*from)++;
    return total - *from < limit ? total - *from : limit;
}
