/* fake_worker.c - see fake_worker.h. */
#include "tests/fuzz/fake_worker.h"

#include <stdlib.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/scripts.h"
#include "gateway/pool.h"

void fake_worker_set_up(void)
{
    static bool is_set_up;

    if (is_set_up)
        return;
    is_set_up = true;
    keys_set_prefix("rc");
    scripts_init(false);
    log_max = LOG_SILENT;
}

static void on_event(struct shard *shard)
{
    (void)shard;
}

static void on_link(struct shard *shard, bool is_ready)
{
    (void)shard, (void)is_ready;
}

static void on_notice(struct shard *shard, uint64_t read_ns)
{
    (void)shard, (void)read_ns;
}

static void on_command(struct shard *shard, struct json_text command)
{
    (void)shard, (void)command;
}

static void on_revs(struct shard *shard, const redisReply *revs)
{
    policy_on_revs(&list_entry(shard, struct fake_worker, shard)->policy, revs);
}

static void on_keys_changed(void *owner)
{
    (void)owner;
}

static void on_revoked_order(void *owner, struct json_text name, uint64_t grace_secs)
{
    (void)owner, (void)name, (void)grace_secs;
}

static const struct policy_hooks policy_hooks = {
    .on_revoked_order = on_revoked_order,
    .on_revoked_read = on_keys_changed,
    .on_classes = on_keys_changed,
};

void fake_worker_open(struct fake_worker *w, const struct config *config)
{
    static const struct shard_hooks hooks = {
        .on_up = on_event,
        .on_status = on_event,
        .on_link = on_link,
        .on_notice = on_notice,
        .on_command = on_command,
        .on_revs = on_revs,
        .on_forgotten = on_event,
    };
    const struct shard_opts opts = {
        .loop = &w->loop,
        .config = config,
        .metrics = &w->metrics,
        .workers = 1,
        .address = "here:1",
        .hooks = &hooks,
    };

    uv_loop_init(&w->loop);
    pool_init(&w->metrics);
    shard_open(&w->shard, &opts);
    w->access =
        (struct access){.is_on = true, .hooks = {.on_keys_changed = on_keys_changed}};
    policy_init(&w->policy, &w->shard.store, &w->access, &policy_hooks, w);
}

void fake_worker_close(struct fake_worker *w)
{
    shard_close(&w->shard);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    shard_end(&w->shard);
    policy_deinit(&w->policy);
    access_deinit(&w->access);
    shard_deinit(&w->shard);
    if (uv_loop_close(&w->loop) != 0)
        abort();
    pool_deinit();
}
