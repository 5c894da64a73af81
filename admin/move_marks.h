/* move_marks.h - the marks of all Redis of a move (rc:shard, shard_mark.h).
 *
 *     none, or <fleet id> <i> <n>  ->  moving <fleet id> <place in MOVE_FROM> <place in MOVE_TO>
 *                                  ->  <fleet id> <j> <m>, or moved <fleet id> where MOVE_TO has it not
 *
 * A place is <number>/<how many>, or - for none. As long as one is `moving`, neither list serves. So it is
 * known what a move that broke off was about, and only that one can be gone on with. A cluster has one
 * mark, with its first shard's registry, and counts as 0/64.
 */
#ifndef ADMIN_MOVE_MARKS_H
#define ADMIN_MOVE_MARKS_H

#include "admin/move_links.h"
#include "common/shard_mark.h"

/* One Redis, or a cluster; on one side or on both. */
struct move_mark {
    enum move_which which; /* by which side it is asked */
    unsigned shard;
    bool is_in[2];
    unsigned number[2], of[2];
    char text[SHARD_MARK_TEXT_MAX]; /* as it is; empty: none */
};

enum move_stage {
    MOVE_IS_NEW,
    MOVE_HAS_BEGUN,
    MOVE_IS_DONE,   /* the marks are those of its end */
    MOVE_IS_REFUSED /* see `refusal` */
};

struct move_marks {
    struct move_links *links;
    struct move_mark *all;
    unsigned count;
    char id[SHARD_MARK_ID_LEN + 1]; /* of the fleet */
    char refusal[400];
};

/* Reads them. False: the calls have failed. Deinit in any case. */
bool move_marks_read(struct move_marks *marks, struct move_links *links);
void move_marks_deinit(struct move_marks *marks);

enum move_stage move_marks_decide(struct move_marks *marks);

/* Writes the marks of its beginning and of its end, those of MOVE_FROM first. False: as above. */
bool move_marks_begin(struct move_marks *marks);
bool move_marks_end(struct move_marks *marks);

#endif
