/* test_bad_requests.c - whatever is wrong with a request, it is answered with the right
 * code (and its id, where it has one), the connection goes on, and nobody else sees any
 * of it.
 *
 * Each row is sent by ann, who is in the room "here" with bob, on the other gateway. Bob
 * must hear nothing until ann says something right, which he hears as message 1: notices
 * do not overtake each other, so nothing came before it.
 *
 * Over 400 lines because it is one list of what can be wrong. What is just right, and what
 * is too much: test_request_limits.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A literal that may hold NULs. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static struct fleet fleet;

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

/* ---- what every row needs ---- */

struct row {
    const char *name;
    const char *request; /* with single quotes */
    size_t len;
    const char *code;
    const char *id; /* as it must be echoed; NULL: none */
};

static void expect_id(struct chat *chat, const char *id)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(chat_json(chat), "id");
    char *printed;

    if (!id) {
        assert_null(item);
        return;
    }
    if (!item)
        fail_msg("expected the id %s in %s", id, chat_bytes(chat));
    printed = cJSON_PrintUnformatted(item);
    assert_string_equal(printed, q(id));
    free(printed);
}

static void expect_refused(struct chat *chat, const struct row *row)
{
    char *request = xmemdup(row->request, row->len);

    print_message("  %s\n", row->name);
    q_turn(request, row->len);
    assert_true(chat_send_bytes(chat, request, row->len));
    free(request);
    chat_expect_error(chat, row->code);
    assert_true(chat_get_text(chat, "message")[0] != '\0');
    expect_id(chat, row->id);
    chat_expect_usable(chat);
}

/* All rows, and then that bob has seen nothing of them. */
static void refuse_all(const struct row *rows, size_t count)
{
    struct chat *bob = on_gateway(1), *ann = on_gateway(0);

    chat_join(bob, "here", "bob");
    chat_join(ann, "here", "ann");
    chat_expect(bob, "member_joined");
    for (size_t i = 0; i < count; i++)
        expect_refused(ann, &rows[i]);
    chat_send(ann, "{'type':'message','room':'here','text':'right'}");
    chat_expect(bob, "message");
    assert_string_equal(chat_get_text(bob, "text"), "right");
    chat_send(ann, "{'type':'leave','room':'here'}");
    chat_expect(bob, "member_left");
    chat_close(ann);
    chat_close(bob);
}

/* ---- not JSON, or not an object ---- */

