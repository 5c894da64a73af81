/* test_sources.c - the rules that all scripts of lua/ keep, read off their text: every
 * key comes in by KEYS, and the head says what a caller has to know. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/scripts.h"
#include "common/xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = {
#define X(id, name) [id] = #name,
    SCRIPTS(X)
#undef X
};

/* The script itself, after the functions of lua/lib that were put in front of it. */
static const char *script_of(enum script script)
{
    char first[64];
    const char *at;

    snprintf(first, sizeof(first), "-- %s.lua - ", names[script]);
    at = strstr(scripts_source(script), first);
    if (!at)
        fail_msg("no line begins with %s", first);
    return at;
}

/* `source` without comments; to be freed. No script has `--` in a string. */
static char *copy_code(const char *source)
{
    char *code = xstrdup(source), *out = code;

    for (const char *at = code; *at;) {
        if (strncmp(at, "--", 2) == 0)
            at += strcspn(at, "\n");
        else
            *out++ = *at++;
    }
    *out = '\0';
    return code;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* What a script of a hot path may call it by. */
#define ALIAS "local call, has_keys = "

/* Behind the command of a redis.call, at the comma or the bracket. */
static bool has_key_from_keys(const char *at)
{
    if (*at == ')' || begins(at, ", 'replication')"))
        return true; /* TIME, INFO */
    at++;
    while (isspace((unsigned char)*at))
        at++;
    if (begins(at, "unpack(KEYS"))
        return true;
    if (!begins(at, "KEYS["))
        return false;
    at += strcspn(at, "]") + 1;
    return *at == ',' || *at == ')'; /* not KEYS[1] .. 'x' */
}

static void expect_keys_by_keys(const char *code, const char *name)
{
    for (const char *at = code; (at = strstr(at, "redis.")); at++)
        if (!begins(at, "redis.call(") && !begins(at, "redis.sha1hex(") &&
            !begins(at - strlen(ALIAS), ALIAS))
            fail_msg("%s: what is this? %.40s", name, at);
    for (const char *at = code; (at = strstr(at, "call(")); at++) {
        const char *command = at + strlen("call('");

        if (begins(at - 1, "pcall(cjson.decode,"))
            continue;
        if (!begins(at, "call('"))
            fail_msg("%s: what is this? %.40s", name, at);
        if (!has_key_from_keys(command + strcspn(command, "'") + 1))
            fail_msg("%s: a key that is not of KEYS: %.60s", name, at);
    }
}

/* `DEL a, b` takes more than one key. */
static void expect_dels_by_keys(const char *code, const char *name)
{
    for (const char *at = code; (at = strstr(at, "'DEL',")); at++) {
        char keys[128];

        snprintf(keys, sizeof(keys), "%.*s", (int)strcspn(at, ")"), at);
        for (char *key = keys; (key = strchr(key, ',')); key++)
            if (!begins(key, ", KEYS["))
                fail_msg("%s: a key that is not of KEYS: %s", name, key);
    }
}

static void every_key_comes_in_by_keys(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        char *code = copy_code(script_of((enum script)i));

        print_message("  %s\n", names[i]);
        if (i != SCRIPT_RIGHTS) { /* it calls nothing, see below */
            expect_keys_by_keys(code, names[i]);
            expect_dels_by_keys(code, names[i]);
        }
        assert_null(strstr(code, "rc:"));
        free(code);
    }
}

/* A function of lua/lib gets its keys from the script, which has them of KEYS: it calls by its
 * parameters, and each call of it names KEYS. */
