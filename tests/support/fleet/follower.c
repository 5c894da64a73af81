/* follower.c - see follower.h.
 *
 *     OUT -> join_ack -> ACKED -> history_batch -> IN_HISTORY -> the last one -> LIVE
 *
 * A join while in goes to ACKED from wherever it is; leave_ack goes to OUT.
 */
#include "tests/support/fleet/follower.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "tests/support/unit/quotes.h"

enum { BATCH_BYTES = 256 * 1024, BATCH_MESSAGES = 1000, SHOWN_BYTES = 300 };

/* The message at hand, for all below. */
struct event {
    const cJSON *json;
    const char *text;
    size_t len;
};

static const char *const state_words[] = {
    [FOLLOWER_OUT] = "out",
    [FOLLOWER_ACKED] = "acked",
    [FOLLOWER_IN_HISTORY] = "in the history",
    [FOLLOWER_LIVE] = "live",
};

static void check(bool right, const struct follower *f, const struct event *e,
                  const char *rule)
{
    struct strbuf asked = {NULL, 0, 0};

    if (right)
        return;
    for (unsigned i = 0; i < f->asked_count; i++)
        strbuf_add_format(&asked, " %s %u", f->asked[i].is_leave ? "leave" : "join",
                          f->asked[i].id);
    fail_msg("%s, %s, next %llu, until %llu, sent %llu, asked%s: %s: %.*s", f->user,
             state_words[f->state], (unsigned long long)f->next,
             (unsigned long long)f->until, (unsigned long long)*f->sent,
             asked.len ? asked.data : " nothing", rule,
             (int)(e->len < SHOWN_BYTES ? e->len : SHOWN_BYTES), e->text);
}

/* ---- what is sent ---- */

static struct follower_ask *ask(struct follower *f)
{
    struct follower_ask *new = &f->asked[f->asked_count++];

    assert_true(f->asked_count <= FOLLOWER_ASKED_MAX);
    *new = (struct follower_ask){.id = ++f->last_id};
    return new;
}

void follower_print_join(struct follower *f, struct strbuf *out,
                         const struct follower_since *since)
{
    struct follower_ask *asked = ask(f);

    strbuf_add_format(out, q("{'type':'join','id':%u,'room':'%s',"), asked->id,
                      f->room);
    strbuf_add_format(out, q("'user':'%s'"), f->user);
    if (since) {
        asked->has_since = true;
        asked->since = *since;
        strbuf_add_format(out, q(",'since':{'epoch':'%s','seq':%llu}"), since->epoch,
                          (unsigned long long)since->seq);
    }
    strbuf_add_char(out, '}');
}

void follower_print_leave(struct follower *f, struct strbuf *out)
{
    struct follower_ask *asked = ask(f);

    asked->is_leave = true;
    strbuf_add_format(out, q("{'type':'leave','id':%u,'room':'%s'}"), asked->id,
                      f->room);
}

void follower_print_message(const struct follower *f, struct strbuf *out, uint64_t seq,
                            size_t len)
{
    size_t end;

    strbuf_add_format(out, q("{'type':'message','id':%llu,'room':'%s','text':'%llu "),
                      (unsigned long long)seq, f->room, (unsigned long long)seq);
    end = out->len + len;
    while (out->len < end)
        strbuf_add_char(out, 'x');
    strbuf_add_text(out, q("'}"));
}

struct follower_since follower_since(const struct follower *f)
{
    struct follower_since since = {.seq = f->next > 0 ? f->next - 1 : 0};

    memcpy(since.epoch, f->epoch, sizeof(since.epoch));
    return since;
}

void follower_on_end(struct follower *f)
{
    f->state = FOLLOWER_OUT;
    f->asked_count = 0;
}

/* ---- what comes ---- */

static const char *get_text(const struct follower *f, const struct event *e,
                            const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(e->json, name);

    check(cJSON_IsString(item), f, e, name);
    return item->valuestring;
}

static uint64_t get_number(const struct follower *f, const struct event *e,
                           const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(e->json, name);

    check(cJSON_IsNumber(item) && item->valuedouble >= 0, f, e, name);
    return (uint64_t)item->valuedouble;
}

static bool get_bool(const struct follower *f, const struct event *e, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(e->json, name);

    check(cJSON_IsBool(item), f, e, name);
    return cJSON_IsTrue(item);
}

/* Takes the first of what was asked; the answer must be to it. */
static struct follower_ask answered(struct follower *f, const struct event *e,
                                    bool is_leave)
{
    struct follower_ask first = f->asked[0];

    check(f->asked_count > 0 && first.id == get_number(f, e, "id") &&
              first.is_leave == is_leave,
          f, e, "not the answer to what was asked next");
    memmove(f->asked, f->asked + 1, --f->asked_count * sizeof(first));
    return first;
}

