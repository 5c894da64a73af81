/* test_sync.c - comparing a room with Redis: which users are put back and which are removed, what was
 * missed meanwhile, and when the room is remade. With the real rooms; Redis is the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/intake.h"
#include "gateway/sync.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

#define TOKEN ((struct token){1, 0xa1})
#define TOKEN_WORD "1.00000000000000a1"
#define OTHER_TOKEN_WORD "2.00000000000000b2"
#define AS_IT_IS "ok " RIG_EPOCH " 5 1 1 1 '' '' 0 5"

enum {
    KEYS = 10,
    USERS = KEYS + 13, /* the first of them among the arguments */
    MANY = 620,        /* users, for more than one page */
};

static struct {
    struct rig_client *ann;
    struct room *room;
} w;

static void sync_hook(struct room *room)
{
    sync_start(&store_rig.store, room);
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    store_rig_open(&rig.config, &rig.metrics);
    w.ann = rig_client("ann");
    w.room = rig_live(5, 1, w.ann, NULL);
    rig.rooms.hooks.sync = sync_hook;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close();
    store_rig_close();
    return 0;
}

/* What the room goes through before each sync. */
static void start(void)
{
    room_needs_sync(w.room);
    rig_registered(true);
    assert_int_equal(store_rig.calls_count, 1);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_SYNC);
}

/* Also where the last one failed: with the next heartbeat. */
static void start_again(void)
{
    room_doubt(w.room);
    rooms_pump(&rig.rooms);
    rig_registered(true);
    assert_int_equal(store_rig.calls_count, 1);
}

static void assert_synced(void)
{
    assert_int_equal(store_rig.calls_count, 0);
    assert_true(room_is_ready(w.room));
    assert_int_equal(metric_read(&rig.metrics.syncs_total), 1);
}

static void assert_failed(void)
{
    assert_int_equal(store_rig.calls_count, 0);
    assert_true(w.room->is_stuck && w.room->needs_sync);
    assert_int_equal(metric_read(&rig.metrics.syncs_total), 0);
}

static void remake(const char *epoch);

/* ---- pages of users ---- */

static void what_is_here_is_sent_with_what_was_seen(void **state)
{
    (void)state;
    start();
    assert_int_equal(store_rig.calls[0].keys, KEYS);
    assert_string_equal(store_rig.calls[0].argv[KEYS], RIG_EPOCH);
    assert_int_equal(strlen(store_rig.calls[0].argv[KEYS + 1]), PROTO_EPOCH_LEN);
    store_rig_assert_call(SCRIPT_SYNC, KEYS + 2,
                          q("900000 0 500 {'type':'member_joined','room':'r',"
                            "'user': 1 5  n1 540000 2180000  ann ann 1"));
    store_rig_answer(AS_IT_IS);
    assert_synced();
    assert_int_equal(store_rig.touched, 1);
    rig_assert_given(w.ann, "");
}

static void the_last_line_is_sent_as_its_digest(void **state)
{
    (void)state;
    rig_messages(6, 6);
    rig_assert_given(w.ann, "6");
    start();
    assert_string_equal(store_rig.calls[0].argv[KEYS + 7], "6");
    assert_int_equal(strlen(store_rig.calls[0].argv[KEYS + 8]), 40);
    store_rig_answer("ok " RIG_EPOCH " 6 1 1 1 '' '' 0 6");
    assert_synced();
}

static void who_is_not_in_or_is_leaving_is_not_sent(void **state)
{
    struct room_user *bob;

    (void)state;
    bob = room_user_get(w.room, (struct json_text){"bob", 3});
    bob->members = 1;
    start();
    assert_int_equal(store_rig.calls[0].argc, USERS + 3);
    store_rig_answer(AS_IT_IS);
    bob->is_in = bob->is_leaving = true;
    store_rig.touched = 0;
    metric_set(&rig.metrics.syncs_total, 0);
    start();
    assert_int_equal(store_rig.calls[0].argc, USERS + 3);
    store_rig_answer(AS_IT_IS);
    assert_synced();
    room_user_free(bob);
}

