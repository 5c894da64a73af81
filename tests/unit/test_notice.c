/* test_notice.c - the header of a notice: each kind, each way of being malformed, each name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/notice.h"
#include "common/proto.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define EPOCH "0123456789abcdef"
#define LONGEST "0123456789012345678901234567890123456789012345678901234567890123"

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static void assert_text(struct json_text got, const char *wanted)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_memory_equal(got.base, wanted, got.len);
}

static const struct {
    const char *text;
    enum notice_kind kind;
    uint64_t rev, first, last;
    const char *users, *lines;
    struct token token;
} notices[] = {
    {"1 " EPOCH " 7 message 41 43 - 3.00000000000000a1\na\nb\nc",
     NOTICE_MESSAGE,
     7,
     41,
     43,
     "-",
     "a\nb\nc",
     {3, 0xa1}},
    {"1 " EPOCH " 8 deleted 41 41 - -\nx", NOTICE_DELETED, 8, 41, 41, "-", "x", {0, 0}},
    {"1 " EPOCH " 9 edited 41 41 - -\nx", NOTICE_EDITED, 9, 41, 41, "-", "x", {0, 0}},
    {"1 " EPOCH " 0 signal 0 0 ann -\nx", NOTICE_SIGNAL, 0, 0, 0, "ann", "x", {0, 0}},
    {"1 " EPOCH " 9 joined 0 0 ann,b%20b 1.fedcba9876543210\nx\ny",
     NOTICE_JOINED,
     9,
     0,
     0,
     "ann,b%20b",
     "x\ny",
     {1, 0xfedcba9876543210}},
    {"1 " EPOCH " 10 left 0 0 ann -\nx", NOTICE_LEFT, 10, 0, 0, "ann", "x", {0, 0}},
    {"1 " EPOCH " 11 kicked 0 0 ann -\nx\ny",
     NOTICE_KICKED,
     11,
     0,
     0,
     "ann",
     "x\ny",
     {0, 0}},
    {"1 " EPOCH " 9999999999999999999 closed 0 0 - -\n",
     NOTICE_CLOSED,
     9999999999999999999u,
     0,
     0,
     "-",
     "",
     {0, 0}},
    {"1 " EPOCH " 12 remade 0 0 - 9999999999999999999.0000000000000000\n",
     NOTICE_REMADE,
     12,
     0,
     0,
     "-",
     "",
     {9999999999999999999u, 0}},
};

static void each_kind_is_read(void **state)
{
    (void)state;
    assert_int_equal(COUNT(notices), NOTICE_KINDS);
    for (size_t i = 0; i < COUNT(notices); i++) {
        struct notice notice;

        assert_true(notice_parse(text_of(notices[i].text), &notice));
        assert_int_equal(notice.kind, notices[i].kind);
        assert_text(notice.epoch, EPOCH);
        assert_int_equal(notice.rev, notices[i].rev);
        assert_int_equal(notice.first, notices[i].first);
        assert_int_equal(notice.last, notices[i].last);
        assert_text(notice.users, notices[i].users);
        assert_text(notice.lines, notices[i].lines);
        assert_true(token_equals(notice.token, notices[i].token));
    }
}

/* Of a version without terms. */
static void a_header_without_token_is_read(void **state)
{
    struct notice notice;

    (void)state;
    assert_true(
        notice_parse(text_of("1 " EPOCH " 7 message 41 43 -\na\nb\nc"), &notice));
    assert_false(token_is_known(notice.token));
    assert_text(notice.users, "-");
    assert_text(notice.lines, "a\nb\nc");
}

/* A copy of just these bytes, so that ASan sees who reads beyond them. */
static bool parses(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    struct notice notice;
    bool ok;

    memcpy(copy, text, len);
    ok = notice_parse((struct json_text){copy, len}, &notice);
    free(copy);
    return ok;
}

