/* process.h - a child process of a test: a gateway, a redis-server, a foreign client.
 *
 * It dies with the test, however the test ends. What it prints goes to a file. The
 * child does not inherit settings (ROOMCAST_…, AUTH_TOKEN) from the environment that the
 * tests run in; it sees only those that the test gives it.
 *
 *     struct process p = {0};
 *     process_start(&p, (const char *[]){"/bin/cat", NULL}, NULL, "/tmp/cat.log");
 *     process_signal(&p, SIGTERM);
 *     assert_int_equal(process_wait(&p, 1000), 128 + SIGTERM);
 */
#ifndef TESTS_SUPPORT_REDIS_PROCESS_H
#define TESTS_SUPPORT_REDIS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

enum { PROCESS_STILL_RUNS = -1 };

struct process {
    pid_t pid;  /* 0: does not run (or was never started) */
    int status; /* of the last life: the exit status, or 128 + the signal */
};

/* Starts argv[0] (found by PATH) with the NAME=value strings of `env` (NULL: none) added
 * to the environment; a later one beats an earlier one. stdout and stderr are appended to
 * the file `log_path`. Both lists end with NULL; nothing is kept of them. */
void process_start(struct process *p, const char *const *argv, const char *const *env,
                   const char *log_path);

/* Starts a program of $ROOMCAST_BIN, without arguments. */
void process_start_roomcast(struct process *p, const char *program,
                            const char *const *settings, const char *log_path);

/* Whether it still runs; looks, and does not wait. */
bool process_is_running(struct process *p);

/* Sends a signal; nothing if it does not run. After SIGSTOP all its threads stand still. It
 * must not be stopped twice. */
void process_signal(struct process *p, int signal);

/* Waits for the end: the status as in the struct, or PROCESS_STILL_RUNS at the deadline.
 * May be called again. */
int process_wait(struct process *p, long deadline_ms);

/* SIGKILL, and waits. Fine if it does not run. */
void process_kill(struct process *p);

/* The memory that is resident now. A sanitizer holds on to what is freed. */
long process_resident_kib(const struct process *p);

/* Prints the end of a log file, to say why a test failed; of the log files of all that runs. */
void process_print_log(const char *log_path);
void process_print_logs(void);

/* Whether the log file has a line with `text` in it, and how many. A program that runs writes its lines
 * a little later than it logs them: see process_expect_logged. */
bool process_has_logged(const char *log_path, const char *text);
unsigned process_count_logged(const char *log_path, const char *text);

/* Waits for such a line; the test fails if it does not come. */
void process_expect_logged(const char *log_path, const char *text);

/* As many file descriptors as there may be, for this process and those it starts; fails if
 * they are fewer than `count`. */
void process_raise_fd_limit(unsigned count);

#endif
