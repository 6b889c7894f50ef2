#include "bench/collect.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/document.h"

enum { ROUNDS_MAX = 64 };

struct one {
    const char *id, *title, *unit, *peer;
    size_t n;
    double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratio[ROUNDS_MAX];
};

static bool read_case(json_t *line, struct one *out)
{
    json_t *rounds, *round;
    size_t i;
    if (json_unpack(line, "{s:s, s:s, s:s, s:s, s:o}", "id", &out->id, "title", &out->title, "unit",
                    &out->unit, "peer", &out->peer, "rounds", &rounds) != 0) {
        return false;
    }
    json_array_foreach (rounds, i, round) {
        if (i == ROUNDS_MAX || json_unpack(round, "[F, F]", &out->ours[i], &out->theirs[i]) != 0 ||
            out->theirs[i] <= 0) {
            return false;
        }
        out->ratio[i] = out->ours[i] / out->theirs[i];
        out->n = i + 1;
    }
    return out->n != 0;
}

static void add_case(struct document *d, struct one *c)
{
    const struct figure ours = figure_of(c->n, c->ours), theirs = figure_of(c->n, c->theirs);
    const struct figure ratio = figure_of(c->n, c->ratio);
    if (ours.samples == 0) {
        document_add_result(d, result_without(c->id, c->title, "partial",
                                              "too few rounds for an interval, so no figure"));
        return;
    }
    json_t *result = result_new(c->id, c->title, c->unit, false, &ours);
    result_set_peer(result, c->peer, &theirs);
    result_set_ratio(result, &ratio, 0, false, false);
    document_add_result(d, result);
}

bool collect_run(const char *kind, char *const words[], const char *path)
{
    static struct one c;
    char *line = NULL;
    size_t size = 0;
    bool ok = true;
    struct document *d = document_new(kind, words, path);
    document_others_unknown(d);
    while (ok && getline(&line, &size, stdin) > 0) {
        json_t *json = json_loads(line, 0, NULL);
        c = (struct one){0};
        ok = json != NULL && read_case(json, &c);
        if (ok) {
            add_case(d, &c);
            ok = document_save(d);
        } else {
            (void)fprintf(stderr, "eckabench: not a case: %s", line);
            document_stop(d, "a case could not be read");
        }
        json_decref(json);
    }
    free(line);
    return document_finish(&d) && ok;
}
