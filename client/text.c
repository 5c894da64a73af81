/* text.c - see text.h. */
#include "client/text.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include <utf8proc.h>

enum {
    CONTROL_PICTURES = 0x2400, /* the sign of a C0 control is this and its number */
    PICTURE_OF_DELETE = 0x2421,
};

bool text_use_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return true;
    return setlocale(LC_CTYPE, "C.UTF-8") || setlocale(LC_CTYPE, "en_US.UTF-8");
}

/* From, to. Sorted. */
static const uint32_t unsafe[][2] = {
    {0x0, 0x1f},         /* C0 */
    {0x7f, 0x9f},        /* DEL, C1 */
    {0x61c, 0x61c},      /* Arabic letter mark */
    {0x180e, 0x180e},    /* Mongolian vowel separator: width differs */
    {0x200e, 0x200f},    /* left-to-right and right-to-left mark */
    {0x2028, 0x202e},    /* separators, embeddings and overrides */
    {0x2066, 0x206f},    /* isolates, deprecated format characters */
    {0xfff0, 0xfffb},    /* interlinear annotation */
    {0xe0000, 0xe00ff},  /* tags: invisible text */
    {0xf0000, 0x10ffff}, /* private: what a font makes of it */
};

bool text_is_unsafe(uint32_t c)
{
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]) && c >= unsafe[i][0]; i++)
        if (c <= unsafe[i][1])
            return true;
    return false;
}

static uint32_t sign_of(uint32_t c)
{
    if (c < 0x20)
        return CONTROL_PICTURES + c;
    return c == 0x7f ? PICTURE_OF_DELETE : UTF8_REPLACEMENT;
}

/* What joins or colours emoji, and what is not to be seen at all. */
static bool is_left_out(uint32_t c)
{
    bool is_skin_tone = c >= 0x1f3fb && c <= 0x1f3ff;

    return is_skin_tone || (utf8proc_get_property((utf8proc_int32_t)c)->ignorable &&
                            !text_is_unsafe(c));
}

static bool is_mark(uint32_t c)
{
    return !text_is_unsafe(c) && !is_left_out(c) && wcwidth((wchar_t)c) == 0;
}

/* What stands in the cell of the character before it, whatever that is. */
static bool is_of_cell_before(uint32_t c)
{
    return is_left_out(c) || is_mark(c);
}

const char *text_cell(const char *at, const char *end, struct text_cell *cell)
{
    size_t count = 0;
    uint32_t c;

    *cell = (struct text_cell){.width = 0};
    at = utf8_decode(at, end, &c);
    if (text_is_unsafe(c)) {
        cell->chars[count++] = (wchar_t)(c == '\t' ? ' ' : sign_of(c));
        cell->width = 1;
    } else if (is_mark(c)) { /* with nothing to stand on */
        cell->chars[count++] = 0x25cc;
        cell->chars[count++] = (wchar_t)c;
        cell->width = 1;
    } else if (!is_left_out(c)) {
        cell->width = wcwidth((wchar_t)c);
        if (cell->width < 1) {
            c = UTF8_REPLACEMENT;
            cell->width = 1;
        }
        cell->chars[count++] = (wchar_t)c;
    }
    while (at < end) {
        const char *next = utf8_decode(at, end, &c);

        if (!is_of_cell_before(c))
            break;
        if (is_mark(c) && count > 0 && count <= TEXT_MARKS_MAX)
            cell->chars[count++] = (wchar_t)c;
        at = next;
    }
    return at;
}

/* Where the character before `at` begins. */
static const char *char_before(const char *from, const char *at)
{
    const char *start = at - 1;
    uint32_t c;

    while (start > from && at - start < 4 && ((unsigned char)*start & 0xc0) == 0x80)
        start--;
    return utf8_decode(start, at, &c) == at ? start : at - 1;
}

static const char *grapheme_end(const char *at, const char *end)
{
    utf8proc_int32_t state = 0;
    uint32_t before, c;

    at = utf8_decode(at, end, &before);
    while (at < end) {
        const char *next = utf8_decode(at, end, &c);
        bool is_break = utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                                         (utf8proc_int32_t)c, &state);

        /* A sign stands by itself, or something could hide in a grapheme. */
        if ((is_break || text_is_unsafe(before) || text_is_unsafe(c)) &&
            !is_of_cell_before(c))
            break;
        before = c;
        at = next;
    }
    return at;
}