static const struct {
    const char *name, *request;
    size_t len;
} malformed[] = {
    {"nothing", BYTES("")},
    {"only a blank", BYTES(" ")},
    {"a word", BYTES("hello")},
    {"a number", BYTES("1")},
    {"a string", BYTES("'ping'")},
    {"null", BYTES("null")},
    {"an array", BYTES("[{'type':'ping'}]")},
    {"an object without an end", BYTES("{'type':'ping'")},
    {"a string without an end", BYTES("{'type':'ping")},
    {"an end too many", BYTES("{'type':'ping'}}")},
    {"two objects", BYTES("{'type':'ping'}{'type':'ping'}")},
    {"trailing garbage", BYTES("{'type':'ping'} x")},
    {"a NUL behind it", BYTES("{'type':'ping'}\0")},
    {"a NUL before it", BYTES("\0{'type':'ping'}")},
    {"a NUL between tokens", BYTES("{'type':\0'ping'}")},
    {"a byte order mark", BYTES("\xef\xbb\xbf{'type':'ping'}")},
    {"a comma too many", BYTES("{'type':'ping',}")},
    {"a comma too few", BYTES("{'type':'ping' 'a':1}")},
    {"a comma in front", BYTES("{,'type':'ping'}")},
    {"no colon", BYTES("{'type' 'ping'}")},
    {"no value", BYTES("{'type':'ping','a':}")},
    {"a name without quotes", BYTES("{type:'ping'}")},
    {"a comment", BYTES("{'type':'ping'/* */}")},
    {"a vertical tab as white space", BYTES("{'type':\v'ping'}")},
    {"a no-break space as white space", BYTES("{'type':\xc2\xa0'ping'}")},
    {"True", BYTES("{'type':'ping','a':True}")},
    {"tru", BYTES("{'type':'ping','a':tru}")},
    {"truex", BYTES("{'type':'ping','a':truex}")},
    {"NaN", BYTES("{'type':'ping','a':NaN}")},
    {"Infinity", BYTES("{'type':'ping','a':-Infinity}")},
    {"01", BYTES("{'type':'ping','a':01}")},
    {"-01", BYTES("{'type':'ping','a':-01}")},
    {"+1", BYTES("{'type':'ping','a':+1}")},
    {".5", BYTES("{'type':'ping','a':.5}")},
    {"1.", BYTES("{'type':'ping','a':1.}")},
    {"1e", BYTES("{'type':'ping','a':1e}")},
    {"1e+", BYTES("{'type':'ping','a':1e+}")},
    {"a minus alone", BYTES("{'type':'ping','a':-}")},
    {"0x10", BYTES("{'type':'ping','a':0x10}")},
    {"a raw newline in a string", BYTES("{'type':'ping','a':'x\ny'}")},
    {"a raw tab in a string", BYTES("{'type':'ping','a':'x\ty'}")},
    {"a raw U+0001 in a string", BYTES("{'type':'ping','a':'\x01'}")},
    {"a raw U+001F in a name", BYTES("{'type':'ping','\x1f':1}")},
    {"a raw NUL in a string", BYTES("{'type':'ping','a':'x\0y'}")},
    {"an escaped NUL in a value", BYTES("{'type':'ping','a':'x\\u0000y'}")},
    {"an escaped NUL in a name", BYTES("{'type':'ping','a\\u0000b':1}")},
    {"an escaped NUL that would end the type", BYTES("{'type':'ping\\u0000x'}")},
    {"an escaped NUL that would end a name", BYTES("{'type\\u0000x':'ping'}")},
    {"an escaped NUL deep in data", BYTES("{'type':'message','room':'here','text':'x',"
                                          "'data':[{'a':['\\u0000']}]}")},
    {"an unknown escape", BYTES("{'type':'ping','a':'\\x41'}")},
    {"an escape that is too short", BYTES("{'type':'ping','a':'\\u12'}")},
    {"an escape that is not hex", BYTES("{'type':'ping','a':'\\u12g4'}")},
    {"an escape with a sign", BYTES("{'type':'ping','a':'\\u+123'}")},
    {"a lone high surrogate",
     BYTES("{'type':'message','room':'here','text':'\\ud800'}")},
    {"a lone low surrogate",
     BYTES("{'type':'message','room':'here','text':'\\udc00'}")},
    {"a high surrogate before a letter",
     BYTES("{'type':'message','room':'here','text':'\\ud800\\u0041'}")},
    {"two high surrogates",
     BYTES("{'type':'message','room':'here','text':'\\ud800\\ud800'}")},
    {"surrogates the wrong way round",
     BYTES("{'type':'message','room':'here','text':'\\udc00\\ud800'}")},
    {"a lone surrogate in a name of data",
     BYTES("{'type':'message','room':'here','text':'x',"
           "'data':{'\\ud800':1}}")},
};

static void what_is_malformed_is_refused(void **state)
{
    struct row rows[COUNT(malformed)];

    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++)
        rows[i] = (struct row){malformed[i].name, malformed[i].request,
                               malformed[i].len, "bad_request", NULL};
    refuse_all(rows, COUNT(rows));
}

static void single_quotes_are_no_json(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    assert_true(chat_send_bytes(ann, BYTES("{'type':'ping'}")));
    chat_expect_error(ann, "bad_request");
    expect_id(ann, NULL);
    chat_expect_usable(ann);
    chat_close(ann);
}

/* ---- types and ids ---- */

