/* test_room_log.c - a room's log: its bounds one by one, and any order of what can happen to it
 * against a plain model.
 *
 * The model is all lines that were ever published, and for each number the oldest message that
 * Redis held then. What the log answers must be what Redis held when the log's last
 * message was the last one.
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

#include "gateway/frame.h"
#include "gateway/pool.h"
#include "gateway/room_log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define EPOCH "00000000000000e1"
#define OTHER_EPOCH "00000000000000e2"

static struct metrics metrics;

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

static void open_log(struct room_log *log, struct room_logs *logs, uint64_t limit,
                     uint64_t max_bytes)
{
    *logs = (struct room_logs){.history_max_bytes = max_bytes};
    room_log_init(log, logs);
    room_log_limit(log, limit);
    room_log_start(log, EPOCH, 0);
}

static void close_log(struct room_log *log, struct room_logs *logs)
{
    room_log_deinit(log);
    assert_int_equal(logs->ring_bytes, 0);
}

/* Messages of so many bytes each. */
static void append(struct room_log *log, unsigned count, size_t len)
{
    char *text = calloc(1, len);

    memset(text, 'x', len);
    for (unsigned i = 0; i < count; i++)
        room_log_append(log, frame_new_text(text, len), true);
    free(text);
}

/* ---- one bound at a time ---- */

static void a_ring_holds_at_most_1024_messages(void **state)
{
    struct room_logs logs;
    struct room_log log;

    (void)state;
    open_log(&log, &logs, 10000, SIZE_MAX);
    append(&log, 1024, 1);
    assert_true(room_log_has(&log, 1));
    append(&log, 76, 1);
    assert_true(room_log_has(&log, 77));
    assert_false(room_log_has(&log, 76));
    assert_true(room_log_has(&log, 1100));
    assert_false(room_log_has(&log, 1101));
    close_log(&log, &logs);
}

static void a_ring_holds_a_mebibyte_and_one_message_more(void **state)
{
    struct room_logs logs;
    struct room_log log;

    (void)state;
    open_log(&log, &logs, 10000, SIZE_MAX);
    append(&log, 30, 64 * 1024);
    assert_true(room_log_has(&log, 14));
    assert_false(room_log_has(&log, 13));
    assert_int_equal(logs.ring_bytes, 17 * 64 * 1024);
    close_log(&log, &logs);
}

static void a_ring_holds_no_more_bytes_than_redis_but_one_message(void **state)
{
    struct room_logs logs;
    struct room_log log;

    (void)state;
    open_log(&log, &logs, 10000, 1000);
    append(&log, 20, 100);
    assert_true(room_log_has(&log, 11));
    assert_false(room_log_has(&log, 10));
    append(&log, 1, 5000);
    assert_true(room_log_has(&log, 21));
    assert_false(room_log_has(&log, 20));
    close_log(&log, &logs);
}

static void an_unknown_log_answers_nothing(void **state)
{
    struct room_logs logs;
    struct room_log log;
    struct history out;

    (void)state;
    logs = (struct room_logs){.history_max_bytes = SIZE_MAX};
    room_log_init(&log, &logs);
    room_log_limit(&log, 10);
    assert_false(room_log_is_known(&log));
    assert_false(room_log_read(&log, 0, NULL, &out));
    room_log_start(&log, EPOCH, 7);
    assert_true(room_log_is_known(&log));
    assert_string_equal(room_log_epoch(&log), EPOCH);
    assert_true(room_log_read(&log, 7, NULL, &out));
    room_log_forget(&log);
    assert_false(room_log_is_known(&log));
    assert_false(room_log_read(&log, 7, NULL, &out));
    close_log(&log, &logs);
}

static void give_up(struct room_logs *logs, const char *epoch)
{
    struct room_log log;

    room_log_init(&log, logs);
    room_log_start(&log, epoch, 3);
    room_log_forget(&log);
    assert_true(room_log_has_given_up(&log, epoch));
    room_log_deinit(&log);
}

