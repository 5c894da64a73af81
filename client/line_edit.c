/* line_edit.c - see line_edit.h. */
#include "client/line_edit.h"

#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/xalloc.h"

void line_edit_deinit(struct line_edit *edit)
{
    strbuf_deinit(&edit->text);
    edit->cursor = 0;
}

void line_past_deinit(struct line_past *past)
{
    for (size_t i = 0; i < past->count; i++)
        free(past->lines[i]);
    free(past->draft);
    *past = (struct line_past){.count = 0};
}

const char *line_edit_text(const struct line_edit *edit)
{
    return edit->text.data ? edit->text.data : "";
}

bool line_edit_insert(struct line_edit *edit, const char *bytes, size_t len)
{
    struct strbuf *text = &edit->text;

    if (text->len + len > LINE_EDIT_MAX_BYTES)
        return false;
    if (len == 0)
        return true;
    strbuf_reserve(text, len);
    memmove(text->data + edit->cursor + len, text->data + edit->cursor,
            text->len - edit->cursor);
    memcpy(text->data + edit->cursor, bytes, len);
    text->len += len;
    text->data[text->len] = '\0';
    edit->cursor += len;
    return true;
}

void line_edit_set(struct line_edit *edit, const char *text)
{
    strbuf_reset(&edit->text, LINE_EDIT_MAX_BYTES);
    edit->cursor = 0;
    line_edit_insert(edit, text, strlen(text));
}

void line_edit_left(struct line_edit *edit)
{
    const char *text = line_edit_text(edit);

    edit->cursor = (size_t)(text_before(text, text + edit->cursor) - text);
}

void line_edit_right(struct line_edit *edit)
{
    const char *text = line_edit_text(edit);
    const char *at = text + edit->cursor, *end = text + edit->text.len;
    int width;

    if (at < end)
        edit->cursor = (size_t)(text_grapheme(at, end, &width) - text);
}

void line_edit_home(struct line_edit *edit)
{
    edit->cursor = 0;
}

void line_edit_end(struct line_edit *edit)
{
    edit->cursor = edit->text.len;
}

/* Removes from `from` to the cursor or the other way round. */
static void cut(struct line_edit *edit, size_t from, size_t to)
{
    struct strbuf *text = &edit->text;

    if (from == to)
        return;
    memmove(text->data + from, text->data + to, text->len - to);
    text->len -= to - from;
    text->data[text->len] = '\0';
    edit->cursor = from;
}

void line_edit_backspace(struct line_edit *edit)
{
    size_t end = edit->cursor;

    line_edit_left(edit);
    cut(edit, edit->cursor, end);
}

void line_edit_delete(struct line_edit *edit)
{
    size_t from = edit->cursor;

    line_edit_right(edit);
    cut(edit, from, edit->cursor);
}

void line_edit_kill_word(struct line_edit *edit)
{
    const char *text = line_edit_text(edit);
    size_t end = edit->cursor, from = end;

    while (from > 0 && text[from - 1] == ' ')
        from--;
    while (from > 0 && text[from - 1] != ' ')
        from--;
    cut(edit, from, end);
}

void line_edit_kill_start(struct line_edit *edit)
{
    cut(edit, 0, edit->cursor);
}

void line_edit_kill_end(struct line_edit *edit)
{
    cut(edit, edit->cursor, edit->text.len);
}

void line_past_add(struct line_past *past, const char *line)
{
    free(past->draft);
    past->draft = NULL;
    if (line[0] &&
        (past->count == 0 || strcmp(past->lines[past->count - 1], line) != 0)) {
        if (past->count == LINE_EDIT_PAST_MAX) {
            free(past->lines[0]);
            past->count--;
            memmove(past->lines, past->lines + 1, past->count * sizeof(char *));
        }
        past->lines[past->count++] = xstrdup(line);
    }
    past->at = past->count;
}

void line_past_older(struct line_past *past, struct line_edit *edit)
{
    if (past->at == 0)
        return;
    if (past->at == past->count) {
        free(past->draft);
        past->draft = xstrdup(line_edit_text(edit));
    }
    line_edit_set(edit, past->lines[--past->at]);
}

void line_past_newer(struct line_past *past, struct line_edit *edit)
{
    if (past->at == past->count)
        return;
    past->at++;
    line_edit_set(edit, past->at < past->count ? past->lines[past->at]
                        : past->draft          ? past->draft
                                               : "");
}

size_t line_edit_view(const struct line_edit *edit, int columns, int *cursor_column)
{
    const char *text = line_edit_text(edit), *from = text + edit->cursor;
    int width = 0, more;

    /* Back from the cursor, which itself takes a column. */
    while (from > text) {
        const char *before = text_before(text, from);

        text_grapheme(before, from, &more);
        if (width + more > columns - 1)
            break;
        width += more;
        from = before;
    }
    *cursor_column = width;
    return (size_t)(from - text);
}
