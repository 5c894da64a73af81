/* console.c - see console.h.
 *
 * What Vite puts under assets/ has a hash of its content in its name, so it never changes and is
 * kept for a year; all else is asked for again each time, by its ETag. The page may load nothing
 * from elsewhere, run no inline scripts, connect to itself and the gateways, and stand in no frame.
 */
#include "admin/console.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "common/digits.h"
#include "common/log.h"
#include "common/percent.h"
#include "common/proto.h"
#include "common/xalloc.h"

enum {
    FILE_MAX_BYTES = 16 * 1024 * 1024,
    FILES_MAX = 2000,
    DEPTH_MAX = 8,
    ETAG_BYTES = 8
};

struct file {
    const char *type;
    char etag[24];
    char *bytes;
    size_t len;
    char path[]; /* as in the URL: /assets/x.js */
};

static const char placeholder[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<title>roomcast</title>\n<h1>roomcast</h1>\n"
    "<p>The admin service runs. The console is not built here; the API is under "
    "<code>/api/</code>, described by <code>/api/openapi.json</code>.</p>\n</html>\n";

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t suffix = strlen(types[i].suffix);

        if (len > suffix && strcmp(path + len - suffix, types[i].suffix) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* ---- reading ---- */

static void free_file(struct file *file)
{
    free(file->bytes);
    free(file);
}

/* Takes `bytes`. */
static void add_file(struct console *console, const char *path, char *bytes, size_t len)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * ETAG_BYTES + 1];
    struct file *file = xcalloc(1, sizeof(*file) + strlen(path) + 1);

    strcpy(file->path, path);
    file->type = type_of(path);
    file->bytes = bytes;
    file->len = len;
    SHA256((const unsigned char *)bytes, len, digest);
    digits_print_hex(hex, digest, ETAG_BYTES);
    snprintf(file->etag, sizeof(file->etag), "\"%s\"", hex);
    map_add(&console->files, file->path, strlen(path), file);
}

static void read_file(struct console *console, int dir, const char *name,
                      const char *path)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *bytes;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > FILE_MAX_BYTES) {
        log_warn("console_file_skipped", "path=%s", path);
        if (fd >= 0)
            close(fd);
        return;
    }
    bytes = xmalloc((size_t)st.st_size + 1);
    got = read(fd, bytes, (size_t)st.st_size);
    close(fd);
    if (got == st.st_size) {
        add_file(console, path, bytes, (size_t)got);
        return;
    }
    log_warn("console_file_skipped", "path=%s", path);
    free(bytes);
}

/* `prefix`: the URL path of this directory, with its slash. */
static void read_dir(struct console *console, int parent, const char *name,
                     const char *prefix, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)) && console->files.count < FILES_MAX) {
        struct stat st;
        char path[1024];

        if (entry->d_name[0] == '.' ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        snprintf(path, sizeof(path), "%s%s%s", prefix, entry->d_name,
                 S_ISDIR(st.st_mode) ? "/" : "");
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            read_dir(console, fd, entry->d_name, path, depth + 1);
        else if (S_ISREG(st.st_mode))
            read_file(console, fd, entry->d_name, path);
    }
    closedir(dir);
}

/* PREFIX/share/roomcast/console, where this program is PREFIX/bin/roomcast-admin; false
 * where that has no console. */
static bool find_installed(char dir[PATH_MAX])
{
    char program[PATH_MAX], index[PATH_MAX + 16];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (len < 0)
        return false;
    program[len] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(program, '/');

        if (!slash)
            return false;
        *slash = '\0';
    }
    snprintf(dir, PATH_MAX, "%.*s/share/roomcast/console", PATH_MAX - 64, program);
    snprintf(index, sizeof(index), "%s/index.html", dir);
    return access(index, R_OK) == 0;
}

void console_init(struct console *console, const struct config *config)
{
    char installed[PATH_MAX];
    const char *dir = config->console_dir;

    *console = (struct console){.config = config};
    if (!dir[0])
        dir = find_installed(installed) ? installed : "frontend/dist";
    read_dir(console, AT_FDCWD, dir, "/", 0);
    if (!map_find(&console->files, "/index.html", 11)) {
        if (config->console_dir[0])
            log_warn("console_missing", "dir=%s text=\"no index.html\"", dir);
        add_file(console, "/index.html", xstrdup(placeholder), strlen(placeholder));
    }
    log_info("console_read", "dir=%s files=%u", dir, console->files.count);
}

