/* members.h - who is in a room: asked for page by page, kept by member_joined and
 * member_left, and asked for again whenever events may have been missed. While pages come,
 * what was known stays; who comes and goes meanwhile is applied to both.
 */
#ifndef CLIENT_MEMBERS_H
#define CLIENT_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMBERS_MAX = 10000 /* names held of a room; the count is of all */ };

struct members_names {
    char **names; /* owned, sorted byte for byte */
    size_t count, cap;
};

struct members {
    struct members_names now, coming;
    bool is_coming; /* a page is awaited */
    bool is_known;  /* all pages have come, once at least */
    uint64_t count; /* as the server says */
};

void members_deinit(struct members *m);

/* All names will be added again, page by page. */
void members_begin(struct members *m);
void members_add(struct members *m, const char *name);
void members_end(struct members *m);

/* Whether no more names are held. */
bool members_is_full(const struct members *m);

void members_join(struct members *m, const char *name, uint64_t count);
void members_leave(struct members *m, const char *name, uint64_t count);

#endif
