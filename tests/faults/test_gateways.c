/* test_gateways.c - gateways die, sleep and come back. */
#include "tests/support/fleet/faults.h"

int main(void)
{
    return faults_run(FAULTS_GATEWAYS);
}