static void add_many(struct room_user **users)
{
    char name[8];

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "u%u", i);
        users[i] = room_user_get(w.room, (struct json_text){name, strlen(name)});
        users[i]->members = 1;
        users[i]->is_in = true;
    }
}

static void free_many(struct room_user **users)
{
    for (unsigned i = 0; i < MANY; i++)
        room_user_free(users[i]);
}

static void many_users_are_sent_in_pages_each_once(void **state)
{
    struct room_user *users[MANY];
    bool sent[MANY] = {false};
    unsigned count = 0;

    (void)state;
    add_many(users);
    start();
    while (store_rig.calls_count > 0) {
        const struct store_rig_call *call = &store_rig.calls[0];

        assert_int_equal(call->script, SCRIPT_SYNC);
        assert_true((call->argc - USERS) / 3 <= 500);
        for (unsigned i = USERS; i < call->argc; i += 3) {
            unsigned n = (unsigned)atoi(call->argv[i] + 1);

            count++;
            if (strcmp(call->argv[i], "ann") == 0)
                continue;
            assert_false(sent[n]);
            sent[n] = true;
        }
        store_rig_answer("ok " RIG_EPOCH " 5 1 621 621 '' '' 0 5");
    }
    assert_int_equal(count, MANY + 1);
    assert_synced();
    free_many(users);
}

static void users_that_change_meanwhile_begin_the_walk_again(void **state)
{
    struct room_user *users[MANY];
    unsigned pages = 0, first;

    (void)state;
    add_many(users);
    start();
    first = store_rig.calls[0].argc;
    room_user_free(users[MANY - 1]);
    while (store_rig.calls_count > 0) {
        pages++;
        store_rig_answer("ok " RIG_EPOCH " 5 1 620 620 '' '' 0 5");
        if (pages == 1)
            assert_int_equal(store_rig.calls[0].argc, first);
    }
    assert_int_equal(pages, 3);
    assert_synced();
    users[MANY - 1] = room_user_get(w.room, (struct json_text){"u", 1});
    free_many(users);
}

static void an_epoch_that_changes_meanwhile_begins_the_walk_again(void **state)
{
    struct room_user *users[MANY];
    unsigned pages = 0;

    (void)state;
    add_many(users);
    start();
    while (store_rig.calls_count > 0)
        store_rig_answer(pages++ == 0 ? "ok " RIG_EPOCH " 5 1 621 621 '' '' 0 5"
                                      : "ok " RIG_OTHER_EPOCH " 0 1 621 621 '' '' 0 0");
    assert_int_equal(pages, 4);
    assert_synced();
    free_many(users);
}

static void an_answer_that_is_none_fails_the_sync(void **state)
{
    static const char *const answers[] = {
        NULL,     "nil", "ok", "ok x 5 1 1 1 '' '' 0", "ok " RIG_EPOCH " 5 1 1 1 ''",
        "torn x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        start_again();
        store_rig_answer(answers[i]);
        assert_failed();
    }
    rig_assert_given(w.ann, "");
}

/* ---- extra users ---- */

static void extra_users_leave_as_expired(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 1 2 3 '' '' 0 5");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "HSCAN rc:{r}:on:n1 0 COUNT 500");
    store_rig_answer("'7' ( ann x bob x )");
    store_rig_assert_call(SCRIPT_LEAVE, 7,
                          q("300000 500 n1 bob bob {'type':'member_left','room':'r',"
                            "'reason':'expired','user':'bob','members': 1"));
    store_rig_answer("1 1");
    store_rig_assert_call(SCRIPTS_COUNT, 0, "HSCAN rc:{r}:on:n1 7 COUNT 500");
    store_rig_answer("'0' ( '' x {odd} x )"); /* the mark of a closing; and no name */
    assert_int_equal(store_rig.calls_count, 1);
    assert_string_equal(store_rig.calls[0].argv[10], "");
    store_rig_answer("1 1");
    assert_synced();
}

static void extra_users_that_cannot_be_read_fail_the_sync(void **state)
{
    static const char *const answers[] = {NULL, "'0'", "x ( bob x )", "'0' bob"};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        start_again();
        store_rig_answer("ok " RIG_EPOCH " 5 1 2 2 '' '' 0 5");
        store_rig_answer(answers[i]);
        assert_failed();
    }
}

