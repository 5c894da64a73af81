/* test_clients.c - deploys, and clients that do not read or come all at once. */
#include "tests/support/fleet/faults.h"

int main(void)
{
    return faults_run(FAULTS_CLIENTS);
}
