/* screen_terminal.c - see screen.h: taking the terminal over, and giving it back.
 *
 * If the program crashes, on_crash gives the terminal back before the signal does its work.
 */
#include "client/screen_terminal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <ncurses.h>

#include "client/screen.h"
#include "client/screen_keys.h"

static const char take_pastes[] = "\033[?2004h", leave_pastes[] = "\033[?2004l";

/* The terminal is one for the whole process, and so is this. */
static struct {
    SCREEN *screen; /* NULL: not open */
    bool has_colours, is_suspended;
    struct termios before;
} the;

bool screen_terminal_is_ours(void)
{
    return the.screen && !the.is_suspended;
}

bool screen_terminal_has_colours(void)
{
    return the.has_colours;
}

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGQUIT};
static struct sigaction before_crash[sizeof(crashes) / sizeof(crashes[0])];

static void write_quietly(const char *bytes, size_t len)
{
    ssize_t n = write(STDOUT_FILENO, bytes, len);

    (void)n; /* where it cannot be written nobody looks */
}

static void on_crash(int number)
{
    static const char leave[] = "\033[?2004l\033[0m\033[?25h\033[?1049l\r\n";

    write_quietly(leave, sizeof(leave) - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &the.before);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigaction(crashes[i], &before_crash[i], NULL);
    raise(number); /* blocked until we return; a fault happens again by itself */
}

static void catch_crashes(bool on)
{
    struct sigaction ours = {.sa_handler = on_crash};

    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        if (on)
            sigaction(crashes[i], &ours, &before_crash[i]);
        else
            sigaction(crashes[i], &before_crash[i], NULL);
}

static void start_colours(void)
{
    static const short many[SCREEN_TERMINAL_NAME_COLOURS] = {
        32, 34, 64, 71, 96, 133, 136, 166, 172, 74, 140, 168};
    static const short few[] = {COLOR_GREEN, COLOR_CYAN, COLOR_YELLOW, COLOR_MAGENTA,
                                COLOR_BLUE};

    if (!the.has_colours || !has_colors() || start_color() == ERR) {
        the.has_colours = false;
        return;
    }
    use_default_colors();
    for (short i = 0; i < SCREEN_TERMINAL_NAME_COLOURS; i++)
        init_pair((short)(i + 1), COLORS >= 256 ? many[i] : few[i % 5], -1);
    init_pair(SCREEN_TERMINAL_TROUBLE, COLOR_RED, -1);
    init_pair(SCREEN_TERMINAL_DIM, (short)(COLORS >= 256 ? 244 : COLOR_CYAN), -1);
}

const char *screen_open(bool has_colours)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return "standard input and output are no terminal: --plain is for pipes";
    tcgetattr(STDIN_FILENO, &the.before);
    the.screen = newterm(NULL, stdout, stdin);
    if (!the.screen)
        return "this terminal is not known (TERM): --plain works with any";
    the.has_colours = has_colours;
    start_colours();
    cbreak();
    noecho();
    nonl();
    screen_keys_open();
    catch_crashes(true);
    refresh();
    write_quietly(take_pastes, sizeof(take_pastes) - 1);
    return NULL;
}

void screen_close(void)
{
    if (!the.screen)
        return;
    if (!the.is_suspended)
        screen_suspend();
    catch_crashes(false);
    screen_keys_close();
    delscreen(the.screen);
    the.screen = NULL;
}

/* After Ctrl-S; TCOON resumes no more than what TCOOFF did. */
static void restart_output(void)
{
    tcflow(STDOUT_FILENO, TCOOFF);
    tcflow(STDOUT_FILENO, TCOON);
}

void screen_suspend(void)
{
    restart_output(); /* or giving back would wait for Ctrl-Q */
    write_quietly(leave_pastes, sizeof(leave_pastes) - 1);
    endwin();
    the.is_suspended = true;
}

void screen_resume(void)
{
    the.is_suspended = false;
    screen_resize(); /* it may have changed meanwhile */
    write_quietly(take_pastes, sizeof(take_pastes) - 1);
}

void screen_resize(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
        size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
    screen_redraw();
}

void screen_redraw(void)
{
    clearok(curscr, TRUE);
}

bool screen_is_stopped(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 0;
}
