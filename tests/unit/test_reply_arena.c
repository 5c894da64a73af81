/* test_reply_arena.c - hiredis' replies out of an arena: the same objects as its own, also
 * in pieces and larger than a chunk, time after time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/reply_arena.h"

static void expect_same(const redisReply *a, const redisReply *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->integer, b->integer);
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->elements, b->elements);
    assert_int_equal(a->str == NULL, b->str == NULL);
    if (a->str)
        assert_memory_equal(a->str, b->str, a->len + 1);
    for (size_t i = 0; i < a->elements; i++)
        expect_same(a->element[i], b->element[i]);
}

/* Feeds both readers in pieces of `step` bytes. */
static void read_both(redisReader *ours, redisReader *theirs, const char *bytes,
                      size_t len, size_t step)
{
    void *a = NULL, *b = NULL;

    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;

        redisReaderFeed(ours, bytes + at, n);
        redisReaderFeed(theirs, bytes + at, n);
        assert_int_equal(redisReaderGetReply(ours, &a), REDIS_OK);
        assert_int_equal(redisReaderGetReply(theirs, &b), REDIS_OK);
        assert_int_equal(a == NULL, b == NULL);
    }
    assert_non_null(a);
    expect_same(a, b);
    freeReplyObject(b);
}

static void replies_are_as_those_of_hiredis(void **state)
{
    static const char *const replies[] = {
        "+OK\r\n",
        "-ERR no\r\n",
        ":-7\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "$0\r\n\r\n",
        "*5\r\n$2\r\nok\r\n:7\r\n$-1\r\n*2\r\n$0\r\n\r\n*1\r\n:1\r\n+x\r\n",
    };
    struct reply_arena arena = {NULL, NULL, 0};
    redisReader *ours = redisReaderCreateWithFunctions(&reply_arena_functions);
    redisReader *theirs = redisReaderCreate();

    (void)state;
    ours->privdata = &arena;
    for (size_t step = 1; step < 64; step += 9)
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
            read_both(ours, theirs, replies[i], strlen(replies[i]), step);
            reply_arena_reset(&arena);
        }
    redisReaderFree(ours);
    redisReaderFree(theirs);
    reply_arena_deinit(&arena);
}

static void a_reply_may_be_larger_than_a_chunk(void **state)
{
    enum { SIZE = 200000 };
    struct reply_arena arena = {NULL, NULL, 0};
    redisReader *ours = redisReaderCreateWithFunctions(&reply_arena_functions);
    redisReader *theirs = redisReaderCreate();
    char *bytes = malloc(SIZE + 64);
    int head = sprintf(bytes, "*2\r\n:1\r\n$%d\r\n", SIZE);

    (void)state;
    memset(bytes + head, 'x', SIZE);
    memcpy(bytes + head + SIZE, "\r\n", 2);
    ours->privdata = &arena;
    for (int round = 0; round < 3; round++) {
        read_both(ours, theirs, bytes, (size_t)head + SIZE + 2, 50000);
        reply_arena_reset(&arena);
    }
    redisReaderFree(ours);
    redisReaderFree(theirs);
    reply_arena_deinit(&arena);
    free(bytes);
}

/* ---- what is larger than anything that was asked for ---- */

static redisReader *new_reader(struct reply_arena *arena)
{
    redisReader *reader = redisReaderCreateWithFunctions(&reply_arena_functions);

    reader->privdata = arena;
    reader->maxbuf = 0;
    return reader;
}

/* In one piece or byte by byte: refused, and next to nothing was taken for it. */
static void expect_refused(const char *bytes, size_t len, size_t step)
{
    struct reply_arena arena = {NULL, NULL, 0};
    redisReader *reader = new_reader(&arena);
    void *reply = NULL;
    bool refused = false;

    for (size_t at = 0; at < len && !refused; at += step) {
        redisReaderFeed(reader, bytes + at, len - at < step ? len - at : step);
        refused = redisReaderGetReply(reader, &reply) != REDIS_OK ||
                  reply_arena_is_overrun(reader);
        assert_null(reply);
    }
    assert_true(refused);
    assert_true(arena.bytes <= 1024 * 1024);
    redisReaderFree(reader);
    reply_arena_deinit(&arena);
}

static void what_is_announced_too_large_is_refused_at_once(void **state)
{
    static const char *const replies[] = {
        "*2147483647\r\n",
        "*65537\r\n",
        "*1000000000000\r\n",
        "*2\r\n:1\r\n*2147483647\r\n",
        "$2000000000\r\n",
        "$33554433\r\n",
        "$9223372036854775807\r\nx",
        "*2\r\n:1\r\n$2000000000\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        expect_refused(replies[i], strlen(replies[i]), strlen(replies[i]));
        expect_refused(replies[i], strlen(replies[i]), 1);
    }
}

/* Eight bytes of it cost half a megabyte here. */
static void arrays_within_arrays_are_refused_together(void **state)
{
    struct reply_arena arena = {NULL, NULL, 0};
    redisReader *reader = new_reader(&arena);
    void *reply = NULL;
    unsigned count = 0;

    (void)state;
    redisReaderFeed(reader, "*65536\r\n", 8);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK) {
        assert_true(++count < 65536);
        redisReaderFeed(reader, "*60000\r\n", 8);
        for (int i = 0; i < 60000; i++)
            redisReaderFeed(reader, "*0\r\n", 4);
    }
    assert_int_equal(reader->err, REDIS_ERR_OOM);
    assert_true(arena.bytes <= REPLY_BYTES_MAX);
    redisReaderFree(reader);
    reply_arena_deinit(&arena);
}

static void a_line_without_an_end_is_refused(void **state)
{
    enum { PIECE = 1024 * 1024 };
    struct reply_arena arena = {NULL, NULL, 0};
    redisReader *reader = new_reader(&arena);
    char *piece = malloc(PIECE);
    void *reply = NULL;
    size_t fed = 1;

    (void)state;
    memset(piece, 'x', PIECE);
    redisReaderFeed(reader, "+", 1);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK &&
           !reply_arena_is_overrun(reader)) {
        redisReaderFeed(reader, piece, PIECE);
        fed += PIECE;
        assert_true(fed <= REPLY_BULK_MAX + 2 * PIECE);
    }
    redisReaderFree(reader);
    reply_arena_deinit(&arena);
    free(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_as_those_of_hiredis),
        cmocka_unit_test(a_reply_may_be_larger_than_a_chunk),
        cmocka_unit_test(what_is_announced_too_large_is_refused_at_once),
        cmocka_unit_test(arrays_within_arrays_are_refused_together),
        cmocka_unit_test(a_line_without_an_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
