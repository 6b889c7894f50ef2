/*
 * RFC 6962 trees: the roots that implementations of Certificate Transparency agree on, and every
 * proof of every small tree, from every place where a log can have been cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "providers/merkle/merkle.h"

enum { KNOWN = 8, LEAVES = 41 };

static const struct {
    size_t len;
    uint8_t data[16];
} known_leaves[KNOWN] = {
    {0, {0}},
    {1, {0x00}},
    {1, {0x10}},
    {2, {0x20, 0x21}},
    {2, {0x30, 0x31}},
    {4, {0x40, 0x41, 0x42, 0x43}},
    {8, {0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57}},
    {16,
     {0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e,
      0x6f}},
};

static const char *const known_roots[KNOWN + 1] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

struct fixture {
    struct sym *sym;
    uint8_t hashes[LEAVES][MERKLE_HASH_LEN];
    struct merkle_range ranges[LEAVES + 1]; /* of the first so many */
    uint8_t roots[LEAVES + 1][MERKLE_HASH_LEN];
};

static int setup(void **state)
{
    static struct fixture f;
    assert_int_equal(sym_new(&f.sym), STATUS_OK);
    for (unsigned i = 0; i < LEAVES; i++) {
        const uint8_t leaf = (uint8_t)i;
        assert_int_equal(merkle_leaf_hash(f.sym, span_of(&leaf, 1), f.hashes[i]), STATUS_OK);
        f.ranges[i + 1] = f.ranges[i];
        assert_int_equal(merkle_append(f.sym, &f.ranges[i + 1], f.hashes[i]), STATUS_OK);
    }
    for (size_t i = 0; i <= LEAVES; i++) {
        assert_int_equal(merkle_root(f.sym, &f.ranges[i], f.roots[i]), STATUS_OK);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sym_free(&f->sym);
    return 0;
}

static void hex(char out[static 2 * MERKLE_HASH_LEN + 1], const uint8_t in[static MERKLE_HASH_LEN])
{
    for (size_t i = 0; i < MERKLE_HASH_LEN; i++) {
        out[2 * i] = "0123456789abcdef"[in[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[in[i] & 0x0F];
    }
    out[2 * MERKLE_HASH_LEN] = '\0';
}

static void known_roots_come_out(void **state)
{
    struct fixture *f = *state;
    struct merkle_range range = {0};
    uint8_t hash[MERKLE_HASH_LEN];
    char text[2 * MERKLE_HASH_LEN + 1];

    for (size_t i = 0; i <= KNOWN; i++) {
        assert_int_equal(merkle_root(f->sym, &range, hash), STATUS_OK);
        hex(text, hash);
        assert_string_equal(text, known_roots[i]);
        if (i < KNOWN) {
            assert_int_equal(
                merkle_leaf_hash(f->sym, span_of(known_leaves[i].data, known_leaves[i].len), hash),
                STATUS_OK);
            assert_int_equal(merkle_append(f->sym, &range, hash), STATUS_OK);
        }
        assert_int_equal(range.n, __builtin_popcountll(range.size));
    }
}

/* The log as it is at hand when its first `cut` leaves are away. */
static struct merkle_leaves from(const struct fixture *f, size_t cut)
{
    return (struct merkle_leaves){
        .before = f->ranges[cut], .hashes = f->hashes + cut, .count = LEAVES - cut};
}

static void every_root_from_every_cut(void **state)
{
    struct fixture *f = *state;
    uint8_t root[MERKLE_HASH_LEN];
    for (size_t cut = 0; cut <= LEAVES; cut++) {
        struct merkle_leaves leaves = from(f, cut);
        for (size_t size = cut == 0 ? 1 : cut; size <= LEAVES; size++) {
            assert_int_equal(merkle_root_at(f->sym, &leaves, size, root), STATUS_OK);
            assert_memory_equal(root, f->roots[size], sizeof root);
        }
        assert_int_equal(merkle_root_at(f->sym, &leaves, LEAVES + 1, root), STATUS_NO_SPACE);
    }
}

static enum status includes(struct fixture *f, const struct merkle_proof *p, size_t index,
                            size_t size, size_t leaf, size_t root)
{
    return merkle_verify_inclusion(f->sym, p, index, size, f->hashes[leaf], f->roots[root]);
}

static void every_leaf_is_proven_in_every_tree(void **state)
{
    struct fixture *f = *state;
    struct merkle_proof proof;
    for (size_t cut = 0; cut < LEAVES; cut++) {
        struct merkle_leaves leaves = from(f, cut);
        for (size_t size = cut + 1; size <= LEAVES; size++) {
            for (size_t i = cut; i < size; i++) {
                assert_int_equal(merkle_prove_inclusion(f->sym, &leaves, i, size, &proof),
                                 STATUS_OK);
                assert_int_equal(includes(f, &proof, i, size, i, size), STATUS_OK);
            }
        }
        if (cut != 0) {
            assert_int_equal(merkle_prove_inclusion(f->sym, &leaves, cut - 1, LEAVES, &proof),
                             STATUS_NO_SPACE);
        }
    }
}

static void no_proof_serves_another_leaf_index_size_or_root(void **state)
{
    struct fixture *f = *state;
    struct merkle_leaves leaves = from(f, 0);
    struct merkle_proof proof;
    for (size_t size = 1; size <= LEAVES; size++) {
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(merkle_prove_inclusion(f->sym, &leaves, i, size, &proof), STATUS_OK);
            for (size_t other = 0; other < LEAVES; other++) {
                enum status want = other == i ? STATUS_OK : STATUS_SIGNATURE_INVALID;
                assert_int_equal(includes(f, &proof, other, size, i, size), want);
                assert_int_equal(includes(f, &proof, i, size, other, size), want);
                want = other == size ? STATUS_OK : STATUS_SIGNATURE_INVALID;
                assert_int_equal(includes(f, &proof, i, size, i, other), want);
            }
            for (size_t node = 0; node < proof.n; node++) {
                proof.nodes[node][31] ^= 1;
                assert_int_equal(includes(f, &proof, i, size, i, size), STATUS_SIGNATURE_INVALID);
                proof.nodes[node][31] ^= 1;
            }
            proof.n++;
            assert_int_equal(includes(f, &proof, i, size, i, size), STATUS_SIGNATURE_INVALID);
            proof.n -= 2;
            if (size > 1) {
                assert_int_equal(includes(f, &proof, i, size, i, size), STATUS_SIGNATURE_INVALID);
            }
        }
    }
}

static void every_tree_extends_every_smaller_one(void **state)
{
    struct fixture *f = *state;
    struct merkle_proof proof;
    for (size_t cut = 0; cut <= LEAVES; cut++) {
        struct merkle_leaves leaves = from(f, cut);
        for (size_t size = cut; size <= LEAVES; size++) {
            for (size_t old = cut; old <= size; old++) {
                assert_int_equal(merkle_prove_consistency(f->sym, &leaves, old, size, &proof),
                                 STATUS_OK);
                assert_int_equal(merkle_verify_consistency(f->sym, &proof, old, size, f->roots[old],
                                                           f->roots[size]),
                                 STATUS_OK);
            }
        }
    }
}

static enum status extends(struct fixture *f, const struct merkle_proof *p, size_t old, size_t size,
                           const uint8_t *old_root, const uint8_t *root)
{
    return merkle_verify_consistency(f->sym, p, old, size, old_root, root);
}

static void a_fork_is_no_extension(void **state)
{
    struct fixture *f = *state;
    struct merkle_leaves leaves = from(f, 0);
    struct merkle_proof proof;
    uint8_t fork[MERKLE_HASH_LEN];
    for (size_t size = 2; size <= LEAVES; size++) {
        for (size_t old = 1; old < size; old++) {
            assert_int_equal(merkle_prove_consistency(f->sym, &leaves, old, size, &proof),
                             STATUS_OK);
            memcpy(fork, f->roots[old], sizeof fork);
            fork[0] ^= 1;
            assert_int_equal(extends(f, &proof, old, size, fork, f->roots[size]),
                             STATUS_SIGNATURE_INVALID);
            assert_int_equal(extends(f, &proof, old, size, f->roots[old], f->roots[size - 1]),
                             STATUS_SIGNATURE_INVALID);
            for (size_t node = 0; node < proof.n; node++) {
                proof.nodes[node][0] ^= 1;
                assert_int_equal(extends(f, &proof, old, size, f->roots[old], f->roots[size]),
                                 STATUS_SIGNATURE_INVALID);
                proof.nodes[node][0] ^= 1;
            }
            proof.n--;
            assert_int_equal(extends(f, &proof, old, size, f->roots[old], f->roots[size]),
                             STATUS_SIGNATURE_INVALID);
        }
        proof.n = 0;
        assert_int_equal(extends(f, &proof, size, size, f->roots[size - 1], f->roots[size]),
                         STATUS_SIGNATURE_INVALID);
        assert_int_equal(extends(f, &proof, size, size - 1, f->roots[size], f->roots[size - 1]),
                         STATUS_SIGNATURE_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_roots_come_out),
        cmocka_unit_test(every_root_from_every_cut),
        cmocka_unit_test(every_leaf_is_proven_in_every_tree),
        cmocka_unit_test(no_proof_serves_another_leaf_index_size_or_root),
        cmocka_unit_test(every_tree_extends_every_smaller_one),
        cmocka_unit_test(a_fork_is_no_extension),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
