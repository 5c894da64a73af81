/* test_terms.c - terms are sound: where the room goes on, Redis has all that was seen; and where
 * nothing is lost, it goes on. By cases, and by random lives of servers against a plain model.
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
#include "gateway/terms.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct token token_of(const char *text)
{
    struct token token;

    assert_true(token_parse((struct json_text){text, strlen(text)}, &token));
    return token;
}

#define A "1.00000000000000aa"
#define B "2.00000000000000bb"
#define C "3.00000000000000cc"
#define ENTRY_A "1 00000000000000aa 0 0"
#define ENTRY_B(seq, rev) ",2 00000000000000bb " seq " " rev
#define ENTRY_C(seq, rev) ",3 00000000000000cc " seq " " rev

static bool holds(const struct terms *terms, const struct terms *sent,
                  const char *answer, uint64_t seq, uint64_t rev, const char *entries)
{
    const struct terms_seen seen = {token_of(answer), seq, rev};

    return terms_holds(terms, sent, &seen,
                       (struct json_text){entries, strlen(entries)});
}

/* ---- cases ---- */

static const struct {
    const char *name, *answer;
    uint64_t seq, rev;
    const char *entries;
    bool holds;
} cases[] = {
    {"the same", A, 10, 5, ENTRY_A, true},
    {"more of the same", A, 12, 6, ENTRY_A, true},
    {"a message less", A, 9, 5, ENTRY_A, false},
    {"a change less", A, 10, 4, ENTRY_A, false},
    {"taken over at the end", B, 10, 5, ENTRY_A ENTRY_B("10", "5"), true},
    {"taken over later", B, 20, 9, ENTRY_A ENTRY_B("12", "6"), true},
    {"taken over before", B, 20, 9, ENTRY_A ENTRY_B("9", "5"), false},
    {"a change was lost", B, 20, 9, ENTRY_A ENTRY_B("10", "4"), false},
    {"the second one after it lost something", C, 20, 9,
     ENTRY_A ENTRY_B("12", "6") ENTRY_C("11", "6"), true},
    {"the known one is not in the list", B, 20, 9, "2 00000000000000bb 10 5", false},
    {"the known one is the last", B, 20, 9, ENTRY_A, false},
    {"the same term of another server", B, 20, 9,
     "1 00000000000000ab 0 0" ENTRY_B("10", "5"), false},
    {"another term of the same server", B, 20, 9,
     "4 00000000000000aa 0 0" ENTRY_B("10", "5"), false},
    {"no list", B, 20, 9, "", false},
    {"no entry", B, 20, 9, "x", false},
    {"half an entry after it", B, 20, 9, ENTRY_A ",2 00000000000000bb 10", false},
    {"an entry with more", B, 20, 9, ENTRY_A ENTRY_B("10", "5 1"), false},
    {"numbers that are none", B, 20, 9, ENTRY_A ENTRY_B("-1", "5"), false},
};

static void what_was_seen_is_compared_with_the_next_entry(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct terms terms;

        print_message("  %s\n", cases[i].name);
        terms_start(&terms, token_of(A), 10, 5);
        assert_int_equal(holds(&terms, &terms, cases[i].answer, cases[i].seq,
                               cases[i].rev, cases[i].entries),
                         cases[i].holds);
    }
}

static void under_the_same_token_what_was_seen_later_does_not_count(void **state)
{
    struct terms terms, sent;

    (void)state;
    terms_start(&terms, token_of(A), 10, 5);
    sent = terms;
    terms_see(&terms, token_of(A), 11, 6); /* while the sync is under way */
    assert_true(holds(&terms, &sent, A, 10, 5, ENTRY_A));
    assert_false(holds(&terms, &sent, A, 9, 5, ENTRY_A));
    assert_false(holds(&terms, &sent, B, 20, 9, ENTRY_A ENTRY_B("10", "5")));
    assert_true(holds(&terms, &sent, B, 20, 9, ENTRY_A ENTRY_B("11", "6")));
}

static void each_pair_is_compared_with_its_own_entry(void **state)
{
    struct terms terms;

    (void)state;
    terms_start(&terms, token_of(A), 10, 5);
    terms_see(&terms, token_of(B), 13, 0); /* an ack of the next server */
    assert_true(
        holds(&terms, &terms, C, 20, 9, ENTRY_A ENTRY_B("10", "5") ENTRY_C("13", "5")));
    assert_false(
        holds(&terms, &terms, C, 20, 9, ENTRY_A ENTRY_B("10", "5") ENTRY_C("12", "5")));
    assert_false(
        holds(&terms, &terms, C, 20, 9, ENTRY_A ENTRY_B("9", "5") ENTRY_C("13", "5")));
    assert_false(holds(&terms, &terms, B, 12, 9, ENTRY_A ENTRY_B("10", "5")));
}

