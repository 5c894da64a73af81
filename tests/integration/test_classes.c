/* test_classes.c - room classes: what they give, while members are in, and that they outlive Redis
 * (SPEC-PUBLIC P5, P14).
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

static struct fleet fleet;
static struct admin admin;
static const char *const settings[] = {
    "ROOMCAST_AUTH=jwt",     "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
    "ROOMCAST_GUESTS=1",     "ROOMCAST_DEFAULT_RIGHTS=rw",
    "ROOMCAST_LEASE_SECS=2", NULL};

static int start(void **state)
{
    *state = &fleet;
    fleet_start(&fleet,
                &(struct fleet_opts){.gateways = GATEWAYS, .settings = settings});
    admin_start(&admin, &fleet, settings);
    return 0;
}

static int stop(void **state)
{
    admin_stop(&admin);
    return fleet_teardown(state);
}

/* ---- classes ---- */

/* The body and the path as they are; no If-Match where `match` is NULL. */
static void change(int status, const char *method, const char *path, const char *body,
                   const char *match)
{
    char *header = match ? print_text("If-Match: %s", match) : NULL;
    const char *const options[] = {"-H", header, NULL};

    admin_ask(&admin, &(struct admin_request){.method = method,
                                              .path = path,
                                              .body = body,
                                              .options = match ? options : NULL});
    if (admin.answer.status != status)
        fail_msg("%s %s: %d %s", method, path, admin.answer.status, admin.answer.body);
    free(header);
}

/* Whether each worker of each gateway has these, or later ones. */
static bool have_read(void *data)
{
    const double *rev = data;

    for (unsigned i = 0; i < fleet.count; i++)
        if (http_get_metric(fleet.gateways[i].ops_port,
                            "roomcast_policy_rev{kind=\"classes\"}") < *rev)
            return false;
    return true;
}

static void replace(const char *classes)
{
    char *body = print_text("{\"classes\":%s}", q(classes));
    double rev;

    change(200, "PUT", "/api/classes", body, NULL);
    assert_true(admin_number(&admin, "nodes") >= fleet.count);
    rev = admin_number(&admin, "rev");
    assert_true(wait_until(have_read, &rev, FLEET_DEADLINE_MS));
    free(body);
}

static void expect_classes(const char *classes)
{
    char *start = print_text("{\"classes\":%s,\"rev\":", q(classes));

    admin_get(&admin, 200, "/api/classes");
    if (strncmp(admin.answer.body, start, strlen(start)) != 0)
        fail_msg("%s, not %s", admin.answer.body, start);
    free(start);
}

static char *rev_of_classes(void)
{
    admin_get(&admin, 200, "/api/classes");
    return print_text("%.0f", admin_number(&admin, "rev"));
}

static int begin(void **state)
{
    (void)state;
    replace("{}");
    return 0;
}

/* ---- users ---- */

static struct chat *come(unsigned gateway, const char *user, const char *claims)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);
    char *token = user_token(user, HOUR, q(claims));

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    chat_expect(chat, "auth_ack");
    free(token);
    return chat;
}

static struct chat *come_into(unsigned gateway, const char *user, const char *claims,
                              const char *room)
{
    struct chat *chat = come(gateway, user, claims);

    chat_join(chat, room, user);
    return chat;
}

static void ask_to_join(struct chat *chat, const char *room)
{
    chat_send(chat, "{'type':'join','room':'%s'}", room);
}

/* The next reply or error, whatever else comes before it. */
static const char *next_answer(struct chat *chat)
{
    for (;;) {
        const char *type;

        assert_true(chat_recv(chat, FLEET_DEADLINE_MS));
        type = chat_get_text(chat, "type");
        if (strcmp(type, "error") == 0)
            return chat_get_text(chat, "code");
        if (strstr(type, "_ack"))
            return type;
    }
}

struct attempt {
    struct chat *chat;
    const char *room, *expected;
};

static bool says(void *data)
{
    const struct attempt *attempt = data;

    chat_send(attempt->chat, "{'type':'message','room':'%s','text':'x'}",
              attempt->room);
    return strcmp(next_answer(attempt->chat), attempt->expected) == 0;
}

static void await_answer(struct chat *chat, const char *room, const char *expected)
{
    struct attempt attempt = {chat, room, expected};

    assert_true(wait_until(says, &attempt, FLEET_DEADLINE_MS));
}

