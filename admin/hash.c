/* hash.c - see hash.h. */
#include "admin/hash.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "admin/operators.h"
#include "common/base64url.h"
#include "common/digits.h"

enum { TOKEN_BYTES = 32, EXIT_REFUSED = 2 };

static const char usage[] =
    "usage: roomcast-admin hash NAME ROLE [UNTIL]\n\n"
    "Prints a new token for an operator, and below it the line that lets it in: add "
    "that "
    "line to\nthe file of ROOMCAST_ADMIN_TOKENS_FILE, and give the token to NAME. ROLE "
    "is "
    "viewer, moderator\nor admin; UNTIL, when the token ends, is such as "
    "2027-01-31T00:00:00Z.\n";

static void make_token(struct strbuf *token)
{
    unsigned char bytes[TOKEN_BYTES];

    RAND_bytes(bytes, sizeof(bytes));
    base64url_add(token, bytes, sizeof(bytes));
    OPENSSL_cleanse(bytes, sizeof(bytes));
}

static void print_line(struct strbuf *line, const struct strbuf *token, int count,
                       char **words)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];

    SHA256((const unsigned char *)token->data, token->len, digest);
    digits_print_hex(hex, digest, sizeof(digest));
    strbuf_add_format(line, "%s %s %s", words[0], words[1], hex);
    if (count == 3)
        strbuf_add_format(line, " %s", words[2]);
}

/* A name that begins with # would make a comment of its line. */
static const char *check(const char *line)
{
    struct operators operators = {NULL, 0};
    const char *why;

    if (operators_parse(&operators, line, &why) == 0 && operators.count != 1)
        why = "a name does not begin with #, and there is one line";
    operators_deinit(&operators);
    return why;
}

int hash_command(int count, char **words)
{
    struct strbuf token = {NULL, 0, 0}, line = {NULL, 0, 0};
    const char *why;

    if (count == 1 && strcmp(words[0], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (count < 2 || count > 3) {
        fputs(usage, stderr);
        return EXIT_REFUSED;
    }
    make_token(&token);
    print_line(&line, &token, count, words);
    why = check(line.data);
    if (why)
        fprintf(stderr, "roomcast-admin hash: %s\n", why);
    else
        printf("%s\n%s\n", token.data, line.data);
    strbuf_deinit(&token);
    strbuf_deinit(&line);
    return why ? EXIT_REFUSED : 0;
}
