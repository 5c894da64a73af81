/* files.h - the files that a test makes and leaves. */
#ifndef TESTS_SUPPORT_REDIS_FILES_H
#define TESTS_SUPPORT_REDIS_FILES_H

/* All of it, "" if there is none; the caller frees it. */
char *files_read(const char *path);

/* With all that is in it, if it is a directory. */
void files_remove(const char *path);

#endif
