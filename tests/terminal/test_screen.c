/* test_screen.c - what one person sees and types: sizes, columns, colours, scrolling, editing, pastes,
 * and what is left of the terminal afterwards.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/text.h"
#include "common/strbuf.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/roomcast.h"
#include "tests/support/fleet/tmux.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { PASTED = 10000, OLD = 3000, NOISE = 20000 };

static struct fleet fleet;
static struct tmux tmux;

static void open_ann(int columns, int rows, const char *rooms)
{
    roomcast_open(&tmux, &fleet, 0, "ann", columns, rows, rooms);
}

static struct chat *come(const char *room, const char *user)
{
    return chat_enter(fleet.gateways[0].port, room, user);
}

/* The column of `text` in a row of the screen, or -1. */
static int column_of(const char *row, const char *text)
{
    const char *at = strstr(row, text);

    return at ? text_width(row, (size_t)(at - row)) : -1;
}

struct edge {
    const char *text;
    int column;
};

/* A new size is told to the program in its own time. */
static bool is_at_column(void *data)
{
    struct edge *edge = data;

    return column_of(tmux_row(&tmux, "ann", 1), edge->text) == edge->column;
}

static void it_fits_each_size(void **state)
{
    static const struct {
        int columns, rows;
    } sizes[] = {{80, 24}, {200, 60}, {20, 5}, {40, 8}, {10, 2}, {300, 100}, {60, 6}};
    struct chat *eve = come("sizes", "eve");

    (void)state;
    open_ann(80, 24, "sizes");
    tmux_line(&tmux, "ann", "/members");
    chat_say(eve, "sizes",
             "a few words that have to be wrapped where there is no "
             "place for all of them side by side, and that is well");
    tmux_expect(&tmux, "ann", "that is well");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        tmux_resize(&tmux, "ann", sizes[i].columns, sizes[i].rows);
        tmux_type(&tmux, "ann", "here");
        tmux_expect(&tmux, "ann", sizes[i].columns > 10 ? "> here" : "here");
        tmux_key(&tmux, "ann", "C-u");
        tmux_expect_gone(&tmux, "ann", "> here");
        if (sizes[i].columns >= 60 && sizes[i].rows >= 24) {
            assert_true(wait_until(is_at_column,
                                   &(struct edge){"| 2 here", sizes[i].columns - 24},
                                   TMUX_DEADLINE_MS));
            tmux_expect(&tmux, "ann", "that is well");
        }
    }
    tmux_line(&tmux, "ann", "/quit");
    tmux_expect(&tmux, "ann", "[exit 0]");
    tmux_close(&tmux, "ann");
    chat_close(eve);
}

static void it_can_begin_in_each_size(void **state)
{
    static const struct {
        int columns, rows;
    } sizes[] = {{200, 60}, {20, 5}, {3, 1}, {1, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *command = roomcast_command(&fleet, 0, "ann", "begin");

        tmux_open(&tmux, "ann", sizes[i].columns, sizes[i].rows, NULL, command);
        tmux_resize(&tmux, "ann", 80, 24);
        tmux_expect(&tmux, "ann", " as ann");
        tmux_line(&tmux, "ann", "/quit");
        tmux_expect(&tmux, "ann", "[exit 0]");
        tmux_close(&tmux, "ann");
        free(command);
    }
}

static void wide_text_stands_in_the_right_columns(void **state)
{
    static const char *const texts[] = {
        "plain",
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",                  /* wide */
        "e\xcc\x81 a\xcc\x88\xcc\xa3 x\xcc\x81\xcc\x82\xcc\x83", /* combining */
        "\xf0\x9f\x98\x80\xf0\x9f\x91\x8d",                      /* emoji */
        /* a family, joined */
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
        "\xe2\x9d\xa4\xef\xb8\x8f \xe2\x98\x8e\xef\xb8\x8e", /* selectors */
        "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd \xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", /* skin, flag */
        "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4",
        "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d",
    };
    struct chat *eve = come("wide", "\xe5\xa4\x8f\xe5\xa8\x83");

    (void)state;
    open_ann(80, 24, "wide");
    tmux_line(&tmux, "ann", "/members");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        chat_say(eve, "wide", texts[i]);
    chat_say(eve, "wide", "end");
    tmux_expect(&tmux, "ann", "\xe5\xa4\x8f\xe5\xa8\x83: end");
    for (int y = 1; y < 21; y++) { /* the panel's edge is straight */
        int column = column_of(tmux_row(&tmux, "ann", y), "|");

        if (column != 56)
            fail_msg("row %d has its edge in column %d:\n%s", y, column,
                     tmux_screen(&tmux, "ann"));
    }
    tmux_type(&tmux, "ann",
              "x\xe6\x97\xa5"
              "e\xcc\x81y");
    tmux_key(&tmux, "ann", "BSpace");
    tmux_key(&tmux, "ann", "BSpace");
    tmux_type(&tmux, "ann", "!");
    tmux_expect(&tmux, "ann", "> x\xe6\x97\xa5!");
    tmux_close(&tmux, "ann");
    chat_close(eve);
}

static void control_characters_do_nothing(void **state)
{
    static const char *const attacks[] = {
        "\\u001b[2J\\u001b[H gone?",
        "\\u001b]0;title\\u0007",
        "\\u009b31m red",
        "\\u202egnp.exe",
        "over\\rwritten",
        "bell\\u0007\\u0008\\u0008",
        "\\u2028 line \\u2029",
        "\\u001b[201~",
    };
    struct chat *eve = come("attack", "eve\xe2\x80\xae");
    const char *screen;

    (void)state;
    open_ann(80, 24, "attack");
    tmux_line(&tmux, "ann", "/members");
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        chat_send(eve, "{'type':'message','room':'attack','text':'%s'}", attacks[i]);
        chat_expect_skipping(eve, "message_ack");
    }
    chat_say(eve, "attack", "the last");
    tmux_expect(&tmux, "ann", "the last");
    tmux_expect(&tmux, "ann", "\xe2\x90\x9b[2J\xe2\x90\x9b[H gone?");
    tmux_expect(&tmux, "ann", "over\xe2\x90\x8dwritten");
    tmux_expect(&tmux, "ann",
                "\xef\xbf\xbd"
                "31m red");
    tmux_expect(&tmux, "ann", "| 2 here");
    screen = tmux_screen(&tmux, "ann");
    assert_null(strstr(screen, "\xe2\x80\xae"));
    assert_null(strstr(screen, "\xe2\x80\xa8"));
    tmux_close(&tmux, "ann");
    chat_close(eve);
}

