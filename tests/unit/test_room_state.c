/* test_room_state.c - the tables of room.h: reasons of a leave, the steps of a room, and which state
 * of a member may follow which.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/room.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void each_reason_has_its_word_its_count_and_its_grace(void **state)
{
    static const struct {
        enum leave_reason reason;
        const char *word;
        bool is_counted, has_grace;
    } rows[] = {
        {LEAVE_SOCKET_CLOSED, "closed", true, true},
        {LEAVE_ASKED, "left", true, false},
        {LEAVE_JOIN_FAILED, "closed", true, false},
        {LEAVE_KICKED, "kicked", false, false},
        {LEAVE_KICKED_BEFORE, "kicked", true, false},
        {LEAVE_ROOM_CLOSED, "closed", true, false},
        {LEAVE_EXPIRED, "expired", true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(leave_reason_word(rows[i].reason), rows[i].word);
        assert_int_equal(leave_reason_is_counted(rows[i].reason), rows[i].is_counted);
        assert_int_equal(leave_reason_has_grace(rows[i].reason), rows[i].has_grace);
    }
}

static void each_step_has_its_word(void **state)
{
    static const char *const words[] = {"wait",     "stuck", "close",
                                        "register", "sync",  "join"};

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++)
        assert_string_equal(room_step_word((enum room_step)i), words[i]);
}

/* ---- the steps ---- */

static struct rooms rooms;
static struct room_logs logs;

/* A room that is as good as can be: with a user, and known in Redis. */
static struct room ready_room(void)
{
    struct room room = {.rooms = &rooms,
                        .is_subscribed = true,
                        .is_registered = true,
                        .may_be_known = true};

    rooms.is_up = true;
    room.users.count = 1;
    room_log_init(&room.log, &logs);
    room_log_start(&room.log, "00000000000000e1", 0);
    return room;
}

static void assert_step(const struct room *room, enum room_step step)
{
    assert_string_equal(room_step_word(room_next_step(room)), room_step_word(step));
    assert_int_equal(room_is_ready(room), step == ROOM_STEP_JOIN);
}

static void a_room_waits_for_redis_its_channel_and_its_call(void **state)
{
    struct room room = ready_room();

    (void)state;
    assert_step(&room, ROOM_STEP_JOIN);
    rooms.is_up = false;
    assert_step(&room, ROOM_STEP_WAIT);
    rooms.is_up = true;
    room.is_subscribed = false;
    assert_step(&room, ROOM_STEP_WAIT);
    room.is_subscribed = true;
    room.is_calling = true;
    assert_step(&room, ROOM_STEP_WAIT);
}

static void a_refused_room_does_nothing_until_the_heartbeat(void **state)
{
    struct room room = ready_room();

    (void)state;
    room.is_stuck = true;
    assert_step(&room, ROOM_STEP_STUCK);
    room.users.count = 0;
    assert_step(&room, ROOM_STEP_STUCK);
    room.is_calling = true;
    assert_step(&room, ROOM_STEP_WAIT);
}

static void an_empty_room_is_closed_once_nothing_comes_back(void **state)
{
    struct room room = ready_room();

    (void)state;
    room.users.count = 0;
    assert_step(&room, ROOM_STEP_CLOSE);
    room.is_registered = false;
    assert_step(&room, ROOM_STEP_CLOSE);
    room.refs = 1;
    assert_step(&room, ROOM_STEP_WAIT);
    room.is_registered = true;
    assert_step(&room, ROOM_STEP_JOIN); /* the holder of the ref may go on */
    room.refs = 0;
    room.may_be_known = false;
    assert_step(&room, ROOM_STEP_WAIT);
}

static void a_room_is_registered_before_it_is_compared(void **state)
{
    struct room room = ready_room();

    (void)state;
    room.is_registered = false;
    room.needs_sync = true;
    assert_step(&room, ROOM_STEP_REGISTER);
    room.is_registered = true;
    assert_step(&room, ROOM_STEP_SYNC);
    room.needs_sync = false;
    assert_step(&room, ROOM_STEP_JOIN);
}