static void a_malformed_header_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        " \n",
        "x\n",
        "1\n",
        "1 \n",
        "1 " EPOCH " 7 message 1 1 -",    /* no line */
        "0 " EPOCH " 7 message 1 1 -\nx", /* version */
        "2 " EPOCH " 7 message 1 1 -\nx",
        "11 " EPOCH " 7 message 1 1 -\nx",
        " 1 " EPOCH " 7 message 1 1 -\nx",
        EPOCH " 7 message 1 1 -\nx",
        "1 0123456789abcde 7 message 1 1 -\nx", /* epoch */
        "1 " EPOCH "0 7 message 1 1 -\nx",
        "1  7 message 1 1 -\nx",
        "1  " EPOCH " 7 message 1 1 -\nx",
        "1 " EPOCH "  message 1 1 -\nx", /* rev */
        "1 " EPOCH " -7 message 1 1 -\nx",
        "1 " EPOCH " 7.0 message 1 1 -\nx",
        "1 " EPOCH " 99999999999999999999 message 1 1 -\nx",
        "1 " EPOCH " message 1 1 -\nx",
        "1 " EPOCH " 7  1 1 -\nx", /* kind */
        "1 " EPOCH " 7 messag 1 1 -\nx",
        "1 " EPOCH " 7 messages 1 1 -\nx",
        "1 " EPOCH " 7 Message 1 1 -\nx",
        "1 " EPOCH " 7 1 1 -\nx",
        "1 " EPOCH " 7 message  1 -\nx", /* numbers */
        "1 " EPOCH " 7 message a 1 -\nx",
        "1 " EPOCH " 7 message 1  -\nx",
        "1 " EPOCH " 7 message 1 1e3 -\nx",
        "1 " EPOCH " 7 message 1 0x1 -\nx",
        "1 " EPOCH " 7 message 1 -\nx",
        "1 " EPOCH " 7 message 1 1\nx", /* users */
        "1 " EPOCH " 7 message 1 1 \nx",
        "1 " EPOCH " 7 message 1 1  -\nx",
        "1 " EPOCH " 7 message 1 1 - x\nx", /* token */
        "1 " EPOCH " 7 message 1 1 - --\nx",
        "1 " EPOCH " 7 message 1 1 - 1\nx",
        "1 " EPOCH " 7 message 1 1 - 1.\nx",
        "1 " EPOCH " 7 message 1 1 - .00000000000000a1\nx",
        "1 " EPOCH " 7 message 1 1 - 0.00000000000000a1\nx",
        "1 " EPOCH " 7 message 1 1 - -1.00000000000000a1\nx",
        "1 " EPOCH " 7 message 1 1 - 1.0000000000000a1\nx",
        "1 " EPOCH " 7 message 1 1 - 1.000000000000000a1\nx",
        "1 " EPOCH " 7 message 1 1 - 1.00000000000000A1\nx",
        "1 " EPOCH " 7 message 1 1 - 1.0000000000000.a1\nx",
        "1 " EPOCH " 7 message 1 1 - 99999999999999999999.00000000000000a1\nx",
    };
    static const char with_nul[] = "1\0" EPOCH " 7 message 1 1 -\nx";

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(parses(bad[i], strlen(bad[i])));
    assert_false(parses(with_nul, sizeof(with_nul) - 1));
}

static void a_header_that_is_cut_short_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(notices); i++) {
        size_t header = (size_t)(strchr(notices[i].text, '\n') - notices[i].text);

        for (size_t len = 0; len <= header; len++)
            assert_false(parses(notices[i].text, len));
        assert_true(parses(notices[i].text, header + 1));
    }
}

/* Names as a client may choose them: what looks like the header's own characters, too. */
static const char *const odd_names[] = {
    "ann",   "-",
    "--",    "-,-",
    ",",     ",,",
    ".",     "..",
    "%",     "%2D",
    "%25",   "%%%",
    "%2",    "%zz",
    "a b",   " ",
    "a,b",   LONGEST,
    "1",     "left",
    "0 0 -", "\xc3\xa4",
    "\"",    "\\",
    "a=b",   "\xf0\x9f\x98\x80",
};

