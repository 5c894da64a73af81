/* test_request.c - the window of a connection's requests: whose turn it is, the bounds, and any
 * order of what can happen against a plain model.
 *
 * What is said here is a letter and a digit, as in `j1`: join, leave, message, history, signal,
 * and the id. What runs stands in `trace`.
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

#include "common/strbuf.h"
#include "gateway/pool.h"
#include "gateway/request.h"

enum { COUNT_MAX = 4, BYTES_MAX = 1000, IDS = 256 };

static struct metrics metrics;

struct scene {
    struct request_window window; /* first */
    struct request_turns turns, other;
    struct request *running[IDS]; /* begun and not answered, by id */
    char trace[2048];
    unsigned overs, unders, empties;
};

static int set_up(void **state)
{
    (void)state;
    pool_init(&metrics);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_deinit();
    return 0;
}

static enum request_type type_of(char letter)
{
    return letter == 'j'   ? REQUEST_JOIN
           : letter == 'l' ? REQUEST_LEAVE
           : letter == 'm' ? REQUEST_MESSAGE
           : letter == 'h' ? REQUEST_GET_HISTORY
                           : REQUEST_SIGNAL;
}

static struct proto_request request_of(const char *text)
{
    return (struct proto_request){.type = type_of(text[0]),
                                  .id = {text + 1, strlen(text + 1)}};
}

/* What a handler would do: a leave is answered at once, all others later. */
static void run(struct scene *s, struct request_turns *turns, const char *text,
                size_t bytes)
{
    struct proto_request req = request_of(text);

    strcat(strcat(s->trace, text), " ");
    if (req.type != REQUEST_LEAVE)
        s->running[atoi(text + 1)] = request_begin(turns, &req, bytes);
}

static void say_long(struct scene *s, struct request_turns *turns, const char *text,
                     size_t bytes)
{
    struct proto_request req = request_of(text);
    char *padded;

    if (!request_must_wait(turns, req.type)) {
        run(s, turns, text, bytes);
        return;
    }
    padded = calloc(1, bytes + strlen(text) + 1);
    strcpy(padded, text);
    request_defer(turns, &req, (struct json_text){padded, bytes});
    free(padded);
}

static void say(struct scene *s, const char *text)
{
    say_long(s, &s->turns, text, strlen(text));
}

static void answer(struct scene *s, int id)
{
    struct request *request = s->running[id];
    struct request_turns *turns = request->turns;

    s->running[id] = NULL;
    request_end(request);
    if (turns)
        request_go_on(turns);
}

static void expect(struct scene *s, const char *trace)
{
    assert_string_equal(s->trace, trace);
    s->trace[0] = '\0';
}

static void on_bound(struct request_window *window)
{
    struct scene *s = (struct scene *)(void *)window;

    if (window->is_over)
        s->overs++;
    else
        s->unders++;
}

static void on_empty(struct request_window *window)
{
    assert_int_equal(window->count, 0);
    assert_int_equal(window->bytes, 0);
    ((struct scene *)(void *)window)->empties++;
}

static void on_turn(struct request *request)
{
    struct json_text said = request_text(request), id = request_id(request);
    char text[16] = {0};

    memcpy(text, said.base, said.len < 15 ? said.len : 15);
    assert_int_equal(id.len, strlen(text + 1));
    assert_memory_equal(id.base, text + 1, id.len);
    run((struct scene *)(void *)request->window, request->turns, text, said.len);
}

static const struct request_env env = {.count_max = COUNT_MAX,
                                       .bytes_max = BYTES_MAX,
                                       .on_bound = on_bound,
                                       .on_empty = on_empty,
                                       .on_turn = on_turn};
static const struct request_env wide = {.count_max = 1000,
                                        .bytes_max = 1000000,
                                        .on_bound = on_bound,
                                        .on_empty = on_empty,
                                        .on_turn = on_turn};

static void begin(struct scene *s, const struct request_env *of)
{
    memset(s, 0, sizeof(*s));
    request_window_init(&s->window, of);
    request_turns_init(&s->turns, &s->window);
    request_turns_init(&s->other, &s->window);
}

static void end(struct scene *s)
{
    bool again = true;

    while (again) {
        again = false;
        for (int id = 0; id < IDS; id++) {
            if (!s->running[id])
                continue;
            answer(s, id);
            again = true;
        }
    }
    assert_int_equal(s->window.count, 0);
    assert_int_equal(s->window.bytes, 0);
    assert_int_equal(metric_read(&metrics.pool_alloc_total),
                     metric_read(&metrics.pool_recycle_total));
}

/* ---- whose turn it is ---- */

static void messages_do_not_wait_for_messages(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "m1");
    say(&s, "m2");
    expect(&s, "m1 m2 ");
    end(&s);
}

static void a_request_waits_for_all_messages_before_it(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "m1");
    say(&s, "m2");
    say(&s, "h3");
    answer(&s, 1);
    expect(&s, "m1 m2 ");
    answer(&s, 2);
    expect(&s, "h3 ");
    end(&s);
}

