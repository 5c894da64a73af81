/* test_proto.c - requests: what is taken, what is answered instead, and what is read
 * out of them. Each request stands at the very end of its memory, as in test_json.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/proto.h"
#include "common/xalloc.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define FOUR(x) x x x x
#define SIXTEEN(x) FOUR(FOUR(x))
#define SIXTY_FOUR(x) SIXTEEN(FOUR(x))

/* Fields of requests, to be put together. */
#define JOIN "{'type':'join','room':'r','user':'u'"
#define MESSAGE "{'type':'message','room':'r','text':'t'"
#define HISTORY "{'type':'get_history','room':'r'"
#define MEMBERS "{'type':'get_members','room':'r'"
#define SIGNAL "{'type':'signal','room':'r','kind':'k'"
#define PING "{'type':'ping'"

static char *memory; /* of the last request: what was read may point into it */

/* Written with single quotes. */
static enum proto_error parse(const char *text, size_t len, struct proto_request *req)
{
    free(memory);
    memory = xmalloc(len);
    memcpy(memory, text, len);
    q_turn(memory, len);
    return proto_parse(memory, len, req);
}

static enum proto_error parse_text(const char *text, struct proto_request *req)
{
    return parse(text, strlen(text), req);
}

static void expect_text(struct json_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.base, q(expected), text.len);
}

static int forget(void **state)
{
    (void)state;
    free(memory);
    memory = NULL;
    proto_deinit_thread();
    proto_deinit_thread();
    return 0;
}

/* ---- taken or not ---- */