/* ---- what was missed ---- */

static void a_missed_closing_is_told(void **state)
{
    struct rig_client *ann = w.ann;

    (void)state;
    start();
    store_rig_answer("closed enough");
    rig_assert_given(ann, "closed");
    assert_true(ann->is_removed);
    assert_int_equal(store_rig.calls_count, 0);
}

static void a_missed_kick_is_told(void **state)
{
    struct rig_client *bob;

    (void)state;
    bob = rig_client("bob");
    rig_live(5, 1, bob, NULL);
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 1 1 1 '' '' 0 5 bob rude {odd} rude");
    assert_true(bob->is_removed);
    assert_false(w.ann->is_removed);
    rig_assert_given(bob, "kicked");
    rig_assert_given(w.ann, "");
    assert_int_equal(metric_read(&rig.metrics.malformed_total[INTAKE_NAME]), 1);
    while (rig_count(RIG_LEAVE) > 0)
        rig_left(true);
}

#define DELETED_4 "{\"type\":\"message_deleted\",\"room\":\"r\",\"seq\":4,\"rev\":2}"
#define EDITED_5                                                                       \
    "{\"type\":\"message_edited\",\"room\":\"r\",\"seq\":5,\"user\":\"u\",\"text\":"   \
    "\"t\","                                                                           \
    "\"edited_at\":7,\"rev\":3}"

/* Which messages were changed after rev 1. */
static void answer_changes(const char *token, const char *rest)
{
    char answer[512];

    store_rig_assert_call(SCRIPT_CHANGES, 3,
                          q("1 5 {'type':'message','room':'r','seq': "
                            "{'type':'message_deleted','room':'r','seq': "
                            "{'type':'message_edited','room':'r','seq': 1000 262144"));
    snprintf(answer, sizeof(answer), RIG_EPOCH " %s %s", token, rest);
    store_rig_answer(answer);
}

static void a_rev_that_has_moved_on_is_looked_at_for_changes(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 3 1 1 '' '' 0 5");
    answer_changes("''", "3 0 0 4 " DELETED_4 " 5 " EDITED_5);
    rig_assert_given(w.ann, "deleted 4, edited 5");
    assert_synced();
}

static void changes_come_in_pages(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 3 1 1 '' '' 0 5");
    answer_changes("''", "2 1 0 4 " DELETED_4);
    assert_int_equal(store_rig.calls_count, 1);
    assert_string_equal(store_rig.calls[0].argv[3], "2"); /* after it */
    store_rig_answer(RIG_EPOCH " '' 3 0 0 5 " EDITED_5);
    rig_assert_given(w.ann, "deleted 4, edited 5");
    assert_synced();
}

static void more_changes_than_redis_remembers_remake_the_room(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 3 1 1 '' '' 0 5");
    answer_changes("''", "3 0 1 4 " DELETED_4);
    remake(RIG_EPOCH);
}

#define MOVED_ON                                                                       \
    "ok " RIG_EPOCH " 5 2 1 1 " OTHER_TOKEN_WORD                                       \
    " 1~00000000000000a1~0~0,2~00000000000000b2~5~1 0 5"

/* All that came under the new token is withheld, and given after the sync. */
static void what_is_withheld_is_not_looked_for(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    start();
    store_rig_answer(MOVED_ON);
    assert_synced();
}

static void what_was_dropped_or_not_heard_is_looked_for(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    w.room->deliver.withheld.has_dropped = true;
    start();
    store_rig_answer(MOVED_ON);
    answer_changes(OTHER_TOKEN_WORD, "2 0 0 4 " DELETED_4);
    rig_assert_given(w.ann, "deleted 4");
    while (rig_count(RIG_BACKFILL) > 0)
        rig_backfilled(rig_history(5, 1, 6, 5));
    tear_down(state);
    set_up(state);
    terms_start(&w.room->terms, TOKEN, 5, 1);
    w.room->was_deaf = true;
    start();
    store_rig_answer(MOVED_ON);
    answer_changes(OTHER_TOKEN_WORD, "2 0 0 4 " DELETED_4);
    rig_assert_given(w.ann, "deleted 4");
    while (rig_count(RIG_BACKFILL) > 0)
        rig_backfilled(rig_history(5, 1, 6, 5));
}

