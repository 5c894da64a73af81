/* test_admin_roles.c - who may what of the admin API: each operation of the OpenAPI document with each
 * role, and the file of tokens while it changes. */
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
#include "common/jwt.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VIEWER "token-of-vera"
#define MODERATOR "token-of-mo"
#define OWNER "token-of-olga"

enum { PATIENCE_MS = 30000 };

static struct fleet fleet;
static struct admin admin;
static char *tokens_path, *secrets_path;

/* SHA-256 of the three. */
static const char *const digests[] = {
    "9db92618d4af561c6c09bf913bd8eab8aef140140d624e5a81a00aa0d6188bf3",
    "cf755702f36e8e707eed3d503110c6f4e02abb23232ed3dd0f4e353293c46f2e",
    "f1499ea85d1ca4f44c1ab971d52fe3063106a31d15d4044f3ae0806e2d8120de",
};

static void write_file(const char *path, const char *text)
{
    char *next = print_text("%s.next", path);
    FILE *out = fopen(next, "we");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(next, path), 0);
    free(next);
}

static void write_tokens(const char *text)
{
    write_file(tokens_path, text);
}

static void write_usual_tokens(void)
{
    char *text =
        print_text("# who may\nvera viewer %s\nmo moderator %s\nolga admin %s\n",
                   digests[0], digests[1], digests[2]);

    write_tokens(text);
    free(text);
}

static int ask_with(const char *token, const char *path)
{
    return admin_ask(&admin, &(struct admin_request){.path = path, .token = token});
}

/* ---- the document ---- */

static const struct {
    const char *token; /* "": none */
    int rank;
} askers[] = {
    {"", 0}, {VIEWER, 1}, {MODERATOR, 2}, {OWNER, 3}, {ADMIN_TOKEN, 3},
};

/* What takes more than a viewer, or nothing at all; the contract's. */
static const struct {
    const char *operation;
    int rank;
} contract[] = {
    {"replaceClasses", 3}, {"putClass", 3},      {"deleteClass", 3},
    {"publishMessage", 2}, {"deleteMessage", 2}, {"kickUser", 2},
    {"banUser", 2},        {"unbanUser", 2},     {"muteUser", 2},
    {"beginSession", 0},   {"closeRoom", 3},     {"disconnectUser", 2},
    {"getConfig", 0},      {"getConsole", 0},    {"getHealth", 0},
    {"getMetrics", 0},     {"getReadiness", 0},  {"login", 0},
    {"loginCallback", 0},  {"makeToken", 3},     {"revokeToken", 2},
    {"revokeUser", 2},     {"unmuteUser", 2},
};

static int rank_in_contract(const char *operation)
{
    for (size_t i = 0; i < COUNT(contract); i++)
        if (strcmp(contract[i].operation, operation) == 0)
            return contract[i].rank;
    return 1;
}

static int rank_in_document(const cJSON *document, const cJSON *operation)
{
    static const char *const words[] = {"viewer", "moderator", "admin"};
    const cJSON *security = cJSON_GetObjectItem(operation, "security");
    const char *word;

    if (!security)
        security = cJSON_GetObjectItem(document, "security");
    if (cJSON_GetArraySize(security) == 0)
        return 0;
    word = cJSON_GetStringValue(cJSON_GetArrayItem(
        cJSON_GetObjectItem(cJSON_GetArrayItem(security, 0), "bearer"), 0));
    for (int i = 0; i < 3; i++)
        if (word && strcmp(words[i], word) == 0)
            return i + 1;
    fail_msg("the document names no role: %s", word ? word : "none");
    return 0;
}

/* A path that nobody and nothing is behind. The stream of events would not end. */
static char *fill(const char *pattern)
{
    const char *const events = "/api/events";
    char *path = print_text("%s", pattern), *brace;

    while ((brace = strchr(path, '{'))) {
        char *filled =
            print_text("%.*s1%s", (int)(brace - path), path, strchr(brace, '}') + 1);

        free(path);
        path = filled;
    }
    if (strcmp(path, events) == 0) {
        free(path);
        path = print_text("%s?room=%%7B", events);
    }
    return path;
}

static void ask_as_each(const char *method, const char *pattern, int rank)
{
    char *path = fill(pattern);

    for (size_t i = 0; i < COUNT(askers); i++) {
        bool may = askers[i].rank >= rank;
        int status = admin_ask(
            &admin, &(struct admin_request){
                        .method = method, .path = path, .token = askers[i].token});

        if (may && (status == 0 || status == 401 || status == 403))
            fail_msg("%s %s as %s: %d", method, path, askers[i].token, status);
        if (!may)
            admin_expect_error(&admin, askers[i].rank == 0 ? 401 : 403,
                               askers[i].rank == 0 ? "unauthorized" : "forbidden");
    }
    free(path);
}