static const struct {
    const char *name, *text;
    enum proto_error error;
} requests[] = {
    {"ping", PING "}", PROTO_OK},
    {"join", JOIN "}", PROTO_OK},
    {"leave", "{'type':'leave','room':'r'}", PROTO_OK},
    {"message", MESSAGE "}", PROTO_OK},
    {"get_members", MEMBERS "}", PROTO_OK},
    {"get_history", HISTORY "}", PROTO_OK},
    {"signal", SIGNAL "}", PROTO_OK},
    {"unknown fields", PING ",'room':17,'x':{'y':[]},'data':'z'}", PROTO_OK},
    {"fields of another request", JOIN ",'limit':-1,'text':null,'kind':1}", PROTO_OK},
    {"a type that is escaped", "{'\\u0074ype':'p\\u0069ng'}", PROTO_OK},

    {"no object", "[]", PROTO_BAD_REQUEST},
    {"bytes behind", PING "} x", PROTO_BAD_REQUEST},
    {"no type", "{}", PROTO_BAD_REQUEST},
    {"a type in capitals", "{'TYPE':'ping'}", PROTO_BAD_REQUEST},
    {"a type that is a number", "{'type':1}", PROTO_BAD_REQUEST},
    {"a type that is null", "{'type':null}", PROTO_BAD_REQUEST},
    {"an empty type", "{'type':''}", PROTO_UNKNOWN_TYPE},
    {"an unknown type", "{'type':'dance'}", PROTO_UNKNOWN_TYPE},
    {"a type with a wrong case", "{'type':'Ping'}", PROTO_UNKNOWN_TYPE},
    {"a type that begins right", "{'type':'pingpong'}", PROTO_UNKNOWN_TYPE},
    {"a type that ends too early", "{'type':'pin'}", PROTO_UNKNOWN_TYPE},
    {"the word for unknown types", "{'type':'unknown'}", PROTO_UNKNOWN_TYPE},
    {"an event as a request", "{'type':'join_ack'}", PROTO_UNKNOWN_TYPE},
    {"two types, the first counts", "{'type':'dance','type':'ping'}",
     PROTO_UNKNOWN_TYPE},
    {"two types, the first counts, also escaped",
     "{'t\\u0079pe':'ping','type':'dance'}", PROTO_OK},

    {"no room", "{'type':'leave'}", PROTO_BAD_REQUEST},
    {"a room that is null", "{'type':'leave','room':null}", PROTO_BAD_REQUEST},
    {"a room that is a number", "{'type':'leave','room':5}", PROTO_BAD_REQUEST},
    {"a room that is an object", "{'type':'leave','room':{}}", PROTO_BAD_REQUEST},
    {"an empty room", "{'type':'leave','room':''}", PROTO_BAD_REQUEST},
    {"two rooms, the first counts", "{'type':'leave','room':'','room':'r'}",
     PROTO_BAD_REQUEST},
    {"the longest room", "{'type':'leave','room':'" SIXTY_FOUR("ab") "'}", PROTO_OK},
    {"a room too long", "{'type':'leave','room':'" SIXTY_FOUR("ab") "c'}",
     PROTO_BAD_REQUEST},
    {"the longest room, escaped", "{'type':'leave','room':'" SIXTY_FOUR("\\u00e4") "'}",
     PROTO_OK},
    {"a room too long, escaped",
     "{'type':'leave','room':'" SIXTY_FOUR("\\u00e4") "\\n'}", PROTO_BAD_REQUEST},
    {"an escaped brace", "{'type':'leave','room':'a\\u007bb'}", PROTO_BAD_REQUEST},
    {"an escaped line end", "{'type':'leave','room':'a\\nb'}", PROTO_BAD_REQUEST},
    {"an escaped NUL", "{'type':'leave','room':'a\\u0000b'}", PROTO_BAD_REQUEST},
    {"an escaped line separator", "{'type':'leave','room':'a\\u2028b'}",
     PROTO_BAD_REQUEST},

    {"join without user, which a token names", "{'type':'join','room':'r'}", PROTO_OK},
    {"join with a room token", "{'type':'join','room':'r','room_token':'x'}", PROTO_OK},
    {"a room token that is none", "{'type':'join','room':'r','room_token':5}",
     PROTO_BAD_REQUEST},
    {"auth", "{'type':'auth','token':'a.b.c'}", PROTO_OK},
    {"auth as a guest", "{'type':'auth','guest':true}", PROTO_OK},
    {"auth as no guest", "{'type':'auth','guest':false}", PROTO_BAD_REQUEST},
    {"auth as a guest by a word", "{'type':'auth','guest':'true'}", PROTO_BAD_REQUEST},
    {"a token that is none", "{'type':'auth','token':{}}", PROTO_BAD_REQUEST},
    {"the longest user", "{'type':'join','room':'r','user':'" SIXTY_FOUR("u") "'}",
     PROTO_OK},
    {"a user too long", "{'type':'join','room':'r','user':'" SIXTY_FOUR("u") "u'}",
     PROTO_BAD_REQUEST},
    {"since", JOIN ",'since':{'epoch':'e','seq':0}}", PROTO_OK},
    {"since with more in it", JOIN ",'since':{'x':1,'seq':1,'epoch':''}}", PROTO_OK},
    {"since null", JOIN ",'since':null}", PROTO_OK},
    {"since without epoch", JOIN ",'since':{'seq':1}}", PROTO_BAD_REQUEST},
    {"since without seq", JOIN ",'since':{'epoch':'e'}}", PROTO_BAD_REQUEST},
    {"since with an epoch that is a number", JOIN ",'since':{'epoch':1,'seq':1}}",
     PROTO_BAD_REQUEST},
    {"since with an epoch that is null", JOIN ",'since':{'epoch':null,'seq':1}}",
     PROTO_BAD_REQUEST},
    {"since a negative number", JOIN ",'since':{'epoch':'e','seq':-1}}",
     PROTO_BAD_REQUEST},
    {"since a fraction", JOIN ",'since':{'epoch':'e','seq':1.5}}", PROTO_BAD_REQUEST},
    {"since a text", JOIN ",'since':{'epoch':'e','seq':'1'}}", PROTO_BAD_REQUEST},
    {"since is an array", JOIN ",'since':['e',1]}", PROTO_BAD_REQUEST},
    {"since is a number", JOIN ",'since':7}", PROTO_BAD_REQUEST},
    {"since is false", JOIN ",'since':false}", PROTO_BAD_REQUEST},

    {"no text", "{'type':'message','room':'r'}", PROTO_BAD_REQUEST},
    {"a text that is null", "{'type':'message','room':'r','text':null}",
     PROTO_BAD_REQUEST},
    {"a text that is a number", "{'type':'message','room':'r','text':1}",
     PROTO_BAD_REQUEST},
    {"an empty text", "{'type':'message','room':'r','text':''}", PROTO_OK},
    {"the longest key", MESSAGE ",'key':'" SIXTY_FOUR("k") "'}", PROTO_OK},
    {"a key too long", MESSAGE ",'key':'" SIXTY_FOUR("k") "k'}", PROTO_TOO_LARGE},
    {"the longest key, escaped", MESSAGE ",'key':'" SIXTY_FOUR("\\u006b") "'}",
     PROTO_OK},
    {"an empty key", MESSAGE ",'key':''}", PROTO_BAD_REQUEST},
    {"a key that is a number", MESSAGE ",'key':1}", PROTO_BAD_REQUEST},
    {"a key that is null", MESSAGE ",'key':null}", PROTO_OK},
    {"a key with controls", MESSAGE ",'key':'\\n\\u0001'}", PROTO_OK},

    {"no kind", "{'type':'signal','room':'r'}", PROTO_BAD_REQUEST},
    {"an empty kind", "{'type':'signal','room':'r','kind':''}", PROTO_BAD_REQUEST},
    {"the longest kind", "{'type':'signal','room':'r','kind':'" SIXTEEN("ab") "'}",
     PROTO_OK},
    {"a kind too long", "{'type':'signal','room':'r','kind':'" SIXTEEN("ab") "c'}",
     PROTO_TOO_LARGE},
    {"the smallest limit", MEMBERS ",'limit':1}", PROTO_OK},
    {"the largest limit", MEMBERS ",'limit':1000}", PROTO_OK},
    {"limit 0", MEMBERS ",'limit':0}", PROTO_BAD_REQUEST},
    {"limit -1", MEMBERS ",'limit':-1}", PROTO_BAD_REQUEST},
    {"limit 1001", MEMBERS ",'limit':1001}", PROTO_BAD_REQUEST},
    {"limit 1.0", MEMBERS ",'limit':1.0}", PROTO_BAD_REQUEST},
    {"limit 1e2", MEMBERS ",'limit':1e2}", PROTO_BAD_REQUEST},
    {"limit 1e400", MEMBERS ",'limit':1e400}", PROTO_BAD_REQUEST},
    {"limit of 2^64 + 1", MEMBERS ",'limit':18446744073709551617}", PROTO_BAD_REQUEST},
    {"a limit that is a string", MEMBERS ",'limit':'5'}", PROTO_BAD_REQUEST},
    {"a limit that is null", MEMBERS ",'limit':null}", PROTO_OK},
    {"a limit of history", HISTORY ",'limit':1001}", PROTO_BAD_REQUEST},
    {"a cursor", MEMBERS ",'cursor':'x'}", PROTO_OK},
    {"a cursor that is a number", MEMBERS ",'cursor':1}", PROTO_BAD_REQUEST},
    {"a cursor that is null", MEMBERS ",'cursor':null}", PROTO_OK},
    {"before 0", HISTORY ",'before':0}", PROTO_OK},
    {"before 2^53", HISTORY ",'before':9007199254740992}", PROTO_OK},
    {"before 2^53 + 1", HISTORY ",'before':9007199254740993}", PROTO_BAD_REQUEST},
    {"before -1", HISTORY ",'before':-1}", PROTO_BAD_REQUEST},
    {"before -0", HISTORY ",'before':-0}", PROTO_BAD_REQUEST},
    {"before null", HISTORY ",'before':null}", PROTO_OK},
    {"before true", HISTORY ",'before':true}", PROTO_BAD_REQUEST},
};

