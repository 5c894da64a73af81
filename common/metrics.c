/* metrics.c - see metrics.h.
 *
 * The tables of the header become arrays of rows here, so that printing is three
 * loops. A histogram's count is made of the buckets that were read, so that both agree
 * although the writer goes on meanwhile.
 */
#include "common/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum kind { KIND_counter, KIND_gauge, KIND_gauge_min, KIND_gauge_max_ms };

struct row {
    enum metrics_program program;
    enum kind kind;
    size_t offset;
    const char *name, *help;
    const char *label; /* NULL: none, and `values` is empty */
    const char *values[METRIC_LABELS_MAX];
};

#define WORD(id, ...) WORD_(__VA_ARGS__, )
#define WORD_(word, ...) #word,

static const struct row plain[] = {
#define X(program, kind, name, help)                                                   \
    {METRICS_##program,                                                                \
     KIND_##kind,                                                                      \
     offsetof(struct metrics, name),                                                   \
     #name,                                                                            \
     help,                                                                             \
     NULL,                                                                             \
     {NULL}},
    METRICS_PLAIN(X)
#undef X
};

static const struct row labelled[] = {
#define X(program, kind, name, label, help, values)                                    \
    {METRICS_##program,                                                                \
     KIND_##kind,                                                                      \
     offsetof(struct metrics, name),                                                   \
     #name,                                                                            \
     help,                                                                             \
     #label,                                                                           \
     {values(WORD)}},
    METRICS_LABELLED(X)
#undef X
};

#define X(program, kind, name, label, help, values)                                    \
    _Static_assert(sizeof((const char *[]){values(WORD)}) / sizeof(const char *) <=    \
                       METRIC_LABELS_MAX,                                              \
                   "too many label values: " #name);
METRICS_LABELLED(X)
#undef X

static const struct {
    enum metrics_program program;
    size_t offset;
    const char *name, *help;
} histograms[] = {
#define X(program, name, help)                                                         \
    {METRICS_##program, offsetof(struct metrics, name), #name, help},
    METRICS_HISTOGRAMS(X)
#undef X
};

static const struct {
    uint64_t ns;
    const char *seconds;
} bounds[METRIC_BUCKETS] = {
    {100000, "0.0001"},  {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},
    {2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"},
    {50000000, "0.05"},  {100000000, "0.1"},  {250000000, "0.25"}, {1000000000, "1"},
    {2500000000, "2.5"}, {10000000000, "10"},
};

static unsigned shards = 1;

void metrics_set_shards(unsigned count)
{
    shards = count;
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

void metric_observe_ns(struct metric_histogram *h, uint64_t ns)
{
    unsigned at = 0;

    while (at < METRIC_BUCKETS && ns > bounds[at].ns)
        at++;
    metric_add(&h->buckets[at], 1);
    metric_add(&h->sum_ns, ns);
}

static const void *field(const struct metrics *m, size_t offset)
{
    return (const char *)m + offset;
}

static uint64_t fold(const struct row *row, unsigned at, struct metrics *const *workers,
                     unsigned count)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t value =
            metric_read((const metric *)field(workers[i], row->offset) + at);

        if (row->kind == KIND_gauge_min)
            total = i == 0 || value < total ? value : total;
        else if (row->kind == KIND_gauge_max_ms)
            total = value > total ? value : total;
        else
            total += value;
    }
    return total;
}

static void print_head(struct strbuf *out, const char *name, const char *help,
                       const char *type)
{
    strbuf_add_format(out, "# HELP roomcast_%s %s\n# TYPE roomcast_%s %s\n", name, help,
                      name, type);
}

static void print_value(struct strbuf *out, enum kind kind, uint64_t value)
{
    if (kind == KIND_gauge_max_ms)
        strbuf_add_format(out, " %" PRIu64 ".%03u\n", value / 1000,
                          (unsigned)(value % 1000));
    else
        strbuf_add_format(out, " %" PRIu64 "\n", value);
}

/* How many values of the row are printed at most. */
static unsigned values_of(const struct row *row)
{
    return row->label && strcmp(row->label, "shard") == 0 ? shards : METRIC_LABELS_MAX;
}

static void print_row(struct strbuf *out, const struct row *row,
                      struct metrics *const *workers, unsigned count)
{
    print_head(out, row->name, row->help,
               row->kind == KIND_counter ? "counter" : "gauge");
    if (!row->label) {
        strbuf_add_format(out, "roomcast_%s", row->name);
        print_value(out, row->kind, fold(row, 0, workers, count));
    }
    for (unsigned at = 0; at < values_of(row) && row->values[at]; at++) {
        strbuf_add_format(out, "roomcast_%s{%s=\"%s\"}", row->name, row->label,
                          row->values[at]);
        print_value(out, row->kind, fold(row, at, workers, count));
    }
}

static void print_histogram(struct strbuf *out, size_t which,
                            struct metrics *const *workers, unsigned count)
{
    const char *name = histograms[which].name;
    uint64_t seen = 0, sum_ns = 0;

    print_head(out, name, histograms[which].help, "histogram");
    for (unsigned at = 0; at <= METRIC_BUCKETS; at++) {
        for (unsigned i = 0; i < count; i++) {
            const struct metric_histogram *h =
                field(workers[i], histograms[which].offset);

            seen += metric_read(&h->buckets[at]);
            sum_ns += at == 0 ? metric_read(&h->sum_ns) : 0;
        }
        strbuf_add_format(out, "roomcast_%s_bucket{le=\"%s\"} %" PRIu64 "\n", name,
                          at < METRIC_BUCKETS ? bounds[at].seconds : "+Inf", seen);
    }
    strbuf_add_format(out, "roomcast_%s_sum %" PRIu64 ".%09u\n", name,
                      sum_ns / 1000000000, (unsigned)(sum_ns % 1000000000));
    strbuf_add_format(out, "roomcast_%s_count %" PRIu64 "\n", name, seen);
}

void metrics_print(struct strbuf *out, enum metrics_program program,
                   struct metrics *const *workers, unsigned count)
{
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (plain[i].program & program)
            print_row(out, &plain[i], workers, count);
    for (size_t i = 0; i < COUNT_OF(labelled); i++)
        if (labelled[i].program & program)
            print_row(out, &labelled[i], workers, count);
    for (size_t i = 0; i < COUNT_OF(histograms); i++)
        if (histograms[i].program & program)
            print_histogram(out, i, workers, count);
}