static void functions_get_their_keys_of_the_script(void **state)
{
    static const char *const parameters[] = {
        "meta",    "members", "history", "key", "channel", "nodes", "on",
        "changed", "bans",    "mutes",   "...", "policy",  "own"};
    static const char *const functions[] = {
        "has_type(",        "create_room(",  "raise_rev(",    "missing_nodes(",
        "start_countdown(", "take_over(",    "tell(",         "stamp_node(",
        "forget_node(",     "find_message(", "replace_line(", "write_policy(",
    };

    (void)state;
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        const char *own = script_of((enum script)i);
        char *lib = xstrdup(scripts_source((enum script)i));

        lib[own - scripts_source((enum script)i)] = '\0';
        for (const char *at = lib; (at = strstr(at, "redis.call('")); at++) {
            const char *key = at + strcspn(at, ",)");
            bool is_given =
                *key == ')' || begins(key, ", 'replication')"); /* TIME, INFO */

            for (size_t k = 0; k < COUNT(parameters); k++)
                is_given = is_given || begins(key + strlen(", "), parameters[k]);
            if (!is_given)
                fail_msg("before %s: not by a parameter: %.60s", names[i], at);
        }
        for (size_t k = 0; k < COUNT(functions); k++)
            for (const char *at = own; (at = strstr(at, functions[k])); at++)
                if (!begins(at + strlen(functions[k]), "KEYS["))
                    fail_msg("%s: not of KEYS: %.60s", names[i], at);
        free(lib);
    }
}

/* Commands that name keys by themselves, or block, or answer by chance where the same
 * must come out each time; and ways round this test. */
static const char *const refused[] = {
    "'KEYS'",  "'SCAN'",    "'EVAL",   "'FLUSH",       "'RANDOMKEY'", "'SORT",
    "'OBJECT", "'CONFIG'",  "'SELECT", "pcall",        "loadstring",  "math.random",
    "_G",      "redis.log", "print(",  "setmetatable",
};

static void no_script_goes_round_the_rules(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        char *code = copy_code(scripts_source((enum script)i));

        for (char *at = code; (at = strstr(at, "pcall(cjson.decode")); at++)
            memcpy(at, "_____", 5); /* of what a client wrote: no key is in it */
        for (size_t k = 0; k < COUNT(refused) && i != SCRIPT_RIGHTS; k++)
            if (strstr(code, refused[k]))
                fail_msg("%s has %s", names[i], refused[k]);
        free(code);
    }
}

/* Whether a line of the head begins with `-- <word>`. */
static bool has_line(const char *source, const char *word)
{
    char line[64];

    snprintf(line, sizeof(line), "\n-- %s", word);
    return strstr(source, line) != NULL;
}

/* Each KEYS[n] that the script spells is told of at its head. */
static void expect_keys_told(const char *source, const char *name)
{
    for (int n = 1; n <= 9; n++) {
        char key[32];

        snprintf(key, sizeof(key), "KEYS[%d]", n);
        if (strstr(source, key) && !has_line(source, key))
            fail_msg("%s.lua does not say what %s is", name, key);
    }
}

static const char *const head[] = {"Atomic because: ", "KEYS[1]", "ARGV[", "Returns ",
                                   "Cost O("};

static void the_head_says_what_a_caller_has_to_know(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        const char *source = script_of((enum script)i);

        print_message("  %s\n", names[i]);
        for (size_t k = 0; k < COUNT(head); k++)
            if (!has_line(source, head[k]))
                fail_msg("%s.lua has no line `-- %s`", names[i], head[k]);
        expect_keys_told(source, names[i]);
    }
}

/* Commands that change nothing. What is not among them, PUBLISH too, is a change. */
static const char *const reads[] = {
    "EXISTS", "GET",    "HEXISTS", "HGET",       "HGETALL",       "HKEYS",
    "HLEN",   "HMGET",  "HSCAN",   "HRANDFIELD", "INFO",          "LINDEX",
    "LLEN",   "LRANGE", "PTTL",    "SISMEMBER",  "TIME",          "TYPE",
    "ZCARD",  "ZSCORE", "ZRANGE",  "ZREVRANGE",  "ZRANGEBYSCORE",
};

static bool is_read(const char *command)
{
    for (size_t i = 0; i < COUNT(reads); i++)
        if (strncmp(command, reads[i], strlen(reads[i])) == 0 &&
            command[strlen(reads[i])] == '\'')
            return true;
    return false;
}

static bool writes(enum script script)
{
    char *code = copy_code(scripts_source(script));
    bool is_writing = false;

    for (const char *at = code; (at = strstr(at, "call('")); at++)
        is_writing = is_writing || !is_read(at + strlen("call('"));
    free(code);
    return is_writing;
}

