/* test_json.c - what passes as JSON, what does not, and what comes out of it. Each text
 * stands at the very end of its memory, so that a sanitizer sees a look behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "common/json.h"
#include "common/xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A text and its length, also with a NUL in it. */
#define TEXT(literal) literal, sizeof(literal) - 1

/* Depth counts the outermost object. */
#define TEN(x) x x x x x x x x x x
#define DEEP_30(open, middle, close)                                                   \
    TEN(open) TEN(open) TEN(open) middle TEN(close) TEN(close) TEN(close)

static int scan(const char *text, size_t len, struct json_members *out)
{
    char *copy = xmalloc(len);
    int rc;

    memcpy(copy, text, len);
    rc = json_scan(copy, len, out);
    free(copy);
    return rc;
}

static const struct {
    const char *name, *text;
    size_t len;
} accepted[] = {
    {"an empty object", TEXT("{}")},
    {"white space of all kinds", TEXT(" \t\r\n{ \t\r\n} \t\r\n")},
    {"all words", TEXT("{\"a\":true,\"b\":false,\"c\":null}")},
    {"white space between all tokens",
     TEXT(" { \"a\" : [ 1 , 2 ] , \"b\" : { \"c\" : \"d\" } } ")},
    {"numbers of all forms", TEXT("{\"a\":[0,-0,1,-1,10,1.5,-0.5,0e0,1E5,1e+5,1e-05,"
                                  "123456789012345678901234567890]}")},
    {"a number too large for a double", TEXT("{\"a\":1e400}")},
    {"escapes of all kinds",
     TEXT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABcd\"}")},
    {"a pair of surrogates", TEXT("{\"a\":\"\\ud83d\\ude00\"}")},
    {"the last pair of surrogates", TEXT("{\"a\":\"\\udbff\\udfff\"}")},
    {"an escape of U+0001", TEXT("{\"a\":\"\\u0001\"}")},
    {"DEL as it is", TEXT("{\"a\":\"\x7f\"}")},
    {"UTF-8 of all lengths", TEXT("{\"\xc3\xa9\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}")},
    {"empty strings, arrays and objects", TEXT("{\"\":[\"\",[],{}]}")},
    {"the same member twice", TEXT("{\"a\":1,\"a\":2}")},
    {"32 levels with something in them",
     TEXT("{\"a\":" DEEP_30("[", "[1,\"a\",true]", "]") "}")},
    {"32 levels", TEXT("{\"a\":" DEEP_30("[", "[]", "]") "}")},
};

static void good_json_is_accepted(void **state)
{
    struct json_members members = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        print_message("  %s\n", accepted[i].name);
        assert_int_equal(scan(accepted[i].text, accepted[i].len, &members), 0);
    }
    json_members_deinit(&members);
}

