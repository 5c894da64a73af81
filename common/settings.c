/* settings.c - see settings.h.
 *
 *     read_flags     argv -> the text given for each row
 *     load_one       flag, else environment, else file, else default
 *     setting_value  text -> field, within the row's limits
 *
 * Each failure says its line where it is found, and all above only pass it on.
 *
 * Not here: which settings there are, and what depends on two of them (config.c,
 * client/term_options.c, bench/options.c).
 */
#include "common/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/setting_value.h"
#include "common/xalloc.h"

/* What is being loaded. */
struct load {
    const struct settings *settings;
    void *target;
    char **given; /* the text of the flag of each row, owned; NULL: none */
};

bool settings_may_be_in_file(const struct setting *row)
{
    return row->kind == SETTING_URL || row->kind == SETTING_SECRET;
}

void settings_flag_of(const struct setting *row, char flag[SETTING_NAME_BYTES_MAX])
{
    const char *from = row->name;
    size_t at = 0;

    if (strncmp(from, "ROOMCAST_", 9) == 0)
        from += 9;
    for (; from[at]; at++)
        flag[at] = (char)(from[at] == '_' ? '-' : tolower((unsigned char)from[at]));
    flag[at] = '\0';
}

static bool has_variable(const struct setting *row)
{
    return isupper((unsigned char)row->name[0]);
}

static bool has_flag(const struct setting *row)
{
    return row->kind != SETTING_SECRET;
}

static bool is_text(const struct setting *row)
{
    return row->kind == SETTING_TEXT || row->kind == SETTING_OPEN_TEXT ||
           settings_may_be_in_file(row);
}

static bool is_of(const struct settings *settings, const struct setting *row)
{
    return row->programs & settings->mask;
}

/* How a line about a bad flag begins: "ROOMCAST_HISTORY_LIMIT" or "--history-limit". */
static void name_flag(const struct settings *settings, const struct setting *row,
                      char name[SETTING_NAME_BYTES_MAX + 2])
{
    name[0] = name[1] = '-';
    settings_flag_of(row, name + 2);
    if (has_variable(row) && !settings->blames_flags)
        snprintf(name, SETTING_NAME_BYTES_MAX + 2, "%s", row->name);
}

static const char *find_variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

/* Other users of a machine see the flags of its programs, so a password is refused there: an
 * address that was accepted has one if it has an @. */
static bool is_no_secret(const struct setting *row, const char *given)
{
    char flag[SETTING_NAME_BYTES_MAX];

    if (row->kind != SETTING_URL || !strchr(given, '@'))
        return true;
    settings_flag_of(row, flag);
    return setting_value_refuse(
        row->name,
        "a password must not be in --%s, where others see it: set %s or %s_FILE", flag,
        row->name, row->name);
}

/* `given` is the text of the flag, or NULL. */
static bool load_one(const struct load *load, const struct setting *row,
                     const char *given)
{
    const char *variable = has_variable(row) ? find_variable(row->name) : NULL;
    const char *path = NULL;
    char name[SETTING_NAME_BYTES_MAX + 8];

    if (given) {
        name_flag(load->settings, row, name);
        return setting_value_set(load->target, row, name, given) &&
               is_no_secret(row, given);
    }
    snprintf(name, sizeof(name), "%s_FILE", row->name);
    if (settings_may_be_in_file(row))
        path = find_variable(name);
    if (path && variable)
        return setting_value_refuse(row->name,
                                    "is set, and %s too: one of them is enough", name);
    if (path)
        return setting_value_set_from_file(load->target, row, name, path);
    if (variable)
        return setting_value_set(load->target, row, row->name, variable);
    if (row->fallback[0])
        return setting_value_set(load->target, row, row->name, row->fallback);
    if (is_text(row))
        setting_value_set_text(load->target, row, "");
    return true;
}

const char *settings_file_of(const char *name)
{
    char file[SETTING_NAME_BYTES_MAX + 8];
    const char *path;

    snprintf(file, sizeof(file), "%s_FILE", name);
    path = find_variable(file);
    return path ? path : "";
}

/* What is printed. */

void settings_print_limits(FILE *out, const struct setting *row)
{
    char min[32], max[32];

    if (row->kind == SETTING_NUMBER)
        fprintf(out, "%ld to %ld", row->min, row->max);
    else if (row->kind == SETTING_SECONDS)
        fprintf(out, "%s to %s, may be a fraction",
                setting_value_print_seconds(min, row->min),
                setting_value_print_seconds(max, row->max));
    else
        fputs(row->form, out);
}

const char *settings_default_of(const struct setting *row)
{
    if (row->fallback[0])
        return row->fallback;
    return row->unset ? row->unset : "none";
}

