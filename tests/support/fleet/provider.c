/* provider.c - see provider.h. */
#include "tests/support/fleet/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "tests/support/redis/files.h"
#include "tests/support/redis/port.h"
#include "tests/support/redis/print.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 30000 };

static const char *const file_names[] = {"answer", "configuration", "requests",
                                         "cut",    "person",        "kid",
                                         "silent", "secrets",       "next"};

static char *path_of(const struct provider *provider, const char *file)
{
    return print_text("%s/%s", provider->dir, file);
}

/* A reader sees the former text or the new one. */
static void write_file(struct provider *provider, const char *file, const char *first,
                       const char *rest)
{
    char *next = path_of(provider, "next"), *path = path_of(provider, file);
    FILE *out = fopen(next, "we");

    assert_non_null(out);
    fprintf(out, "%s%s", first, rest);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(next, path), 0);
    free(next);
    free(path);
}

void provider_answer(struct provider *provider, const char *how, const char *body)
{
    char *first = print_text("%s\n", how);

    write_file(provider, "answer", first, body);
    free(first);
}

void provider_configure(struct provider *provider, const char *body)
{
    write_file(provider, "configuration", "", body);
}

void provider_set_person(struct provider *provider, const char *claims)
{
    write_file(provider, "person", "", claims);
}

void provider_set_kid(struct provider *provider, const char *kid)
{
    write_file(provider, "kid", "", kid);
}

void provider_silence(struct provider *provider, bool is_silent)
{
    char *path = path_of(provider, "silent");

    if (is_silent)
        write_file(provider, "silent", "", "");
    else
        remove(path);
    free(path);
}

bool provider_is_asked(const struct provider *provider)
{
    char *path = path_of(provider, "silent"), *text = files_read(path);
    bool is_asked = strcmp(text, "asked") == 0;

    free(text);
    free(path);
    return is_asked;
}

char *provider_read_secrets(const struct provider *provider)
{
    char *path = path_of(provider, "secrets"), *text = files_read(path);

    free(path);
    return text;
}

unsigned provider_requests(const struct provider *provider)
{
    char *path = path_of(provider, "requests");
    FILE *in = fopen(path, "re");
    unsigned lines = 0;

    for (int c; in && (c = getc(in)) != EOF;)
        lines += c == '\n';
    if (in)
        fclose(in);
    free(path);
    return lines;
}

static bool listens(void *data)
{
    const struct provider *provider = data;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)provider->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool does = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

    close(fd);
    return does;
}

void provider_resume(struct provider *provider)
{
    char *script =
        print_text("%s/tests/support/fleet/provider.py",
                   getenv("ROOMCAST_SOURCE") ? getenv("ROOMCAST_SOURCE") : ".");
    char port[16];
    const char *args[] = {"/usr/bin/python3", "-B", script, port,
                          provider->dir,      NULL, NULL,   NULL};

    snprintf(port, sizeof(port), "%d", provider->port);
    if (provider->files) {
        args[5] = certificates_path(provider->files, "provider.pem");
        args[6] = certificates_path(provider->files, "provider.key");
    }
    process_start(&provider->process, args, NULL, provider->log_path);
    free(script);
    if (!wait_until(listens, provider, PATIENCE_MS)) {
        process_print_log(provider->log_path);
        fail_msg("the issuer does not listen");
    }
}

void provider_start(struct provider *provider, const char *dir,
                    const struct certificates *files)
{
    *provider = (struct provider){.files = files, .port = port_take()};
    provider->dir = print_text("%s/issuer-%d", dir, provider->port);
    provider->log_path = print_text("%s/issuer-%d.log", dir, provider->port);
    snprintf(provider->url, sizeof(provider->url), "%s://127.0.0.1:%d",
             files ? "https" : "http", provider->port);
    assert_int_equal(mkdir(provider->dir, 0700), 0);
    provider_answer(provider, "status", "not yet");
    provider_resume(provider);
}

void provider_kill(struct provider *provider)
{
    process_kill(&provider->process);
}

void provider_stop(struct provider *provider)
{
    process_kill(&provider->process);
    for (size_t i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++) {
        char *path = path_of(provider, file_names[i]);

        remove(path);
        free(path);
    }
    rmdir(provider->dir);
    remove(provider->log_path);
    free(provider->dir);
    free(provider->log_path);
    *provider = (struct provider){0};
}
