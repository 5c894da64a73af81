/* fleet_classes.h - the room classes of the fleet (rc:classes, SPEC-PUBLIC P5): read and changed here, told to the
 * nodes, put back where Redis lost them.
 *
 * A change is of what was read, and is written only if that is still there: two that change them at once
 * both count, one after the other.
 */
#ifndef ADMIN_FLEET_CLASSES_H
#define ADMIN_FLEET_CLASSES_H

#include "admin/orders.h"
#include "common/classes.h"

struct api;
struct fleet_classes;

struct fleet_classes *fleet_classes_open(struct api *api);
void fleet_classes_close(struct fleet_classes *classes);

/* Once the loop has ended. */
void fleet_classes_free(struct fleet_classes *classes);

/* As known here. */
const struct classes *fleet_classes_now(const struct fleet_classes *classes,
                                        uint64_t *rev);

/* What holds in a room. */
const struct class_rules *fleet_classes_rules(const struct fleet_classes *classes,
                                              struct json_text room);

/* Reads them. on_read is called later, or at once where Redis cannot be asked: is_known false. */
typedef void (*fleet_classes_read_fn)(void *data, bool is_known);
void fleet_classes_read(struct fleet_classes *classes, fleet_classes_read_fn on_read,
                        void *data);

/* What is to be; texts are copied. */
struct fleet_classes_wish {
    struct json_text prefix; /* base NULL: all classes */
    struct json_text
        json; /* a class, or all of them; base NULL: there is none of the prefix any more */
    bool has_match;
    uint64_t match; /* the number that they must have */
};

enum fleet_classes_result {
    FLEET_CLASSES_OK,
    FLEET_CLASSES_BAD,   /* and why */
    FLEET_CLASSES_OTHER, /* they have another number */
    FLEET_CLASSES_NONE,  /* there is no class of this prefix */
    FLEET_CLASSES_FAILED,
};

/* Borrowed for the call. */
struct fleet_classes_answer {
    enum fleet_classes_result result;
    const char *why; /* of BAD */
    uint64_t rev;    /* of OK, and with it: */
    const struct orders_told *told;
};
typedef void (*fleet_classes_fn)(void *data, const struct fleet_classes_answer *answer);

void fleet_classes_change(struct fleet_classes *classes,
                          const struct fleet_classes_wish *wish,
                          fleet_classes_fn on_done, void *data);

#endif
