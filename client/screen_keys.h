/* screen_keys.h - what is typed: the window that screen_read reads from. */
#ifndef CLIENT_SCREEN_KEYS_H
#define CLIENT_SCREEN_KEYS_H

/* While the terminal is open. */
void screen_keys_open(void);
void screen_keys_close(void);

#endif