static void what_a_closed_room_has_given_up_stays_so(void **state)
{
    struct room_logs logs;
    struct room_log log, left;
    char epoch[PROTO_EPOCH_LEN + 1];

    (void)state;
    open_log(&log, &logs, 10, SIZE_MAX);
    give_up(&logs, "00000000000000c1");
    assert_true(room_log_has_given_up(&log, "00000000000000c1"));
    room_log_init(&left, &logs);
    room_log_start(&left, "00000000000000c2", 3);
    room_log_deinit(&left); /* all have left: it may go on */
    assert_false(room_log_has_given_up(&log, "00000000000000c2"));
    assert_false(room_log_has_given_up(&log, EPOCH));
    for (unsigned i = 0; i < ROOM_LOGS_GIVEN_UP; i++) {
        snprintf(epoch, sizeof(epoch), "%016x", 0x1000 + i);
        give_up(&logs, epoch);
        assert_true(room_log_has_given_up(&log, epoch));
    }
    assert_false(room_log_has_given_up(&log, "00000000000000c1"));
    close_log(&log, &logs);
}

static void a_read_gives_a_batch_at_most(void **state)
{
    static struct json_text lines[PROTO_BATCH_MESSAGES];
    struct room_logs logs;
    struct room_log log;
    struct history out;

    (void)state;
    open_log(&log, &logs, 10000, SIZE_MAX);
    append(&log, PROTO_BATCH_MESSAGES + 20, 10);
    assert_true(room_log_read(&log, 10, lines, &out));
    assert_int_equal(out.first, 11);
    assert_int_equal(out.count, PROTO_BATCH_MESSAGES);
    append(&log, 20, PROTO_BATCH_BYTES / 10);
    assert_true(room_log_read(&log, PROTO_BATCH_MESSAGES + 25, lines, &out));
    assert_int_equal(out.first, PROTO_BATCH_MESSAGES + 26);
    assert_int_equal(out.count, 9);
    append(&log, 1, 2 * PROTO_BATCH_BYTES);
    assert_true(room_log_read(&log, PROTO_BATCH_MESSAGES + 40, lines, &out));
    assert_int_equal(out.count, 1);
    close_log(&log, &logs);
}

static void a_message_that_is_not_for_the_ring_empties_it(void **state)
{
    struct room_logs logs;
    struct room_log log;
    uint32_t drops;

    (void)state;
    open_log(&log, &logs, 10000, SIZE_MAX);
    append(&log, 3, 10);
    drops = room_log_drops(&log);
    room_log_append(&log, frame_new_text("x", 1), false);
    assert_int_equal(room_log_seq(&log), 4);
    assert_false(room_log_has(&log, 3));
    assert_false(room_log_has(&log, 4));
    assert_int_not_equal(room_log_drops(&log), drops);
    assert_true(frame_is_text(room_log_last(&log), "x", 1));
    close_log(&log, &logs);
}

static struct history page_of(const char *epoch, uint64_t seq, uint64_t oldest,
                              uint64_t first, size_t count)
{
    static struct json_text lines[PROTO_BATCH_MESSAGES];

    for (size_t i = 0; i < count; i++)
        lines[i] = (struct json_text){"line", 4};
    return (struct history){.epoch = epoch,
                            .seq = seq,
                            .oldest = oldest,
                            .first = first,
                            .lines = lines,
                            .count = count};
}

static void what_does_not_fit_is_not_put_in_front(void **state)
{
    struct room_logs logs;
    struct room_log log;
    struct history page, out;

    (void)state;
    open_log(&log, &logs, 10000, SIZE_MAX);
    room_log_start(&log, EPOCH, 50);
    append(&log, 10, 10); /* 51 to 60 */
    page = page_of(OTHER_EPOCH, 50, 1, 1, 50);
    room_log_fill(&log, &page);
    assert_false(room_log_has(&log, 50));
    page = page_of(EPOCH, 60, 1, 1, 49); /* 50 is missing */
    room_log_fill(&log, &page);
    assert_false(room_log_has(&log, 49));
    page = page_of(EPOCH, 60, 1, 52, 9); /* 51 is missing */
    room_log_fill(&log, &page);
    assert_true(room_log_has(&log, 51));
    page = page_of(EPOCH, 60, 52, 52, 9); /* so is 51, and Redis has none before */
    room_log_fill(&log, &page);
    assert_false(room_log_read(&log, 0, NULL, &out));
    page = page_of(EPOCH, 60, 1, 41, 20);
    room_log_fill(&log, &page);
    assert_true(room_log_has(&log, 41));
    assert_false(room_log_has(&log, 40));
    close_log(&log, &logs);
}