static void requests_are_taken_or_answered_by_the_right_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct proto_request req;

        print_message("  %s\n", requests[i].name);
        assert_string_equal(proto_error_word(parse_text(requests[i].text, &req)),
                            proto_error_word(requests[i].error));
    }
}

/* Data made of `count` times the same: `before`, them, `after`. */
static const struct {
    const char *name, *before;
    char fill;
    int count;
    const char *after;
    enum proto_error error;
} data[] = {
    {"as much as a signal may have", SIGNAL ",'data':'", 'd', PROTO_SIGNAL_DATA_MAX - 2,
     "'}", PROTO_OK},
    {"a byte more", SIGNAL ",'data':'", 'd', PROTO_SIGNAL_DATA_MAX - 1, "'}",
     PROTO_TOO_LARGE},
    {"white space does not count", SIGNAL ",'data':[", ' ', 50000, "]}", PROTO_OK},
    {"what an escape adds does", SIGNAL ",'data':'", '\x7f',
     PROTO_SIGNAL_DATA_MAX / 6 + 1, "'}", PROTO_TOO_LARGE},
    {"a message's has no limit of its own", MESSAGE ",'data':'", 'd', 50000, "'}",
     PROTO_OK},
};

static void data_of_a_signal_is_bounded_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(data); i++) {
        struct proto_request req;
        struct strbuf text = {0};

        print_message("  %s\n", data[i].name);
        strbuf_add_text(&text, data[i].before);
        for (int k = 0; k < data[i].count; k++)
            strbuf_add_char(&text, data[i].fill);
        strbuf_add_text(&text, data[i].after);
        assert_int_equal(parse(text.data, text.len, &req), data[i].error);
        strbuf_deinit(&text);
    }
}

