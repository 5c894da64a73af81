/* fuzz_reply.c - a Redis that answers anything, behind a gateway's worker and an admin service.
 *
 * Input: what happens, as letters up to the first that is none of them; then the replies, in
 * RESP. The gateway has rooms, users and all that asks Redis for them, but no sockets; the
 * admin service has endpoints, but no HTTP. Whatever is answered, each event for a client is
 * one line of JSON, each answer of the API is JSON, each request is answered once, and nothing
 * is left behind.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/events.h"
#include "common/xalloc.h"
#include "gateway/catchup.h"
#include "tests/fuzz/fake_link.h"
#include "tests/fuzz/fake_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MEMBERS = 3,
    REQUESTS = 8,
    STEPS_MAX = 4000,
    TIMERS_MAX = 64,
    ANSWERS_MAX = 300
};

static struct redis_url url;
static struct config config = {
    .redis = {.urls = &url, .count = 1},
    .key_prefix = "rc",
    .history_limit = 5,
    .room_ttl_ms = 300000,
    .lease_ms = 10000,
    .dedupe_ms = 300000,
    .presence_grace_ms = 3000,
    .presence_events_max = 500,
    .redis_deadline_ms = 2000,
    .max_message_bytes = 65536,
    .admin_listeners = 10,
    .audit_entries = 100,
    .auth_token = "token",
    .public_ws_urls = "",
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* ---- time ---- */

struct timers {
    uv_timer_t *all[TIMERS_MAX];
    unsigned count;
};

static void collect_timer(uv_handle_t *handle, void *arg)
{
    struct timers *timers = arg;

    if (handle->type == UV_TIMER && uv_is_active(handle) && timers->count < TIMERS_MAX)
        timers->all[timers->count++] = (uv_timer_t *)handle;
}

/* All timers are due. */
static void pass_time(uv_loop_t *loop, uint64_t ms)
{
    struct timers timers = {.count = 0};

    loop->time += ms;
    uv_walk(loop, collect_timer, &timers);
    for (unsigned i = 0; i < timers.count; i++) {
        uv_timer_t *timer = timers.all[i];

        if (!uv_is_active((uv_handle_t *)timer))
            continue;
        if (uv_timer_get_repeat(timer) == 0)
            uv_timer_stop(timer);
        timer->timer_cb(timer);
    }
}

/* ---- a worker ---- */

static struct {
    struct fake_worker base;
    struct member members[MEMBERS];
    unsigned reading; /* calls that come back to a member */
} w;

static void end_turn(void)
{
    shard_check_lease(&w.base.shard);
    shard_flush(&w.base.shard, uv_now(&w.base.loop));
}

/* ---- its clients ---- */

static bool deliver(struct member *member, struct frame *frame, enum room_class class)
{
    size_t len, size = frame_len(frame);
    const char *text = frame_text(frame, &len);

    (void)class;
    require(member->room);
    if (len <= size && size <= len + 10) /* one message, not a block of several */
        require(text[0] != '{' || json_is_line((struct json_text){text, len}) ||
                memchr(text, 0x81, len));
    return true;
}

static void on_history(void *data, const struct history *history)
{
    struct member *member = data;

    w.reading--;
    if (!member->room)
        return;
    if (history)
        catchup_on_history(member, history);
    else
        catchup_on_failed(member);
}

static bool start_read(struct member *member, uint64_t after)
{
    if (w.reading > 100)
        return false;
    w.reading++;
    history_cache_read(&w.base.shard.history_cache, member->room,
                       &(struct history_wish){after, member->progress.until},
                       uv_now(&w.base.loop), on_history, member);
    return true;
}

static bool give_ack(struct member *member, uint64_t until, uint64_t oldest)
{
    (void)member, (void)until, (void)oldest;
    return false;
}

static void give_batch(struct member *member, const struct history_batch *batch)
{
    require(member->room);
    for (size_t i = 0; i < batch->count; i++)
        require(json_is_line(batch->lines[i]));
}

static void on_removed(struct member *member)
{
    require(!member->room);
}

static const struct member_calls calls = {deliver, start_read, give_ack, give_batch,
                                          on_removed};

static void on_joined(struct member *member, enum proto_error error,
                      const struct room_joined *joined, uint64_t wait_ms)
{
    (void)wait_ms;
    if (error == PROTO_OK) {
        require(proto_is_epoch(joined->epoch, strlen(joined->epoch)));
        catchup_start(member, 0);
    }
}

