/* test_malformed.c - what others may write into Redis: names that are none, notices and history
 * that are no events, and bytes that are no JSON. It is left out, counted and logged; what is
 * right beside it works on, in gateways and admin service.
 *
 * Over 400 lines because all of it needs the same fleet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/event_stream.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { LONG = 5000, PATIENCE_MS = 20000 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fleet fleet;
static struct admin admin;
static char long_name[LONG + 1];

static int redis_port(void)
{
    return fleet.redis_port;
}

static double count_gaps(void)
{
    return http_get_metric(fleet.gateways[0].ops_port, "roomcast_gaps_total");
}

static double malformed(unsigned gateway, const char *from)
{
    char name[64];

    snprintf(name, sizeof(name), q("roomcast_malformed_total{from='%s'}"), from);
    return http_get_metric(fleet.gateways[gateway].ops_port, name);
}

struct expected {
    const char *from;
    double more_than;
};

static bool is_counted(void *data)
{
    const struct expected *e = data;

    return malformed(0, e->from) > e->more_than;
}

static void expect_counted(const char *from, double more_than)
{
    assert_true(
        wait_until(is_counted, &(struct expected){from, more_than}, PATIENCE_MS));
}

/* Everything still works. */
static void expect_all_well(void)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "well", "ann");
    struct chat *bob = chat_enter(fleet.gateways[1].port, "well", "bob");

    chat_say(ann, "well", "hello");
    chat_expect_skipping(bob, "message");
    assert_string_equal(chat_get_text(bob, "text"), "hello");
    chat_leave(ann, "well");
    chat_leave(bob, "well");
    chat_close(ann);
    chat_close(bob);
    for (unsigned i = 0; i < 2; i++)
        assert_true(process_is_running(&fleet.gateways[i].process));
    assert_true(process_is_running(&admin.process));
}

/* ---- names ---- */

static void a_keyspace_event_of_no_room_ends_nobody(void **state)
{
    double before = malformed(0, "name");

    (void)state;
    redis_cmd(redis_port(), "PUBLISH __keyspace@0__:rc:{%s}:meta expired", long_name);
    redis_cmd(redis_port(), "PUBLISH __keyspace@0__:rc:{%b}:meta expired", "\xff\xfe",
              (size_t)2);
    redis_cmd(redis_port(), "PUBLISH __keyspace@0__:rc:{}:meta expired");
    expect_counted("name", before + 2);
    fleet_expect_logged(&fleet, 0, "malformed");
    expect_all_well();
}

static bool lists_room(void *data)
{
    return admin_ask(&admin,
                     &(struct admin_request){.path = "/api/rooms?limit=1000"}) == 200 &&
           admin.json && strstr(admin.answer.body, data);
}

static void names_that_are_none_are_left_out_of_the_indexes(void **state)
{
    static const char *const indexes[] = {"rc:rooms", "rc:rooms:members"};
    struct chat *ann = chat_enter(fleet.gateways[0].port, "listed", "ann");
    double before = malformed(0, "name");

    (void)state;
    for (size_t i = 0; i < COUNT(indexes); i++) {
        redis_cmd(redis_port(), "ZADD %s 0 %s", indexes[i], long_name);
        redis_cmd(redis_port(), "ZADD %s 0 a{b}", indexes[i]);
        redis_cmd(redis_port(), "ZADD %s 0 %b", indexes[i], "\xc3\x28\0x", (size_t)4);
        redis_cmd(redis_port(), "ZADD %s 0 %b", indexes[i], "", (size_t)0);
    }
    expect_counted("name", before); /* by the slow walk */
    assert_true(wait_until(lists_room, (void *)q("'listed'"), PATIENCE_MS));
    assert_null(strstr(admin.answer.body, "a{b}"));
    admin_get(&admin, 200, "/api/rooms?sort=members");
    admin_get(&admin, 200, "/api/rooms?search=x");
    admin_get(&admin, 200, "/api/rooms?search=listed");
    assert_int_equal(admin_count(&admin, "rooms"), 1);
    admin_kill(&admin); /* and not again after each restart */
    admin_resume(&admin);
    admin_wait_ready(&admin);
    admin_get(&admin, 200, "/api/rooms");
    chat_close(ann);
    for (size_t i = 0; i < COUNT(indexes); i++)
        redis_cmd(redis_port(), "DEL %s", indexes[i]);
    expect_all_well();
}