static const struct row strange[] = {
    {"no type", BYTES("{}"), "bad_request", NULL},
    {"no type, but an id", BYTES("{'id':1}"), "bad_request", "1"},
    {"a type that is a number", BYTES("{'id':2,'type':1}"), "bad_request", "2"},
    {"a type that is null", BYTES("{'id':3,'type':null}"), "bad_request", "3"},
    {"a type that is an array", BYTES("{'id':4,'type':['ping']}"), "bad_request", "4"},
    {"Type", BYTES("{'id':5,'Type':'ping'}"), "bad_request", "5"},
    {"TYPE", BYTES("{'id':6,'TYPE':'ping'}"), "bad_request", "6"},
    {"type with a blank", BYTES("{'id':7,'type ':'ping'}"), "bad_request", "7"},
    {"an unknown type", BYTES("{'id':1,'type':'shout'}"), "unknown_type", "1"},
    {"an empty type", BYTES("{'id':2,'type':''}"), "unknown_type", "2"},
    {"a type in capitals", BYTES("{'id':3,'type':'Ping'}"), "unknown_type", "3"},
    {"a type with a blank", BYTES("{'id':4,'type':'ping '}"), "unknown_type", "4"},
    {"an event's type", BYTES("{'id':5,'type':'join_ack'}"), "unknown_type", "5"},
    {"the first type counts", BYTES("{'id':6,'type':'shout','type':'ping'}"),
     "unknown_type", "6"},
    {"the first type counts, however it is written",
     BYTES("{'id':7,'\\u0074ype':'shout','type':'ping'}"), "unknown_type", "7"},
    {"the first id counts", BYTES("{'id':8,'id':9,'type':'shout'}"), "unknown_type",
     "8"},
    {"an id in capitals is none", BYTES("{'ID':8,'type':'shout'}"), "unknown_type",
     NULL},
    {"a string as id", BYTES("{'id':'a b','type':'shout'}"), "unknown_type", "'a b'"},
    {"an empty string as id", BYTES("{'id':'','type':'shout'}"), "unknown_type", "''"},
    {"a negative id", BYTES("{'id':-5,'type':'shout'}"), "unknown_type", "-5"},
    {"an id of 0", BYTES("{'id':0,'type':'shout'}"), "unknown_type", "0"},
    {"a fraction as id", BYTES("{'id':1.5,'type':'ping'}"), "bad_request", NULL},
    {"an infinite id", BYTES("{'id':1e400,'type':'ping'}"), "bad_request", NULL},
    {"true as id", BYTES("{'id':true,'type':'ping'}"), "bad_request", NULL},
    {"null as id", BYTES("{'id':null,'type':'ping'}"), "bad_request", NULL},
    {"an array as id", BYTES("{'id':[1],'type':'ping'}"), "bad_request", NULL},
    {"an object as id", BYTES("{'id':{},'type':'ping'}"), "bad_request", NULL},
    {"an id of 65 bytes",
     BYTES("{'id':'0123456789012345678901234567890123456789012345678901234567890123"
           "4','type':'ping'}"),
     "bad_request", NULL},
    {"an id of 33 letters in 66 bytes",
     BYTES("{'id':'äääääääääääääääääääääääääääääääää','type':'ping'}"), "bad_request",
     NULL},
};

/* The id may stand behind what is refused. */
static const struct row refused_with_id[] = {
    {"an escaped NUL in a text",
     BYTES("{'type':'message','room':'here','text':'x\\u0000','id':1}"), "bad_request",
     "1"},
    {"a lone surrogate in an unknown field",
     BYTES("{'id':'two','type':'ping','a':'\\ud800'}"), "bad_request", "'two'"},
    {"data of 33 levels",
     BYTES("{'type':'message','room':'here','text':'x','data':"
           "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],'id':3}"),
     "bad_request", "3"},
    {"a word that is none", BYTES("{'id':4,'type':'ping','a':tru}"), "bad_request",
     "4"},
};

static void what_is_refused_by_a_value_keeps_its_id(void **state)
{
    (void)state;
    refuse_all(refused_with_id, COUNT(refused_with_id));
}

static void strange_types_and_ids_are_refused(void **state)
{
    (void)state;
    refuse_all(strange, COUNT(strange));
}

static const char *const good_ids[] = {
    "0",
    "-1",
    "9007199254740993",
    "''",
    "'x'",
    "'0123456789012345678901234567890123456789012345678901234567890123'",
    "'ää\\'\\\\/\\n'",
};

static void a_right_id_comes_back_as_it_was(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    for (size_t i = 0; i < COUNT(good_ids); i++) {
        char part[128];

        print_message("  %s\n", good_ids[i]);
        chat_send(ann, "{'type':'ping','id':%s}", q(good_ids[i]));
        chat_expect(ann, "pong");
        snprintf(part, sizeof(part), q("'id':%s"), q(good_ids[i]));
        assert_non_null(strstr(chat_bytes(ann), part));
    }
    chat_send(ann, "{'type':'ping'}");
    chat_expect(ann, "pong");
    assert_false(chat_has(ann, "id"));
    chat_close(ann);
}