/* ---- ids ---- */

static const struct {
    const char *name, *id;
    bool taken;
} ids[] = {
    {"0", "0", true},
    {"a number", "17", true},
    {"a negative number", "-17", true},
    {"the largest 64-bit number", "18446744073709551615", true},
    {"the smallest 64-bit number", "-9223372036854775808", true},
    {"a string", "'a'", true},
    {"an empty string", "''", true},
    {"64 bytes", "'" SIXTY_FOUR("x") "'", true},
    {"64 bytes, escaped", "'" SIXTY_FOUR("\\u0078") "'", true},
    {"64 bytes in other letters", "'" SIXTEEN("\xf0\x9f\x98\x80") "'", true},
    {"an escaped quote", "'\\''", true},

    {"65 bytes", "'" SIXTY_FOUR("x") "x'", false},
    {"65 bytes, escaped", "'" SIXTY_FOUR("\\u0078") "\\n'", false},
    {"a number of 21 digits", "123456789012345678901", false},
    {"a fraction", "1.5", false},
    {"an exponent", "1e3", false},
    {"true", "true", false},
    {"null", "null", false},
    {"an array", "[1]", false},
    {"an object", "{}", false},
};

static void an_id_comes_back_as_it_was_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        static const char *const types[] = {"ping", "dance", "leave"};

        print_message("  %s\n", ids[i].name);
        for (size_t k = 0; k < COUNT(types); k++) {
            struct proto_request req;
            struct strbuf text = {0};
            enum proto_error error;

            strbuf_add_format(&text, q("{'id' : %s , 'type':'%s'}"), ids[i].id,
                              types[k]);
            error = parse(text.data, text.len, &req);
            if (ids[i].taken) {
                expect_text(req.id, ids[i].id);
            } else {
                assert_int_equal(error, PROTO_BAD_REQUEST);
                assert_int_equal(req.id.len, 0);
            }
            strbuf_deinit(&text);
        }
    }
}

static void a_request_without_type_still_gives_its_id(void **state)
{
    struct proto_request req;

    (void)state;
    assert_int_equal(parse_text("{'id':5}", &req), PROTO_BAD_REQUEST);
    expect_text(req.id, "5");
    assert_int_equal(parse_text("{'type':{},'id':'x'}", &req), PROTO_BAD_REQUEST);
    expect_text(req.id, "'x'");
    assert_int_equal(parse_text("{'id':5", &req), PROTO_BAD_REQUEST);
    assert_int_equal(req.id.len, 0);
}

/* ---- what is read ---- */

