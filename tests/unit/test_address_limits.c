/* test_address_limits.c - what one address may have, which addresses are one, and whose place is taken
 * when the table is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/address_limits.h"

static struct address_limits limits;
static uint32_t now_ms;

static void begin(const struct config *config)
{
    now_ms = 1000;
    address_limits_init(&limits, config);
}

/* NULL where it is refused, with *why set. */
static struct address_entry *come(const char *text, enum refused_connect *why)
{
    struct address address;
    struct address_entry *entry;

    assert_true(address_parse(&address, text, strlen(text)));
    if (address_limits_enter(&limits, &address, now_ms, &entry, why))
        return entry;
    if (entry)
        address_limits_leave(&limits, entry, ADDRESS_REFUSED);
    return NULL;
}

static struct address_entry *expect_in(const char *text)
{
    enum refused_connect why;
    struct address_entry *entry = come(text, &why);

    assert_non_null(entry);
    return entry;
}

static void expect_refused(const char *text, enum refused_connect expected)
{
    enum refused_connect why = REFUSED_TOKEN_IN_URL;

    assert_null(come(text, &why));
    assert_int_equal(why, expected);
}

static void pending_connections_are_limited_and_proven_ones_are_not(void **state)
{
    struct address_entry *first, *second, *third;

    (void)state;
    begin(&(struct config){.address_pending_max = 2});
    assert_true(address_limits_are_on(&limits));
    first = expect_in("192.0.2.1");
    second = expect_in("192.0.2.1");
    expect_refused("192.0.2.1", REFUSED_PENDING);
    address_limits_settle(&limits, first);
    third = expect_in("192.0.2.1");
    expect_refused("192.0.2.1", REFUSED_PENDING);
    address_limits_leave(&limits, second, ADDRESS_PENDING);
    address_limits_leave(&limits, third, ADDRESS_PENDING);
    second = expect_in("192.0.2.1");
    address_limits_leave(&limits, second, ADDRESS_PENDING);
    address_limits_leave(&limits, first, ADDRESS_SETTLED);
    address_limits_deinit(&limits);
}

static void connections_are_limited_whatever_they_have_proven(void **state)
{
    struct address_entry *first, *second;

    (void)state;
    begin(&(struct config){.address_connections_max = 2});
    first = expect_in("192.0.2.1");
    address_limits_settle(&limits, first);
    second = expect_in("192.0.2.1");
    expect_refused("192.0.2.1", REFUSED_CONNECTIONS);
    address_limits_leave(&limits, first, ADDRESS_SETTLED);
    first = expect_in("192.0.2.1");
    address_limits_leave(&limits, first, ADDRESS_PENDING);
    address_limits_leave(&limits, second, ADDRESS_PENDING);
    address_limits_deinit(&limits);
}

static void connects_are_limited_by_a_bucket_that_outlives_connections(void **state)
{
    (void)state;
    begin(&(struct config){.address_connects_per_sec = 2, .address_connects_burst = 3});
    for (int i = 0; i < 3; i++)
        address_limits_leave(&limits, expect_in("192.0.2.1"), ADDRESS_PENDING);
    expect_refused("192.0.2.1", REFUSED_RATE);
    address_limits_leave(&limits, expect_in("192.0.2.2"), ADDRESS_PENDING);
    now_ms += 500;
    address_limits_leave(&limits, expect_in("192.0.2.1"), ADDRESS_PENDING);
    expect_refused("192.0.2.1", REFUSED_RATE);
    now_ms -= 400; /* the clock of another worker is behind */
    expect_refused("192.0.2.1", REFUSED_RATE);
    address_limits_deinit(&limits);
}

static void an_ipv6_network_of_64_bits_is_one_address(void **state)
{
    struct address_entry *entry, *other, *mapped;

    (void)state;
    begin(&(struct config){.address_connections_max = 1});
    entry = expect_in("2001:db8:1:2::1");
    expect_refused("2001:db8:1:2:ffff::9", REFUSED_CONNECTIONS);
    other = expect_in("2001:db8:1:3::1");
    mapped = expect_in("::ffff:192.0.2.1");
    expect_refused("192.0.2.1", REFUSED_CONNECTIONS);
    address_limits_leave(&limits, expect_in("192.0.2.2"), ADDRESS_PENDING);
    address_limits_leave(&limits, entry, ADDRESS_PENDING);
    address_limits_leave(&limits, other, ADDRESS_PENDING);
    address_limits_leave(&limits, mapped, ADDRESS_PENDING);
    address_limits_deinit(&limits);
}

