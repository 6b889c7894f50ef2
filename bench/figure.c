#include "bench/figure.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(size_t n, const double sorted[])
{
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/*
 * The largest k for which [x_k, x_(n+1-k)] covers the median with the confidence asked for: it does
 * not when fewer than k of n values lie below the median, or fewer than k above, each with
 * probability P(X < k) of X ~ Binomial(n, 1/2). 0: there is none.
 */
static size_t rank(size_t n, double *confidence)
{
    double term = ldexp(1, -(int)n), below = 0; /* P(X = 0), and P(X < k) */
    size_t k = 0;
    *confidence = 0;
    while (k < n / 2 && 1 - 2 * (below + term) >= FIGURE_CONFIDENCE) {
        below += term;
        *confidence = 1 - 2 * below;
        term *= (double)(n - k) / (double)(k + 1);
        k++;
    }
    return k;
}

struct figure figure_of(size_t n, double values[])
{
    struct figure f = {.samples = n};
    const size_t k = rank(n, &f.confidence);
    if (k == 0) {
        return (struct figure){0};
    }
    qsort(values, n, sizeof *values, compare);
    f.value = median(n, values);
    f.low = values[k - 1];
    f.high = values[n - k];
    return f;
}

/* Wilson 1927: the shares p for which |count / n - p| <= z sqrt(p (1 - p) / n). */
struct figure figure_of_share(uint64_t count, uint64_t n)
{
    const double z = 1.959964; /* of the normal distribution, 95 % lie within */
    if (n == 0) {
        return (struct figure){0};
    }
    const double N = (double)n, p = (double)count / N;
    const double middle = (p + z * z / (2 * N)) / (1 + z * z / N);
    const double half = z / (1 + z * z / N) * sqrt(p * (1 - p) / N + z * z / (4 * N * N));
    return (struct figure){.value = p,
                           .low = count == 0 ? 0 : middle - half,
                           .high = count == n ? 1 : middle + half,
                           .confidence = FIGURE_CONFIDENCE,
                           .samples = n};
}
