/* redis_trust.h - the certificates of those who may sign a server's: of a PEM file, or the system's.
 *
 * A file may have hundreds, which take tens of milliseconds to parse. So it is read each time, and
 * parsed again only when it has changed. For all threads.
 */
#ifndef COMMON_REDIS_TRUST_H
#define COMMON_REDIS_TRUST_H

#include <openssl/x509.h>

/* Of the file at `path`; "": those of the system. The caller frees it (X509_STORE_free). NULL: the
 * file cannot be read, or has something that is no certificate, or none. */
X509_STORE *redis_trust_get(const char *path);

#endif