static const struct {
    const char *name, *text;
    size_t len;
} refused[] = {
    {"nothing", TEXT("")},
    {"white space only", TEXT("  ")},
    {"a number", TEXT("1")},
    {"a string", TEXT("\"a\"")},
    {"null", TEXT("null")},
    {"an array", TEXT("[{}]")},
    {"something behind the object", TEXT("{}x")},
    {"a second object", TEXT("{}{}")},
    {"a NUL behind the object", TEXT("{}\0")},
    {"a bracket too many", TEXT("{}}")},
    {"a byte order mark", TEXT("\xef\xbb\xbf{}")},
    {"a form feed", TEXT("\f{}")},
    {"a no-break space", TEXT("{\xc2\xa0}")},
    {"no end", TEXT("{")},
    {"no end behind a name", TEXT("{\"a\"")},
    {"no end behind a colon", TEXT("{\"a\":")},
    {"no end behind a value", TEXT("{\"a\":1")},
    {"no end behind a comma", TEXT("{\"a\":1,")},
    {"a comma at the end", TEXT("{\"a\":1,}")},
    {"a comma only", TEXT("{,}")},
    {"two commas", TEXT("{\"a\":1,,\"b\":2}")},
    {"no comma", TEXT("{\"a\":1 \"b\":2}")},
    {"no colon", TEXT("{\"a\" 1}")},
    {"no value", TEXT("{\"a\":}")},
    {"no quotes round a name", TEXT("{a:1}")},
    {"single quotes", TEXT("{'a':1}")},
    {"a number for a name", TEXT("{1:1}")},
    {"a comment", TEXT("{/**/}")},
    {"an array without an end", TEXT("{\"a\":[1")},
    {"an array with a comma at its end", TEXT("{\"a\":[1,]}")},
    {"an array without a comma", TEXT("{\"a\":[1 2]}")},
    {"an array closed as an object", TEXT("{\"a\":[1}}")},
    {"a wrong word", TEXT("{\"a\":nul}")},
    {"a word that goes on", TEXT("{\"a\":nullx}")},
    {"a word in capitals", TEXT("{\"a\":TRUE}")},
    {"a word that ends too early", TEXT("{\"a\":tru")},
    {"NaN", TEXT("{\"a\":NaN}")},
    {"Infinity", TEXT("{\"a\":-Infinity}")},

    {"a zero in front", TEXT("{\"a\":01}")},
    {"a zero in front, negative", TEXT("{\"a\":-01}")},
    {"two zeroes", TEXT("{\"a\":00}")},
    {"a plus sign", TEXT("{\"a\":+1}")},
    {"a minus sign only", TEXT("{\"a\":-}")},
    {"nothing behind the point", TEXT("{\"a\":1.}")},
    {"nothing before the point", TEXT("{\"a\":.5}")},
    {"no exponent", TEXT("{\"a\":1e}")},
    {"a sign for an exponent", TEXT("{\"a\":1e+}")},
    {"a hexadecimal number", TEXT("{\"a\":0x10}")},
    {"a number that ends the text", TEXT("{\"a\":1")},
    {"an exponent that ends the text", TEXT("{\"a\":1e")},

    {"a string without an end", TEXT("{\"a\":\"b")},
    {"a string that ends in a backslash", TEXT("{\"a\":\"\\")},
    {"a string that ends in an escape", TEXT("{\"a\":\"\\u00")},
    {"a string that ends in a surrogate", TEXT("{\"a\":\"\\ud83d")},
    {"a string that ends in a surrogate and a backslash", TEXT("{\"a\":\"\\ud83d\\")},
    {"an escape that is none", TEXT("{\"a\":\"\\x41\"}")},
    {"an escaped NUL byte", TEXT("{\"a\":\"\\\0\"}")},
    {"an escape that is not hexadecimal", TEXT("{\"a\":\"\\u12g4\"}")},
    {"an escape with a sign", TEXT("{\"a\":\"\\u+123\"}")},
    {"U+0000", TEXT("{\"a\":\"\\u0000\"}")},
    {"U+0000 in a name", TEXT("{\"type\\u0000\":\"join\"}")},
    {"a high surrogate alone", TEXT("{\"a\":\"\\ud83d\"}")},
    {"a high surrogate before a letter", TEXT("{\"a\":\"\\ud83dx\"}")},
    {"a high surrogate before another escape", TEXT("{\"a\":\"\\ud83d\\n\"}")},
    {"two high surrogates", TEXT("{\"a\":\"\\ud83d\\ud83d\"}")},
    {"a low surrogate alone", TEXT("{\"a\":\"\\ude00\"}")},
    {"surrogates in the wrong order", TEXT("{\"a\":\"\\ude00\\ud83d\"}")},

    {"a NUL in a string", TEXT("{\"a\":\"b\0c\"}")},
    {"a NUL in a name", TEXT("{\"a\0\":1}")},
    {"a line end in a string", TEXT("{\"a\":\"b\nc\"}")},
    {"a tab in a string", TEXT("{\"a\":\"\t\"}")},
    {"U+001F in a string", TEXT("{\"a\":\"\x1f\"}")},
    {"a byte that starts nothing", TEXT("{\"a\":\"\xff\"}")},
    {"a byte that continues nothing", TEXT("{\"a\":\"\x80\"}")},
    {"an overlong slash", TEXT("{\"a\":\"\xc0\xaf\"}")},
    {"an overlong NUL", TEXT("{\"a\":\"\xc0\x80\"}")},
    {"an overlong quote", TEXT("{\"a\":\"\xc0\xa2\"}")},
    {"a surrogate in UTF-8", TEXT("{\"a\":\"\xed\xa0\x80\"}")},
    {"beyond U+10FFFF", TEXT("{\"a\":\"\xf4\x90\x80\x80\"}")},
    {"a character that is cut by the quote", TEXT("{\"a\":\"\xe2\x82\"}")},
    {"a character that is cut by the end", TEXT("{\"a\":\"\xf0\x9f")},
    {"Latin-1", TEXT("{\"a\":\"caf\xe9\"}")},
    {"Latin-1 in a name", TEXT("{\"caf\xe9\":1}")},

    {"33 levels of arrays", TEXT("{\"a\":" DEEP_30("[", "[[]]", "]") "}")},
    {"33 levels of objects", TEXT("{\"a\":" DEEP_30("{\"a\":", "{\"a\":{}}", "}") "}")},
};