static void names_are_decoded(void **state)
{
    struct proto_request req;

    (void)state;
    assert_int_equal(parse_text("{'type':'join','room':'a\\/\\'\\\\ \\u00e4',"
                                "'user':'\\ud83d\\ude00 \xf0\x9f\x98\x80'}",
                                &req),
                     PROTO_OK);
    assert_int_equal(req.type, REQUEST_JOIN);
    assert_int_equal(req.fields, PROTO_F_ROOM | PROTO_F_USER);
    expect_text(req.room, "a/'\\ \xc3\xa4");
    expect_text(req.user, "\xf0\x9f\x98\x80 \xf0\x9f\x98\x80");
}

static void text_and_data_stay_json_made_fit_for_a_line(void **state)
{
    struct proto_request req;

    (void)state;
    assert_int_equal(
        parse_text("{'type':'message','room':'r',"
                   "'text':'a\\n\\u0041 \xe2\x80\xa8\x7f','key':'\\u006b',"
                   "'data': { 'n' : 12345678901234567890.10 ,\n 's':' \\/ ' }}",
                   &req),
        PROTO_OK);
    assert_int_equal(req.fields,
                     PROTO_F_ROOM | PROTO_F_TEXT | PROTO_F_KEY | PROTO_F_DATA);
    expect_text(req.text, "'a\\n\\u0041 \\u2028\\u007f'");
    expect_text(req.data, "{'n':12345678901234567890.10,'s':' \\/ '}");
    expect_text(req.key, "k");
}

/* What spells an event stays a string. */
static void data_that_spells_an_event_forges_none(void **state)
{
    struct proto_request req;

    (void)state;
    assert_int_equal(parse_text(MESSAGE ",'data':'x\\n{\\'type\\':\\'kicked\\'}'"
                                        ",\n'more':1}",
                                &req),
                     PROTO_OK);
    expect_text(req.data, "'x\\n{\\'type\\':\\'kicked\\'}'");
    assert_int_equal(parse_text(MESSAGE ",'data':[\n{'type':'kicked'}\n]}", &req),
                     PROTO_OK);
    expect_text(req.data, "[{'type':'kicked'}]");
}

static void kind_stays_json_made_fit_for_a_line(void **state)
{
    struct proto_request req;

    (void)state;
    assert_int_equal(parse_text("{'type':'signal','room':'r',"
                                "'kind' : 'a\\u0041 \x7f' }",
                                &req),
                     PROTO_OK);
    expect_text(req.kind, "'a\\u0041 \\u007f'");
}

static void more_members_than_anybody_needs_are_refused(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct proto_request req;
        struct strbuf text = {0};

        strbuf_add_text(&text, PING);
        for (int i = 1; i < PROTO_MEMBERS_MAX + over; i++)
            strbuf_add_format(&text, q(",'x%d':0"), i);
        strbuf_add_char(&text, '}');
        assert_int_equal(parse(text.data, text.len, &req),
                         over ? PROTO_BAD_REQUEST : PROTO_OK);
        strbuf_deinit(&text);
    }
}

static void null_is_data_but_else_counts_as_absent(void **state)
{
    struct proto_request req;

    (void)state;
    assert_int_equal(parse_text(MESSAGE ",'data':null,'key':null}", &req), PROTO_OK);
    assert_int_equal(req.fields, PROTO_F_ROOM | PROTO_F_TEXT | PROTO_F_DATA);
    expect_text(req.data, "null");
    assert_int_equal(parse_text(JOIN ",'since':null}", &req), PROTO_OK);
    assert_int_equal(req.fields, PROTO_F_ROOM | PROTO_F_USER);
    assert_int_equal(parse_text(MEMBERS ",'cursor':null,'limit':null}", &req),
                     PROTO_OK);
    assert_int_equal(req.fields, PROTO_F_ROOM);
    assert_int_equal(req.limit, PROTO_LIMIT_DEFAULT);
}

