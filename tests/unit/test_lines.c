/* test_lines.c - which lines from Redis are passed on: every field once, and of its kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/lines.h"
#include "common/xalloc.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROOM_HEAD "{'type':'message','room':'R','seq':"
#define HEAD "{'type':'message','room':'R','seq':20"
#define TAIL ",'user':'ann','text':'x','ts':1"
#define USER(name) HEAD ",'user':" name ",'text':'x','ts':1}"
#define TS(ts) HEAD ",'user':'ann','text':'x','ts':" ts "}"
#define NUMBER(seq) "{'type':'message','room':'R','seq':" seq TAIL "}"
#define TEN "0123456789"
#define LONGEST TEN TEN TEN TEN TEN TEN "0123"

enum { SEQ = 20 };

static struct json_text head; /* how an event of the room begins */

static const char *const messages[] = {
    HEAD TAIL "}",
    HEAD TAIL ",'data':{'type':'kicked', 'seq':[1]}}",
    HEAD TAIL ",'data':null}",
    HEAD TAIL ",'new':1,'new':2}", /* of a later version */
    HEAD ",'user':'ann','text':'\\'type\\':1,\xc3\xa4\\n','ts':0}",
    HEAD ",'deleted':true,'ts':1}",
    "{'ts':1, 'text':'x', 'user':'ann', 'seq':20, 'room':'R', "
    "'type':'message'}",
    USER("'" LONGEST "'"),
    USER("'a\\'b\\\\\\/'"),
    USER("'\xc3\xa4'"),
    USER("'a|b~'"),
    USER("'" TEN "|'"),
    USER("'z'"),
    USER("'-'"),
    TS("1795446416896"),
};

static const char *const no_messages[] = {
    "",
    "{}",
    "[]",
    "'x'",
    HEAD TAIL,
    HEAD TAIL "}}",
    HEAD TAIL "} ",
    HEAD TAIL "},",
    HEAD TAIL ",}",
    HEAD TAIL "}{}",
    HEAD TAIL ",'type':'kicked'}",
    HEAD TAIL ",'type':'message'}",
    HEAD TAIL ",'room':'other'}",
    HEAD TAIL ",'room':'R'}",
    HEAD TAIL ",'seq':99}",
    HEAD TAIL ",'seq':20}",
    HEAD TAIL ",'user':'eve'}",
    HEAD TAIL ",'text':'y'}",
    HEAD TAIL ",'ts':1}",
    HEAD TAIL ",'ty\\u0070e':'kicked'}",
    HEAD TAIL ",'\\u0074ype':'kicked'}",
    HEAD TAIL ",'deleted':false}",
    HEAD TAIL ",'deleted':'true'}",
    HEAD TAIL ",'members':'x'}",
    HEAD TAIL ",'members':1,'members':1}",
    HEAD TAIL ",'reason':1}",
    HEAD TAIL ",'reason':'x','reason':'y'}",
    HEAD TAIL ",'data':01}",
    HEAD TAIL ",'data':[\t1]}",
    HEAD TAIL ",'data':1,'data':2}",
    HEAD TAIL ",'kind':1}",
    HEAD ",'deleted':true}",
    HEAD ",'deleted':true,'deleted':true}",
    HEAD ",'deleted':true,'ts':'x'}",
    HEAD ",'text':'x','ts':1}",
    HEAD ",'user':'ann','ts':1}",
    HEAD ",'user':'ann','text':'x'}",
    HEAD ",'user':'ann','text':3,'ts':1}",
    HEAD ",'user':'ann','text':null,'ts':1}",
    HEAD ",'user':'ann','text':'\x01','ts':1}",
    HEAD ",'user':'ann','text':'\xff','ts':1}",
    "{'type':'message','type':'message','room':'R','seq':20" TAIL "}",
    "{'type':'signal','room':'R','seq':20" TAIL "}",
    "{'type':'message','room':'S','seq':20" TAIL "}",
    "{'room':'R','seq':20" TAIL "}",
    "{'type':'message','seq':20" TAIL "}",
    "{'type':'message','room':'R'" TAIL "}",
    NUMBER("2"),
    NUMBER("21"),
    NUMBER("200"),
    NUMBER("020"),
    NUMBER("20.0"),
    NUMBER("20e0"),
    NUMBER("-20"),
    NUMBER("'20'"),
    NUMBER("18446744073709551636"), /* 2^64 + 20 */
    USER("''"),
    USER("3"),
    USER("null"),
    USER("['ann']"),
    USER("'a}b'"),
    USER("'a{b'"),
    USER("'" TEN "{'"),
    USER("'" TEN TEN "0123}'"),
    USER("'" LONGEST "4'"),
    USER("'" LONGEST "\\\\'"),
    USER("'a\\u007bb'"),
    USER("'a\\nb'"),
    USER("'a\xc2\x85'"),
    USER("'a\x7f'"),
    TS("'x'"),
    TS("-5"),
    TS("1.0"),
    TS("1e3"),
    TS("01"),
    TS("null"),
    TS("true"),
};

