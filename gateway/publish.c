/* publish.c - see publish.h.
 *
 * The script takes the messages in runs, consecutive ones of one user together, because
 * what it is told of each message and answers to each costs Redis more than the gateway.
 * The gateway counts the runs, the script keeps to them.
 */
#include "gateway/publish.h"

#include <assert.h>
#include <string.h>

#include "common/command.h"
#include "common/fnv.h"
#include "common/reply.h"

enum { FIXED_KEYS = 5, TWINS_SLOTS = 2 * PUBLISH_MAX };

/* What is left of slow mode, below this. */
static const long long SLOW = -2000000000000000;

/* Consecutive messages of one user, all with a key or all without. */
struct run {
    struct json_text user;
    unsigned size;
    bool has_keys, is_spared, is_slow;
};

static const struct publish_message *message_from(const struct list *link)
{
    return list_entry(link, const struct publish_message, link);
}

static bool belongs(const struct run *run, const struct publish_message *m)
{
    return run->has_keys == (m->key.len > 0) && run->is_spared == m->is_spared &&
           run->user.len == m->user.len &&
           memcmp(run->user.base, m->user.base, m->user.len) == 0;
}

/* How many there are. */
static unsigned find_runs(const struct list *messages, struct run runs[PUBLISH_MAX])
{
    unsigned count = 0;

    for (const struct list *link = messages->next; link != messages;
         link = link->next) {
        const struct publish_message *m = message_from(link);

        if (count == 0 || !belongs(&runs[count - 1], m)) {
            assert(count < PUBLISH_MAX);
            runs[count++] = (struct run){
                m->user, 0, m->key.len > 0, m->is_spared, m->is_slow,
            };
        }
        runs[count - 1].size++;
    }
    return count;
}

/* ---- the call ---- */

static unsigned count_keys(const struct run *runs, unsigned count)
{
    unsigned keys = 0;

    for (unsigned i = 0; i < count; i++)
        keys += runs[i].has_keys ? runs[i].size : 0;
    return keys;
}

static void add_keys(struct args *args, const struct room *room, bool has_keys)
{
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_EVENTS);
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_MUTES);
    if (has_keys) {
        args_add_key(args, room, KEY_KEYS);
        args_add_key(args, room, KEY_KEYS_OLD);
    }
}

/* Never 0. */
static uint32_t hash_of(const struct publish_message *m)
{
    uint32_t hash = fnv_add(FNV_START, m->user.base, m->user.len);

    return fnv_add(hash, m->key.base, m->key.len) | 1;
}

/* Whether two messages may have the same user and key: the script need not look then. Only
 * hashes are compared. */
static bool may_repeat(const struct list *messages)
{
    uint32_t seen[TWINS_SLOTS] = {0};

    for (const struct list *link = messages->next; link != messages;
         link = link->next) {
        const struct publish_message *m = message_from(link);
        uint32_t hash = m->key.len > 0 ? hash_of(m) : 0, at = hash % TWINS_SLOTS;

        while (hash && seen[at] && seen[at] != hash)
            at = (at + 1) % TWINS_SLOTS;
        if (hash && seen[at] == hash)
            return true;
        if (hash)
            seen[at] = hash;
    }
    return false;
}

static void add_runs(struct args *args, const struct run *runs, unsigned count)
{
    redis_command_add_u64(&args->cmd, count);
    for (unsigned i = 0; i < count; i++) {
        args_add_text(args, runs[i].user);
        redis_command_add_u64(&args->cmd, runs[i].size);
        redis_command_add_u64(
            &args->cmd, runs[i].has_keys + 2u * (runs[i].is_slow && runs[i].is_spared));
    }
}

