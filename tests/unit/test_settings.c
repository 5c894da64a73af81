/* test_settings.c - the engine of the settings: kinds, flags, and what is refused. The tables of
 * the programs are tested in test_config.c and test_term_options.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/settings.h"
#include "tests/support/unit/hear.h"

enum { NAMES_MAX = 8, GATEWAY = 1, ADMIN = 2 };

struct target {
    char *text, *secret;
    long number, wait_ms;
    bool on;
    char names[NAMES_MAX][16];
    size_t name_count;
};

static const char *check_name(void *at, const char *text)
{
    struct target *target = at;

    if (strlen(text) == 0 || strlen(text) > 15 || target->name_count == NAMES_MAX)
        return "must be short";
    strcpy(target->names[target->name_count++], text);
    return NULL;
}

static const struct setting rows[] = {
#define FIELD(f) offsetof(struct target, f)
    {"ROOMCAST_TEXT", SETTING_TEXT, GATEWAY, FIELD(text), "", 0, 0, NULL, "WORD",
     "some text", "a word"},
    {"SECRET", SETTING_SECRET, GATEWAY, FIELD(secret), "", 0, 0, NULL, "WORD", "hush",
     NULL},
    {"ROOMCAST_NUMBER", SETTING_NUMBER, GATEWAY | ADMIN, FIELD(number), "3", 1, 10,
     NULL, NULL, "a number", NULL},
    {"ROOMCAST_WAIT_SECS", SETTING_SECONDS, GATEWAY, FIELD(wait_ms), "10", 100, 3600000,
     NULL, NULL, "a time", NULL},
    {"turned_on", SETTING_SWITCH, GATEWAY, FIELD(on), "0", 0, 1, NULL, "a switch",
     "a flag only", NULL},
    {"ROOMCAST_NAME", SETTING_LIST, GATEWAY, FIELD(names), "ann,bob", 0, 0, check_name,
     "NAME", "names", NULL},
#undef FIELD
};

static struct settings settings;
static struct target target;
static struct hearing hearing;

static int set_up(void **state)
{
    (void)state;
    clearenv();
    memset(&target, 0, sizeof(target));
    settings = (struct settings){
        .program = "prog",
        .usage = "usage: prog\n",
        .rows = rows,
        .count = sizeof(rows) / sizeof(rows[0]),
        .mask = GATEWAY,
    };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settings_deinit(&settings, &target);
    settings_deinit(&settings, &target);
    return 0;
}

/* Loads the words of `line`, which is split at its spaces; `said` is what came on `stream`. */
static enum settings_outcome load_on(FILE *stream, const char *line, int *rest)
{
    static char words[256];
    static char *argv[17];
    int argc = 1;
    enum settings_outcome outcome;

    argv[0] = (char *)"prog";
    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok(words, " "); word && argc < 16; word = strtok(NULL, " "))
        argv[argc++] = word;
    target.name_count = 0;
    hear_begin(&hearing, stream);
    outcome = settings_load(&settings, &target, &argc, argv);
    hear_end(&hearing);
    if (rest)
        *rest = argc;
    return outcome;
}

static enum settings_outcome load(const char *line)
{
    return load_on(stderr, line, NULL);
}

static void each_kind_has_its_default(void **state)
{
    (void)state;
    assert_int_equal(load(""), SETTINGS_RUN);
    assert_string_equal(hearing.said, "");
    assert_string_equal(target.text, "");
    assert_string_equal(target.secret, "");
    assert_int_equal(target.number, 3);
    assert_int_equal(target.wait_ms, 10000);
    assert_false(target.on);
    assert_int_equal(target.name_count, 2);
    assert_string_equal(target.names[1], "bob");
}

