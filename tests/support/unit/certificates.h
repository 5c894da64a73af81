/* certificates.h - certificates and keys of a test, as PEM files in a directory of its own.
 *
 *     static struct certificates files;
 *
 *     certificates_open(&files);                                   ca.pem, ca.key
 *     certificates_add(&files, "redis", &(struct certificate){.names = "IP:127.0.0.1"});
 *     certificates_path(&files, "redis.pem")
 *     certificates_close(&files);
 */
#ifndef TESTS_SUPPORT_UNIT_CERTIFICATES_H
#define TESTS_SUPPORT_UNIT_CERTIFICATES_H

#include <stdbool.h>

enum { CERTIFICATES_PATH_MAX = 96 };

struct certificates {
    char dir[64];
};

/* Zeroed: of this day, signed by "ca". */
struct certificate {
    const char *names;     /* as "DNS:redis.test,IP:127.0.0.1"; NULL: none */
    const char *signed_by; /* a certificate of before; NULL: "ca" */
    bool is_ca;            /* signs itself, and may sign others */
    long begins_s, ends_s; /* from now; both 0: a day */
};

/* Makes the directory, and a CA called "ca" in it. */
void certificates_open(struct certificates *files);

/* Makes NAME.pem and NAME.key, in place of what was there. */
void certificates_add(const struct certificates *files, const char *name,
                      const struct certificate *what);

/* The path of a file, borrowed: of the last eight calls. */
const char *certificates_path(const struct certificates *files, const char *file);

/* Removes it all. */
void certificates_close(struct certificates *files);

#endif
