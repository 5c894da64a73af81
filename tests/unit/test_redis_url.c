/* test_redis_url.c - ROOMCAST_REDIS_URL in all its forms, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/redis_url.h"

static const struct {
    const char *text;
    enum redis_form form;
    bool is_tls;
    const char *user, *password, *hosts, *path, *name;
    int db;
} good[] = {
    {"redis://h", REDIS_TCP, false, NULL, NULL, "h 6379", NULL, NULL, 0},
    {"redis://h/", REDIS_TCP, false, NULL, NULL, "h 6379", NULL, NULL, 0},
    {"redis://h:1/15", REDIS_TCP, false, NULL, NULL, "h 1", NULL, NULL, 15},
    {"redis://:p@h", REDIS_TCP, false, NULL, "p", "h 6379", NULL, NULL, 0},
    {"redis://u:p@h:65535/3", REDIS_TCP, false, "u", "p", "h 65535", NULL, NULL, 3},
    {"redis://u%40x:p%3A%2f%25%C3%A9@h", REDIS_TCP, false, "u@x", "p:/%\xc3\xa9",
     "h 6379", NULL, NULL, 0},
    {"redis://:a/b@c:d,e@h:1", REDIS_TCP, false, NULL, "a/b@c:d,e", "h 1", NULL, NULL,
     0},
    {"redis://:a%2Credis%3A%2F%2Fb@h", REDIS_TCP, false, NULL, "a,redis://b", "h 6379",
     NULL, NULL, 0},
    {"redis://[::1]", REDIS_TCP, false, NULL, NULL, "::1 6379", NULL, NULL, 0},
    {"redis://u:p@[fe80::1%eth0]:6380/1", REDIS_TCP, false, "u", "p",
     "fe80::1%eth0 6380", NULL, NULL, 1},
    {"redis://h/2147483647", REDIS_TCP, false, NULL, NULL, "h 6379", NULL, NULL,
     2147483647},
    {"rediss://u:p@h:6380/2", REDIS_TCP, true, "u", "p", "h 6380", NULL, NULL, 2},
    {"redis+unix:///run/redis.sock", REDIS_UNIX, false, NULL, NULL, "",
     "/run/redis.sock", NULL, 0},
    {"redis+unix://u:p@/run/redis.sock?db=7", REDIS_UNIX, false, "u", "p", "",
     "/run/redis.sock", NULL, 7},
    {"redis+unix://:a@b/c@/run/r%3F%40.sock?db=0", REDIS_UNIX, false, NULL, "a@b/c", "",
     "/run/r?@.sock", NULL, 0},
    {"redis+sentinel://s1/mymaster", REDIS_SENTINEL, false, NULL, NULL, "s1 26379",
     NULL, "mymaster", 0},
    {"redis+sentinel://u:p@s1:1,s2,[::1]:3/my%2Fmaster/4", REDIS_SENTINEL, false, "u",
     "p", "s1 1, s2 26379, ::1 3", NULL, "my/master", 4},
    {"rediss+sentinel://s1,s2/m/", REDIS_SENTINEL, true, NULL, NULL,
     "s1 26379, s2 26379", NULL, "m", 0},
    {"redis+cluster://a", REDIS_CLUSTER, false, NULL, NULL, "a 6379", NULL, NULL, 0},
    {"redis+cluster://u:p,q@a:1,b:2,c/", REDIS_CLUSTER, false, "u", "p,q",
     "a 1, b 2, c 6379", NULL, NULL, 0},
    {"rediss+cluster://a,b", REDIS_CLUSTER, true, NULL, NULL, "a 6379, b 6379", NULL,
     NULL, 0},
};

static void assert_same_text(const char *text, const char *wanted)
{
    if (wanted && text)
        assert_string_equal(text, wanted);
    else
        assert_ptr_equal(text, wanted);
}

static void assert_hosts(const struct redis_url *url, const char *wanted)
{
    char text[256] = "";

    for (unsigned i = 0; i < url->hosts_count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s",
                 i > 0 ? ", " : "", url->hosts[i].host, url->hosts[i].port);
    assert_string_equal(text, wanted);
}

static void every_form_is_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct redis_urls urls = {0};

        print_message("  %s\n", good[i].text);
        assert_null(redis_urls_parse(&urls, good[i].text));
        assert_int_equal(urls.count, 1);
        assert_int_equal(urls.urls[0].form, good[i].form);
        assert_int_equal(urls.urls[0].is_tls, good[i].is_tls);
        assert_same_text(urls.urls[0].user, good[i].user);
        assert_same_text(urls.urls[0].password, good[i].password);
        assert_same_text(urls.urls[0].path, good[i].path);
        assert_same_text(urls.urls[0].name, good[i].name);
        assert_int_equal(urls.urls[0].db, good[i].db);
        assert_hosts(&urls.urls[0], good[i].hosts);
        redis_urls_deinit(&urls);
        redis_urls_deinit(&urls);
    }
}

static void a_list_is_cut_at_a_comma_before_a_scheme(void **state)
{
    static const char text[] =
        "redis://:a,b@h1,rediss://h2:7/1,redis+unix://u:p@/r.sock?db=2,"
        "redis+sentinel://s1,s2:3/m,redis://h3";
    struct redis_urls urls = {0};

    (void)state;
    assert_null(redis_urls_parse(&urls, text));
    assert_int_equal(urls.count, 5);
    assert_string_equal(urls.urls[0].password, "a,b");
    assert_hosts(&urls.urls[0], "h1 6379");
    assert_true(urls.urls[1].is_tls);
    assert_hosts(&urls.urls[1], "h2 7");
    assert_int_equal(urls.urls[1].db, 1);
    assert_string_equal(urls.urls[2].path, "/r.sock");
    assert_int_equal(urls.urls[2].db, 2);
    assert_hosts(&urls.urls[3], "s1 26379, s2 3");
    assert_null(urls.urls[4].password);
    assert_hosts(&urls.urls[4], "h3 6379");
    redis_urls_deinit(&urls);
}

static void list_of(char *text, size_t size, unsigned count)
{
    text[0] = '\0';
    for (unsigned i = 0; i < count; i++)
        snprintf(text + strlen(text), size - strlen(text), "%sredis://h%u",
                 i > 0 ? "," : "", i);
}

static void a_list_has_at_most_64_entries(void **state)
{
    char text[2048];
    struct redis_urls urls = {0};

    (void)state;
    list_of(text, sizeof(text), 64);
    assert_null(redis_urls_parse(&urls, text));
    assert_int_equal(urls.count, 64);
    assert_hosts(&urls.urls[63], "h63 6379");
    redis_urls_deinit(&urls);
    list_of(text, sizeof(text), 65);
    assert_string_equal(redis_urls_parse(&urls, text), "names more than 64 Redis");
    redis_urls_deinit(&urls);
}

static void at_most_64_hosts_are_named(void **state)
{
    char text[1024] = "redis+cluster://h";
    struct redis_urls urls = {0};

    (void)state;
    while (strlen(text) < strlen("redis+cluster://h") + 2 * 63)
        strcat(text, ",h");
    assert_null(redis_urls_parse(&urls, text));
    assert_int_equal(urls.urls[0].hosts_count, 64);
    redis_urls_deinit(&urls);
    strcat(text, ",h");
    assert_non_null(redis_urls_parse(&urls, text));
    redis_urls_deinit(&urls);
}

/* The first word of a reason that only its row can have; hunter2 is the secret. */
static const struct {
    const char *text, *reason;
} bad[] = {
    {"", "must begin with"},
    {"h:6379", "must begin with"},
    {"http://h", "must begin with"},
    {"REDIS://h", "must begin with"},
    {"redis:/h", "must begin with"},
    {" redis://h", "must begin with"},
    {"rediss+unix:///r.sock", "must begin with"},
    {"redis+tls://h", "must begin with"},
    {"redis://", "must name a host"},
    {"redis://:6379", "must name a host"},
    {"redis://h:", "must name a host"},
    {"redis://h:0", "must name a host"},
    {"redis://h:65536", "must name a host"},
    {"redis://h:6379x", "must name a host"},
    {"redis://h:99999999999999999999", "must name a host"},
    {"redis://h :1", "must name a host"},
    {"redis://[::1", "must name a host"},
    {"redis://[::1]x", "must name a host"},
    {"redis://::1", "must name a host"},
    {"redis://h?db=1", "must name a host"},
    {"redis://h#1", "must name a host"},
    {"redis://u:hunter2@", "must name a host"},
    {"redis://u:hunter2@/1", "must name a host"},
    {"redis://h/x", "must end in the number"},
    {"redis://h/-1", "must end in the number"},
    {"redis://h/+1", "must end in the number"},
    {"redis://h/1/", "must end in the number"},
    {"redis://h/1?x", "must end in the number"},
    {"redis://h/2147483648", "must end in the number"},
    {"redis://h/99999999999999999999", "must end in the number"},
    {"redis://a:1,b:2", "names several hosts"},
    {"redis://a,", "names several hosts"},
    {"redis://u:hunter2@a,b", "names several hosts"},
    {"redis://hunter2@h", "has a user without a password"},
    {"redis://@h", "has a user without a password"},
    {"redis://user:@h", "has an empty password"},
    {"redis://:@h", "has an empty password"},
    {"redis://:hunter2%0@h", "has a password that is not"},
    {"redis://:hunter2%zz@h", "has a password that is not"},
    {"redis://:hunter2%00b@h", "has a password that is not"},
    {"redis://:hunter2%@h", "has a password that is not"},
    {"redis://u%:hunter2@h", "has a user that is not"},
    {"redis://u%0:hunter2@h", "has a user that is not"},
    {"rediss://h/x", "must end in the number"},
    {"redis+unix://", "must name the path"},
    {"redis+unix:///", "must name the path"},
    {"redis+unix:///?db=1", "must name the path"},
    {"redis+unix://run/redis.sock", "must name the path"},
    {"redis+unix://u:hunter2@run/redis.sock", "must name the path"},
    {"redis+unix:///r%zz", "has a path that is not"},
    {"redis+unix:///r%00", "has a path that is not"},
    {"redis+unix:///a@/b.sock", "has a user without a password"},
    {"redis+unix:///1234567890123456789012345678901234567890123456789012345678901234567"
     "89012345678901234567890123456789012345678",
     "has a path that is longer"},
    {"redis+unix:///r.sock?", "must end in ?db="},
    {"redis+unix:///r.sock?db", "must end in ?db="},
    {"redis+unix:///r.sock?db=", "must end in ?db="},
    {"redis+unix:///r.sock?db=x", "must end in ?db="},
    {"redis+unix:///r.sock?db=1&x=2", "must end in ?db="},
    {"redis+unix:///r.sock?DB=1", "must end in ?db="},
    {"redis+sentinel://", "must name 1 to 64 Sentinels"},
    {"redis+sentinel:///m", "must name 1 to 64 Sentinels"},
    {"redis+sentinel://a,/m", "must name 1 to 64 Sentinels"},
    {"redis+sentinel://a,,b/m", "must name 1 to 64 Sentinels"},
    {"redis+sentinel://a:0/m", "must name 1 to 64 Sentinels"},
    {"redis+sentinel://a, b/m", "must name 1 to 64 Sentinels"},
    {"redis+sentinel://a", "must name the master"},
    {"redis+sentinel://a/", "must name the master"},
    {"redis+sentinel://a//1", "must name the master"},
    {"redis+sentinel://a/m%", "has a master's name"},
    {"redis+sentinel://a/m/x", "must end in the number"},
    {"redis+sentinel://a/m/1/2", "must end in the number"},
    {"redis+cluster://", "must name 1 to 64 hosts"},
    {"redis+cluster://a,b:x", "must name 1 to 64 hosts"},
    {"redis+cluster://u:hunter2@,a", "must name 1 to 64 hosts"},
    {"redis+cluster://a/0", "must not name a database"},
    {"redis+cluster://a,b/1", "must not name a database"},
    {"redis://a,http://b", "2 of 2 must begin with"},
    {"redis://a,reddis://b,redis://c", "2 of 3 must begin with"},
    {"redis://a,redis://", "2 of 2 must name a host"},
    {"redis://a,redis://b,", "2 of 2 names several hosts"},
    {",redis://a", "1 of 2 must begin with"},
    {"redis://a,,redis://b", "1 of 2 names several hosts"},
    {"redis://a, redis://b", "names several hosts"},
    {"redis://u:hunter2@a,redis://u:hunter2%@b", "2 of 2 has a password that is not"},
    {"redis://a,redis+cluster://b", "2 of 2 is a cluster"},
    {"redis+cluster://a,redis+cluster://b", "1 of 2 is a cluster"},
    {"rediss+cluster://a,b,redis://c", "1 of 2 is a cluster"},
    /* What was raw in the password looks like an entry of its own. */
    {"redis://:hunter2,x://hunter2@h", "1 of 2 must name a host"},
};

static void bad_ones_are_refused_without_their_secrets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct redis_urls urls = {0};
        const char *reason = redis_urls_parse(&urls, bad[i].text);

        print_message("  %s: %s\n", bad[i].text, reason ? reason : "is taken");
        assert_non_null(reason);
        assert_ptr_equal(strstr(reason, bad[i].reason), reason);
        assert_null(strstr(reason, "hunter2"));
        redis_urls_deinit(&urls);
        redis_urls_deinit(&urls);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_taken_apart),
        cmocka_unit_test(a_list_is_cut_at_a_comma_before_a_scheme),
        cmocka_unit_test(a_list_has_at_most_64_entries),
        cmocka_unit_test(at_most_64_hosts_are_named),
        cmocka_unit_test(bad_ones_are_refused_without_their_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