static void bad_json_is_refused(void **state)
{
    struct json_members members = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        print_message("  %s\n", refused[i].name);
        assert_int_equal(scan(refused[i].text, refused[i].len, &members), UV_EINVAL);
    }
    json_members_deinit(&members);
}

static void a_text_that_is_cut_anywhere_is_refused(void **state)
{
    struct json_members members = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        size_t end = accepted[i].len;

        while (end > 0 && accepted[i].text[end - 1] != '}')
            end--;
        for (size_t len = 0; len < end; len++)
            assert_int_equal(scan(accepted[i].text, len, &members), UV_EINVAL);
    }
    json_members_deinit(&members);
}

static void nesting_without_end_is_refused_before_the_stack_is_used_up(void **state)
{
    enum { LEVELS = 1000000 };
    struct json_members members = {0};
    char *text = xmalloc(LEVELS + 5);

    (void)state;
    memset(text, '[', LEVELS + 5);
    memcpy(text, "{\"a\":", 5);
    assert_int_equal(json_scan(text, LEVELS + 5, &members), UV_EINVAL);
    free(text);
    json_members_deinit(&members);
}

/* ---- members ---- */

static void expect_member(const struct json_members *members, size_t i, const char *key,
                          const char *value)
{
    const struct json_member *m = &members->items[i];

    assert_true(i < members->count);
    assert_int_equal(m->key.len, strlen(key));
    assert_memory_equal(m->key.base, key, m->key.len);
    assert_int_equal(m->value.len, strlen(value));
    assert_memory_equal(m->value.base, value, m->value.len);
}

static const struct {
    const char *name, *text;
    size_t len;
} half_refused[] = {
    {"U+0000", TEXT("{\"a\":1,\"b\":\"\\u0000\",\"c\":2}")},
    {"a lone surrogate", TEXT("{\"a\":1,\"b\":[\"x\",\"\\ud800\"],\"c\":2}")},
    {"33 levels", TEXT("{\"a\":1,\"b\":" DEEP_30("[", "[[]]", "]") ",\"c\":2}")},
    {"no value", TEXT("{\"a\":1,\"b\":,\"c\":2}")},
    {"what looks like its end in a string",
     TEXT("{\"a\":1,\"b\":{\"\\u0000\":\"}\\\",\\\\\"},\"c\":2}")},
    {"a word of no meaning", TEXT("{\"a\":1,\"b\":nul,\"c\":2}")},
};

static void members_beside_a_refused_one_are_found(void **state)
{
    struct json_members members = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(half_refused); i++) {
        print_message("  %s\n", half_refused[i].name);
        assert_int_equal(json_scan(half_refused[i].text, half_refused[i].len, &members),
                         UV_EINVAL);
        assert_int_equal(members.count, 2);
        assert_int_equal(members.refused, 1);
        expect_member(&members, 0, "\"a\"", "1");
        expect_member(&members, 1, "\"c\"", "2");
    }
    json_members_deinit(&members);
}

static void a_text_that_is_no_object_has_no_members(void **state)
{
    struct json_members members = {0};

    (void)state;
    assert_int_equal(json_scan(TEXT("{\"a\":1"), &members), UV_EINVAL);
    assert_int_equal(members.count, 0);
    assert_int_equal(json_scan(TEXT("{\"a\":1}x"), &members), UV_EINVAL);
    assert_int_equal(members.count, 0);
    assert_int_equal(json_scan(TEXT("{\"a\":1,\"b\":\"}"), &members), UV_EINVAL);
    assert_int_equal(members.count, 0);
    json_members_deinit(&members);
}

static void members_are_listed_in_order_as_they_are_in_the_text(void **state)
{
    static const char text[] =
        " { \"a\" : 1 , \"A\":-0.0e1,\"a\":\"x\\\"\" ,\"\\u0061\""
        ": { \"b\" : [ 1 , {} ] } ,\"\":null } ";
    struct json_members members = {0};

    (void)state;
    for (int again = 0; again < 2; again++) {
        assert_int_equal(json_scan(text, sizeof(text) - 1, &members), 0);
        assert_int_equal(members.count, 5);
        expect_member(&members, 0, "\"a\"", "1");
        expect_member(&members, 1, "\"A\"", "-0.0e1");
        expect_member(&members, 2, "\"a\"", "\"x\\\"\"");
        expect_member(&members, 3, "\"\\u0061\"", "{ \"b\" : [ 1 , {} ] }");
        expect_member(&members, 4, "\"\"", "null");
    }
    json_members_deinit(&members);
    json_members_deinit(&members);
    assert_null(members.items);
}

