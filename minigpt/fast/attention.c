/* Causal attention and its gradients, for training on a CPU: softmax(q · k / sqrt(D)) v, where a token sees those up to itself.
 *
 * A block of rows at a time, so that the (T, T) weights are never stored; the gradients find them again from the
 * logarithm of each row's sum (Dao et al. 2022, FlashAttention). All is float32. attention.py calls and compares.
 *
 * B batch, H query heads, G of them to a head of keys and values, T tokens, D head size; P is D rounded up to WIDE.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exponential.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8 /* of a vector register of AVX2; on others the compiler takes two */
#endif
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
enum { ROWS = 48, TALL = 6, WIDE = 2 * LANES, DEEP = 64 }; /* of tiles, so that their sums stay in registers */

typedef struct { float *at; int64_t text, head, token; } View; /* (B, H, T, D), in steps of so many floats */
typedef struct { int64_t B, H, G, T, D; } Sizes;

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t up(int64_t n) { return (n + WIDE - 1) / WIDE * WIDE; }
INLINE vec load(const float *x) { vec v; memcpy(&v, x, sizeof v); return v; }
INLINE void store(float *x, vec v) { memcpy(x, &v, sizeof v); }
INLINE float *of(const View *x, int64_t text, int64_t head, int64_t token) {
    return x->at + text * x->text + head * x->head + token * x->token;
}

