/* The race of race.py on a CPU: what sampling.sample draws with temperature and top-p alone, row by row.
 *
 * Where rounding could decide, the row is not decided here. B rows, V vocabulary.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exponential.h"

#define GOLDEN 0x9E3779B97F4A7C15u
#define LUCKY (UINT64_MAX - (1ull << 58) + 1) /* one token in 64 has a number from here up, */
#define LUCKY_WAIT 0.015748356968139168      /* and waits, at p = 1, no longer than this */
#define CLOSE 1e-4f                          /* nearer to p than this, rounding could decide */
enum { N_FIRST = 8 };                        /* with top-p: so many arrivals are looked at until one stays */
enum { SIDE = 16 };                          /* scores that are compared side by side */

typedef struct { int64_t token; double rate; } Arrival; /* rate is p / -log(number), of the best token p is 1 */

/* noise.splitmix64 but for its last step, which leaves the leading 31 bits as they are. */
static inline uint64_t scrambled(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    return (x ^ x >> 27) * 0x94D049BB133111EBu;
}

/* The random bits of a token. */
static inline uint64_t bits_of(uint64_t start, int64_t token) { return scrambled(start + (token + 1) * GOLDEN); }

static Arrival arrival(int64_t token, uint64_t bits, double score, double top) {
    double number = ((bits ^ bits >> 31) >> 11) * 0x1p-53 + 0x1p-54;
    return (Arrival){token, exp(score - top) / -log(number)};
}

/* Puts one more into the n first, the earliest in front. */
static void arrive(Arrival *first, int64_t n, Arrival one) {
    int64_t i = n;
    for (; i > 0 && first[i - 1].rate < one.rate; i--)
        if (i < n) first[i] = first[i - 1];
    if (i < n) first[i] = one;
}

/* The n tokens that arrive first: the lucky ones, and those so likely that they may come before the n-th of these. */
static void race(const float *scores, int64_t n_vocab, uint64_t start, double top, Arrival *first, int64_t n) {
    for (int64_t i = 0; i < n; i++) first[i] = (Arrival){-1, -1};
    for (int64_t i = 0; i < n_vocab; i++) {
        uint64_t bits = bits_of(start, i);
        if (bits >= LUCKY) arrive(first, n, arrival(i, bits, scores[i], top));
    }
    double nth = first[n - 1].rate, least = nth > 0 ? top + log(nth * LUCKY_WAIT) : -INFINITY;
    least -= 1e-6 * (1 + fabs(top) + fabs(least));
    for (int64_t i = 0; i < n_vocab; i++)
        if (scores[i] >= least) {
            uint64_t bits = bits_of(start, i);
            if (bits < LUCKY) arrive(first, n, arrival(i, bits, scores[i], top));
        }
}

/* The highest score; several at a time, since each comparison in a row waits for the one before. */
static float highest(const float *scores, int64_t n) {
    float most[SIDE], top = -INFINITY;
    int64_t i = 0;
    for (int k = 0; k < SIDE; k++) most[k] = -INFINITY;
    for (; i + SIDE <= n; i += SIDE)
        for (int k = 0; k < SIDE; k++) most[k] = scores[i + k] > most[k] ? scores[i + k] : most[k];
    for (; i < n; i++) top = scores[i] > top ? scores[i] : top;
    for (int k = 0; k < SIDE; k++) top = most[k] > top ? most[k] : top;
    return top;
}

/* The sum of all weights above a limit, or from it up. */
static float above(const float *weights, int64_t n, float limit) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += weights[i] >= limit ? weights[i] : 0;
    return sum;
}

/* The first of the arrivals that top-p keeps; -1 where that is not certain. The weights are proportional to p. */
static int64_t first_kept(const float *weights, int64_t n_vocab, const Arrival *first, float p) {
    float total = above(weights, n_vocab, 0);
    for (int64_t i = 0; i < N_FIRST && first[i].token >= 0; i++) {
        float weight = weights[first[i].token];
        if (above(weights, n_vocab, weight * (1 - CLOSE)) - weight < (p - CLOSE) * total) return first[i].token;
        if (above(weights, n_vocab, weight * (1 + CLOSE)) < (p + CLOSE) * total) return -1;
    }
    return -1;
}

/* The winners (B,) of logits (B, V); how many rows were decided, from the first on. */
int64_t winners(const float *logits, int64_t n_rows, int64_t n_vocab, const int64_t *keys, const int64_t *steps,
                double temperature, double p, int64_t *found) {
    float *scores = malloc(n_vocab * 2 * sizeof(float));
    if (!scores) return 0;
    float *weights = scores + n_vocab;
    int64_t row = 0;
    for (; row < n_rows; row++, logits += n_vocab) {
        Arrival first[N_FIRST];
        uint64_t start = scrambled(keys[row] + steps[row] * GOLDEN);
        for (int64_t i = 0; i < n_vocab; i++) scores[i] = logits[i] / (float)temperature;
        float top = highest(scores, n_vocab);
        race(scores, n_vocab, start ^ start >> 31, top, first, p < 1 ? N_FIRST : 1);
        found[row] = first[0].token;
        if (p < 1) {
            for (int64_t i = 0; i < n_vocab; i++) weights[i] = exponential(scores[i] - top);
            found[row] = first_kept(weights, n_vocab, first, p);
        }
        if (found[row] < 0) break;
    }
    free(scores);
    return row;
}