static void each_operation_takes_the_role_that_the_document_names(void **state)
{
    cJSON *document, *path, *operation;
    unsigned count = 0;

    (void)state;
    admin_get(&admin, 200, "/api/openapi.json");
    document = admin.json;
    admin.json = NULL;
    cJSON_ArrayForEach(path, cJSON_GetObjectItem(document, "paths"))
    {
        cJSON_ArrayForEach(operation, path)
        {
            const cJSON *name = cJSON_GetObjectItem(operation, "operationId");
            char method[8];
            int rank;

            if (!name)
                continue;
            rank = rank_in_document(document, operation);
            print_message("  %s %d\n", name->valuestring, rank);
            assert_int_equal(rank, rank_in_contract(name->valuestring));
            for (size_t i = 0; i <= strlen(operation->string); i++)
                method[i] = (char)(operation->string[i] & ~0x20);
            ask_as_each(method, path->string, rank);
            count++;
        }
    }
    assert_true(count > COUNT(contract));
    cJSON_Delete(document);
}

static void what_is_not_there_takes_a_token_as_well(void **state)
{
    (void)state;
    assert_int_equal(ask_with("", "/api/none"), 401);
    assert_int_equal(ask_with(VIEWER, "/api/none"), 404);
    assert_int_equal(admin_ask(&admin, &(struct admin_request){.method = "PUT",
                                                               .path = "/api/stats",
                                                               .token = ""}),
                     401);
    assert_int_equal(admin_ask(&admin, &(struct admin_request){.method = "PUT",
                                                               .path = "/api/stats",
                                                               .token = VIEWER}),
                     405);
}

/* ---- who it is ---- */

static void a_session_is_a_name_and_a_role(void **state)
{
    (void)state;
    assert_int_equal(ask_with(VIEWER, "/api/session"), 200);
    assert_string_equal(admin.answer.body,
                        q("{'name':'vera','role':'viewer','expires_at':null}"));
    assert_int_equal(ask_with(MODERATOR, "/api/session"), 200);
    assert_string_equal(admin_text(&admin, "name"), "mo");
    assert_string_equal(admin_text(&admin, "role"), "moderator");
    admin_get(&admin, 200, "/api/session");
    assert_string_equal(admin_text(&admin, "name"), "admin");
    assert_string_equal(admin_text(&admin, "role"), "admin");
}

static void the_name_of_the_token_is_in_the_audit_trail(void **state)
{
    static const char *const sign[] = {"-H", "X-Operator: somebody", NULL};
    static const struct {
        const char *token, *name;
    } actors[] = {{MODERATOR, "mo"}, {ADMIN_TOKEN, "admin"}};

    (void)state;
    for (size_t i = 0; i < COUNT(actors); i++) {
        admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                  .path = "/api/rooms/1/mute/bob",
                                                  .token = actors[i].token,
                                                  .body = q("{'secs':1}"),
                                                  .options = sign});
        assert_int_equal(admin.answer.status, 200);
        admin_get(&admin, 200, "/api/audit?limit=1");
        assert_string_equal(admin_text(&admin, "entries.0.what"), "mute");
        assert_string_equal(admin_text(&admin, "entries.0.who"), actors[i].name);
    }
}

static void what_is_refused_is_counted(void **state)
{
    double before = http_get_metric(
        admin.port, "roomcast_admin_auth_total{role=\"viewer\",result=\"forbidden\"}");

    (void)state;
    admin_ask(&admin, &(struct admin_request){.method = "POST",
                                              .path = "/api/rooms/1/close",
                                              .token = VIEWER});
    assert_int_equal(admin.answer.status, 403);
    assert_true(http_get_metric(admin.port, "roomcast_admin_auth_total{role=\"viewer\","
                                            "result=\"forbidden\"}") == before + 1);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{1}:closed"), 0);
}

/* ---- the file ---- */

struct expectation {
    const char *token, *path;
    int status;
};

static bool answers(void *data)
{
    const struct expectation *expected = data;

    return ask_with(expected->token, expected->path) == expected->status;
}

/* Within the 5 s of the contract, and as long as this machine may be busy. */
static void await(const char *token, int status)
{
    struct expectation expected = {token, "/api/session", status};

    assert_true(wait_until(answers, &expected, PATIENCE_MS));
}

static void a_changed_file_counts_while_the_service_runs(void **state)
{
    char *text = print_text("vera moderator %s\n", digests[0]);

    (void)state;
    assert_int_equal(ask_with(OWNER, "/api/session"), 200);
    write_tokens(text);
    await(OWNER, 401);
    assert_int_equal(ask_with(VIEWER, "/api/session"), 200);
    assert_string_equal(admin_text(&admin, "role"), "moderator");
    assert_int_equal(ask_with(MODERATOR, "/api/session"), 401);
    admin_get(&admin, 200, "/api/session"); /* AUTH_TOKEN stays */
    write_usual_tokens();
    await(OWNER, 200);
    free(text);
}

