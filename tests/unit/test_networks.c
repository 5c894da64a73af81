/* test_networks.c - addresses in all their forms, and which networks they are in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "common/networks.h"

static bool parse(struct address *out, const char *text)
{
    return address_parse(out, text, strlen(text));
}

static void an_address_has_one_form_however_it_was_written(void **state)
{
    static const struct {
        const char *text, *printed; /* NULL: it is none */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"0:0:0:0:0:FFFF:C000:0201", "192.0.2.1"},
        {"2001:DB8:0::1", "2001:db8::1"},
        {"::", "::"},
        {"", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.2.01", NULL},
        {" 192.0.2.1", NULL},
        {"192.0.2.1:80", NULL},
        {"[2001:db8::1]", NULL},
        {"fe80::1%eth0", NULL},
        {"2001:db8::1::2", NULL},
        {"unknown", NULL},
        {"0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        char text[ADDRESS_TEXT_MAX] = "";

        if (parse(&address, cases[i].text) != (cases[i].printed != NULL))
            fail_msg("%s", cases[i].text);
        if (!cases[i].printed)
            continue;
        address_print(text, &address);
        assert_string_equal(text, cases[i].printed);
    }
    assert_false(address_parse(&(struct address){{0}}, "::1\0", 4));
}

static void a_socket_of_either_family_has_one(void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct address address, expected;

    (void)state;
    assert_true(address_from_socket(&address, (struct sockaddr *)&v4));
    assert_true(parse(&expected, "127.0.0.1"));
    assert_memory_equal(&address, &expected, sizeof(address));
    assert_true(parse(&expected, "2001:db8::7"));
    memcpy(&v6.sin6_addr, expected.bytes, ADDRESS_BYTES);
    assert_true(address_from_socket(&address, (struct sockaddr *)&v6));
    assert_memory_equal(&address, &expected, sizeof(address));
    assert_true(parse(&expected, "192.0.2.7"));
    memcpy(&v6.sin6_addr, expected.bytes, ADDRESS_BYTES); /* of a socket for both */
    assert_true(address_from_socket(&address, (struct sockaddr *)&v6));
    assert_true(address_is_v4(&address));
    assert_false(address_from_socket(&address, &other));
}

static void what_is_behind_the_first_bits_can_be_cut(void **state)
{
    struct address address;
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    assert_true(parse(&address, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    address_cut(&address, 64);
    address_print(text, &address);
    assert_string_equal(text, "2001:db8:ffff:ffff::");
    address_cut(&address, 35);
    address_print(text, &address);
    assert_string_equal(text, "2001:db8:e000::");
    address_cut(&address, 0);
    address_print(text, &address);
    assert_string_equal(text, "::");
}

static void a_list_has_its_addresses_and_those_of_its_networks(void **state)
{
    static const struct {
        const char *list, *address;
        bool expected;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.3/8", "10.255.0.1", true},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"192.0.2.1/32", "192.0.2.1", true},
        {"192.0.2.1/31", "192.0.2.0", true},
        {"192.0.2.1/31", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"::ffff:10.0.0.0/104", "11.9.9.9", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::2", false},
        {" 192.0.2.1 , 10.0.0.0/8 ", "10.0.0.1", true},
        {"192.0.2.1,::1,10.0.0.0/8", "::1", true},
        {"192.0.2.1,::1,10.0.0.0/8", "::2", false},
    };
    struct networks networks = {NULL, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;

        assert_true(parse(&address, cases[i].address));
        assert_null(networks_parse(&networks, cases[i].list));
        if (networks_have(&networks, &address) != cases[i].expected)
            fail_msg("%s in %s", cases[i].address, cases[i].list);
    }
    networks_deinit(&networks);
    assert_false(networks_have(&networks, &(struct address){{0}}));
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ",",
        "10.0.0.0/8,",
        ",10.0.0.0/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0/8",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0.0 /8",
        "::1/129",
        "balancer",
        "*",
        "[::1]",
        "10.0.0.0/8 ::1",
        "10.0.0.1:80",
    };
    struct networks networks = {NULL, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!networks_parse(&networks, bad[i]))
            fail_msg("%s", bad[i]);
    networks_deinit(&networks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_form_however_it_was_written),
        cmocka_unit_test(a_socket_of_either_family_has_one),
        cmocka_unit_test(what_is_behind_the_first_bits_can_be_cut),
        cmocka_unit_test(a_list_has_its_addresses_and_those_of_its_networks),
        cmocka_unit_test(what_is_no_network_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
