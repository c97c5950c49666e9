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

#define ERRORS(name, number, to_float, from_float)                                                           \
    void name(number *logits, const int64_t *targets, float *nats, int64_t rows, int64_t V, int threads) {       \
        _Pragma("omp parallel for num_threads(threads)") for (int64_t row = 0; row < rows; row++) {          \
            number *own = logits + row * V, *target = own + targets[row];                                     \
            int32_t place = INT32_MIN;                                                                        \
            for (int64_t v = 0; v < V; v++)                                                                   \
                place = ordered(to_float(own[v])) > place ? ordered(to_float(own[v])) : place;                \
            float largest = back(place), sum = 0, p;                                                          \
            volatile float below = to_float(*target) - largest; /* volatile: subtracted first, or digits are lost */ \
            for (int64_t v = 0; v < V; v++) sum += exponential(to_float(own[v]) - largest);                   \
            nats[row] = logf(sum) - below;                                                                    \
            p = exponential(below) / sum;                                                                     \
            for (int64_t v = 0; v < V; v++) own[v] = from_float(exponential(to_float(own[v]) - largest) / sum); \
            *target = from_float(p - 1);                                                                      \
        }                                                                                                     \
    }

#define SAME(x) (x)
ERRORS(errors, float, SAME, SAME)
ERRORS(errors_bfloat16, bfloat, widened, narrowed)