static void numbers_are_read(void **state)
{
    struct proto_request req;

    (void)state;
    parse_text(HISTORY ",'before':9007199254740992,'limit':1000}", &req);
    assert_true(req.before == (uint64_t)1 << 53);
    assert_int_equal(req.limit, 1000);
    parse_text(HISTORY "}", &req);
    assert_int_equal(req.fields, PROTO_F_ROOM);
    assert_int_equal(req.limit, PROTO_LIMIT_DEFAULT);
    parse_text(JOIN ",'since':{'seq':42,'epoch':'0123456789abcdef'}}", &req);
    assert_int_equal(req.since_seq, 42);
    expect_text(req.since_epoch, "0123456789abcdef");
    parse_text(JOIN ",'since':{'seq':42,'seq':43,'epoch':'\\u0065'}}", &req);
    assert_int_equal(req.since_seq, 42);
    expect_text(req.since_epoch, "e");
}

/* Nothing of one request is left in the next. */
static void a_request_starts_clean(void **state)
{
    struct proto_request req;

    (void)state;
    parse_text(MESSAGE ",'id':1,'key':'\\u006b','data':1}", &req);
    parse_text("{'type':'leave','room':'\\u0071'}", &req);
    assert_int_equal(req.fields, PROTO_F_ROOM);
    assert_int_equal(req.id.len, 0);
    assert_int_equal(req.key.len, 0);
    expect_text(req.room, "q");
}

/* Every byte of it grows by six. */
static void the_worst_text_fits(void **state)
{
    enum { BYTES = 300000 };
    struct strbuf text = {0};
    struct proto_request req;

    (void)state;
    strbuf_add_text(&text, q("{'type':'message','room':'\\u0072','text':'"));
    for (int i = 0; i < BYTES; i++)
        strbuf_add_char(&text, '\x7f');
    strbuf_add_text(&text, q("','key':'\\u006b'}"));
    assert_int_equal(parse(text.data, text.len, &req), PROTO_OK);
    assert_int_equal(req.text.len, 6 * BYTES + 2);
    expect_text(req.room, "r");
    expect_text(req.key, "k");
    strbuf_deinit(&text);
}

/* ---- names ---- */

static const struct {
    const char *what, *name;
    size_t len;
    bool good;
} names[] = {
    {"a letter", "a", 1, true},
    {"spaces", " a b ", 5, true},
    {"punctuation", "a/b\\c:d\"e'f,g%h", 15, true},
    {"other letters", "J\xc3\xb6rg \xf0\x9f\x98\x80", 10, true},
    {"U+00A0", "\xc2\xa0", 2, true},
    {"U+2027 and U+202A", "\xe2\x80\xa7\xe2\x80\xaa", 6, true},
    {"8 bytes of 8", "12345678", 8, true},

    {"9 bytes of 8", "123456789", 9, false},
    {"a cut of 8 bytes in a character", "1234567\xc3\xb6", 9, false},
    {"nothing", "", 0, false},
    {"a brace", "a{b", 3, false},
    {"a closing brace", "a}b", 3, false},
    {"a NUL", "a\0b", 3, false},
    {"a line end", "a\nb", 3, false},
    {"U+001F", "\x1f", 1, false},
    {"U+007F", "\x7f", 1, false},
    {"U+0080", "\xc2\x80", 2, false},
    {"U+009F", "a\xc2\x9f", 3, false},
    {"U+2028", "\xe2\x80\xa8", 3, false},
    {"U+2029", "\xe2\x80\xa9", 3, false},
    {"Latin-1", "caf\xe9", 4, false},
    {"an overlong brace", "\xc1\xbb", 2, false},
    {"a surrogate", "\xed\xa0\x80", 3, false},
    {"half a character", "\xf0\x9f", 2, false},
};

static void names_are_utf8_without_controls_and_braces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t max = names[i].len == 10 || names[i].len == 15 ? 15 : 8;
        char *copy = xmalloc(names[i].len);

        print_message("  %s\n", names[i].what);
        memcpy(copy, names[i].name, names[i].len);
        assert_int_equal(proto_is_name(copy, names[i].len, max), names[i].good);
        free(copy);
    }
}

/* ---- printing ---- */