static bool is_reaped(void *data)
{
    return redis_cmd_number(redis_port(), "EXISTS %s", data) == 0;
}

/* More of them than a heartbeat reports, and in front of one that has really died. */
static void nodes_that_are_none_hide_no_dead_one(void **state)
{
    double before = malformed(0, "name");
    char *epoch;
    struct chat *ann = chat_enter(fleet.gateways[0].port, "haunted", "ann");

    (void)state;
    for (int i = 0; i < 40; i++)
        redis_cmd(redis_port(), "ZADD rc:nodes %d %s%d", i + 1, long_name, i);
    redis_cmd(redis_port(), "ZADD rc:nodes 1 %b", "a\0b", (size_t)3);
    redis_cmd(redis_port(), "ZADD rc:nodes 1 %s", "with space");
    epoch = redis_cmd_text(redis_port(), "HGET rc:{haunted}:meta epoch");
    redis_cmd(redis_port(), "HSET rc:{haunted}:on:dead-1.0 ghost %s", epoch);
    redis_cmd(redis_port(), "HSET rc:{haunted}:members ghost 1");
    redis_cmd(redis_port(), "SADD rc:node:dead-1.0:rooms haunted %s {} %b", long_name,
              "\xff", (size_t)1);
    redis_cmd(redis_port(), "ZADD rc:nodes 100 dead-1.0");
    admin_get(&admin, 200, "/api/gateways");
    assert_null(strstr(admin.answer.body, "with space"));
    admin_get(&admin, 200, "/api/users/ghost");
    chat_expect_skipping(ann, "member_left");
    assert_string_equal(chat_get_text(ann, "user"), "ghost");
    assert_true(wait_until(is_reaped, "rc:node:dead-1.0:rooms", PATIENCE_MS));
    expect_counted("name", before);
    free(epoch);
    chat_close(ann);
    expect_all_well();
}

static void users_that_are_none_are_left_out(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "users", "ann");

    (void)state;
    redis_cmd(redis_port(), "HSET rc:{users}:members %s 1 %b 1 {x} 1", long_name,
              "\xff", (size_t)1);
    redis_cmd(redis_port(), "HSET rc:{users}:bans %s 0 %b 0 bob 0", long_name, "\xff",
              (size_t)1);
    chat_send(ann, "{'type':'get_members','room':'users'}");
    chat_expect(ann, "member_list");
    assert_int_equal(chat_get_count(ann, "members"), 1);
    admin_get(&admin, 200, "/api/rooms/users/members");
    assert_int_equal(admin_count(&admin, "members"), 1);
    admin_get(&admin, 200, "/api/rooms/users/bans");
    assert_int_equal(admin_count(&admin, "entries"), 1);
    redis_cmd(redis_port(), "DEL rc:{users}:bans");
    chat_close(ann);
}

/* ---- notices ---- */

