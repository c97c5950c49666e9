/* The cross-entropy and its gradient by the logits, on a CPU: of each row -log softmax(logits)[target], while the logits
 * (rows, V) become softmax(logits), minus 1 at the target. In float32 and in bfloat16, computed in float32.
 * crossentropy.py calls and compares. */
#include "exponential.h"

/* A number whose order among integers is the float's among floats: compilers find the largest integer in vector code. */
static inline int32_t ordered(float x) {
    int32_t bits;
    memcpy(&bits, &x, 4);
    return bits ^ (bits >> 31 & 0x7fffffff);
}

static inline float back(int32_t place) {
    float x;
    place ^= place >> 31 & 0x7fffffff;
    memcpy(&x, &place, 4);
    return x;
}

/* Number v of a row in float32, or in bfloat16. */
static inline float get(const void *row, int64_t v, int half) {
    return half ? widened(((const bfloat *)row)[v]) : ((const float *)row)[v];
}

static inline void put(void *row, int64_t v, int half, float x) {
    if (half) ((bfloat *)row)[v] = narrowed(x);
    else ((float *)row)[v] = x;
}

/* One row; `half` is known where this is written out, so that no loop asks. */
static inline __attribute__((always_inline)) float one(void *row, int64_t target, int64_t V, int half) {
    int32_t place = INT32_MIN;
    for (int64_t v = 0; v < V; v++) {
        int32_t next = ordered(get(row, v, half));
        place = next > place ? next : place;
    }
    float largest = back(place), sum = 0;
    volatile float below = get(row, target, half) - largest; /* volatile: subtracted first, or digits are lost */
    for (int64_t v = 0; v < V; v++) sum += exponential(get(row, v, half) - largest);
    for (int64_t v = 0; v < V; v++) put(row, v, half, exponential(get(row, v, half) - largest) / sum);
    put(row, target, half, exponential(below) / sum - 1);
    return logf(sum) - below;
}

#define ALL _Pragma("omp parallel for num_threads(threads)") for (int64_t row = 0; row < rows; row++)

void errors(float *logits, const int64_t *targets, float *nats, int64_t rows, int64_t V, int threads) {
    ALL nats[row] = one(logits + row * V, targets[row], V, 0);
}

void errors_bfloat16(bfloat *logits, const int64_t *targets, float *nats, int64_t rows, int64_t V, int threads) {
    ALL nats[row] = one(logits + row * V, targets[row], V, 1);
}
