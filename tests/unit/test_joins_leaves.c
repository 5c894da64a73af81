/* test_joins_leaves.c - joins and leaves of a room and a turn: one call each, leaves first, and each
 * is answered with what is its own.
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

#include "gateway/joins_leaves.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/room_rig.h"
#include "tests/support/unit/store_rig.h"

enum { JOINERS = 6 };

/* A room with one live member, and those who join. */
static struct {
    struct joins_leaves jl;
    struct rig_client *ann, *joiners[JOINERS];
    struct room *room;
} w;

static void join_hook(struct room *room, struct join *join)
{
    joins_leaves_join(&w.jl, room, join);
}

static void leave_hook(struct room *room, struct room_user *user)
{
    joins_leaves_leave(&w.jl, room, user);
}

static int set_up(void **state)
{
    static const char *const names[JOINERS] = {"bob", "eve", "joe",
                                               "sue", "tom", "zoe"};

    (void)state;
    memset(&w, 0, sizeof(w));
    rig_open();
    store_rig_open(&rig.config, &rig.metrics);
    joins_leaves_init(&w.jl, &store_rig.store);
    w.ann = rig_client("ann");
    w.room = rig_live(5, 1, w.ann, NULL);
    for (unsigned i = 0; i < JOINERS; i++)
        w.joiners[i] = rig_client(names[i]);
    rig.rooms.hooks.join = join_hook;
    rig.rooms.hooks.leave = leave_hook;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rig.clients_count; i++)
        if (rig.clients[i].member.room)
            rig_leave(&rig.clients[i], LEAVE_ASKED);
    joins_leaves_flush(&w.jl);
    while (store_rig.calls_count > 0) {
        store_rig_answer(NULL);
        joins_leaves_flush(&w.jl);
    }
    rig_close();
    store_rig_close();
    return 0;
}

static void flush(void)
{
    joins_leaves_flush(&w.jl);
}

static void assert_joined(unsigned i, enum proto_error error, uint64_t rev)
{
    assert_true(w.joiners[i]->is_answered);
    assert_int_equal(w.joiners[i]->error, error);
    if (error == PROTO_OK)
        assert_int_equal(w.joiners[i]->member.rev, rev);
}

static void assert_scripts(enum script first, enum script second)
{
    assert_int_equal(store_rig.calls_count, 2);
    assert_int_equal(store_rig.calls[0].script, first);
    assert_int_equal(store_rig.calls[1].script, second);
}

static void one_join_is_told_the_state_of_the_room(void **state)
{
    (void)state;
    rig_join(w.joiners[0]);
    assert_int_equal(store_rig.calls_count, 0);
    flush();
    assert_int_equal(store_rig.calls[0].keys, 9);
    store_rig_assert_call(SCRIPT_JOIN, 10,
                          q("900000 0 500 n1 540000 2180000  bob bob "
                            "{'type':'member_joined','room':'r',"
                            "'user':'bob','members':"));
    store_rig_answer("ok " RIG_EPOCH " 5 2 2 5 0 - 0");
    assert_joined(0, PROTO_OK, 2);
    assert_int_equal(store_rig.touched, 1);
    flush();
    assert_int_equal(store_rig.calls_count, 0);
}

static void each_of_several_joins_has_a_rev_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        rig_join(w.joiners[i]);
    flush();
    assert_int_equal(store_rig.calls_count, 1);
    assert_int_equal(store_rig.calls[0].argc, 17 + 4 * 3);
    store_rig_answer("ok " RIG_EPOCH " 5 9 9 5 0 - 0 2 1 -501 0");
    assert_joined(0, PROTO_OK, 7);
    assert_joined(1, PROTO_OK, 8);
    assert_joined(2, PROTO_BANNED, 0);
    assert_int_equal(w.joiners[2]->wait_ms, 500);
    assert_joined(3, PROTO_OK, 9);
    rig_join(w.joiners[4]);
    rig_join(w.joiners[5]);
    flush();
    store_rig_answer("ok " RIG_EPOCH " 5 9 9 5 0 - 0 -1 0");
    assert_joined(4, PROTO_BANNED, 0);
    assert_int_equal(w.joiners[4]->wait_ms, 0); /* for good */
    assert_joined(5, PROTO_OK, 9);
}

static void a_number_beyond_the_rev_makes_none_below_zero(void **state)
{
    (void)state;
    rig_join(w.joiners[0]);
    rig_join(w.joiners[1]);
    flush();
    store_rig_answer("ok " RIG_EPOCH " 5 3 3 5 0 - 0 9 0");
    assert_joined(0, PROTO_OK, 0);
    assert_joined(1, PROTO_OK, 3);
}

static void where_all_are_banned_each_is_told(void **state)
{
    (void)state;
    rig_join(w.joiners[0]);
    rig_join(w.joiners[1]);
    flush();
    store_rig_answer("banned 0 500");
    assert_joined(0, PROTO_BANNED, 0);
    assert_joined(1, PROTO_BANNED, 0);
    assert_int_equal(w.joiners[0]->wait_ms, 0);
    assert_int_equal(w.joiners[1]->wait_ms, 500);
    assert_int_equal(store_rig.touched, 0);
    assert_int_equal(store_rig.calls_count, 0); /* nothing is reversed */
}

