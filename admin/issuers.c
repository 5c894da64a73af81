/* issuers.c - see issuers.h.
 *
 *     issuers_tick -> start -> [get] -> issuers_answer -> read_configuration -> [get] -> issuers_answer
 *                                                      -> take_set -> succeed | fail
 *                  -> look_at_file -> take_set
 */
#include "admin/issuers.h"

#include <stdlib.h>
#include <string.h>

#include "admin/public_keys.h"
#include "common/https_url.h"
#include "common/json_read.h"
#include "common/log.h"
#include "common/xalloc.h"

enum { FILE_PAUSE_MS = 5000 };

static const char *const words[] = {
#define X(id, word) [id] = #word,
    ISSUERS_RESULTS(X)
#undef X
};

static const char *name_for_log(const struct issuer *issuer)
{
    return log_name(issuer->source->name, strlen(issuer->source->name));
}

/* ---- what came of it ---- */

/* What is said of an answer may quote it. */
static void keep_error(struct issuer *issuer, const char *why)
{
    free(issuer->error);
    issuer->error = xstrdup(why);
    for (char *at = issuer->error; *at; at++)
        if (*at < ' ' || *at > '~' || *at == '"')
            *at = '\'';
}

static void fail(struct issuer *issuer, enum issuers_result result, const char *why)
{
    uint64_t pause =
        issuer->source->kind == ISSUER_FILE ? FILE_PAUSE_MS : ISSUERS_PAUSE_MS;
    uint64_t refresh = issuer->in->refresh_ms;

    issuer->counts[result]++;
    issuer->next_ms = issuer->in->now_ms + (refresh < pause ? refresh : pause);
    keep_error(issuer, why);
    log_warn("jwks_failed", "issuer=%s result=%s why=\"%.200s\"", name_for_log(issuer),
             words[result], issuer->error);
}

static void succeed(struct issuer *issuer, char *keys, size_t left_out)
{
    bool has_changed = !issuer->keys || strcmp(issuer->keys, keys) != 0;

    issuer->counts[ISSUERS_READ]++;
    free(issuer->error);
    issuer->error = NULL;
    free(issuer->keys);
    issuer->keys = keys;
    issuer->left_out = left_out;
    issuer->read_ms = issuer->in->now_ms;
    issuer->fetched_at = issuer->in->wall_ms;
    issuer->is_fresh = true;
    if (has_changed)
        log_info("jwks_read", "issuer=%s left_out=%zu", name_for_log(issuer), left_out);
    issuer->in->hooks->on_keys(issuer->in->owner, issuer);
}

static void take_set(struct issuer *issuer, struct json_text set)
{
    struct strbuf keys = {NULL, 0, 0};
    size_t left_out = 0;

    switch (public_keys_add(&keys, set, &left_out)) {
    case PUBLIC_KEYS_OK:
        succeed(issuer, xmemdup(keys.data, keys.len), left_out);
        break;
    case PUBLIC_KEYS_NO_SET:
        fail(issuer, ISSUERS_NO_SET,
             "it is no JWKS: no JSON object with an array keys");
        break;
    case PUBLIC_KEYS_NONE:
        fail(issuer, ISSUERS_NO_KEY, "the JWKS has no usable key");
        break;
    }
    strbuf_deinit(&keys);
}

/* ---- files ---- */

/* After a failure it is looked at a little later. */
static void look_at_file(struct issuer *issuer)
{
    struct strbuf text = {NULL, 0, 0};

    if (issuer->in->now_ms < issuer->next_ms)
        return;
    if (watched_file_take(&issuer->file, &text)) {
        if (text.len > FETCH_BYTES_MAX)
            fail(issuer, ISSUERS_TOO_LARGE, "the file has more than 256 KiB");
        else
            take_set(issuer, (struct json_text){text.data, text.len});
    } else if (issuer->file.has_failed) {
        fail(issuer, ISSUERS_UNREACHABLE, "the file cannot be read; the log says why");
    }
    strbuf_deinit(&text);
}

/* ---- from where its configuration says ---- */

/* OpenID Connect Discovery, section 4.3: the configuration must name the issuer itself. NULL: it is none
 * of this issuer. */
