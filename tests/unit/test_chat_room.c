/* test_chat_room.c - one room of a client without a socket: what it asks for, what it gives, and
 * where it goes on after each way to be cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/chat_room.h"
#include "common/json_read.h"
#include "common/strbuf.h"
#include "tests/support/unit/quotes.h"

/* A client that records: requests, and what its owner would be told, one word each. */
struct recorder {
    struct strbuf sent, told;
    bool is_connected;
    unsigned commended;
    uint64_t last_id, last_said;
    struct json_members members, inner;
    struct chat_room *room;
};

static bool on_send(void *owner, const char *json, size_t len)
{
    struct recorder *r = owner;

    if (!r->is_connected)
        return false;
    strbuf_reset(&r->sent, SIZE_MAX);
    strbuf_add(&r->sent, json, len);
    return true;
}

static uint64_t on_next_id(void *owner)
{
    struct recorder *r = owner;

    return ++r->last_id;
}

static void on_commend(void *owner)
{
    struct recorder *r = owner;

    r->commended++;
}

static void on_retry_set(void *owner)
{
    struct recorder *r = owner;

    strbuf_add_text(&r->told, "retry ");
}

static void on_message(void *owner, const struct chat_message *message)
{
    struct recorder *r = owner;

    strbuf_add_format(&r->told, "%llu ", (unsigned long long)message->seq);
}

static void on_event(void *owner, struct json_text type, struct json_text event)
{
    struct recorder *r = owner;

    strbuf_add(&r->told, type.base + 1, type.len - 2);
    strbuf_add_text(&r->told, " ");
    assert_int_equal(json_scan(event.base, event.len, &r->members), 0);
}

static void on_said(void *owner, const struct chat_said *said)
{
    struct recorder *r = owner;

    r->last_said = said->id;
    strbuf_add_format(&r->told, "%s@%s-%llu ", said->error ? said->error : "said",
                      said->epoch, (unsigned long long)said->seq);
}

static void on_live(void *owner, const char *room)
{
    struct recorder *r = owner;

    assert_string_equal(room, "r");
    strbuf_add_text(&r->told, "live ");
}

static void on_out(void *owner, const struct chat_out *out)
{
    struct recorder *r = owner;

    strbuf_add_format(&r->told, "out:%s ", out->code);
}

static const struct chat_room_port port = {.send = on_send,
                                           .next_id = on_next_id,
                                           .commend = on_commend,
                                           .on_retry_set = on_retry_set,
                                           .on_message = on_message,
                                           .on_event = on_event,
                                           .on_said = on_said,
                                           .on_live = on_live,
                                           .on_out = on_out};

static void begin(struct recorder *r, size_t says_in_flight)
{
    *r = (struct recorder){.is_connected = true};
    r->room = chat_room_new(&(struct chat_room_opts){.name = "r",
                                                     .user = "me",
                                                     .says_in_flight = says_in_flight,
                                                     .looks_for_deleted = true,
                                                     .port = &port,
                                                     .owner = r});
    chat_room_join(r->room);
}

static void end(struct recorder *r)
{
    chat_room_free(r->room);
    strbuf_deinit(&r->sent);
    strbuf_deinit(&r->told);
    json_members_deinit(&r->members);
    json_members_deinit(&r->inner);
}