static void add_fields(struct args *args, const struct list *messages, unsigned count)
{
    char field[KEYS_MAX_BYTES];

    command_add_key_limits(&args->cmd, args->config);
    redis_command_add_u64(&args->cmd, count > 1 && may_repeat(messages));
    redis_command_add_u64(&args->cmd, count);
    for (const struct list *link = messages->next; link != messages;
         link = link->next) {
        const struct publish_message *m = message_from(link);

        if (m->key.len > 0)
            redis_command_add(
                &args->cmd, field,
                keys_field(field, m->user.base, m->user.len, m->key.base, m->key.len));
    }
}

/* In slow mode; of runs that it does not concern, too. */
static void add_slow_keys(struct args *args, const struct room *room,
                          const struct run *runs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        args_add_slow(args, room, runs[i].user);
}

void publish_send(struct store *store, const struct room *room, struct list *messages,
                  redis_reply_fn on_reply, void *data)
{
    struct args *args = &store->args;
    struct run runs[PUBLISH_MAX];
    bool is_slow = room->rules->slow_secs > 0;
    unsigned count, keys;

    list_each(link, messages)
        list_entry(link, struct publish_message, link)->is_slow = is_slow;
    count = find_runs(messages, runs);
    keys = count_keys(runs, count);
    scripts_begin(&args->cmd, SCRIPT_PUBLISH,
                  FIXED_KEYS + (keys > 0 || is_slow ? 2 : 0) + (is_slow ? count : 0));
    add_keys(args, room, keys > 0 || is_slow);
    if (is_slow)
        add_slow_keys(args, room, runs, count);
    command_add_history_limits(&args->cmd, store->config, room->rules);
    redis_command_add(&args->cmd, room->message_head.data, room->message_head.len);
    add_runs(args, runs, count);
    if (keys > 0 || is_slow)
        add_fields(args, messages, keys);
    if (is_slow)
        redis_command_add_u64(&args->cmd, 1000u * room->rules->slow_secs);
    for (const struct list *link = messages->next; link != messages; link = link->next)
        args_add_text(args, message_from(link)->tail);
    store_send_script(store, SCRIPT_PUBLISH, on_reply, data);
}

/* ---- the reply ---- */

static struct publish_result result_from(long long number)
{
    if (number > 0)
        return (struct publish_result){PROTO_OK, (uint64_t)number, 0};
    if (number == -1)
        return (struct publish_result){PROTO_NOT_JOINED, 0, 0};
    if (number <= SLOW)
        return (struct publish_result){PROTO_SLOW_MODE, 0, (uint64_t)(SLOW - number)};
    return (struct publish_result){PROTO_MUTED, 0, (uint64_t)(-2 - number)};
}

/* Takes the next number; false: there is none. */
static bool take_number(const redisReply *reply, size_t *at, long long *number)
{
    return reply_take_number(reply, (*at)++, number) && *number != 0;
}

/* Of a user that is not a member, and without keys, one number tells what becomes of all. */
static bool read_run(const struct run *run, const redisReply *reply, size_t *at,
                     struct publish_result *results)
{
    bool is_each = run->has_keys || run->is_slow;
    long long number;

    if (!take_number(reply, at, &number))
        return false;
    results[0] = result_from(number);
    is_each = is_each && number != -1;
    for (unsigned i = 1; i < run->size; i++) {
        if (is_each && !take_number(reply, at, &number))
            return false;
        if (!is_each && number > 0)
            number++;
        results[i] = result_from(number);
    }
    return true;
}

bool publish_read(int status, const redisReply *reply, const struct list *messages,
                  struct publish_answer *out)
{
    struct publish_result *results = out->results;
    struct run runs[PUBLISH_MAX];
    unsigned count = find_runs(messages, runs);
    size_t at = 3;

    if (status < 0 || !reply_is_array(reply, 3) ||
        !reply_take_epoch(out->epoch, reply, 0))
        return false;
    out->seq = reply_number(reply, 1);
    out->token = reply_token(reply, 2);
    for (unsigned i = 0; i < count; i++) {
        if (!read_run(&runs[i], reply, &at, results))
            return false;
        results += runs[i].size;
    }
    return true;
}
