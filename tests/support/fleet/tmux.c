/* tmux.c - see tmux.h. Each step is one call of the tmux program, whose output is in a file. */
#include "tests/support/fleet/tmux.h"

#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/redis/files.h"
#include "tests/support/unit/wait.h"

enum { ARGS_MAX = 24, PATH_BYTES = 128 };

static const char *path_of(const struct tmux *tmux, const char *file,
                           char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", tmux->dir, file);
    return path;
}

/* Runs tmux with these arguments, up to NULL; the status. Its output is in the file `out`. */
static int run_list(struct tmux *tmux, va_list list)
{
    char socket[PATH_BYTES], out[PATH_BYTES];
    const char *argv[ARGS_MAX] = {"tmux", "-S", path_of(tmux, "socket", socket)};
    const char *const env[] = {"LC_ALL=C.UTF-8", "TMUX=", NULL};
    struct process p = {0};
    size_t n = 3;

    while (n + 1 < ARGS_MAX && (argv[n] = va_arg(list, const char *)))
        n++;
    unlink(path_of(tmux, "out", out));
    process_start(&p, argv, env, out);
    return process_wait(&p, TMUX_DEADLINE_MS);
}

static int ask(struct tmux *tmux, ...)
{
    va_list list;
    int status;

    va_start(list, tmux);
    status = run_list(tmux, list);
    va_end(list);
    return status;
}

static void run(struct tmux *tmux, ...)
{
    char out[PATH_BYTES];
    va_list list;
    int status;

    va_start(list, tmux);
    status = run_list(tmux, list);
    va_end(list);
    if (status != 0)
        process_print_log(path_of(tmux, "out", out));
    assert_int_equal(status, 0);
}

static bool answers(void *data)
{
    return ask(data, "list-sessions", (const char *)NULL) == 0;
}

void tmux_start(struct tmux *tmux)
{
    char socket[PATH_BYTES], log[PATH_BYTES];
    const char *const env[] = {"LC_ALL=C.UTF-8", "TMUX=", "TERM=xterm-256color",
                               "NO_COLOR=", NULL};

    *tmux = (struct tmux){.dir = "/tmp/roomcast-tmux-XXXXXX"};
    assert_non_null(mkdtemp(tmux->dir));
    process_start(&tmux->server,
                  (const char *[]){"tmux", "-D", "-S", path_of(tmux, "socket", socket),
                                   "-f", "/dev/null", NULL},
                  env, path_of(tmux, "log", log));
    assert_true(wait_until(answers, tmux, TMUX_DEADLINE_MS));
    run(tmux, "set-option", "-g", "default-terminal", "screen-256color", NULL);
    run(tmux, "set-option", "-g", "escape-time", "0", NULL);
}

int tmux_stop(struct tmux *tmux)
{
    char pattern[PATH_BYTES];
    glob_t found = {.gl_pathc = 0};
    size_t complaints;

    ask(tmux, "kill-server", (const char *)NULL);
    process_wait(&tmux->server, 5000);
    process_kill(&tmux->server);
    glob(path_of(tmux, "sanitizer.*", pattern), 0, NULL, &found);
    complaints = found.gl_pathc;
    for (size_t i = 0; i < complaints; i++)
        process_print_log(found.gl_pathv[i]);
    globfree(&found);
    free(tmux->screen);
    files_remove(tmux->dir);
    *tmux = (struct tmux){0};
    if (complaints > 0) /* cmocka does not count a teardown that fails */
        exit(EXIT_FAILURE);
    return 0;
}

void tmux_open(struct tmux *tmux, const char *name, int columns, int rows,
               const char *env, const char *command)
{
    char x[16], y[16];
    struct strbuf text = {NULL, 0, 0};

    snprintf(x, sizeof(x), "%d", columns);
    snprintf(y, sizeof(y), "%d", rows);
    strbuf_add_format(&text,
                      "ASAN_OPTIONS=log_path=%s/sanitizer "
                      "UBSAN_OPTIONS=log_path=%s/sanitizer:print_stacktrace=1 %s %s; "
                      "echo \"[exit $?]\"; exec cat",
                      tmux->dir, tmux->dir, env ? env : "", command);
    ask(tmux, "kill-session", "-t", name,
        (const char *)NULL); /* of a test that failed */
    run(tmux, "new-session", "-d", "-x", x, "-y", y, "-s", name, text.data, NULL);
    strbuf_deinit(&text);
}

