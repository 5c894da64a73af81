/* redis_sentinels.c - see redis_sentinels.h. */
#include "tests/support/redis/redis_sentinels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/wait.h"

enum { DEADLINE_MS = 60000 };

/* They write into it what they find out. */
static char *write_conf(const struct redis_sentinels *sentinels, unsigned i,
                        const struct redis_sentinels_opts *opts)
{
    char *path = print_text("%s/sentinel-%u.conf", sentinels->dir, i);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file,
            "sentinel monitor %s 127.0.0.1 %d %u\n"
            "sentinel down-after-milliseconds %s 1000\n"
            "sentinel failover-timeout %s 10000\n%s",
            REDIS_SENTINELS_MASTER, opts->master_port, opts->count / 2 + 1,
            REDIS_SENTINELS_MASTER, REDIS_SENTINELS_MASTER,
            opts->lines ? opts->lines : "");
    fclose(file);
    return path;
}

void redis_sentinels_open(struct redis_sentinels *sentinels,
                          const struct redis_sentinels_opts *opts)
{
    static const char *const args[] = {"--sentinel", NULL};

    *sentinels = (struct redis_sentinels){.count = opts->count};
    assert_true(opts->count <= REDIS_SENTINELS_MAX);
    snprintf(sentinels->dir, sizeof(sentinels->dir), "/tmp/roomcast-test-XXXXXX");
    assert_non_null(mkdtemp(sentinels->dir));
    for (unsigned i = 0; i < opts->count; i++) {
        sentinels->confs[i] = write_conf(sentinels, i, opts);
        redis_server_open(
            &sentinels->servers[i],
            &(struct redis_server_opts){.args = args, .conf = sentinels->confs[i]});
    }
}

void redis_sentinels_close(struct redis_sentinels *sentinels)
{
    for (unsigned i = 0; i < sentinels->count; i++) {
        redis_server_close(&sentinels->servers[i]);
        free(sentinels->confs[i]);
    }
    files_remove(sentinels->dir);
    *sentinels = (struct redis_sentinels){0};
}

int redis_sentinels_port(const struct redis_sentinels *sentinels, unsigned i)
{
    return sentinels->servers[i].port;
}

/* A field of SENTINEL MASTER. */
static long number_of(int port, const char *field)
{
    redisReply *reply =
        redis_cmd_reply(port, "SENTINEL MASTER %s", REDIS_SENTINELS_MASTER);
    long number = -1;

    for (size_t i = 0; reply && i + 1 < reply->elements; i += 2)
        if (strcmp(reply->element[i]->str, field) == 0)
            number = strtol(reply->element[i + 1]->str, NULL, 10);
    freeReplyObject(reply);
    return number;
}

struct known {
    struct redis_sentinels *sentinels;
    unsigned replicas;
};

static bool is_well(void *data)
{
    const struct known *known = data;
    struct redis_sentinels *sentinels = known->sentinels;

    for (unsigned i = 0; i < sentinels->count; i++) {
        int port = redis_sentinels_port(sentinels, i);

        if (process_is_running(&sentinels->servers[i].process) &&
            (number_of(port, "num-slaves") < (long)known->replicas ||
             number_of(port, "num-other-sentinels") != (long)sentinels->count - 1))
            return false;
    }
    return true;
}

void redis_sentinels_wait_well(struct redis_sentinels *sentinels, unsigned replicas)
{
    struct known known = {sentinels, replicas};

    if (!wait_until(is_well, &known, DEADLINE_MS))
        fail_msg("the Sentinels do not find each other, or the replicas");
}

int redis_sentinels_master_port(const struct redis_sentinels *sentinels, unsigned i)
{
    return (int)number_of(redis_sentinels_port(sentinels, i), "port");
}

char *redis_sentinels_url(const struct redis_sentinels *sentinels, const char *scheme,
                          const char *login)
{
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_format(&text, "%s://%s", scheme, login);
    for (unsigned i = 0; i < sentinels->count; i++)
        strbuf_add_format(&text, "%s127.0.0.1:%d", i > 0 ? "," : "",
                          redis_sentinels_port(sentinels, i));
    strbuf_add_format(&text, "/%s", REDIS_SENTINELS_MASTER);
    return text.data;
}