static void many_members_are_all_listed(void **state)
{
    struct json_members members = {0};
    struct strbuf text = {0};

    (void)state;
    for (int i = 0; i < 5000; i++)
        strbuf_add_format(&text, "%c\"%d\":%d", i ? ',' : '{', i, i);
    strbuf_add_char(&text, '}');
    assert_int_equal(json_scan(text.data, text.len, &members), 0);
    assert_int_equal(members.count, 5000);
    expect_member(&members, 4999, "\"4999\"", "4999");
    json_members_deinit(&members);
    strbuf_deinit(&text);
}

/* ---- compact ---- */

static const struct {
    const char *name, *value, *compact;
} values[] = {
    {"a number", "12345678901234567890.10e+01", "12345678901234567890.10e+01"},
    {"a string with spaces", "\" a  b \"", "\" a  b \""},
    {"spaces between tokens", "[ 1 ,\t2\r\n, { \"a\" : \"b c\" , \"d\" :null } ]",
     "[1,2,{\"a\":\"b c\",\"d\":null}]"},
    {"an empty array", "[ ]", "[]"},
    {"escapes stay as written", "\"\\/\\u0041\\ud83d\\ude00\\n\\\\\"",
     "\"\\/\\u0041\\ud83d\\ude00\\n\\\\\""},
    {"an escaped quote and spaces", "[ \"a \\\" b\" , 1 ]", "[\"a \\\" b\",1]"},
    {"a backslash before the quote", "[ \"a\\\\\" , \" \" ]", "[\"a\\\\\",\" \"]"},
    {"DEL", "\"a\x7f\"", "\"a\\u007f\""},
    {"C1 controls", "\"\xc2\x80\xc2\x85\xc2\x9f\"", "\"\\u0080\\u0085\\u009f\""},
    {"what looks like C1", "\"\xc2\xa0\xc3\x80\"", "\"\xc2\xa0\xc3\x80\""},
    {"line and paragraph separators", "\"a\xe2\x80\xa8\xe2\x80\xa9z\"",
     "\"a\\u2028\\u2029z\""},
    {"what looks like separators", "\"\xe2\x80\xa7\xe2\x80\xaa\xe2\x81\xa8\"",
     "\"\xe2\x80\xa7\xe2\x80\xaa\xe2\x81\xa8\""},
    {"controls in a name", "{ \"\x7f\" : \"\xc2\x9b\" }", "{\"\\u007f\":\"\\u009b\"}"},
    {"controls behind an escape", "\"\\\\\x7f\\n\x7f\"", "\"\\\\\\u007f\\n\\u007f\""},
    {"a control at the end", "[\"\xe2\x80\xa8\"]", "[\"\\u2028\"]"},
    {"beyond the BMP", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\""},
};

static void values_become_compact_and_fit_for_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        size_t len = strlen(values[i].value);
        char *copy = xmalloc(len);
        struct strbuf out = {0}, again = {0};

        print_message("  %s\n", values[i].name);
        memcpy(copy, values[i].value, len);
        json_add_compact(&out, (struct json_text){copy, len});
        assert_string_equal(out.data, values[i].compact);
        json_add_compact(&again, (struct json_text){out.data, out.len});
        assert_string_equal(again.data, out.data);
        strbuf_deinit(&out);
        strbuf_deinit(&again);
        free(copy);
    }
}

/* ---- UTF-8 ---- */

/* By the definition: decode, then look at the code point. */
static bool is_character(const unsigned char *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
    static const unsigned char mask[] = {0, 0, 0xe0, 0xf0, 0xf8};
    uint32_t c;

    if (len == 1)
        return s[0] < 0x80;
    if ((s[0] & mask[len]) != mark[len])
        return false;
    c = s[0] & ~mask[len] & 0xffu;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return false;
        c = c << 6 | (s[i] & 0x3fu);
    }
    return c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* Whether some cut of `s` into characters is one of characters only. */
static bool is_text(const unsigned char *s, size_t len)
{
    if (len == 0)
        return true;
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (is_character(s, n) && is_text(s + n, len - n))
            return true;
    return false;
}

