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
    struct reply_arena arena = {NULL, NULL};
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
    struct reply_arena arena = {NULL, NULL};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_as_those_of_hiredis),
        cmocka_unit_test(a_reply_may_be_larger_than_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
