/* descriptors.h - the file descriptors of a process: those that must be open, and how many
 * there may be. */
#ifndef COMMON_DESCRIPTORS_H
#define COMMON_DESCRIPTORS_H

/* Opens /dev/null in the place of those of 0 to 2 that are closed: else the first sockets
 * would get their numbers, and a log line or an assertion would be sent to a client. The
 * first thing that main does, before any other descriptor is opened. */
void descriptors_open_standard(void);

/* Raises the soft limit to the hard one. How many there may be now, at most 16 million. */
unsigned descriptors_raise(void);

/* Ends the program with exit code 2 and one line where `have` is less than `need`; `what`
 * says what they are needed for, in plain text. */
void descriptors_require(unsigned have, unsigned need, const char *what);

#endif
