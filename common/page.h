/* page.h - a page of names out of a Redis hash, as lua/members.lua reads it: exact and
 * sorted while the hash is small, a step of an HSCAN when it is not (SPEC section 2,
 * member_list).
 *
 * A cursor is a letter for its kind and the rest: `n` and the last name, `s` and Redis's
 * cursor of a scan.
 */
#ifndef COMMON_PAGE_H
#define COMMON_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"

enum { PAGE_EXACT_MAX = 1000 }; /* up to so many names pages are exact */

/* The order of names, for qsort over struct json_text: byte for byte, shorter first. */
int page_compare_names(const void *left, const void *right);

/* Whether it may have come from us. */
bool page_is_cursor(struct json_text cursor);

/* The cursor of the scan to go on with, as a new string; NULL: it is not of a scan. */
char *page_scan_of(struct json_text cursor);

/* Sorts `names` byte for byte, shorter first, and finds the page of at most `limit` that
 * comes behind `cursor` (of kind `n`, or base NULL). Each name has `stride` - 1 values
 * behind it, which move with it; `total` counts names. Returns how many are in the page,
 * the first being number *from. */
size_t page_cut(struct json_text *names, size_t stride, size_t total,
                struct json_text cursor, size_t limit, size_t *from);

#endif
