/* test_edit_delete.c - messages that clients edit and delete: whose, for how long, what others see of it, on two
 * gateways (SPEC-PUBLIC P6).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/fleet/user_token.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

enum { GATEWAYS = 2, HOUR = 3600 };

#define WRITER ",'rooms':{'*':'rw'}"
#define READER ",'rooms':{'*':'r'}"
#define MODERATOR ",'rooms':{'*':'rwm'}"

static struct fleet fleet;
static struct admin admin;
static const char *const settings[] = {"ROOMCAST_AUTH=jwt",
                                       "ROOMCAST_JWT_SECRET=" TOKENS_SECRET, NULL};

static bool has_classes(void *data)
{
    (void)data;
    for (unsigned i = 0; i < fleet.count; i++)
        if (http_get_metric(fleet.gateways[i].ops_port,
                            "roomcast_policy_rev{kind=\"classes\"}") <= 0)
            return false;
    return true;
}

/* Rooms in which authors may change their own for a minute. */
static int start(void **state)
{
    *state = &fleet;
    fleet_start(&fleet,
                &(struct fleet_opts){.gateways = GATEWAYS, .settings = settings});
    admin_start(&admin, &fleet, settings);
    admin_ask(&admin, &(struct admin_request){
                          .method = "PUT",
                          .path = "/api/classes",
                          .body = q("{'classes':{'open/':{'edit_secs':60}}}")});
    assert_int_equal(admin.answer.status, 200);
    assert_true(wait_until(has_classes, NULL, FLEET_DEADLINE_MS));
    return 0;
}

static int stop(void **state)
{
    admin_stop(&admin);
    return fleet_teardown(state);
}

static struct chat *come_into(unsigned gateway, const char *room, const char *user,
                              const char *claims)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);
    char *token = user_token(user, HOUR, q(claims));

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    chat_expect(chat, "auth_ack");
    chat_join(chat, room, user);
    free(token);
    return chat;
}

static void edit(struct chat *chat, const char *room, int seq, const char *text)
{
    chat_send(
        chat,
        "{'type':'edit','id':7,'room':'%s','seq':%d,'text':'%s','data':{'a':[1]}}",
        room, seq, text);
}

static void delete_message(struct chat *chat, const char *room, int seq)
{
    chat_send(chat, "{'type':'delete','id':8,'room':'%s','seq':%d}", room, seq);
}

static void expect_ack(struct chat *chat, const char *type, const char *room, int seq)
{
    chat_expect_skipping(chat, type);
    assert_string_equal(chat_get_text(chat, "room"), room);
    assert_int_equal(chat_get_number(chat, "seq"), seq);
}

static void expect_refused(struct chat *chat, const char *code)
{
    chat_expect_skipping(chat, "error");
    assert_string_equal(chat_get_text(chat, "code"), code);
}

static void close_both(struct chat *one, struct chat *other)
{
    chat_close(one);
    chat_close(other);
}

/* ---- what others see ---- */

static void an_edit_reaches_the_members_of_all_gateways(void **state)
{
    struct chat *ann = come_into(0, "open/a", "ann", WRITER), *bob;
    int64_t rev;

    (void)state;
    bob = come_into(1, "open/a", "bob", WRITER);
    chat_say(ann, "open/a", "hello");
    edit(ann, "open/a", 1, "hallo");
    expect_ack(ann, "edit_ack", "open/a", 1);
    chat_expect_skipping(bob, "message_edited");
    assert_int_equal(chat_get_number(bob, "seq"), 1);
    assert_string_equal(chat_get_text(bob, "user"), "ann");
    assert_string_equal(chat_get_text(bob, "text"), "hallo");
    assert_int_equal(chat_get_number(bob, "data.a.0"), 1);
    assert_true(chat_get_number(bob, "edited_at") > 0);
    rev = chat_get_number(bob, "rev");
    assert_true(rev > 0);

    delete_message(ann, "open/a", 1);
    expect_ack(ann, "delete_ack", "open/a", 1);
    chat_expect_skipping(bob, "message_deleted");
    assert_int_equal(chat_get_number(bob, "seq"), 1);
    assert_int_equal(chat_get_number(bob, "rev"), rev + 1);
    delete_message(ann, "open/a", 1); /* as it is already */
    expect_ack(ann, "delete_ack", "open/a", 1);
    edit(ann, "open/a", 1, "back");
    expect_refused(ann, "forbidden");
    close_both(ann, bob);
}

