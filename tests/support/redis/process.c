/* process.c - see process.h. */
#include "tests/support/redis/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

extern char **environ;

enum { LOG_TAIL_BYTES = 4096, LOG_DEADLINE_MS = 20000, RUNNING_MAX = 64 };

/* What runs, and where it logs to; of more than so many the logs are not printed. */
static struct running {
    pid_t pid; /* 0: free */
    char *log_path;
} running[RUNNING_MAX];

static void note_started(pid_t pid, const char *log_path)
{
    for (size_t i = 0; i < RUNNING_MAX; i++)
        if (running[i].pid == 0) {
            running[i] = (struct running){pid, strdup(log_path)};
            return;
        }
}

static void note_ended(pid_t pid)
{
    for (size_t i = 0; i < RUNNING_MAX; i++)
        if (running[i].pid == pid) {
            free(running[i].log_path);
            running[i] = (struct running){0};
        }
}

/* Whether it is a setting of one of our programs. */
static bool is_setting(const char *variable)
{
    static const char *const prefixes[] = {"ROOMCAST_", "AUTH_TOKEN"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* In the child. What the runner of the tests has set for a gateway of his own must not
 * reach ours. */
static void set_environment(const char *const *env)
{
    char name[128];

    for (char **at = environ; at && *at;) {
        size_t len = strcspn(*at, "=");

        if (!is_setting(*at) || len >= sizeof(name)) {
            at++;
            continue;
        }
        memcpy(name, *at, len);
        name[len] = '\0';
        unsetenv(name);
        at = environ;
    }
    for (; env && *env; env++)
        putenv((char *)*env);
}

/* In the child: everything up to exec. */
static void become(pid_t parent, const char *const *argv, const char *const *env,
                   const char *log_path)
{
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int nothing = open("/dev/null", O_RDONLY);
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(127);
    if (log < 0 || nothing < 0)
        _exit(127);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close_range(3, ~0U, 0); /* no socket of the test lives on in here */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    set_environment(env);
    execvp(argv[0], (char *const *)argv);
    dprintf(STDERR_FILENO, "cannot start %s\n", argv[0]);
    _exit(127);
}

void process_start(struct process *p, const char *const *argv, const char *const *env,
                   const char *log_path)
{
    pid_t parent = getpid();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(parent, argv, env, log_path);
    if (pid < 0) {
        perror("fork");
        abort();
    }
    note_started(pid, log_path);
    p->pid = pid;
    p->status = PROCESS_STILL_RUNS;
}

static bool has_ended(void *data)
{
    return !process_is_running(data);
}

void process_start_roomcast(struct process *p, const char *program,
                            const char *const *settings, const char *log_path)
{
    const char *dir = getenv("ROOMCAST_BIN");
    char *path;

    if (!dir)
        fail_msg("ROOMCAST_BIN is not set: the directory of %s", program);
    path = print_text("%s/%s", dir, program);
    process_start(p, (const char *[]){path, NULL}, settings, log_path);
    free(path);
}

/* Whether it runs or stands still after this waitpid. */
static bool look(struct process *p, int options)
{
    int status;

    if (waitpid(p->pid, &status, options) == 0 || WIFSTOPPED(status))
        return true;
    p->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    note_ended(p->pid);
    p->pid = 0;
    return false;
}

bool process_is_running(struct process *p)
{
    return p->pid != 0 && look(p, WNOHANG);
}

void process_signal(struct process *p, int signal)
{
    if (!process_is_running(p))
        return;
    kill(p->pid, signal);
    if (signal == SIGSTOP)
        look(p, WUNTRACED);
}

int process_wait(struct process *p, long deadline_ms)
{
    return wait_until(has_ended, p, deadline_ms) ? p->status : PROCESS_STILL_RUNS;
}

void process_kill(struct process *p)
{
    process_signal(p, SIGCONT);
    process_signal(p, SIGKILL);
    process_wait(p, 60000);
}

long process_resident_kib(const struct process *p)
{
    char path[64], line[128];
    long kib = -1;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)p->pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Rss: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    assert_true(kib > 0);
    return kib;
}

void process_print_log(const char *log_path)
{
    char tail[LOG_TAIL_BYTES];
    FILE *log = fopen(log_path, "r");
    size_t len;

    if (!log)
        return;
    if (fseek(log, -(long)sizeof(tail), SEEK_END) != 0)
        rewind(log);
    len = fread(tail, 1, sizeof(tail), log);
    fclose(log);
    fprintf(stderr, "---- %s\n%.*s----\n", log_path, (int)len, tail);
}

void process_print_logs(void)
{
    for (size_t i = 0; i < RUNNING_MAX; i++)
        if (running[i].pid != 0)
            process_print_log(running[i].log_path);
}

unsigned process_count_logged(const char *log_path, const char *text)
{
    FILE *log = fopen(log_path, "re");
    char *line = NULL;
    size_t size = 0;
    unsigned count = 0;

    while (log && getline(&line, &size, log) >= 0)
        count += strstr(line, text) != NULL;
    free(line);
    if (log)
        fclose(log);
    return count;
}

bool process_has_logged(const char *log_path, const char *text)
{
    return process_count_logged(log_path, text) > 0;
}

void process_raise_fd_limit(unsigned count)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < count)
        fail_msg("%d file descriptors are not enough", (int)files.rlim_cur);
}

struct wanted_line {
    const char *log_path, *text;
};

static bool is_logged(void *data)
{
    const struct wanted_line *line = data;

    return process_has_logged(line->log_path, line->text);
}

void process_expect_logged(const char *log_path, const char *text)
{
    struct wanted_line line = {log_path, text};

    if (!wait_until(is_logged, &line, LOG_DEADLINE_MS)) {
        process_print_log(log_path);
        fail_msg("the log has no line with %s", text);
    }
}
