/* roomcast.c - see roomcast.h. */
#include "tests/support/fleet/roomcast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/redis/files.h"

enum { SCRIPT_DEADLINE_MS = 60000 };

char *roomcast_command(const struct fleet *fleet, unsigned first, const char *user,
                       const char *arguments)
{
    const char *bin = getenv("ROOMCAST_BIN");
    char *real = realpath(bin ? bin : "build/bin", NULL);
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_format(&text, "%s/roomcast --user %s", real, user);
    for (unsigned g = 0; g < fleet->count; g++)
        strbuf_add_format(&text, " --url ws://127.0.0.1:%d/ws",
                          fleet->gateways[(first + g) % fleet->count].port);
    strbuf_add_format(&text, " %s", arguments);
    free(real);
    return text.data;
}

void roomcast_open(struct tmux *tmux, const struct fleet *fleet, unsigned first,
                   const char *user, int columns, int rows, const char *rooms)
{
    char *command = roomcast_command(fleet, first, user, rooms);
    char connected[64];

    snprintf(connected, sizeof(connected), "%d as ", fleet->gateways[first].port);
    tmux_open(tmux, user, columns, rows, NULL, command);
    tmux_expect(tmux, user, connected);
    free(command);
}

int roomcast_run(const struct fleet *fleet, const char *user, const char *script,
                 char **out, char **err)
{
    char out_path[96], err_path[96];
    char *command = roomcast_command(fleet, 0, user, "");
    struct strbuf env = {NULL, 0, 0}, text = {NULL, 0, 0};
    struct process p = {0};
    int status;

    snprintf(out_path, sizeof(out_path), "%s/script.out", fleet->dir);
    snprintf(err_path, sizeof(err_path), "%s/script.err", fleet->dir);
    strbuf_add_format(&env, "CLIENT=%s", command);
    strbuf_add_format(&text, "ROOMCAST=$CLIENT; { %s\n} >%s", script, out_path);
    process_start(&p, (const char *[]){"bash", "-c", text.data, NULL},
                  (const char *[]){env.data, "TZ=UTC", NULL}, err_path);
    status = process_wait(&p, SCRIPT_DEADLINE_MS);
    process_kill(&p);
    *out = files_read(out_path);
    *err = files_read(err_path);
    unlink(out_path);
    unlink(err_path);
    free(command);
    strbuf_deinit(&env);
    strbuf_deinit(&text);
    return status;
}
