/* roster.c - see roster.h. */
#include "client/roster.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static void deinit_names(struct roster_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->names[i]);
    free(n->names);
    *n = (struct roster_names){NULL, 0, 0};
}

void roster_deinit(struct roster *r)
{
    deinit_names(&r->now);
    deinit_names(&r->coming);
    *r = (struct roster){.count = 0};
}

/* Where the name is, or belongs. */
static size_t place_of(const struct roster_names *n, const char *name, bool *is_there)
{
    size_t low = 0, high = n->count;

    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(n->names[middle], name);

        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_name(struct roster_names *n, const char *name)
{
    bool is_there;
    size_t at = place_of(n, name, &is_there);

    if (is_there || n->count >= ROSTER_MAX)
        return;
    if (n->count == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 16;
        n->names = xrealloc(n->names, n->cap * sizeof(char *));
    }
    memmove(n->names + at + 1, n->names + at, (n->count - at) * sizeof(char *));
    n->names[at] = xstrdup(name);
    n->count++;
}

static void remove_name(struct roster_names *n, const char *name)
{
    bool is_there;
    size_t at = place_of(n, name, &is_there);

    if (!is_there)
        return;
    free(n->names[at]);
    n->count--;
    memmove(n->names + at, n->names + at + 1, (n->count - at) * sizeof(char *));
}

void roster_begin(struct roster *r)
{
    deinit_names(&r->coming);
    r->is_coming = true;
}

void roster_add(struct roster *r, const char *name)
{
    add_name(&r->coming, name);
}

void roster_end(struct roster *r)
{
    deinit_names(&r->now);
    r->now = r->coming;
    r->coming = (struct roster_names){NULL, 0, 0};
    r->is_coming = false;
    r->is_known = true;
}

bool roster_is_full(const struct roster *r)
{
    return r->coming.count >= ROSTER_MAX;
}

void roster_join(struct roster *r, const char *name, uint64_t count)
{
    r->count = count;
    if (r->is_coming)
        add_name(&r->coming, name);
    if (r->is_known)
        add_name(&r->now, name);
}

void roster_leave(struct roster *r, const char *name, uint64_t count)
{
    r->count = count;
    remove_name(&r->coming, name);
    remove_name(&r->now, name);
}
