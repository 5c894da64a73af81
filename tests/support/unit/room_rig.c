/* room_rig.c - see room_rig.h. */
#include "tests/support/unit/room_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/deliver.h"
#include "gateway/pool.h"
#include "tests/support/unit/quotes.h"

struct rig rig;

/* ---- Redis ---- */

static void add_call(struct rig_call call)
{
    assert_true(rig.calls_count < RIG_CALLS_MAX);
    rig.calls[rig.calls_count++] = call;
}

static void subscribe(struct room *room)
{
    add_call((struct rig_call){.kind = RIG_SUBSCRIBE, .room = room});
}

/* The room is freed next: what was subscribed for it is not confirmed any more. */
static void unsubscribe(struct room *room)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < rig.calls_count; i++)
        if (rig.calls[i].kind != RIG_SUBSCRIBE || rig.calls[i].room != room)
            rig.calls[kept++] = rig.calls[i];
    rig.calls_count = kept;
    add_call((struct rig_call){.kind = RIG_UNSUBSCRIBE});
}

static void register_room(struct room *room)
{
    add_call((struct rig_call){.kind = RIG_REGISTER, .room = room});
}

static void join_room(struct room *room, struct join *join)
{
    add_call((struct rig_call){.kind = RIG_JOIN, .room = room, .join = join});
}

static void leave_room(struct room *room, struct room_user *user)
{
    add_call((struct rig_call){.kind = RIG_LEAVE, .room = room, .user = user});
}

static void sync_room(struct room *room)
{
    add_call((struct rig_call){.kind = RIG_SYNC, .room = room});
}

static void close_room(struct room *room)
{
    add_call((struct rig_call){.kind = RIG_CLOSE, .room = room});
}

static void backfill_room(struct room *room, uint64_t after)
{
    add_call((struct rig_call){.kind = RIG_BACKFILL, .room = room, .after = after});
}

static unsigned find_call(enum rig_kind kind)
{
    unsigned i = 0;

    while (i < rig.calls_count && rig.calls[i].kind != kind)
        i++;
    return i;
}

unsigned rig_count(enum rig_kind kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < rig.calls_count; i++)
        count += rig.calls[i].kind == kind;
    return count;
}

struct rig_call rig_take(enum rig_kind kind)
{
    unsigned at = find_call(kind);
    struct rig_call call;

    assert_true(at < rig.calls_count);
    call = rig.calls[at];
    for (rig.calls_count--; at < rig.calls_count; at++)
        rig.calls[at] = rig.calls[at + 1];
    return call;
}

void rig_subscribed(void)
{
    room_on_subscribed(rig_take(RIG_SUBSCRIBE).room);
}

void rig_registered(bool ok)
{
    room_on_registered(rig_take(RIG_REGISTER).room, ok);
}

void rig_joined(const char *epoch, uint64_t seq, uint64_t rev)
{
    struct room_joined joined = {.seq = seq, .rev = rev, .members = rev};

    strcpy(joined.epoch, epoch);
    room_on_joined(rig_take(RIG_JOIN).join, PROTO_OK, &joined, 0);
}

void rig_refused(enum proto_error error)
{
    room_on_joined(rig_take(RIG_JOIN).join, error, NULL, 0);
}

void rig_left(bool ok)
{
    struct rig_call call = rig_take(RIG_LEAVE);

    room_on_left(call.room, call.user, ok);
}

void rig_leave_unanswered(void)
{
    struct rig_call call = rig_take(RIG_LEAVE);

    room_on_leave_unanswered(call.room, call.user);
}

void rig_synced(const char *epoch, uint64_t seq, uint64_t rev)
{
    struct room_joined state = {
        .seq = seq, .rev = rev, .members = rev, .epoch_seq = seq};

    if (!epoch) {
        room_on_synced(rig_take(RIG_SYNC).room, false, &state);
        return;
    }
    strcpy(state.epoch, epoch);
    room_on_synced(rig_take(RIG_SYNC).room, true, &state);
}

void rig_closed(bool ok)
{
    room_on_closed(rig_take(RIG_CLOSE).room, ok);
}

void rig_read(const struct history *history)
{
    struct rig_call call = rig_take(RIG_READ);

    if (history)
        catchup_on_history(call.member, history);
    else
        catchup_on_failed(call.member);
}

void rig_backfilled(const struct history *history)
{
    deliver_backfill(rig_take(RIG_BACKFILL).room, history);
}

