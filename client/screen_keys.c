/* screen_keys.c - see screen.h: what is typed.
 *
 *     screen_read -> wget_wch -> a row of `keys`, or a character
 */
#include "client/screen_keys.h"

#include <stdio.h>

#define NCURSES_WIDECHAR 1
#include <ncurses.h>

#include "client/screen.h"
#include "client/text.h"

enum {
    CTRL = 0x1f,
    ESCAPE_MS = 25,
    KEY_OWN = KEY_MAX + 1, /* what terminfo does not know */
    KEY_PASTE_BEGIN = KEY_OWN,
    KEY_PASTE_END,
    KEY_ALT_UP,
    KEY_ALT_DOWN,
};

static WINDOW *window; /* a pad, so that reading does not draw */

void screen_keys_open(void)
{
    static const char *const own[] = {"\033[200~", "\033[201~", "\033[1;3A",
                                      "\033[1;3B"};

    set_escdelay(ESCAPE_MS);
    window = newpad(1, 1);
    keypad(window, TRUE);
    nodelay(window, TRUE);
    for (int i = 0; i < 4; i++)
        define_key(own[i], KEY_OWN + i);
}

void screen_keys_close(void)
{
    delwin(window);
}

static const struct {
    wint_t code;
    bool is_function; /* of ncurses, no character */
    enum screen_key key;
} keys[] = {
    {'\r', false, SCREEN_ENTER},
    {'\n', false, SCREEN_ENTER},
    {KEY_ENTER, true, SCREEN_ENTER},
    {'\t', false, SCREEN_TAB},
    {KEY_LEFT, true, SCREEN_LEFT},
    {KEY_RIGHT, true, SCREEN_RIGHT},
    {'B' & CTRL, false, SCREEN_LEFT},
    {'F' & CTRL, false, SCREEN_RIGHT},
    {KEY_UP, true, SCREEN_UP},
    {KEY_DOWN, true, SCREEN_DOWN},
    {KEY_HOME, true, SCREEN_HOME},
    {'A' & CTRL, false, SCREEN_HOME},
    {KEY_END, true, SCREEN_END},
    {'E' & CTRL, false, SCREEN_END},
    {KEY_PPAGE, true, SCREEN_PAGE_UP},
    {KEY_NPAGE, true, SCREEN_PAGE_DOWN},
    {KEY_BACKSPACE, true, SCREEN_BACKSPACE},
    {'H' & CTRL, false, SCREEN_BACKSPACE},
    {0x7f, false, SCREEN_BACKSPACE},
    {KEY_DC, true, SCREEN_DELETE},
    {'D' & CTRL, false, SCREEN_DELETE},
    {'W' & CTRL, false, SCREEN_KILL_WORD},
    {'U' & CTRL, false, SCREEN_KILL_START},
    {'K' & CTRL, false, SCREEN_KILL_END},
    {'N' & CTRL, false, SCREEN_NEXT_ROOM},
    {'P' & CTRL, false, SCREEN_PREVIOUS_ROOM},
    {'L' & CTRL, false, SCREEN_REDRAW},
    {'C' & CTRL, false, SCREEN_QUIT},
    {KEY_PASTE_BEGIN, true, SCREEN_PASTE_BEGIN},
    {KEY_PASTE_END, true, SCREEN_PASTE_END},
    {KEY_ALT_UP, true, SCREEN_MEMBERS_UP},
    {KEY_ALT_DOWN, true, SCREEN_MEMBERS_DOWN},
};

static void read_escape(struct screen_input *input)
{
    wint_t code;
    int rc = wget_wch(window, &code);

    input->key = SCREEN_ESCAPE;
    if (rc == OK && code >= '1' && code <= '9') {
        input->key = SCREEN_ROOM;
        input->digit = (int)(code - '0');
    } else if (rc == OK) {
        unget_wch((wchar_t)code);
    }
}

bool screen_read(struct screen_input *input)
{
    wint_t code;
    int rc = wget_wch(window, &code);

    *input = (struct screen_input){.key = SCREEN_NONE};
    if (rc == ERR)
        return false;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].code == code && keys[i].is_function == (rc == KEY_CODE_YES))
            input->key = keys[i].key;
    if (input->key != SCREEN_NONE || rc == KEY_CODE_YES)
        return true;
    if (code == 0x1b) {
        read_escape(input);
    } else if (code >= ' ') {
        struct strbuf text = {NULL, 0, 0};

        utf8_add(&text, (uint32_t)code);
        snprintf(input->text, sizeof(input->text), "%s", text.data);
        strbuf_deinit(&text);
        input->key = SCREEN_TEXT;
    }
    return true;
}
