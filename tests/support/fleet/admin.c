/* admin.c - see admin.h.
 *
 *     admin_get  ->  admin_ask  ->  curl  ->  two files  ->  take_answer
 *
 * curl writes the head and the body of an answer to files in the fleet's directory, named
 * by the port, and they are removed once they are read.
 */
#include "tests/support/fleet/admin.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/fleet/json_path.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

enum { SETTINGS_MAX = 32, ARGS_MAX = 48, CURL_MS = 60000, PATH_BYTES = 256 };

/* ---- the service ---- */

static void fail_with_log(const struct admin *admin, const char *what)
{
    admin->fleet->failed = true;
    process_print_log(admin->log_path);
    fail_msg("%s; the logs stay in %s", what, admin->fleet->dir);
}

void admin_resume(struct admin *admin)
{
    assert_false(process_is_running(&admin->process));
    process_start_roomcast(&admin->process, "roomcast-admin",
                           (const char *const *)admin->settings, admin->log_path);
}

static char *print_redis_url(struct fleet *fleet)
{
    unsigned all[FLEET_SHARDS_MAX];

    if (fleet->shards_count == 0)
        return print_text("ROOMCAST_REDIS_URL=redis://127.0.0.1:%d", fleet->redis_port);
    for (unsigned i = 0; i < fleet->shards_count; i++)
        all[i] = i;
    return fleet_list_setting(fleet, all, fleet->shards_count);
}

void admin_launch(struct admin *admin, struct fleet *fleet, const char *const *settings)
{
    unsigned n = 0;

    *admin = (struct admin){.fleet = fleet, .port = port_take()};
    admin->log_path = print_text("%s/admin-%d.log", fleet->dir, admin->port);
    admin->settings = xcalloc(SETTINGS_MAX, sizeof(*admin->settings));
    admin->settings[n++] =
        print_text("ROOMCAST_ADMIN_LISTEN=127.0.0.1:%d", admin->port);
    admin->settings[n++] = print_redis_url(fleet);
    admin->settings[n++] = print_text("ROOMCAST_CONSOLE_DIR=%s/no-console", fleet->dir);
    for (; settings && *settings; settings++) {
        assert_true(n + 1 < SETTINGS_MAX);
        admin->settings[n++] = xstrdup(*settings);
    }
    admin_resume(admin);
}

static bool is_ready_or_dead(void *data)
{
    struct admin *admin = data;

    return !process_is_running(&admin->process) ||
           http_get_status(admin->port, "/readyz") == 200;
}

void admin_wait_ready(struct admin *admin)
{
    if (!wait_until(is_ready_or_dead, admin, FLEET_DEADLINE_MS) ||
        !process_is_running(&admin->process))
        fail_with_log(admin, "the admin service does not get ready");
}

void admin_start(struct admin *admin, struct fleet *fleet, const char *const *settings)
{
    const char *all[SETTINGS_MAX] = {"AUTH_TOKEN=" ADMIN_TOKEN};

    for (unsigned n = 1; settings && *settings; settings++) {
        assert_true(n + 1 < SETTINGS_MAX);
        all[n++] = *settings;
    }
    admin_launch(admin, fleet, all);
    admin_wait_ready(admin);
}

void admin_kill(struct admin *admin)
{
    assert_true(process_is_running(&admin->process));
    process_kill(&admin->process);
}

void admin_deinit(struct admin *admin)
{
    for (char **setting = admin->settings; setting && *setting; setting++)
        free(*setting);
    free(admin->settings);
    http_get_deinit(&admin->answer);
    cJSON_Delete(admin->json);
    if (admin->log_path && !admin->fleet->failed)
        unlink(admin->log_path);
    free(admin->log_path);
    *admin = (struct admin){0};
}

/* In a teardown, where cmocka does not count a failed assertion: the fleet fails. */
void admin_stop(struct admin *admin)
{
    int status;

    process_signal(&admin->process, SIGTERM);
    status = process_wait(&admin->process, FLEET_DEADLINE_MS);
    if (status != 0) {
        process_kill(&admin->process);
        process_print_log(admin->log_path);
        print_error("the admin service stops with %d, not 0, after SIGTERM; the logs "
                    "stay in %s\n",
                    status, admin->fleet->dir);
        admin->fleet->failed = true;
    }
    admin_deinit(admin);
}

