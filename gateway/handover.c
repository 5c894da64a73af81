/* handover.c - see handover.h. */
#include "gateway/handover.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

struct handover_copy {
    _Atomic unsigned refs;
    struct handover is; /* its texts are in `bytes` */
    char bytes[];
};

/* Moves the text to `at`; returns the end of it. */
static char *keep(struct json_text *text, char *at)
{
    if (text->len > 0)
        memcpy(at, text->base, text->len);
    text->base = at;
    return at + text->len;
}

struct handover_copy *handover_copy(const struct handover *what)
{
    struct handover_copy *copy =
        xmalloc(sizeof(*copy) + what->room.len + what->text.len);

    atomic_init(&copy->refs, 1);
    copy->is = *what;
    keep(&copy->is.text, keep(&copy->is.room, copy->bytes));
    return copy;
}

const struct handover *handover_of(const struct handover_copy *copy)
{
    return &copy->is;
}

size_t handover_bytes(const struct handover_copy *copy)
{
    return sizeof(*copy) + copy->is.room.len + copy->is.text.len;
}

struct handover_copy *handover_ref(struct handover_copy *copy)
{
    atomic_fetch_add_explicit(&copy->refs, 1, memory_order_relaxed);
    return copy;
}

void handover_unref(struct handover_copy *copy)
{
    if (atomic_fetch_sub_explicit(&copy->refs, 1, memory_order_acq_rel) == 1)
        free(copy);
}

void handover_add_room(struct strbuf *out, const char *name, size_t len)
{
    strbuf_add_char(out, (char)len);
    strbuf_add(out, name, len);
}

bool handover_take_room(struct json_text *text, struct json_text *room)
{
    if (text->len == 0)
        return false;
    room->len = (unsigned char)text->base[0];
    room->base = text->base + 1;
    text->base += 1 + room->len;
    text->len -= 1 + room->len;
    return true;
}