void console_deinit(struct console *console)
{
    struct file *file;
    uint32_t at = 0;

    while ((file = map_next(&console->files, &at)))
        free_file(file);
    map_deinit(&console->files);
}

/* ---- serving ---- */

/* A host as it may stand in a URL; anything else is not repeated to the client. */
static bool is_host(struct json_text host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_[]:";

    for (size_t i = 0; i < host.len; i++)
        if (!strchr(allowed, host.base[i]) || !host.base[i])
            return false;
    return host.len > 0 && host.len <= 255;
}

/* `host` without its port. */
static size_t name_len(struct json_text host)
{
    const char *close = memchr(host.base, ']', host.len);
    const char *from = close ? close : host.base;
    const char *colon = memchr(from, ':', host.len - (size_t)(from - host.base));

    return colon ? (size_t)(colon - host.base) : host.len;
}

void console_add_ws_urls(struct strbuf *out, const struct config *config,
                         struct json_text host)
{
    if (config->public_ws_urls[0]) {
        strbuf_add_text(out, config->public_ws_urls);
        return;
    }
    strbuf_add_text(out, "ws://");
    if (host.base && is_host(host))
        strbuf_add(out, host.base, name_len(host));
    else
        strbuf_add_text(out, "localhost");
    strbuf_add_text(out, ":9001/ws");
}

static void add_security(struct console *console, struct http_request *req)
{
    struct strbuf policy = {NULL, 0, 0}, urls = {NULL, 0, 0};

    console_add_ws_urls(&urls, console->config, http_host(req));
    for (size_t i = 0; i < urls.len; i++)
        if (urls.data[i] == ',')
            urls.data[i] = ' ';
    strbuf_add_format(&policy,
                      "default-src 'none'; script-src 'self'; style-src 'self'; "
                      "img-src 'self' data:; font-src 'self'; manifest-src 'self'; "
                      "connect-src 'self' %s; base-uri 'none'; form-action 'self'; "
                      "frame-ancestors 'none'",
                      urls.data);
    http_add_header(req, "content-security-policy", policy.data);
    http_add_header(req, "x-frame-options", "DENY");
    http_add_header(req, "referrer-policy", "no-referrer");
    strbuf_deinit(&policy);
    strbuf_deinit(&urls);
}

/* A path without a dot behind its last slash is one of the console's own; it may hold names,
 * percent-encoded. */
static bool is_route(struct json_text path)
{
    const char *slash = memrchr(path.base, '/', path.len);
    char *decoded = xmemdup(path.base, path.len);
    size_t len = 0;
    bool ok = slash && !memchr(slash, '.', path.len - (size_t)(slash - path.base)) &&
              !memmem(path.base, path.len, "//", 2) &&
              percent_decode(decoded, path.len, &len) == 0 &&
              proto_is_plain(decoded, len, len) && !memmem(decoded, len, "..", 2);

    free(decoded);
    return ok;
}

static struct file *find_file(struct console *console, struct json_text path)
{
    struct file *file = map_find(&console->files, path.base, path.len);

    if (!file && is_route(path))
        file = map_find(&console->files, "/index.html", 11);
    return file;
}

static void send_file(struct console *console, struct http_request *req,
                      const struct file *file)
{
    struct json_text known = http_header(req, "if-none-match");
    bool is_asset = strncmp(file->path, "/assets/", 8) == 0;
    bool is_known =
        known.base && memmem(known.base, known.len, file->etag, strlen(file->etag));

    add_security(console, req);
    http_add_header(req, "cache-control",
                    is_asset ? "public, max-age=31536000, immutable" : "no-cache");
    http_add_header(req, "etag", file->etag);
    http_reply_shared(req, is_known ? 304 : 200, file->type, file->bytes,
                      is_known ? 0 : file->len);
}

void console_serve(struct console *console, struct http_request *req)
{
    struct json_text method = http_method(req);
    struct file *file = find_file(console, http_path(req));
    bool reads = (method.len == 3 && memcmp(method.base, "GET", 3) == 0) ||
                 (method.len == 4 && memcmp(method.base, "HEAD", 4) == 0);

    if (!file) {
        http_reply_error(req, 404, "not_found", "there is nothing here");
    } else if (!reads) {
        http_add_header(req, "allow", "GET, HEAD");
        http_reply_error(req, 405, "method_not_allowed", "files are only read");
    } else {
        send_file(console, req, file);
    }
}
