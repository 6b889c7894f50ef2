#include "bench/hsm/interval.h"

#include <math.h>

#include "bench/hsm/case.h"

static const double normal_975 = 1.959964; /* 95 % of a normal distribution lie within */

/* The 97.5th percentile of Student's t with so many degrees of freedom: tabulated below 10, then
 * Fisher's expansion of it in the normal one's, exact to a thousandth there. */
static double student_975(size_t df)
{
    static const double small[] = {0,        12.706205, 4.302653, 3.182446, 2.776445,
                                   2.570582, 2.446912,  2.364624, 2.306004, 2.262157};
    if (df < sizeof small / sizeof small[0]) {
        return small[df];
    }
    const double z = normal_975, n = (double)df, z2 = z * z;
    return z + z * (z2 + 1) / (4 * n) + z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * n * n);
}

struct figure interval_of(size_t n, const double batches[])
{
    double sum = 0, squares = 0;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        sum += batches[i] < 0 ? 0 : batches[i];
        used += batches[i] < 0 ? 0 : 1;
    }
    if (used < INTERVAL_BATCHES_MIN) {
        return (struct figure){0};
    }
    const double count = (double)used, mean = sum / count;
    for (size_t i = 0; i < n; i++) {
        squares += batches[i] < 0 ? 0 : (batches[i] - mean) * (batches[i] - mean);
    }
    const double half = student_975(used - 1) * sqrt(squares / (count - 1) / count);
    return (struct figure){.value = mean,
                           .low = mean - half < 0 ? 0 : mean - half,
                           .high = mean + half,
                           .confidence = FIGURE_CONFIDENCE,
                           .samples = used};
}

struct figure interval_of_ratio(size_t n, const double ours[], const double theirs[])
{
    double ratio[BATCHES_MAX];
    size_t used = 0;
    n = n < BATCHES_MAX ? n : BATCHES_MAX;
    for (size_t i = 0; i < n; i++) {
        if (ours[i] >= 0 && theirs[i] > 0) {
            ratio[used++] = ours[i] / theirs[i];
        }
    }
    return figure_of(used, ratio);
}

double interval_width(const struct figure *f)
{
    return f->samples == 0 || !(f->value > 0) ? 1 : (f->high - f->low) / 2 / f->value;
}

bool interval_of_percentile(const struct histogram *h, unsigned per_mille, uint64_t *low,
                            uint64_t *high)
{
    const double n = (double)h->count, p = (double)per_mille / 1000;
    const double half = normal_975 * sqrt(n * p * (1 - p));
    const double first = floor(n * p - half), last = ceil(n * p + half) + 1;
    if (first < 1 || last > n) {
        return false;
    }
    *low = histogram_rank(h, (uint64_t)first);
    *high = histogram_rank(h, (uint64_t)last);
    return true;
}
