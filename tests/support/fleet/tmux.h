/* tmux.h - a terminal for tests: a tmux server of its own, with a window for each program, that is
 * typed into and looked at as a person would.
 *
 *     tmux_start(&tmux);
 *     tmux_open(&tmux, "ann", 80, 24, NULL, "build/bin/roomcast lobby");
 *     tmux_type(&tmux, "ann", "hello");
 *     tmux_key(&tmux, "ann", "Enter");
 *     tmux_expect(&tmux, "ann", "ann: hello");
 *     tmux_stop(&tmux);
 *
 * When a program ends, "[exit N]" is printed and cat takes its place, so that one sees what
 * the program has left of the terminal. What a sanitizer says fails the test in tmux_stop. The
 * server dies with the test.
 */
#ifndef TESTS_SUPPORT_FLEET_TMUX_H
#define TESTS_SUPPORT_FLEET_TMUX_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/support/redis/process.h"

enum { TMUX_DEADLINE_MS = 120000 };

struct tmux {
    char dir[64];
    struct process server;
    char *screen; /* the last one seen, owned */
};

void tmux_start(struct tmux *tmux);

/* Ends all, and fails if a sanitizer has complained. 0, as a fixture wants it. */
int tmux_stop(struct tmux *tmux);

/* Starts `command` (for sh) in a window of that size; `env` are settings for it, in front of
 * the command as sh wants them, or NULL. */
void tmux_open(struct tmux *tmux, const char *name, int columns, int rows,
               const char *env, const char *command);

/* Ends the window, and what runs in it. */
void tmux_close(struct tmux *tmux, const char *name);

/* Types text as it is; presses a key by its name of tmux ("Enter", "C-a", "M-1"); pastes as a
 * terminal does, in brackets where the program asked for them. */
void tmux_type(struct tmux *tmux, const char *name, const char *text);
void tmux_key(struct tmux *tmux, const char *name, const char *key);
void tmux_paste(struct tmux *tmux, const char *name, const char *text);

/* Types a line, and Enter. */
void tmux_line(struct tmux *tmux, const char *name, const char *text);

void tmux_resize(struct tmux *tmux, const char *name, int columns, int rows);

/* The program in the window (not the sh around it). */
pid_t tmux_pid(struct tmux *tmux, const char *name);

/* What is to be seen, one line a row; borrowed until the next call. With escapes: also the
 * colours, as sequences. */
const char *tmux_screen(struct tmux *tmux, const char *name);
const char *tmux_screen_with_escapes(struct tmux *tmux, const char *name);

/* Row `y` of the screen, counted from 0, or from the bottom if negative; borrowed likewise. */
const char *tmux_row(struct tmux *tmux, const char *name, int y);

/* Waits until `text` is to be seen, or is not any more; fails with the screen. */
void tmux_expect(struct tmux *tmux, const char *name, const char *text);
void tmux_expect_gone(struct tmux *tmux, const char *name, const char *text);

#endif
