/* test_list.c - joining, leaving and walking a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/list.h"

struct item {
    int number;
    struct list link;
};

static int sum_of(struct list *head)
{
    int sum = 0;

    list_each(link, head)
        sum = sum * 10 + list_entry(link, struct item, link)->number;
    return sum;
}

static void items_are_walked_in_the_order_they_came(void **state)
{
    struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct list head;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 3; i++)
        list_add(&head, &items[i].link);

    assert_int_equal(sum_of(&head), 123);
    assert_ptr_equal(list_first(&head), &items[0].link);
}

static void an_item_may_be_removed_twice(void **state)
{
    struct item items[] = {{.number = 1}, {.number = 2}};
    struct list head;

    (void)state;
    list_init(&head);
    list_add(&head, &items[0].link);
    list_add(&head, &items[1].link);
    list_remove(&items[0].link);
    list_remove(&items[0].link);

    assert_int_equal(sum_of(&head), 2);
}

static void the_walk_may_remove_where_it_stands(void **state)
{
    struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct list head;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 3; i++)
        list_add(&head, &items[i].link);
    list_each(link, &head)
        list_remove(link);

    assert_true(list_is_empty(&head));
    assert_null(list_first(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_walked_in_the_order_they_came),
        cmocka_unit_test(an_item_may_be_removed_twice),
        cmocka_unit_test(the_walk_may_remove_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
