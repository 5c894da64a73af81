/* members.c - see members.h. */
#include "client/members.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static void deinit_names(struct members_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->names[i]);
    free(n->names);
    *n = (struct members_names){NULL, 0, 0};
}

void members_deinit(struct members *m)
{
    deinit_names(&m->now);
    deinit_names(&m->coming);
    *m = (struct members){.count = 0};
}

/* Where the name is, or belongs. */
static size_t place_of(const struct members_names *n, const char *name, bool *is_there)
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

static void add_name(struct members_names *n, const char *name)
{
    bool is_there;
    size_t at = place_of(n, name, &is_there);

    if (is_there || n->count >= MEMBERS_MAX)
        return;
    if (n->count == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 16;
        n->names = xrealloc(n->names, n->cap * sizeof(char *));
    }
    memmove(n->names + at + 1, n->names + at, (n->count - at) * sizeof(char *));
    n->names[at] = xstrdup(name);
    n->count++;
}

static void remove_name(struct members_names *n, const char *name)
{
    bool is_there;
    size_t at = place_of(n, name, &is_there);

    if (!is_there)
        return;
    free(n->names[at]);
    n->count--;
    memmove(n->names + at, n->names + at + 1, (n->count - at) * sizeof(char *));
}

void members_begin(struct members *m)
{
    deinit_names(&m->coming);
    m->is_coming = true;
}

void members_add(struct members *m, const char *name)
{
    add_name(&m->coming, name);
}

void members_end(struct members *m)
{
    deinit_names(&m->now);
    m->now = m->coming;
    m->coming = (struct members_names){NULL, 0, 0};
    m->is_coming = false;
    m->is_known = true;
}

bool members_is_full(const struct members *m)
{
    return m->coming.count >= MEMBERS_MAX;
}

void members_join(struct members *m, const char *name, uint64_t count)
{
    m->count = count;
    if (m->is_coming)
        add_name(&m->coming, name);
    if (m->is_known)
        add_name(&m->now, name);
}

void members_leave(struct members *m, const char *name, uint64_t count)
{
    m->count = count;
    remove_name(&m->coming, name);
    remove_name(&m->now, name);
}
