/* screen_terminal.h - the terminal as the rest of screen.h sees it. */
#ifndef CLIENT_SCREEN_TERMINAL_H
#define CLIENT_SCREEN_TERMINAL_H

#include <stdbool.h>

/* Pairs of colours: 1 to NAME_COLOURS for names, and these. */
enum {
    SCREEN_TERMINAL_NAME_COLOURS = 12,
    SCREEN_TERMINAL_TROUBLE,
    SCREEN_TERMINAL_DIM
};

/* It is open, and not given back for a while. */
bool screen_terminal_is_ours(void);
bool screen_terminal_has_colours(void);

#endif
