/* typing.c - see typing.h. */
#include "client/typing.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static void drop(struct typing *t, size_t i)
{
    free(t->users[i].user);
    t->count--;
    memmove(&t->users[i], &t->users[i + 1], (t->count - i) * sizeof(t->users[0]));
}

void typing_deinit(struct typing *t)
{
    while (t->count > 0)
        drop(t, t->count - 1);
    t->said_ms = 0;
}

void typing_hear(struct typing *t, const char *user, bool on, uint64_t now_ms)
{
    size_t i = 0;

    while (i < t->count && strcmp(t->users[i].user, user) != 0)
        i++;
    if (!on) {
        if (i < t->count)
            drop(t, i);
        return;
    }
    if (i == TYPING_MAX)
        return;
    if (i == t->count)
        t->users[t->count++].user = xstrdup(user);
    t->users[i].until_ms = now_ms + TYPING_LASTS_MS;
}

bool typing_prune(struct typing *t, uint64_t now_ms)
{
    size_t before = t->count;

    for (size_t i = t->count; i > 0; i--)
        if (t->users[i - 1].until_ms <= now_ms)
            drop(t, i - 1);
    return t->count != before;
}

bool typing_should_say(struct typing *t, bool on, uint64_t now_ms)
{
    bool says = on ? t->said_ms == 0 || now_ms - t->said_ms >= TYPING_AGAIN_MS
                   : t->said_ms != 0;

    if (says)
        t->said_ms = on ? now_ms : 0;
    return says;
}