static void names_have_colours_unless_they_are_not_wanted(void **state)
{
    struct chat *eve = come("colours", "eve");
    char *command = roomcast_command(&fleet, 0, "ann", "colours");

    (void)state;
    chat_say(eve, "colours", "in colour");
    tmux_open(&tmux, "ann", 80, 24, NULL, command);
    tmux_expect(&tmux, "ann", "in colour");
    assert_non_null(
        strstr(tmux_screen_with_escapes(&tmux, "ann"), "\033[1m\033[38;5;"));
    tmux_close(&tmux, "ann");
    tmux_open(&tmux, "ann", 80, 24, "NO_COLOR=1", command);
    tmux_expect(&tmux, "ann", "in colour");
    assert_null(strstr(tmux_screen_with_escapes(&tmux, "ann"), "\033[38;5;"));
    assert_null(strstr(tmux_screen(&tmux, "ann"), "\033[3"));
    tmux_close(&tmux, "ann");
    free(command);
    chat_close(eve);
}

struct search {
    const char *key, *text;
};

/* Presses the key again and again until the text is to be seen. */
static bool has_scrolled(void *data)
{
    struct search *search = data;

    for (int i = 0; i < 10; i++)
        tmux_key(&tmux, "ann", search->key);
    return strstr(tmux_screen(&tmux, "ann"), search->text) != NULL;
}

static void scroll_to(const char *key, const char *text)
{
    assert_true(
        wait_until(has_scrolled, &(struct search){key, text}, TMUX_DEADLINE_MS));
}

static void scrolling_up_brings_older_messages(void **state)
{
    struct chat *eve = come("older", "eve");

    (void)state;
    for (int i = 1; i <= OLD; i++) {
        char text[32];

        snprintf(text, sizeof(text), "number %d.", i);
        chat_say(eve, "older", text);
    }
    open_ann(200, 60, "older");
    tmux_expect(&tmux, "ann", "number 3000.");
    scroll_to("PPage", "eve: number 1."); /* beyond what is held at first */
    tmux_expect(&tmux, "ann", "scrolled up");
    chat_say(eve, "older", "a new one");
    chat_say(eve, "older", "and another");
    tmux_expect(&tmux, "ann", "eve: number 1."); /* it stays where it is */
    scroll_to("NPage", "and another");
    tmux_expect_gone(&tmux, "ann", "scrolled up");
    tmux_line(&tmux, "ann", "/history");
    tmux_expect(&tmux, "ann", "nothing older");
    tmux_close(&tmux, "ann");
    chat_close(eve);
}