#define EVENT(type, fields) type, "{'type':'" type "','room':'R'" fields "}"

/* About this user and this number, if any. */
static const struct {
    const char *type, *line;
    bool is_right;
    const char *user;
    uint64_t seq;
} events[] = {
    {EVENT("member_joined", ",'user':'a','members':3"), true, NULL, 0},
    {EVENT("member_joined", ",'user':'a','members':3"), true, "a", 0},
    {EVENT("member_joined", ",'user':'a','members':3"), false, "b", 0},
    {EVENT("member_joined", ",'user':'a','members':3"), false, "aa", 0},
    {EVENT("member_joined", ",'user':'a\\'\\/','members':3"), true, "a'/", 0},
    {EVENT("member_joined", ",'user':'a\\'\\/','members':3"), false, "a", 0},
    {EVENT("member_joined", ",'members':3"), false, NULL, 0},
    {EVENT("member_joined", ",'user':'a'"), false, NULL, 0},
    {EVENT("member_joined", ",'user':'a','members':'3'"), false, NULL, 0},
    {EVENT("member_joined", ",'user':'a','members':-3"), false, NULL, 0},
    {EVENT("member_joined", ",'user':'','members':3"), false, NULL, 0},
    {EVENT("member_joined", ",'user':'a','members':3,'type':'room_closed'"), false,
     NULL, 0},
    {EVENT("member_left", ",'reason':'left','user':'a','members':0"), true, "a", 0},
    {EVENT("member_left", ",'reason':'left','user':'a'"), false, NULL, 0},
    {EVENT("member_left", ",'reason':'left','members':0"), false, NULL, 0},
    {EVENT("member_left", ",'user':'a','members':0"), false, NULL, 0},
    {"signal",
     "{'kind':'k', 'room':'R', 'data':{}, 'user':'a', "
     "'type':'signal'}",
     true, "a", 0},
    {EVENT("signal", ",'user':'a','kind':'k','data':null"), true, "a", 0},
    {EVENT("signal", ",'user':'a','kind':'k','data':null"), false, "b", 0},
    {EVENT("signal", ",'user':'a','kind':3,'data':null"), false, NULL, 0},
    {EVENT("signal", ",'kind':'k','data':null"), false, NULL, 0},
    {EVENT("signal", ",'user':'a','data':null"), false, NULL, 0},
    {EVENT("signal", ",'user':'a','kind':'k'"), false, NULL, 0},
    {EVENT("signal", ",'user':'a','user':'b','kind':'k','data':1"), false, NULL, 0},
    {EVENT("signal", ",'user':'a','kind':'k','data':"), false, NULL, 0},
    {EVENT("kicked", ",'reason':''"), true, NULL, 0},
    {EVENT("kicked", ""), false, NULL, 0},
    {EVENT("kicked", ",'reason':null"), false, NULL, 0},
    {EVENT("kicked", ",'reason':'','user':'b'"), false, "a", 0},
    {"kicked", "{'type':'kickedx','room':'R','reason':''}", false, NULL, 0},
    {"kickedx", "{'type':'kicked','room':'R','reason':''}", false, NULL, 0},
    {"kicked", "{'type':'kicked','room':'S','reason':''}", false, NULL, 0},
    {EVENT("room_closed", ",'reason':'x'"), true, NULL, 0},
    {EVENT("room_closed", ""), false, NULL, 0},
    {EVENT("message_deleted", ",'seq':1"), true, NULL, 0},
    {EVENT("message_deleted", ",'seq':1"), true, NULL, 1},
    {EVENT("message_deleted", ",'seq':1"), false, NULL, 2},
    {EVENT("message_deleted", ",'seq':12"), false, NULL, 1},
    {EVENT("message_deleted", ""), false, NULL, 0},
    {EVENT("message_deleted", ",'seq':'1'"), false, NULL, 0},
    {EVENT("message_deleted", ",'seq':1.5"), false, NULL, 0},
};

