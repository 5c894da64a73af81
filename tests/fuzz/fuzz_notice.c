/* fuzz_notice.c - anything published in a room's channel, and anything in its history.
 *
 * Input: pieces, each behind its length (two bytes, the lower first) and a letter: `n` a notice,
 * `h` a line of the history, `m` a right message, `b` what is read of the history is read
 * now. Redis is right but for that. What a member is given is one JSON object about the room,
 * and its messages come in order with no hole that is not named.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "gateway/catchup.h"
#include "gateway/deliver.h"
#include "gateway/history_read.h"
#include "tests/fuzz/fake_link.h"
#include "tests/fuzz/fake_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EPOCH "00000000000000e1"
#define TOKEN ((struct token){1, 0xa1})
#define TOKEN_TEXT "1.00000000000000a1"

enum { MEMBERS = 3, HISTORY_MAX = 32, ROUNDS_MAX = 200, CALLS_MAX = 1024 };

static struct redis_url url;
static struct config config = {
    .redis = {.urls = &url, .count = 1},
    .key_prefix = "rc",
    .history_limit = HISTORY_MAX,
    .room_ttl_ms = 300000,
    .lease_ms = 10000,
    .presence_events_max = 500,
};

/* What it is asked for is answered later, in order. */
struct call {
    void (*answer)(struct room *room, void *what);
    struct room *room;
    void *what;
};

static struct {
    struct fake_worker worker;
    struct member members[MEMBERS];
    uint64_t given[MEMBERS]; /* the last message, or the end of the last gap */
    struct strbuf history[HISTORY_MAX + 1];
    uint64_t seq;
    struct call calls[CALLS_MAX];
    unsigned calls_count;
} w;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* ---- members ---- */

static struct json_text find(const struct json_members *members, const char *key)
{
    for (size_t i = 0; i < members->count; i++) {
        struct json_text name = members->items[i].key;

        if (name.len == strlen(key) + 2 && memcmp(name.base + 1, key, strlen(key)) == 0)
            return members->items[i].value;
    }
    return (struct json_text){"", 0};
}

static bool is(struct json_text token, const char *text)
{
    return token.len == strlen(text) && memcmp(token.base, text, token.len) == 0;
}

static uint64_t number_of(struct json_text token)
{
    return token.len > 0 ? strtoull(token.base, NULL, 10) : 0;
}

static void take_event(unsigned i, const char *text, size_t len)
{
    struct json_members members = {0};
    struct json_text type;

    require(json_is_line((struct json_text){text, len}));
    require(json_scan(text, len, &members) == 0);
    require(is(find(&members, "room"), "\"r\""));
    type = find(&members, "type");
    if (is(type, "\"message\"")) {
        require(number_of(find(&members, "seq")) == w.given[i] + 1);
        w.given[i]++;
    } else if (is(type, "\"gap\"")) {
        require(number_of(find(&members, "from")) == w.given[i] + 1);
        w.given[i] = number_of(find(&members, "to"));
    } else if (is(type, "\"reset\"")) {
        w.given[i] = number_of(find(&members, "seq"));
    }
    json_members_deinit(&members);
}

/* A frame may be a block of several. */
static bool deliver(struct member *member, struct frame *frame, enum room_class class)
{
    const unsigned char *at = (unsigned char *)frame_bytes(frame).base;
    const unsigned char *end = at + frame_len(frame);

    (void)class;
    require(member->room);
    while (at < end) {
        size_t len = at[1];

        require(at[0] == 0x81);
        at += 2;
        if (len == 126) {
            len = (size_t)at[0] << 8 | at[1];
            at += 2;
        } else if (len == 127) {
            len =
                (size_t)at[4] << 24 | (size_t)at[5] << 16 | (size_t)at[6] << 8 | at[7];
            at += 8;
        }
        require((size_t)(end - at) >= len);
        take_event((unsigned)(member - w.members), (const char *)at, len);
        at += len;
    }
    return true;
}

static bool start_read(struct member *member, uint64_t after)
{
    (void)member, (void)after;
    return false; /* all are live from the beginning */
}

static bool give_ack(struct member *member, uint64_t until, uint64_t oldest)
{
    (void)member, (void)until, (void)oldest;
    return false;
}