static void tab_completes_commands_rooms_and_names(void **state)
{
    struct chat *eve = come("tabs", "evelyn");
    struct chat *eva = come("tabs", "eva");

    (void)state;
    open_ann(80, 24, "tabs tavern");
    tmux_key(&tmux, "ann", "C-n");
    tmux_type(&tmux, "ann", "/hi");
    tmux_key(&tmux, "ann", "Tab");
    tmux_expect(&tmux, "ann", "> /history");
    tmux_key(&tmux, "ann", "C-u");
    tmux_type(&tmux, "ann", "/join tab");
    tmux_key(&tmux, "ann", "Tab");
    tmux_expect(&tmux, "ann", "> /join tabs");
    tmux_key(&tmux, "ann", "C-u");
    tmux_key(&tmux, "ann", "M-1");
    tmux_line(&tmux, "ann", "/members");
    tmux_expect(&tmux, "ann", "| evelyn");
    tmux_type(&tmux, "ann", "evel");
    tmux_key(&tmux, "ann", "Tab");
    tmux_expect(&tmux, "ann", "> evelyn:");
    tmux_key(&tmux, "ann", "C-u");
    tmux_type(&tmux, "ann", "so ev");
    tmux_key(&tmux, "ann", "Tab");
    tmux_expect(&tmux, "ann", "eva  evelyn");
    tmux_close(&tmux, "ann");
    chat_close(eve);
    chat_close(eva);
}

static void the_line_is_edited_and_remembered(void **state)
{
    (void)state;
    open_ann(80, 24, "edit");
    tmux_type(&tmux, "ann", "wrong words here");
    tmux_key(&tmux, "ann", "C-w");
    tmux_key(&tmux, "ann", "C-w");
    tmux_expect(&tmux, "ann", "> wrong");
    tmux_key(&tmux, "ann", "C-a");
    tmux_type(&tmux, "ann", "not ");
    tmux_key(&tmux, "ann", "C-k");
    tmux_type(&tmux, "ann", "right");
    tmux_key(&tmux, "ann", "Enter");
    tmux_expect(&tmux, "ann", "ann: not right");
    tmux_line(&tmux, "ann", "second");
    tmux_expect(&tmux, "ann", "ann: second");
    tmux_type(&tmux, "ann", "third");
    tmux_key(&tmux, "ann", "Up");
    tmux_key(&tmux, "ann", "Up");
    tmux_expect(&tmux, "ann", "> not right");
    tmux_key(&tmux, "ann", "Down");
    tmux_key(&tmux, "ann", "Down");
    tmux_expect(&tmux, "ann", "> third");
    tmux_key(&tmux, "ann", "C-u");
    tmux_line(&tmux, "ann", "/nonsense");
    tmux_expect(&tmux, "ann", "no such command");
    tmux_key(&tmux, "ann", "C-u");
    tmux_line(&tmux, "ann", "//slash");
    tmux_expect(&tmux, "ann", "ann: /slash");
    tmux_close(&tmux, "ann");
}

static void a_long_paste_asks_and_is_said_in_order(void **state)
{
    struct strbuf text = {NULL, 0, 0};

    (void)state;
    for (int i = 1; i <= PASTED; i++)
        strbuf_add_format(&text, "/quit %d\n", i); /* no commands */
    open_ann(80, 24, "paste");
    tmux_paste(&tmux, "ann", text.data);
    tmux_expect(&tmux, "ann", "10000 lines pasted");
    tmux_key(&tmux, "ann", "Escape");
    tmux_expect_gone(&tmux, "ann", "lines pasted");
    tmux_paste(&tmux, "ann", "one line\n");
    tmux_expect(&tmux, "ann", "> one line");
    tmux_key(&tmux, "ann", "C-u");
    tmux_paste(&tmux, "ann", text.data);
    tmux_expect(&tmux, "ann", "10000 lines pasted");
    tmux_key(&tmux, "ann", "Enter");
    tmux_type(&tmux, "ann", "not frozen");
    tmux_expect(&tmux, "ann", "> not frozen");
    tmux_expect(&tmux, "ann", "ann: /quit 10000");
    tmux_expect_gone(&tmux, "ann", "more lines wait");
    tmux_expect_gone(&tmux, "ann", "...");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{paste}:meta seq"),
                     PASTED);
    for (int i = 1; i <= 1000; i += 37) { /* of the history */
        char want[32];
        char *line;

        snprintf(want, sizeof(want), "\"/quit %d\"", PASTED + 1 - i);
        line = redis_cmd_text(fleet.redis_port, "LINDEX rc:{paste}:history %d", -i);
        assert_non_null(strstr(line, want));
        free(line);
    }
    tmux_close(&tmux, "ann");
    strbuf_deinit(&text);
}