const struct history *rig_history(uint64_t seq, uint64_t oldest, uint64_t first,
                                  uint64_t last)
{
    static struct strbuf text;
    static struct json_text lines[PROTO_LIMIT_MAX];
    static struct history history;
    size_t at[PROTO_LIMIT_MAX + 1] = {0}, count = 0;

    strbuf_reset(&text, SIZE_MAX);
    for (uint64_t i = first; i <= last; i++) {
        assert_true(count < PROTO_LIMIT_MAX);
        rig_add_line(&text, i);
        at[++count] = text.len;
    }
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct json_text){text.data + at[i], at[i + 1] - at[i]};
    history = (struct history){.epoch = RIG_EPOCH,
                               .seq = seq,
                               .oldest = oldest,
                               .first = first,
                               .lines = lines,
                               .count = count};
    return &history;
}

/* ---- what clients are given ---- */

uint64_t rig_number(const char *text, size_t len, const char *field)
{
    char key[32];
    const char *at;

    snprintf(key, sizeof(key), q("'%s':"), field);
    at = memmem(text, len, key, strlen(key));
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

void rig_text(const char *text, size_t len, const char *field, char out[64])
{
    char key[32];
    const char *at;
    size_t n = 0;

    snprintf(key, sizeof(key), q("'%s':'"), field);
    at = memmem(text, len, key, strlen(key));
    for (at = at ? at + strlen(key) : NULL; at && *at != '"' && n < 63; at++)
        out[n++] = *at;
    out[n] = '\0';
}

static void write_down(struct rig_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void write_down(struct rig_client *client, const char *format, ...)
{
    char word[128];
    va_list args;

    va_start(args, format);
    vsnprintf(word, sizeof(word), format, args);
    va_end(args);
    if (client->given.len > 0)
        strbuf_add_text(&client->given, ", ");
    strbuf_add_text(&client->given, word);
}

static void take_event(struct rig_client *client, const char *text, size_t len)
{
    unsigned long long seq = rig_number(text, len, "seq");
    char type[64], user[64];

    if (client->on_event) {
        client->on_event(client, text, len);
        return;
    }
    rig_text(text, len, "type", type);
    rig_text(text, len, "user", user);
    if (strcmp(type, "message") == 0)
        write_down(client, "%s%llu", rig_number(text, len, "ts") == 0 ? "x" : "", seq);
    else if (strcmp(type, "gap") == 0)
        write_down(client, "gap %llu-%llu",
                   (unsigned long long)rig_number(text, len, "from"),
                   (unsigned long long)rig_number(text, len, "to"));
    else if (strcmp(type, "reset") == 0)
        write_down(client, "reset %llu", seq);
    else if (strcmp(type, "message_deleted") == 0)
        write_down(client, "deleted %llu", seq);
    else if (strcmp(type, "message_edited") == 0)
        write_down(client, "edited %llu", seq);
    else if (strcmp(type, "room_closed") == 0)
        write_down(client, "closed");
    else if (strcmp(type, "kicked") == 0)
        write_down(client, "kicked");
    else if (strncmp(type, "member_", 7) == 0)
        write_down(client, "%s %s", type + 7, user);
    else
        write_down(client, "%s %s", type, user);
}

/* A frame may be a block of several. */
static void take_frame(struct rig_client *client, const struct frame *frame)
{
    const unsigned char *at = (unsigned char *)frame_bytes(frame).base;
    const unsigned char *end = at + frame_len(frame);

    while (at < end) {
        size_t len = at[1];

        at += 2;
        assert_true(len <= 126); /* of less than 64 KiB */
        if (len == 126) {
            len = (size_t)at[0] << 8 | at[1];
            at += 2;
        }
        take_event(client, (const char *)at, len);
        at += len;
    }
}

static struct rig_client *client_of(struct member *member)
{
    return (struct rig_client *)member;
}

static bool deliver(struct member *member, struct frame *frame, enum room_class class)
{
    struct rig_client *client = client_of(member);

    assert_non_null(member->room);
    if (client->is_slow && class == ROOM_MESSAGE)
        return false;
    take_frame(client, frame);
    return true;
}

static bool start_read(struct member *member, uint64_t after)
{
    if (client_of(member)->is_slow)
        return false;
    if (rig.on_read)
        rig.on_read(member, after);
    else
        add_call((struct rig_call){
            .kind = RIG_READ, .room = member->room, .member = member, .after = after});
    return true;
}

static const char *since_epoch(const struct rig_client *client)
{
    return client->since_epoch ? client->since_epoch : RIG_EPOCH;
}

static bool give_ack(struct member *member, uint64_t until, uint64_t oldest)
{
    struct rig_client *client = client_of(member);
    bool recovered =
        client->has_since && client->since + 1 >= oldest &&
        strcmp(since_epoch(client), room_log_epoch(&member->room->log)) == 0;

    if (client->on_ack)
        client->on_ack(client, until, recovered);
    else
        write_down(client, "ack %llu", (unsigned long long)until);
    return recovered;
}

static void give_batch(struct member *member, const struct history_batch *batch)
{
    struct rig_client *client = client_of(member);
    const char *more = batch->more ? " more" : "";

    if (client->on_batch) {
        client->on_batch(client, batch);
        return;
    }
    if (batch->count == 0) {
        write_down(client, "batch none%s", more);
        return;
    }
    write_down(client, "batch %llu-%llu%s",
               (unsigned long long)rig_number(batch->lines[0].base, batch->lines[0].len,
                                              "seq"),
               (unsigned long long)rig_number(batch->lines[batch->count - 1].base,
                                              batch->lines[batch->count - 1].len,
                                              "seq"),
               more);
}

static void on_removed(struct member *member)
{
    client_of(member)->is_removed = true;
}

static const struct member_calls calls = {deliver, start_read, give_ack, give_batch,
                                          on_removed};

void rig_assert_given_at(struct rig_client *client, const char *wanted,
                         const char *file, int line)
{
    _assert_string_equal(client->given.len > 0 ? client->given.data : "", wanted, file,
                         line);
    strbuf_deinit(&client->given);
}

/* ---- clients ---- */

static void on_joined(struct member *member, enum proto_error error,
                      const struct room_joined *joined, uint64_t wait_ms)
{
    struct rig_client *client = client_of(member);

    client->is_answered = true;
    client->error = error;
    client->wait_ms = wait_ms;
    if (error != PROTO_OK)
        return;
    if (strcmp(since_epoch(client), joined->epoch) != 0 || client->since > joined->seq)
        client->has_since = false;
    catchup_start(member, client->has_since ? client->since : 0);
}

struct rig_client *rig_client(const char *user)
{
    struct rig_client *client = &rig.clients[rig.clients_count++];

    assert_true(rig.clients_count <= RIG_CLIENTS_MAX);
    client->user = user;
    return client;
}

void rig_join(struct rig_client *client)
{
    client->member = (struct member){.calls = &calls};
    client->is_answered = client->is_removed = false;
    room_join(&rig.rooms, &client->member,
              (struct json_text){client->room ? client->room : "r", 1},
              (struct json_text){client->user, strlen(client->user)}, on_joined);
}

void rig_rejoin(struct rig_client *client)
{
    room_rejoin(&client->member, on_joined);
}

/* What the client asked for is not answered any more. */
void rig_leave(struct rig_client *client, enum leave_reason reason)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < rig.calls_count; i++)
        if (rig.calls[i].kind != RIG_READ || rig.calls[i].member != &client->member)
            rig.calls[kept++] = rig.calls[i];
    rig.calls_count = kept;
    room_leave(&client->member, reason, rig.now_ms);
}