static void join(unsigned i)
{
    static const char *const users[MEMBERS] = {"ann", "-", "ann"};
    struct member *member = &w.members[i];

    if (member->room || w.reading > 0)
        return;
    memset(member, 0, sizeof(*member));
    list_init(&member->link);
    member->calls = &calls;
    room_join(&w.base.shard.rooms, member,
              (struct json_text){i == 2 ? "other" : "r", i == 2 ? 5 : 1},
              (struct json_text){users[i], strlen(users[i])}, on_joined);
}

static void leave(unsigned i, bool at_once)
{
    if (w.members[i].room)
        room_leave(&w.members[i], at_once ? LEAVE_ASKED : LEAVE_SOCKET_CLOSED,
                   uv_now(&w.base.loop));
}

static void on_published(void *data, const struct room *room,
                         const struct publish_result *result, const char *epoch)
{
    (void)data, (void)room;
    require(result->error != PROTO_OK || proto_is_epoch(epoch, strlen(epoch)));
}

static void publish(const char *key)
{
    struct room *room = room_find(&w.base.shard.rooms, "r", 1);
    static const char tail[] = ",\"user\":\"ann\",\"text\":\"x\",\"ts\":1}";
    const struct publish_message message = {.user = {"ann", 3},
                                            .key = {key, strlen(key)},
                                            .tail = {tail, sizeof(tail) - 1}};

    if (!room || !w.members[0].room || !w.members[0].user->is_in)
        return;
    outbox_add(&w.base.shard.outbox, room, &message, uv_now(&w.base.loop), on_published,
               NULL);
}

static void on_members(void *data, const struct store_members *members)
{
    (void)data;
    for (size_t i = 0; i < members->names_count; i++)
        require(proto_is_name(members->names[i].base, members->names[i].len,
                              PROTO_USER_MAX));
}

static void ask(bool members)
{
    struct room *room = room_find(&w.base.shard.rooms, "r", 1);

    if (!room)
        return;
    if (members)
        store_members(&w.base.shard.store, room, &(struct store_page){NULL, 100, 1000},
                      on_members, NULL);
    else
        renewals_renew(&w.base.shard.node.renewals, room);
}

/* ---- what happens ---- */

static void answer_all(void)
{
    for (int i = 0; i < ANSWERS_MAX && fake_link_answer(); i++)
        end_turn();
}

static void happen(char what)
{
    switch (what) {
    case 'a':
        fake_link_answer();
        break;
    case 'A':
        answer_all();
        break;
    case 'p':
        fake_link_push(w.base.shard.feed.link.link);
        break;
    case 'c': /* subscribed, as it should be */
        node_on_canary(&w.base.shard.node, w.base.shard.rooms.canary_sent);
        break;
    case 'j':
    case 'k':
    case 'l':
        join((unsigned)(what - 'j'));
        break;
    case 'x':
    case 'y':
        leave((unsigned)(what - 'x'), what == 'x');
        break;
    case 'm':
        publish("");
        break;
    case 'n':
        publish("key");
        break;
    case 'h':
        ask(true);
        break;
    case 'r':
        ask(false);
        break;
    case 't':
        pass_time(&w.base.loop, 1000);
        break;
    case 'T':
        pass_time(&w.base.loop, 20000);
        break;
    case 'd':
        redis_link_restart(w.base.shard.link, "cut");
        break;
    case 'D':
        redis_link_restart(w.base.shard.feed.link.link, "cut");
        break;
    case 'u':
    case 'U':
        fake_link_connect(w.base.shard.link, what == 'U');
        fake_link_connect(w.base.shard.feed.link.link, false);
        break;
    default:
        break;
    }
    end_turn();
}

static void close_worker(void)
{
    fake_link_fail();
    end_turn();
    for (unsigned i = 0; i < MEMBERS; i++)
        leave(i, true);
    rooms_end_grace(&w.base.shard.rooms, uv_now(&w.base.loop), true);
    fake_worker_close(&w.base);
}

static void play_gateway(const char *what, size_t count)
{
    memset(&w, 0, sizeof(w));
    fake_worker_open(&w.base, &config);
    for (size_t i = 0; i < count; i++)
        happen(what[i]);
    answer_all();
    close_worker();
}

/* ---- the admin service ---- */

struct http_request {
    struct api *api;
    unsigned form; /* what it asks for in particular */
    struct json_text params[2];
    void *kept;
    bool is_answered;
};

static struct api api;
static struct metrics admin_metrics;
static struct http_request requests[REQUESTS];

struct http_stream {
    void (*on_gone)(void *data);
    void *data;
};

static struct http_stream *streams[REQUESTS];
static unsigned streams_count;