/* An event in single quotes, at 1000 ms. */
static void event(struct recorder *r, const char *quoted)
{
    char json[512];
    struct chat_event e = {.members = &r->members, .inner = &r->inner, .now_ms = 1000};

    snprintf(json, sizeof(json), "%s", quoted);
    for (char *at = json; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    e.text = (struct json_text){json, strlen(json)};
    assert_int_equal(json_scan(json, strlen(json), &r->members), 0);
    e.type = json_read_find(&r->members, "type");
    if (json_read_is(e.type, "error"))
        assert_true(chat_room_take_refusal(r->room, &e));
    else
        chat_room_take(r->room, &e);
}

static void expect_sent(struct recorder *r, const char *quoted)
{
    char json[512];

    snprintf(json, sizeof(json), "%s", quoted);
    for (char *at = json; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    assert_string_equal(r->sent.data ? r->sent.data : "", json);
    strbuf_reset(&r->sent, SIZE_MAX);
    if (r->sent.data)
        r->sent.data[0] = '\0';
}

static void expect_told(struct recorder *r, const char *words)
{
    assert_string_equal(r->told.data ? r->told.data : "", words);
    strbuf_reset(&r->told, SIZE_MAX);
    if (r->told.data)
        r->told.data[0] = '\0';
}

/* In the room, with messages 1 and 2 of epoch e. */
static void enter(struct recorder *r)
{
    event(r, "{'type':'join_ack','id':1,'room':'r','epoch':'e','seq':2,"
             "'recovered':false}");
    event(r, "{'type':'history_batch','room':'r','epoch':'e','messages':[{'seq':1},"
             "{'seq':2}],'more':false}");
    expect_told(r, "1 2 live ");
    expect_sent(r, "{'type':'join','id':1,'room':'r','user':'me'}");
}

static void lose_and_join(struct recorder *r)
{
    chat_room_on_lost(r->room);
    assert_int_equal(r->room->state, CHAT_ROOM_OUT);
    chat_room_join(r->room);
}

static void a_room_goes_on_where_it_was_cut(void **state)
{
    struct recorder r;

    (void)state;
    begin(&r, 0);
    enter(&r);
    assert_int_equal(r.commended, 1);
    event(&r, "{'type':'message','room':'r','seq':3}");
    lose_and_join(&r);
    expect_sent(&r, "{'type':'join','id':2,'room':'r','user':'me',"
                    "'since':{'epoch':'e','seq':3}}");
    event(&r, "{'type':'join_ack','room':'r','epoch':'e','seq':4,'recovered':true}");
    event(&r, "{'type':'history_batch','room':'r','epoch':'e',"
              "'messages':[{'seq':4}],'more':false}");
    expect_told(&r, "3 4 live ");
    /* What was deleted meanwhile of what was there before. */
    expect_sent(&r, "{'type':'get_history','id':3,'room':'r','limit':100,'before':4}");
    event(&r, "{'type':'history_batch','id':3,'room':'r','epoch':'e','messages':"
              "[{'seq':1},{'seq':2,'deleted':true}],'more':false}");
    expect_told(&r, "message_deleted ");
    end(&r);
}

static void what_the_owner_has_is_not_given_again(void **state)
{
    struct recorder r;

    (void)state;
    begin(&r, 0);
    enter(&r);
    lose_and_join(&r);
    event(&r, "{'type':'join_ack','room':'r','epoch':'e','seq':3,'recovered':false}");
    event(&r, "{'type':'history_batch','room':'r','epoch':'e','messages':[{'seq':1},"
              "{'seq':2},{'seq':3}],'more':false}");
    expect_told(&r, "3 live ");
    lose_and_join(&r);
    event(&r, "{'type':'join_ack','room':'r','epoch':'f','seq':1,'recovered':false}");
    event(&r, "{'type':'history_batch','room':'r','epoch':'f','messages':[{'seq':1}],"
              "'more':false}");
    expect_told(&r, "1 live "); /* of another epoch: all of it */
    event(&r, "{'type':'gap','room':'r','epoch':'f','from':2,'to':8}");
    event(&r, "{'type':'reset','room':'r','epoch':'g','seq':5}");
    strbuf_reset(&r.sent, SIZE_MAX);
    lose_and_join(&r);
    assert_non_null(strstr(r.sent.data, q("'since':{'epoch':'g','seq':5}")));
    end(&r);
}

static void what_is_said_is_sent_until_it_is_acked(void **state)
{
    struct recorder r;
    uint64_t id;

    (void)state;
    begin(&r, 0);
    id = chat_room_say(r.room, "hi", 2);
    assert_int_equal(id, 2);
    expect_sent(&r, "{'type':'join','id':1,'room':'r','user':'me'}"); /* not in yet */
    event(&r, "{'type':'join_ack','room':'r','epoch':'e','seq':0,'recovered':false}");
    expect_sent(&r, "{'type':'message','id':2,'room':'r','key':'0000000000000000-2',"
                    "'text':'hi'}");
    lose_and_join(&r);
    event(&r, "{'type':'join_ack','room':'r','epoch':'e','seq':0,'recovered':false}");
    expect_sent(&r, "{'type':'message','id':2,'room':'r','key':'0000000000000000-2',"
                    "'text':'hi'}");
    assert_int_equal(outgoing_find(&r.room->outgoing, id)->times, 2);
    event(&r, "{'type':'message_ack','id':2,'room':'r','epoch':'f','seq':7}");
    expect_told(&r, "said@f-7 ");
    assert_string_equal(r.room->epoch, "e"); /* until the reset */
    event(&r, "{'type':'message_ack','id':2,'room':'r','epoch':'f','seq':7}");
    expect_told(&r, "");
    end(&r);
}

static void nothing_overtakes_what_redis_did_not_take(void **state)
{
    struct recorder r;

    (void)state;
    begin(&r, 1);
    enter(&r);
    chat_room_say(r.room, "a", 1);
    chat_room_say(r.room, "b", 1);
    assert_non_null(strstr(r.sent.data, q("'text':'a'")));
    event(&r, "{'type':'error','id':2,'code':'unavailable','message':'x',"
              "'retry_after_ms':50}");
    expect_told(&r, "retry ");
    strbuf_reset(&r.sent, SIZE_MAX);
    r.sent.data[0] = '\0';
    chat_room_say(r.room, "c", 1);
    assert_int_equal(chat_room_retry(r.room, 1049), 1050);
    expect_sent(&r, "");
    assert_int_equal(chat_room_retry(r.room, 1050), 0);
    assert_non_null(strstr(r.sent.data, q("'text':'a'")));
    event(&r, "{'type':'error','id':2,'code':'muted','message':'x'}");
    expect_told(&r, "muted@e-0 ");
    assert_non_null(strstr(r.sent.data, q("'text':'b'")));
    end(&r);
}

static void a_join_that_redis_did_not_take_is_tried_again(void **state)
{
    struct recorder r;

    (void)state;
    begin(&r, 0);
    event(&r, "{'type':'error','id':1,'code':'unavailable','message':'x'}");
    assert_int_equal(r.room->state, CHAT_ROOM_OUT);
    assert_int_equal(chat_room_retry(r.room, 1500), 2000);
    assert_int_equal(chat_room_retry(r.room, 2000), 0);
    expect_sent(&r, "{'type':'join','id':2,'room':'r','user':'me'}");
    event(&r, "{'type':'error','id':2,'code':'banned','message':'x'}");
    expect_told(&r, "retry out:banned ");
    assert_int_equal(r.room->state, CHAT_ROOM_ENDED);
    end(&r);
}

static void what_waits_ends_with_the_room(void **state)
{
    struct recorder r;

    (void)state;
    begin(&r, 1);
    enter(&r);
    chat_room_say(r.room, "a", 1);
    chat_room_say(r.room, "b", 1);
    assert_int_equal(chat_room_withdraw(r.room), 1); /* `a` is on its way */
    assert_int_equal(r.last_said, 3);
    expect_told(&r, "withdrawn@e-0 ");
    event(&r, "{'type':'kicked','room':'r','reason':'x'}");
    expect_told(&r, "not_joined@e-0 out:kicked ");
    event(&r, "{'type':'message','room':'r','seq':3}");
    chat_room_on_lost(r.room);
    chat_room_join(r.room);
    assert_int_equal(r.room->state, CHAT_ROOM_ENDED);
    expect_told(&r, "");
    end(&r);
}

static void a_room_that_is_left_tells_the_gateway_if_it_can(void **state)
{
    struct recorder r;

    (void)state;
    begin(&r, 0);
    enter(&r);
    assert_true(chat_room_leave(r.room));
    expect_sent(&r, "{'type':'leave','id':2,'room':'r'}");
    expect_told(&r, "");
    end(&r);
    begin(&r, 0);
    r.is_connected = false;
    chat_room_on_lost(r.room);
    assert_false(chat_room_leave(r.room));
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_goes_on_where_it_was_cut),
        cmocka_unit_test(what_the_owner_has_is_not_given_again),
        cmocka_unit_test(what_is_said_is_sent_until_it_is_acked),
        cmocka_unit_test(nothing_overtakes_what_redis_did_not_take),
        cmocka_unit_test(a_join_that_redis_did_not_take_is_tried_again),
        cmocka_unit_test(what_waits_ends_with_the_room),
        cmocka_unit_test(a_room_that_is_left_tells_the_gateway_if_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