static void make_live(struct rig_client *client, uint64_t seq, uint64_t rev)
{
    client->has_since = true;
    client->since = seq;
    rig_join(client);
    if (rig_count(RIG_SUBSCRIBE) > 0)
        rig_subscribed();
    if (rig_count(RIG_REGISTER) > 0)
        rig_registered(true);
    rig_joined(RIG_EPOCH, seq, rev);
    rig_read(rig_history(seq, 1, seq + 1, seq));
    assert_int_equal(client->member.state, MEMBER_LIVE);
    client->has_since = false;
    strbuf_deinit(&client->given);
}

struct room *rig_live(uint64_t seq, uint64_t rev, struct rig_client *client, ...)
{
    struct room *room = NULL;
    va_list others;

    va_start(others, client);
    for (; client; client = va_arg(others, struct rig_client *)) {
        make_live(client, seq, rev);
        room = client->member.room;
    }
    va_end(others);
    return room;
}

/* ---- notices ---- */

void rig_add_line(struct strbuf *out, uint64_t seq)
{
    strbuf_add_format(out,
                      q("{'type':'message','room':'r','seq':%llu,'user':"
                        "'u','text':'t','ts':1}"),
                      (unsigned long long)seq);
}

void rig_notice(const char *epoch, enum notice_kind kind, uint64_t rev, uint64_t first,
                uint64_t last, const char *users, const char *lines)
{
    struct room *room = room_find(&rig.rooms, "r", 1);
    struct notice notice = {.epoch = {epoch, strlen(epoch)},
                            .rev = rev,
                            .first = first,
                            .last = last,
                            .kind = kind,
                            .users = {users, strlen(users)},
                            .lines = {lines, strlen(lines)}};

    assert_non_null(room);
    deliver_notice(room, &notice, rig.now_ms);
}

