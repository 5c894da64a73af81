/* test_token.c - the client in a pipe where the fleet asks for tokens: from a file, from the environment,
 * renewed, and refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/strbuf.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/roomcast.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"

static struct fleet fleet;
static char dir[] = "/tmp/roomcast-token.XXXXXX";

static int start(void **state)
{
    static const char *const settings[] = {
        "ROOMCAST_AUTH=jwt",          "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
        "ROOMCAST_JWT_LEEWAY_SECS=0", "ROOMCAST_DEFAULT_RIGHTS=rw",
        "ROOMCAST_HANDSHAKE_SECS=2",  NULL};

    *state = &fleet;
    assert_non_null(mkdtemp(dir));
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 1, .settings = settings});
}

static int stop(void **state)
{
    char *command = print_text("rm -r %s", dir);
    int status = system(command);

    free(command);
    return fleet_teardown(state) != 0 || status != 0;
}

/* Of ann, from so long ago. To be freed. */
static char *token_of(int ago_secs, int secs)
{
    const struct tokens_key key = {JWK_HS256, NULL};
    unsigned long long iat = clock_ms() / 1000 - (unsigned)ago_secs;
    char *claims =
        print_text("{\"aud\":\"roomcast\",\"sub\":\"ann\",\"iat\":%llu,\"exp\":%llu}",
                   iat, iat + (unsigned)secs);
    char *token = tokens_sign(&key, q("{'alg':'HS256'}"), claims);

    free(claims);
    return token;
}

static void write_token(const char *name, const char *token)
{
    char *path = print_text("%s/%s", dir, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "%s\n", token);
    fclose(file);
    free(path);
}

struct run {
    int status;
    char *out, *err;
};

/* $DIR is where the tokens are. */
static struct run run(const char *script)
{
    char *line = print_text("DIR=%s; %s", dir, script);
    struct run r;

    r.status = roomcast_run(&fleet, "bot", line, &r.out, &r.err);
    free(line);
    return r;
}

static void deinit(struct run *r)
{
    free(r->out);
    free(r->err);
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in:\n%s", part, text);
}

static void expect_no(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" in:\n%s", part, text);
}

static void a_file_says_who_it_is(void **state)
{
    char *token = token_of(0, 60);
    struct run r;

    (void)state;
    write_token("good", token);
    r = run("echo hi | $ROOMCAST --plain --token-file $DIR/good lobby");
    assert_int_equal(r.status, 0);
    expect(r.out, "* you are in as ann (1 here)");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{lobby}:meta seq"), 1);
    expect_no(r.err, token);
    deinit(&r);
    free(token);
}

static void so_do_the_variables(void **state)
{
    static const char *const scripts[] = {
        "export ROOMCAST_TOKEN_FILE=$DIR/good",
        "export ROOMCAST_TOKEN=$(cat $DIR/good)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        char *script = print_text("%s; echo hi | $ROOMCAST --plain lobby", scripts[i]);
        struct run r = run(script);

        print_message("  %s\n", scripts[i]);
        assert_int_equal(r.status, 0);
        expect(r.out, "* you are in as ann");
        deinit(&r);
        free(script);
    }
}

/* The file has another one before the first ends. */
static void a_newer_token_is_taken_from_the_file(void **state)
{
    char *token = token_of(0, 5), *newer = token_of(0, 60);
    struct run r;

    (void)state;
    write_token("short", token);
    write_token("newer", newer);
    r = run("(echo one; sleep 2; mv $DIR/newer $DIR/short; sleep 5; echo two) | "
            "$ROOMCAST --plain --token-file $DIR/short talk");
    assert_int_equal(r.status, 0);
    expect_no(r.err, "no connection");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{talk}:meta seq"), 2);
    deinit(&r);
    free(token);
    free(newer);
}

static void who_is_refused_ends_with_the_reason(void **state)
{
    static const struct {
        const char *script, *reason, *why;
    } rows[] = {
        {"export ROOMCAST_TOKEN=$(cat $DIR/old)", "(expired)", "the token has expired"},
        {"export ROOMCAST_TOKEN=junk", "(form)", "a good token is needed"},
        {"true", "unauthorized", "out of lobby: unauthorized"},
    };
    char *old = token_of(100, 10);

    (void)state;
    write_token("old", old);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *script =
            print_text("%s; echo hi | $ROOMCAST --plain lobby", rows[i].script);
        struct run r = run(script);

        print_message("  %s\n", rows[i].script);
        assert_int_equal(r.status, 1);
        expect(r.err, rows[i].reason);
        expect(r.err, rows[i].why);
        deinit(&r);
        free(script);
    }
    free(old);
}

/* It is put there later. */
static void a_file_that_is_not_there_is_waited_for(void **state)
{
    char *token = token_of(0, 60);
    struct run r;

    (void)state;
    write_token("later", token);
    r = run("rm -f $DIR/late; (sleep 2; mv $DIR/later $DIR/late) & "
            "echo hi | $ROOMCAST --plain --token-file $DIR/late lobby");
    assert_int_equal(r.status, 0);
    expect(r.err, "no token can be read");
    expect(r.out, "* you are in as ann");
    deinit(&r);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_who_it_is),
        cmocka_unit_test(so_do_the_variables),
        cmocka_unit_test(a_newer_token_is_taken_from_the_file),
        cmocka_unit_test(who_is_refused_ends_with_the_reason),
        cmocka_unit_test(a_file_that_is_not_there_is_waited_for),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
