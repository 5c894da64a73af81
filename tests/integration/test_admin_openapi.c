/* test_admin_openapi.c - the service does what its OpenAPI document says, and the document
 * says all that the contract has. What is asked and checked is in tests/clients/openapi.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/process.h"

enum { CHECK_MS = 120000, PATH_BYTES = 512 };

static struct fleet fleet;
static struct admin admin;

static void the_service_is_what_its_document_says(void **state)
{
    const char *source = getenv("ROOMCAST_SOURCE");
    struct process client = {0};
    char script[PATH_BYTES], log_path[PATH_BYTES], base[64], urls[2][64];

    (void)state;
    if (!source)
        fail_msg("ROOMCAST_SOURCE is not set: the directory with tests/clients");
    snprintf(script, sizeof(script), "%s/tests/clients/openapi.py", source);
    snprintf(log_path, sizeof(log_path), "%s/openapi.log", fleet.dir);
    snprintf(base, sizeof(base), "http://127.0.0.1:%d", admin.port);
    for (int i = 0; i < 2; i++)
        snprintf(urls[i], sizeof(urls[i]), "ws://127.0.0.1:%d/ws",
                 fleet.gateways[i].port);
    process_start(&client,
                  (const char *[]){"/usr/bin/python3", script, base, ADMIN_TOKEN,
                                   urls[0], urls[1], NULL},
                  NULL, log_path);
    if (process_wait(&client, CHECK_MS) != 0) {
        process_print_log(log_path);
        process_kill(&client);
        fail_msg("the service and its document differ");
    }
    remove(log_path);
}

static int start(void **state)
{
    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2});
    admin_start(&admin, &fleet,
                (const char *[]){
                    "ROOMCAST_ADMIN_FAILURES=1000",
                    "ROOMCAST_JWT_SECRET=a secret of thirty-two bytes, or more", NULL});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_is_what_its_document_says),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
