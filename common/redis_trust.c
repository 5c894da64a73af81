/* redis_trust.c - see redis_trust.h. */
#include "common/redis_trust.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/strbuf.h"

enum { FILE_BYTES_MAX = 64 * 1024 * 1024, READ_BYTES = 64 * 1024, DIGEST_BYTES = 32 };

/* What was parsed last. */
static struct {
    pthread_mutex_t lock;
    X509_STORE *store; /* NULL: nothing */
    bool is_system;
    unsigned char digest[DIGEST_BYTES];
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool read_file(struct strbuf *out, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t n = 0;
    bool is_good;

    do {
        char *to = strbuf_reserve(out, READ_BYTES);

        n = file ? fread(to, 1, READ_BYTES, file) : 0;
        out->len += n;
    } while (n > 0 && out->len < FILE_BYTES_MAX);
    is_good = file && !ferror(file) && out->len < FILE_BYTES_MAX;
    if (file)
        fclose(file);
    return is_good;
}

static const char *variable_or(const char *name, const char *fallback)
{
    const char *value = getenv(name);

    return value ? value : fallback;
}

/* Adds all that the text has, whatever is between them. False: something of it cannot be used, or it
 * has none. */
static bool add_all(X509_STORE *store, const struct strbuf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->len > 0 ? pem->data : "", (int)pem->len);
    X509 *certificate;
    unsigned count = 0;

    if (!bio)
        abort();
    while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    return count > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* The system also has a directory, which is looked into when somebody is looked for. */
static X509_STORE *parse(const struct strbuf *pem, bool is_system)
{
    X509_STORE *store = X509_STORE_new();

    if (!store)
        abort();
    if (!add_all(store, pem) && !is_system) {
        X509_STORE_free(store);
        return NULL;
    }
    if (is_system)
        X509_STORE_load_path(store, variable_or(X509_get_default_cert_dir_env(),
                                                X509_get_default_cert_dir()));
    return store;
}

/* The store of these certificates, which may be that of the last time. */
static X509_STORE *get_parsed(const struct strbuf *pem, bool is_system)
{
    unsigned char digest[DIGEST_BYTES];
    X509_STORE *store;

    if (EVP_Digest(pem->data, pem->len, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    pthread_mutex_lock(&last.lock);
    if (!last.store || last.is_system != is_system ||
        memcmp(digest, last.digest, sizeof(digest)) != 0) {
        X509_STORE_free(last.store);
        last.store = parse(pem, is_system);
        last.is_system = is_system;
        memcpy(last.digest, digest, sizeof(digest));
    }
    store = last.store;
    if (store)
        X509_STORE_up_ref(store);
    pthread_mutex_unlock(&last.lock);
    return store;
}

X509_STORE *redis_trust_get(const char *path)
{
    struct strbuf pem = {NULL, 0, 0};
    X509_STORE *store = NULL;
    bool is_system = !path[0];

    if (is_system)
        path =
            variable_or(X509_get_default_cert_file_env(), X509_get_default_cert_file());
    ERR_clear_error();
    if (read_file(&pem, path) || is_system)
        store = get_parsed(&pem, is_system);
    strbuf_deinit(&pem);
    ERR_clear_error();
    return store;
}
