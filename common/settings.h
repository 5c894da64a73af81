/* settings.h - the settings of a program: flags, environment and files into a struct.
 *
 * A table says everything about each setting: name, kind, default, limits, help. The gateway
 * and the admin service share one (common/config.c), the terminal client has one
 * (client/term_options.c), and roomcast-bench (bench/options.c).
 *
 * A name in capitals is a variable, and has a flag of the same name without ROOMCAST_:
 * ROOMCAST_HISTORY_LIMIT is --history-limit 50 or --history-limit=50. A name in small letters
 * is a flag only. A flag beats the variable, the variable the default; an empty variable
 * counts as none.
 */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/setting_value.h"

struct settings {
    const char *program;      /* its name, for --version */
    const char *usage;        /* what --help begins with */
    void (*print_more)(void); /* and what it ends with; may be NULL */
    const struct setting *rows;
    size_t count;
    unsigned mask;     /* which rows are of this program */
    bool has_rest;     /* words that are no flags are allowed, and -- ends the flags */
    bool blames_flags; /* a bad flag is named as --flag, not as its variable */
};

enum settings_outcome { SETTINGS_RUN, SETTINGS_EXIT_OK, SETTINGS_EXIT_BAD };

/* Reads the flags and the environment into `target` (zeroed by the caller). --help and
 * --version print to stdout: SETTINGS_EXIT_OK. A bad setting prints one line `NAME: reason` to
 * stderr: SETTINGS_EXIT_BAD. With has_rest the other words move to the front of argv, and
 * *argc becomes their number. Whatever comes out, deinit frees. */
enum settings_outcome settings_load(const struct settings *settings, void *target,
                                    int *argc, char **argv)
    __attribute__((warn_unused_result));

/* The path in NAME_FILE, if that is where the setting `name` came from, else "". Borrowed. */
const char *settings_file_of(const char *name);

/* Frees the texts of `target`, and sets them to NULL. */
void settings_deinit(const struct settings *settings, void *target);

/* The limits of a row, as "1 to 65535". */
void settings_print_limits(FILE *out, const struct setting *row);

/* What --help tells for its default. */
const char *settings_default_of(const struct setting *row);

/* Whether the text may come from the file that the variable with _FILE tells. */
bool settings_may_be_in_file(const struct setting *row);

enum { SETTING_NAME_BYTES_MAX = 64 };

/* The flag of a row, without the dashes in front: "history-limit". */
void settings_flag_of(const struct setting *row, char flag[SETTING_NAME_BYTES_MAX]);

#endif