static void a_message_waits_for_the_request_before_it(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "h1");
    say(&s, "m2");
    say(&s, "m3");
    expect(&s, "h1 ");
    answer(&s, 1);
    expect(&s, "m2 m3 ");
    end(&s);
}

static void a_message_does_not_overtake_what_waits(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "m1");
    say(&s, "l2");
    say(&s, "m3"); /* m1 alone would not hold it */
    expect(&s, "m1 ");
    answer(&s, 1);
    expect(&s, "l2 m3 ");
    end(&s);
}

static void deferred_requests_run_up_to_the_next_that_must_wait(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "j1");
    say(&s, "m2");
    say(&s, "m3");
    say(&s, "h4");
    say(&s, "m5");
    answer(&s, 1);
    expect(&s, "j1 m2 m3 ");
    answer(&s, 3);
    answer(&s, 2);
    expect(&s, "h4 ");
    answer(&s, 4);
    expect(&s, "m5 ");
    end(&s);
}

static void nobody_waits_for_a_signal(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "s1");
    say(&s, "h2");
    say(&s, "s3"); /* but it waits itself */
    expect(&s, "s1 h2 ");
    answer(&s, 1);
    assert_ptr_equal(s.turns.busy, s.running[2]);
    answer(&s, 2);
    expect(&s, "s3 ");
    end(&s);
}

static void another_room_does_not_wait(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "j1");
    say_long(&s, &s.other, "h2", 2);
    expect(&s, "j1 h2 ");
    end(&s);
}

static void only_a_join_is_found_as_one(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    assert_null(request_join(&s.turns));
    say(&s, "h1");
    assert_null(request_join(&s.turns));
    answer(&s, 1);
    say(&s, "j2");
    assert_ptr_equal(request_join(&s.turns), s.running[2]);
    end(&s);
    assert_null(request_join(&s.turns));
}

static void the_last_of_joins_and_leaves_decides(void **state)
{
    static const struct {
        const char *said[4];
        bool leaves;
    } cases[] = {
        {{"h1"}, false},
        {{"h1", "l2"}, true},
        {{"h1", "l2", "m3"}, true},
        {{"h1", "l2", "j3"}, false},
        {{"h1", "j2", "l3", "h4"}, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;

        begin(&s, &wide);
        for (int k = 0; k < 4 && cases[i].said[k]; k++)
            say(&s, cases[i].said[k]);
        assert_int_equal(request_waits_to_leave(&s.turns), cases[i].leaves);
        end(&s);
    }
}

/* ---- the bounds ---- */

static void a_window_is_over_at_its_count(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &env);
    say(&s, "m1");
    say(&s, "h2");
    say(&s, "m3"); /* deferred ones count as well */
    assert_false(s.window.is_over);
    say(&s, "m4");
    assert_true(s.window.is_over);
    assert_int_equal(s.overs, 1);
    say(&s, "m5");
    assert_int_equal(s.overs, 1); /* it is told once */
    answer(&s, 1);
    assert_int_equal(s.unders, 0); /* four are left */
    answer(&s, 2);
    assert_false(s.window.is_over);
    assert_int_equal(s.unders, s.overs);
    end(&s);
}

static void a_window_is_over_at_its_bytes(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &env);
    say_long(&s, &s.turns, "m1", BYTES_MAX - 1);
    assert_false(s.window.is_over);
    say_long(&s, &s.turns, "m2", 1);
    assert_true(s.window.is_over);
    answer(&s, 1);
    assert_false(s.window.is_over);
    assert_int_equal(s.unders, 1);
    end(&s);
}

static void the_bytes_of_deferred_requests_count(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &env);
    say(&s, "h1");
    say_long(&s, &s.turns, "m2", BYTES_MAX);
    assert_true(s.window.is_over);
    assert_int_equal(s.window.bytes, BYTES_MAX + 2);
    answer(&s, 1); /* the message runs, and its bytes count once */
    assert_int_equal(s.window.bytes, BYTES_MAX);
    assert_int_equal(s.window.count, 1);
    end(&s);
}

static void rooms_share_the_window(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &env);
    say_long(&s, &s.turns, "m1", 500);
    say_long(&s, &s.other, "m2", 500);
    assert_true(s.window.is_over);
    end(&s);
}

static void the_last_end_is_told(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &env);
    say(&s, "m1");
    say(&s, "m2");
    answer(&s, 1);
    assert_int_equal(s.empties, 0);
    answer(&s, 2);
    assert_int_equal(s.empties, 1);
    end(&s);
}

/* ---- the end ---- */

static void a_closed_room_lets_nothing_go_on(void **state)
{
    struct scene s;
    struct request *request;

    (void)state;
    begin(&s, &wide);
    say(&s, "h1");
    say(&s, "m2");
    say_long(&s, &s.other, "m3", 2);
    request_close(&s.turns);
    assert_null(s.running[1]->turns);
    assert_ptr_equal(s.running[3]->turns, &s.other);
    answer(&s, 1);
    request_go_on(&s.turns);
    expect(&s, "h1 m3 ");
    request = request_first_deferred(&s.turns);
    request_end(request);
    assert_null(request_first_deferred(&s.turns));
    end(&s);
}

