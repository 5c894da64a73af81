/* test_reply.c - looking into replies of any shape: what is not there is nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/reply.h"
#include "tests/support/unit/read_reply.h"

static int start(void **state)
{
    (void)state;
    read_reply_open();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    read_reply_close();
    return 0;
}

static const char *const shapes[] = {
    "$-1\r\n",       "*-1\r\n",        "*0\r\n",        ":7\r\n",
    "+OK\r\n",       "-ERR\r\n",       "-\r\n",         "$0\r\n\r\n",
    "$2\r\nok\r\n",  "*1\r\n$-1\r\n",  "*1\r\n:1\r\n",  "*1\r\n*0\r\n",
    "*1\r\n*-1\r\n", "*1\r\n-ERR\r\n", "*1\r\n+ok\r\n", "*2\r\n*1\r\n:1\r\n$-1\r\n",
};

/* Whatever is asked of whatever came: nothing falls over, and texts are never NULL. */
static void any_question_may_be_put_to_any_reply(void **state)
{
    size_t count = sizeof(shapes) / sizeof(shapes[0]);

    (void)state;
    for (size_t i = 0; i <= count; i++) {
        const redisReply *reply = i < count ? read_reply(shapes[i]) : NULL;
        char epoch[PROTO_EPOCH_LEN + 1], cursor[REPLY_CURSOR_BYTES];
        long long number;

        assert_non_null(reply_string(reply).base);
        assert_non_null(reply_error(reply));
        reply_value(reply);
        for (size_t k = 0; k < 3; k++) {
            assert_non_null(reply_text(reply, k).base);
            reply_number(reply, k);
            assert_false(reply_take_epoch(epoch, reply, k));
            assert_false(reply_take_cursor(cursor, reply, k));
            if (k >= reply_count(reply)) {
                assert_null(reply_at(reply, k));
                assert_false(reply_take_number(reply, k, &number));
                assert_false(reply_has_text(reply, k));
            }
        }
    }
}

static void what_is_there_is_given(void **state)
{
    const redisReply *reply = read_reply("*5\r\n$2\r\nok\r\n:-3\r\n:4\r\n$16\r\n"
                                         "0123456789abcdef\r\n$2\r\n17\r\n");
    char epoch[PROTO_EPOCH_LEN + 1], cursor[REPLY_CURSOR_BYTES];
    long long number;

    (void)state;
    assert_int_equal(reply_count(reply), 5);
    assert_true(reply_is_text(reply, 0, "ok"));
    assert_false(reply_is_text(reply, 0, "o"));
    assert_int_equal(reply_number(reply, 1), 0);
    assert_true(reply_take_number(reply, 1, &number));
    assert_int_equal(number, -3);
    assert_int_equal(reply_number(reply, 2), 4);
    assert_true(reply_take_epoch(epoch, reply, 3));
    assert_string_equal(epoch, "0123456789abcdef");
    assert_true(reply_take_cursor(cursor, reply, 4));
    assert_string_equal(cursor, "17");
    assert_int_equal(reply_decimal(reply_text(reply, 4)), 17);
    assert_int_equal(reply_decimal(reply_text(reply, 3)), 0);
    assert_int_equal(reply_value(read_reply(":9\r\n")), 9);
    assert_true(reply_is_value(read_reply(":0\r\n"), 0));
    assert_false(reply_is_value(read_reply("$-1\r\n"), 0));
    assert_string_equal(reply_error(read_reply("-ERR no\r\n")), "ERR no");
    assert_true(reply_is_error(read_reply("-\r\n")));
}

static void an_epoch_is_sixteen_hex_digits(void **state)
{
    static const char *const others[] = {"",
                                         "0123456789abcde",
                                         "0123456789abcdef0",
                                         "0123456789abcdeg",
                                         "0123456789ABCDEF",
                                         "0123456789abcd\xc3\xa4"};

    (void)state;
    assert_true(proto_is_epoch("0123456789abcdef", 16));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(proto_is_epoch(others[i], strlen(others[i])));
}

static void a_node_is_called_by_plain_letters(void **state)
{
    char longest[PROTO_NODE_MAX + 1];

    (void)state;
    memset(longest, 'n', sizeof(longest));
    assert_true(proto_is_node("host-1.example_2-17-0a0b0c0d.3", 30));
    assert_true(proto_is_node(longest, PROTO_NODE_MAX));
    assert_false(proto_is_node(longest, PROTO_NODE_MAX + 1));
    assert_false(proto_is_node("", 0));
    assert_false(proto_is_node("a b", 3));
    assert_false(proto_is_node("a:rooms", 7));
    assert_false(proto_is_node("a\0b", 3));
    assert_false(proto_is_node("\xc3\xa4", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_question_may_be_put_to_any_reply),
        cmocka_unit_test(what_is_there_is_given),
        cmocka_unit_test(an_epoch_is_sixteen_hex_digits),
        cmocka_unit_test(a_node_is_called_by_plain_letters),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