static void expect_kicked(struct chat *chat)
{
    chat_expect_skipping(chat, "kicked");
    assert_string_equal(chat_get_text(chat, "reason"), "rights");
}

/* ---- rights ---- */

static void members_who_talk_lose_the_right_to_on_every_gateway(void **state)
{
    struct chat *ann = come_into(0, "ann", "", "team/1"),
                *bob = come_into(1, "bob", "", "team/1"),
                *eve = come_into(1, "eve", "", "hall");

    (void)state;
    assert_true(chat_say(ann, "team/1", "hello") > 0);
    replace("{'team/':{'users':'r'}}");
    await_answer(ann, "team/1", "forbidden");
    await_answer(bob, "team/1", "forbidden");
    assert_true(chat_say(eve, "hall", "still here") > 0);
    replace("{'team/':{'users':'r'},'team/1':{'users':'rw'}}");
    await_answer(ann, "team/1", "message_ack");
    await_answer(bob, "team/1", "message_ack");
    chat_close(ann);
    chat_close(bob);
    chat_close(eve);
}

static void without_read_members_are_put_out(void **state)
{
    struct chat *ann = come_into(0, "ann", "", "team/2"),
                *bob = come_into(1, "bob", ",'rooms':{'team/*':'r'}", "team/2");

    (void)state;
    chat_expect_skipping(ann, "member_joined");
    replace("{'team/':{'users':''}}");
    expect_kicked(ann);
    ask_to_join(ann, "team/2");
    assert_string_equal(next_answer(ann), "forbidden");
    chat_expect_skipping(bob, "member_left"); /* a grant counts before a class */
    assert_string_equal(chat_get_text(bob, "reason"), "kicked");
    replace("{}");
    assert_true(wait_until(says, &(struct attempt){ann, "team/2", "not_joined"},
                           FLEET_DEADLINE_MS));
    ask_to_join(ann, "team/2");
    assert_string_equal(next_answer(ann), "join_ack");
    chat_close(ann);
    chat_close(bob);
}

static void guests_may_what_a_class_gives_them(void **state)
{
    struct chat *guest = chat_open(fleet.gateways[0].port);

    (void)state;
    chat_send(guest, "{'type':'auth','guest':true}");
    chat_expect(guest, "auth_ack");
    ask_to_join(guest, "hall");
    assert_string_equal(next_answer(guest), "forbidden");
    replace("{'':{'guests':'r'}}");
    ask_to_join(guest, "hall");
    assert_string_equal(next_answer(guest), "join_ack");
    assert_string_equal(chat_get_text(guest, "can"), "r");
    assert_false(says(&(struct attempt){guest, "hall", "message_ack"}));
    replace("{'':{'guests':'rw'}}");
    await_answer(guest, "hall", "message_ack");
    replace("{}");
    expect_kicked(guest);
    chat_close(guest);
}

static void a_room_token_counts_before_a_class(void **state)
{
    char *room = user_token("kim", HOUR, q(",'jti':'k','room':'team/3','can':'rw'"));
    struct chat *kim = come(0, "kim", "");

    (void)state;
    replace("{'team/':{'users':'','guests':''}}");
    ask_to_join(kim, "team/3");
    assert_string_equal(next_answer(kim), "forbidden");
    chat_send(kim, "{'type':'join','room':'team/3','room_token':'%s'}", room);
    assert_string_equal(next_answer(kim), "join_ack");
    replace("{'':{'users':''}}");
    assert_true(chat_say(kim, "team/3", "still here") > 0);
    chat_close(kim);
    free(room);
}

/* ---- who comes in ---- */

static const char *join_answer(struct chat *chat, const char *room)
{
    ask_to_join(chat, room);
    return next_answer(chat);
}

#define MODERATOR ",'rooms':{'*':'m'}"

static void a_full_room_takes_nobody_but_who_moderates(void **state)
{
    struct chat *ann = come(0, "ann", ""), *bob = come(1, "bob", ""),
                *tab = come(1, "ann", ""), *mod = come(1, "mod", MODERATOR);

    (void)state;
    replace("{'small/':{'members_max':1}}");
    assert_string_equal(join_answer(ann, "small/1"), "join_ack");
    assert_string_equal(join_answer(bob, "small/1"), "room_full");
    assert_string_equal(join_answer(tab, "small/1"), "join_ack");
    assert_string_equal(join_answer(mod, "small/1"), "join_ack");
    replace("{'small/':{'members_max':3}}");
    assert_string_equal(join_answer(bob, "small/1"), "join_ack");
    replace("{'small/':{'members_max':1}}"); /* who is in stays */
    assert_true(chat_say(bob, "small/1", "still here") > 0);
    chat_close(ann);
    chat_close(bob);
    chat_close(tab);
    chat_close(mod);
}

