/* test_cluster_error.c - the words of Redis 7 in a cluster, and what they mean for a call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_error.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct cluster_host asked = {"asked", 7000};

static void each_error_has_its_meaning(void **state)
{
    static const struct {
        const char *text;
        enum cluster_error error;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", CLUSTER_MOVED},
        {"ASK 3999 127.0.0.1:6381", CLUSTER_ASK},
        {"TRYAGAIN Multiple keys request during rehashing of slot", CLUSTER_TRYAGAIN},
        {"CLUSTERDOWN The cluster is down", CLUSTER_DOWN},
        {"CLUSTERDOWN Hash slot not served", CLUSTER_DOWN},
        {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "
         "'no'.",
         CLUSTER_DOWN},
        {"LOADING Redis is loading the dataset in memory", CLUSTER_DOWN},
        {"READONLY You can't write against a read only replica.", CLUSTER_DOWN},
        {"BUSY Redis is busy running a script.", CLUSTER_DOWN},
        {"NOSCRIPT No matching script. Please use EVAL.", CLUSTER_NOSCRIPT},
        {"ERR Script attempted to access a non local key in a cluster node script: "
         "0123456789abcdef0123456789abcdef01234567, on @user_script:7.",
         CLUSTER_HALFWAY},
        {"ERR Error running script (call to f_0123): @user_script:7: Script attempted "
         "to "
         "access a non local key in a cluster node",
         CLUSTER_HALFWAY},
        {"CROSSSLOT Keys in request don't hash to the same slot", CLUSTER_OTHER},
        {"WRONGTYPE Operation against a key holding the wrong kind of value",
         CLUSTER_OTHER},
        {"ERR MOVED 3999 127.0.0.1:6381", CLUSTER_OTHER},
        {"MOVEDX 3999 127.0.0.1:6381", CLUSTER_OTHER},
        {"BUSYKEY Target key name already exists.", CLUSTER_OTHER},
        {"ASKING", CLUSTER_OTHER},
        {"MOVED", CLUSTER_MOVED},
        {" MOVED", CLUSTER_OTHER},
        {"", CLUSTER_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("  %s\n", cases[i].text);
        assert_int_equal(cluster_error_of(cases[i].text), cases[i].error);
    }
}

static void a_redirection_names_a_slot_and_a_master(void **state)
{
    static const struct {
        const char *text;
        unsigned slot;
        const char *host;
        unsigned port;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", 3999, "127.0.0.1", 6381},
        {"ASK 0 127.0.0.1:1", 0, "127.0.0.1", 1},
        {"MOVED 16383 redis-2.example:65535", 16383, "redis-2.example", 65535},
        {"MOVED 1 fd00::17:6381", 1, "fd00::17", 6381},
        {"MOVED 3999 :6381", 3999, "asked", 6381},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cluster_host owner;
        unsigned slot = 99999;

        print_message("  %s\n", cases[i].text);
        assert_true(cluster_error_owner(cases[i].text, &asked, &slot, &owner));
        assert_int_equal(slot, cases[i].slot);
        assert_string_equal(owner.host, cases[i].host);
        assert_int_equal(owner.port, cases[i].port);
    }
}

static void what_names_none_is_no_redirection(void **state)
{
    static const char *const texts[] = {
        "",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED 1:2",
        "MOVED 1 a",
        "MOVED 1 a:",
        "MOVED 1 a:0",
        "MOVED 1 a:65536",
        "MOVED 1 a:-1",
        "MOVED 1 a: 1",
        "MOVED 16384 a:1",
        "MOVED -1 a:1",
        "MOVED x a:1",
        "MOVED  1 a:1",
        "MOVED 1  a:1",
        "MOVED 1 a b:1",
        "MOVED 1 a\x01:1",
        "MOVED 1 ?:1",
        "MOVED 99999999999999999999 a:1",
        "TRYAGAIN 1 a:1",
        "ERR MOVED 1 a:1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct cluster_host owner;
        unsigned slot;

        print_message("  %s\n", texts[i]);
        assert_false(cluster_error_owner(texts[i], &asked, &slot, &owner));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_meaning),
        cmocka_unit_test(a_redirection_names_a_slot_and_a_master),
        cmocka_unit_test(what_names_none_is_no_redirection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
