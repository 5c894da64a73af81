/* setting_value.h - the value of one setting: from its text into its field, within its limits. */
#ifndef COMMON_SETTING_VALUE_H
#define COMMON_SETTING_VALUE_H

#include <stdbool.h>
#include <stddef.h>

enum setting_kind {
    SETTING_TEXT,      /* char *, owned by the target */
    SETTING_OPEN_TEXT, /* the same; a flag may make it empty, though no variable can */
    SETTING_URL,       /* the same; may hold a password, and stand in a file */
    SETTING_SECRET,    /* the same; is no flag, because others see those */
    SETTING_LIST, /* comma separated or repeated: `check` gets and keeps each element */
    SETTING_NUMBER,  /* long */
    SETTING_SECONDS, /* long, in milliseconds: seconds with up to three decimals */
    SETTING_SWITCH,  /* bool: 0 or 1; a flag without a value is 1 */
};

/* Looks at the text of a setting, and may keep what it finds in `target`. NULL, or the reason
 * why it is refused. */
typedef const char *(*setting_check_fn)(void *target, const char *text);

/* A row of a program's table. */
struct setting {
    const char *name;
    enum setting_kind kind;
    unsigned programs;    /* a mask: whose it is */
    size_t offset;        /* of the field in the target; not of a LIST */
    const char *fallback; /* "": none */
    long min, max;        /* of a NUMBER; of SECONDS in milliseconds */
    setting_check_fn check;
    const char *form;  /* what it looks like, where it is no number */
    const char *help;  /* NULL: not shown */
    const char *unset; /* what --help tells for the default where there is none */
};

/* Sets the field of `row` from `text`. `name` is where the text came from: a bad one prints one
 * line `NAME: reason` to stderr, and gives false. */
bool setting_value_set(void *target, const struct setting *row, const char *name,
                       const char *text);

/* The same with the text of the file at `path`, without the newlines at its end. */
bool setting_value_set_from_file(void *target, const struct setting *row,
                                 const char *name, const char *path);

/* Puts a copy of `text` into the field as it is. */
void setting_value_set_text(void *target, const struct setting *row, const char *text);

void *setting_value_field(void *target, const struct setting *row);

/* One line about a setting that cannot be; gives false, for the caller to return. */
bool setting_value_refuse(const char *name, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads a whole number in decimal digits, and nothing else. */
bool setting_value_parse_number(const char *text, long min, long max, long *out);

/* Milliseconds as seconds, without zeros at the end: "0.1", "3600". Returns `text`. */
const char *setting_value_print_seconds(char text[32], long ms);

#endif
