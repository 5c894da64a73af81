/* test_withheld.c - notices under another token: they come in order, and too many are dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"
#include "gateway/withheld.h"

static struct withheld w;

static int set_up(void **state)
{
    (void)state;
    withheld_init(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    withheld_clear(&w);
    return 0;
}

static void add(uint64_t term, const char *text)
{
    withheld_add(&w, (struct token){.term = term},
                 (struct json_text){text, strlen(text)});
}

static void add_bytes(size_t len)
{
    char *bytes = xcalloc(1, len);

    withheld_add(&w, (struct token){.term = 1}, (struct json_text){bytes, len});
    free(bytes);
}

static unsigned take(bool *has_dropped)
{
    struct list taken, *link;
    unsigned count = 0;

    *has_dropped = withheld_take(&w, &taken);
    while ((link = list_first(&taken))) {
        list_remove(link);
        free(list_entry(link, struct withheld_notice, link));
        count++;
    }
    return count;
}

static void notices_are_taken_in_order_with_their_tokens(void **state)
{
    static const char *const texts[] = {"one", "two", "three"};
    struct list taken, *link;
    uint64_t term = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        add((uint64_t)i + 1, texts[i]);
    assert_false(withheld_take(&w, &taken));
    while ((link = list_first(&taken))) {
        struct withheld_notice *notice = list_entry(link, struct withheld_notice, link);

        assert_int_equal(notice->len, strlen(texts[term]));
        assert_memory_equal(notice->text, texts[term], notice->len);
        assert_int_equal(notice->token.term, ++term);
        list_remove(link);
        free(notice);
    }
    assert_int_equal(term, 3);
    assert_true(list_is_empty(&w.notices));
    assert_int_equal(w.bytes, 0);
}

static void notices_beyond_the_bound_drop_those_before(void **state)
{
    bool has_dropped;

    (void)state;
    add_bytes(WITHHELD_MAX_BYTES - 10);
    add_bytes(10);
    assert_int_equal(w.bytes, WITHHELD_MAX_BYTES);
    assert_false(w.has_dropped);
    add_bytes(1);
    assert_int_equal(w.bytes, 1);
    assert_int_equal(take(&has_dropped), 1);
    assert_true(has_dropped);
    assert_int_equal(take(&has_dropped), 0);
    assert_false(has_dropped); /* it was told once */
}

static void a_notice_longer_than_the_bound_is_dropped(void **state)
{
    bool has_dropped;

    (void)state;
    add(1, "one");
    add_bytes(WITHHELD_MAX_BYTES + 1);
    assert_int_equal(take(&has_dropped), 0);
    assert_true(has_dropped);
}

static void after_a_clear_nothing_was_missed(void **state)
{
    bool has_dropped;

    (void)state;
    add_bytes(WITHHELD_MAX_BYTES + 1);
    add(1, "one");
    withheld_clear(&w);
    assert_int_equal(take(&has_dropped), 0);
    assert_false(has_dropped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(notices_are_taken_in_order_with_their_tokens),
        TEST(notices_beyond_the_bound_drop_those_before),
        TEST(a_notice_longer_than_the_bound_is_dropped),
        TEST(after_a_clear_nothing_was_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
