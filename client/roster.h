/* roster.h - who is in a room: asked for page by page, kept by member_joined and
 * member_left, and asked for again whenever events may have been missed. While pages come,
 * what was known stays; who comes and goes meanwhile is applied to both.
 */
#ifndef CLIENT_ROSTER_H
#define CLIENT_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROSTER_MAX = 10000 /* names held of a room; the count is of all */ };

struct roster_names {
    char **names; /* owned, sorted byte for byte */
    size_t count, cap;
};

struct roster {
    struct roster_names now, coming;
    bool is_coming; /* a page is awaited */
    bool is_known;  /* all pages have come, once at least */
    uint64_t count; /* as the server says */
};

void roster_deinit(struct roster *r);

/* All will be told anew, page by page. */
void roster_begin(struct roster *r);
void roster_add(struct roster *r, const char *name);
void roster_end(struct roster *r);

/* Whether no more names are held. */
bool roster_is_full(const struct roster *r);

void roster_join(struct roster *r, const char *name, uint64_t count);
void roster_leave(struct roster *r, const char *name, uint64_t count);

#endif