int admin_teardown(void **state)
{
    struct admin *admin = *state;
    struct fleet *fleet = admin->fleet;

    admin_stop(admin);
    return fleet ? fleet_stop(fleet) : -1; /* NULL: the setup has not come so far */
}

bool admin_has_logged(const struct admin *admin, const char *text)
{
    return process_has_logged(admin->log_path, text);
}

/* ---- a request ---- */

struct files {
    char head[PATH_BYTES], body[PATH_BYTES], sent[PATH_BYTES], log[PATH_BYTES];
};

static void name_file(char path[PATH_BYTES], const struct admin *admin,
                      const char *what)
{
    snprintf(path, PATH_BYTES, "%s/curl-%d.%s", admin->fleet->dir, admin->port, what);
}

static struct files name_files(const struct admin *admin)
{
    struct files files;

    name_file(files.head, admin, "head");
    name_file(files.body, admin, "body");
    name_file(files.sent, admin, "sent");
    name_file(files.log, admin, "log");
    return files;
}

static void remove_files(const struct files *files)
{
    unlink(files->head);
    unlink(files->body);
    unlink(files->sent);
    unlink(files->log);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Adds what a file holds; nothing where there is none. */
static void add_file(struct strbuf *out, const char *path)
{
    FILE *file = fopen(path, "re");
    char bytes[4096];
    size_t len;

    while (file && (len = fread(bytes, 1, sizeof(bytes), file)) > 0)
        strbuf_add(out, bytes, len);
    if (file)
        fclose(file);
}

/* A head may begin with answers that are not the last: 100 Continue. */
static const char *find_last_head(const char *head)
{
    const char *end;

    while (strncmp(head, "HTTP/1.1 1", 10) == 0 && (end = strstr(head, "\r\n\r\n")))
        head = end + 4;
    return head;
}

static bool has_type(const struct http_answer *answer, const char *type)
{
    char line[128];

    snprintf(line, sizeof(line), "\r\ncontent-type: %s", type);
    return strcasestr(answer->head, line) != NULL;
}

static cJSON *parse_json(const struct http_answer *answer)
{
    const char *end = NULL;
    cJSON *json;

    if (!has_type(answer, "application/json") || answer->body_len == 0)
        return NULL;
    json = cJSON_ParseWithLengthOpts(answer->body, answer->body_len + 1, &end, 1);
    if (!json || (size_t)(end - answer->body) != answer->body_len)
        fail_msg("not JSON: %s", answer->body);
    return json;
}

static void take_answer(struct admin *admin, const struct files *files, bool is_head)
{
    struct strbuf head = {0}, all = {0};

    add_file(&head, files->head);
    if (head.len > 0)
        strbuf_add_text(&all, find_last_head(head.data));
    if (!is_head) /* curl puts the head there */
        add_file(&all, files->body);
    http_get_parse(&admin->answer, all.len ? all.data : "", all.len);
    strbuf_deinit(&head);
    strbuf_deinit(&all);
    cJSON_Delete(admin->json);
    admin->json = NULL;
    admin->json = parse_json(&admin->answer);
}

struct args {
    const char *list[ARGS_MAX];
    unsigned count;
};

static void add_arg(struct args *args, const char *text)
{
    assert_true(args->count + 1 < ARGS_MAX);
    args->list[args->count++] = text;
}

static void add_option(struct args *args, const char *name, const char *value)
{
    add_arg(args, name);
    add_arg(args, value);
}

static void run_curl(const struct admin *admin, const struct args *args,
                     const struct files *files)
{
    struct process curl = {0};

    process_start(&curl, args->list, NULL, files->log);
    if (process_wait(&curl, CURL_MS) != PROCESS_STILL_RUNS)
        return;
    process_kill(&curl);
    fail_with_log(admin, "curl does not end");
}

int admin_ask(struct admin *admin, const struct admin_request *r)
{
    const char *method = r->method ? r->method : "GET";
    const char *token = r->token ? r->token : ADMIN_TOKEN;
    bool is_head = strcmp(method, "HEAD") == 0;
    char *url = print_text("http://127.0.0.1:%d%s", admin->port, r->path);
    char *bearer = print_text("Authorization: Bearer %s", token);
    char data[PATH_BYTES + 1];
    struct files files = name_files(admin);
    struct args args = {{"curl", "-sS", "--globoff", "--path-as-is"}, 4};

    add_option(&args, "--max-time", "30");
    add_option(&args, "-D", files.head);
    add_option(&args, "-o", files.body);
    if (is_head)
        add_arg(&args, "-I");
    else
        add_option(&args, "-X", method);
    if (token[0])
        add_option(&args, "-H", bearer);
    if (r->body) {
        write_file(files.sent, r->body, r->body_len ? r->body_len : strlen(r->body));
        snprintf(data, sizeof(data), "@%s", files.sent);
        add_option(&args, "-H", "Content-Type: application/json");
        add_option(&args, "--data-binary", data);
    }
    for (const char *const *option = r->options; option && *option; option++)
        add_arg(&args, *option);
    add_arg(&args, url);
    run_curl(admin, &args, &files);
    take_answer(admin, &files, is_head);
    remove_files(&files);
    free(url);
    free(bearer);
    return admin->answer.status;
}

__attribute__((format(printf, 5, 0))) static void
ask_well(struct admin *admin, int status, const char *method, const char *body,
         const char *format, va_list args)
{
    char *path = print_args(format, args);

    admin_ask(admin,
              &(struct admin_request){.method = method, .path = path, .body = body});
    if (admin->answer.status == 0)
        fail_with_log(admin, "no answer from the admin service");
    if (admin->answer.status != status)
        fail_msg("%s %s: %d, not %d: %s", method, path, admin->answer.status, status,
                 admin->answer.body);
    free(path);
}

void admin_get(struct admin *admin, int status, const char *path, ...)
{
    va_list args;

    va_start(args, path);
    ask_well(admin, status, "GET", NULL, path, args);
    va_end(args);
}

void admin_delete(struct admin *admin, int status, const char *path, ...)
{
    va_list args;

    va_start(args, path);
    ask_well(admin, status, "DELETE", NULL, path, args);
    va_end(args);
}

void admin_post(struct admin *admin, int status, const char *body, const char *path,
                ...)
{
    va_list args;

    va_start(args, path);
    ask_well(admin, status, "POST", body, path, args);
    va_end(args);
}

/* ---- the answer ---- */

void admin_expect_error_in(const struct http_answer *answer, int status,
                           const char *code)
{
    cJSON *json = parse_json(answer);
    const cJSON *found = json_path_find(json, "error.code");
    const cJSON *message = json_path_find(json, "error.message");

    if (answer->status != status || !cJSON_IsString(found) ||
        strcmp(found->valuestring, code) != 0)
        fail_msg("expected %d with the code %s, got %d: %s%s", status, code,
                 answer->status, answer->head, answer->body);
    if (!cJSON_IsString(message) || !message->valuestring[0] ||
        cJSON_GetArraySize(json) != 1 ||
        cJSON_GetArraySize(json_path_find(json, "error")) != 2)
        fail_msg("not an error object as it should be: %s", answer->body);
    cJSON_Delete(json);
}

void admin_expect_error(const struct admin *admin, int status, const char *code)
{
    admin_expect_error_in(&admin->answer, status, code);
}

static const cJSON *find_or_fail(const struct admin *admin, const char *path,
                                 bool right, const cJSON *found)
{
    if (!right)
        fail_msg("no such %s in %s", path, admin->answer.body);
    return found;
}

const char *admin_text(const struct admin *admin, const char *path)
{
    const cJSON *item = json_path_find(admin->json, path);

    return find_or_fail(admin, path, cJSON_IsString(item), item)->valuestring;
}

double admin_number(const struct admin *admin, const char *path)
{
    const cJSON *item = json_path_find(admin->json, path);

    return find_or_fail(admin, path, cJSON_IsNumber(item), item)->valuedouble;
}

int admin_count(const struct admin *admin, const char *path)
{
    const cJSON *item = json_path_find(admin->json, path);

    return cJSON_GetArraySize(find_or_fail(admin, path, cJSON_IsArray(item), item));
}

bool admin_is_true(const struct admin *admin, const char *path)
{
    const cJSON *item = json_path_find(admin->json, path);

    return cJSON_IsTrue(find_or_fail(admin, path, cJSON_IsBool(item), item));
}

bool admin_is_null(const struct admin *admin, const char *path)
{
    const cJSON *item = json_path_find(admin->json, path);

    return cJSON_IsNull(find_or_fail(admin, path, item != NULL, item));
}

bool admin_has(const struct admin *admin, const char *path)
{
    return json_path_find(admin->json, path) != NULL;
}