static void what_is_no_change_is_not_told(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 2 1 1 '' '' 0 5");
    answer_changes("''", "2 0 0 4 {} 5 " DELETED_4);
    assert_synced();
    rig_assert_given(w.ann, "");
}

static void
changes_that_cannot_be_read_or_are_of_another_log_fail_the_sync(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 2 1 1 '' '' 0 5");
    store_rig_answer(NULL);
    assert_failed();
    start_again();
    store_rig_answer("ok " RIG_EPOCH " 5 2 1 1 '' '' 0 5");
    answer_changes(OTHER_TOKEN_WORD, "2 0 0 4 " DELETED_4);
    assert_failed();
    rig_assert_given(w.ann, "");
}

/* ---- what Redis has lost ---- */

static void another_epoch_resets_the_room(void **state)
{
    (void)state;
    start();
    store_rig_answer("ok " RIG_OTHER_EPOCH " 2 1 1 1 '' '' 0 2");
    rig_assert_given(w.ann, "reset 2");
    assert_synced();
    assert_string_equal(room_log_epoch(&w.room->log), RIG_OTHER_EPOCH);
}

static void remake(const char *epoch)
{
    assert_int_equal(store_rig.calls_count, 1);
    assert_int_equal(store_rig.calls[0].keys, 4);
    assert_int_equal(store_rig.calls[0].script, SCRIPT_REMAKE);
    assert_string_equal(store_rig.calls[0].argv[4], epoch);
    store_rig_answer("ok");
    assert_int_equal(store_rig.calls[0].script, SCRIPT_SYNC);
    assert_string_equal(store_rig.calls[0].argv[KEYS],
                        RIG_EPOCH); /* it knows no other */
    assert_int_equal(store_rig.calls[0].argc, USERS + 3);
    store_rig_answer("ok " RIG_OTHER_EPOCH " 0 0 1 1 '' '' 0 0");
    rig_assert_given(w.ann, "reset 0");
    assert_synced();
}

static void a_torn_room_is_remade_and_compared_again(void **state)
{
    (void)state;
    start();
    store_rig_answer("torn " RIG_EPOCH);
    remake(RIG_EPOCH);
}

/* Its log is no more. */
static void close_room_of(const char *epoch)
{
    struct room_log log;

    room_log_init(&log, &rig.rooms.logs);
    room_log_start(&log, epoch, 9);
    room_log_forget(&log);
    room_log_deinit(&log);
}

static void an_epoch_of_a_closed_room_is_remade(void **state)
{
    (void)state;
    close_room_of(RIG_OTHER_EPOCH);
    start();
    store_rig_answer("ok " RIG_OTHER_EPOCH " 7 3 1 1 '' '' 0 0");
    assert_int_equal(store_rig.calls[0].script, SCRIPT_REMAKE);
    assert_string_equal(store_rig.calls[0].argv[4], RIG_OTHER_EPOCH);
    store_rig_answer("ok");
    store_rig_answer("ok 00000000000000e3 7 4 1 1 '' '' 0 7");
    rig_assert_given(w.ann, "reset 7");
    assert_string_equal(room_log_epoch(&w.room->log), "00000000000000e3");
    assert_synced();
}

static void so_is_one_that_a_join_was_answered_with(void **state)
{
    (void)state;
    close_room_of(RIG_EPOCH); /* before ann came */
    start();
    store_rig_answer(AS_IT_IS);
    remake(RIG_EPOCH);
}

static void a_remake_that_fails_fails_the_sync(void **state)
{
    (void)state;
    start();
    store_rig_answer("torn " RIG_EPOCH);
    store_rig_answer(NULL);
    assert_failed();
}

static void a_server_behind_what_was_seen_has_its_room_remade(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    start();
    store_rig_answer("ok " RIG_EPOCH " 4 1 1 1 " TOKEN_WORD " '' 0 4");
    remake(RIG_EPOCH);
}

