/* files.c - see files.h.
 *
 *     on_tick -> look_at_tokens -> operators_parse
 *             -> look_at_secrets -> jwt_secrets_parse
 */
#include "admin/files.h"

#include <openssl/crypto.h>

#include "common/log.h"
#include "common/settings.h"

enum { TICK_MS = 2000 };

static void count_error(struct files *files)
{
    metric_add(&files->metrics->config_errors_total, 1);
}

/* False: they are no good. */
static bool take_tokens(struct files *files, const char *text)
{
    const char *why;
    unsigned line = operators_parse(files->operators, text, &why);

    if (line > 0)
        log_error("tokens_refused",
                  "setting=ROOMCAST_ADMIN_TOKENS_FILE line=%u why=\"%s\"", line, why);
    else
        log_info("tokens_read", "count=%zu", files->operators->count);
    return line == 0;
}

static void look_at_tokens(struct files *files)
{
    struct strbuf text = {NULL, 0, 0};

    if (watched_file_take(&files->tokens, &text) && !take_tokens(files, text.data))
        count_error(files);
    strbuf_deinit(&text);
}

static void take_secrets(struct files *files, const char *text)
{
    unsigned line = jwt_secrets_parse(&files->jwt_secrets, text);

    if (line > 0) {
        log_error("secrets_refused", "setting=ROOMCAST_JWT_SECRET_FILE line=%u", line);
        count_error(files);
    } else {
        log_info("secrets_changed", "count=%zu", files->jwt_secrets.count);
    }
}

static void look_at_secrets(struct files *files)
{
    struct strbuf text = {NULL, 0, 0};

    if (watched_file_take(&files->secrets, &text)) {
        take_secrets(files, text.data);
        OPENSSL_cleanse(text.data, text.len);
    }
    strbuf_deinit(&text);
}

static void on_tick(uv_timer_t *timer)
{
    struct files *files = timer->data;

    look_at_tokens(files);
    look_at_secrets(files);
}

/* At the start there is nothing that could stay. */
static bool open_tokens(struct files *files, const char *path)
{
    struct strbuf text = {NULL, 0, 0};
    bool is_good;

    watched_file_init(&files->tokens, "ROOMCAST_ADMIN_TOKENS_FILE", path);
    is_good = !path[0] || (watched_file_take(&files->tokens, &text) &&
                           take_tokens(files, text.data));
    strbuf_deinit(&text);
    return is_good;
}

static void open_secrets(struct files *files, const char *secrets)
{
    /* config has checked it */
    (void)jwt_secrets_parse(&files->jwt_secrets, secrets);
    watched_file_init(&files->secrets, "ROOMCAST_JWT_SECRET_FILE",
                      settings_file_of("ROOMCAST_JWT_SECRET"));
    watched_file_skip(&files->secrets);
}

bool files_open(struct files *files, uv_loop_t *loop, const struct config *config,
                struct metrics *metrics, struct operators *operators)
{
    *files = (struct files){.metrics = metrics, .operators = operators};
    if (!open_tokens(files, config->admin_tokens_file))
        return false;
    open_secrets(files, config->jwt_secret);
    uv_timer_init(loop, &files->tick);
    files->tick.data = files;
    uv_timer_start(&files->tick, on_tick, TICK_MS, TICK_MS);
    return true;
}

void files_close(struct files *files)
{
    uv_close((uv_handle_t *)&files->tick, NULL);
}

void files_deinit(struct files *files)
{
    jwt_secrets_deinit(&files->jwt_secrets);
    watched_file_deinit(&files->tokens);
    watched_file_deinit(&files->secrets);
}