/* A line of the head: `-- KEYS[1]  rc:{ROOM}:meta  hash`. NULL: there is no such line behind. */
static const char *next_key(const char *at, char name[64])
{
    at = strstr(at, "\n-- KEYS[");
    if (at) {
        const char *key = at + strcspn(at, "]") + 1;

        key += strspn(key, " ");
        snprintf(name, 64, "%.*s", (int)strcspn(key, " \n"), key);
        at++;
    }
    return at;
}

/* In a cluster Redis refuses a call whose keys are in several slots. And in a slot that is on its
 * way to another master a script may fail half-way, after what it has written; so each that writes
 * names a channel, which is never a key: then Redis refuses it as a whole, as it does a script with
 * one key. */
static void a_script_names_one_slot_and_a_channel_if_it_writes(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        bool has_channel = false;
        int of_rooms = 0, of_fleet = 0;
        char key[64];

        for (const char *at = script_of((enum script)i); (at = next_key(at, key));) {
            bool is_of_room = begins(key, "rc:{ROOM}:");

            of_rooms += is_of_room;
            of_fleet += begins(key, "rc:") && !is_of_room;
            has_channel = has_channel || strcmp(key, "rc:{ROOM}:events") == 0 ||
                          strcmp(key, "rc:events") == 0;
        }
        if (of_rooms > 0 && of_fleet > 0)
            fail_msg("%s has keys of a room and of the fleet", names[i]);
        if (writes((enum script)i) && !has_channel && of_rooms + of_fleet > 1)
            fail_msg("%s writes, and has no channel among its KEYS", names[i]);
    }
}

/* A longer one is two changes of state, or is publish.lua, which avoids functions. */
static void scripts_stay_small(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        int lines = 0;

        for (const char *at = script_of((enum script)i); (at = strchr(at, '\n')); at++)
            lines++;
        assert_in_range(lines, 10, i == SCRIPT_PUBLISH ? 250 : 150);
    }
}

/* rights.lua names each command that a script calls, and calls none. */
static void rights_are_asked_for_all_that_is_called(void **state)
{
    char *rights = copy_code(scripts_source(SCRIPT_RIGHTS));

    (void)state;
    assert_null(strstr(rights, "redis.call"));
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        char *code = copy_code(scripts_source((enum script)i));

        for (const char *at = code; (at = strstr(at, "call('")); at++) {
            char asked[64];
            int len = (int)strcspn(at + 6, "'");

            snprintf(asked, sizeof(asked), "{'%.*s'", len, at + 6);
            for (char *c = asked; *c; c++)
                *c = (char)tolower((unsigned char)*c);
            if (!strstr(rights, asked))
                fail_msg("rights.lua does not ask for %s of %s", asked, names[i]);
        }
        free(code);
    }
    free(rights);
}

/* The last test: the sources stay so. A PUBLISH would cost every master of a cluster. */
static void in_a_cluster_scripts_publish_within_their_slot(void **state)
{
    int found = 0;

    (void)state;
    scripts_init(true);
    for (int i = 0; i < SCRIPTS_COUNT; i++) {
        const char *source = scripts_source((enum script)i);

        assert_null(strstr(source, "'PUBLISH'"));
        found += strstr(source, "redis.call('SPUBLISH', ") ||
                 strstr(source, "call('SPUBLISH', KEYS[3], ");
        script_of((enum script)i);
    }
    assert_true(found > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_comes_in_by_keys),
        cmocka_unit_test(functions_get_their_keys_of_the_script),
        cmocka_unit_test(no_script_goes_round_the_rules),
        cmocka_unit_test(the_head_says_what_a_caller_has_to_know),
        cmocka_unit_test(a_script_names_one_slot_and_a_channel_if_it_writes),
        cmocka_unit_test(rights_are_asked_for_all_that_is_called),
        cmocka_unit_test(scripts_stay_small),
        cmocka_unit_test(in_a_cluster_scripts_publish_within_their_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
