/* withheld.c - see withheld.h. */
#include "gateway/withheld.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

void withheld_init(struct withheld *w)
{
    *w = (struct withheld){.bytes = 0};
    list_init(&w->notices);
}

void withheld_clear(struct withheld *w)
{
    struct list *link;

    while ((link = list_first(&w->notices))) {
        list_remove(link);
        free(list_entry(link, struct withheld_notice, link));
    }
    w->bytes = 0;
    w->has_dropped = false;
}

void withheld_add(struct withheld *w, struct token token, struct json_text text)
{
    struct withheld_notice *notice;

    if (text.len > WITHHELD_MAX_BYTES - w->bytes) {
        withheld_clear(w);
        w->has_dropped = true;
    }
    if (text.len > WITHHELD_MAX_BYTES)
        return;
    notice = xmalloc(sizeof(*notice) + text.len);
    *notice = (struct withheld_notice){.token = token, .len = text.len};
    memcpy(notice->text, text.base, text.len);
    list_init(&notice->link);
    list_add(&w->notices, &notice->link);
    w->bytes += text.len;
}

bool withheld_take(struct withheld *w, struct list *to)
{
    bool has_dropped = w->has_dropped;

    list_take_all(to, &w->notices);
    w->bytes = 0;
    w->has_dropped = false;
    return has_dropped;
}