static const struct {
    const char *head, *lines; /* `$` is the epoch, `#` the next number */
} bad_notices[] = {
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#,'user':'x',"
                            "'text':'\xff','ts':1}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#,'user':'x'"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#}{}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'other','seq':#,"
                            "'user':'x','text':'forged','ts':1}"},
    {"1 $ 0 message # # -", "{'type':'signal','room':'r','seq':#}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#,'user':'x',"
                            "'text':'forged','ts':1,'type':'kicked'}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#,'user':'{x}',"
                            "'text':'forged','ts':1}"},
    {"1 $ 9 joined 0 0 a",
     "{'type':'member_joined','room':'r','user':'a','members':'many'}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':7#,"
                            "'user':'x','text':'forged','ts':1}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#}\n"
                            "{'type':'message','room':'r','seq':#}"},
    {"1 $ 0 message # # -", "{'type':'message','room':'r','seq':#}\n"},
    {"1 $ 0 message # # -", "forged"},
    {"1 $ 0 message # # -", ""},
    {"1 $ 0 message #", "{'type':'message','room':'r','seq':#}"},
    {"2 $ 0 message # # -", "{'type':'message','room':'r','seq':#}"},
    {"1 short 0 message # # -", "{'type':'message','room':'r','seq':#}"},
    {"1 $ x signal 0 0 bob", "{'type':'signal','room':'r','user':'bob'}"},
    {"1 $ 0 signal 0 0 b%zz", "{'type':'signal','room':'r','user':'bob'}"},
    {"1 $ 0 signal 0 0 %ff", "{'type':'signal','room':'r','user':'bob'}"},
    {"1 $ 0 signal 0 0 ", "{'type':'signal','room':'r','user':'bob'}"},
    {"1 $ 0 signal 0 0 a,b", "{'type':'signal','room':'r','user':'a'}"},
    {"1 $ 0 signal 0 0 bob", "{'type':'signal','room':'other','user':'bob'}"},
    {"1 $ 0 signal 0 0 bob", "{'type':'signal','room':'r','user':'\xff'}"},
    {"1 $ 9 joined 0 0 a", "{'type':'member_joined','room':'r','user':'a'}\n"
                           "{'type':'member_joined','room':'r','user':'b'}"},
    {"1 $ 9 joined 0 0 a,b", "{'type':'member_joined','room':'r','user':'a'}"},
    {"1 $ 9 left 0 0 a", "{'type':'kicked','room':'r','user':'a'}"},
    {"1 $ 9 kicked 0 0 ann", "{'type':'message','room':'r'}"},
    {"1 $ 9 kicked 0 0 ann", "{}\n{}\n{}"},
    {"1 $ 9 closed 0 0 -", "nothing"},
    {"1 $ 9 deleted 1 1 -", "{'type':'message_deleted','room':'r','seq':}"},
    {"1 $ 9 what 0 0 -", "{'type':'what','room':'r'}"},
    {"1 $ 9 left 0 0 a",
     "{'type':'member_left','room':'r','reason':'left','user':'a'}"},
    {"1 $ 9 left 0 0 a", "{'type':'member_left','room':'r','reason':'left','user':'b',"
                         "'members':1}"},
    {"1 $ 0 signal 0 0 bob", "{'type':'signal','room':'r','kind':'k','data':1}"},
    {"1 $ 0 signal 0 0 bob",
     "{'type':'signal','room':'r','user':'eve','kind':'k','data':1}"},
    {"1 $ 9 kicked 0 0 eve", "{'type':'kicked','room':'r'}"},
    {"1 $ 9 deleted 2 2 -", "{'type':'message_deleted','room':'r','seq':1}"},
};

static void add_filled(struct strbuf *out, const char *text, const char *epoch,
                       double next)
{
    for (text = q(text); *text; text++)
        if (*text == '#')
            strbuf_add_u64(out, (uint64_t)next);
        else if (*text == '$')
            strbuf_add_text(out, epoch);
        else
            strbuf_add_char(out, *text);
}

static void publish_notice(const char *head, const char *lines, const char *epoch,
                           double next)
{
    struct strbuf text = {NULL, 0, 0};

    add_filled(&text, head, epoch, next);
    strbuf_add_char(&text, '\n');
    add_filled(&text, lines, epoch, next);
    redis_cmd(redis_port(), "PUBLISH rc:{r}:events %b", text.data, text.len);
    strbuf_deinit(&text);
}