static void more_tokens_than_fit_count_as_lost(void **state)
{
    struct terms terms;
    char text[32];

    (void)state;
    terms_start(&terms, token_of(A), 10, 5);
    for (unsigned i = 2; i <= TERMS_SEEN_MAX; i++) {
        snprintf(text, sizeof(text), "%u.00000000000000bb", i);
        terms_see(&terms, token_of(text), 1, 1);
    }
    assert_false(terms.has_more);
    terms_see(&terms, token_of("9.00000000000000bb"), 1, 1);
    assert_true(terms.has_more);
    assert_false(holds(&terms, &terms, A, 10, 5, ENTRY_A));
    terms_continue(&terms, token_of(B), 7);
    assert_true(holds(&terms, &terms, B, 10, 7, ENTRY_A ENTRY_B("10", "5")));
}

static void a_number_that_came_again_refutes_the_log_once(void **state)
{
    struct terms terms;

    (void)state;
    terms_start(&terms, token_of(A), 10, 5);
    terms_refute(&terms);
    assert_false(holds(&terms, &terms, A, 20, 9, ENTRY_A));
    terms_start(&terms, token_of(A), 20, 9);
    assert_true(holds(&terms, &terms, A, 20, 9, ENTRY_A));
}

static void settling_keeps_the_highest_number(void **state)
{
    struct terms terms;

    (void)state;
    terms_start(&terms, token_of(A), 10, 5);
    terms_see(&terms, token_of(B), 13, 0);
    terms_continue(&terms, token_of(B), 7);
    assert_true(terms_is_current(&terms, token_of(B)));
    assert_false(terms_is_current(&terms, token_of(A)));
    assert_false(holds(&terms, &terms, B, 12, 7, ""));
    assert_false(holds(&terms, &terms, B, 13, 6, ""));
    assert_true(holds(&terms, &terms, B, 13, 7, ""));
}

static void a_foreign_token_is_a_reason_once(void **state)
{
    struct terms terms;

    (void)state;
    terms_start(&terms, token_of(A), 10, 5);
    assert_true(terms_take_doubt(&terms, token_of(B)));
    assert_false(terms_take_doubt(&terms, token_of(B)));
    assert_true(terms_take_doubt(&terms, token_of(C)));
}

static void without_a_token_everything_is_current_and_nothing_seen(void **state)
{
    const struct token none = {0, 0};
    struct terms terms;

    (void)state;
    terms_start(&terms, none, 10, 5);
    assert_int_equal(terms.count, 0);
    assert_true(terms_is_current(&terms, token_of(A)));
    assert_true(terms_is_current(&terms, none));
    terms_start(&terms, token_of(A), 10, 5);
    assert_true(terms_is_current(&terms, none));
}

/* ---- random lives of servers ---- */

enum { STEPS = 120, SERVERS = 64, NUMBERS = 400, KEPT = 16 };

/* What Redis holds of the room: who wrote message i and change i, and the terms. */
struct log {
    uint32_t messages[NUMBERS], changes[NUMBERS];
    unsigned seq, rev, first_term, terms_count;
    struct terms_seen terms[KEPT];
};

static uint32_t seed_state;

static uint32_t draw(uint32_t below)
{
    seed_state = seed_state * 1664525u + 1013904223u;
    return (seed_state >> 8) % below;
}

static struct log logs[SERVERS], past[STEPS];
static unsigned servers, past_count;
static uint32_t stamp; /* of each message and change */

static struct token current_of(const struct log *log)
{
    return log->terms[log->terms_count - 1].token;
}

/* As take_over of lua/lib/room.lua. */
static void take_over(struct log *log, uint64_t home)
{
    struct terms_seen entry = {
        {log->terms_count ? current_of(log).term + 1 : 1, home}, log->seq, log->rev};

    if (log->terms_count > 0 && current_of(log).home == home)
        return;
    if (log->terms_count == KEPT)
        memmove(log->terms, log->terms + 1, (--log->terms_count) * sizeof(entry));
    log->terms[log->terms_count++] = entry;
}

static void change(struct log *log, uint64_t home)
{
    take_over(log, home);
    if (log->seq < NUMBERS - 1 && draw(2))
        log->messages[++log->seq] = ++stamp;
    else if (log->rev < NUMBERS - 1)
        log->changes[++log->rev] = ++stamp;
    if (past_count < STEPS)
        past[past_count++] = *log;
}

