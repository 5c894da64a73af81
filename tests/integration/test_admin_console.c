/* test_admin_console.c - what the service gives without a token: the console's files with
 * their headers, /config.json, and a page where there is no console.
 *
 * The console of these tests is a small directory, written by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define INDEX "<!doctype html><title>console of the tests</title>"
#define SECRET "nobody may read this"

enum { PATH_BYTES = 256 };

static struct fleet fleet;
static struct admin admin, bare; /* bare: without a directory of its console */
static char dir[PATH_BYTES / 2];

static const char *const directories[] = {"", "/console", "/console/assets"};

static const struct {
    const char *path, *text;
} files[] = {
    {"/secret.txt", SECRET},
    {"/console/index.html", INDEX},
    {"/console/favicon.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"},
    {"/console/assets/index-C7a3bd9f.js", "console.log(1)"},
    {"/console/assets/index-D81f_x-2.css", "body{}"},
    {"/console/assets/font-Ab12Cd34.woff2", "wOF2"},
};

/* ---- the directory ---- */

static void make_console(void)
{
    char path[PATH_BYTES];

    snprintf(dir, sizeof(dir), "%s/site", fleet.dir);
    for (size_t i = 0; i < COUNT(directories); i++) {
        snprintf(path, sizeof(path), "%s%s", dir, directories[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        FILE *file;

        snprintf(path, sizeof(path), "%s%s", dir, files[i].path);
        file = fopen(path, "we");
        assert_non_null(file);
        fputs(files[i].text, file);
        fclose(file);
    }
}

static void remove_console(void)
{
    char path[PATH_BYTES];

    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s%s", dir, files[i].path);
        unlink(path);
    }
    for (size_t i = COUNT(directories); i-- > 0;) {
        snprintf(path, sizeof(path), "%s%s", dir, directories[i]);
        rmdir(path);
    }
}

/* ---- requests ---- */

static int get(struct admin *of, const char *path)
{
    return admin_ask(of, &(struct admin_request){.path = path, .token = ""});
}

/* The value of a header, to be freed; fails where there is none. */
static char *header(const struct admin *of, const char *name)
{
    char line[128];
    const char *at;

    snprintf(line, sizeof(line), "\r\n%s: ", name);
    at = strcasestr(of->answer.head, line);
    if (!at)
        fail_msg("no header %s in %s", name, of->answer.head);
    at += strlen(line);
    return strndup(at, strcspn(at, "\r"));
}

static void expect_header(const struct admin *of, const char *name, const char *part)
{
    char *value = header(of, name);

    if (!strcasestr(value, part))
        fail_msg("%s is %s, without %s", name, value, part);
    free(value);
}

/* The part of the policy that is about `name`, to be freed, or NULL. */
static char *find_policy(const char *policy, const char *name)
{
    char *copy = strdup(policy), *rest = copy, *found = NULL;

    for (char *part = strsep(&rest, ";"); part && !found; part = strsep(&rest, ";")) {
        part += strspn(part, " ");
        if (strncmp(part, name, strlen(name)) == 0 && part[strlen(name)] == ' ')
            found = strdup(part);
    }
    free(copy);
    return found;
}

static void expect_policy(const char *policy, const char *name, const char *with,
                          const char *without)
{
    char *part = find_policy(policy, name);

    if (!part || !strstr(part, with) || (without && strstr(part, without)))
        fail_msg("%s in the policy %s", name, policy);
    free(part);
}

/* ---- the tests ---- */

static void the_index_is_not_cached(void **state)
{
    static const char *const paths[] = {"/", "/index.html", "/rooms",
                                        "/rooms/x/members", "/?a=b"};

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        print_message("  %s\n", paths[i]);
        assert_int_equal(get(&admin, paths[i]), 200);
        assert_string_equal(admin.answer.body, INDEX);
        expect_header(&admin, "content-type", "text/html");
        expect_header(&admin, "cache-control", "no-cache");
    }
}

static void hashed_assets_are_kept_for_good(void **state)
{
    static const struct {
        const char *path, *type, *text;
    } assets[] = {
        {"/assets/index-C7a3bd9f.js", "javascript", "console.log(1)"},
        {"/assets/index-D81f_x-2.css", "text/css", "body{}"},
        {"/assets/font-Ab12Cd34.woff2", "font/woff2", "wOF2"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(assets); i++) {
        print_message("  %s\n", assets[i].path);
        assert_int_equal(get(&admin, assets[i].path), 200);
        assert_string_equal(admin.answer.body, assets[i].text);
        expect_header(&admin, "content-type", assets[i].type);
        expect_header(&admin, "cache-control", "immutable");
        expect_header(&admin, "cache-control", "max-age=31536000");
        expect_header(&admin, "x-content-type-options", "nosniff");
    }
    assert_int_equal(get(&admin, "/favicon.svg"), 200);
    expect_header(&admin, "content-type", "image/svg+xml");
    assert_null(strstr(admin.answer.head, "immutable"));
}

static void the_console_has_security_headers(void **state)
{
    static const char *const paths[] = {"/", "/rooms/x", "/index.html"};

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        char *policy;

        assert_int_equal(get(&admin, paths[i]), 200);
        expect_header(&admin, "x-content-type-options", "nosniff");
        policy = header(&admin, "content-security-policy");
        expect_policy(policy, "default-src", "'", "*");
        expect_policy(policy, "connect-src", "'self'", "*");
        expect_policy(policy, "connect-src", "wss://chat.example", NULL);
        expect_policy(policy, "connect-src", "ws://127.0.0.1:9001", NULL);
        expect_policy(policy, "frame-ancestors", "'none'", NULL);
        assert_null(strstr(policy, "unsafe-eval"));
        expect_policy(policy,
                      strstr(policy, "script-src ") ? "script-src" : "default-src",
                      "'self'", "unsafe-inline");
        free(policy);
    }
}