static void nothing_goes_on_in_a_closed_room_whose_join_has_ended(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "j1");
    say(&s, "m2");
    request_end(s.running[1]); /* as a drop does */
    s.running[1] = NULL;
    request_close(&s.turns);
    request_go_on(&s.turns);
    expect(&s, "j1 ");
    request_end(request_first_deferred(&s.turns));
    end(&s);
}

static void what_is_handed_over_waits_there_in_order(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, &wide);
    say(&s, "h1");
    say(&s, "m2");
    say(&s, "m3");
    say_long(&s, &s.other, "j4", 2);
    say_long(&s, &s.other, "m5", 2);
    request_close(&s.turns);
    request_hand_over(&s.turns, &s.other);
    assert_null(request_first_deferred(&s.turns));
    request_go_on(&s.other);
    expect(&s, "h1 j4 ");
    answer(&s, 4);
    expect(&s, "m5 m2 m3 ");
    assert_int_equal(s.other.messages, 3);
    end(&s);
}

static void an_ended_request_waits_for_no_slot(void **state)
{
    struct slot_wait *first;
    struct list waiting;
    struct scene s;

    (void)state;
    begin(&s, &wide);
    list_init(&waiting);
    say(&s, "h1");
    first = &s.running[1]->slot;
    list_add(&waiting, &first->link);
    answer(&s, 1);
    assert_true(list_is_empty(&waiting));
    end(&s);
}

/* ---- any order ---- */

struct said {
    char letter;
    bool has_run, is_answered;
};

/* `next` may run if all before it have, and it need not wait for one that is not answered. */
static bool may_run(const struct said *said, int next)
{
    for (int i = 0; i < next; i++) {
        char letter = said[i].letter;

        if (!said[i].has_run)
            return false;
        if (said[i].is_answered || letter == 's' || letter == 'l')
            continue;
        if (letter != 'm' || said[next].letter != 'm')
            return false;
    }
    return true;
}

/* What must run now, runs in the model; the trace must be the same. */
static void run_model(struct scene *s, struct said *said, int count)
{
    char trace[2048] = "";

    for (int i = 0; i < count; i++) {
        if (said[i].has_run || !may_run(said, i))
            continue;
        said[i].has_run = true;
        sprintf(trace + strlen(trace), "%c%d ", said[i].letter, i);
    }
    expect(s, trace);
}

static void check_window(const struct scene *s, const struct said *said, int count)
{
    unsigned open = 0;

    for (int i = 0; i < count; i++)
        open += !said[i].is_answered && !(said[i].letter == 'l' && said[i].has_run);
    assert_int_equal(s->window.count, open);
    assert_int_equal(s->window.is_over, open >= COUNT_MAX);
    assert_int_equal(s->overs, s->unders + s->window.is_over);
}

static void play(unsigned seed)
{
    struct said said[60] = {0};
    struct scene s;
    int count = 0;

    srand(seed);
    begin(&s, &env);
    for (int step = 0; step < 100; step++) {
        int id = count > 0 ? rand() % count : 0;

        if (rand() % 2 == 0 && count < 60) {
            char text[16];

            said[count].letter = "jlmmmhs"[rand() % 7];
            sprintf(text, "%c%d", said[count].letter, count);
            count++;
            say(&s, text);
        } else if (count > 0 && s.running[id]) {
            said[id].is_answered = true;
            answer(&s, id);
        }
        run_model(&s, said, count);
        check_window(&s, said, count);
    }
    end(&s);
}

static void any_order_is_as_the_model_has_it(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++)
        play(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_do_not_wait_for_messages),
        cmocka_unit_test(a_request_waits_for_all_messages_before_it),
        cmocka_unit_test(a_message_waits_for_the_request_before_it),
        cmocka_unit_test(a_message_does_not_overtake_what_waits),
        cmocka_unit_test(deferred_requests_run_up_to_the_next_that_must_wait),
        cmocka_unit_test(nobody_waits_for_a_signal),
        cmocka_unit_test(another_room_does_not_wait),
        cmocka_unit_test(only_a_join_is_found_as_one),
        cmocka_unit_test(the_last_of_joins_and_leaves_decides),
        cmocka_unit_test(a_window_is_over_at_its_count),
        cmocka_unit_test(a_window_is_over_at_its_bytes),
        cmocka_unit_test(the_bytes_of_deferred_requests_count),
        cmocka_unit_test(rooms_share_the_window),
        cmocka_unit_test(the_last_end_is_told),
        cmocka_unit_test(a_closed_room_lets_nothing_go_on),
        cmocka_unit_test(nothing_goes_on_in_a_closed_room_whose_join_has_ended),
        cmocka_unit_test(what_is_handed_over_waits_there_in_order),
        cmocka_unit_test(an_ended_request_waits_for_no_slot),
        cmocka_unit_test(any_order_is_as_the_model_has_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