static void a_notice_that_is_none_is_a_gap_that_the_history_fills(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    char *epoch = redis_cmd_text(redis_port(), "HGET rc:{r}:meta epoch");

    (void)state;
    for (size_t i = 0; i < COUNT(bad_notices); i++) {
        double before = malformed(0, "notice"), seq = (double)i + 1;

        publish_notice(bad_notices[i].head, bad_notices[i].lines, epoch, seq);
        expect_counted("notice", before);
        assert_int_equal(chat_say(ann, "r", "next"), seq);
        chat_send(ann, "{'type':'get_history','room':'r','limit':1,'id':1}");
        chat_expect_skipping(ann, "history_batch");
        assert_int_equal(chat_get_number(ann, "messages.0.seq"), seq);
    }
    chat_close(ann);
    free(epoch);
}

/* A client that only listens sees nothing but the messages, each once. */
static void nothing_of_such_notices_reaches_a_client(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    struct chat *bob = chat_enter(fleet.gateways[0].port, "r", "bob");
    char *epoch = redis_cmd_text(redis_port(), "HGET rc:{r}:meta epoch");
    double first = chat_say(ann, "r", "first"), last = first;

    (void)state;
    chat_expect_skipping(bob, "message");
    for (size_t i = 0; i < COUNT(bad_notices); i++) {
        publish_notice(bad_notices[i].head, bad_notices[i].lines, epoch, last + 1);
        last = chat_say(ann, "r", "next");
    }
    for (double seq = first + 1; seq <= last; seq++) {
        chat_expect(bob, "message");
        assert_int_equal(chat_get_number(bob, "seq"), seq);
        assert_string_equal(chat_get_text(bob, "text"), "next");
    }
    chat_close(ann);
    chat_close(bob);
    free(epoch);
}

/* Written by hand, with the members in another order: an event all the same. */
static void a_notice_in_another_order_is_passed_on(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "r", "ann");
    char *epoch = redis_cmd_text(redis_port(), "HGET rc:{r}:meta epoch");

    (void)state;
    publish_notice("1 $ 0 signal 0 0 bob",
                   q("{'room':'r', 'data':1, 'kind':'wave', 'user':'bob', "
                     "'type':'signal'}"),
                   epoch, 0);
    chat_expect_skipping(ann, "signal");
    assert_string_equal(chat_get_text(ann, "kind"), "wave");
    chat_close(ann);
    free(epoch);
}

/* ---- history ---- */

/* Messages 1 to 6, of which 1, 3 and 6 are no messages any more. */
static void spoil(const char *room)
{
    redis_cmd(redis_port(), "LSET rc:{%s}:history 0 %s", room, "not json");
    redis_cmd(redis_port(), "LSET rc:{%s}:history 2 %b", room, q("{'a':'\xff'}"),
              (size_t)9);
    redis_cmd(redis_port(), "LSET rc:{%s}:history 5 %s", room,
              q("{'type':'message','room':'x','seq':6,'user':'u','text':''}"));
}

static void expect_gap(struct chat *chat, double from, double to)
{
    chat_expect(chat, "gap");
    assert_int_equal(chat_get_number(chat, "from"), from);
    assert_int_equal(chat_get_number(chat, "to"), to);
}

static void expect_batch(struct chat *chat, double first, int count)
{
    chat_expect(chat, "history_batch");
    assert_int_equal(chat_get_count(chat, "messages"), count);
    if (count > 0)
        assert_int_equal(chat_get_number(chat, "messages.0.seq"), first);
}

static void expect_older(struct chat *chat, double before, double first, int count,
                         bool more)
{
    chat_send(chat, "{'type':'get_history','room':'spoilt','before':%.0f}", before);
    expect_batch(chat, first, count);
    assert_int_equal(chat_is_true(chat, "more"), more);
}

