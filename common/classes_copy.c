/* classes_copy.c - see classes_copy.h.
 *
 *     classes_copy_on_rev -> start_read -> on_read -> classes_copy_take -> classes_copy_replace -> on_changed
 *                         -> start_restore -> on_restored
 */
#include "common/classes_copy.h"

#include "common/command.h"
#include "common/intake.h"
#include "common/log.h"

static const char rev_field[] = "classes_rev"; /* of rc:policy */

void classes_copy_on_rev(struct classes_copy *copy, uint64_t rev)
{
    replaced_copy_on_rev(&copy->is, rev);
}

/* ---- reading ---- */

void classes_copy_replace(struct classes_copy *copy, struct classes *classes,
                          uint64_t rev)
{
    struct classes former = copy->table;

    copy->table.all = classes->all;
    copy->table.count = classes->count;
    copy->table.cap = classes->cap;
    copy->is.rev = rev;
    *classes = (struct classes){.fallback = classes->fallback};
    log_info("classes_changed", "rev=%llu classes=%zu", (unsigned long long)rev,
             copy->table.count);
    copy->on_changed(copy->owner);
    classes_deinit(&former);
}

/* What is no class is left out: somebody else than us has written it. */
static bool read_all(struct classes_copy *copy, struct classes *classes,
                     const redisReply *pairs)
{
    struct strbuf why = {NULL, 0, 0};
    bool is_good;

    classes_init(classes, &copy->table.fallback);
    for (size_t i = 0; i + 1 < reply_count(pairs) && classes->count <= CLASSES_MAX;
         i += 2) {
        strbuf_reset(&why, 4096);
        if (!classes_add(classes, reply_text(pairs, i), reply_text(pairs, i + 1), &why))
            intake_refuse(copy->metrics, INTAKE_REPLY, "classes", reply_text(pairs, i));
    }
    is_good = classes_end(classes, &why);
    if (!is_good)
        intake_refuse(copy->metrics, INTAKE_REPLY, "classes",
                      (struct json_text){"", 0});
    strbuf_deinit(&why);
    return is_good;
}

uint64_t classes_copy_take(struct classes_copy *copy, const redisReply *reply)
{
    uint64_t rev = reply_decimal(reply_text(reply, 0));
    const redisReply *pairs = reply_at(reply, 1);
    struct classes classes;

    if (reply_is_array(pairs, 0) && replaced_copy_wants(&copy->is, rev)) {
        if (read_all(copy, &classes, pairs))
            classes_copy_replace(copy, &classes, rev);
        classes_deinit(&classes);
    }
    return rev <= REPLACED_REV_MAX ? rev : 0;
}

void classes_copy_begin_read(struct classes_copy *copy)
{
    struct redis_command *cmd =
        copy->calls->begin_script(copy->owner, SCRIPT_CLASSES, 2);

    copy->calls->add_key(copy->owner, KEY_POLICY);
    copy->calls->add_key(copy->owner, KEY_CLASSES);
    redis_command_add_text(cmd, rev_field);
}

static void on_read(void *data, int status, const redisReply *reply)
{
    struct classes_copy *copy = data;

    if (status == 0)
        classes_copy_take(copy, reply);
    replaced_copy_end(&copy->is);
}

static void start_read(void *owner)
{
    struct classes_copy *copy = owner;

    classes_copy_begin_read(copy);
    copy->calls->send_script(copy->owner, SCRIPT_CLASSES, on_read, copy);
}

/* ---- putting back ---- */

void classes_copy_add_all(struct redis_command *cmd, const struct classes *classes)
{
    for (size_t i = 0; i < classes->count; i++) {
        command_add(cmd, class_prefix(classes->all[i]));
        command_add(cmd, class_text(classes->all[i]));
    }
}

static void on_restored(void *data, int status, const redisReply *reply)
{
    struct classes_copy *copy = data;

    if (status == 0 && reply_is_value(reply, 1))
        log_warn("classes_restored", "rev=%llu", (unsigned long long)copy->is.rev);
    replaced_copy_end(&copy->is);
}

static void start_restore(void *owner)
{
    struct classes_copy *copy = owner;
    struct redis_command *cmd =
        copy->calls->begin_script(copy->owner, SCRIPT_RESTORE, 3);

    copy->calls->add_key(copy->owner, KEY_POLICY);
    copy->calls->add_key(copy->owner, KEY_FLEET_EVENTS);
    copy->calls->add_key(copy->owner, KEY_CLASSES);
    redis_command_add_text(cmd, rev_field);
    redis_command_add_u64(cmd, copy->is.rev);
    classes_copy_add_all(cmd, &copy->table);
    copy->calls->send_script(copy->owner, SCRIPT_RESTORE, on_restored, copy);
}

/* ---- beginning and end ---- */

void classes_copy_init(struct classes_copy *copy, const struct registry_calls *calls,
                       void (*on_changed)(void *owner), void *owner,
                       const struct class_rules *fallback, struct metrics *metrics)
{
    *copy = (struct classes_copy){
        .calls = calls, .on_changed = on_changed, .owner = owner, .metrics = metrics};
    copy->is.start_read = start_read;
    copy->is.start_restore = start_restore;
    copy->is.owner = copy;
    classes_init(&copy->table, fallback);
}

void classes_copy_deinit(struct classes_copy *copy)
{
    classes_deinit(&copy->table);
}