static void a_server_that_took_over_below_what_was_seen_too(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    start();
    store_rig_answer("ok " RIG_EPOCH " 9 9 1 1 " OTHER_TOKEN_WORD
                     " 1~00000000000000a1~0~0,2~00000000000000b2~4~1 0 5");
    remake(RIG_EPOCH);
}

static void a_server_that_took_over_at_what_was_seen_goes_on(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 1 1 1 " OTHER_TOKEN_WORD
                     " 1~00000000000000a1~0~0,2~00000000000000b2~5~1 0 5");
    rig_assert_given(w.ann, "");
    assert_synced();
    assert_int_equal(terms_token(&w.room->terms).home, 0xb2);
}

static void what_was_delivered_is_seen_under_the_token_of_the_room(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    rig_messages(6, 6);
    rig_assert_given(w.ann, "6");
    start();
    store_rig_answer("ok " RIG_EPOCH " 5 1 1 1 " TOKEN_WORD " '' 0 5");
    remake(RIG_EPOCH);
}

static void so_is_what_is_delivered_while_the_answer_is_under_way(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    start();
    rig_messages(6, 6);
    rig_assert_given(w.ann, "6");
    store_rig_answer("ok " RIG_EPOCH " 5 1 1 1 " OTHER_TOKEN_WORD
                     " 1~00000000000000a1~0~0,2~00000000000000b2~5~1 0 5");
    remake(RIG_EPOCH);
}

static void what_is_seen_while_the_answer_is_under_way_is_not_lost(void **state)
{
    (void)state;
    terms_start(&w.room->terms, TOKEN, 5, 1);
    start();
    terms_see(&w.room->terms, TOKEN, 7, 1); /* acked meanwhile */
    store_rig_answer("ok " RIG_EPOCH " 6 1 1 1 " TOKEN_WORD " '' 0 6");
    assert_int_equal(store_rig.calls_count, 0); /* no remake */
    assert_int_equal(metric_read(&rig.metrics.syncs_total), 1);
    while (rig_count(RIG_BACKFILL) > 0)
        rig_backfilled(rig_history(6, 1, 6, 6));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_here_is_sent_with_what_was_seen),
        TEST(the_last_line_is_sent_as_its_digest),
        TEST(who_is_not_in_or_is_leaving_is_not_sent),
        TEST(many_users_are_sent_in_pages_each_once),
        TEST(users_that_change_meanwhile_begin_the_walk_again),
        TEST(an_epoch_that_changes_meanwhile_begins_the_walk_again),
        TEST(an_answer_that_is_none_fails_the_sync),
        TEST(extra_users_leave_as_expired),
        TEST(extra_users_that_cannot_be_read_fail_the_sync),
        TEST(a_missed_closing_is_told),
        TEST(a_missed_kick_is_told),
        TEST(a_rev_that_has_moved_on_is_looked_at_for_changes),
        TEST(changes_come_in_pages),
        TEST(more_changes_than_redis_remembers_remake_the_room),
        TEST(what_is_withheld_is_not_looked_for),
        TEST(what_was_dropped_or_not_heard_is_looked_for),
        TEST(what_is_no_change_is_not_told),
        TEST(changes_that_cannot_be_read_or_are_of_another_log_fail_the_sync),
        TEST(another_epoch_resets_the_room),
        TEST(a_torn_room_is_remade_and_compared_again),
        TEST(an_epoch_of_a_closed_room_is_remade),
        TEST(so_is_one_that_a_join_was_answered_with),
        TEST(a_remake_that_fails_fails_the_sync),
        TEST(a_server_behind_what_was_seen_has_its_room_remade),
        TEST(a_server_that_took_over_below_what_was_seen_too),
        TEST(a_server_that_took_over_at_what_was_seen_goes_on),
        TEST(what_was_delivered_is_seen_under_the_token_of_the_room),
        TEST(so_is_what_is_delivered_while_the_answer_is_under_way),
        TEST(what_is_seen_while_the_answer_is_under_way_is_not_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