static void seconds_may_be_a_fraction(void **state)
{
    static const struct {
        const char *line;
        long ms;
    } good[] = {
        {"--wait-secs=1", 1000},      {"--wait-secs=0.3", 300},
        {"--wait-secs 0.1", 100},     {"--wait-secs=2.125", 2125},
        {"--wait-secs=007.50", 7500}, {"--wait-secs=3600.000", 3600000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        print_message("  %s\n", good[i].line);
        assert_int_equal(load(good[i].line), SETTINGS_RUN);
        assert_int_equal(target.wait_ms, good[i].ms);
    }
}

static void seconds_are_refused_that_are_no_such_number(void **state)
{
    static const char *const bad[] = {"0",
                                      "0.09",
                                      "0.0999",
                                      "3600.001",
                                      "1.2345",
                                      "1.",
                                      ".5",
                                      "-1",
                                      "+1",
                                      "1e1",
                                      "0x1",
                                      "1,5",
                                      "1.5.1",
                                      "1.-5",
                                      "nan",
                                      "1s",
                                      "1 ",
                                      "99999999999999999",
                                      "99999999999999999999999999999999.0",
                                      "1.+1"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        print_message("  %s\n", bad[i]);
        setenv("ROOMCAST_WAIT_SECS", bad[i], 1);
        assert_int_equal(load(""), SETTINGS_EXIT_BAD);
        assert_string_equal(hearing.said,
                            "ROOMCAST_WAIT_SECS: must be a number of seconds from 0.1 "
                            "to 3600, with at most 3 decimals\n");
    }
}

static void a_list_is_repeated_or_has_commas(void **state)
{
    (void)state;
    setenv("ROOMCAST_NAME", "dan", 1);
    assert_int_equal(load("--name=ann --number 4 --name bob,cat"), SETTINGS_RUN);
    assert_int_equal(target.name_count, 3);
    assert_string_equal(target.names[0], "ann");
    assert_string_equal(target.names[1], "bob");
    assert_string_equal(target.names[2], "cat");
    assert_int_equal(load("--name=ann,,bob"), SETTINGS_EXIT_BAD);
    assert_string_equal(hearing.said, "ROOMCAST_NAME: must be short\n");
}

static void a_switch_takes_no_word_after_it(void **state)
{
    int rest;

    (void)state;
    settings.has_rest = true;
    assert_int_equal(load_on(stderr, "--turned-on 0", &rest), SETTINGS_RUN);
    assert_true(target.on);
    assert_int_equal(rest, 1);
    assert_int_equal(load("--turned-on --turned-on=0"), SETTINGS_RUN);
    assert_false(target.on);
    assert_int_equal(load("--turned-on=2"), SETTINGS_EXIT_BAD);
    assert_string_equal(hearing.said, "--turned-on: must be 0 or 1\n");
}

static void a_name_in_small_letters_is_no_variable(void **state)
{
    (void)state;
    setenv("turned_on", "1", 1);
    setenv("TURNED_ON", "1", 1);
    setenv("ROOMCAST_TURNED_ON", "1", 1);
    assert_int_equal(load(""), SETTINGS_RUN);
    assert_false(target.on);
}

static void a_secret_is_no_flag(void **state)
{
    (void)state;
    assert_int_equal(load("--secret=hunter2"), SETTINGS_EXIT_BAD);
    assert_string_equal(hearing.said,
                        "--secret: there is no such flag (--help lists them)\n");
}

static void rows_of_another_program_are_unknown(void **state)
{
    (void)state;
    settings.mask = ADMIN;
    setenv("ROOMCAST_WAIT_SECS", "nonsense", 1);
    assert_int_equal(load(""), SETTINGS_RUN);
    assert_int_equal(target.number, 3);
    assert_int_equal(target.wait_ms, 0);
    assert_int_equal(load("--wait-secs=1"), SETTINGS_EXIT_BAD);
}

static void a_program_may_blame_its_flags(void **state)
{
    (void)state;
    assert_int_equal(load("--number=x"), SETTINGS_EXIT_BAD);
    assert_string_equal(hearing.said,
                        "ROOMCAST_NUMBER: must be a whole number from 1 to 10\n");
    settings.blames_flags = true;
    assert_int_equal(load("--number=x"), SETTINGS_EXIT_BAD);
    assert_string_equal(hearing.said,
                        "--number: must be a whole number from 1 to 10\n");
    assert_int_equal(load("--number"), SETTINGS_EXIT_BAD);
    assert_string_equal(hearing.said, "--number: needs a value\n");
}

static void other_words_stand_anywhere_and_alone_after_two_dashes(void **state)
{
    int rest;

    (void)state;
    assert_int_equal(load("room"), SETTINGS_EXIT_BAD);
    settings.has_rest = true;
    assert_int_equal(load_on(stderr, "room --number 4 other -- --number", &rest),
                     SETTINGS_RUN);
    assert_int_equal(rest, 3);
    assert_int_equal(target.number, 4);
    assert_int_equal(load("-n"), SETTINGS_EXIT_BAD);
}

static void help_prints_limits_and_defaults(void **state)
{
    (void)state;
    assert_int_equal(load_on(stdout, "--help --nonsense", NULL), SETTINGS_EXIT_OK);
    assert_string_equal(
        hearing.said,
        "usage: prog\n"
        "\n  --text  (WORD)\n      some text\n"
        "      default: a word; environment: ROOMCAST_TEXT\n"
        "\n  no flag  (WORD)\n      hush\n"
        "      default: none; environment: SECRET, or a file by SECRET_FILE\n"
        "\n  --number  (1 to 10)\n      a number\n"
        "      default: 3; environment: ROOMCAST_NUMBER\n"
        "\n  --wait-secs  (0.1 to 3600, may be a fraction)\n      a time\n"
        "      default: 10; environment: ROOMCAST_WAIT_SECS\n"
        "\n  --turned-on  (a switch)\n      a flag only\n"
        "\n  --name  (NAME)\n      names\n"
        "      default: ann,bob; environment: ROOMCAST_NAME\n");
    assert_int_equal(load_on(stdout, "--version", NULL), SETTINGS_EXIT_OK);
    assert_string_equal(hearing.said, "prog " ROOMCAST_VERSION "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_kind_has_its_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(seconds_may_be_a_fraction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(seconds_are_refused_that_are_no_such_number,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_is_repeated_or_has_commas, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_switch_takes_no_word_after_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_name_in_small_letters_is_no_variable, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_secret_is_no_flag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_of_another_program_are_unknown, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_program_may_blame_its_flags, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            other_words_stand_anywhere_and_alone_after_two_dashes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(help_prints_limits_and_defaults, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