static const struct {
    const char *text;
    bool is_line;
    int members; /* -1: they cannot be taken one by one */
} lines[] = {
    {"{}", true, -1}, /* nobody asks for the members of none */
    {"}", false, 0},  /* the end of one */
    {"{\"a\":1}", true, 1},
    {"{ \"a\" : [ 1, {} ] }", true, 1},
    {"{\"a\":\"\xc3\xa4\",\"b\":[1, {\"c\":-1.5e3}],\"d\":null}", true, 3},
    {"{\"a\":1 , \"a\":\"}\" }", true, 2},
    {"{\"a\":1} ", false, -1},
    {" {\"a\":1}", false, -1},
    {"{\"a\":1}}", false, -1},
    {"{\"a\":1,}", false, -1},
    {"{\"a\":01}", false, -1},
    {"{\"a\"}", false, -1},
    {"{\"a", false, -1},
    {"{\"a\":", false, -1},
    {"{a:1}", false, -1},
    {"{,\"a\":1}", false, -1},
    {"{\"a\":1\"b\":2}", false, -1},
    {"{\"a\":[\t1]}", false, -1},
    {"{\"a\":\"\xff\"}", false, -1},
    {"", false, -1},
    {"[]", false, -1},
    {"{}{}", false, -1},
    {"{}\n{}", false, -1},
    {"{\"a\":1}{}", false, -1},
    {"{\"a\":\t1}", false, -1},
    {"{\"a\":\r1}", false, -1},
    {"{\"a\":\"\xc3\"}", false, -1},
    {"{\"a\":\"\x01\"}", false, -1},
    {"{\"a\":1", false, -1},
    {"{\"a\":tru}", false, -1},
};

static int count_members(struct json_text rest)
{
    struct json_member member;
    int count = 0;

    for (char before = '{'; json_take_member(&rest, before, &member); before = ',')
        count++;
    return json_is_end(rest) ? count : -1;
}

static void a_line_is_one_object(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t len = strlen(lines[i].text);
        char *text = xmemdup(lines[i].text, len); /* ASan sees what is behind it */
        struct json_text line = {text, len};

        if (json_is_line(line) != lines[i].is_line ||
            count_members(line) != lines[i].members)
            fail_msg("%s: %d members", lines[i].text, count_members(line));
        free(text);
    }
}

static void members_are_taken_in_order(void **state)
{
    static const char text[] = "{\"a\":1, \"b\" : \"x,y\" }";
    struct json_text rest = {text, sizeof(text) - 1};
    struct json_member member;

    (void)state;
    assert_true(json_take_member(&rest, '{', &member));
    assert_memory_equal(member.key.base, "\"a\"", member.key.len);
    assert_memory_equal(member.value.base, "1", member.value.len);
    assert_false(json_is_end(rest));
    assert_true(json_take_member(&rest, ',', &member));
    assert_int_equal(member.key.len, 3);
    assert_int_equal(member.value.len, 5);
    assert_memory_equal(member.value.base, "\"x,y\"", member.value.len);
    assert_false(json_take_member(&rest, ',', &member));
    assert_true(json_is_end(rest));
}

static void expect_as_defined(const unsigned char *s, size_t len)
{
    if (json_is_utf8((const char *)s, len) != is_text(s, len))
        fail_msg("%02x %02x %02x %02x, %zu bytes", s[0], s[1], s[2], s[3], len);
}

static void utf8_is_what_its_definition_says(void **state)
{
    static const unsigned char edges[] = {0x00, 0x22, 0x41, 0x7f, 0x80, 0x81,
                                          0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                          0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xff};
    unsigned char s[4] = {0};

    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            s[0] = (unsigned char)a;
            s[1] = (unsigned char)b;
            expect_as_defined(s, 1);
            expect_as_defined(s, 2);
            for (size_t c = 0; c < sizeof(edges); c++)
                for (size_t d = 0; d < sizeof(edges); d++) {
                    s[2] = edges[c];
                    s[3] = edges[d];
                    expect_as_defined(s, 3);
                    expect_as_defined(s, 4);
                }
        }
    assert_true(json_is_utf8("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_json_is_accepted),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(a_text_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(nesting_without_end_is_refused_before_the_stack_is_used_up),
        cmocka_unit_test(members_beside_a_refused_one_are_found),
        cmocka_unit_test(a_text_that_is_no_object_has_no_members),
        cmocka_unit_test(members_are_listed_in_order_as_they_are_in_the_text),
        cmocka_unit_test(many_members_are_all_listed),
        cmocka_unit_test(values_become_compact_and_fit_for_a_line),
        cmocka_unit_test(a_line_is_one_object),
        cmocka_unit_test(members_are_taken_in_order),
        cmocka_unit_test(utf8_is_what_its_definition_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