static void assert_same_names(struct json_text users, const struct json_text *names,
                              size_t count)
{
    struct json_text taken[COUNT(odd_names)];
    char *copy = malloc(users.len);

    memcpy(copy, users.base, users.len);
    assert_true(notice_take_users(copy, users.len, taken, count));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(taken[i].len, names[i].len);
        assert_memory_equal(taken[i].base, names[i].base, names[i].len);
    }
    free(copy);
}

/* Prints, reads, and compares; then prints what was read. */
static void check_round_trip(const struct notice *wanted, const struct json_text *names,
                             size_t count)
{
    struct strbuf first = {NULL, 0, 0}, second = {NULL, 0, 0};
    struct notice got;

    notice_print(&first, wanted, names, count);
    assert_true(notice_parse((struct json_text){first.data, first.len}, &got));
    assert_int_equal(got.kind, wanted->kind);
    assert_int_equal(got.rev, wanted->rev);
    assert_int_equal(got.first, wanted->first);
    assert_int_equal(got.last, wanted->last);
    assert_true(token_equals(got.token, wanted->token));
    assert_text(got.epoch, EPOCH);
    assert_int_equal(got.lines.len, wanted->lines.len);
    assert_memory_equal(got.lines.base, wanted->lines.base, wanted->lines.len);
    if (count > 0)
        assert_same_names(got.users, names, count);
    else
        assert_text(got.users, "-");
    notice_print(&second, &got, names, count);
    assert_int_equal(second.len, first.len);
    assert_memory_equal(second.data, first.data, first.len);
    strbuf_deinit(&first);
    strbuf_deinit(&second);
}

static void what_is_printed_is_read_as_it_was(void **state)
{
    struct json_text names[COUNT(odd_names)];

    (void)state;
    for (size_t i = 0; i < COUNT(odd_names); i++)
        names[i] = text_of(odd_names[i]);
    for (int kind = 0; kind < NOTICE_KINDS; kind++) {
        struct notice notice = {.epoch = text_of(EPOCH),
                                .rev = 1,
                                .first = 9999999999999999999u,
                                .kind = (enum notice_kind)kind,
                                .lines = text_of("{}\n{}")};
        size_t count = notice_count_users(notice.kind, COUNT(odd_names));

        check_round_trip(&notice, names, count);
        for (size_t i = 0; count == 1 && i < COUNT(odd_names); i++)
            check_round_trip(&notice, &names[i], 1);
    }
}

static void what_was_read_is_printed_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(notices); i++) {
        struct json_text names[2];
        struct strbuf out = {NULL, 0, 0};
        struct notice notice;
        char users[64];
        size_t count = notices[i].kind == NOTICE_JOINED
                           ? 2
                           : notice_count_users(notices[i].kind, 1);

        assert_true(notice_parse(text_of(notices[i].text), &notice));
        memcpy(users, notice.users.base, notice.users.len);
        assert_true(count == 0 ||
                    notice_take_users(users, notice.users.len, names, count));
        notice_print(&out, &notice, names, count);
        assert_string_equal(out.data, notices[i].text);
        strbuf_deinit(&out);
    }
}

static bool takes(const char *users, size_t len, size_t count)
{
    struct json_text names[4];
    char *copy = malloc(len > 0 ? len : 1);
    bool ok;

    memcpy(copy, users, len);
    ok = notice_take_users(copy, len, names, count);
    free(copy);
    return ok;
}

