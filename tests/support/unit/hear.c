/* hear.c - see hear.h. */
#include "tests/support/unit/hear.h"

#include <assert.h>
#include <unistd.h>

void hear_begin(struct hearing *hearing, FILE *stream)
{
    hearing->stream = stream;
    hearing->file = tmpfile();
    hearing->saved = dup(fileno(stream));
    assert(hearing->file && hearing->saved >= 0);
    fflush(stream);
    assert(dup2(fileno(hearing->file), fileno(stream)) >= 0);
}

void hear_end(struct hearing *hearing)
{
    size_t len;

    fflush(hearing->stream);
    dup2(hearing->saved, fileno(hearing->stream));
    close(hearing->saved);
    rewind(hearing->file);
    len = fread(hearing->said, 1, HEAR_BYTES - 1, hearing->file);
    hearing->said[len] = '\0';
    fclose(hearing->file);
}