void rig_messages(uint64_t first, uint64_t last)
{
    struct strbuf lines = {NULL, 0, 0};

    for (uint64_t seq = first; seq <= last; seq++) {
        if (seq > first)
            strbuf_add_char(&lines, '\n');
        rig_add_line(&lines, seq);
    }
    rig_notice(RIG_EPOCH, NOTICE_MESSAGE, 0, first, last, "-", lines.data);
    strbuf_deinit(&lines);
}

void rig_presence(enum notice_kind kind, uint64_t rev, const char *user)
{
    char line[256];

    snprintf(line, sizeof(line),
             q("{'type':'%s','room':'r','user':'%s'%s,"
               "'members':1}"),
             notice_type(kind, 0), user,
             kind == NOTICE_LEFT ? q(",'reason':'left'") : "");
    rig_notice(RIG_EPOCH, kind, rev, 0, 0, user, line);
}

void rig_kick(uint64_t rev, const char *user)
{
    char lines[512];

    snprintf(lines, sizeof(lines),
             q("{'type':'kicked','room':'r','reason':''}\n"
               "{'type':'member_left','room':'r','user':'%s',"
               "'reason':'kicked','members':1}"),
             user);
    rig_notice(RIG_EPOCH, NOTICE_KICKED, rev, 0, 0, user, lines);
}

void rig_close_room(uint64_t rev)
{
    rig_notice(RIG_EPOCH, NOTICE_CLOSED, rev, 0, 0, "-",
               q("{'type':'room_closed','room':'r','reason':''}"));
}

void rig_delete(uint64_t rev, uint64_t seq)
{
    char line[128];

    snprintf(line, sizeof(line), q("{'type':'message_deleted','room':'r','seq':%llu}"),
             (unsigned long long)seq);
    rig_notice(RIG_EPOCH, NOTICE_DELETED, rev, seq, seq, "-", line);
}

void rig_signal(const char *user)
{
    char line[128];

    snprintf(line, sizeof(line),
             q("{'type':'signal','room':'r','user':'%s','kind':'k',"
               "'data':1}"),
             user);
    rig_notice(RIG_EPOCH, NOTICE_SIGNAL, 0, 0, 0, user, line);
}

/* ---- beginning and end ---- */

void rig_open(void)
{
    static const struct room_hooks hooks = {
        .subscribe = subscribe,
        .unsubscribe = unsubscribe,
        .register_ = register_room,
        .join = join_room,
        .leave = leave_room,
        .sync = sync_room,
        .close = close_room,
        .backfill = backfill_room,
    };

    memset(&rig, 0, sizeof(rig));
    pool_init(&rig.metrics);
    rig.config = (struct config){.key_prefix = "rc",
                                 .history_limit = 1000,
                                 .history_max_bytes = 1 << 20,
                                 .presence_grace_ms = 2000,
                                 .room_ttl_ms = 300000,
                                 .lease_ms = 10000,
                                 .presence_events_max = 500,
                                 .redis_deadline_ms = 1000};
    rooms_init(&rig.rooms, &hooks, &rig.metrics, &rig.config);
    deliver_init(&rig.rooms);
    rig.now_ms = 1000;
    rooms_set_up(&rig.rooms, true);
}

static void fail_call(void)
{
    switch (rig.calls[0].kind) {
    case RIG_JOIN:
        rig_refused(PROTO_UNAVAILABLE);
        break;
    case RIG_LEAVE:
        rig_left(false);
        break;
    case RIG_SYNC:
        rig_synced(NULL, 0, 0);
        break;
    case RIG_REGISTER:
        rig_registered(false);
        break;
    case RIG_CLOSE:
        rig_closed(false);
        break;
    case RIG_BACKFILL:
        rig_backfilled(NULL);
        break;
    case RIG_READ:
    case RIG_SUBSCRIBE:
    case RIG_UNSUBSCRIBE:
        (void)rig_take(rig.calls[0].kind);
        break;
    }
}

void rig_close(void)
{
    rooms_set_up(&rig.rooms, false);
    for (unsigned i = 0; i < rig.clients_count; i++)
        if (rig.clients[i].member.room)
            rig_leave(&rig.clients[i], LEAVE_ASKED);
    do {
        while (rig.calls_count > 0)
            fail_call();
        rooms_end_grace(&rig.rooms, rig.now_ms, true);
    } while (rig.calls_count > 0);
    rooms_deinit(&rig.rooms);
    for (unsigned i = 0; i < rig.clients_count; i++)
        strbuf_deinit(&rig.clients[i].given);
    pool_deinit();
}