static void a_busy_room_does_not_starve_the_keys(void **state)
{
    struct chat *eve = come("busy", "eve");

    (void)state;
    open_ann(80, 24, "busy");
    for (int i = 1; i <= NOISE; i++) {
        if (i % 200 == 0)
            chat_say(eve, "busy", "a breath"); /* and read what has come */
        chat_send(eve, "{'type':'message','room':'busy','text':'noise %d'}", i);
        if (i == NOISE / 2)
            tmux_type(&tmux, "ann", "still typing");
    }
    chat_say(eve, "busy", "the end");
    tmux_expect(&tmux, "ann", "> still typing");
    tmux_expect(&tmux, "ann", "eve: the end");
    chat_close(eve);
    tmux_close(&tmux, "ann");
}

static void expect_a_sane_terminal(void)
{
    tmux_line(&tmux, "ann", "echo works");
    tmux_expect(&tmux, "ann", "echo works\necho works"); /* typed, and by cat */
}

static void the_terminal_is_given_back(void **state)
{
    static const struct {
        int signal;
        const char *ending;
    } ends[] = {{SIGTERM, "[exit 0]"},
                {SIGINT, "[exit 0]"},
                {SIGHUP, "[exit 0]"},
                {SIGQUIT, "[exit 131]"}};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        open_ann(80, 24, "ends");
        kill(tmux_pid(&tmux, "ann"), ends[i].signal);
        tmux_expect(&tmux, "ann", ends[i].ending);
        tmux_expect_gone(&tmux, "ann", " 1 ends");
        expect_a_sane_terminal();
        tmux_close(&tmux, "ann");
    }
}

static void it_can_be_suspended(void **state)
{
    char *command = roomcast_command(&fleet, 0, "ann", "sleep");

    (void)state;
    tmux_open(&tmux, "ann", 80, 24, NULL, "PS1='ready> ' bash --norc -i");
    tmux_expect(&tmux, "ann", "ready>");
    tmux_line(&tmux, "ann", command);
    tmux_expect(&tmux, "ann", " as ann");
    tmux_type(&tmux, "ann", "a thought");
    tmux_expect(&tmux, "ann",
                "> a thought"); /* the kernel drops what is not read yet */
    tmux_key(&tmux, "ann", "C-z");
    tmux_expect(&tmux, "ann", "Stopped");
    tmux_resize(&tmux, "ann", 100, 30);
    tmux_line(&tmux, "ann", "clear; fg");
    tmux_expect(&tmux, "ann", "> a thought");
    assert_string_equal(tmux_row(&tmux, "ann", 29), "> a thought");
    tmux_close(&tmux, "ann");
    free(command);
}

static void the_held_screen_holds_nothing_else(void **state)
{
    static const char *const lines[] = {"first", "second", "third"};
    struct chat *eve = come("held", "eve");

    (void)state;
    open_ann(80, 24, "held");
    tmux_key(&tmux, "ann", "C-s");
    for (size_t i = 0; i < 3; i++) { /* each would be drawn before the next is read */
        tmux_line(&tmux, "ann", lines[i]);
        chat_expect_skipping(eve, "message");
    }
    assert_null(strstr(tmux_screen(&tmux, "ann"), "ann: first"));
    tmux_key(&tmux, "ann", "C-q");
    tmux_expect(&tmux, "ann", "ann: third");
    tmux_key(&tmux, "ann", "C-s");
    kill(tmux_pid(&tmux, "ann"), SIGTERM);
    tmux_expect(&tmux, "ann", "[exit 0]");
    expect_a_sane_terminal();
    tmux_close(&tmux, "ann");
    chat_close(eve);
}

static int start(void **state)
{
    (void)state;
    text_use_locale();
    tmux_start(&tmux);
    return fleet_start(
        &fleet, &(struct fleet_opts){
                    .gateways = 1,
                    .settings = (const char *[]){"ROOMCAST_HISTORY_LIMIT=5000", NULL}});
}

static int stop(void **state)
{
    (void)state;
    tmux_stop(&tmux);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_fits_each_size),
        cmocka_unit_test(it_can_begin_in_each_size),
        cmocka_unit_test(wide_text_stands_in_the_right_columns),
        cmocka_unit_test(control_characters_do_nothing),
        cmocka_unit_test(names_have_colours_unless_they_are_not_wanted),
        cmocka_unit_test(scrolling_up_brings_older_messages),
        cmocka_unit_test(tab_completes_commands_rooms_and_names),
        cmocka_unit_test(the_line_is_edited_and_remembered),
        cmocka_unit_test(a_long_paste_asks_and_is_said_in_order),
        cmocka_unit_test(a_busy_room_does_not_starve_the_keys),
        cmocka_unit_test(the_terminal_is_given_back),
        cmocka_unit_test(it_can_be_suspended),
        cmocka_unit_test(the_held_screen_holds_nothing_else),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