static char *find_keys_url(const struct issuer *issuer, struct json_text text)
{
    struct json_members in = {NULL, 0, 0, 0};
    char *name = NULL, *url = NULL;

    if (json_scan(text.base, text.len, &in) == 0) {
        name = json_read_dup(json_read_find(&in, "issuer"));
        url = json_read_dup(json_read_find(&in, "jwks_uri"));
    }
    json_members_deinit(&in);
    if (!name || strcmp(name, issuer->source->name) != 0 ||
        !https_url_is((struct json_text){url, strlen(url)})) {
        free(url);
        url = NULL;
    }
    free(name);
    return url;
}

static void get(struct issuer *issuer, const char *url)
{
    issuer->is_asked = true;
    issuer->in->hooks->get(issuer->in->owner, issuer, url);
}

static void read_configuration(struct issuer *issuer, struct json_text text)
{
    char *url = find_keys_url(issuer, text);

    if (!url) {
        fail(issuer, ISSUERS_CONFIGURATION,
             "the configuration does not name this issuer and a jwks_uri of https");
        return;
    }
    issuer->has_configuration = true;
    if (issuer->in->hooks->on_configuration)
        issuer->in->hooks->on_configuration(issuer->in->owner, text);
    get(issuer, url);
    free(url);
}

/* ---- when ---- */

static void note_time(struct issuers *issuers, uint64_t now_ms, uint64_t wall_ms)
{
    issuers->now_ms = now_ms;
    issuers->wall_ms = wall_ms;
}

void issuers_answer(struct issuer *issuer, const struct fetch_answer *answer,
                    uint64_t now_ms, uint64_t wall_ms)
{
    static const enum issuers_result results[] = {
        [FETCH_UNREACHABLE] = ISSUERS_UNREACHABLE,
        [FETCH_STATUS] = ISSUERS_STATUS,
        [FETCH_TOO_LARGE] = ISSUERS_TOO_LARGE,
    };

    note_time(issuer->in, now_ms, wall_ms);
    issuer->is_asked = false;
    if (answer->result != FETCH_OK)
        fail(issuer, results[answer->result], answer->why);
    else if (issuer->source->kind == ISSUER_DISCOVERED && !issuer->has_configuration)
        read_configuration(issuer, answer->body);
    else
        take_set(issuer, answer->body);
}

static void start(struct issuer *issuer)
{
    struct issuers *in = issuer->in;
    uint32_t spread = (uint32_t)(in->refresh_ms / 5);

    issuer->asked_ms = in->now_ms;
    issuer->next_ms = in->now_ms + in->refresh_ms - spread / 2 +
                      in->hooks->random(in->owner, spread + 1);
    issuer->is_wanted = false;
    issuer->has_configuration = false;
    get(issuer, issuer->source->from);
}

static bool is_due(const struct issuer *issuer)
{
    uint64_t now = issuer->in->now_ms;

    return now >= issuer->next_ms ||
           (issuer->is_wanted && now - issuer->asked_ms >= ISSUERS_PAUSE_MS);
}

static void tick(struct issuer *issuer)
{
    if (issuer->source->kind == ISSUER_FILE) {
        look_at_file(issuer);
    } else if (!issuer->is_asked && is_due(issuer)) {
        start(issuer);
    }
}

void issuers_tick(struct issuers *issuers, uint64_t now_ms, uint64_t wall_ms)
{
    note_time(issuers, now_ms, wall_ms);
    for (size_t i = 0; i < issuers->count; i++)
        tick(&issuers->all[i]);
}

struct issuer *issuers_find(struct issuers *issuers, struct json_text name)
{
    for (size_t i = 0; i < issuers->count; i++) {
        const char *own = issuers->all[i].source->name;

        if (strlen(own) == name.len && memcmp(own, name.base, name.len) == 0)
            return &issuers->all[i];
    }
    return NULL;
}

/* As good as read, since it is looked at all the time. */
static void want_file(struct issuer *issuer)
{
    struct issuers *in = issuer->in;

    if (!issuer->keys || issuer->error ||
        (issuer->asked_ms > 0 && in->now_ms - issuer->asked_ms < ISSUERS_PAUSE_MS))
        return;
    issuer->asked_ms = in->now_ms;
    issuer->is_fresh = true;
    in->hooks->on_keys(in->owner, issuer);
}