/* Without anything behind it that ASan does not see. */
static bool is_message(const char *text)
{
    size_t len = strlen(text);
    char *copy = xmemdup(q(text), len);
    bool ok = lines_is_message(head, SEQ, (struct json_text){copy, len});

    free(copy);
    return ok;
}

static void a_message_has_each_field_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++)
        if (!is_message(messages[i]))
            fail_msg("refused: %s", messages[i]);
}

static void what_clients_would_read_otherwise_is_no_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_messages); i++)
        if (is_message(no_messages[i]))
            fail_msg("taken: %s", no_messages[i]);
}

static void a_message_that_is_cut_anywhere_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++)
        for (size_t len = 0; len < strlen(messages[i]); len++) {
            char *copy = xmemdup(q(messages[i]), len);

            assert_false(lines_is_message(head, SEQ, (struct json_text){copy, len}));
            free(copy);
        }
}

static void an_event_has_all_that_its_type_must_have_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(events); i++) {
        struct json_text line = {q(events[i].line), strlen(events[i].line)};

        struct lines_event event = {.type = events[i].type, .seq = events[i].seq};

        if (events[i].user)
            event.user = (struct json_text){q(events[i].user), strlen(events[i].user)};
        if (lines_is_event(head, &event, line) != events[i].is_right)
            fail_msg("%s: %s", events[i].is_right ? "refused" : "taken",
                     events[i].line);
    }
}

static void an_event_of_the_fleet_is_about_a_room(void **state)
{
    static const struct {
        const char *type, *line;
        bool is_right;
    } about[] = {
        {EVENT("room_opened", ""), true},
        {"room_opened", "{'type':'room_opened','room':'a \\'b\\''}", true},
        {"room_opened", "{'type':'room_closed','room':'R'}", false},
        {"room_opened", "{'type':'room_opened','room':''}", false},
        {"room_opened", "{'type':'room_opened','room':'a{b'}", false},
        {"room_opened", "{'type':'room_opened','room':null}", false},
        {"room_opened", "{'type':'room_opened'}", false},
        {EVENT("room_opened", ",'room':'S'"), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(about); i++) {
        struct json_text line = {q(about[i].line), strlen(about[i].line)};

        if (lines_is_room_event(about[i].type, line) != about[i].is_right)
            fail_msg("%s: %s", about[i].is_right ? "refused" : "taken", about[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_each_field_once),
        cmocka_unit_test(what_clients_would_read_otherwise_is_no_message),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_none),
        cmocka_unit_test(an_event_has_all_that_its_type_must_have_once),
        cmocka_unit_test(an_event_of_the_fleet_is_about_a_room),
    };

    head = (struct json_text){q(ROOM_HEAD), strlen(ROOM_HEAD)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