static void lines_of_the_history_that_are_none_are_gaps(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[1].port, "spoilt", "ann"), *bob;
    double before = malformed(0, "history");

    (void)state;
    for (int i = 0; i < 6; i++)
        chat_say(ann, "spoilt", "x");
    spoil("spoilt");
    bob = chat_open(fleet.gateways[0].port);
    chat_send(bob, "{'type':'join','room':'spoilt','user':'bob'}");
    chat_expect(bob, "join_ack");
    expect_batch(bob, 2, 1);
    expect_gap(bob, 3, 3);
    expect_batch(bob, 4, 2);
    expect_gap(bob, 6, 6);
    expect_batch(bob, 0, 0);
    chat_say(ann, "spoilt", "seven");
    chat_expect(bob, "message");
    assert_int_equal(chat_get_number(bob, "seq"), 7);
    assert_true(malformed(0, "history") >= before + 3);
    admin_get(&admin, 200, "/api/rooms/spoilt/messages");
    assert_int_equal(admin_count(&admin, "messages"), 4);
    chat_close(ann);
    chat_close(bob);
}

/* What a member asks for moves no position: lines that are none are left out. */
static void older_messages_come_without_a_gap(void **state)
{
    struct chat *bob = chat_open(fleet.gateways[0].port);
    double gaps;

    (void)state;
    chat_send(bob, "{'type':'join','room':'spoilt','user':'bob'}");
    do
        chat_expect_skipping(bob, "history_batch");
    while (chat_is_true(bob, "more"));
    gaps = count_gaps();
    expect_older(bob, 7, 4, 2, true);
    expect_older(bob, 7, 4, 2, true);
    expect_older(bob, 4, 2, 1, false);
    expect_older(bob, 3, 2, 1, false);
    expect_older(bob, 2, 0, 0, false);
    chat_send(bob, "{'type':'ping'}");
    chat_expect(bob, "pong");
    assert_int_equal(count_gaps(), gaps);
    chat_close(bob);
}

/* What is in a room's history, `g` a message and `b` none; with which number a client comes
 * back; what it is given: numbers of messages, `[` and `]` around a batch, `+` where another
 * one follows, and `2-3` for a gap. */
static const struct {
    const char *history;
    int since; /* -1: it joins without `since` */
    const char *given;
} resumes[] = {
    {"ggbg", 2, "3-3 [4]"},
    {"ggbg", 1, "[2]+ 3-3 [4]"},
    {"gbgbg", 1, "2-2 [3]+ 4-4 [5]"},
    {"gbbg", 1, "2-3 [4]"},
    {"gbbg", 2, "3-3 [4]"},
    {"gbbg", 3, "[4]"},
    {"bgg", 0, "1-1 [2 3]"},
    {"bgg", -1, "[2 3]"},
    {"bbb", 1, "2-3 []"},
    {"bbb", -1, "[]"},
    {"ggb", 2, "3-3 []"},
    {"ggb", 3, "[]"},
    {"ggb", -1, "[1 2]+ 3-3 []"},
    {"bgbg", -1, "[2]+ 3-3 [4]"},
    {"bgbg", 0, "1-1 [2]+ 3-3 [4]"},
};

static void add_given(struct chat *chat, struct strbuf *out)
{
    char path[32];

    if (out->len > 0)
        strbuf_add_char(out, ' ');
    if (strcmp(chat_get_text(chat, "type"), "gap") == 0) {
        strbuf_add_format(out, "%.0f-%.0f", chat_get_number(chat, "from"),
                          chat_get_number(chat, "to"));
        return;
    }
    assert_string_equal(chat_get_text(chat, "type"), "history_batch");
    strbuf_add_char(out, '[');
    for (int i = 0; i < chat_get_count(chat, "messages"); i++) {
        snprintf(path, sizeof(path), "messages.%d.seq", i);
        strbuf_add_format(out, i > 0 ? " %.0f" : "%.0f", chat_get_number(chat, path));
    }
    strbuf_add_text(out, chat_is_true(chat, "more") ? "]+" : "]");
}