static void print_terms(struct strbuf *out, const struct log *log)
{
    strbuf_reset(out, 4096);
    for (unsigned i = 0; i < log->terms_count; i++)
        strbuf_add_format(out, "%s%llu %016llx %llu %llu", i ? "," : "",
                          (unsigned long long)log->terms[i].token.term,
                          (unsigned long long)log->terms[i].token.home,
                          (unsigned long long)log->terms[i].seq,
                          (unsigned long long)log->terms[i].rev);
}

/* A gateway: what it has of the log, as far as it has seen it. */
struct viewer {
    struct log seen;
    struct terms terms;
    bool is_in;
};

static bool is_prefix(const struct viewer *v, const struct log *log)
{
    return v->seen.seq <= log->seq && v->seen.rev <= log->rev &&
           memcmp(v->seen.messages, log->messages,
                  (v->seen.seq + 1) * sizeof(uint32_t)) == 0 &&
           memcmp(v->seen.changes, log->changes,
                  (v->seen.rev + 1) * sizeof(uint32_t)) == 0;
}

/* Returns whether it went on where something was lost; `lost` counts the resets. */
static bool sync_with(struct viewer *v, struct log *log, uint64_t home,
                      unsigned *needless)
{
    struct strbuf entries = {NULL, 0, 0};
    struct terms_seen answer;
    bool was_in = v->is_in, goes_on, is_sound;

    take_over(log, home);
    answer = (struct terms_seen){current_of(log), log->seq, log->rev};
    print_terms(&entries, log);
    goes_on = was_in && terms_holds(&v->terms, &v->terms, &answer,
                                    (struct json_text){entries.data, entries.len});
    is_sound = !goes_on || is_prefix(v, log);
    if (was_in && !goes_on && is_prefix(v, log) && log->terms_count < KEPT)
        (*needless)++;
    v->seen = *log;
    v->is_in = true;
    terms_start(&v->terms, answer.token, log->seq, log->rev);
    strbuf_deinit(&entries);
    return is_sound;
}

/* Servers take over with an older state, restart from one, and get writes although they were
 * left. A server that starts again, or is promoted, has a new id. */
static void play(uint32_t seed, unsigned *needless)
{
    struct viewer viewers[3] = {0};
    unsigned main_server = 0;

    seed_state = seed;
    servers = 1;
    past_count = 0;
    memset(logs, 0, sizeof(logs));
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t what = draw(12);
        struct viewer *v = &viewers[draw(3)];

        if (what < 7) {
            change(&logs[main_server], main_server + 1);
            for (unsigned i = 0; i < 3; i++) /* who hears it has it */
                if (viewers[i].is_in && draw(4) &&
                    terms_is_current(&viewers[i].terms,
                                     current_of(&logs[main_server])) &&
                    is_prefix(&viewers[i], &logs[main_server])) {
                    viewers[i].seen = logs[main_server];
                    terms_see(&viewers[i].terms, current_of(&logs[main_server]),
                              logs[main_server].seq, logs[main_server].rev);
                }
        } else if (what < 9 && servers < SERVERS) {
            unsigned back = draw(draw(2) ? 2 : 12);

            logs[servers] =
                past_count > back ? past[past_count - 1 - back] : logs[main_server];
            main_server = servers++;
        } else if (what == 9) {
            unsigned zombie = draw(servers);

            if (zombie != main_server)
                change(&logs[zombie], zombie + 1);
        } else if (!sync_with(v, &logs[main_server], main_server + 1, needless)) {
            fail_msg("seed %u, step %u: it went on where something was lost", seed,
                     step);
        }
    }
}

static void a_node_that_goes_on_has_lost_nothing_whatever_servers_do(void **state)
{
    const char *wanted = getenv("TERMS_SEED");
    unsigned needless = 0;

    (void)state;
    if (wanted)
        play((uint32_t)strtoul(wanted, NULL, 10), &needless);
    for (uint32_t seed = 0; !wanted && seed < 400; seed++)
        play(seed, &needless);
    print_message("  needless resets: %u\n", needless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_seen_is_compared_with_the_next_entry),
        cmocka_unit_test(under_the_same_token_what_was_seen_later_does_not_count),
        cmocka_unit_test(each_pair_is_compared_with_its_own_entry),
        cmocka_unit_test(more_tokens_than_fit_count_as_lost),
        cmocka_unit_test(a_number_that_came_again_refutes_the_log_once),
        cmocka_unit_test(settling_keeps_the_highest_number),
        cmocka_unit_test(a_foreign_token_is_a_reason_once),
        cmocka_unit_test(without_a_token_everything_is_current_and_nothing_seen),
        cmocka_unit_test(a_node_that_goes_on_has_lost_nothing_whatever_servers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