void issuers_want(struct issuers *issuers, struct json_text name, uint64_t now_ms,
                  uint64_t wall_ms)
{
    struct issuer *issuer = issuers_find(issuers, name);

    if (!issuer)
        return;
    note_time(issuers, now_ms, wall_ms);
    issuer->is_wanted = issuer->source->kind != ISSUER_FILE;
    tick(issuer);
    if (issuer->source->kind == ISSUER_FILE)
        want_file(issuer);
}

void issuers_init(struct issuers *issuers, const struct issuer_list *list,
                  uint64_t refresh_ms, const struct issuers_hooks *hooks, void *owner,
                  uint64_t now_ms)
{
    *issuers = (struct issuers){
        .count = list->count,
        .refresh_ms = refresh_ms,
        .hooks = hooks,
        .owner = owner,
        .now_ms = now_ms,
    };
    issuers->all = xcalloc(list->count + 1, sizeof(*issuers->all));
    for (size_t i = 0; i < list->count; i++) {
        issuers->all[i] = (struct issuer){
            .in = issuers,
            .source = &list->all[i],
            .read_ms = now_ms,
            .next_ms = now_ms,
        };
        if (list->all[i].kind == ISSUER_FILE)
            watched_file_init(&issuers->all[i].file, "ROOMCAST_JWT_ISSUERS",
                              list->all[i].from);
    }
}

void issuers_deinit(struct issuers *issuers)
{
    for (size_t i = 0; i < issuers->count; i++) {
        free(issuers->all[i].keys);
        free(issuers->all[i].error);
        watched_file_deinit(&issuers->all[i].file);
    }
    free(issuers->all);
    *issuers = (struct issuers){0};
}

/* ---- metrics: the issuers are known only at run time, so they are in no table ---- */

static void add_head(struct strbuf *out, const char *name, const char *help,
                     const char *type)
{
    strbuf_add_format(out, "# HELP roomcast_%s %s\n# TYPE roomcast_%s %s\n", name, help,
                      name, type);
}

/* `name{issuer="…"`, the text as Prometheus' format wants it. */
static void add_labelled(struct strbuf *out, const char *name,
                         const struct issuer *issuer)
{
    strbuf_add_format(out, "roomcast_%s{issuer=\"", name);
    for (const char *at = issuer->source->name; *at; at++) {
        if (*at == '"' || *at == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_text(out, *at == '\n' ? "\\n" : "");
        if (*at != '\n')
            strbuf_add_char(out, *at);
    }
    strbuf_add_char(out, '"');
}

static void add_value(struct strbuf *out, const char *name, const struct issuer *issuer,
                      uint64_t value)
{
    add_labelled(out, name, issuer);
    strbuf_add_text(out, "} ");
    strbuf_add_u64(out, value);
    strbuf_add_char(out, '\n');
}

static void add_counts(struct strbuf *out, const struct issuer *issuer)
{
    for (int i = 0; i < ISSUERS_RESULTS_COUNT; i++) {
        add_labelled(out, "jwks_fetches_total", issuer);
        strbuf_add_format(out, ",result=\"%s\"} %llu\n", words[i],
                          (unsigned long long)issuer->counts[i]);
    }
}

/* A file that has not changed is as good as read. */
static uint64_t age_secs(const struct issuer *issuer, uint64_t now_ms)
{
    if (issuer->source->kind == ISSUER_FILE && issuer->keys && !issuer->error)
        return 0;
    return (now_ms - issuer->read_ms) / 1000;
}

void issuers_print_metrics(const struct issuers *issuers, uint64_t now_ms,
                           struct strbuf *out)
{
    if (issuers->count == 0)
        return;
    add_head(out, "jwks_age_seconds",
             "Seconds since the keys of an issuer were read, or since the start",
             "gauge");
    for (size_t i = 0; i < issuers->count; i++)
        add_value(out, "jwks_age_seconds", &issuers->all[i],
                  age_secs(&issuers->all[i], now_ms));
    add_head(out, "jwks_fetches_total",
             "Readings of an issuer's keys, by what came of them", "counter");
    for (size_t i = 0; i < issuers->count; i++)
        add_counts(out, &issuers->all[i]);
    add_head(out, "jwks_keys_left_out",
             "Entries of an issuer's keys that are no usable key", "gauge");
    for (size_t i = 0; i < issuers->count; i++)
        add_value(out, "jwks_keys_left_out", &issuers->all[i],
                  issuers->all[i].left_out);
}