/* All that comes before the first live message. */
static void expect_given(struct chat *chat, const char *room, const char *given)
{
    struct strbuf out = {NULL, 0, 0};

    for (;;) {
        assert_true(chat_recv(chat, PATIENCE_MS));
        if (strcmp(chat_get_text(chat, "type"), "message") == 0)
            break;
        add_given(chat, &out);
    }
    strbuf_add_char(&out, '\0');
    if (strcmp(out.data, given) != 0)
        fail_msg("%s: %s instead of %s", room, out.data, given);
    strbuf_deinit(&out);
}

static void spoil_as(const char *room, const char *history)
{
    for (int i = 0; history[i]; i++)
        if (history[i] == 'b')
            redis_cmd(redis_port(), "LSET rc:{%s}:history %d %s", room, i, "not json");
}

static void join_behind(struct chat *chat, const char *room, int since)
{
    char *epoch = redis_cmd_text(redis_port(), "HGET rc:{%s}:meta epoch", room);

    if (since >= 0)
        chat_send(chat,
                  "{'type':'join','room':'%s','user':'bob',"
                  "'since':{'epoch':'%s','seq':%d}}",
                  room, epoch, since);
    else
        chat_send(chat, "{'type':'join','room':'%s','user':'bob'}", room);
    chat_expect(chat, "join_ack");
    assert_int_equal(chat_is_true(chat, "recovered"), since >= 0);
    free(epoch);
}

static void gaps_and_messages_come_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(resumes); i++) {
        struct chat *ann = chat_open(fleet.gateways[0].port), *bob;
        char room[16];

        snprintf(room, sizeof(room), "resume%zu", i);
        chat_join(ann, room, "ann");
        for (size_t j = 0; j < strlen(resumes[i].history); j++)
            chat_say(ann, room, "x");
        spoil_as(room, resumes[i].history);
        bob = chat_open(fleet.gateways[1].port);
        join_behind(bob, room, resumes[i].since);
        chat_say(ann, room, "the end");
        expect_given(bob, room, resumes[i].given);
        chat_close(bob);
        chat_close(ann);
    }
}

static void a_missed_message_that_is_none_is_a_gap_for_who_is_live(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "live", "ann");
    char *epoch = redis_cmd_text(redis_port(), "HGET rc:{live}:meta epoch");
    char notice[256];

    (void)state;
    chat_say(ann, "live", "one");
    redis_cmd(redis_port(), "RPUSH rc:{live}:history %s", "garbage");
    redis_cmd(redis_port(), "HSET rc:{live}:meta seq 2");
    snprintf(notice, sizeof(notice), "1 %s 0 message 2 2 -\ngarbage", epoch);
    redis_cmd(redis_port(), "PUBLISH rc:{live}:events %s", notice);
    chat_expect_skipping(ann, "gap");
    assert_int_equal(chat_get_number(ann, "from"), 2);
    assert_int_equal(chat_get_number(ann, "to"), 2);
    assert_int_equal(chat_say(ann, "live", "three"), 3);
    chat_close(ann);
    free(epoch);
}

/* The history list is longer than the number of messages ever sent. */
static void a_history_with_too_many_lines_is_read_all_the_same(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "many", "ann"), *bob;

    (void)state;
    chat_say(ann, "many", "one");
    for (int i = 0; i < 5; i++)
        redis_cmd(redis_port(), "LPUSH rc:{many}:history garbage");
    bob = chat_enter(fleet.gateways[1].port, "many", "bob");
    chat_say(bob, "many", "two");
    chat_send(bob, "{'type':'get_history','room':'many','id':1}");
    chat_expect_skipping(bob, "history_batch");
    assert_int_equal(chat_get_count(bob, "messages"), 2);
    chat_close(ann);
    chat_close(bob);
}

/* ---- the admin service's JSON ---- */

