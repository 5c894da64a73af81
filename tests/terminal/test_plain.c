/* test_plain.c - the client in a pipe: what it says, prints and exits with.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/roomcast.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"

static struct fleet fleet;

struct run {
    int status;
    char *out, *err;
};

static struct run run(const char *script)
{
    struct run r;

    r.status = roomcast_run(&fleet, "bot", script, &r.out, &r.err);
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

static long long seq_of(const char *room)
{
    return redis_cmd_number(fleet.redis_port, "HGET rc:{%s}:meta seq", room);
}

static void a_line_is_said_and_acked(void **state)
{
    struct run r = run("echo hi | $ROOMCAST --plain lobby");

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("lobby"), 1);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HLEN rc:{lobby}:members"), 0);
    deinit(&r);
    r = run("echo again | $ROOMCAST --plain lobby");
    expect(r.out, "[lobby] <bot> hi\n");
    assert_true(r.out[2] == ':' && r.out[5] == ':');
    deinit(&r);
}

static void many_lines_are_said_in_order(void **state)
{
    struct run r = run("seq 1 3000 | $ROOMCAST --plain many >/dev/null && "
                       "$ROOMCAST --plain many </dev/null | grep -o '> [0-9]*$'");
    char *line = r.out;

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("many"), 3000);
    for (long i = 2001; i <= 3000; i++) { /* what the history keeps */
        assert_int_equal(strtol(line + 2, &line, 10), i);
        line++;
    }
    deinit(&r);
}

static void a_file_is_said_too(void **state)
{
    struct run r = run("printf 'one\\r\\n\\ntwo' >$TMPDIR/roomcast-lines.$$; "
                       "$ROOMCAST --plain file <$TMPDIR/roomcast-lines.$$; "
                       "status=$?; rm $TMPDIR/roomcast-lines.$$; exit $status");

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("file"), 2);
    deinit(&r);
}

static void rooms_are_entered_and_left_by_commands(void **state)
{
    struct run r = run("printf '/join red\\nto red\\n/join blue\\nto blue\\n/members\\n"
                       "/leave\\n/join red\\n//red\\n' | $ROOMCAST --plain");

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("red"), 2);
    deinit(&r);
    r = run("printf '/members\\nhello\\n' | $ROOMCAST --plain red");
    expect(r.out, "[red] <bot> to red\n");
    expect(r.out, "[red] <bot> /red\n");
    expect(r.out, "[red] * here (1): bot\n");
    deinit(&r);
    r = run("echo /quit | $ROOMCAST --plain --no-commands green");
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("green"), 1);
    deinit(&r);
}

static void exit_codes_tell_what_happened(void **state)
{
    static const struct {
        const char *script;
        int status;
        const char *err;
    } cases[] = {
        {"$ROOMCAST --plain codes </dev/null", 0, "connected to"},
        {"echo x | $ROOMCAST --plain", 1, "not in a room"},
        {"echo /nonsense | $ROOMCAST --plain codes", 1, "no such command"},
        {"echo x | $ROOMCAST --plain shut", 1, "out of shut: banned"},
        {"echo x | $ROOMCAST --plain hush", 1, "not said in hush: muted"},
        {"head -c 70000 /dev/zero | tr '\\0' x | $ROOMCAST --plain codes", 1,
         "not said in codes: too_large"},
        {"head -c 1100000 /dev/zero | tr '\\0' x | $ROOMCAST --plain codes", 1,
         "more than 1048576 bytes"},
        {"$ROOMCAST --nonsense", 2, "--nonsense: there is no such flag"},
        {"$ROOMCAST --user", 2, "--user: needs a value"},
        {"$ROOMCAST --user '' --plain", 2, "--user: must not be empty"},
        {"$ROOMCAST --user 'a{b' --plain", 2, "--user: must be 1 to 64 bytes"},
        {"$ROOMCAST --url wss://chat.example/ws", 2, "--url: wss:// needs TLS"},
        {"$ROOMCAST --url http://chat.example/ws", 2, "--url: must be ws://"},
        {"$ROOMCAST --url ws://h:70000/ws", 2, "--url: the port must be"},
        {"$ROOMCAST --timeout-secs 0 --plain", 2,
         "--timeout-secs: must be a number of seconds from 0.1"},
        {"ROOMCAST_PLAIN=yes $ROOMCAST", 2, "ROOMCAST_PLAIN: must be 0 or 1"},
        {"$ROOMCAST 'a}' --plain", 2, "ROOM: must be"},
        {"$ROOMCAST lobby </dev/null", 2, "are no terminal"},
        {"echo x | ${ROOMCAST%%--url*} --url ws://127.0.0.1:1/ws --plain "
         "--timeout-secs 1 codes",
         3, "no connection in 1 s"},
    };

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:{shut}:bans bot 0");
    redis_cmd(fleet.redis_port, "HSET rc:{hush}:mutes bot 0");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run r = run(cases[i].script);

        print_message("  %s\n", cases[i].script);
        expect(r.err, cases[i].err);
        assert_int_equal(r.status, cases[i].status);
        deinit(&r);
    }
}