static void an_unknown_outcome_is_unavailable_and_reversed(void **state)
{
    static const char *const answers[] = {NULL, "nil", "ok x 5 2 2 5 0",
                                          "ok " RIG_EPOCH " 5", "refused 1"};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        rig_join(w.joiners[i]);
        flush();
        store_rig_answer(answers[i]);
        assert_joined(i, PROTO_UNAVAILABLE, 0);
        flush();
        assert_int_equal(store_rig.calls[0].script, SCRIPT_LEAVE);
        store_rig_answer("1 1");
    }
    assert_int_equal(store_rig.refusals, 1);
}

static void leaves_go_before_joins(void **state)
{
    struct rig_client *again = w.joiners[0];

    (void)state;
    rig_join(again);
    rig_leave(w.ann, LEAVE_ASKED);
    flush();
    assert_scripts(SCRIPT_LEAVE, SCRIPT_JOIN);
    assert_int_equal(store_rig.calls[0].keys, 7);
    store_rig_assert_call(SCRIPT_LEAVE, 7,
                          q("300000 500 n1 ann ann {'type':'member_left','room':'r',"
                            "'reason':'left','user':'ann','members': 1"));
    store_rig_answer("1 1");
    assert_null(map_find(&w.room->users, "ann", 3));
    store_rig_answer("ok " RIG_EPOCH " 5 2 2 5 0 - 0");
    assert_joined(0, PROTO_OK, 2);
}

static void a_kicked_user_is_not_counted_down(void **state)
{
    (void)state;
    w.ann->member.user->kicked_rev = 2;
    rig_leave(w.ann, LEAVE_KICKED);
    flush();
    assert_string_equal(store_rig.calls[0].argv[13], "0");
    assert_non_null(strstr(store_rig.calls[0].argv[12], q("'reason':'kicked'")));
}

static void a_leave_that_failed_makes_the_room_compare(void **state)
{
    (void)state;
    rig_join(w.joiners[0]);
    flush();
    store_rig_answer("ok " RIG_EPOCH " 5 2 2 5 0 - 0");
    rig_leave(w.ann, LEAVE_ASKED);
    flush();
    store_rig_answer_error("OOM");
    assert_int_equal(store_rig.refusals, 1);
    assert_true(w.room->needs_sync);
    assert_int_equal(store_rig.touched, 1); /* by the join */
}

static void a_leave_that_was_answered_touches_the_room(void **state)
{
    (void)state;
    rig_leave(w.ann, LEAVE_ASKED);
    flush();
    store_rig_answer("0 0");
    assert_int_equal(store_rig.touched, 1);
    assert_false(w.room->needs_sync);
    rig_closed(true);
    assert_null(room_find(&rig.rooms, "r", 1));
}

static void a_call_takes_a_hundred(void **state)
{
    static struct room_user *users[205];

    (void)state;
    for (unsigned i = 0; i < 205; i++) {
        struct room_user *user = calloc(1, sizeof(*user) + 8);

        user->name_len = (unsigned char)snprintf(user->name, 8, "u%u", i);
        user->members = 1; /* so that the answer frees none */
        list_init(&user->leave);
        joins_leaves_leave(&w.jl, room_ref(w.room), user);
        users[i] = user;
    }
    flush();
    assert_int_equal(store_rig.calls_count, 3);
    assert_int_equal(store_rig.calls[0].argc, 10 + 100 * 4);
    assert_string_equal(store_rig.calls[1].argv[10], "u100");
    assert_int_equal(store_rig.calls[2].argc, 10 + 5 * 4);
    for (unsigned i = 0; i < 3; i++)
        store_rig_answer("1 1");
    for (unsigned i = 0; i < 205; i++)
        free(users[i]);
}

static void a_ghost_leaves_as_expired(void **state)
{
    struct room_user *user = calloc(1, sizeof(*user) + 6);

    (void)state;
    user->name_len = 5;
    memcpy(user->name, "ghost", 5);
    joins_leaves_send_ghost(&store_rig.store, w.room, user);
    free(user);
    store_rig_assert_call(SCRIPT_LEAVE, 10,
                          q("ghost ghost {'type':'member_left','room':'r',"
                            "'reason':'expired','user':'ghost','members': 1"));
    store_rig_answer("1 1");
    assert_int_equal(w.room->users.count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_join_is_told_the_state_of_the_room),
        TEST(each_of_several_joins_has_a_rev_of_its_own),
        TEST(a_number_beyond_the_rev_makes_none_below_zero),
        TEST(where_all_are_banned_each_is_told),
        TEST(an_unknown_outcome_is_unavailable_and_reversed),
        TEST(leaves_go_before_joins),
        TEST(a_kicked_user_is_not_counted_down),
        TEST(a_leave_that_failed_makes_the_room_compare),
        TEST(a_leave_that_was_answered_touches_the_room),
        TEST(a_call_takes_a_hundred),
        TEST(a_ghost_leaves_as_expired),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
