/* hear.h - what a function prints to stdout or stderr. */
#ifndef TESTS_SUPPORT_UNIT_HEAR_H
#define TESTS_SUPPORT_UNIT_HEAR_H

#include <stdio.h>

enum { HEAR_BYTES = 65536 };

/* Zeroed by the caller. */
struct hearing {
    FILE *stream, *file;
    int saved;
    char said[HEAR_BYTES];
};

/* From now on what goes to `stream` goes into a file. */
void hear_begin(struct hearing *hearing, FILE *stream);

/* Puts the stream back; `said` is what came. */
void hear_end(struct hearing *hearing);

#endif