static void a_line_too_large_does_not_stop_the_others(void **state)
{
    struct run r =
        run("{ echo one; head -c 70000 /dev/zero | tr '\\0' x; echo; echo two; "
            "} | $ROOMCAST --plain large");

    (void)state;
    assert_int_equal(r.status, 1);
    assert_int_equal(seq_of("large"), 2);
    deinit(&r);
}

static void json_is_one_event_a_line(void **state)
{
    struct run r = run("printf '%s\\n' 'plain text' "
                       "'{\"type\":\"message\",\"text\":\"two\\nlines\"}' "
                       "'{\"type\":\"get_members\",\"id\":7,\"room\":\"json\"}' "
                       "| $ROOMCAST --json json");
    char *save = NULL;
    int count = 0;

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("json"), 2);
    expect(r.out, q("'type':'join_ack'"));
    for (char *line = strtok_r(r.out, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        cJSON *json = cJSON_Parse(line);

        assert_non_null(json);
        assert_non_null(cJSON_GetObjectItem(json, "type"));
        cJSON_Delete(json);
        count++;
    }
    assert_true(count >= 3);
    deinit(&r);
    r = run("$ROOMCAST --json json </dev/null | grep -c '\"type\":\"message\"'");
    assert_int_equal(atoi(r.out), 2);
    deinit(&r);
    r = run("echo '{\"type\":' | $ROOMCAST --json json");
    assert_int_equal(r.status, 1);
    deinit(&r);
}

static void nothing_raw_is_printed(void **state)
{
    struct chat *eve = chat_open(fleet.gateways[0].port);

    (void)state;
    chat_join(eve, "raw", "eve\xe2\x80\xae");
    chat_send(eve, "{'type':'message','room':'raw','text':"
                   "'a\\u001b[2Jb\\u009b31mc\\nd\\re\\u2028f\\u202eg\\u007fh'}");
    chat_expect_skipping(eve, "message_ack");
    for (int json = 0; json < 2; json++) {
        struct run r = run(json ? "$ROOMCAST --json raw </dev/null"
                                : "$ROOMCAST --plain raw </dev/null");

        assert_int_equal(r.status, 0);
        expect(r.out, json ? "a\\u001b[2Jb" : "> a\xe2\x90\x9b[2Jb\xef\xbf\xbd");
        for (const char *c = r.out; *c; c++)
            assert_true(((unsigned char)*c >= ' ' || *c == '\n') && *c != 0x7f);
        assert_null(strstr(r.out, "\xe2\x80\xae"));
        assert_null(strstr(r.out, "\xe2\x80\xa8"));
        assert_null(strstr(r.out, "\xc2\x9b"));
        deinit(&r);
    }
    chat_close(eve);
}

static void input_that_is_no_utf8_is_mended(void **state)
{
    struct run r = run("printf 'a\\377b\\0c\\n' | $ROOMCAST --plain mend && "
                       "$ROOMCAST --plain mend </dev/null");

    (void)state;
    assert_int_equal(r.status, 0);
    expect(r.out, "<bot> a\xef\xbf\xbd"
                  "b\xef\xbf\xbd"
                  "c\n");
    deinit(&r);
}

