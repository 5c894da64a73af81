/* revoked_copy.c - see revoked_copy.h.
 *
 *     revoked_copy_on_rev -> start_read -> on_rev_read -> read_page -> on_page … -> end_read -> IDLE
 *                         -> start_restore                                       -> start_restore
 *     start_restore -> on_locked -> put_page -> on_put … -> start_read
 *                                -> IDLE: somebody else has the lock
 *                   -> [a call failed] give_up -> IDLE
 */
#include "common/revoked_copy.h"

#include <string.h>

#include <openssl/rand.h>

#include "common/command.h"
#include "common/digits.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/percent.h"

enum { PAGE = 1000, LOCK_BYTES = 8, LOCK_MS = 10000 };

void revoked_copy_init(struct revoked_copy *copy,
                       const struct revoked_copy_hooks *hooks, void *owner,
                       struct metrics *metrics)
{
    *copy = (struct revoked_copy){.hooks = hooks, .owner = owner, .metrics = metrics};
    revocations_init(&copy->table);
}

void revoked_copy_deinit(struct revoked_copy *copy)
{
    revocations_deinit(&copy->table);
}

static void start_read(struct revoked_copy *copy);
static void start_restore(struct revoked_copy *copy);
static void note_all_missing(struct revoked_copy *copy);

/* A call has ended what was begun, or failed. */
static void go_idle(struct revoked_copy *copy)
{
    copy->is_busy = false;
    if (copy->has_heard) {
        copy->has_heard = false;
        revoked_copy_on_rev(copy, copy->heard_rev);
    }
}

void revoked_copy_on_rev(struct revoked_copy *copy, uint64_t rev)
{
    if (rev > REVOCATION_NUMBER_MAX) /* nothing that anybody has written */
        rev = 0;
    if (copy->is_busy) {
        copy->has_heard = true;
        copy->heard_rev = rev;
    } else if (rev > copy->rev) {
        start_read(copy);
    } else if (rev < copy->rev) {
        note_all_missing(copy);
        start_restore(copy);
    } else if (copy->missing > 0) {
        start_restore(copy);
    }
}

void revoked_copy_on_count(struct revoked_copy *copy, uint64_t count)
{
    if (!copy->is_busy && count < revocations_count(&copy->table))
        start_read(copy);
}

/* ---- reading ---- */

static void note_read(struct revoked_copy *copy, struct json_text name,
                      struct json_text value)
{
    struct revocation is;
    struct revocation_entry *entry;
    bool has_changed;

    copy->in_hash++;
    if (!revocations_is_name(name) || !revocation_parse(value, &is)) {
        intake_refuse(copy->metrics, INTAKE_REPLY, "revoked", name);
        return;
    }
    entry = revocations_add(&copy->table, name, &is, &has_changed);
    if (!entry)
        return;
    copy->has_changed |= has_changed;
    if (entry->is.issued_before == is.issued_before &&
        entry->is.until_ms == is.until_ms)
        entry->seen = copy->reading;
}

/* Where the hash is full, nothing more goes in. */
static void note_missing(struct revoked_copy *copy)
{
    copy->missing = 0;
    list_each(link, &copy->table.all) {
        struct revocation_entry *entry =
            list_entry(link, struct revocation_entry, link);

        entry->is_missing =
            entry->seen != copy->reading && copy->in_hash < REVOCATIONS_MAX;
        copy->missing += entry->is_missing;
    }
}

static void note_all_missing(struct revoked_copy *copy)
{
    copy->missing = 0;
    list_each(link, &copy->table.all) {
        list_entry(link, struct revocation_entry, link)->is_missing = true;
        copy->missing++;
    }
}

static void end_read(struct revoked_copy *copy)
{
    copy->rev = copy->next_rev;
    note_missing(copy);
    if (copy->has_changed)
        copy->hooks->on_read(copy->owner);
    if (copy->missing > 0)
        start_restore(copy);
    else
        go_idle(copy);
}

static void read_page(struct revoked_copy *copy, const char *cursor);

static void on_page(void *data, int status, const redisReply *reply)
{
    struct revoked_copy *copy = data;
    const redisReply *pairs = reply_at(reply, 1);
    char cursor[REPLY_CURSOR_BYTES];

    if (status < 0 || !reply_take_cursor(cursor, reply, 0)) {
        go_idle(copy);
        return;
    }
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2)
        note_read(copy, reply_text(pairs, i), reply_text(pairs, i + 1));
    if (strcmp(cursor, "0") == 0)
        end_read(copy);
    else
        read_page(copy, cursor);
}

