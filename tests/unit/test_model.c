/* test_model.c - what comes from a server, of good and of ill will, told to rooms; who is in and
 * who is writing; what a line means, and how it is completed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/model_event.h"
#include "client/term_command.h"
#include "client/term_options.h"
#include "client/text.h"
#include "common/xalloc.h"
#include "tests/support/unit/quotes.h"

static char *sent; /* the last request */

static void on_send(void *owner, const char *json, size_t len)
{
    (void)owner;
    free(sent);
    sent = xmemdup(json, len);
}

static void begin(struct model *model)
{
    model_init(model, "me");
    model->send = on_send;
}

static void end(struct model *model)
{
    model_deinit(model);
    free(sent);
    sent = NULL;
}

static void event(struct model *model, const char *json)
{
    model_on_event(model, (struct json_text){json, strlen(json)}, 1000);
}

static void message(struct model *model, const char *room, uint64_t seq,
                    const char *json)
{
    struct chat_message m = {room, "e", seq, {json, strlen(json)}};

    model_on_message(model, &m, 1000);
}

static void what_is_not_looked_at_is_unread(void **state)
{
    struct model model;

    (void)state;
    begin(&model);
    model_join(&model, "one");
    model_join(&model, "two");
    message(&model, "one", 1, q("{'seq':1,'user':'ann','text':'history'}"));
    model_on_live(&model, "one", 1);
    message(&model, "one", 2, q("{'seq':2,'user':'ann','text':'new'}"));
    message(&model, "one", 3, q("{'seq':3,'user':'me','text':'mine'}"));
    message(&model, "none", 1, q("{'seq':1,'user':'ann','text':'lost'}"));
    assert_int_equal(model.rooms[0]->unread, 1);
    model_select(&model, 0);
    assert_int_equal(model.rooms[0]->unread, 0);
    model_leave(&model, model.rooms[0]);
    assert_string_equal(model_active(&model)->name, "two");
    model_leave(&model, model.rooms[0]);
    assert_ptr_equal(model_active(&model), model.home);
    end(&model);
}

static void members_come_page_by_page_and_stay_true(void **state)
{
    struct model model;
    struct members *r;

    (void)state;
    begin(&model);
    r = &model_join(&model, "one")->members;
    model_on_live(&model, "one", 1);
    assert_non_null(strstr(sent, q("'get_members','id':'m1'")));
    event(&model, q("{'type':'member_list','id':'m9','room':'one','members':"
                    "['no'],'count':1,'next':null}"));
    event(&model, q("{'type':'member_list','id':'m1','room':'one','members':"
                    "['b', 'a'],'count':3,'next':'n\\'b'}"));
    assert_non_null(strstr(sent, q("'cursor':'n\\'b'")));
    event(&model, q("{'type':'member_joined','room':'one','user':'d','members':4}"));
    event(&model, q("{'type':'member_left','room':'one','user':'a','members':3}"));
    event(&model, q("{'type':'member_list','id':'m2','room':'one','members':"
                    "['c'],'count':3,'next':null}"));
    assert_int_equal(r->now.count, 3);
    assert_string_equal(r->now.names[0], "b");
    assert_string_equal(r->now.names[2], "d");
    event(&model, q("{'type':'status','redis':'down'}"));
    assert_true(model.is_redis_down);
    event(&model, q("{'type':'status','redis':'up'}"));
    assert_non_null(strstr(sent, q("'id':'m3'"))); /* asked again */
    event(&model, q("{'type':'error','id':'m3','code':'unavailable',"
                    "'message':'x'}"));
    assert_int_equal(model.rooms[0]->members_id, 0);
    end(&model);
}

static void who_writes_is_known_for_a_while(void **state)
{
    struct typing t = {.count = 0};

    (void)state;
    typing_hear(&t, "ann", true, 1000);
    typing_hear(&t, "bob", true, 2000);
    typing_hear(&t, "bob", false, 2500);
    assert_int_equal(t.count, 1);
    assert_false(typing_prune(&t, 1000 + TYPING_LASTS_MS - 1));
    assert_true(typing_prune(&t, 1000 + TYPING_LASTS_MS));
    for (int i = 0; i < 100; i++) {
        char user[16];

        snprintf(user, sizeof(user), "%d", i);
        typing_hear(&t, user, true, 1000);
    }
    assert_int_equal(t.count, TYPING_MAX);
    assert_false(typing_should_say(&t, false, 100));
    assert_true(typing_should_say(&t, true, 100));
    assert_false(typing_should_say(&t, true, 100 + TYPING_AGAIN_MS - 1));
    assert_true(typing_should_say(&t, true, 100 + TYPING_AGAIN_MS));
    assert_true(typing_should_say(&t, false, 5000));
    typing_deinit(&t);
}

static void older_messages_go_before_the_others(void **state)
{
    struct model model;
    struct timeline *t;

    (void)state;
    begin(&model);
    t = &model_join(&model, "one")->timeline;
    message(&model, "one", 5, q("{'user':'ann','text':'five'}"));
    model_on_live(&model, "one", 1);
    assert_true(model_ask_older(&model, model.rooms[0]));
    assert_false(model_ask_older(&model, model.rooms[0]));
    assert_non_null(strstr(sent, q("'before':5")));
    event(&model, q("{'type':'history_batch','id':'h2','room':'one','epoch':'e',"
                    "'messages':[{'seq':3,'user':'a','text':'3'},"
                    "{'seq':4,'deleted':true}],'more':false}"));
    assert_int_equal(t->count, 3);
    assert_int_equal(t->lines[0]->seq, 3);
    assert_true(t->lines[1]->is_deleted);
    assert_false(model_ask_older(&model, model.rooms[0]));
    end(&model);
}