/* ---- fields ---- */

#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"

/* What stands in front of and behind a name that is not one. */
#define IN_ROOM(name) BYTES("{'id':1,'type':'join','user':'u','room':" name "}")
#define AS_USER(name) BYTES("{'id':1,'type':'join','room':'r','user':" name "}")

static const struct row names[] = {
    {"no room", BYTES("{'id':1,'type':'join','user':'u'}"), "bad_request", "1"},
    {"ROOM", BYTES("{'id':1,'type':'join','user':'u','ROOM':'r'}"), "bad_request", "1"},
    {"a room that is a number", IN_ROOM("5"), "bad_request", "1"},
    {"a room that is null", IN_ROOM("null"), "bad_request", "1"},
    {"a room that is an array", IN_ROOM("['r']"), "bad_request", "1"},
    {"an empty room", IN_ROOM("''"), "bad_request", "1"},
    {"a room of 129 bytes", IN_ROOM("'" NAME_64 NAME_64 "x'"), "bad_request", "1"},
    {"a room of 129 bytes in fewer letters",
     IN_ROOM("'" NAME_64 "01234567890123456789012345678901234567890123456789012345678"
             "90ää"
             "x'"),
     "bad_request", "1"},
    {"a room with an opening brace", IN_ROOM("'a{b'"), "bad_request", "1"},
    {"a room with a closing brace", IN_ROOM("'a}b'"), "bad_request", "1"},
    {"a room with an escaped brace", IN_ROOM("'a\\u007bb'"), "bad_request", "1"},
    {"a room with a newline", IN_ROOM("'a\\nb'"), "bad_request", "1"},
    {"a room with U+001F", IN_ROOM("'a\\u001fb'"), "bad_request", "1"},
    {"a room with U+007F", IN_ROOM("'a\\u007fb'"), "bad_request", "1"},
    {"a room with a raw U+007F",
     IN_ROOM("'a\x7f"
             "b'"),
     "bad_request", "1"},
    {"a room with U+0080", IN_ROOM("'a\\u0080b'"), "bad_request", "1"},
    {"a room with U+0085", IN_ROOM("'a\\u0085b'"), "bad_request", "1"},
    {"a room with a raw U+0085",
     IN_ROOM("'a\xc2\x85"
             "b'"),
     "bad_request", "1"},
    {"a room with U+009F", IN_ROOM("'a\\u009Fb'"), "bad_request", "1"},
    {"a room with U+2028", IN_ROOM("'a\\u2028b'"), "bad_request", "1"},
    {"a room with a raw U+2028",
     IN_ROOM("'a\xe2\x80\xa8"
             "b'"),
     "bad_request", "1"},
    {"a room with U+2029", IN_ROOM("'a\\u2029b'"), "bad_request", "1"},
    {"a room with a raw U+2029",
     IN_ROOM("'a\xe2\x80\xa9"
             "b'"),
     "bad_request", "1"},
    {"no user", BYTES("{'id':1,'type':'join','room':'r'}"), "bad_request", "1"},
    {"a user that is a number", AS_USER("5"), "bad_request", "1"},
    {"a user that is null", AS_USER("null"), "bad_request", "1"},
    {"an empty user", AS_USER("''"), "bad_request", "1"},
    {"a user of 65 bytes", AS_USER("'" NAME_64 "x'"), "bad_request", "1"},
    {"a user of 33 letters in 66 bytes", AS_USER("'äääääääääääääääääääääääääääääääää'"),
     "bad_request", "1"},
    {"a user with a brace", AS_USER("'}'"), "bad_request", "1"},
    {"a user with U+0085", AS_USER("'\\u0085'"), "bad_request", "1"},
    {"a user with U+2028", AS_USER("'\\u2028'"), "bad_request", "1"},
};

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    refuse_all(names, COUNT(names));
}