static void a_token_ends_when_its_line_says(void **state)
{
    char *text = print_text("vera viewer %s 2027-01-31T18:00:00Z\n"
                            "mo moderator %s 2020-01-31T18:00:00+01:00\n",
                            digests[0], digests[1]);

    (void)state;
    write_tokens(text);
    await(MODERATOR, 401);
    assert_non_null(strstr(admin.answer.body, "expired"));
    assert_int_equal(ask_with(VIEWER, "/api/session"), 200);
    assert_true(admin_number(&admin, "expires_at") == 1801418400000.0);
    write_usual_tokens();
    await(MODERATOR, 200);
    free(text);
}

static bool counts_an_error(void *data)
{
    const double *before = data;

    return http_get_metric(admin.port, "roomcast_config_errors_total") == *before + 1;
}

static void a_bad_line_is_logged_by_number_and_the_old_file_stays(void **state)
{
    double before = http_get_metric(admin.port, "roomcast_config_errors_total");
    char *text =
        print_text("# one\nolga admin %s\nvera boss %s\n", digests[2], digests[0]);

    (void)state;
    write_tokens(text);
    assert_true(wait_until(counts_an_error, &before, PATIENCE_MS));
    process_expect_logged(admin.log_path,
                          "tokens_refused setting=ROOMCAST_ADMIN_TOKENS_FILE line=3");
    assert_int_equal(ask_with(MODERATOR, "/api/session"), 200);
    assert_int_equal(ask_with(VIEWER, "/api/session"), 200);
    write_usual_tokens();
    free(text);
}

static void a_stream_of_events_ends_with_its_token(void **state)
{
    struct process curl = {0};
    char *url = print_text("http://127.0.0.1:%d/api/events", admin.port);
    char *path = print_text("%s/stream", fleet.dir);
    char *text = print_text("mo moderator %s\n", digests[1]);

    (void)state;
    process_start(&curl,
                  (const char *[]){"curl", "-sS", "-N", "-H",
                                   "Authorization: Bearer " VIEWER, url, NULL},
                  NULL, path);
    process_expect_logged(path, "event: stats");
    write_tokens(text);
    assert_int_equal(process_wait(&curl, PATIENCE_MS), 0);
    write_usual_tokens();
    await(VIEWER, 200);
    unlink(path);
    free(text);
    free(path);
    free(url);
}

static void a_bad_file_at_the_start_is_exit_2_with_its_line(void **state)
{
    char *path = print_text("%s/bad", fleet.dir);
    char *setting = print_text("ROOMCAST_ADMIN_TOKENS_FILE=%s", path);
    const char *const settings[] = {"AUTH_TOKEN=x", setting, NULL};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct admin bad;
        FILE *out = i == 0 ? NULL : fopen(path, "we");

        if (out) {
            fputs("# one\nvera viewer nothing\n", out);
            fclose(out);
        }
        admin_launch(&bad, &fleet, settings);
        assert_int_equal(process_wait(&bad.process, PATIENCE_MS), 2);
        assert_true(admin_has_logged(&bad, i == 0 ? "file_unread" : "line=2"));
        assert_true(admin_has_logged(&bad, "ROOMCAST_ADMIN_TOKENS_FILE"));
        admin_deinit(&bad);
    }
    unlink(path);
    free(setting);
    free(path);
}

/* ---- the secrets ---- */

#define FIRST_SECRET "the first secret of 32 bytes, or more"
#define NEXT_SECRET "the next secret of 32 bytes, or more"

static bool is_signed_with(const char *token, const char *secret)
{
    struct jwt_secrets secrets = {NULL, 0};
    struct grants_table table = {0};
    const struct jwt_rules rules = {
        .secrets = &secrets, JWT_RULES_USUAL, .grants = &table};
    struct jwt_claims claims = {0};
    enum jwt_result result;

    assert_int_equal(jwt_secrets_parse(&secrets, secret), 0);
    result = jwt_verify(&rules, (struct json_text){token, strlen(token)},
                        clock_ms() / 1000, &claims);
    jwt_claims_deinit(&claims);
    grants_table_deinit(&table);
    jwt_secrets_deinit(&secrets);
    return result == JWT_OK;
}

static bool signs_with(void *data)
{
    admin_post(&admin, 201, q("{'user':'ann'}"), "/api/tokens");
    return is_signed_with(admin_text(&admin, "token"), data);
}