/* Nothing in here must do harm; the sanitizers look on. */
static void a_server_of_ill_will_does_no_harm(void **state)
{
    static const char *const types[] = {
        "join_ack",        "member_list",   "member_joined", "member_left",
        "signal",          "gap",           "reset",         "status",
        "message_deleted", "history_batch", "error",         "kicked",
    };
    static const char *const bodies[] = {
        "",
        ",\"id\":\"m1\"",
        ",\"members\":[[[]],{},1,null,\"x\"],\"id\":\"m1\",\"next\":7,\"count\":-1",
        ",\"members\":{\"a\":1},\"id\":\"m1\"",
        ",\"user\":7,\"members\":\"x\",\"kind\":\"typing\",\"data\":[1]",
        ",\"user\":\"\\u001b[2J\\u202e\",\"kind\":\"typing\",\"data\":{\"on\":[]}",
        ",\"from\":18446744073709551615,\"to\":18446744073709551615",
        ",\"from\":99999999999999999999999999,\"to\":0,\"seq\":-5,\"epoch\":null",
        ",\"messages\":[1,\"x\",{},{\"seq\":\"a\"},[{}]],\"id\":\"h1\",\"more\":true",
        ",\"epoch\":\"an epoch that is much longer than any that a gateway makes\"",
        ",\"code\":{},\"message\":[],\"id\":{\"a\":1}",
    };
    struct model model;

    (void)state;
    begin(&model);
    model_join(&model, "one");
    message(&model, "one", 1, q("{'user':[],'text':{},'ts':'x'}"));
    model_on_live(&model, "one", 1);
    model_ask_older(&model, model.rooms[0]);
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
        for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++) {
            char json[512];

            snprintf(json, sizeof(json), q("{'type':'%s','room':'one'%s}"), types[t],
                     bodies[b]);
            event(&model, json);
            event(&model, json + b); /* no JSON at all */
        }
    end(&model);
}

static void a_line_is_said_or_a_command(void **state)
{
    static const struct {
        const char *line;
        enum term_verb verb;
        const char *rest;
    } lines[] = {
        {"hello", TERM_SAY, "hello"},           {"//x y", TERM_SAY, "/x y"},
        {"/join a b", TERM_JOIN, "a b"},        {"/quit", TERM_QUIT, ""},
        {"/quitter", TERM_UNKNOWN, "/quitter"}, {"/", TERM_UNKNOWN, "/"},
        {" /quit", TERM_SAY, " /quit"},         {"/leave  x", TERM_LEAVE, "x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct term_command command = term_command_parse(lines[i].line);

        assert_int_equal(command.verb, lines[i].verb);
        assert_string_equal(command.rest, lines[i].rest);
    }
}

static void tab_adds_what_all_that_fit_agree_in(void **state)
{
    static const char *const names[] = {"ann", "anna\xc3\xa4", "anna\xc3\xb6", "bob",
                                        "a b"};
    static const struct {
        const char *line, *add;
        size_t fits;
    } cases[] = {
        {"b", "ob: ", 1}, {"hi b", "ob ", 1}, {"an", "n", 3}, {"anna", "", 2},
        {"x", "", 0},     {"", "", 0},        {"ann", "", 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct term_completion found = {0};

        term_command_complete(&found, cases[i].line, strlen(cases[i].line), names, 5);
        assert_string_equal(found.add.data ? found.add.data : "", cases[i].add);
        assert_int_equal(found.count, cases[i].fits);
        term_completion_deinit(&found);
    }
}

static void addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *url, *host, *path;
        int port;
    } good[] = {
        {"ws://h", "h", "/ws", 80},
        {"ws://h:9001", "h", "/ws", 9001},
        {"ws://h:9001/", "h", "/", 9001},
        {"ws://a.b:1/x/y?z=1", "a.b", "/x/y?z=1", 1},
        {"ws://[::1]:9001/ws", "::1", "/ws", 9001},
        {"ws://[::1]", "::1", "/ws", 80},
    };
    static const char *const bad[] = {
        "",
        "ws://",
        "ws://:1",
        "wss://h",
        "http://h",
        "ws://h:0",
        "ws://h:x",
        "ws://h:1 ",
        "ws://h:65536",
        "ws://[::1",
        "ws://[::1]x",
        "ws:/h",
        "ws://h\r\nX: y",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct connection_address at = {.host = NULL};

        assert_null(term_options_parse_url(&at, good[i].url, strlen(good[i].url)));
        assert_string_equal(at.host, good[i].host);
        assert_string_equal(at.path, good[i].path);
        assert_int_equal(at.port, good[i].port);
        free((char *)at.host);
        free((char *)at.path);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct connection_address at = {.host = NULL};

        assert_non_null(term_options_parse_url(&at, bad[i], strlen(bad[i])));
        free((char *)at.host);
        free((char *)at.path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_looked_at_is_unread),
        cmocka_unit_test(members_come_page_by_page_and_stay_true),
        cmocka_unit_test(who_writes_is_known_for_a_while),
        cmocka_unit_test(older_messages_go_before_the_others),
        cmocka_unit_test(a_server_of_ill_will_does_no_harm),
        cmocka_unit_test(a_line_is_said_or_a_command),
        cmocka_unit_test(tab_adds_what_all_that_fit_agree_in),
        cmocka_unit_test(addresses_are_taken_apart),
    };
    return text_use_locale() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
