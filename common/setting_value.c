/* setting_value.c - see setting_value.h. */
#include "common/setting_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { FILE_BYTES_MAX = 16384, DECIMALS_MAX = 3 };

void *setting_value_field(void *target, const struct setting *row)
{
    return (char *)target + row->offset;
}

bool setting_value_refuse(const char *name, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "%s: ", name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

bool setting_value_parse_number(const char *text, long min, long max, long *out)
{
    if (!text[0] || text[strspn(text, "0123456789")])
        return false;
    errno = 0;
    *out = strtol(text, NULL, 10);
    return !errno && *out >= min && *out <= max;
}

/* "10", "0.3", "2.125" -> milliseconds. */
static bool parse_seconds(const char *text, long min_ms, long max_ms, long *out_ms)
{
    char digits[32];
    size_t whole = strcspn(text, "."), decimals = 0;

    if (text[whole])
        decimals = strlen(text + whole + 1);
    if (whole == 0 || whole + DECIMALS_MAX >= sizeof(digits) ||
        decimals > DECIMALS_MAX || (text[whole] && decimals == 0))
        return false;
    memcpy(digits, text, whole);
    memset(digits + whole, '0', DECIMALS_MAX);
    memcpy(digits + whole, text + whole + (decimals > 0), decimals);
    digits[whole + DECIMALS_MAX] = '\0';
    return setting_value_parse_number(digits, min_ms, max_ms, out_ms);
}

/* A number of milliseconds as seconds, without zeros at its end: "0.1", "3600". */
const char *setting_value_print_seconds(char text[32], long ms)
{
    int len = snprintf(text, 32, "%ld.%03ld", ms / 1000, ms % 1000);

    while (text[len - 1] == '0')
        text[--len] = '\0';
    if (text[len - 1] == '.')
        text[--len] = '\0';
    return text;
}

static bool set_number(void *target, const struct setting *row, const char *name,
                       const char *text)
{
    return setting_value_parse_number(text, row->min, row->max,
                                      setting_value_field(target, row))
               ? true
               : setting_value_refuse(name, "must be a whole number from %ld to %ld",
                                      row->min, row->max);
}

static bool set_seconds(void *target, const struct setting *row, const char *name,
                        const char *text)
{
    char min[32], max[32];

    return parse_seconds(text, row->min, row->max, setting_value_field(target, row))
               ? true
               : setting_value_refuse(
                     name,
                     "must be a number of seconds from %s to %s, with at "
                     "most %d decimals",
                     setting_value_print_seconds(min, row->min),
                     setting_value_print_seconds(max, row->max), DECIMALS_MAX);
}

static bool set_switch(void *target, const struct setting *row, const char *name,
                       const char *text)
{
    bool *on = setting_value_field(target, row);

    *on = strcmp(text, "1") == 0;
    return *on || strcmp(text, "0") == 0 ? true
                                         : setting_value_refuse(name, "must be 0 or 1");
}

void setting_value_set_text(void *target, const struct setting *row, const char *text)
{
    char **to = setting_value_field(target, row);

    free(*to);
    *to = xstrdup(text);
}

static bool check(void *target, const struct setting *row, const char *name,
                  const char *text)
{
    const char *reason = row->check ? row->check(target, text) : NULL;

    return reason ? setting_value_refuse(name, "%s", reason) : true;
}

static bool set_list(void *target, const struct setting *row, const char *name,
                     const char *text)
{
    bool is_good = true;

    for (const char *at = text; at && is_good; at = strchr(at, ',')) {
        char *element;

        at += at > text; /* the comma */
        element = xmemdup(at, strcspn(at, ","));
        is_good = check(target, row, name, element);
        free(element);
    }
    return is_good;
}

bool setting_value_set(void *target, const struct setting *row, const char *name,
                       const char *text)
{
    if (!text[0] && row->kind != SETTING_OPEN_TEXT)
        return setting_value_refuse(name, "must not be empty");
    switch (row->kind) {
    case SETTING_TEXT:
    case SETTING_OPEN_TEXT:
    case SETTING_URL:
    case SETTING_SECRET:
        setting_value_set_text(target, row, text);
        break;
    case SETTING_LIST:
        return set_list(target, row, name, text);
    case SETTING_NUMBER:
        if (!set_number(target, row, name, text))
            return false;
        break;
    case SETTING_SECONDS:
        if (!set_seconds(target, row, name, text))
            return false;
        break;
    case SETTING_SWITCH:
        if (!set_switch(target, row, name, text))
            return false;
        break;
    }
    return check(target, row, name, text);
}

bool setting_value_set_from_file(void *target, const struct setting *row,
                                 const char *name, const char *path)
{
    char text[FILE_BYTES_MAX + 1];
    FILE *file = fopen(path, "re");
    size_t len;
    bool failed;

    if (!file)
        return setting_value_refuse(name, "cannot open %s: %s", path, strerror(errno));
    errno = 0;
    len = fread(text, 1, sizeof(text), file);
    failed = ferror(file);
    fclose(file);
    if (failed)
        return setting_value_refuse(name, "cannot read %s: %s", path, strerror(errno));
    if (len > FILE_BYTES_MAX || memchr(text, '\0', len))
        return setting_value_refuse(name, "%s is not a text of at most %d bytes", path,
                                    FILE_BYTES_MAX);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    text[len] = '\0';
    return setting_value_set(target, row, name, text);
}
