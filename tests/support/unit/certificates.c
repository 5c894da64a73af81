/* certificates.c - see certificates.h. */
#include "tests/support/unit/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dirent.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { DAY_S = 86400, PATHS = 8, VERSION_3 = 2 };

const char *certificates_path(const struct certificates *files, const char *file)
{
    static char paths[PATHS][CERTIFICATES_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % PATHS];

    assert_true(snprintf(path, CERTIFICATES_PATH_MAX, "%s/%s", files->dir, file) <
                CERTIFICATES_PATH_MAX);
    return path;
}

static FILE *open_file(const struct certificates *files, const char *name,
                       const char *ending, const char *mode)
{
    char file_name[64];
    FILE *file;

    assert_true((size_t)snprintf(file_name, sizeof(file_name), "%s%s", name, ending) <
                sizeof(file_name));
    file = fopen(certificates_path(files, file_name), mode);
    assert_non_null(file);
    return file;
}

static void write_files(const struct certificates *files, const char *name, X509 *x,
                        EVP_PKEY *key)
{
    FILE *file = open_file(files, name, ".pem", "we");

    assert_int_equal(PEM_write_X509(file, x), 1);
    fclose(file);
    file = open_file(files, name, ".key", "we");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

static X509 *read_certificate(const struct certificates *files, const char *name)
{
    FILE *file = open_file(files, name, ".pem", "re");
    X509 *x = PEM_read_X509(file, NULL, NULL, NULL);

    assert_non_null(x);
    fclose(file);
    return x;
}

static EVP_PKEY *read_key(const struct certificates *files, const char *name)
{
    FILE *file = open_file(files, name, ".key", "re");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

    assert_non_null(key);
    fclose(file);
    return key;
}

static void add_extension(X509 *x, int which, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, which, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *fill(const char *name, const struct certificate *what, EVP_PKEY *key)
{
    X509 *x = X509_new();
    long ends_s = what->begins_s || what->ends_s ? what->ends_s : DAY_S;
    long number = 0;

    assert_non_null(x);
    assert_int_equal(RAND_bytes((unsigned char *)&number, sizeof(number) - 1), 1);
    X509_set_version(x, VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), number);
    X509_gmtime_adj(X509_getm_notBefore(x), what->begins_s);
    X509_gmtime_adj(X509_getm_notAfter(x), ends_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(x, key);
    add_extension(x, NID_basic_constraints, what->is_ca ? "CA:TRUE" : "CA:FALSE");
    if (what->names)
        add_extension(x, NID_subject_alt_name, what->names);
    return x;
}

void certificates_add(const struct certificates *files, const char *name,
                      const struct certificate *what)
{
    const char *signer = what->signed_by ? what->signed_by : "ca";
    EVP_PKEY *key = EVP_EC_gen("P-256"), *with = key;
    X509 *x, *by;

    assert_non_null(key);
    x = by = fill(name, what, key);
    if (!what->is_ca) {
        by = read_certificate(files, signer);
        with = read_key(files, signer);
    }
    X509_set_issuer_name(x, X509_get_subject_name(by));
    assert_true(X509_sign(x, with, EVP_sha256()) > 0);
    write_files(files, name, x, key);
    if (by != x) {
        X509_free(by);
        EVP_PKEY_free(with);
    }
    X509_free(x);
    EVP_PKEY_free(key);
}

void certificates_open(struct certificates *files)
{
    snprintf(files->dir, sizeof(files->dir), "/tmp/roomcast-test-XXXXXX");
    assert_non_null(mkdtemp(files->dir));
    certificates_add(files, "ca", &(struct certificate){.is_ca = true});
}

void certificates_close(struct certificates *files)
{
    DIR *dir = opendir(files->dir);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        unlink(certificates_path(files, entry->d_name));
    if (dir)
        closedir(dir);
    rmdir(files->dir);
}