/* Whether a grapheme begins with `c` behind `before`, whatever stands before both. */
static bool is_surely_break(uint32_t before, uint32_t c)
{
    enum { JOINER = 0x200d };

    if (is_of_cell_before(c))
        return false;
    return text_is_unsafe(before) || text_is_unsafe(c) ||
           (before != JOINER &&
            utf8proc_grapheme_break((utf8proc_int32_t)before, (utf8proc_int32_t)c));
}

const char *text_before(const char *from, const char *at)
{
    const char *start = at, *next = at;
    uint32_t before, c = 0;

    /* Back to where a grapheme surely begins, and on to the last one. */
    while (start > from) {
        const char *behind = start;

        start = char_before(from, behind);
        utf8_decode(start, behind, &before);
        if (behind < at && is_surely_break(before, c)) {
            start = behind;
            break;
        }
        c = before;
    }
    for (at = start; next > at;) {
        start = at;
        at = grapheme_end(at, next);
    }
    return start;
}

const char *text_grapheme(const char *at, const char *end, int *width)
{
    const char *stop = grapheme_end(at, end);
    struct text_cell cell;

    *width = 0;
    while (at < stop) {
        at = text_cell(at, end, &cell);
        *width += cell.width;
    }
    return at;
}

/* The same, or a cell where it is wider than a row. */
static const char *step(const char *at, const char *end, int columns, int *width)
{
    const char *next = text_grapheme(at, end, width);
    struct text_cell cell;

    if (*width <= columns)
        return next;
    next = text_cell(at, end, &cell);
    *width = cell.width;
    return next;
}

int text_width(const char *text, size_t len)
{
    const char *end = text + len;
    struct text_cell cell;
    int width = 0;

    while (text < end) {
        text = text_cell(text, end, &cell);
        width += cell.width;
    }
    return width;
}

size_t text_fit(const char *text, size_t len, int columns)
{
    const char *at = text, *end = text + len;
    int left = columns, width;

    while (at < end) {
        const char *next = step(at, end, columns, &width);

        left -= width;
        if (left < 0)
            break;
        at = next;
    }
    return (size_t)(at - text);
}

void text_add_line(struct strbuf *out, const char *text, size_t len)
{
    const char *end = text + len;

    while (text < end) {
        uint32_t c;
        const char *next = utf8_decode(text, end, &c);

        if (c == '\t')
            strbuf_add_char(out, ' ');
        else if (text_is_unsafe(c))
            utf8_add(out, sign_of(c));
        else if (c == UTF8_REPLACEMENT)
            utf8_add(out, c); /* its bytes may not be UTF-8 */
        else
            strbuf_add(out, text, (size_t)(next - text));
        text = next;
    }
}

void text_add_json(struct strbuf *out, const char *json, size_t len)
{
    const char *end = json + len;

    while (json < end) {
        uint32_t c;
        const char *next = utf8_decode(json, end, &c);

        if (!text_is_unsafe(c))
            strbuf_add(out, json, (size_t)(next - json));
        else if (c < 0x10000)
            strbuf_add_format(out, "\\u%04x", (unsigned)c);
        else
            strbuf_add_format(out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
                              (unsigned)(0xdc00 + (c & 0x3ff)));
        json = next;
    }
}

const char *text_wrap(const char *at, const char *end, int columns, size_t *len)
{
    const char *from = at, *gap = NULL, *behind_gap = NULL;
    int width = 0, more;

    while (at < end && *at != '\n') {
        const char *next = step(at, end, columns, &more);

        width += more;
        if (*at == ' ' && at > from) {
            gap = at;
            behind_gap = next;
        }
        if (width > columns && at > from) {
            *len = (size_t)((gap ? gap : at) - from);
            return gap ? behind_gap : at;
        }
        at = next;
    }
    *len = (size_t)(at - from);
    return at < end ? at + 1 : end;
}
