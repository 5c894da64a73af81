/* page.c - see page.h. */
#include "common/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fnv.h"
#include "common/proto.h"
#include "common/xalloc.h"

enum { SCAN_DIGITS_MAX = 19, PRINT_DIGITS = 16 };

/* What a cursor says; what it does not say has base NULL. */
struct place {
    struct json_text scan, print, last;
};

int page_compare_names(const void *left, const void *right)
{
    const struct json_text *a = left, *b = right;
    int order = memcmp(a->base, b->base, a->len < b->len ? a->len : b->len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* ---- cursors ---- */

static size_t count_digits(struct json_text text, const char *digits)
{
    size_t count = 0;

    while (count < text.len && text.base[count] && strchr(digits, text.base[count]))
        count++;
    return count;
}

static bool parse_last(const char *at, size_t len, struct place *out)
{
    out->last = (struct json_text){at, len};
    return proto_is_plain(at, len, PAGE_NAME_MAX);
}

/* `.<print> <name>` */
static bool parse_rest(struct json_text text, struct place *out)
{
    struct json_text print = {text.base + 1, text.len - 1};

    if (text.base[0] != '.' ||
        count_digits(print, "0123456789abcdef") != PRINT_DIGITS ||
        print.len == PRINT_DIGITS || print.base[PRINT_DIGITS] != ' ')
        return false;
    out->print = (struct json_text){print.base, PRINT_DIGITS};
    return parse_last(print.base + PRINT_DIGITS + 1, print.len - PRINT_DIGITS - 1, out);
}

static bool parse(struct json_text cursor, struct place *out)
{
    struct json_text scan = {cursor.base + 1, cursor.len - 1};
    size_t digits;

    *out = (struct place){0};
    if (cursor.len < 2)
        return false;
    if (cursor.base[0] == 'n')
        return parse_last(scan.base, scan.len, out);
    digits = count_digits(scan, "0123456789");
    if (cursor.base[0] != 's' || digits < 1 || digits > SCAN_DIGITS_MAX)
        return false;
    out->scan = (struct json_text){scan.base, digits};
    return digits == scan.len ||
           parse_rest((struct json_text){scan.base + digits, scan.len - digits}, out);
}

bool page_is_cursor(struct json_text cursor)
{
    struct place place;

    return parse(cursor, &place);
}

char *page_scan_of(struct json_text cursor)
{
    struct place place;

    return cursor.base && parse(cursor, &place) && place.scan.base
               ? xmemdup(place.scan.base, place.scan.len)
               : NULL;
}

/* ---- pages ---- */

static struct json_text name_at(const struct page *page, size_t i)
{
    return page->names[i * page->stride];
}

/* Of the first `count` names. */
static void print_names(char out[PRINT_DIGITS + 1], const struct page *page,
                        size_t count)
{
    uint64_t print = FNV64_START;

    for (size_t i = 0; i < count; i++) {
        struct json_text name = name_at(page, i);

        print = fnv64_add(fnv64_add(print, name.base, name.len), "", 1);
    }
    snprintf(out, PRINT_DIGITS + 1, "%016llx", (unsigned long long)print);
}

/* The number of the first name of the page. */
static size_t find_first(const struct page *page, const struct place *place)
{
    size_t first = 0;
    char print[PRINT_DIGITS + 1];

    if (!place->last.base)
        return 0;
    while (first < page->total &&
           page_compare_names(&page->names[first * page->stride], &place->last) <= 0)
        first++;
    if (!page->next)
        return first;
    print_names(print, page, first);
    return place->print.base && memcmp(place->print.base, print, PRINT_DIGITS) == 0
               ? first
               : 0;
}

/* What is left of these names, of which `count` were given. */
static void add_rest(const struct page *page, const struct place *place, size_t count,
                     struct strbuf *out)
{
    struct json_text last = name_at(page, count - 1);
    char print[PRINT_DIGITS + 1];

    if (!page->next) {
        strbuf_add_char(out, 'n');
    } else {
        print_names(print, page, count);
        strbuf_add_char(out, 's');
        if (place->scan.base)
            strbuf_add(out, place->scan.base, place->scan.len);
        else
            strbuf_add_char(out, '0');
        strbuf_add_format(out, ".%s ", print);
    }
    strbuf_add(out, last.base, last.len);
}

size_t page_cut(const struct page *page, size_t *from, struct strbuf *out)
{
    struct place place = {0};
    size_t left;

    if (page->cursor.base)
        (void)parse(page->cursor, &place);
    if (page->total > 0)
        qsort(page->names, page->total, page->stride * sizeof(*page->names),
              page_compare_names);
    *from = find_first(page, &place);
    left = page->total - *from;
    if (left > page->limit) {
        add_rest(page, &place, *from + page->limit, out);
        return page->limit;
    }
    if (page->next && strcmp(page->next, "0") != 0)
        strbuf_add_format(out, "s%s", page->next);
    return left;
}
