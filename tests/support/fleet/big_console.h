/* big_console.h - a console for the admin service with a file that no socket takes as a whole:
 * /big.js, 4 MiB.
 */
#ifndef TESTS_SUPPORT_FLEET_BIG_CONSOLE_H
#define TESTS_SUPPORT_FLEET_BIG_CONSOLE_H

/* Makes the directory `parent`/console; its name, for files_remove and free. */
char *big_console_write(const char *parent);

#endif