/* No file has such a name, whatever the way to it. */
static void what_is_not_of_the_console_is_not_given(void **state)
{
    static const char *const paths[] = {
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/....//secret.txt",
        "//secret.txt",
        "/index.html%00.js",
        "/secret.txt%00",
        "/assets/none-Ab12Cd34.js",
        "/none.txt",
        "/index.html/x.js",
        "/assets/%",
        "/%ff.js",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        int status = get(&admin, paths[i]);

        print_message("  %s: %d\n", paths[i], status);
        assert_true(status == 404 || status == 400);
        assert_null(strstr(admin.answer.body, SECRET));
        admin_expect_error(&admin, status, status == 404 ? "not_found" : "bad_request");
    }
}

/* These may be taken for routes of the console, or refused; a file they are not. */
static void directories_are_not_listed(void **state)
{
    static const char *const paths[] = {"/assets", "/assets/", "/.git",
                                        "/..",     "/.",       "/%2e%2e",
                                        "/..%2f",  "//",       "/assets/.."};

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        int status = get(&admin, paths[i]);

        print_message("  %s: %d\n", paths[i], status);
        assert_true(status == 404 || status == 400 || status == 200);
        if (status == 200)
            assert_string_equal(admin.answer.body, INDEX);
        assert_null(strstr(admin.answer.body, "C7a3bd9f"));
    }
}

static void the_configuration_is_given_without_a_token(void **state)
{
    (void)state;
    assert_int_equal(get(&admin, "/config.json"), 200);
    expect_header(&admin, "content-type", "application/json");
    assert_int_equal(admin_count(&admin, "ws_urls"), 2);
    assert_string_equal(admin_text(&admin, "ws_urls.0"), "wss://chat.example/ws");
    assert_string_equal(admin_text(&admin, "ws_urls.1"), "ws://127.0.0.1:9001/ws");
    assert_true(admin_text(&admin, "version")[0] != '\0');
    assert_null(strstr(admin.answer.body, ADMIN_TOKEN));
    assert_int_equal(get(&bare, "/config.json"), 200);
    admin_count(&bare, "ws_urls");
}

static void without_a_console_there_is_a_page(void **state)
{
    (void)state;
    assert_int_equal(get(&bare, "/"), 200);
    expect_header(&bare, "content-type", "text/html");
    expect_header(&bare, "content-security-policy", "frame-ancestors 'none'");
    assert_true(bare.answer.body_len > 0);
    assert_int_equal(get(&bare, "/assets/x-Ab12Cd34.js"), 404);
    admin_expect_error(&bare, 404, "not_found");
}

static void only_get_and_head_read_files(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS"};
    static const char *const paths[] = {"/", "/favicon.svg", "/rooms"};

    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++)
        for (size_t k = 0; k < COUNT(paths); k++) {
            admin_ask(&admin,
                      &(struct admin_request){.method = methods[i], .path = paths[k]});
            admin_expect_error(&admin, 405, "method_not_allowed");
            expect_header(&admin, "allow", "GET");
        }
    assert_int_equal(
        admin_ask(&admin, &(struct admin_request){.method = "HEAD", .path = "/"}), 200);
}

static void health_and_metrics_need_no_token(void **state)
{
    (void)state;
    assert_int_equal(get(&admin, "/healthz"), 200);
    assert_int_equal(get(&admin, "/readyz"), 200);
    assert_int_equal(get(&admin, "/metrics"), 200);
    expect_header(&admin, "content-type", "text/plain");
    assert_non_null(strstr(admin.answer.body, "# TYPE roomcast_admin_requests_total "
                                              "counter\n"));
    assert_true(http_get_metric(admin.port,
                                q("roomcast_admin_requests_total{status='2xx'}")) >= 1);
    assert_null(strstr(admin.answer.body, "roomcast_deliveries_total"));
}

static int start(void **state)
{
    char console[PATH_BYTES];

    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){0});
    make_console();
    snprintf(console, sizeof(console), "ROOMCAST_CONSOLE_DIR=%s/console", dir);
    admin_start(&admin, &fleet,
                (const char *[]){console,
                                 "ROOMCAST_PUBLIC_WS_URLS=wss://chat.example/ws,"
                                 "ws://127.0.0.1:9001/ws",
                                 NULL});
    snprintf(console, sizeof(console), "ROOMCAST_CONSOLE_DIR=%s/none", dir);
    admin_start(&bare, &fleet, (const char *[]){console, NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    remove_console();
    admin_stop(&admin);
    admin_stop(&bare);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_is_not_cached),
        cmocka_unit_test(hashed_assets_are_kept_for_good),
        cmocka_unit_test(the_console_has_security_headers),
        cmocka_unit_test(what_is_not_of_the_console_is_not_given),
        cmocka_unit_test(directories_are_not_listed),
        cmocka_unit_test(the_configuration_is_given_without_a_token),
        cmocka_unit_test(without_a_console_there_is_a_page),
        cmocka_unit_test(only_get_and_head_read_files),
        cmocka_unit_test(health_and_metrics_need_no_token),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