static void read_page(struct revoked_copy *copy, const char *cursor)
{
    struct redis_command *cmd = copy->hooks->calls->begin(copy->owner, "HSCAN");

    copy->hooks->calls->add_key(copy->owner, KEY_REVOKED);
    redis_command_add_text(cmd, cursor);
    redis_command_add_text(cmd, "COUNT");
    redis_command_add_u64(cmd, PAGE);
    copy->hooks->calls->send(copy->owner, on_page, copy);
}

/* The number first: what is written meanwhile has a higher one, and is read again. */
static void on_rev_read(void *data, int status, const redisReply *reply)
{
    struct revoked_copy *copy = data;

    if (status < 0) {
        go_idle(copy);
        return;
    }
    copy->next_rev = reply_decimal(reply_string(reply));
    if (copy->next_rev > REVOCATION_NUMBER_MAX)
        copy->next_rev = 0;
    read_page(copy, "0");
}

static void start_read(struct revoked_copy *copy)
{
    struct redis_command *cmd = copy->hooks->calls->begin(copy->owner, "HGET");

    copy->is_busy = true;
    copy->has_changed = false;
    copy->in_hash = 0;
    copy->reading++;
    copy->hooks->calls->add_key(copy->owner, KEY_POLICY);
    redis_command_add_text(cmd, "revoked_rev");
    copy->hooks->calls->send(copy->owner, on_rev_read, copy);
}

/* ---- putting back ---- */

struct redis_command *revoked_copy_begin_call(struct revoked_copy *copy, bool raises,
                                              const char *lock)
{
    struct redis_command *cmd =
        copy->hooks->calls->begin_script(copy->owner, SCRIPT_REVOKE, 4);

    copy->hooks->calls->add_key(copy->owner, KEY_POLICY);
    copy->hooks->calls->add_key(copy->owner, KEY_REVOKED);
    copy->hooks->calls->add_key(copy->owner, KEY_POLICY_RESTORE);
    copy->hooks->calls->add_key(copy->owner, KEY_FLEET_EVENTS);
    if (raises)
        redis_command_add_u64(cmd, copy->rev);
    else
        redis_command_add_text(cmd, "");
    redis_command_add_u64(cmd, REVOCATIONS_MAX);
    redis_command_add_text(cmd, lock);
    return cmd;
}

void revoked_copy_add_entry(struct redis_command *cmd, struct json_text name,
                            const struct revocation *is)
{
    command_add(cmd, name);
    redis_command_add_u64(cmd, is->issued_before);
    redis_command_add_u64(cmd, is->until_ms);
}

static void put_page(struct revoked_copy *copy);

static void on_given_up(void *data, int status, const redisReply *reply)
{
    (void)status;
    (void)reply;
    go_idle(data);
}

/* So that somebody else need not wait for the lock's end. Nothing is put back. */
static void give_up(struct revoked_copy *copy)
{
    (void)revoked_copy_begin_call(copy, false, copy->lock);
    copy->hooks->calls->send_script(copy->owner, SCRIPT_REVOKE, on_given_up, copy);
}

/* What a failed call was to put back is found missing by the next reading. */
static void on_put(void *data, int status, const redisReply *reply)
{
    struct revoked_copy *copy = data;

    (void)reply;
    if (status < 0) {
        copy->missing += copy->missing == 0;
        give_up(copy);
    } else if (copy->missing > 0) {
        put_page(copy);
    } else {
        log_warn("revocations_restored", "entries=%u", revocations_count(&copy->table));
        start_read(copy);
    }
}

static void put_page(struct revoked_copy *copy)
{
    bool is_last = copy->missing <= PAGE;
    struct redis_command *cmd =
        revoked_copy_begin_call(copy, is_last, is_last ? copy->lock : "");
    unsigned count = 0;

    list_each(link, &copy->table.all) {
        struct revocation_entry *entry =
            list_entry(link, struct revocation_entry, link);

        if (!entry->is_missing || count == PAGE)
            continue;
        entry->is_missing = false;
        count++;
        revoked_copy_add_entry(cmd, (struct json_text){entry->name, entry->name_len},
                               &entry->is);
    }
    copy->missing = is_last ? 0 : copy->missing - count;
    copy->hooks->calls->send_script(copy->owner, SCRIPT_REVOKE, on_put, copy);
}