static void a_changed_secret_signs_while_the_service_runs(void **state)
{
    double before = http_get_metric(admin.port, "roomcast_config_errors_total");

    (void)state;
    assert_true(signs_with((void *)(uintptr_t)FIRST_SECRET));
    write_file(secrets_path, "short\n");
    assert_true(wait_until(counts_an_error, &before, PATIENCE_MS));
    assert_true(signs_with((void *)(uintptr_t)FIRST_SECRET));
    write_file(secrets_path, NEXT_SECRET "\n" FIRST_SECRET "\n");
    assert_true(wait_until(signs_with, (void *)(uintptr_t)NEXT_SECRET, PATIENCE_MS));
    assert_false(admin_has_logged(&admin, NEXT_SECRET));
}

/* ---- the command ---- */

/* What `roomcast-admin hash` says, and its status. */
static int run_hash(const char *const *words, char **said)
{
    struct process command = {0};
    char *path = print_text("%s/roomcast-admin", getenv("ROOMCAST_BIN"));
    char *log_path = print_text("%s/hash", fleet.dir);
    const char *args[6] = {path, "hash"};
    int status;

    for (size_t i = 0; words[i]; i++)
        args[2 + i] = words[i];
    process_start(&command, args, NULL, log_path);
    status = process_wait(&command, PATIENCE_MS);
    *said = files_read(log_path);
    unlink(log_path);
    free(log_path);
    free(path);
    return status;
}

static void the_command_makes_a_token_and_its_line(void **state)
{
    char *said, *line, *end;

    (void)state;
    assert_int_equal(
        run_hash((const char *[]){"nina", "moderator", "2030-01-01T00:00:00Z", NULL},
                 &said),
        0);
    line = strchr(said, '\n');
    assert_non_null(line);
    *line++ = '\0';
    assert_int_equal(strlen(said), 43);
    end = strchr(line, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    assert_memory_equal(line, "nina moderator ", strlen("nina moderator "));
    write_tokens(line);
    await(said, 200);
    assert_string_equal(admin_text(&admin, "name"), "nina");
    assert_true(admin_number(&admin, "expires_at") == 1893456000000.0);
    assert_false(admin_has_logged(&admin, said));
    write_usual_tokens();
    await(said, 401);
    free(said);
}

static void the_command_makes_no_line_that_would_be_refused(void **state)
{
    static const char *const bad[][4] = {
        {"nina", NULL},
        {"nina", "boss", NULL},
        {"#nina", "admin", NULL},
        {"oidc:nina", "admin", NULL},
        {"nina", "admin", "tomorrow", NULL},
        {"nina\n", "admin", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *said;

        assert_int_equal(run_hash(bad[i], &said), 2);
        free(said);
    }
}

static void no_token_and_no_digest_is_in_the_log(void **state)
{
    static const char *const secrets[] = {VIEWER, MODERATOR, OWNER, ADMIN_TOKEN};

    (void)state;
    for (size_t i = 0; i < COUNT(secrets); i++)
        assert_false(admin_has_logged(&admin, secrets[i]));
    for (size_t i = 0; i < COUNT(digests); i++)
        assert_false(admin_has_logged(&admin, digests[i]));
}

static int start(void **state)
{
    char *tokens, *secrets;

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
    tokens_path = print_text("%s/tokens", fleet.dir);
    write_usual_tokens();
    secrets_path = print_text("%s/secrets", fleet.dir);
    write_file(secrets_path, FIRST_SECRET "\n");
    tokens = print_text("ROOMCAST_ADMIN_TOKENS_FILE=%s", tokens_path);
    secrets = print_text("ROOMCAST_JWT_SECRET_FILE=%s", secrets_path);
    admin_start(
        &admin, &fleet,
        (const char *[]){tokens, secrets, "ROOMCAST_ADMIN_FAILURES=1000", NULL});
    free(tokens);
    free(secrets);
    return 0;
}

static int stop(void **state)
{
    unlink(tokens_path);
    unlink(secrets_path);
    free(tokens_path);
    free(secrets_path);
    return admin_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_takes_the_role_that_the_document_names),
        cmocka_unit_test(what_is_not_there_takes_a_token_as_well),
        cmocka_unit_test(a_session_is_a_name_and_a_role),
        cmocka_unit_test(the_name_of_the_token_is_in_the_audit_trail),
        cmocka_unit_test(what_is_refused_is_counted),
        cmocka_unit_test(a_changed_file_counts_while_the_service_runs),
        cmocka_unit_test(a_token_ends_when_its_line_says),
        cmocka_unit_test(a_bad_line_is_logged_by_number_and_the_old_file_stays),
        cmocka_unit_test(a_stream_of_events_ends_with_its_token),
        cmocka_unit_test(a_bad_file_at_the_start_is_exit_2_with_its_line),
        cmocka_unit_test(a_changed_secret_signs_while_the_service_runs),
        cmocka_unit_test(the_command_makes_a_token_and_its_line),
        cmocka_unit_test(the_command_makes_no_line_that_would_be_refused),
        cmocka_unit_test(no_token_and_no_digest_is_in_the_log),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
