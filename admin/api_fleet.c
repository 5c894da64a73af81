/* api_fleet.c - the gateways, the totals, and the series of who was online. */
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/intake.h"
#include "common/xalloc.h"

enum { MINUTES_MAX = 1440, SAMPLES_A_MINUTE = 6 };

struct call {
    struct fleet_wait wait; /* first */
    struct http_request *req;
    void (*print)(const struct fleet *fleet, struct strbuf *out);
};

static void on_view(struct fleet_wait *wait, bool ok)
{
    struct call *call = (struct call *)(void *)wait;
    struct api *api = api_of(call->req);

    if (ok) {
        strbuf_reset(&api->out, 64 * 1024);
        call->print(&api->fleet, &api->out);
        api_reply(call->req, 200, &api->out);
    } else {
        api_unavailable(call->req);
    }
    free(call);
}

static void start(struct api *api, struct http_request *req,
                  void (*print)(const struct fleet *fleet, struct strbuf *out))
{
    struct call *call;

    if (!api_is_up(req))
        return;
    call = xcalloc(1, sizeof(*call));
    call->wait.on_view = on_view;
    call->req = req;
    call->print = print;
    fleet_get(&api->fleet, &call->wait);
}

static void print_gateways(const struct fleet *fleet, struct strbuf *out)
{
    strbuf_add_text(out, "{\"gateways\":");
    fleet_add_nodes(fleet, out);
    strbuf_add_char(out, '}');
}

void api_fleet_gateways(void *owner, struct http_request *req)
{
    start(owner, req, print_gateways);
}

void api_fleet_stats(void *owner, struct http_request *req)
{
    start(owner, req, fleet_add_stats);
}

/* ---- the series ---- */

/* Whether it has nothing but numbers, and a time. */
static bool is_sample(struct json_text text, struct json_members *members)
{
    bool has_ts = false;

    if (json_scan(text.base, text.len, members) < 0)
        return false;
    for (size_t i = 0; i < members->count; i++) {
        struct json_text key = members->items[i].key;
        char c = members->items[i].value.base[0];

        if (c != '-' && (c < '0' || c > '9'))
            return false;
        has_ts = has_ts || (key.len == 4 && memcmp(key.base, "\"ts\"", 4) == 0);
    }
    return has_ts;
}

static void on_samples(void *data, int status, const redisReply *reply)
{
    struct http_request *req = data;
    struct strbuf *out = &api_of(req)->out;
    struct json_members members = {0};

    if (status < 0 || !reply_is_array(reply, 0)) {
        api_unavailable(req);
        return;
    }
    strbuf_reset(out, 256 * 1024);
    strbuf_add_text(out, "{\"samples\":[");
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct json_text sample = reply_text(reply, i);

        if (!is_sample(sample, &members)) {
            intake_refuse(api_of(req)->metrics, INTAKE_HISTORY, "samples",
                          (struct json_text){"", 0});
            continue;
        }
        if (out->data[out->len - 1] != '[')
            strbuf_add_char(out, ',');
        strbuf_add(out, sample.base, sample.len);
    }
    strbuf_add_text(out, "]}");
    json_members_deinit(&members);
    api_reply(req, 200, out);
}

void api_fleet_online(void *owner, struct http_request *req)
{
    struct api *api = owner;
    uint64_t minutes;

    if (!api_take_number(req, "minutes", 1, MINUTES_MAX, 60, &minutes) ||
        !api_is_up(req))
        return;
    db_begin(&api->db, 0, "LRANGE");
    command_add_fleet_key(&api->db.cmd, 0, KEY_STATS_ONLINE);
    strbuf_reset(&api->out, 4096);
    strbuf_add_format(&api->out, "-%u", (unsigned)minutes * SAMPLES_A_MINUTE);
    redis_command_add(&api->db.cmd, api->out.data, api->out.len);
    redis_command_add_text(&api->db.cmd, "-1");
    db_send(&api->db, on_samples, req);
}