/* All at once through two gateways: the limit is Redis's. */
static void so_many_come_in_and_no_more(void **state)
{
    enum { CROWD = 20, MOST = 7 };
    struct chat *chats[CROWD];
    int in = 0;

    (void)state;
    replace("{'small/':{'members_max':7}}");
    for (int i = 0; i < CROWD; i++) {
        char name[16];

        snprintf(name, sizeof(name), "u%d", i);
        chats[i] = come((unsigned)i % GATEWAYS, name, "");
    }
    for (int i = 0; i < CROWD; i++)
        ask_to_join(chats[i], "small/2");
    for (int i = 0; i < CROWD; i++) {
        const char *answer = next_answer(chats[i]);

        in += strcmp(answer, "join_ack") == 0;
        assert_true(strcmp(answer, "join_ack") == 0 ||
                    strcmp(answer, "room_full") == 0);
    }
    assert_int_equal(in, MOST);
    for (int i = 0; i < CROWD; i++)
        chat_close(chats[i]);
}

static void only_who_moderates_makes_a_room(void **state)
{
    struct chat *ann = come(0, "ann", ""), *mod = come(1, "mod", MODERATOR);

    (void)state;
    replace("{'made/':{'create':'m'}}");
    assert_string_equal(join_answer(ann, "made/1"), "room_not_found");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{made/1}:meta"), 0);
    assert_string_equal(join_answer(mod, "made/1"), "join_ack");
    assert_string_equal(join_answer(ann, "made/1"), "join_ack");
    chat_close(ann);
    chat_close(mod);
}

/* ---- what is told and kept ---- */

static void nobody_is_told_who_comes_and_goes(void **state)
{
    struct chat *ann, *bob, *mod = come(0, "mod", MODERATOR);

    (void)state;
    replace("{'quiet/':{'presence':false}}");
    ann = come_into(0, "ann", "", "quiet/1");
    bob = come_into(1, "bob", "", "quiet/1");
    chat_send(ann, "{'type':'get_members','id':1,'room':'quiet/1'}");
    chat_expect_error(ann, "forbidden"); /* nothing came before it */
    assert_string_equal(join_answer(mod, "quiet/1"), "join_ack");
    assert_int_equal(chat_get_number(mod, "members"), 3);
    chat_send(mod, "{'type':'get_members','id':1,'room':'quiet/1'}");
    chat_expect_skipping(mod, "member_list");
    assert_int_equal(chat_get_number(mod, "count"), 3);
    chat_leave(bob, "quiet/1");
    admin_post(&admin, 200, "{}", "/api/rooms/quiet%%2F1/kick/mod");
    chat_expect_skipping(mod, "kicked");
    assert_true(chat_say(ann, "quiet/1", "hello") > 0);
    chat_close(ann);
    chat_close(bob);
    chat_close(mod);
}

static bool is_short(void *data)
{
    long long ms = redis_cmd_number(fleet.redis_port, "PTTL %s", (const char *)data);

    return ms > 0 && ms <= 7000;
}

static void an_empty_room_lives_as_long_as_its_class_says(void **state)
{
    struct chat *ann;

    (void)state;
    replace("{'brief/':{'ttl_secs':7}}");
    ann = come_into(0, "ann", "", "brief/1");
    chat_leave(ann, "brief/1");
    assert_true(wait_until(is_short, "rc:{brief/1}:meta", FLEET_DEADLINE_MS));
    chat_join(ann, "brief/1", "ann");
    admin_post(&admin, 200, "{}", "/api/rooms/brief%%2F1/kick/ann");
    assert_true(wait_until(is_short, "rc:{brief/1}:meta", FLEET_DEADLINE_MS));
    chat_close(ann);
}

/* A room in use outlives its nodes by more than an empty one lives. */
static void a_long_life_is_longer_than_that_of_a_room_in_use(void **state)
{
    struct chat *ann;

    (void)state;
    replace("{'long/':{'ttl_secs':2592000}}");
    ann = come_into(0, "ann", "", "long/1");
    assert_true(redis_cmd_number(fleet.redis_port, "PTTL rc:{long/1}:meta") >
                2592000000);
    chat_close(ann);
}