#define HERE(type, rest) BYTES("{'id':1,'type':'" type "','room':'here'" rest "}")
#define SINCE(value)                                                                   \
    BYTES("{'id':1,'type':'join','room':'there','user':'ann',"                         \
          "'since':" value "}")

static const struct row fields[] = {
    {"a message without text", HERE("message", ""), "bad_request", "1"},
    {"a message whose text is a number", HERE("message", ",'text':5"), "bad_request",
     "1"},
    {"a message whose text is null", HERE("message", ",'text':null"), "bad_request",
     "1"},
    {"a message whose text is an object", HERE("message", ",'text':{}"), "bad_request",
     "1"},
    {"a message with Text", HERE("message", ",'Text':'x'"), "bad_request", "1"},
    {"a message without a room", BYTES("{'id':1,'type':'message','text':'x'}"),
     "bad_request", "1"},
    {"an empty key", HERE("message", ",'text':'x','key':''"), "bad_request", "1"},
    {"a key that is a number", HERE("message", ",'text':'x','key':5"), "bad_request",
     "1"},
    {"a key of 65 bytes", HERE("message", ",'text':'x','key':'" NAME_64 "x'"),
     "too_large", "1"},
    {"a key of 33 letters in 66 bytes",
     HERE("message", ",'text':'x','key':'äääääääääääääääääääääääääääääääää'"),
     "too_large", "1"},
    {"a signal without kind", HERE("signal", ",'data':1"), "bad_request", "1"},
    {"a signal whose kind is a number", HERE("signal", ",'kind':5"), "bad_request",
     "1"},
    {"a kind of 33 bytes",
     HERE("signal", ",'kind':'012345678901234567890123456789012'"), "too_large", "1"},
    {"a kind of 17 letters in 34 bytes", HERE("signal", ",'kind':'äääääääääääääääää'"),
     "too_large", "1"},
    {"a signal with an array as kind", HERE("signal", ",'kind':[]"), "bad_request",
     "1"},
    {"a limit of 0", HERE("get_history", ",'limit':0"), "bad_request", "1"},
    {"a limit of 1001", HERE("get_history", ",'limit':1001"), "bad_request", "1"},
    {"a limit of -1", HERE("get_history", ",'limit':-1"), "bad_request", "1"},
    {"a limit of 1.5", HERE("get_history", ",'limit':1.5"), "bad_request", "1"},
    {"a limit of 1e400", HERE("get_history", ",'limit':1e400"), "bad_request", "1"},
    {"a limit of 2 to the 64", HERE("get_history", ",'limit':18446744073709551617"),
     "bad_request", "1"},
    {"a limit that is a string", HERE("get_history", ",'limit':'10'"), "bad_request",
     "1"},
    {"a limit that is true", HERE("get_history", ",'limit':true"), "bad_request", "1"},
    {"the first limit counts", HERE("get_history", ",'limit':0,'limit':1"),
     "bad_request", "1"},
    {"a before of -1", HERE("get_history", ",'before':-1"), "bad_request", "1"},
    {"a before of 1.5", HERE("get_history", ",'before':1.5"), "bad_request", "1"},
    {"a before of 1e400", HERE("get_history", ",'before':1e400"), "bad_request", "1"},
    {"a before that is a string", HERE("get_history", ",'before':'5'"), "bad_request",
     "1"},
    {"a before that is an object", HERE("get_history", ",'before':{}"), "bad_request",
     "1"},
    {"members by a limit of 0", HERE("get_members", ",'limit':0"), "bad_request", "1"},
    {"members by a limit of 1001", HERE("get_members", ",'limit':1001"), "bad_request",
     "1"},
    {"members by a limit that is a string", HERE("get_members", ",'limit':'x'"),
     "bad_request", "1"},
    {"an empty cursor", HERE("get_members", ",'cursor':''"), "bad_request", "1"},
    {"a cursor that we did not make", HERE("get_members", ",'cursor':'?'"),
     "bad_request", "1"},
    {"a cursor with a newline", HERE("get_members", ",'cursor':'\\n'"), "bad_request",
     "1"},
    {"a cursor that is a number", HERE("get_members", ",'cursor':5"), "bad_request",
     "1"},
    {"a cursor that is an object", HERE("get_members", ",'cursor':{}"), "bad_request",
     "1"},
    {"a since that is a number", SINCE("5"), "bad_request", "1"},
    {"a since that is a string", SINCE("'5'"), "bad_request", "1"},
    {"a since that is an array", SINCE("[]"), "bad_request", "1"},
    {"an empty since", SINCE("{}"), "bad_request", "1"},
    {"a since without seq", SINCE("{'epoch':'0123456789abcdef'}"), "bad_request", "1"},
    {"a since without epoch", SINCE("{'seq':1}"), "bad_request", "1"},
    {"a since with a string as seq", SINCE("{'epoch':'0123456789abcdef','seq':'1'}"),
     "bad_request", "1"},
    {"a since with a number as epoch", SINCE("{'epoch':1,'seq':1}"), "bad_request",
     "1"},
    {"a since with a negative seq", SINCE("{'epoch':'0123456789abcdef','seq':-1}"),
     "bad_request", "1"},
    {"a since with a fraction", SINCE("{'epoch':'0123456789abcdef','seq':1.5}"),
     "bad_request", "1"},
    {"a since with an infinite seq", SINCE("{'epoch':'0123456789abcdef','seq':1e400}"),
     "bad_request", "1"},
};

