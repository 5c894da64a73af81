/* fake_worker.c - see fake_worker.h. */
#include "tests/fuzz/fake_worker.h"

#include <stdlib.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/scripts.h"
#include "gateway/deliver.h"
#include "gateway/pool.h"

void fake_worker_set_up(void)
{
    static bool is_set_up;

    if (is_set_up)
        return;
    is_set_up = true;
    keys_set_prefix("rc");
    scripts_init();
    log_max = (enum log_level) - 1; /* silent */
}

void fake_worker_open(struct fake_worker *w, const struct fake_worker_opts *opts)
{
    struct redis_link_opts of_link = redis_link_opts_of(opts->config, "commands");

    uv_loop_init(&w->loop);
    pool_init(&w->metrics);
    of_link.on_ready = opts->on_ready;
    of_link.on_lost = opts->on_lost;
    w->link = redis_link_open(&w->loop, &of_link);
    store_init(&w->store, w->link, opts->config, &w->metrics);
    w->store.on_touched = opts->on_touched;
    rooms_init(&w->rooms, opts->room_hooks, &w->metrics, opts->config);
    deliver_init(&w->rooms);
    bus_open(&w->bus, &w->loop, opts->config, &w->rooms, &w->metrics, "notices",
             opts->bus_hooks);
}

void fake_worker_close_links(struct fake_worker *w)
{
    bus_close(&w->bus);
    redis_link_close(w->link, NULL);
    w->store.link = NULL;
    store_run_failed(&w->store);
}

void fake_worker_close(struct fake_worker *w)
{
    store_deinit(&w->store);
    rooms_deinit(&w->rooms);
    bus_deinit(&w->bus);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&w->loop) != 0)
        abort();
    pool_deinit();
}