/* Whether a read from the very start is answered, after what was read is put into the ring of a
 * log at 50; `next` messages come then. */
static bool knows_the_start(uint64_t limit, struct history page, unsigned next)
{
    struct room_logs logs;
    struct room_log log;
    struct history out;
    bool ok;

    open_log(&log, &logs, limit, SIZE_MAX);
    room_log_start(&log, EPOCH, 50);
    room_log_fill(&log, &page);
    append(&log, next, 10);
    ok = room_log_read(&log, 0, NULL, &out);
    close_log(&log, &logs);
    return ok;
}

static void only_a_ring_that_holds_all_of_redis_tells_the_start(void **state)
{
    (void)state;
    assert_true(knows_the_start(100, page_of(EPOCH, 50, 1, 1, 50), 0));
    assert_true(knows_the_start(100, page_of(EPOCH, 50, 1, 1, 50), 20));
    assert_true(knows_the_start(100, page_of(EPOCH, 50, 41, 41, 10), 0)); /* bytes */
    assert_true(knows_the_start(100, page_of(EPOCH, 60, 1, 1, 60), 0));
    assert_true(knows_the_start(10, page_of(EPOCH, 50, 41, 41, 10), 0));
    assert_true(knows_the_start(10, page_of(EPOCH, 50, 1, 45, 6), 4));
    assert_false(knows_the_start(10, page_of(EPOCH, 50, 1, 45, 6), 3));
    assert_false(knows_the_start(100, page_of(EPOCH, 50, 1, 2, 49), 0));
    assert_false(knows_the_start(100, page_of(EPOCH, 51, 41, 41, 11), 0));
    assert_false(knows_the_start(2000, page_of(EPOCH, 50, 1, 1, 50), 1000));
    assert_true(knows_the_start(1000, page_of(EPOCH, 50, 1, 1, 50), 1000));
}

static void a_ring_that_is_cut_as_redis_cuts_tells_the_start(void **state)
{
    struct room_logs logs;
    struct room_log log;
    struct history out;

    (void)state;
    open_log(&log, &logs, 10000, 1000);
    room_log_start(&log, EPOCH, 50);
    append(&log, 10, 100);
    assert_false(room_log_read(&log, 0, NULL, &out));
    append(&log, 1, 100);
    assert_true(room_log_read(&log, 0, NULL, &out));
    assert_int_equal(out.first, 52);
    assert_int_equal(out.oldest, 52);
    close_log(&log, &logs);
}

static void an_emptied_ring_tells_nothing_of_the_start(void **state)
{
    struct room_logs logs;
    struct room_log log;
    struct history page, out;

    (void)state;
    open_log(&log, &logs, 100, SIZE_MAX);
    room_log_start(&log, EPOCH, 50);
    page = page_of(EPOCH, 50, 51, 51, 0); /* Redis holds nothing */
    room_log_fill(&log, &page);
    assert_true(room_log_read(&log, 0, NULL, &out));
    assert_int_equal(out.first, 51);
    room_log_drop(&log);
    assert_false(room_log_read(&log, 0, NULL, &out));
    room_log_fill(&log, &page);
    room_log_append(&log, frame_new_text("x", 1), false);
    assert_false(room_log_read(&log, 0, NULL, &out));
    close_log(&log, &logs);
}

/* ---- any order, against the model ---- */

enum {
    STEPS = 400,
    ROUNDS = 400,
    LINES_MAX = STEPS + 2,
    LINE_BYTES_MAX = 400,
    PAGES = 2,
    PAGE_LINES = 50,
};

/* A read of the history that has not come back yet. */
struct page {
    bool is_used;
    char epoch[PROTO_EPOCH_LEN + 1];
    struct history history;
    struct json_text lines[PAGE_LINES];
    uint32_t drops;
};