static void a_wrong_field_is_refused(void **state)
{
    (void)state;
    refuse_all(fields, COUNT(fields));
}

static const struct row out_of_order[] = {
    {"a message to a room that one is not in",
     BYTES("{'id':1,'type':'message','room':'there','text':'x'}"), "not_joined", "1"},
    {"a signal to it", BYTES("{'id':2,'type':'signal','room':'there','kind':'x'}"),
     "not_joined", "2"},
    {"leaving it", BYTES("{'id':3,'type':'leave','room':'there'}"), "not_joined", "3"},
    {"its members", BYTES("{'id':4,'type':'get_members','room':'there'}"), "not_joined",
     "4"},
    {"its history", BYTES("{'id':5,'type':'get_history','room':'there'}"), "not_joined",
     "5"},
    {"a room is named byte for byte",
     BYTES("{'id':6,'type':'get_history','room':'Here'}"), "not_joined", "6"},
    {"joining as another user",
     BYTES("{'id':7,'type':'join','room':'here','user':'eve'}"), "bad_request", "7"},
    {"joining as the same user in capitals",
     BYTES("{'id':8,'type':'join','room':'here','user':'Ann'}"), "bad_request", "8"},
};

static const struct {
    const char *request, *message;
} blamed[] = {
    {"{'type':'message','room':'here'}", "malformed request: text"},
    {"{'type':'leave','room':'{'}", "malformed request: room"},
    {"{'type':'get_history','room':'here','limit':0}", "malformed request: limit"},
    {"{'type':'get_members','room':'here','cursor':'x'}", "no such cursor"},
    {"{'type':'join','room':'here','user':'eve'}",
     "in this room already, as another user"},
    {"{", "malformed request"},
};

static void the_message_says_what_is_wrong(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "here", "ann");
    for (size_t i = 0; i < COUNT(blamed); i++) {
        chat_send(ann, "%s", q(blamed[i].request));
        chat_expect_error(ann, "bad_request");
        assert_string_equal(chat_get_text(ann, "message"), blamed[i].message);
    }
    chat_close(ann);
}

static void what_is_out_of_order_is_refused(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    refuse_all(out_of_order, COUNT(out_of_order));

    chat_join(ann, "here", "ann");
    chat_leave(ann, "here");
    chat_send(ann, "{'id':9,'type':'leave','room':'here'}");
    chat_expect_error(ann, "not_joined");
    assert_int_equal(chat_get_number(ann, "id"), 9);
    chat_close(ann);
}

static int start(void **state)
{
    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 2,
                                            .settings = (const char *[]){
                                                "ROOMCAST_PRESENCE_GRACE_MS=0", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(single_quotes_are_no_json),
        cmocka_unit_test(what_is_refused_by_a_value_keeps_its_id),
        cmocka_unit_test(strange_types_and_ids_are_refused),
        cmocka_unit_test(a_right_id_comes_back_as_it_was),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(a_wrong_field_is_refused),
        cmocka_unit_test(the_message_says_what_is_wrong),
        cmocka_unit_test(what_is_out_of_order_is_refused),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