static void answers_are_printed(void **state)
{
    struct strbuf out = {0};

    (void)state;
    proto_begin(&out, "pong", (struct json_text){q("'a\\n'"), 5});
    proto_add_text(&out, "room", "a\"\n/\xc3\xa4", 6);
    proto_add_number(&out, "seq", UINT64_MAX);
    proto_add_raw(&out, "next", "null");
    strbuf_add_char(&out, '}');
    assert_string_equal(out.data,
                        q("{'type':'pong','id':'a\\n','room':'a\\'\\n/\xc3\xa4'"
                          ",'seq':18446744073709551615,'next':null}"));
    strbuf_reset(&out, 0);
    proto_begin(&out, "pong", (struct json_text){NULL, 0});
    assert_string_equal(out.data, q("{'type':'pong'"));
    strbuf_deinit(&out);
}

static void errors_are_printed(void **state)
{
    struct json_text none = {NULL, 0}, id = {"7", 1};
    struct strbuf out = {0};

    (void)state;
    proto_print_error(
        &out, id,
        &(struct proto_refusal){.error = PROTO_RATE_LIMITED, .retry_after_ms = 250});
    assert_string_equal(out.data, q("{'type':'error','id':7,'code':'rate_limited',"
                                    "'message':'too many requests',"
                                    "'retry_after_ms':250}"));
    strbuf_reset(&out, 0);
    proto_print_error(
        &out, none,
        &(struct proto_refusal){.error = PROTO_BAD_REQUEST, .text = "so \"not\""});
    assert_string_equal(out.data, q("{'type':'error','code':'bad_request',"
                                    "'message':'so \\'not\\''}"));
    strbuf_reset(&out, 0);
    proto_print_error(
        &out, none,
        &(struct proto_refusal){.error = PROTO_UNAUTHORIZED, .reason = "expired"});
    assert_string_equal(out.data,
                        q("{'type':'error','code':'unauthorized',"
                          "'message':'not authenticated','reason':'expired'}"));
    strbuf_deinit(&out);
}

static void words_are_those_of_the_wire(void **state)
{
    static const char *const errors[] = {"ok",
                                         "bad_request",
                                         "unknown_type",
                                         "too_large",
                                         "unauthorized",
                                         "forbidden",
                                         "banned",
                                         "muted",
                                         "slow_mode",
                                         "not_joined",
                                         "room_not_found",
                                         "room_full",
                                         "message_not_found",
                                         "too_many_rooms",
                                         "rate_limited",
                                         "unavailable",
                                         "internal"};
    static const char *const types[] = {
        "auth",   "join",        "leave",       "message", "edit",
        "delete", "get_members", "get_history", "signal",  "ping"};
    struct proto_request req;
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++)
        assert_string_equal(proto_error_word((enum proto_error)i), errors[i]);
    for (size_t i = 0; i < COUNT(types); i++) {
        snprintf(text, sizeof(text), q("{'type':'%s'}"), types[i]);
        (void)proto_parse(text, strlen(text), &req); /* most lack a field */
        assert_int_equal(req.type, i);
    }
    assert_int_equal(REQUEST_UNKNOWN, COUNT(types));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_taken_or_answered_by_the_right_error),
        cmocka_unit_test(data_of_a_signal_is_bounded_to_the_byte),
        cmocka_unit_test(an_id_comes_back_as_it_was_sent),
        cmocka_unit_test(a_request_without_type_still_gives_its_id),
        cmocka_unit_test(names_are_decoded),
        cmocka_unit_test(text_and_data_stay_json_made_fit_for_a_line),
        cmocka_unit_test(data_that_spells_an_event_forges_none),
        cmocka_unit_test(kind_stays_json_made_fit_for_a_line),
        cmocka_unit_test(more_members_than_anybody_needs_are_refused),
        cmocka_unit_test(null_is_data_but_else_counts_as_absent),
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(a_request_starts_clean),
        cmocka_unit_test(the_worst_text_fits),
        cmocka_unit_test(names_are_utf8_without_controls_and_braces),
        cmocka_unit_test(answers_are_printed),
        cmocka_unit_test(errors_are_printed),
        cmocka_unit_test(words_are_those_of_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