static void only_a_room_with_users_and_an_epoch_is_compared(void **state)
{
    struct room room = ready_room();

    (void)state;
    room.needs_sync = true;
    room.users.count = 0;
    room.refs = 1;
    assert_step(&room, ROOM_STEP_JOIN);
    room.users.count = 1;
    room_log_forget(&room.log);
    assert_step(&room, ROOM_STEP_JOIN);
    room_log_deinit(&room.log);
}

/* ---- the states of a member ---- */

static const char *const state_names[] = {"waiting",    "joining",     "first batch",
                                          "in history", "catching up", "live"};

/* [from][to] */
static const bool may_follow[6][6] = {
    [MEMBER_WAITING] =
        {[MEMBER_WAITING] = true, [MEMBER_JOINING] = true, [MEMBER_FIRST_BATCH] = true},
    [MEMBER_JOINING] = {[MEMBER_WAITING] = true, [MEMBER_FIRST_BATCH] = true},
    [MEMBER_FIRST_BATCH] = {[MEMBER_WAITING] = true,
                            [MEMBER_FIRST_BATCH] = true,
                            [MEMBER_IN_HISTORY] = true},
    [MEMBER_IN_HISTORY] = {[MEMBER_WAITING] = true,
                           [MEMBER_FIRST_BATCH] = true,
                           [MEMBER_CATCHING_UP] = true},
    [MEMBER_CATCHING_UP] =
        {[MEMBER_WAITING] = true, [MEMBER_FIRST_BATCH] = true, [MEMBER_LIVE] = true},
    [MEMBER_LIVE] = {[MEMBER_FIRST_BATCH] = true, [MEMBER_CATCHING_UP] = true},
};

static void open_lists(struct room *room)
{
    list_init(&room->waiting);
    list_init(&room->joining);
    list_init(&room->behind);
    list_init(&room->live);
}

static struct list *list_of(struct room *room, enum member_state state)
{
    struct list *lists[] = {&room->waiting, &room->joining, &room->behind,
                            &room->behind,  &room->behind,  &room->live};

    return lists[state];
}

static void move(enum member_state from, enum member_state to)
{
    struct room room = ready_room();
    struct member member = {.room = &room, .state = from};

    open_lists(&room);
    list_init(&member.link);
    list_add(list_of(&room, from), &member.link);
    member_set_state(&member, to);
    assert_int_equal(member.state, to);
    assert_ptr_equal(list_first(list_of(&room, to)), &member.link);
    if (list_of(&room, from) != list_of(&room, to))
        assert_true(list_is_empty(list_of(&room, from)));
}

static bool aborts(enum member_state from, enum member_state to)
{
    static const struct rlimit no_core = {0, 0};
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &no_core);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        move(from, to);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_member_goes_only_the_ways_of_the_picture(void **state)
{
    (void)state;
    for (int from = 0; from < 6; from++)
        for (int to = 0; to < 6; to++)
            if (may_follow[from][to])
                move((enum member_state)from, (enum member_state)to);
            else if (!aborts((enum member_state)from, (enum member_state)to))
                fail_msg("from %s to %s", state_names[from], state_names[to]);
}

static void a_member_is_behind_from_its_join_until_it_is_live(void **state)
{
    static const bool is_behind[] = {false, false, true, true, true, false};

    (void)state;
    for (int i = 0; i < 6; i++) {
        struct member member = {.state = (enum member_state)i};

        assert_int_equal(member_is_behind(&member), is_behind[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason_has_its_word_its_count_and_its_grace),
        cmocka_unit_test(each_step_has_its_word),
        cmocka_unit_test(a_room_waits_for_redis_its_channel_and_its_call),
        cmocka_unit_test(a_refused_room_does_nothing_until_the_heartbeat),
        cmocka_unit_test(an_empty_room_is_closed_once_nothing_comes_back),
        cmocka_unit_test(a_room_is_registered_before_it_is_compared),
        cmocka_unit_test(only_a_room_with_users_and_an_epoch_is_compared),
        cmocka_unit_test(a_member_goes_only_the_ways_of_the_picture),
        cmocka_unit_test(a_member_is_behind_from_its_join_until_it_is_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