static void so_many_messages_are_kept_as_the_class_says(void **state)
{
    struct chat *ann, *bob;

    (void)state;
    replace("{'log/':{'history':2},'log/none':{'history':0}}");
    ann = come_into(0, "ann", "", "log/1");
    for (int i = 0; i < 5; i++)
        assert_true(chat_say(ann, "log/1", "x") > 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{log/1}:history"), 2);
    for (unsigned i = 0; i < GATEWAYS; i++) {
        bob = come(i, "bob", "");
        chat_send(bob, "{'type':'join','room':'log/1'}");
        chat_expect_skipping(bob, "history_batch");
        assert_int_equal(chat_get_count(bob, "messages"), 2);
        chat_close(bob);
    }
    replace("{'log/':{'history':4}}");
    for (int i = 0; i < 5; i++)
        assert_true(chat_say(ann, "log/1", "x") > 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{log/1}:history"), 4);
    admin_post(&admin, 201, q("{'text':'x'}"), "/api/rooms/log%%2F1/messages");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{log/1}:history"), 4);
    chat_close(ann);
}

/* ---- slow mode ---- */

enum { ROUNDS = 100 };

static void send_message(struct chat *chat, const char *room, const char *key)
{
    chat_send(chat, "{'type':'message','room':'%s','text':'x','key':'%s'}", room, key);
}

/* How long to wait, of an error; 0: it was taken. */
static double slow_answer(struct chat *chat)
{
    const char *answer = next_answer(chat);

    if (strcmp(answer, "message_ack") == 0)
        return 0;
    assert_string_equal(answer, "slow_mode");
    return chat_get_number(chat, "retry_after_ms");
}

static void one_of_two_messages_sent_at_once_is_taken(void **state)
{
    struct chat *tabs[GATEWAYS];

    (void)state;
    replace("{'slow/':{'slow_secs':3600}}");
    for (unsigned i = 0; i < GATEWAYS; i++)
        tabs[i] = come_into(i, "ann", "", "slow/1");
    for (int round = 0; round < ROUNDS; round++) {
        char keys[GATEWAYS][16];
        double waits[GATEWAYS];
        unsigned taken;

        for (unsigned i = 0; i < GATEWAYS; i++) {
            snprintf(keys[i], sizeof(keys[i]), "%d.%u", round, i);
            send_message(tabs[i], "slow/1", keys[i]);
        }
        for (unsigned i = 0; i < GATEWAYS; i++)
            waits[i] = slow_answer(tabs[i]);
        taken = waits[0] == 0 ? 0 : 1;
        assert_true(waits[taken] == 0);
        assert_true(waits[1 - taken] > 0 && waits[1 - taken] <= 3600000);
        send_message(tabs[1 - taken], "slow/1", keys[taken]); /* the same once more */
        assert_true(slow_answer(tabs[1 - taken]) == 0);
        assert_int_equal(chat_get_number(tabs[1 - taken], "seq"), round + 1);
        redis_cmd(fleet.redis_port, "DEL rc:{slow/1}:slow:ann"); /* the hour is over */
    }
    for (unsigned i = 0; i < GATEWAYS; i++)
        chat_close(tabs[i]);
}

static void slow_mode_is_of_others_than_moderators_and_ends_at_once(void **state)
{
    struct chat *ann, *mod;

    (void)state;
    replace("{'slow/':{'slow_secs':3600}}");
    ann = come_into(0, "ann", "", "slow/2");
    mod = come_into(0, "mod", MODERATOR, "slow/2");
    for (int i = 0; i < 3; i++)
        assert_true(chat_say(mod, "slow/2", "x") > 0);
    assert_true(chat_say(ann, "slow/2", "x") > 0);
    await_answer(ann, "slow/2", "slow_mode");
    chat_send(ann, "{'type':'signal','room':'slow/2','kind':'typing'}");
    replace("{}");
    await_answer(ann, "slow/2", "message_ack");
    await_answer(ann, "slow/2", "message_ack");
    chat_close(ann);
    chat_close(mod);
}

/* ---- the endpoints ---- */

static void what_is_no_class_is_refused_and_changes_nothing(void **state)
{
    static const struct {
        const char *path, *body, *named;
    } bad[] = {
        {"/api/classes", "{'classes':{'a':{'users':'w'}}}", "users must be"},
        {"/api/classes", "{'classes':{'b':{},'a':{'use\\u0072':1}}}", "user"},
        {"/api/classes", "{'classes':{'a{':{}}}", "prefix"},
        {"/api/classes", "{'classes':{'a\\n':{}}}", "prefix"},
        {"/api/classes", "{'classes':[]}", "JSON object"},
        {"/api/classes", "{'classes':{},'x':1}", "classes"},
        {"/api/classes", "{'a':{'users':'r'}}", "classes"},
        {"/api/classes", "", "classes"},
        {"/api/classes/a", "", "JSON object"},
        {"/api/classes/a", "{'users':true}", "users must be"},
        {"/api/classes/a%7B", "{'users':'r'}", "prefix"},
        {"/api/classes/a?prefix=%00", "{'users':'r'}", "prefix"},
    };
    struct chat *ann = come_into(0, "ann", "", "hall");
    char *rev, *after;

    (void)state;
    replace("{'team/':{'users':'r'}}");
    rev = rev_of_classes();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        print_message("  %s\n", bad[i].body);
        change(400, "PUT", bad[i].path, q(bad[i].body), NULL);
        assert_non_null(strstr(admin.answer.body, bad[i].named));
        admin_expect_error(&admin, 400, "bad_request");
    }
    after = rev_of_classes();
    assert_string_equal(after, rev);
    expect_classes("{'team/':{'users':'r'}}");
    assert_true(chat_say(ann, "hall", "still here") > 0);
    chat_close(ann);
    free(rev);
    free(after);
}

static void one_class_is_put_and_deleted(void **state)
{
    (void)state;
    change(200, "PUT", "/api/classes/team%2F", q("{'users':'r'}"), NULL);
    change(200, "PUT", "/api/classes/-?prefix=", q("{'guests':'r'}"), NULL);
    change(200, "PUT", "/api/classes/-?prefix=b", q("{}"), NULL);
    expect_classes("{'':{'guests':'r'},'b':{},'team/':{'users':'r'}}");
    change(200, "PUT", "/api/classes/team%2F", q("{'users':''}"), NULL);
    change(404, "DELETE", "/api/classes/-", NULL, NULL);
    change(200, "DELETE", "/api/classes/-?prefix=", NULL, NULL);
    change(404, "DELETE", "/api/classes/-?prefix=", NULL, NULL);
    expect_classes("{'b':{},'team/':{'users':''}}");
    admin_get(&admin, 200, "/api/audit?limit=1");
    assert_string_equal(admin_text(&admin, "entries.0.what"), "classes");
    assert_string_equal(admin_text(&admin, "entries.0.detail"), "delete \"\"");
}

static void a_change_may_name_what_it_is_of(void **state)
{
    char *rev = rev_of_classes(), *quoted = print_text("\"%s\"", rev), *later;

    (void)state;
    change(200, "PUT", "/api/classes/a", "{}", rev);
    change(412, "PUT", "/api/classes/b", "{}", rev);
    change(412, "PUT", "/api/classes", q("{'classes':{}}"), quoted);
    change(412, "DELETE", "/api/classes/a", NULL, rev);
    change(400, "DELETE", "/api/classes/a", NULL, "W/x");
    expect_classes("{'a':{}}");
    later = rev_of_classes();
    change(200, "DELETE", "/api/classes/a", NULL, later);
    free(rev);
    free(quoted);
    free(later);
}

static void a_room_shows_its_class_and_what_holds(void **state)
{
    struct chat *ann = come_into(0, "ann", "", "team/4");

    (void)state;
    admin_get(&admin, 200, "/api/rooms/team%%2F4");
    assert_true(admin_is_null(&admin, "class"));
    assert_string_equal(admin_text(&admin, "rules.users"), "rw");
    assert_string_equal(admin_text(&admin, "rules.guests"), "");
    replace("{'team/':{'guests':'r'}}");
    admin_get(&admin, 200, "/api/rooms/team%%2F4");
    assert_string_equal(admin_text(&admin, "class"), "team/");
    assert_string_equal(admin_text(&admin, "rules.users"), "rw");
    assert_string_equal(admin_text(&admin, "rules.guests"), "r");
    chat_close(ann);
}

/* ---- that they are known ---- */

/* Written by somebody whose order nobody heard: the heartbeats tell. */
static void an_order_that_was_missed_is_found_by_its_number(void **state)
{
    struct chat *ann = come_into(0, "ann", "", "hall"),
                *bob = come_into(1, "bob", "", "hall");

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:classes hall %s", q("{'users':'r'}"));
    redis_cmd(fleet.redis_port, "HINCRBY rc:policy classes_rev 1");
    await_answer(ann, "hall", "forbidden");
    await_answer(bob, "hall", "forbidden");
    chat_close(ann);
    chat_close(bob);
}

/* An entry that somebody has written by hand. */
static void what_is_no_class_in_redis_is_left_out(void **state)
{
    struct chat *ann = come_into(0, "ann", "", "hall");

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:classes hall %s", q("{'users':'r'}"));
    redis_cmd(fleet.redis_port, "HSET rc:classes hal %s", q("{'users':'x'}"));
    redis_cmd(fleet.redis_port, "HINCRBY rc:policy classes_rev 1");
    await_answer(ann, "hall", "forbidden");
    chat_close(ann);
}

static bool are_back(void *data)
{
    return redis_cmd_number(fleet.redis_port, "HEXISTS rc:classes %s",
                            (const char *)data) == 1;
}

static void await_back(const char *prefix)
{
    assert_true(wait_until(are_back, (void *)(uintptr_t)prefix, FLEET_DEADLINE_MS));
}

static bool has_classes(void *data)
{
    const int *ops_port = data;

    return http_get_metric(*ops_port, "roomcast_policy_rev{kind=\"classes\"}") > 0;
}

static void what_redis_has_lost_comes_back(void **state)
{
    char *rev, *after;

    (void)state;
    replace("{'vault/':{'users':''}}");
    rev = rev_of_classes();
    redis_cmd(fleet.redis_port, "FLUSHALL");
    await_back("vault/");
    after = rev_of_classes();
    assert_string_equal(after, rev);
    redis_cmd(fleet.redis_port, "HSET rc:classes former {}"); /* it went back */
    redis_cmd(fleet.redis_port, "HDEL rc:classes vault/");
    redis_cmd(fleet.redis_port, "HSET rc:policy classes_rev 7");
    await_back("vault/");
    assert_false(are_back("former"));
    free(rev);
    free(after);
}

static void a_gateway_that_starts_later_has_what_came_back(void **state)
{
    struct chat *ann;

    (void)state;
    replace("{'vault/':{'users':''}}");
    redis_cmd(fleet.redis_port, "FLUSHALL");
    await_back("vault/");
    fleet_launch(&fleet, settings);
    fleet_wait_all_ready(&fleet);
    assert_true(
        wait_until(has_classes, &fleet.gateways[GATEWAYS].ops_port, FLEET_DEADLINE_MS));
    ann = come(GATEWAYS, "ann", "");
    ask_to_join(ann, "vault/1");
    assert_string_equal(next_answer(ann), "forbidden");
    chat_close(ann);
}

/* A change is of what was there, not of what is left of it. */
static void a_change_after_a_loss_is_of_what_was_lost(void **state)
{
    (void)state;
    replace("{'vault/':{'users':''}}");
    redis_cmd(fleet.redis_port, "DEL rc:classes rc:policy");
    change(200, "PUT", "/api/classes/a", q("{'users':'r'}"), NULL);
    expect_classes("{'a':{'users':'r'},'vault/':{'users':''}}");
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_who_talk_lose_the_right_to_on_every_gateway),
        TEST(without_read_members_are_put_out),
        TEST(guests_may_what_a_class_gives_them),
        TEST(a_room_token_counts_before_a_class),
        TEST(a_full_room_takes_nobody_but_who_moderates),
        TEST(so_many_come_in_and_no_more),
        TEST(only_who_moderates_makes_a_room),
        TEST(nobody_is_told_who_comes_and_goes),
        TEST(an_empty_room_lives_as_long_as_its_class_says),
        TEST(a_long_life_is_longer_than_that_of_a_room_in_use),
        TEST(so_many_messages_are_kept_as_the_class_says),
        TEST(one_of_two_messages_sent_at_once_is_taken),
        TEST(slow_mode_is_of_others_than_moderators_and_ends_at_once),
        TEST(what_is_no_class_is_refused_and_changes_nothing),
        TEST(one_class_is_put_and_deleted),
        TEST(a_change_may_name_what_it_is_of),
        TEST(a_room_shows_its_class_and_what_holds),
        TEST(an_order_that_was_missed_is_found_by_its_number),
        TEST(what_is_no_class_in_redis_is_left_out),
        TEST(what_redis_has_lost_comes_back),
        TEST(a_change_after_a_loss_is_of_what_was_lost),
        TEST(a_gateway_that_starts_later_has_what_came_back),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