/* A message and its edit in one write: the edit takes effect behind it. */
static void what_follows_without_waiting_takes_effect_in_the_order_sent(void **state)
{
    struct chat *ann = come_into(0, "open/b", "ann", WRITER), *eve;

    (void)state;
    for (int i = 1; i <= 20; i++) {
        chat_send(ann, "{'type':'message','room':'open/b','text':'%d'}", i);
        edit(ann, "open/b", i, "edited");
    }
    for (int i = 1; i <= 20; i++)
        expect_ack(ann, "edit_ack", "open/b", i);
    eve = come_into(1, "open/b", "eve", WRITER);
    chat_send(eve, "{'type':'get_history','room':'open/b'}");
    chat_expect_skipping(eve, "history_batch");
    for (int i = 0; i < 20; i++) {
        char *text = print_text("messages.%d.text", i);

        assert_string_equal(chat_get_text(eve, text), "edited");
        free(text);
    }
    close_both(ann, eve);
}

/* ---- who may ---- */

static void only_authors_may_edit_and_only_where_the_class_says_so(void **state)
{
    struct chat *ann = come_into(0, "open/c", "ann", WRITER), *mod;

    (void)state;
    mod = come_into(1, "open/c", "mod", MODERATOR);
    chat_say(ann, "open/c", "hello");
    edit(mod, "open/c", 1, "hallo");
    expect_refused(mod, "forbidden");
    edit(ann, "open/c", 2, "hallo");
    expect_refused(ann, "message_not_found");
    chat_send(ann, "{'type':'edit','room':'open/c','seq':0,'text':'x'}");
    expect_refused(ann, "bad_request");
    chat_send(ann, "{'type':'edit','room':'open/c','seq':1}");
    expect_refused(ann, "bad_request");
    edit(ann, "elsewhere", 1, "hallo");
    expect_refused(ann, "not_joined");
    chat_join(ann, "closed/c", "ann");
    chat_say(ann, "closed/c", "hello");
    edit(ann, "closed/c", 1, "hallo");
    expect_refused(ann, "forbidden");
    delete_message(ann, "closed/c", 1);
    expect_refused(ann, "forbidden");
    close_both(ann, mod);
}

static void who_may_not_write_or_is_muted_changes_nothing(void **state)
{
    struct chat *ann = come_into(0, "open/d", "ann", WRITER), *eve;

    (void)state;
    eve = come_into(1, "open/d", "eve", READER);
    chat_say(ann, "open/d", "hello");
    delete_message(eve, "open/d", 1);
    expect_refused(eve, "forbidden");
    redis_cmd(fleet.redis_port, "HSET rc:{open/d}:mutes ann 0");
    edit(ann, "open/d", 1, "hallo");
    expect_refused(ann, "muted");
    delete_message(ann, "open/d", 1);
    expect_refused(ann, "muted");
    close_both(ann, eve);
}

static bool is_in_audit(void *data)
{
    (void)data;
    admin_get(&admin, 200, "/api/audit?limit=1");
    return strstr(admin.answer.body,
                  q("'who':'user:mod','what':'delete','room':'any'")) &&
           strstr(admin.answer.body, q("'seq':1"));
}

static void a_moderator_deletes_any_message_and_that_is_noted(void **state)
{
    struct chat *ann = come_into(0, "any", "ann", WRITER), *mod;

    (void)state;
    mod = come_into(1, "any", "mod", MODERATOR);
    chat_say(ann, "any", "hello");
    delete_message(mod, "any", 1);
    expect_ack(mod, "delete_ack", "any", 1);
    chat_expect_skipping(ann, "message_deleted");
    assert_true(wait_until(is_in_audit, NULL, FLEET_DEADLINE_MS));
    delete_message(mod, "any", 5);
    expect_refused(mod, "message_not_found");
    close_both(ann, mod);
}

/* ---- Redis is away ---- */

static void while_redis_is_away_nothing_is_changed(void **state)
{
    struct chat *ann = come_into(0, "open/e", "ann", WRITER);

    (void)state;
    chat_say(ann, "open/e", "hello");
    fleet_kill_redis(&fleet);
    chat_expect_skipping(ann, "status");
    edit(ann, "open/e", 1, "hallo");
    expect_refused(ann, "unavailable");
    redis_server_start(&fleet.redis);
    fleet_wait_all_ready(&fleet);
    chat_close(ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_reaches_the_members_of_all_gateways),
        cmocka_unit_test(what_follows_without_waiting_takes_effect_in_the_order_sent),
        cmocka_unit_test(only_authors_may_edit_and_only_where_the_class_says_so),
        cmocka_unit_test(who_may_not_write_or_is_muted_changes_nothing),
        cmocka_unit_test(a_moderator_deletes_any_message_and_that_is_noted),
        cmocka_unit_test(while_redis_is_away_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