static void what_is_no_json_gets_into_no_answer(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "admin", "ann");
    struct event_stream s = {0};

    (void)state;
    redis_cmd(redis_port(), "XADD rc:audit * who %b what ban", "\xff", (size_t)1);
    redis_cmd(redis_port(), "XADD rc:audit * who x what %b", "\xc3\x28", (size_t)2);
    admin_post(&admin, 200, q("{'secs':0}"), "/api/rooms/admin/mute/bob");
    admin_get(&admin, 200, "/api/audit");
    assert_string_equal(admin_text(&admin, "entries.0.what"), "mute");
    assert_int_equal(admin_count(&admin, "entries"), 1);
    redis_cmd(redis_port(), q("RPUSH rc:stats:online %s %b {'ts':1} []"), "not json",
              q("{'x':'\xff'}"), (size_t)9);
    redis_cmd(redis_port(), "RPUSH rc:stats:online {} %s %s", q("{'ts':'x'}"),
              q("{'ts':2,'connections':{'a':1}}"));
    admin_get(&admin, 200, "/api/stats/online");
    assert_true(admin_count(&admin, "samples") >= 1);
    for (int i = 0; i < admin_count(&admin, "samples"); i++) {
        char path[32];

        snprintf(path, sizeof(path), "samples.%d.ts", i);
        assert_true(admin_number(&admin, path) != 2);
    }
    redis_cmd(redis_port(), "HSET rc:{admin}:meta epoch %b", "\xff\xff", (size_t)2);
    admin_get(&admin, 200, "/api/rooms/admin");
    redis_cmd(redis_port(), "ZADD rc:nodes 99999999999999 strange-1.0");
    redis_cmd(redis_port(), "HSET rc:node:strange-1.0 address %b version %b", "\xff",
              (size_t)1, "\x80", (size_t)1);
    admin_get(&admin, 200, "/api/gateways");
    redis_cmd(redis_port(), "DEL rc:node:strange-1.0");
    redis_cmd(redis_port(), "ZREM rc:nodes strange-1.0");

    event_stream_open(&s, &admin, "?room=watched");
    redis_cmd(redis_port(), "PUBLISH rc:events %b", q("{'type':'audit','x':'\xff'}"),
              (size_t)22);
    redis_cmd(redis_port(), "PUBLISH rc:events %s", q("{'type':'audit'"));
    redis_cmd(redis_port(), "PUBLISH rc:events %s", q("{'type':'audit'}\n\nevent: x"));
    redis_cmd(redis_port(), "PUBLISH rc:{watched}:events %s",
              q("1 x\n{'type':'signal','room':'watched','n':1"));
    redis_cmd(redis_port(), "PUBLISH rc:{watched}:events %s",
              q("1 0123456789abcdef 0 signal 0 0 a\n{'type':'signal','room':'other',"
                "'user':'a','kind':'k','data':1,'n':2}"));
    redis_cmd(redis_port(), "PUBLISH rc:{watched}:events %s",
              q("1 0123456789abcdef 0 signal 0 0 a\n{'type':'signal','room':"
                "'watched','user':'a','kind':'k','data':1,'n':3}"));
    event_stream_expect(&s, "signal");
    assert_int_equal(event_stream_get_number(&s, "n"), 3);
    event_stream_close(&s);
    assert_true(
        http_get_metric(admin.port, q("roomcast_malformed_total{from='notice'}")) >= 5);
    assert_true(http_get_metric(admin.port,
                                q("roomcast_malformed_total{from='history'}")) >= 5);
    chat_abort(ann);
}

