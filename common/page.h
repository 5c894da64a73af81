/* page.h - a page of names out of a Redis hash, as lua/members.lua reads it: sorted while the hash is small
 * enough to be read as a whole, out of a step of an HSCAN when it is not (SPEC section 2, member_list).
 *
 * A cursor is a letter for its kind and the rest:
 *
 *     n<name>                        of a whole hash: behind this name
 *     s<scan>                        the step of the scan that begins there
 *     s<scan>.<print> <name>         what is left of that step, behind this name
 *
 * A step may hold more than a page, and the next time others, as the hash has grown or shrunk: the print is of
 * the names up to this one. Where it is another one the step is given from its beginning, so that a name may come
 * twice, and none that stays is missed.
 */
#ifndef COMMON_PAGE_H
#define COMMON_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"
#include "common/strbuf.h"

enum {
    PAGE_EXACT_MAX = 1000, /* up to so many names a hash is read as a whole */
    PAGE_NAME_MAX = 160,
};

/* The order of names, for qsort over struct json_text: byte for byte, shorter first. */
int page_compare_names(const void *left, const void *right);

/* Whether it may have come from us. */
bool page_is_cursor(struct json_text cursor);

/* The cursor of the scan to go on with, as a new string; NULL: it is not of a scan. */
char *page_scan_of(struct json_text cursor);

/* Names that were read for a page, and where it begins. */
struct page {
    struct json_text
        *names;           /* each has stride - 1 values behind it, which move with it */
    size_t stride, total; /* total counts names */
    struct json_text cursor; /* base NULL: none */
    const char *next; /* Redis's cursor behind this step; NULL: these are all names */
    size_t limit;
};

/* Sorts the names and finds the page. Returns how many are in it, the first being number *from, and adds the
 * cursor of the next page to `out`; nothing at the end. */
size_t page_cut(const struct page *page, size_t *from, struct strbuf *out);

#endif