static void give_batch(struct member *member, const struct history_batch *batch)
{
    (void)member, (void)batch;
}

static void on_removed(struct member *member)
{
    (void)member;
}

static const struct member_calls calls = {deliver, start_read, give_ack, give_batch,
                                          on_removed};

static void on_joined(struct member *member, enum proto_error error,
                      const struct room_joined *joined, uint64_t wait_ms)
{
    (void)wait_ms, (void)joined;
    require(error == PROTO_OK);
    member->has_ack = true;
    catchup_start(member, w.seq); /* waits for a read that never begins */
    member_set_state(member, MEMBER_IN_HISTORY);
    catchup_go_on(member);
    require(member->state == MEMBER_LIVE);
}

/* ---- Redis ---- */

static void later(void (*answer)(struct room *room, void *what), struct room *room,
                  void *what)
{
    require(w.calls_count < CALLS_MAX);
    w.calls[w.calls_count++] = (struct call){answer, room, what};
}

static void answer_calls(void)
{
    for (unsigned i = 0; i < w.calls_count; i++) /* there may come more */
        w.calls[i].answer(w.calls[i].room, w.calls[i].what);
    w.calls_count = 0;
}

static void answer_subscribe(struct room *room, void *what)
{
    (void)what;
    room_on_subscribed(room);
}

static void answer_register(struct room *room, void *what)
{
    (void)what;
    room_on_registered(room, true);
}

static void answer_join(struct room *room, void *what)
{
    struct room_joined joined = {
        .epoch = EPOCH, .token = TOKEN, .seq = w.seq, .rev = 1, .members = 1};

    (void)room;
    room_on_joined(what, PROTO_OK, &joined, 0);
}

static void answer_leave(struct room *room, void *what)
{
    room_on_left(room, what, true);
}

static void answer_sync(struct room *room, void *what)
{
    struct room_joined state = {
        .epoch = EPOCH, .token = TOKEN, .seq = w.seq, .rev = 1, .members = 1};

    (void)what;
    room_on_synced(room, true, &state);
}

static void answer_close(struct room *room, void *what)
{
    (void)what;
    room_on_closed(room, true);
}

static void subscribe(struct room *room)
{
    later(answer_subscribe, room, NULL);
}

static void unsubscribe(struct room *room)
{
    (void)room;
}

static void register_room(struct room *room)
{
    later(answer_register, room, NULL);
}

static void join_room(struct room *room, struct join *join)
{
    later(answer_join, room, join);
}

static void leave_room(struct room *room, struct room_user *user)
{
    later(answer_leave, room, user);
}

static void sync_room(struct room *room)
{
    later(answer_sync, room, NULL);
}

static void close_room(struct room *room)
{
    later(answer_close, room, NULL);
}

static void backfill_room(struct room *room, uint64_t after)
{
    history_read_backfill(&w.worker.shard.store, room, after);
}

static void add_string(struct strbuf *out, const char *bytes, size_t len)
{
    strbuf_add_format(out, "$%zu\r\n", len);
    if (len > 0)
        strbuf_add(out, bytes, len);
    strbuf_add_text(out, "\r\n");
}

/* As lua/history.lua, of what is behind the room's number here. */
static void answer_history(void)
{
    struct room *room = room_find(&w.worker.shard.rooms, "r", 1);
    uint64_t held = w.seq < HISTORY_MAX ? w.seq : HISTORY_MAX;
    uint64_t oldest = w.seq - held + 1, first = room ? room_log_seq(&room->log) + 1 : 1;
    struct strbuf reply = {NULL, 0, 0};

    if (first < oldest)
        first = oldest;
    strbuf_add_format(
        &reply,
        "*%llu\r\n$16\r\n" EPOCH "\r\n:%llu\r\n:%llu\r\n:%llu\r\n$18\r\n" TOKEN_TEXT
        "\r\n:0\r\n",
        (unsigned long long)(6 + (first <= w.seq ? w.seq - first + 1 : 0)),
        (unsigned long long)w.seq, (unsigned long long)oldest,
        (unsigned long long)first);
    for (; first <= w.seq; first++) {
        const struct strbuf *line = &w.history[first % HISTORY_MAX];

        add_string(&reply, line->data, line->len);
    }
    fake_link_feed(reply.data, reply.len);
    fake_link_answer();
    strbuf_deinit(&reply);
}