static struct {
    struct room_logs logs;
    struct room_log log;
    unsigned seed, step;
    uint64_t random;
    /* Redis */
    unsigned epochs;
    char epoch[PROTO_EPOCH_LEN + 1];
    struct json_text lines[LINES_MAX]; /* [seq] */
    uint64_t oldest[LINES_MAX];        /* held when `seq` was the last one */
    uint64_t top;
    struct page pages[PAGES];
    /* what the log should have */
    bool is_known, is_ring_needed;
    bool is_whole;              /* the ring is known to hold all that Redis holds */
    uint64_t seq, ring_first;   /* seq + 1: the ring is empty */
    struct json_text last;      /* base NULL: not known */
    char *texts[2 * LINES_MAX]; /* every line there ever was, to be freed */
    size_t texts_count;
} w;

#define check(condition)                                                               \
    do {                                                                               \
        if (!(condition))                                                              \
            fail_msg("seed %u, step %u: %s", w.seed, w.step, #condition);              \
    } while (0)

/* From 0 to n - 1. xorshift64. */
static unsigned pick(unsigned n)
{
    w.random ^= w.random << 13;
    w.random ^= w.random >> 7;
    w.random ^= w.random << 17;
    return (unsigned)(w.random >> 33) % n;
}

static struct json_text new_line(void)
{
    size_t len = pick(20) == 0 ? 100 + pick(LINE_BYTES_MAX - 100) : 12 + pick(40);
    char *text = calloc(1, LINE_BYTES_MAX + 1);

    memset(text, '.', len);
    snprintf(text, 12, "%u", (unsigned)w.texts_count);
    w.texts[w.texts_count++] = text;
    return (struct json_text){text, len};
}

static uint64_t bytes_of(uint64_t first, uint64_t last)
{
    uint64_t bytes = 0;

    for (uint64_t seq = first; seq <= last; seq++)
        bytes += w.lines[seq].len;
    return bytes;
}

/* As lua/publish.lua. */
static void publish(void)
{
    uint64_t limit = w.log.history_limit, oldest;

    if (w.top + 1 == LINES_MAX)
        return;
    oldest = w.oldest[w.top++];
    w.lines[w.top] = new_line();
    while (oldest < w.top && (w.top - oldest + 1 > limit ||
                              bytes_of(oldest, w.top) > w.logs.history_max_bytes))
        oldest++;
    w.oldest[w.top] = limit == 0 ? w.top + 1 : oldest;
}

static void cut_model(void)
{
    while (w.ring_first < w.seq &&
           bytes_of(w.ring_first, w.seq) > w.logs.history_max_bytes) {
        w.ring_first++;
        w.is_whole = true; /* Redis has cut there too */
    }
}

static void empty_model(void)
{
    w.ring_first = w.seq + 1;
    w.is_whole = false;
}

/* The log hears of the next message. */
static void hear(void)
{
    struct json_text line;

    if (!w.is_known || w.seq == w.top)
        return;
    line = w.lines[++w.seq];
    if (!w.is_ring_needed)
        empty_model();
    cut_model();
    w.last = line;
    room_log_append(&w.log, frame_new_text(line.base, line.len), w.is_ring_needed);
}

static void empty_ring(void)
{
    empty_model();
    room_log_drop(&w.log);
}

static void need_ring(void)
{
    w.is_ring_needed = pick(3) > 0;
    if (!w.is_ring_needed && pick(2))
        empty_ring();
}

/* As lua/history.lua: the latest ones, or those behind a number. */
static void start_page(void)
{
    struct page *page = &w.pages[pick(PAGES)];
    uint64_t oldest = w.oldest[w.top], first = oldest, last = w.top;

    if (page->is_used)
        return;
    if (pick(2)) {
        if (last + 1 > first + PAGE_LINES)
            first = last + 1 - PAGE_LINES;
    } else {
        uint64_t after = pick((unsigned)w.top + 1);

        first = after + 1 > oldest ? after + 1 : oldest;
        if (last + 1 > first + PAGE_LINES)
            last = first + PAGE_LINES - 1;
    }
    page->is_used = true;
    strcpy(page->epoch, w.epoch);
    page->history = (struct history){.epoch = page->epoch,
                                     .seq = w.top,
                                     .oldest = oldest,
                                     .first = first,
                                     .lines = page->lines,
                                     .count = (size_t)(last + 1 - first)};
    for (size_t i = 0; i < page->history.count; i++)
        page->lines[i] = w.lines[first + i];
    page->drops = room_log_drops(&w.log);
}

/* It comes back: as history_cache.c does, not into a ring that was emptied meanwhile. */
static void end_page(void)
{
    struct page *page = &w.pages[pick(PAGES)];
    const struct history *h = &page->history;

    if (!page->is_used)
        return;
    page->is_used = false;
    if (page->drops != room_log_drops(&w.log))
        return;
    if (w.is_known && strcmp(h->epoch, w.epoch) == 0 && h->first <= w.ring_first &&
        h->first + h->count >= w.ring_first) {
        w.ring_first = h->first;
        w.is_whole = h->first == h->oldest && h->seq <= w.seq;
        cut_model();
    }
    room_log_fill(&w.log, h);
}

/* A moderator deletes a message that the log has. */
static void delete_message(void)
{
    uint64_t oldest = w.oldest[w.top], held = w.top + 1 - oldest, seq;

    if (!w.is_known || w.seq != w.top || held == 0)
        return;
    seq = oldest + pick((unsigned)held);
    w.lines[seq] = (struct json_text){new_line().base, 12};
    empty_ring();
}

static void skip_some(void)
{
    if (!w.is_known || w.seq == w.top)
        return;
    w.seq += 1 + pick((unsigned)(w.top - w.seq));
    empty_model();
    w.last.base = NULL;
    room_log_skip(&w.log, w.seq);
}

/* The room is closed, or Redis has lost it. */
static void lose_room(void)
{
    snprintf(w.epoch, sizeof(w.epoch), "%016x", ++w.epochs);
    w.top = 0;
    w.oldest[0] = 1;
    w.is_known = false;
    empty_model();
    w.last.base = NULL;
    room_log_forget(&w.log);
}

static void begin_again(void)
{
    if (w.is_known)
        return;
    w.is_known = true;
    w.seq = w.top;
    empty_model();
    room_log_start(&w.log, w.epoch, w.seq);
}

static bool is_line(struct json_text got, struct json_text wanted)
{
    return got.len == wanted.len && memcmp(got.base, wanted.base, got.len) == 0;
}

static void check_state(void)
{
    check(room_log_is_known(&w.log) == w.is_known);
    check(room_log_seq(&w.log) == w.seq);
    check(!w.is_known || strcmp(room_log_epoch(&w.log), w.epoch) == 0);
    check(w.last.base ? frame_is_text(room_log_last(&w.log), w.last.base, w.last.len)
                      : room_log_last(&w.log) == NULL);
    check(!room_log_has(&w.log, w.ring_first - 1));
    check(!room_log_has(&w.log, w.seq + 1));
    check(w.logs.ring_bytes ==
          (w.ring_first <= w.seq ? bytes_of(w.ring_first, w.seq) : 0));
    for (uint64_t seq = w.ring_first; seq <= w.seq; seq++) {
        check(room_log_has(&w.log, seq));
        check(frame_is_text(room_log_at(&w.log, seq), w.lines[seq].base,
                            w.lines[seq].len));
    }
}

static void check_read(uint64_t after)
{
    static struct json_text lines[PROTO_BATCH_MESSAGES];
    uint64_t oldest = w.is_known ? w.oldest[w.seq] : 0, first;
    struct history out;
    bool is_answered = room_log_read(&w.log, after, lines, &out);

    if (!w.is_known || after > w.seq) {
        check(!is_answered);
        return;
    }
    first = after + 1 > oldest ? after + 1 : oldest;
    check(is_answered == (after + 1 >= w.ring_first || w.is_whole ||
                          w.seq + 1 - w.ring_first >= w.log.history_limit));
    if (!is_answered)
        return;
    check(strcmp(out.epoch, w.epoch) == 0);
    check(out.seq == w.seq);
    check(out.first == first);
    check(after + 1 < oldest ? out.oldest == oldest : out.oldest >= oldest);
    check(out.count == w.seq + 1 - first);
    for (size_t i = 0; i < out.count; i++)
        check(is_line(out.lines[i], w.lines[first + i]));
}

static void run_step(void)
{
    unsigned what = pick(100);

    if (what < 30)
        publish();
    else if (what < 62)
        hear();
    else if (what < 76)
        start_page();
    else if (what < 92)
        end_page();
    else if (what < 94)
        need_ring();
    else if (what < 96)
        delete_message();
    else if (what < 97)
        skip_some();
    else if (what == 97 && pick(4) == 0)
        lose_room();
    else
        begin_again();
}

static void run_round(unsigned seed)
{
    static const uint64_t limits[] = {0, 1, 2, 5, 20, 60, 150, 1000};
    static const uint64_t bytes[] = {1, 100, 400, 1500, 5000, SIZE_MAX};
    uint64_t limit;

    memset(&w, 0, sizeof(w));
    w.seed = seed;
    w.random = 0x9e3779b97f4a7c15u * (seed + 1);
    limit = limits[pick(COUNT(limits))];
    w.logs.history_max_bytes = bytes[pick(COUNT(bytes))];
    room_log_init(&w.log, &w.logs);
    room_log_limit(&w.log, limit);
    w.is_ring_needed = true;
    lose_room();
    for (w.step = 0; w.step < STEPS; w.step++) {
        run_step();
        check_state();
        check_read(pick((unsigned)w.seq + 2));
        check_read(0);
    }
    room_log_deinit(&w.log);
    check(w.logs.ring_bytes == 0);
    for (size_t i = 0; i < w.texts_count; i++)
        free(w.texts[i]);
}

static void news_of_a_change_empties_the_ring(void **state)
{
    struct room_logs logs;
    struct room_log log;

    (void)state;
    open_log(&log, &logs, 100, SIZE_MAX);
    append(&log, 3, 10);
    room_log_note_change(&log, 0, 9);
    assert_true(room_log_has(&log, 3));
    room_log_note_change(&log, 5, 9);
    assert_false(room_log_has(&log, 3));
    assert_int_equal(room_log_changed(&log), 5);
    append(&log, 3, 10);
    room_log_note_change(&log, 5, 9); /* known */
    room_log_note_change(&log, 4, 4); /* from before */
    room_log_note_change(&log, 3, 0);
    assert_true(room_log_has(&log, 6));
    assert_int_equal(room_log_changed(&log), 5);
    room_log_note_change(&log, 2, 6); /* Redis was beyond it, and has it not */
    assert_true(room_log_has(&log, 6));
    assert_int_equal(room_log_changed(&log), 2);
    room_log_start(&log, OTHER_EPOCH, 0);
    assert_int_equal(room_log_changed(&log), 0);
    close_log(&log, &logs);
}

static void the_ring_answers_what_redis_would(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < ROUNDS; seed++)
        run_round(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_holds_at_most_1024_messages),
        cmocka_unit_test(a_ring_holds_a_mebibyte_and_one_message_more),
        cmocka_unit_test(a_ring_holds_no_more_bytes_than_redis_but_one_message),
        cmocka_unit_test(an_unknown_log_answers_nothing),
        cmocka_unit_test(what_a_closed_room_has_given_up_stays_so),
        cmocka_unit_test(a_read_gives_a_batch_at_most),
        cmocka_unit_test(a_message_that_is_not_for_the_ring_empties_it),
        cmocka_unit_test(what_does_not_fit_is_not_put_in_front),
        cmocka_unit_test(only_a_ring_that_holds_all_of_redis_tells_the_start),
        cmocka_unit_test(a_ring_that_is_cut_as_redis_cuts_tells_the_start),
        cmocka_unit_test(an_emptied_ring_tells_nothing_of_the_start),
        cmocka_unit_test(news_of_a_change_empties_the_ring),
        cmocka_unit_test(the_ring_answers_what_redis_would),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
