/* screen.h - the terminal: what is drawn (screen_draw.c) and what is typed (screen_keys.c); who has it
 * (screen_terminal.c). Nobody else knows ncurses.
 *
 *     +----------------------------------------+
 *     | tabs: rooms and unread marks           |
 *     | conversation              | members    |
 *     | who is writing                         |
 *     | connection                             |
 *     | > input                                |
 *     +----------------------------------------+
 *
 * On a small screen the members take the place of the conversation, then the line about
 * writing goes, then the tabs. Everything is drawn into memory each time; ncurses sends what
 * has changed. Only one screen can be open.
 */
#ifndef CLIENT_SCREEN_H
#define CLIENT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "client/model.h"

enum screen_key {
    SCREEN_NONE,
    SCREEN_TEXT, /* a character, in UTF-8 */
    SCREEN_PASTE_BEGIN,
    SCREEN_PASTE_END,
    SCREEN_ENTER,
    SCREEN_TAB,
    SCREEN_ESCAPE,
    SCREEN_LEFT,
    SCREEN_RIGHT,
    SCREEN_UP,
    SCREEN_DOWN,
    SCREEN_HOME,
    SCREEN_END,
    SCREEN_PAGE_UP,
    SCREEN_PAGE_DOWN,
    SCREEN_BACKSPACE,
    SCREEN_DELETE,
    SCREEN_KILL_WORD,
    SCREEN_KILL_START,
    SCREEN_KILL_END,
    SCREEN_NEXT_ROOM,
    SCREEN_PREVIOUS_ROOM,
    SCREEN_ROOM, /* `digit` tells which */
    SCREEN_MEMBERS_UP,
    SCREEN_MEMBERS_DOWN,
    SCREEN_REDRAW,
    SCREEN_QUIT
};

struct screen_input {
    enum screen_key key;
    int digit;
    char text[8]; /* ended by NUL */
};

/* What is drawn besides the model; borrowed. */
struct screen_bar {
    const char *status;
    bool is_trouble;      /* the status is no good news */
    const char *question; /* stands in the place of the input; NULL: none */
    size_t members_top;   /* the first name in the panel */
};

/* Takes the terminal over. NULL, or the reason why it cannot. */
const char *screen_open(bool has_colours);

/* Gives it back as it was. May be called twice. */
void screen_close(void);

/* Gives it back for a while, and takes it again. */
void screen_suspend(void);
void screen_resume(void);

/* Its size has changed; draws all that is on it again. */
void screen_resize(void);
void screen_redraw(void);

/* The place that the conversation has. */
void screen_conversation(const struct model *model, int *columns, size_t *rows);

/* Whether the terminal takes nothing at the moment (Ctrl-S): drawing would wait for it. */
bool screen_is_stopped(void);

void screen_draw(struct model *model, const struct screen_bar *bar);

/* The next key. False: there is none as yet. */
bool screen_read(struct screen_input *input);

#endif