static void only_so_many_refused_ones_get_an_answer_at_once(void **state)
{
    struct address address;
    struct address_entry *first, *refused[ADDRESS_LIMITS_REFUSED], *more;
    enum refused_connect why;

    (void)state;
    begin(&(struct config){.address_connections_max = 1});
    assert_true(address_parse(&address, "::1", 3));
    first = expect_in("::1");
    for (int i = 0; i < ADDRESS_LIMITS_REFUSED; i++) {
        assert_false(
            address_limits_enter(&limits, &address, now_ms, &refused[i], &why));
        assert_non_null(refused[i]);
    }
    assert_false(address_limits_enter(&limits, &address, now_ms, &more, &why));
    assert_null(more);
    assert_int_equal(why, REFUSED_CONNECTIONS);
    address_limits_leave(&limits, first, ADDRESS_PENDING);
    first = expect_in("::1"); /* who was refused takes nobody's place */
    address_limits_leave(&limits, first, ADDRESS_PENDING);
    for (int i = 0; i < ADDRESS_LIMITS_REFUSED; i++)
        address_limits_leave(&limits, refused[i], ADDRESS_REFUSED);
    address_limits_deinit(&limits);
}

static void the_address_that_is_idle_for_longest_makes_room(void **state)
{
    struct address_entry *busy;

    (void)state;
    begin(&(struct config){.address_connects_per_sec = 1, .address_connects_burst = 1});
    limits.addresses_max = 3;
    busy = expect_in("192.0.2.1");
    address_limits_leave(&limits, expect_in("192.0.2.2"), ADDRESS_PENDING);
    address_limits_leave(&limits, expect_in("192.0.2.3"), ADDRESS_PENDING);
    expect_refused("192.0.2.2", REFUSED_RATE); /* it is the latest now */
    address_limits_leave(&limits, expect_in("192.0.2.4"), ADDRESS_PENDING);
    assert_int_equal(limits.entries.count, 3);
    expect_refused("192.0.2.1", REFUSED_RATE);
    expect_refused("192.0.2.2", REFUSED_RATE);
    address_limits_leave(&limits, expect_in("192.0.2.3"), ADDRESS_PENDING);
    address_limits_leave(&limits, busy, ADDRESS_PENDING);
    address_limits_deinit(&limits);
}

static void where_all_addresses_are_busy_the_next_one_is_not_counted(void **state)
{
    struct address address;
    struct address_entry *first, *second, *entry;
    enum refused_connect why;

    (void)state;
    begin(&(struct config){.address_connections_max = 1});
    limits.addresses_max = 2;
    first = expect_in("192.0.2.1");
    second = expect_in("192.0.2.2");
    assert_true(address_parse(&address, "192.0.2.3", 9));
    for (int i = 0; i < 2; i++) {
        assert_true(address_limits_enter(&limits, &address, now_ms, &entry, &why));
        assert_null(entry);
    }
    expect_refused("192.0.2.1", REFUSED_CONNECTIONS);
    address_limits_leave(&limits, first, ADDRESS_PENDING);
    address_limits_leave(&limits, second, ADDRESS_PENDING);
    address_limits_deinit(&limits);
}

static void without_a_setting_there_is_no_limit(void **state)
{
    (void)state;
    begin(&(struct config){.address_pending_max = 0});
    assert_false(address_limits_are_on(&limits));
    address_limits_deinit(&limits);
}

/* ---- four threads, whose connections come and go ---- */

enum { THREADS = 4, ROUNDS = 20000 };

static void come_and_go(void *arg)
{
    struct address address = {{[15] = 1}};

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct address_entry *entry;
        enum refused_connect why;
        bool is_in;

        address.bytes[7] = (unsigned char)(i % 5);
        is_in = address_limits_enter(&limits, &address, (uint32_t)i, &entry, &why);
        if (is_in && entry && i % 3 == 0) {
            address_limits_settle(&limits, entry);
            address_limits_leave(&limits, entry, ADDRESS_SETTLED);
        } else if (entry) {
            address_limits_leave(&limits, entry,
                                 is_in ? ADDRESS_PENDING : ADDRESS_REFUSED);
        }
    }
}

static void workers_share_it(void **state)
{
    uv_thread_t threads[THREADS];

    (void)state;
    begin(&(struct config){.address_connections_max = 2});
    limits.addresses_max = 3;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], come_and_go, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    address_limits_deinit(&limits); /* which asserts that nobody is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pending_connections_are_limited_and_proven_ones_are_not),
        cmocka_unit_test(connections_are_limited_whatever_they_have_proven),
        cmocka_unit_test(connects_are_limited_by_a_bucket_that_outlives_connections),
        cmocka_unit_test(an_ipv6_network_of_64_bits_is_one_address),
        cmocka_unit_test(only_so_many_refused_ones_get_an_answer_at_once),
        cmocka_unit_test(the_address_that_is_idle_for_longest_makes_room),
        cmocka_unit_test(where_all_addresses_are_busy_the_next_one_is_not_counted),
        cmocka_unit_test(without_a_setting_there_is_no_limit),
        cmocka_unit_test(workers_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