static void store_line(const char *bytes, size_t len)
{
    struct strbuf *line = &w.history[++w.seq % HISTORY_MAX];

    line->len = 0;
    strbuf_add(line, bytes, len);
}

static void publish(const char *bytes, size_t len)
{
    const struct handover notice = {
        .kind = HANDOVER_NOTICE,
        .room = {"r", 1},
        .room_hash = map_hash("r", 1),
        .text = {bytes, len},
    };

    bus_take(&w.worker.shard.bus, &notice);
}

static void publish_message(void)
{
    struct strbuf notice = {NULL, 0, 0}, line = {NULL, 0, 0};

    strbuf_add_format(&line,
                      "{\"type\":\"message\",\"room\":\"r\",\"seq\":%llu,"
                      "\"user\":\"ann\",\"text\":\"x\",\"ts\":1}",
                      (unsigned long long)w.seq + 1);
    store_line(line.data, line.len);
    strbuf_add_format(&notice, "1 " EPOCH " 1 message %llu %llu - " TOKEN_TEXT "\n",
                      (unsigned long long)w.seq, (unsigned long long)w.seq);
    strbuf_add(&notice, line.data, line.len);
    publish(notice.data, notice.len);
    strbuf_deinit(&notice);
    strbuf_deinit(&line);
}

/* ---- */

/* What the node asks for, so that nothing of it stands before what rooms ask for. */
static void refuse_node(void)
{
    struct strbuf errors = {NULL, 0, 0};

    for (int i = 0; i < 100; i++)
        strbuf_add_text(&errors, "-ERR\r\n");
    fake_link_feed(errors.data, errors.len);
    while (fake_link_answer())
        ;
    strbuf_deinit(&errors);
}

static void open_all(void)
{
    static const struct room_hooks room_hooks = {
        subscribe,  unsubscribe, register_room, join_room,
        leave_room, sync_room,   close_room,    backfill_room,
    };
    static const char *const users[MEMBERS] = {"ann", "bob", "-"};

    memset(&w, 0, sizeof(w));
    fake_worker_open(&w.worker, &config);
    w.worker.shard.rooms.hooks = room_hooks;
    fake_link_connect(w.worker.shard.link, false);
    fake_link_connect(w.worker.shard.feed.link.link, false);
    refuse_node();
    rooms_set_up(&w.worker.shard.rooms, true);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *member = &w.members[i];

        list_init(&member->link);
        member->calls = &calls;
        room_join(&w.worker.shard.rooms, member, (struct json_text){"r", 1},
                  (struct json_text){users[i], strlen(users[i])}, on_joined);
    }
    answer_calls();
}

/* Whatever came before: who is still in has all there is, or knows what it has not. It may
 * have more: a forged notice of messages that are next and right as they stand cannot be told
 * from one of Redis's own, and Redis, which does not hold them, is then behind. */
static void settle(void)
{
    publish_message();
    for (int i = 0; i < ROUNDS_MAX; i++) {
        answer_history();
        answer_calls();
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        const struct room *room = w.members[i].room;

        require(!room || w.members[i].state != MEMBER_LIVE ||
                (w.given[i] >= w.seq && w.given[i] == room_log_seq(&room->log)));
    }
}

static void close_all(void)
{
    fake_link_fail();
    for (unsigned i = 0; i < MEMBERS; i++)
        if (w.members[i].room)
            room_leave(&w.members[i], LEAVE_ASKED, 0);
    answer_calls();
    for (int i = 0; i <= HISTORY_MAX; i++)
        strbuf_deinit(&w.history[i]);
    fake_worker_close(&w.worker);
    fake_link_deinit();
}

static void play(char what, const char *bytes, size_t len)
{
    if (what == 'n')
        publish(bytes, len);
    else if (what == 'h')
        store_line(bytes, len);
    else if (what == 'm')
        publish_message();
    else
        answer_history();
    answer_calls();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fake_worker_set_up();
    open_all();
    while (size >= 3) {
        size_t len = data[0] + 256u * data[1];

        if (len > size - 3)
            len = size - 3;
        play((char)data[2], (const char *)data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
    settle();
    close_all();
    return 0;
}