void tmux_close(struct tmux *tmux, const char *name)
{
    run(tmux, "kill-session", "-t", name, NULL);
}

void tmux_type(struct tmux *tmux, const char *name, const char *text)
{
    run(tmux, "send-keys", "-t", name, "-l", "--", text, NULL);
}

void tmux_key(struct tmux *tmux, const char *name, const char *key)
{
    run(tmux, "send-keys", "-t", name, key, NULL);
}

void tmux_line(struct tmux *tmux, const char *name, const char *text)
{
    tmux_type(tmux, name, text);
    tmux_key(tmux, name, "Enter");
}

void tmux_paste(struct tmux *tmux, const char *name, const char *text)
{
    char path[PATH_BYTES];
    FILE *file = fopen(path_of(tmux, "paste", path), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    run(tmux, "load-buffer", path, NULL);
    run(tmux, "paste-buffer", "-p", "-r", "-d", "-t", name, NULL);
}

void tmux_resize(struct tmux *tmux, const char *name, int columns, int rows)
{
    char x[16], y[16];

    snprintf(x, sizeof(x), "%d", columns);
    snprintf(y, sizeof(y), "%d", rows);
    run(tmux, "resize-window", "-t", name, "-x", x, "-y", y, NULL);
}

pid_t tmux_pid(struct tmux *tmux, const char *name)
{
    char out[PATH_BYTES], path[PATH_BYTES];
    char *text;
    int pid;

    run(tmux, "display-message", "-p", "-t", name, "#{pane_pid}", NULL);
    text = files_read(path_of(tmux, "out", out));
    pid = atoi(text);
    free(text);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    text = files_read(path);
    if (text[0])
        pid = atoi(text);
    free(text);
    return pid;
}

static const char *capture(struct tmux *tmux, const char *name, const char *flag)
{
    char out[PATH_BYTES];

    run(tmux, "capture-pane", "-p", "-t", name, flag, NULL);
    free(tmux->screen);
    tmux->screen = files_read(path_of(tmux, "out", out));
    return tmux->screen;
}

const char *tmux_screen(struct tmux *tmux, const char *name)
{
    return capture(tmux, name, NULL);
}

const char *tmux_screen_with_escapes(struct tmux *tmux, const char *name)
{
    return capture(tmux, name, "-e");
}

const char *tmux_row(struct tmux *tmux, const char *name, int y)
{
    char *at = (char *)tmux_screen(tmux, name);
    int rows = 0;

    for (const char *c = at; *c; c++)
        rows += *c == '\n';
    if (y < 0)
        y += rows;
    for (; y > 0 && strchr(at, '\n'); y--)
        at = strchr(at, '\n') + 1;
    at[strcspn(at, "\n")] = '\0';
    return at;
}

struct look {
    struct tmux *tmux;
    const char *name, *text;
};

static bool shows(void *data)
{
    struct look *look = data;

    return strstr(tmux_screen(look->tmux, look->name), look->text) != NULL;
}

static bool does_not_show(void *data)
{
    return !shows(data);
}

void tmux_expect(struct tmux *tmux, const char *name, const char *text)
{
    struct look look = {tmux, name, text};

    if (!wait_until(shows, &look, TMUX_DEADLINE_MS))
        fail_msg("%s does not show \"%s\":\n%s", name, text, tmux->screen);
}

void tmux_expect_gone(struct tmux *tmux, const char *name, const char *text)
{
    struct look look = {tmux, name, text};

    if (!wait_until(does_not_show, &look, TMUX_DEADLINE_MS))
        fail_msg("%s still shows \"%s\":\n%s", name, text, tmux->screen);
}
