/* term_command.c - see term_command.h. */
#include "client/term_command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/text.h"

enum { LIST_MAX = 20 };

static const struct row {
    const char *name, *arguments, *help;
    enum term_verb verb;
} rows[] = {
    {"/join", "ROOM", "enter a room, or turn to it", TERM_JOIN},
    {"/leave", "[ROOM]", "leave this room, or that one", TERM_LEAVE},
    {"/members", "", "show or hide who is in", TERM_MEMBERS},
    {"/history", "", "older messages (also: scroll up)", TERM_HISTORY},
    {"/rooms", "", "the rooms that you are in", TERM_ROOMS},
    {"/stop", "", "take back what is not sent yet", TERM_STOP},
    {"/help", "", "this", TERM_HELP},
    {"/quit", "", "leave all rooms, and end", TERM_QUIT},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct term_command term_command_parse(const char *line)
{
    size_t len = strcspn(line, " ");
    const char *rest = line + len + strspn(line + len, " ");

    if (line[0] != '/')
        return (struct term_command){TERM_SAY, line};
    if (line[1] == '/')
        return (struct term_command){TERM_SAY, line + 1};
    for (int i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, line, len) == 0)
            return (struct term_command){rows[i].verb, rest};
    return (struct term_command){TERM_UNKNOWN, line};
}

const char *term_command_name(size_t i)
{
    return i < ROWS ? rows[i].name : NULL;
}

void term_command_help(void (*put)(void *to, const char *line), void *to)
{
    static const char *const more[] = {
        "//text says \"/text\".",
        "Tab completes; Up and Down: what you wrote; PageUp and PageDown scroll.",
        "Ctrl-N, Ctrl-P or Alt-1 to Alt-9: other rooms; Alt-Up, Alt-Down: the members.",
        "Ctrl-A, -E, -W, -U, -K edit the line; Ctrl-L draws the screen again.",
    };
    char line[128];

    for (int i = 0; i < ROWS; i++) {
        snprintf(line, sizeof(line), "%-9s %-7s %s", rows[i].name, rows[i].arguments,
                 rows[i].help);
        put(to, line);
    }
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        put(to, more[i]);
}

/* The bytes in which both agree, no part of a character. */
static size_t agree(const char *a, const char *b, size_t max)
{
    size_t len = 0;

    while (len < max && a[len] && a[len] == b[len])
        len++;
    while (len > 0 && ((unsigned char)a[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static bool fits(const char *name, const char *word, size_t len)
{
    return strncmp(name, word, len) == 0;
}

void term_command_complete(struct term_completion *out, const char *line, size_t cursor,
                           const char *const *names, size_t count)
{
    size_t start = cursor, len, common = 0;
    const char *first = NULL;

    while (start > 0 && line[start - 1] != ' ')
        start--;
    len = cursor - start;
    if (len == 0 && line[0] != '/')
        return;
    for (size_t i = 0; i < count; i++) {
        if (!fits(names[i], line + start, len))
            continue;
        common = first ? agree(first, names[i], common) : strlen(names[i]);
        first = first ? first : names[i];
        if (++out->count <= LIST_MAX) {
            strbuf_add_text(&out->list, out->count > 1 ? "  " : "");
            text_add_line(&out->list, names[i], strlen(names[i]));
        }
    }
    if (!first)
        return;
    strbuf_add(&out->add, first + len, common - len);
    if (out->count == 1)
        strbuf_add_text(&out->add, start == 0 && line[0] != '/' ? ": " : " ");
}

void term_completion_deinit(struct term_completion *completion)
{
    strbuf_deinit(&completion->add);
    strbuf_deinit(&completion->list);
}