static float largest(const float *x, int64_t n) {
    float most = x[0];
    int64_t i = 0;
    if (n >= LANES) {
        vec best = load(x);
        for (i = LANES; i + LANES <= n; i += LANES) {
            vec next = load(x + i);
            ints more = next > best;
            best = (vec)(((ints)next & more) | ((ints)best & ~more));
        }
        for (int64_t lane = 0; lane < LANES; lane++) most = best[lane] > most ? best[lane] : most;
    }
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* Rows (n, D) times a factor, side by side in (rows, P), with zeros around them. */
static void gather(const float *x, int64_t step, int64_t n, int64_t D, float factor, float *to, int64_t rows) {
    memset(to, 0, rows * up(D) * sizeof *to);
    for (int64_t t = 0; t < n; t++)
        for (int64_t d = 0; d < D; d++) to[t * up(D) + d] = x[t * step + d] * factor;
}

/* (T, P) to panels (T/WIDE, P, WIDE): of WIDE tokens one dimension after the other, as `products` reads them. */
static void pack(const float *x, int64_t T, int64_t P, float *panels) {
    for (int64_t t = 0; t < T; t++)
        for (int64_t d = 0; d < P; d++) panels[(t / WIDE * P + d) * WIDE + t % WIDE] = x[t * P + d];
}

/* Every row of a (ROWS, P) times each of n tokens' in panels: (ROWS, n) in steps of `wide`. What no row before `first`
 * + ROWS may see is left out: a tile all of whose rows come before its tokens. */
static void products(const float *a, const float *panels, int64_t n, int64_t P, int64_t first, float *to,
                     int64_t wide) {
    for (int64_t t = 0; t < n; t += WIDE, panels += P * WIDE)
        for (int64_t row = 0; row < ROWS; row += TALL) {
            if (first + row + TALL <= t) continue;
            vec sums[TALL][2] = {0};
            for (int64_t d = 0; d < P; d++) {
                vec left = load(panels + d * WIDE), right = load(panels + d * WIDE + LANES);
#pragma GCC unroll 6
                for (int64_t i = 0; i < TALL; i++) {
                    float one = a[(row + i) * P + d];
                    sums[i][0] += one * left;
                    sums[i][1] += one * right;
                }
            }
#pragma GCC unroll 6
            for (int64_t i = 0; i < TALL; i++) {
                store(to + (row + i) * wide + t, sums[i][0]);
                store(to + (row + i) * wide + t + LANES, sums[i][1]);
            }
        }
}

/* Adds to each of `rows` rows in `to` the mean of n rows x (n, P) by its weights, which lie `down` and `along` apart. */
static void weighted(const float *weights, int64_t down, int64_t along, int64_t rows, int64_t n, const float *x,
                     int64_t P, float *to) {
    for (int64_t start = 0; start < n; start += DEEP) {
        int64_t end = least(n, start + DEEP);
        for (int64_t row = 0; row < rows; row += TALL)
            for (int64_t d = 0; d < P; d += WIDE) {
                vec sums[TALL][2];
                float *place = to + row * P + d;
#pragma GCC unroll 6
                for (int64_t i = 0; i < TALL; i++) {
                    sums[i][0] = load(place + i * P);
                    sums[i][1] = load(place + i * P + LANES);
                }
                for (int64_t j = start; j < end; j++) {
                    vec left = load(x + j * P + d), right = load(x + j * P + d + LANES);
#pragma GCC unroll 6
                    for (int64_t i = 0; i < TALL; i++) {
                        float one = weights[(row + i) * down + j * along];
                        sums[i][0] += one * left;
                        sums[i][1] += one * right;
                    }
                }
#pragma GCC unroll 6
                for (int64_t i = 0; i < TALL; i++) {
                    store(place + i * P, sums[i][0]);
                    store(place + i * P + LANES, sums[i][1]);
                }
            }
    }
}

/* The attention of one text's heads that share keys and values; `sums` (B, H, T) are the logarithms of what the weights
 * of each row are divided by. */
static void attend_one(const View *q, const View *k, const View *v, const View *y, float *sums, Sizes n, int64_t text,
                       int64_t one, float *room) {
    int64_t P = up(n.D), all = up(n.T) + TALL, wide = all + WIDE;
    float *keys = room, *values = keys + all * P, *panels = values + all * P, *rows = panels + all * P;
    float *found = rows + ROWS * P, *weights = found + ROWS * P, shares[ROWS];
    gather(of(k, text, one, 0), k->token, n.T, n.D, 1, keys, all);
    gather(of(v, text, one, 0), v->token, n.T, n.D, 1, values, all);
    pack(keys, n.T, P, panels);
    for (int64_t head = one * n.G; head < one * n.G + n.G; head++)
        for (int64_t first = 0; first < n.T; first += ROWS) {
            int64_t here = least(ROWS, n.T - first), seen = first + here;
            gather(of(q, text, head, first), q->token, here, n.D, 1 / sqrtf(n.D), rows, ROWS);
            products(rows, panels, seen, P, first, weights, wide);
            memset(found, 0, ROWS * P * sizeof *found);
            for (int64_t row = 0; row < ROWS; row++) {
                float *own = weights + row * wide, most, sum = 0;
                int64_t sees = row < here ? first + row + 1 : 0;
                memset(own + sees, 0, (seen - sees) * sizeof *own);
                if (!sees) continue;
                most = largest(own, sees);
                for (int64_t t = 0; t < sees; t++) sum += own[t] = exponential(own[t] - most);
                sums[(text * n.H + head) * n.T + first + row] = most + logf(sum);
                shares[row] = 1 / sum;
            }
            weighted(weights, wide, 1, ROWS, seen, values, P, found);
            for (int64_t row = 0; row < here; row++)
                for (int64_t d = 0; d < n.D; d++)
                    of(y, text, head, first + row)[d] = found[row * P + d] * shares[row];
        }
}

/* The gradients of one text's heads that share keys and values. */
static void gradients_one(const View *q, const View *k, const View *v, const View *y, const float *sums,
                          const View *by_y, const View *by_q, const View *by_k, const View *by_v, Sizes n, int64_t text,
                          int64_t one, float *room) {
    int64_t P = up(n.D), all = up(n.T) + TALL, wide = all + WIDE;
    float *keys = room, *values = keys + all * P, *key_panels = values + all * P;
    float *value_panels = key_panels + all * P, *by_keys = value_panels + all * P, *by_values = by_keys + all * P;
    float *rows = by_values + all * P, *by_rows = rows + ROWS * P, *found = by_rows + ROWS * P;
    float *weights = found + ROWS * P, *errors = weights + ROWS * wide, scale = 1 / sqrtf(n.D);
    gather(of(k, text, one, 0), k->token, n.T, n.D, 1, keys, all);
    gather(of(v, text, one, 0), v->token, n.T, n.D, 1, values, all);
    pack(keys, n.T, P, key_panels);
    pack(values, n.T, P, value_panels);
    memset(by_keys, 0, 2 * all * P * sizeof *by_keys);
    for (int64_t head = one * n.G; head < one * n.G + n.G; head++)
        for (int64_t first = 0; first < n.T; first += ROWS) {
            int64_t here = least(ROWS, n.T - first), seen = first + here;
            gather(of(q, text, head, first), q->token, here, n.D, scale, rows, ROWS);
            gather(of(by_y, text, head, first), by_y->token, here, n.D, 1, by_rows, ROWS);
            products(rows, key_panels, seen, P, first, weights, wide);
            products(by_rows, value_panels, seen, P, first, errors, wide);
            memset(found, 0, ROWS * P * sizeof *found);
            for (int64_t row = 0; row < ROWS; row++) {
                float *own = weights + row * wide, *error = errors + row * wide, mean = 0, sum;
                int64_t sees = row < here ? first + row + 1 : 0;
                memset(own + sees, 0, (seen + TALL - sees) * sizeof *own);
                memset(error + sees, 0, (seen + TALL - sees) * sizeof *error);
                if (!sees) continue;
                const float *result = of(y, text, head, first + row);
                for (int64_t d = 0; d < n.D; d++) mean += by_rows[row * P + d] * result[d];
                sum = sums[(text * n.H + head) * n.T + first + row];
                for (int64_t t = 0; t < sees; t++) {
                    own[t] = exponential(own[t] - sum);
                    error[t] = own[t] * (error[t] - mean);
                }
            }
            weighted(errors, wide, 1, ROWS, seen, keys, P, found);
            weighted(errors, 1, wide, seen, ROWS, rows, P, by_keys);
            weighted(weights, 1, wide, seen, ROWS, by_rows, P, by_values);
            for (int64_t row = 0; row < here; row++)
                for (int64_t d = 0; d < n.D; d++) of(by_q, text, head, first + row)[d] = found[row * P + d] * scale;
        }
    for (int64_t t = 0; t < n.T; t++) {
        memcpy(of(by_k, text, one, t), by_keys + t * P, n.D * sizeof *room);
        memcpy(of(by_v, text, one, t), by_values + t * P, n.D * sizeof *room);
    }
}

/* How many floats a thread needs: for each of these sizes the larger of what the two functions above lay out. */
static int64_t room_for(Sizes n) {
    int64_t P = up(n.D), all = up(n.T) + TALL, wide = all + WIDE;
    return 6 * all * P + 3 * ROWS * P + 2 * ROWS * wide;
}

/* All texts and heads: y and sums. Returns how many threads found no memory; what they should have done is not done. */
int64_t attend(const View *q, const View *k, const View *v, const View *y, float *sums, const Sizes *n, int threads) {
    int64_t failed = 0, heads = n->H / n->G;
#pragma omp parallel num_threads(threads) reduction(+ : failed)
    {
        float *room = malloc(room_for(*n) * sizeof *room);
        failed += !room;
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < n->B * heads; task++)
            if (room) attend_one(q, k, v, y, sums, *n, task / heads, task % heads, room);
        free(room);
    }
    return failed;
}

/* The gradients by q, k and v from the one by y; what is returned is as above. */
int64_t gradients(const View *q, const View *k, const View *v, const View *y, const float *sums, const View *by_y,
                  const View *by_q, const View *by_k, const View *by_v, const Sizes *n, int threads) {
    int64_t failed = 0, heads = n->H / n->G;
#pragma omp parallel num_threads(threads) reduction(+ : failed)
    {
        float *room = malloc(room_for(*n) * sizeof *room);
        failed += !room;
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < n->B * heads; task++)
            if (room)
                gradients_one(q, k, v, y, sums, by_y, by_q, by_k, by_v, *n, task / heads, task % heads, room);
        free(room);
    }
    return failed;
}