static void on_join_ack(struct follower *f, const struct event *e)
{
    struct follower_ask asked = answered(f, e, false);
    const char *epoch = get_text(f, e, "epoch");
    uint64_t seq = get_number(f, e, "seq");
    uint64_t oldest = seq < f->history_limit ? 1 : seq - f->history_limit + 1;
    bool recovered = get_bool(f, e, "recovered");
    bool can_recover = asked.has_since && strcmp(asked.since.epoch, epoch) == 0 &&
                       asked.since.seq <= seq && asked.since.seq + 1 >= oldest;

    check(!f->epoch[0] || strcmp(f->epoch, epoch) == 0, f, e, "another epoch");
    check(strcmp(get_text(f, e, "user"), f->user) == 0, f, e, "another user");
    check(get_number(f, e, "members") > 0, f, e, "nobody is in");
    check(seq <= *f->sent, f, e, "a number that nobody has sent");
    check(recovered == can_recover, f, e,
          recovered ? "recovered without reason" : "not recovered");
    snprintf(f->epoch, sizeof(f->epoch), "%s", epoch);
    f->until = seq;
    f->next = recovered ? asked.since.seq + 1 : oldest;
    f->state = FOLLOWER_ACKED;
    f->joins++;
    f->recovered += recovered;
}

static void on_leave_ack(struct follower *f, const struct event *e)
{
    answered(f, e, true);
    f->state = FOLLOWER_OUT;
}

static void take_message(struct follower *f, const struct event *e)
{
    uint64_t seq = get_number(f, e, "seq");

    check(seq == f->next, f, e, "not the next number");
    check(strtoull(get_text(f, e, "text"), NULL, 10) == seq, f, e,
          "the text of another message");
    check(strcmp(get_text(f, e, "room"), f->room) == 0, f, e, "another room");
    f->next++;
    f->messages++;
}

static void on_message(struct follower *f, const struct event *e)
{
    check(f->state == FOLLOWER_LIVE, f, e, "a message, but not yet or no more");
    take_message(f, e);
}

static void on_history_batch(struct follower *f, const struct event *e)
{
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(e->json, "messages");
    bool more = get_bool(f, e, "more");
    const cJSON *message;
    int count = 0;

    check(f->state == FOLLOWER_ACKED || f->state == FOLLOWER_IN_HISTORY, f, e,
          "a batch, but not now");
    check(strcmp(get_text(f, e, "epoch"), f->epoch) == 0, f, e, "another epoch");
    check(cJSON_IsArray(messages), f, e, "no messages");
    cJSON_ArrayForEach(message, messages)
    {
        take_message(f, &(struct event){message, e->text, e->len});
        count++;
    }
    /* One message alone may be larger than a batch should be. */
    check(count <= BATCH_MESSAGES && (count == 1 || e->len <= BATCH_BYTES), f, e,
          "a batch over its limit");
    check(!more || count > 0, f, e, "an empty batch, and more");
    check(count == 0 || f->next <= f->until + 1, f, e, "a history that goes too far");
    check(more || f->next > f->until, f, e, "a history that ends too early");
    f->batches++;
    f->state = more ? FOLLOWER_IN_HISTORY : FOLLOWER_LIVE;
}

static void on_gap(struct follower *f, const struct event *e)
{
    uint64_t from = get_number(f, e, "from"), to = get_number(f, e, "to");

    check(f->state == FOLLOWER_LIVE || f->state == FOLLOWER_IN_HISTORY, f, e,
          "a gap, but not now");
    check(strcmp(get_text(f, e, "epoch"), f->epoch) == 0, f, e, "another epoch");
    check(from == f->next && to >= from, f, e, "a gap that is not the next");
    check(to + f->history_limit <= *f->sent, f, e, "the history still has these");
    f->next = to + 1;
    f->gaps++;
}

static void on_message_ack(struct follower *f, const struct event *e)
{
    check(get_number(f, e, "seq") == get_number(f, e, "id"), f, e,
          "not stored in the order sent");
    f->acks++;
}

static void on_presence(struct follower *f, const struct event *e)
{
    check(f->state != FOLLOWER_OUT, f, e, "not in, and told of others");
    check(f->state != FOLLOWER_ACKED, f, e, "not the first batch");
    check(strcmp(get_text(f, e, "user"), f->user) != 0, f, e, "told of itself");
}

static const struct {
    const char *type;
    void (*take)(struct follower *f, const struct event *e);
} kinds[] = {
    {"message", on_message},        {"message_ack", on_message_ack},
    {"join_ack", on_join_ack},      {"history_batch", on_history_batch},
    {"leave_ack", on_leave_ack},    {"gap", on_gap},
    {"member_joined", on_presence}, {"member_left", on_presence},
};

void follower_take(struct follower *f, const char *text, size_t len)
{
    cJSON *json = cJSON_ParseWithLength(text, len);
    struct event e = {json, text, len};
    size_t i = 0;

    check(cJSON_IsObject(json), f, &e, "not an object");
    while (i < sizeof(kinds) / sizeof(kinds[0]) &&
           strcmp(get_text(f, &e, "type"), kinds[i].type) != 0)
        i++;
    check(i < sizeof(kinds) / sizeof(kinds[0]), f, &e, "an event of no use here");
    kinds[i].take(f, &e);
    cJSON_Delete(json);
}