static void users_that_are_no_names_are_refused(void **state)
{
    static const struct {
        const char *users;
        size_t count;
    } bad[] = {
        {"", 1},     {"ann", 2}, {"ann,bob", 1},   {"ann,", 1},        {"ann,", 2},
        {",ann", 2}, {",", 1},   {",", 2},         {"ann,,bob", 3},    {"%", 1},
        {"%2", 1},   {"%zz", 1}, {"a%", 1},        {"ann,%", 2},       {"%00", 1},
        {"%0a", 1},  {"%ff", 1}, {LONGEST "x", 1}, {LONGEST "%41", 1}, {"a\nb", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(takes(bad[i].users, strlen(bad[i].users), bad[i].count));
    assert_false(takes("a\0b", 3, 1));
    assert_true(takes(LONGEST, 64, 1));
    assert_true(takes("-", 1, 1));
    assert_true(takes("-,-", 3, 2));
    assert_true(takes("%2D,%2C,.,..", 12, 4));
}

static void each_kind_knows_its_lines_and_users(void **state)
{
    static const struct {
        const char *first, *second;
        bool may_have_two, may_have_three;
        size_t users_of_three;
    } wanted[] = {
        [NOTICE_MESSAGE] = {"message", "message", true, true, 0},
        [NOTICE_DELETED] = {"message_deleted", "message_deleted", false, false, 0},
        [NOTICE_EDITED] = {"message_edited", "message_edited", false, false, 0},
        [NOTICE_SIGNAL] = {"signal", "signal", false, false, 1},
        [NOTICE_JOINED] = {"member_joined", "member_joined", true, true, 3},
        [NOTICE_LEFT] = {"member_left", "member_left", true, true, 3},
        [NOTICE_KICKED] = {"kicked", "member_left", true, false, 1},
        [NOTICE_CLOSED] = {"room_closed", "room_closed", false, false, 0},
        [NOTICE_REMADE] = {"none", "none", false, false, 0},
    };

    (void)state;
    assert_int_equal(COUNT(wanted), NOTICE_KINDS);
    for (size_t i = 0; i < COUNT(wanted); i++) {
        enum notice_kind kind = (enum notice_kind)i;

        assert_string_equal(notice_type(kind, 0), wanted[i].first);
        assert_string_equal(notice_type(kind, 1), wanted[i].second);
        assert_int_equal(notice_may_have(kind, 0), kind == NOTICE_REMADE);
        assert_int_equal(notice_may_have(kind, 1), kind != NOTICE_REMADE);
        assert_int_equal(notice_may_have(kind, 2), wanted[i].may_have_two);
        assert_int_equal(notice_may_have(kind, 3), wanted[i].may_have_three);
        assert_int_equal(notice_count_users(kind, 3), wanted[i].users_of_three);
    }
}

static void a_line_ends_at_its_line_end_or_with_the_text(void **state)
{
    static const char text[] = "a\n\nbc";
    const char *end = text + 5;

    (void)state;
    assert_ptr_equal(notice_line_end(text, end), text + 1);
    assert_ptr_equal(notice_line_end(text + 2, end), text + 2);
    assert_ptr_equal(notice_line_end(text + 3, end), end);
    assert_ptr_equal(notice_line_end(end, end), end);
}

#define MESSAGE(seq)                                                                   \
    "{\"type\":\"message\",\"room\":\"R\",\"seq\":" seq ",\"user\":\"ann\","           \
    "\"text\":\"x\",\"ts\":1}"
#define JOINED(user)                                                                   \
    "{\"type\":\"member_joined\",\"room\":\"R\",\"user\":\"" user "\",\"members\":1}"
#define LEFT(user)                                                                     \
    "{\"type\":\"member_left\",\"room\":\"R\",\"reason\":\"kicked\",\"user\":\"" user  \
    "\",\"members\":1}"
#define SIGNAL(user)                                                                   \
    "{\"type\":\"signal\",\"room\":\"R\",\"user\":\"" user                             \
    "\",\"kind\":\"k\",\"data\":1}"
#define DELETED(seq) "{\"type\":\"message_deleted\",\"room\":\"R\",\"seq\":" seq "}"
#define KICKED "{\"type\":\"kicked\",\"room\":\"R\",\"reason\":\"\"}"
#define CLOSED "{\"type\":\"room_closed\",\"room\":\"R\",\"reason\":\"\"}"

static void the_lines_must_be_what_the_header_says(void **state)
{
    static const struct json_text head = {
        "{\"type\":\"message\",\"room\":\"R\",\"seq\":", 35};
    static const struct {
        const char *header, *lines;
        bool is_right;
    } cases[] = {
        {"message 4 5 -", MESSAGE("4") "\n" MESSAGE("5"), true},
        {"message 4 4 -", MESSAGE("4"), true},
        {"message 5 6 -", MESSAGE("4") "\n" MESSAGE("5"), false},
        {"message 4 6 -", MESSAGE("4") "\n" MESSAGE("5"), false},
        {"message 4 4 -", MESSAGE("4") "\n" MESSAGE("5"), false},
        {"message 4 4 -", MESSAGE("4") "\n", false},
        {"message 5 4 -", MESSAGE("4"), false},
        {"message 0 0 -", MESSAGE("0"), false},
        {"message 4 4 -", "", false},
        {"message 4 4 -", SIGNAL("ann"), false},
        {"deleted 4 4 -", DELETED("4"), true},
        {"deleted 5 5 -", DELETED("4"), false},
        {"deleted 4 5 -", DELETED("4"), false},
        {"deleted 0 0 -", DELETED("0"), false},
        {"signal 0 0 ann", SIGNAL("ann"), true},
        {"signal 0 0 bob", SIGNAL("ann"), false},
        {"signal 0 0 ann", MESSAGE("4"), false},
        {"joined 0 0 ann,b%20b", JOINED("ann") "\n" JOINED("b b"), true},
        {"joined 0 0 b%20b,ann", JOINED("ann") "\n" JOINED("b b"), false},
        {"joined 0 0 ann,bob", JOINED("ann"), false},
        {"joined 0 0 ann", JOINED("ann") "\n" JOINED("bob"), false},
        {"joined 0 0 ann", LEFT("ann"), false},
        {"left 0 0 a%22b", LEFT("a\\\"b"), true},
        {"kicked 0 0 ann", KICKED "\n" LEFT("ann"), true},
        {"kicked 0 0 ann", KICKED, true},
        {"kicked 0 0 bob", KICKED "\n" LEFT("ann"), false},
        {"closed 0 0 -", CLOSED, true},
        {"closed 0 0 -", CLOSED "\n" CLOSED, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf text = {NULL, 0, 0};
        struct notice_body body;
        struct notice notice;
        char *copy;
        bool ok;

        strbuf_add_format(&text, "1 " EPOCH " 7 %s\n%s", cases[i].header,
                          cases[i].lines);
        copy = malloc(text.len);
        memcpy(copy, text.data, text.len);
        assert_true(notice_parse((struct json_text){copy, text.len}, &notice));
        ok = notice_check(&notice, head, &body);
        if (ok != cases[i].is_right)
            fail_msg("%s: %s", ok ? "taken" : "refused", text.data);
        if (ok)
            notice_body_deinit(&body);
        strbuf_deinit(&text);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read),
        cmocka_unit_test(a_header_without_token_is_read),
        cmocka_unit_test(a_malformed_header_is_refused),
        cmocka_unit_test(a_header_that_is_cut_short_is_refused),
        cmocka_unit_test(what_is_printed_is_read_as_it_was),
        cmocka_unit_test(what_was_read_is_printed_as_it_was),
        cmocka_unit_test(users_that_are_no_names_are_refused),
        cmocka_unit_test(each_kind_knows_its_lines_and_users),
        cmocka_unit_test(the_lines_must_be_what_the_header_says),
        cmocka_unit_test(a_line_ends_at_its_line_end_or_with_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
