/*
 * Key generation and agreement over a kernel. Scalars are secret: they are drawn, handed on by
 * pointer and wiped, and nothing here branches on one.
 *
 * The check of a batch of key pairs, a curve: each Q lies on the curve, and for two pairs i and j
 * drawn at random (one and the same where there is only one) the kernel's (k_i + k_j) G, computed
 * in the same call, is Q_i + Q_j. Plain C that shares nothing with the kernels decides both. A slip
 * of arithmetic leaves a point off the curve; a kernel that multiplies by another scalar breaks the
 * sum. If either fails no pair of that curve leaves the batch.
 */
#include "providers/core/scalar.h"
#include "providers/core/secret.h"
#include "providers/ec/check.h"
#include "providers/ec/internal.h"

/* The two pairs of the check, and their sum. */
struct pair_check {
    size_t i, j;
    uint8_t k[EC_SCALAR_LEN]; /* k_i + k_j: a secret */
    uint8_t Q[EC_POINT_LEN];
};

static enum status pair_check_init(struct pair_check *check, const struct curve_params *params,
                                   struct drbg *drbg, size_t n, const uint8_t *const k[])
{
    uint8_t at_random[2 * sizeof(uint32_t)];
    memset(check, 0, sizeof *check);
    TRY(drbg_bytes(drbg, at_random, sizeof at_random));
    check->i = (size_t)(load_be(at_random, sizeof(uint32_t)) % n);
    if (n > 1) { /* any other */
        size_t step =
            1 + (size_t)(load_be(at_random + sizeof(uint32_t), sizeof(uint32_t)) % (n - 1));
        check->j = (check->i + step) % n;
    }
    scalar_add(params, check->k, k[check->i], k[check->j]);
    return STATUS_OK;
}

static bool pairs_good(const struct ec_thread *t, enum curve curve, size_t n,
                       const struct pair_check *check)
{
    for (size_t i = 0; i <= n; i++) {
        if (t->status[i] != STATUS_OK ||
            ec_check_point_vartime(curve, i < n ? t->result[i] : check->Q) != STATUS_OK) {
            return false;
        }
    }
    return ec_check_sum_vartime(curve, t->result[check->i], t->result[check->j], check->Q);
}

/* The n pairs whose scalars stand in t->in, Q to t->result; whether all is well. */
static bool generate(struct ec_thread *t, enum curve curve, struct drbg *drbg, size_t n)
{
    struct pair_check check;
    bool good = false;
    if (pair_check_init(&check, curve_params(curve), drbg, n, t->in) == STATUS_OK) {
        t->in[n] = check.k;
        t->result[n] = check.Q;
        for (size_t i = 0; i <= n; i++) {
            t->status[i] = STATUS_INTERNAL;
        }
        t->family->kernel->mul_base(t->scratch, curve, n + 1, t->in, t->result, t->status);
        good = pairs_good(t, curve, n, &check);
    }
    secret_wipe(&check, sizeof check);
    return good;
}

/* A scalar for each of the n items in t->order. One draw for all of them costs little more than one
 * for each; those of them that are no scalars, at most a third, are drawn again alone. */
static enum status draw(const struct ec_thread *t, const struct curve_params *params,
                        struct drbg *drbg, size_t n, const struct keygen_item items[])
{
    uint8_t drawn[EC_CHUNK][EC_SCALAR_LEN];
    enum status s = drbg_bytes(drbg, drawn[0], n * EC_SCALAR_LEN);
    for (size_t i = 0; i < n && s == STATUS_OK; i++) {
        uint8_t *k = items[t->order[i]].k;
        memcpy(k, drawn[i], EC_SCALAR_LEN);
        if (!scalar_in_range(params, k)) {
            s = scalar_draw(params, drbg, k);
        }
    }
    secret_wipe(drawn, n * EC_SCALAR_LEN);
    return s;
}

static void keygen_curve(struct ec_thread *t, enum curve curve, struct drbg *drbg, size_t n,
                         const struct keygen_item items[], enum status out[])
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].curve == curve) {
            t->order[count] = (uint16_t)i;
            t->in[count] = items[i].k;
            t->result[count] = items[i].Q;
            count++;
        }
    }
    if (count == 0) {
        return;
    }
    bool good = draw(t, curve_params(curve), drbg, count, items) == STATUS_OK &&
                generate(t, curve, drbg, count);
    for (size_t i = 0; i < count; i++) {
        out[t->order[i]] = good ? STATUS_OK : STATUS_INTERNAL;
    }
}

static void keygen_chunk(struct ec_thread *t, struct drbg *drbg, size_t n,
                         const struct keygen_item items[], enum status out[])
{
    for (size_t i = 0; i < n; i++) {
        out[i] = STATUS_BAD_CURVE;
    }
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        keygen_curve(t, (enum curve)c, drbg, n, items, out);
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i] != STATUS_OK) {
            secret_wipe(items[i].k, EC_SCALAR_LEN);
            secret_wipe(items[i].Q, EC_POINT_LEN);
        }
    }
}

void ec_keygen(void *ctx, struct drbg *drbg, size_t n, const struct keygen_item items[],
               enum status out[])
{
    for (size_t done = 0; done < n; done += EC_CHUNK) {
        size_t chunk = n - done < EC_CHUNK ? n - done : EC_CHUNK;
        keygen_chunk(ctx, drbg, chunk, items + done, out + done);
    }
}

static void ecka_curve(struct ec_thread *t, enum curve curve, size_t n,
                       const struct ecka_item items[], enum status out[])
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].curve == curve) {
            t->order[count] = (uint16_t)i;
            t->in[count] = items[i].k;
            t->peer[count] = items[i].peer;
            t->result[count] = items[i].z;
            t->status[count] = STATUS_INTERNAL;
            count++;
        }
    }
    if (count != 0) {
        t->family->kernel->ecka(t->scratch, curve, count, t->in, t->peer, t->result, t->status);
    }
    for (size_t i = 0; i < count; i++) {
        out[t->order[i]] = t->status[i];
    }
}

static void ecka_chunk(struct ec_thread *t, size_t n, const struct ecka_item items[],
                       enum status out[])
{
    for (size_t i = 0; i < n; i++) {
        out[i] = STATUS_BAD_CURVE;
    }
    for (unsigned c = CURVE_P256; c < CURVE_COUNT; c++) {
        ecka_curve(t, (enum curve)c, n, items, out);
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i] != STATUS_OK) {
            secret_wipe(items[i].z, ECDH_Z_LEN);
        }
    }
}

void ec_ecka(void *ctx, size_t n, const struct ecka_item items[], enum status out[])
{
    for (size_t done = 0; done < n; done += EC_CHUNK) {
        size_t chunk = n - done < EC_CHUNK ? n - done : EC_CHUNK;
        ecka_chunk(ctx, chunk, items + done, out + done);
    }
}