static void on_locked(void *data, int status, const redisReply *reply)
{
    struct revoked_copy *copy = data;

    if (status < 0)
        give_up(copy); /* it may have been had */
    else if (json_text_is(reply_status(reply), "OK"))
        put_page(copy);
    else
        go_idle(copy); /* somebody else puts it back; the next number tells */
}

static void start_restore(struct revoked_copy *copy)
{
    unsigned char bytes[LOCK_BYTES];
    struct redis_command *cmd = copy->hooks->calls->begin(copy->owner, "SET");

    copy->is_busy = true;
    RAND_bytes(bytes, sizeof(bytes));
    digits_print_hex(copy->lock, bytes, sizeof(bytes));
    copy->hooks->calls->add_key(copy->owner, KEY_POLICY_RESTORE);
    redis_command_add_text(cmd, copy->lock);
    redis_command_add_text(cmd, "NX");
    redis_command_add_text(cmd, "PX");
    redis_command_add_u64(cmd, LOCK_MS);
    copy->hooks->calls->send(copy->owner, on_locked, copy);
}

/* ---- orders ---- */

void revoked_copy_on_order(struct revoked_copy *copy, const struct revoked_order *order)
{
    struct revocation_entry *entry =
        revocations_add(&copy->table, order->name, &order->is, NULL);

    if (!entry)
        log_warn("revocations_full", "entries=%u", revocations_count(&copy->table));
    copy->hooks->on_order(copy->owner, order->name, order->grace_secs);
    if (order->rev <= copy->rev)
        return; /* it was read before it came */
    if (!copy->is_busy && order->before == copy->rev)
        copy->rev = order->rev;
    else
        revoked_copy_on_rev(copy,
                            order->before < copy->rev ? order->before : order->rev);
}

void revoked_order_print(struct strbuf *out, const struct revoked_order *order)
{
    strbuf_add_format(out, "revoked %llu %llu ", (unsigned long long)order->before,
                      (unsigned long long)order->rev);
    strbuf_add_percent(out, order->name.base, order->name.len);
    strbuf_add_format(out, " %llu %llu", (unsigned long long)order->is.issued_before,
                      (unsigned long long)order->is.until_ms);
    if (order->grace_secs > 0)
        strbuf_add_format(out, " %llu", (unsigned long long)order->grace_secs);
}

/* Takes the next word off. */
static struct json_text take_word(struct json_text *text)
{
    const char *space = text->len > 0 ? memchr(text->base, ' ', text->len) : NULL;
    struct json_text word = {text->base,
                             space ? (size_t)(space - text->base) : text->len};
    size_t taken = word.len + (space ? 1 : 0);

    text->base += taken;
    text->len -= taken;
    return word;
}

static bool take_number(struct json_text *text, uint64_t *out)
{
    struct json_text word = take_word(text);

    return digits_parse(word.base, word.len, REVOCATION_NUMBER_MAX, out);
}

static bool take_name(struct json_text *text, char name[REVOCATION_NAME_MAX],
                      struct json_text *out)
{
    struct json_text word = take_word(text);
    size_t len;
    char decoded[3 * REVOCATION_NAME_MAX];

    if (word.len > sizeof(decoded))
        return false;
    memcpy(decoded, word.base, word.len);
    if (percent_decode(decoded, word.len, &len) != 0 || len > REVOCATION_NAME_MAX)
        return false;
    memcpy(name, decoded, len);
    *out = (struct json_text){name, len};
    return revocations_is_name(*out);
}

bool revoked_order_parse(struct json_text text, char name[REVOCATION_NAME_MAX],
                         struct revoked_order *order)
{
    *order = (struct revoked_order){0};
    return take_number(&text, &order->before) && take_number(&text, &order->rev) &&
           take_name(&text, name, &order->name) &&
           take_number(&text, &order->is.issued_before) &&
           take_number(&text, &order->is.until_ms) &&
           (text.len == 0 || (take_number(&text, &order->grace_secs) && text.len == 0));
}