void *http_owner(const struct http_request *req)
{
    return req->api;
}

struct json_text http_param(const struct http_request *req, unsigned i)
{
    return req->params[i];
}

void http_set_param(struct http_request *req, unsigned i, struct json_text value)
{
    req->params[i] = value;
}

void http_keep(struct http_request *req, void *data)
{
    free(req->kept);
    req->kept = data;
}

void *http_kept(const struct http_request *req)
{
    return req->kept;
}

int http_query(struct http_request *req, const char *name, struct json_text *out)
{
    static const char *const sorts[] = {NULL, "recent", "members", NULL};
    const char *value = NULL;

    if (strcmp(name, "sort") == 0)
        value = sorts[req->form % 4];
    else if (strcmp(name, "search") == 0 && req->form % 4 == 3)
        value = "r";
    else if (strcmp(name, "limit") == 0 && req->form >= 4)
        value = "2";
    *out = (struct json_text){value, value ? strlen(value) : 0};
    return 0;
}

struct json_text http_header(const struct http_request *req, const char *name)
{
    (void)req, (void)name;
    return (struct json_text){NULL, 0};
}

struct json_text http_body(const struct http_request *req)
{
    const char *body = req->form % 2 ? "{\"text\":\"x\",\"secs\":5,\"ban_secs\":5}"
                                     : "{\"text\":\"x\",\"secs\":0,\"key\":\"k\"}";

    return (struct json_text){body, strlen(body)};
}

struct json_text http_host(const struct http_request *req)
{
    (void)req;
    return (struct json_text){"here", 4};
}

struct json_text http_method(const struct http_request *req)
{
    (void)req;
    return (struct json_text){"GET", 3};
}

struct json_text http_path(const struct http_request *req)
{
    (void)req;
    return (struct json_text){"/", 1};
}

void http_peer(const struct http_request *req, char *out)
{
    (void)req;
    strcpy(out, "127.0.0.1");
}

void http_add_header(struct http_request *req, const char *name, const char *value)
{
    (void)req, (void)name, (void)value;
}

void http_reply(struct http_request *req, int status, const char *type,
                const char *body, size_t len)
{
    struct json_members members = {0};

    require(!req->is_answered && status >= 200 && status < 600);
    req->is_answered = true;
    if (strcmp(type, "application/json") == 0)
        require(json_scan(body, len, &members) == 0);
    json_members_deinit(&members);
}

void http_reply_error(struct http_request *req, int status, const char *code,
                      const char *message)
{
    (void)code, (void)message;
    http_reply(req, status, "text/plain", "", 0);
}

void http_reply_shared(struct http_request *req, int status, const char *type,
                       const char *body, size_t len)
{
    http_reply(req, status, type, body, len);
}

struct http_stream *http_stream_open(struct http_request *req, const char *type,
                                     void (*on_gone)(void *data), void *data)
{
    struct http_stream *stream = xcalloc(1, sizeof(*stream));

    (void)type;
    require(!req->is_answered);
    req->is_answered = true;
    *stream = (struct http_stream){on_gone, data};
    streams[streams_count++] = stream;
    return stream;
}

/* Events end in an empty line; what stands behind `data: ` is JSON. */
void http_stream_send(struct http_stream *stream, const char *bytes, size_t len)
{
    const char *at = memmem(bytes, len, "\ndata: ", 7), *end = bytes + len;

    (void)stream;
    require(len > 2 && memcmp(end - 2, "\n\n", 2) == 0);
    if (at && memcmp(bytes, "event: ", 7) == 0) {
        const char *stop = memchr(at + 7, '\n', (size_t)(end - at - 7));

        require(json_is_line((struct json_text){at + 7, (size_t)(stop - at - 7)}));
        require(stop[1] == '\n');
    }
}

/* No token ends here. */
void http_stream_close(struct http_stream *stream)
{
    (void)stream;
}

static void on_admin_link(void *owner, unsigned shard, bool is_up)
{
    (void)owner;
    fleet_on_link(&api.fleet, shard, is_up);
}

static struct redis_link *admin_link(void)
{
    return api.db.shards[0].link;
}

static void on_fleet_read(void *owner)
{
    (void)owner;
    if (api.events)
        events_on_fleet(api.events);
}