static void print_row(const struct setting *row)
{
    char flag[SETTING_NAME_BYTES_MAX];

    settings_flag_of(row, flag);
    if (has_flag(row))
        printf("\n  --%s  (", flag);
    else
        printf("\n  no flag  (");
    settings_print_limits(stdout, row);
    printf(")\n      %s\n", row->help);
    if (row->kind == SETTING_SWITCH && !has_variable(row))
        return;
    printf("      default: %s", settings_default_of(row));
    if (has_variable(row))
        printf("; environment: %s", row->name);
    if (settings_may_be_in_file(row))
        printf(", or a file by %s_FILE", row->name);
    putchar('\n');
}

static void print_help(const struct settings *settings)
{
    fputs(settings->usage, stdout);
    for (size_t i = 0; i < settings->count; i++)
        if (settings->rows[i].help && is_of(settings, &settings->rows[i]))
            print_row(&settings->rows[i]);
    if (settings->print_more)
        settings->print_more();
}

/* From argv to texts. */

static const struct setting *find_flag(const struct settings *settings,
                                       const char *name, size_t len)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *row = &settings->rows[i];
        char flag[SETTING_NAME_BYTES_MAX];

        settings_flag_of(row, flag);
        if (is_of(settings, row) && has_flag(row) && strlen(flag) == len &&
            memcmp(flag, name, len) == 0)
            return row;
    }
    return NULL;
}

/* Keeps `text` for `row`: the last one counts, but a list grows. */
static void give(struct load *load, const struct setting *row, const char *text)
{
    char **given = &load->given[row - load->settings->rows];
    char *before = row->kind == SETTING_LIST ? *given : NULL;
    size_t len = strlen(text) + 1 + (before ? strlen(before) + 1 : 0);
    char *all = xmalloc(len);

    snprintf(all, len, "%s%s%s", before ? before : "", before ? "," : "", text);
    free(*given);
    *given = all;
}

/* The flag at argv[*i]; its value may be the word after it. */
static bool read_flag(struct load *load, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    size_t len = strcspn(word, "=");
    const struct setting *row = NULL;

    if (strncmp(word, "--", 2) == 0 && len >= 2)
        row = find_flag(load->settings, word + 2, len - 2);
    if (!row) {
        /* Not what comes after a '=': it may be a secret. */
        fprintf(stderr, "%.*s: there is no such flag (--help lists them)\n", (int)len,
                word);
        return false;
    }
    if (word[len] == '=') {
        give(load, row, word + len + 1);
    } else if (row->kind == SETTING_SWITCH) {
        give(load, row, "1");
    } else if (*i + 1 < argc) {
        give(load, row, argv[++*i]);
    } else {
        return load->settings->blames_flags
                   ? setting_value_refuse(word, "needs a value")
                   : setting_value_refuse(row->name, "%s needs a value", word);
    }
    return true;
}

/* Flags and the other words may come in any order. */
static enum settings_outcome read_flags(struct load *load, int *argc, char **argv)
{
    const struct settings *settings = load->settings;
    bool are_flags = true;
    int rest = 0;

    for (int i = 1; i < *argc; i++) {
        if (are_flags && strcmp(argv[i], "--help") == 0) {
            print_help(settings);
            return SETTINGS_EXIT_OK;
        }
        if (are_flags && strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", settings->program, ROOMCAST_VERSION);
            return SETTINGS_EXIT_OK;
        }
        if (settings->has_rest && are_flags && strcmp(argv[i], "--") == 0)
            are_flags = false;
        else if (settings->has_rest && (!are_flags || argv[i][0] != '-'))
            argv[rest++] = argv[i];
        else if (!read_flag(load, *argc, argv, &i))
            return SETTINGS_EXIT_BAD;
    }
    *argc = rest;
    return SETTINGS_RUN;
}

enum settings_outcome settings_load(const struct settings *settings, void *target,
                                    int *argc, char **argv)
{
    struct load load = {settings, target,
                        xcalloc(settings->count, sizeof(*load.given))};
    enum settings_outcome outcome = read_flags(&load, argc, argv);

    for (size_t i = 0; i < settings->count && outcome == SETTINGS_RUN; i++)
        if (is_of(settings, &settings->rows[i]) &&
            !load_one(&load, &settings->rows[i], load.given[i]))
            outcome = SETTINGS_EXIT_BAD;
    for (size_t i = 0; i < settings->count; i++)
        free(load.given[i]);
    free(load.given);
    return outcome;
}

void settings_deinit(const struct settings *settings, void *target)
{
    for (size_t i = 0; i < settings->count; i++) {
        char **text = setting_value_field(target, &settings->rows[i]);

        if (!is_text(&settings->rows[i]))
            continue;
        free(*text);
        *text = NULL;
    }
}
