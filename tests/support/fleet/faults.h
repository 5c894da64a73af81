/* faults.h - what goes wrong with a fleet, one function a fault, played in a scene.
 *
 *     faults_run(FAULTS_REDIS)      a program of tests/faults: each fault of a kind once
 *     faults_play(&scene, fault)    one of them, up to the verdict
 */
#ifndef TESTS_SUPPORT_FLEET_FAULTS_H
#define TESTS_SUPPORT_FLEET_FAULTS_H

#include "tests/support/fleet/scene.h"

enum faults_kind {
    FAULTS_REDIS,    /* what Redis does */
    FAULTS_STOPPED,  /* Redis sleeps; with a lease of its own */
    FAULTS_LINKS,    /* the connections to it */
    FAULTS_GATEWAYS, /* gateways die or sleep */
    FAULTS_CLIENTS,  /* deploys, slow clients */
};

struct fault {
    enum faults_kind kind;
    const char *name; /* in the table of docs/reliability.md */
    void (*play)(struct scene *scene);
    bool may_go;   /* what was acked may be named as gone */
    bool may_part; /* somebody who stays may be seen leaving */
};

extern const struct fault faults_all[];
extern const unsigned faults_count;

/* The scene for a kind. */
void faults_start(struct scene *scene, enum faults_kind kind);

void faults_play(struct scene *scene, const struct fault *fault);

/* For main: each fault of the kind as a test, in one scene. */
int faults_run(enum faults_kind kind);

#endif