static void ask_admin(unsigned i, unsigned which, unsigned form)
{
    static void (*const endpoints[])(void *owner, struct http_request *req) = {
        api_rooms,
        api_rooms_one,
        api_members,
        api_members_bans,
        api_members_mutes,
        api_messages,
        api_messages_publish,
        api_messages_delete,
        api_moderate_ban,
        api_moderate_unban,
        api_moderate_mute,
        api_kick,
        api_close,
        api_users,
        api_users_disconnect,
        api_fleet_gateways,
        api_fleet_stats,
        api_fleet_online,
        api_audit,
        api_events,
        api_readyz,
    };

    requests[i] = (struct http_request){
        .api = &api,
        .form = form,
        .params = {{"r", 1}, {which == 7 ? "1" : "ann", which == 7 ? 1 : 3}},
    };
    endpoints[which % (sizeof(endpoints) / sizeof(endpoints[0]))](&api, &requests[i]);
}

static void open_admin(uv_loop_t *loop)
{
    static const char fleet[] =
        "$-1\r\n" /* no mark */
        "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n:1\r\n:3\r\n$1\r\n5\r\n"
        "*4\r\n$3\r\na-1\r\n$13\r\n1700000000000\r\n$3\r\nb-1\r\n$"
        "13\r\n1700000000000\r\n"
        "*7\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$"
        "1\r\n0\r\n"
        "*7\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$"
        "1\r\n0\r\n";

    memset(&api, 0, sizeof(api));
    api.loop = loop;
    api.config = &config;
    api.metrics = &admin_metrics;
    auth_init(&api.auth, config.auth_token, 10);
    fleet_init(&api.fleet, loop, &api.db, &admin_metrics, on_fleet_read, NULL);
    db_open(&api.db, loop, &config, &admin_metrics, on_admin_link, NULL);
    api.events = events_open(&api);
    fake_link_feed(fleet, sizeof(fleet) - 1);
    fake_link_connect(admin_link(), false);
    while (fake_link_answer())
        ;
}

static void close_admin(uv_loop_t *loop)
{
    fake_link_fail();
    api.is_closing = true;
    for (int i = 0; i < 100; i++)
        pass_time(loop, 1000);
    while (streams_count > 0) {
        struct http_stream *stream = streams[--streams_count];

        stream->on_gone(stream->data);
        free(stream);
    }
    events_close(api.events);
    fleet_close(&api.fleet);
    db_close(&api.db);
    for (int i = 0; i < 10; i++)
        pass_time(loop, 1000);
    events_free(api.events);
    fleet_deinit(&api.fleet);
    auth_deinit(&api.auth);
    db_deinit(&api.db);
    strbuf_deinit(&api.out);
    proto_deinit_thread();
}

static void play_admin(const char *what, size_t count, const void *replies, size_t len)
{
    unsigned asked = 0;
    uv_loop_t loop;

    uv_loop_init(&loop);
    open_admin(&loop);
    fake_link_feed(replies, len);
    for (size_t i = 0; i < count; i++) {
        if (what[i] >= 'a' && what[i] <= 'z' && asked < REQUESTS) {
            ask_admin(asked, (unsigned)(what[i] - 'a'),
                      i + 1 < count ? what[i + 1] % 8 : 0);
            asked++;
        } else if (what[i] == 'T') {
            pass_time(&loop, 1000);
        } else if (what[i] == 'D') {
            redis_link_restart(admin_link(), "cut");
        } else if (what[i] == 'U') {
            fake_link_connect(admin_link(), false);
        } else if (what[i] == 'A') {
            fake_link_answer();
        }
    }
    for (int i = 0; i < STEPS_MAX && fake_link_answer(); i++)
        if (i % 64 == 63)
            pass_time(&loop, 50);
    close_admin(&loop);
    for (unsigned i = 0; i < asked; i++) {
        require(requests[i].is_answered);
        http_keep(&requests[i], NULL);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    require(uv_loop_close(&loop) == 0);
}

/* ---- */

static size_t count_letters(const char *bytes, size_t size)
{
    size_t i = 0;

    while (i < size && ((bytes[i] >= 'a' && bytes[i] <= 'z') ||
                        (bytes[i] >= 'A' && bytes[i] <= 'Z') ||
                        (bytes[i] >= '0' && bytes[i] <= '9')))
        i++;
    return i;
}

/* A first letter `G` is for the gateway, whose links are up and whose room is asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    size_t letters = count_letters(bytes, size);
    const char *replies = bytes + letters;

    fake_worker_set_up();
    if (letters == 0 || letters > 64)
        return 0;
    if (bytes[0] == 'G') {
        fake_link_feed(replies, size - letters);
        play_gateway(bytes + 1, letters - 1);
    } else {
        play_admin(bytes, letters, replies, size - letters);
    }
    fake_link_deinit();
    return 0;
}