static void who_follows_stays_until_told(void **state)
{
    struct run r =
        run("$ROOMCAST --plain --follow tail </dev/null >$TMPDIR/out.$$ & "
            "until grep -q 'you are in' $TMPDIR/out.$$; do sleep 0.02; done; "
            "echo news | ${ROOMCAST/bot/eve} --plain tail >/dev/null; "
            "until grep -q 'has gone' $TMPDIR/out.$$; do sleep 0.02; done; "
            "kill -TERM %1; wait %1; status=$?; cat $TMPDIR/out.$$; "
            "rm $TMPDIR/out.$$; exit $status");

    (void)state;
    assert_int_equal(r.status, 0);
    expect(r.out, "[tail] * eve has come (2 here)");
    expect(r.out, "[tail] <eve> news");
    expect(r.out, "[tail] * eve has gone (left; 1 here)");
    deinit(&r);
}

static void a_reader_that_goes_ends_it_quietly(void **state)
{
    struct run r = run("seq 1 500 | $ROOMCAST --plain pipe >/dev/null; "
                       "$ROOMCAST --plain --follow pipe </dev/null | head -1; "
                       "exit ${PIPESTATUS[0]}");

    (void)state;
    assert_int_equal(r.status, 0);
    expect(r.out, "you are in as bot");
    deinit(&r);
}

static void a_killed_gateway_loses_no_line(void **state)
{
    char script[512];
    struct run r;

    (void)state;
    snprintf(script, sizeof(script),
             "{ seq 1 500; kill -KILL %d; seq 501 1000; } | $ROOMCAST --plain kill",
             (int)fleet.gateways[0].process.pid);
    r = run(script);
    assert_int_equal(r.status, 0);
    assert_int_equal(seq_of("kill"), 1000);
    for (int i = 1; i <= 1000; i += 9) {
        char want[32];
        char *line =
            redis_cmd_text(fleet.redis_port, "LINDEX rc:{kill}:history %d", i - 1);

        snprintf(want, sizeof(want), q("'text':'%d'"), i);
        expect(line, want);
        free(line);
    }
    deinit(&r);
    assert_int_equal(process_wait(&fleet.gateways[0].process, 5000), 128 + SIGKILL);
    fleet.gateways[0].down = true;
    fleet_start_gateway(&fleet, 0);
}

/* Neither the leave is acked nor the close answered. */
static void a_gateway_that_does_not_answer_does_not_hold_it(void **state)
{
    char script[512];
    struct run r;

    (void)state;
    snprintf(script, sizeof(script),
             "$ROOMCAST --plain --follow still </dev/null >$TMPDIR/out.$$ & "
             "until grep -q 'you are in' $TMPDIR/out.$$; do sleep 0.02; done; "
             "rm $TMPDIR/out.$$; kill -STOP %d; kill -TERM $!; "
             "timeout 5 tail -s 0.1 --pid=$! -f /dev/null; held=$?; kill -CONT %d; "
             "wait $! && exit $held",
             (int)fleet.gateways[0].process.pid, (int)fleet.gateways[0].process.pid);
    r = run(script);
    assert_int_equal(r.status, 0);
    deinit(&r);
}

static int start(void **state)
{
    *state = &fleet;
    setenv("TMPDIR", "/tmp", 0);
    return fleet_start(
        &fleet, &(struct fleet_opts){
                    .gateways = 2,
                    .settings = (const char *[]){"ROOMCAST_PRESENCE_GRACE_MS=0",
                                                 "ROOMCAST_HISTORY_LIMIT=1000", NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_said_and_acked),
        cmocka_unit_test(many_lines_are_said_in_order),
        cmocka_unit_test(a_file_is_said_too),
        cmocka_unit_test(rooms_are_entered_and_left_by_commands),
        cmocka_unit_test(exit_codes_tell_what_happened),
        cmocka_unit_test(a_line_too_large_does_not_stop_the_others),
        cmocka_unit_test(json_is_one_event_a_line),
        cmocka_unit_test(nothing_raw_is_printed),
        cmocka_unit_test(input_that_is_no_utf8_is_mended),
        cmocka_unit_test(who_follows_stays_until_told),
        cmocka_unit_test(a_reader_that_goes_ends_it_quietly),
        cmocka_unit_test(a_killed_gateway_loses_no_line),
        cmocka_unit_test(a_gateway_that_does_not_answer_does_not_hold_it),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