static void paging_gets_past_lines_that_are_none(void **state)
{
    struct chat *ann = chat_enter(fleet.gateways[0].port, "paged", "ann");

    (void)state;
    for (int i = 0; i < 4; i++)
        chat_say(ann, "paged", "x");
    redis_cmd(redis_port(), "LSET rc:{paged}:history 1 %s", "not json");
    redis_cmd(redis_port(), "LSET rc:{paged}:history 2 %s", "nor this");
    admin_get(&admin, 200, "/api/rooms/paged/messages?limit=1&before=4");
    redis_cmd(redis_port(), "LSET rc:{paged}:history 1 %s",
              q("{'type':'message','room':'paged','seq':4,'user':'u',"
                "'text':'x','ts':1}"));
    redis_cmd(redis_port(), "LSET rc:{paged}:history 2 %s",
              q("{'type':'message','room':'other','seq':3,'user':'u',"
                "'text':'x','ts':1}"));
    admin_get(&admin, 200, "/api/rooms/paged/messages?limit=1&before=4");
    assert_int_equal(admin_count(&admin, "messages"), 1);
    assert_int_equal(admin_number(&admin, "messages.0.seq"), 1);
    assert_false(admin_is_true(&admin, "more"));
    chat_abort(ann);
}

/* Whatever stands beside them, the cursor that was given out is taken, and all are listed. */
static void odd_scores_hide_no_room(void **state)
{
    static const char *const scores[] = {"inf", "-inf", "1e300", "-5", "0.5"};
    static const char *const sorts[] = {"recent", "members"};
    struct chat *ann = chat_enter(fleet.gateways[0].port, "scored", "ann");

    (void)state;
    for (size_t i = 0; i < COUNT(scores); i++) {
        redis_cmd(redis_port(), "ZADD rc:rooms %s ghost%d", scores[i], (int)i);
        redis_cmd(redis_port(), "ZADD rc:rooms:members %s ghost%d", scores[i], (int)i);
    }
    for (size_t k = 0; k < COUNT(sorts); k++) {
        bool found = false;
        char next[512] = "";

        for (int page = 0; page < 50; page++) {
            admin_get(&admin, 200, "/api/rooms?limit=1&sort=%s%s%s", sorts[k],
                      next[0] ? "&cursor=" : "", next);
            for (int i = 0; i < admin_count(&admin, "rooms"); i++)
                found =
                    found || strcmp(admin_text(&admin, "rooms.0.room"), "scored") == 0;
            if (admin_is_null(&admin, "next"))
                break;
            snprintf(next, sizeof(next), "%s", admin_text(&admin, "next"));
        }
        assert_true(found);
        assert_true(admin_is_null(&admin, "next"));
    }
    redis_cmd(redis_port(), "DEL rc:rooms rc:rooms:members");
    chat_abort(ann);
}

/* ---- */

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_FLUSH_MS=0",
                                           "ROOMCAST_LEASE_SECS=2", NULL};
    static const char *const redis_args[] = {"--notify-keyspace-events", "Kx", NULL};

    *state = &admin;
    memset(long_name, 'x', LONG);
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2,
                                             .settings = settings,
                                             .redis_args = redis_args});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyspace_event_of_no_room_ends_nobody),
        cmocka_unit_test(names_that_are_none_are_left_out_of_the_indexes),
        cmocka_unit_test(nodes_that_are_none_hide_no_dead_one),
        cmocka_unit_test(users_that_are_none_are_left_out),
        cmocka_unit_test(a_notice_that_is_none_is_a_gap_that_the_history_fills),
        cmocka_unit_test(nothing_of_such_notices_reaches_a_client),
        cmocka_unit_test(a_notice_in_another_order_is_passed_on),
        cmocka_unit_test(lines_of_the_history_that_are_none_are_gaps),
        cmocka_unit_test(older_messages_come_without_a_gap),
        cmocka_unit_test(gaps_and_messages_come_in_the_order_of_their_numbers),
        cmocka_unit_test(a_missed_message_that_is_none_is_a_gap_for_who_is_live),
        cmocka_unit_test(a_history_with_too_many_lines_is_read_all_the_same),
        cmocka_unit_test(what_is_no_json_gets_into_no_answer),
        cmocka_unit_test(paging_gets_past_lines_that_are_none),
        cmocka_unit_test(odd_scores_hide_no_room),
    };

    return cmocka_run_group_tests(tests, start, admin_teardown);
}
