/* The decode step of GPT-2 and Llama on a CPU: N tokens through all blocks, each weight read once from memory.
 *
 * The models are minigpt/models/gpt2.py and llama.py; every number that a learner may want to change is there, and
 * choose.py compares. Here stand the same organs, each one function: norm, linear, rope, attention, activation.
 * Weights stay where torch has them, in their own dtype; all arithmetic is float32. native.py fills the structures.
 *
 * N tokens, C channels, H heads, D head size, S cache slots. A matrix lies (out, in), or (in, out) as in GPT-2 files.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exponential.h"
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#define omp_get_num_threads() 1
#endif
#ifdef __F16C__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8 /* of a vector register of AVX2; on others the compiler takes two */
#endif
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef uint32_t ints __attribute__((vector_size(4 * LANES)));
typedef _Float16 halves __attribute__((vector_size(2 * LANES)));
typedef uint16_t shorts __attribute__((vector_size(2 * LANES)));
typedef int8_t bytes __attribute__((vector_size(LANES)));
#ifdef __clang__
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif

enum { F32, F16, BF16, I8 };
enum { GELU, SILU };
/* rows at a time, and how much of each: what fits into the cache; FEW tokens, for which rows are read in passing, and
 * MANY, for which they are copied first */
enum { UP = 8, DEEP = 16, TALL = 384, WIDE = 768, LONG = 1024, FEW = 3, MANY = 20 };
enum { GAP = 16 }; /* numbers between two rows: a multiple of 4 KB apart they would evict each other from the cache */

typedef struct { const void *weight, *bias; int64_t type, n; float eps; } Norm; /* without a bias an RMSNorm */
typedef struct {
    const void *weight, *bias;
    const float *scale; /* int8: one factor for each output */
    int64_t type, bias_type, n_in, n_out, by_input;
} Linear;
typedef struct {
    Norm ln_1, ln_2, q_norm, k_norm;
    Linear qkv[3], proj, fc, gate, down; /* GPT-2 has q, k and v in one matrix, Llama in three */
    int64_t window;
    float score_scale;
} Block;
typedef struct {
    int64_t n_layer, n_embd, n_head, n_kv_head, head_dim, n_inner, activation;
    Norm ln_f;
    Block *blocks;
} Model;
typedef struct { void *k, *v; int64_t type, layer, row, head, slot; } Cache; /* (L, B, H, S, D) and its strides */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t size_of(int64_t type) { return type == F32 ? 4 : type == I8 ? 1 : 2; }

/* n numbers of any type as float32: themselves, or converted into `room`. */
static const float *floats(const void *from, int64_t type, int64_t n, float *restrict room) {
    if (type == F32) return from;
    const uint16_t *half = from;
    const int8_t *byte = from;
    int64_t i = 0;
    if (type == F16) {
#ifdef __F16C__
        for (; i + 8 <= n; i += 8)
            _mm256_storeu_ps(room + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(half + i))));
#endif
        for (; i < n; i++) room[i] = ((const _Float16 *)from)[i];
    } else if (type == BF16) {
        for (; i < n; i++) room[i] = widened(half[i]);
    } else {
        for (; i < n; i++) room[i] = byte[i];
    }
    return room;
}

/* LANES numbers of any type from place i on as float32, in one register. */
INLINE vec load(const void *from, int64_t i, int64_t type) {
    vec numbers;
    const void *at = (const char *)from + i * size_of(type);
    if (type == F32) {
        memcpy(&numbers, at, sizeof numbers);
#ifdef __AVX512F__
    } else if (type == F16) {
        numbers = (vec)_mm512_cvtph_ps(_mm256_loadu_si256(at));
    } else if (type == BF16) {
        numbers = (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(at)), 16);
    } else {
        numbers = (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(at)));
    }
#elif defined __AVX2__
    } else if (type == F16) {
        numbers = (vec)_mm256_cvtph_ps(_mm_loadu_si128(at));
    } else if (type == BF16) {
        numbers = (vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(at)), 16);
    } else {
        numbers = (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(at)));
    }
#else
    } else if (type == F16) {
        halves h;
        memcpy(&h, at, sizeof h);
        numbers = __builtin_convertvector(h, vec);
    } else if (type == BF16) {
        shorts h;
        memcpy(&h, at, sizeof h);
        numbers = (vec)(__builtin_convertvector(h, ints) << 16);
    } else {
        bytes b;
        memcpy(&b, at, sizeof b);
        numbers = __builtin_convertvector(b, vec);
    }
#endif
    return numbers;
}

/* n float32 numbers into the type of the cache, rounded to the nearest, halves to even. */
static void store(void *to, int64_t type, int64_t n, const float *from) {
    if (type == F32) memcpy(to, from, 4 * n);
    for (int64_t i = 0; type == F16 && i < n; i++) ((_Float16 *)to)[i] = from[i];
    for (int64_t i = 0; type == BF16 && i < n; i++) ((bfloat *)to)[i] = narrowed(from[i]);
}

/* y += a[0] w[0] + … + a[7] w[7], for vectors w[k] of n numbers. */
static inline void add_rows(float *restrict y, const float a[UP], const float *const w[UP], int64_t n) {
    const float *w0 = w[0], *w1 = w[1], *w2 = w[2], *w3 = w[3], *w4 = w[4], *w5 = w[5], *w6 = w[6], *w7 = w[7];
    for (int64_t j = 0; j < n; j++)
        y[j] += a[0] * w0[j] + a[1] * w1[j] + a[2] * w2[j] + a[3] * w3[j]
              + a[4] * w4[j] + a[5] * w5[j] + a[6] * w6[j] + a[7] * w7[j];
}

/* s[k] = x · w[k]. */
static inline void dot_rows(float s[4], const float *x, const float *const w[4], int64_t n) {
    const float *w0 = w[0], *w1 = w[1], *w2 = w[2], *w3 = w[3];
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int64_t i = 0; i < n; i++) {
        s0 += x[i] * w0[i];
        s1 += x[i] * w1[i];
        s2 += x[i] * w2[i];
        s3 += x[i] * w3[i];
    }
    s[0] = s0, s[1] = s1, s[2] = s2, s[3] = s3;
}

/* A few tokens and the inputs from `first` to `last` of a matrix that lies (in, out): y += x[i] times row i. Each of UP
 * rows runs through its own part of them: long streams, which the memory foresees. */
static void few_by_input(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, int64_t first,
                         int64_t last) {
    float room[UP][WIDE + GAP];
    int64_t part = (last - first + UP - 1) / UP, most = n == 1 && l->type == F32 ? l->n_out : WIDE;
    for (int64_t j = 0, wide; j < l->n_out; j += wide) {
        wide = least(most, l->n_out - j);
        for (int64_t i = first; i < first + part; i++) {
            const float *w[UP];
            for (int k = 0; k < UP; k++) { /* past the last row the first again, times 0 */
                int64_t place = (i + k * part < last ? i + k * part : first) * l->n_out + j;
                w[k] = floats((const char *)l->weight + place * size_of(l->type), l->type, wide, room[k]);
            }
            for (int64_t t = 0; t < n; t++) {
                float a[UP];
                for (int k = 0; k < UP; k++) a[k] = i + k * part < last ? x[t * l->n_in + i + k * part] : 0;
                add_rows(y + t * stride + j, a, w, wide);
            }
        }
    }
}

/* Two registers of outputs for n tokens: y[t] += x[t][0] w[0] + x[t][1] w[1] + …, `rows` of them, from place j on. */
INLINE void columns(const float *const *w, int64_t rows, int64_t j, const float *x, int64_t n_in, float *y,
                    int64_t stride, int n) {
    vec sum[6][2];
    for (int t = 0; t < n; t++)
        for (int v = 0; v < 2; v++) sum[t][v] = load(y + t * stride, v * LANES, F32);
    for (int64_t k = 0; k < rows; k++) {
        vec left = load(w[k], j, F32), right = load(w[k], j + LANES, F32);
        for (int t = 0; t < n; t++) sum[t][0] += x[t * n_in + k] * left, sum[t][1] += x[t * n_in + k] * right;
    }
    for (int t = 0; t < n; t++)
        for (int v = 0; v < 2; v++) memcpy(y + t * stride + v * LANES, &sum[t][v], sizeof(vec));
}

/* The same for any number of tokens: at once as many as leave their sums in registers. */
static void all_columns(const float *const *w, int64_t rows, int64_t j, const float *x, int64_t n_in, float *y,
                        int64_t stride, int64_t n) {
    for (int64_t left = n, few; left; left -= few, x += few * n_in, y += few * stride) {
        few = left > 8 || left == 6 ? 6 : left > 3 ? 4 : 1;
        switch (few) {
        case 6: columns(w, rows, j, x, n_in, y, stride, 6); break;
        case 4: columns(w, rows, j, x, n_in, y, stride, 4); break;
        case 1: columns(w, rows, j, x, n_in, y, stride, 1); break;
        }
    }
}

/* n tokens and `rows` inputs from i on, of the outputs from `start` to `end`; what will be read next is asked for. */
static void strip(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, int64_t i, int64_t rows,
                  int64_t start, int64_t end) {
    float room[DEEP][WIDE + GAP];
    const float *w[DEEP];
    int64_t size = size_of(l->type), j = 0, line = 0, n_lines = (end - start) * size / 64;
    const char *at = (const char *)l->weight + (i * l->n_out + start) * size, *ahead = at + DEEP * l->n_out * size;
    for (int64_t k = 0; k < rows; k++) w[k] = floats(at + k * l->n_out * size, l->type, end - start, room[k]);
    x += i, y += start;
    for (; j + 2 * LANES <= end - start; j += 2 * LANES) {
        for (int k = 0; k < DEEP && n_lines; k++, line++) {
            if (line == n_lines) line = 0, ahead += l->n_out * size;
            __builtin_prefetch(ahead + 64 * line, 0, 1);
        }
        all_columns(w, rows, j, x, l->n_in, y + j, stride, n);
    }
    for (; j < end - start; j++) /* what is left over */
        for (int64_t t = 0; t < n; t++)
            for (int64_t k = 0; k < rows; k++) y[t * stride + j] += x[t * l->n_in + k] * w[k][j];
}

/* Two rows exchange blocks of `step` numbers: the first keeps its even ones and gets those of the second. */
#define EVEN(i, step) ((i) & (step) ? LANES + (i) - (step) : (i))
#define ODD(i, step) ((i) & (step) ? LANES + (i) : (i) + (step))
#define EIGHT(of, i, step) of(i, step), of(i + 1, step), of(i + 2, step), of(i + 3, step), of(i + 4, step), \
    of(i + 5, step), of(i + 6, step), of(i + 7, step)
#if LANES == 16
#define ALL(of, step) EIGHT(of, 0, step), EIGHT(of, 8, step)
#else
#define ALL(of, step) EIGHT(of, 0, step)
#endif
#define EXCHANGE(step)                                        \
    for (int k = 0; k < LANES; k++)                           \
        if (!(k & (step))) {                                  \
            vec a = r[k], b = r[k + (step)];                  \
            r[k] = PICK(a, b, ALL(EVEN, step));               \
            r[k + (step)] = PICK(a, b, ALL(ODD, step));       \
        }

/* Rows become columns. */
INLINE void turn(vec r[LANES]) {
#if LANES == 16
    EXCHANGE(8)
#endif
    EXCHANGE(4)
    EXCHANGE(2)
    EXCHANGE(1)
}

/* Two registers of outputs from j on, of `rows` inputs from i on, an input after the other; and the outputs beside
 * them, which will be read next, are asked for. */
INLINE void pack(float block[][2 * LANES], const Linear *l, int64_t i, int64_t rows, int64_t j) {
    int64_t n_in = l->n_in, n_out = l->n_out, size = size_of(l->type), k = 0;
    if (l->by_input) {
        const char *at = (const char *)l->weight + (i * n_out + j) * size;
        for (; k < rows; k++, at += n_out * size) {
            vec left = load(at, 0, l->type), right = load(at, LANES, l->type);
            memcpy(block[k], &left, sizeof left), memcpy(block[k] + LANES, &right, sizeof right);
            __builtin_prefetch(at + 2 * LANES * size, 0, 3);
        }
        return;
    }
    for (int o = 0; o < 2 * LANES; o += LANES) {
        const char *at = (const char *)l->weight + ((j + o) * n_in + i) * size;
        for (k = 0; k + LANES <= rows; k += LANES) {
            vec r[LANES];
            for (int row = 0; row < LANES; row++) {
                r[row] = load(at, row * n_in + k, l->type);
                if (k % 16 == 0) __builtin_prefetch(at + ((row + 2 * LANES) * n_in + k) * size, 0, 1);
            }
            turn(r);
            for (int row = 0; row < LANES; row++) memcpy(block[k + row] + o, &r[row], sizeof(vec));
        }
        for (float room; k < rows; k++) /* what is left over */
            for (int row = 0; row < LANES; row++)
                block[k][o + row] = *floats(at + (row * n_in + k) * size, l->type, 1, &room);
    }
}

/* Many tokens, the outputs from `start` on; returns the first that is left over. However the matrix lies, a piece of it
 * is copied so that all tokens find it near. */
static int64_t many(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, int64_t start, int64_t end) {
    float block[TALL][2 * LANES];
    const float *w[TALL];
    for (int64_t k = 0; k < TALL; k++) w[k] = block[k];
    for (int64_t t = 0; t < n; t++) memset(y + t * stride + start, 0, 4 * (end - start));
    end -= (end - start) % (2 * LANES);
    for (int64_t i = 0, rows; i < l->n_in; i += rows) {
        rows = least(TALL, l->n_in - i);
        for (int64_t j = start; j < end; j += 2 * LANES) {
            pack(block, l, i, rows, j);
            all_columns(w, rows, 0, x + i, l->n_in, y + j, stride, n);
        }
    }
    return end;
}

/* Inputs from `first` to `last` of a matrix that lies (in, out), in strips: the sums of many tokens fit into the cache
 * for some of the outputs only. */
static void strips(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, int64_t first, int64_t last,
                   int64_t start, int64_t end) {
    for (int64_t j = start; j < end; j += WIDE)
        for (int64_t i = first; i < last; i += DEEP)
            strip(l, x, y, stride, n, i, least(DEEP, last - i), j, least(j + WIDE, end));
}

static void linear_by_input(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, int64_t first,
                            int64_t last) {
    for (int64_t t = 0; t < n; t++) memset(y + t * stride, 0, 4 * l->n_out);
    if (n <= FEW) few_by_input(l, x, y, stride, n, first, last);
    else strips(l, x, y, stride, n, first, last, 0, l->n_out);
}

/* Four rows of a matrix that lies (out, in), `step` rows apart, times n tokens: one sum for each pair of them. */
INLINE void tile(const char *w, int64_t type, int64_t n_in, int64_t step, const float *x, float *y, int64_t stride,
                 int n) {
    const char *row[4];
    vec sum[3][4] = {0};
    int64_t i = 0;
    for (int k = 0; k < 4; k++) row[k] = w + k * step * n_in * size_of(type);
    for (; i + LANES <= n_in; i += LANES)
        for (int k = 0; k < 4; k++) {
            vec numbers = load(row[k], i, type);
            for (int t = 0; t < n; t++) sum[t][k] += numbers * load(x + t * n_in, i, F32);
        }
    for (int t = 0; t < n; t++)
        for (int k = 0; k < 4; k++) {
            float s = 0, room;
            for (int lane = 0; lane < LANES; lane++) s += sum[t][k][lane];
            for (int64_t j = i; j < n_in; j++) /* what is left over */
                s += *floats(row[k] + j * size_of(type), type, 1, &room) * x[t * n_in + j];
            y[t * stride + k * step] = s;
        }
}

/* Each of the four rows runs through its own quarter of the outputs: four long streams, which the memory foresees. */
INLINE void tiles(const Linear *l, int64_t type, const float *x, float *y, int64_t stride, int64_t n, int64_t start,
                  int64_t end) {
    int64_t quarter = (end - start) / 4;
    for (int64_t j = start; j < end; j++) {
        if (j == start + quarter) j += 3 * quarter; /* the last few, which are no quarters, each by itself */
        if (j == end) break;
        const char *w = (const char *)l->weight + j * l->n_in * size_of(type);
        int64_t step = j < start + quarter ? quarter : 0, left = n;
        const float *from = x;
        float *to = y + j;
        for (; left > 2; left -= 3, from += 3 * l->n_in, to += 3 * stride)
            tile(w, type, l->n_in, step, from, to, stride, 3);
        if (left == 2) tile(w, type, l->n_in, step, from, to, stride, 2);
        if (left == 1) tile(w, type, l->n_in, step, from, to, stride, 1);
    }
}

static void linear_by_output(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, int64_t start,
                             int64_t end) {
    switch (l->type) { /* so that each has its own loop, without a question inside it */
    case F32: tiles(l, F32, x, y, stride, n, start, end); break;
    case F16: tiles(l, F16, x, y, stride, n, start, end); break;
    case BF16: tiles(l, BF16, x, y, stride, n, start, end); break;
    case I8: tiles(l, I8, x, y, stride, n, start, end); break;
    }
}

/* How many numbers the sums of all threads take, for n tokens and up to n_out outputs; many tokens need none. */
static int64_t sums_of(int64_t n, int64_t n_out, int threads) { return n < MANY ? threads * n * (n_out + GAP) : 0; }

/* y = x Wᵀ + b: (N, in) -> (N, out), `stride` numbers from one row of y to the next. Each thread has its outputs, or
 * its inputs where the matrix lies (in, out) and there are not many tokens: what they come to is then added up, in
 * `sums`. */
static void linear_into(const Linear *l, const float *x, float *y, int64_t stride, int64_t n, float *sums,
                        int threads) {
    int few = l->n_in * l->n_out * n < 1 << 15;
#pragma omp parallel num_threads(few ? 1 : threads)
    {
        int64_t me = omp_get_thread_num(), all = omp_get_num_threads();
        int64_t share = (l->n_out / all + 16) & ~15; /* whole cache lines */
        int64_t start = least(l->n_out, share * me), end = least(l->n_out, start + share);
        if (n >= MANY) {
            int64_t left = many(l, x, y, stride, n, start, end);
            if (l->by_input) strips(l, x, y, stride, n, 0, l->n_in, left, end);
            else linear_by_output(l, x, y, stride, n, left, end);
        } else if (l->by_input) {
            int64_t row = l->n_out + GAP;
            linear_by_input(l, x, sums + me * n * row, row, n, l->n_in * me / all, l->n_in * (me + 1) / all);
#pragma omp barrier
            for (int64_t t = 0; t < n; t++) {
                memcpy(y + t * stride + start, sums + t * row + start, 4 * (end - start));
                for (int64_t part = 1; part < all; part++)
                    for (int64_t i = start; i < end; i++) y[t * stride + i] += sums[(part * n + t) * row + i];
            }
        } else {
            linear_by_output(l, x, y, stride, n, start, end);
        }
        float room[WIDE];
        for (int64_t j = start, wide; j < end; j += wide) {
            wide = least(WIDE, end - j);
            const float *bias = 0;
            if (l->bias) bias = floats((const char *)l->bias + j * size_of(l->bias_type), l->bias_type, wide, room);
            for (int64_t t = 0; t < n; t++)
                for (int64_t i = j; i < j + wide; i++)
                    y[t * stride + i] = y[t * stride + i] * (l->scale ? l->scale[i] : 1) + (bias ? bias[i - j] : 0);
        }
    }
}

/* GELU in its tanh form, x (1 + tanh u) / 2, is x sigmoid(2u); SiLU is x sigmoid(x). */
static void activation(float *x, int64_t n, int64_t kind) {
    for (int64_t i = 0; i < n; i++) {
        float u = kind == GELU ? 1.5957691216f * (x[i] + 0.044715f * x[i] * x[i] * x[i]) : x[i];
        x[i] /= 1 + exponential(-u);
    }
}

/* Each of the `times` vectors to mean 0 (LayerNorm only) and square mean 1, then scaled and shifted. */
static void norm(const Norm *l, const float *x, float *y, int64_t times) {
    float room[2][LONG];
    for (int64_t t = 0; t < times; t++, x += l->n, y += l->n) {
        float mean = 0, variance = 0;
        for (int64_t i = 0; l->bias && i < l->n; i++) mean += x[i];
        mean /= l->n;
        for (int64_t i = 0; i < l->n; i++) variance += (x[i] - mean) * (x[i] - mean);
        float factor = 1 / sqrtf(variance / l->n + l->eps);
        for (int64_t j = 0, len; j < l->n; j += len) {
            len = least(LONG, l->n - j);
            const float *scale = floats((const char *)l->weight + j * size_of(l->type), l->type, len, room[0]);
            const float *shift = 0;
            if (l->bias) shift = floats((const char *)l->bias + j * size_of(l->type), l->type, len, room[1]);
            for (int64_t i = 0; i < len; i++) y[j + i] = (x[j + i] - mean) * factor * scale[i] + (shift ? shift[i] : 0);
        }
    }
}

/* Rotates each pair (x[i], x[i + D/2]) of a head by its angle. */
static void rope(float *x, const float *cos, const float *sin, int64_t half) {
    for (int64_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cos[i] - b * sin[i];
        x[i + half] = b * cos[i] + a * sin[i];
    }
}

/* softmax(q · k / sqrt(D)) v of one query over the slots from `first` to its own; `weights` has room for as many. */
static void attention(const float *q, const char *k, const char *v, const Cache *c, int64_t first, int64_t last,
                      int64_t dim, float scale, float *weights, float *y) {
    int64_t size = size_of(c->type), n = last - first + 1;
    float room[UP][dim], most = -INFINITY, sum = 0;
    const float *w[UP];
    for (int64_t s = 0; s < n; s += 4) {
        for (int64_t i = 0; i < 4; i++)
            w[i] = floats(k + (first + least(s + i, n - 1)) * c->slot * size, c->type, dim, room[i]);
        dot_rows(weights + s, q, w, dim);
    }
    for (int64_t s = 0; s < n; s++) most = weights[s] > most ? weights[s] : most;
    for (int64_t s = 0; s < n; s++) weights[s] = exponential((weights[s] - most) * scale);
    for (int64_t s = 0; s < n; s++) sum += weights[s];
    for (int64_t s = n; s < n + UP; s++) weights[s] = 0;
    memset(y, 0, 4 * dim);
    for (int64_t s = 0; s < n; s += UP) {
        for (int64_t i = 0; i < UP; i++)
            w[i] = floats(v + (first + least(s + i, n - 1)) * c->slot * size, c->type, dim, room[i]);
        add_rows(y, weights + s, w, dim);
    }
    for (int64_t i = 0; i < dim; i++) y[i] /= sum;
}

/* x (N, C) through all blocks and the last norm, in its place. Token t stands in row[t] at pos[t]; the angles are
 * (N, D/2) in a Llama and absent in a GPT-2. Returns 0, or 1 where a position is not in the cache of n_slots, or 2
 * where there is no memory. */
int hidden(const Model *m, const Cache *cache, const int64_t *row, const int64_t *pos, const float *cos,
           const float *sin, float *x, int64_t n, int64_t n_slots, int threads) {
    int64_t C = m->n_embd, D = m->head_dim, H = m->n_head, HKV = m->n_kv_head, Q = (H + 2 * HKV) * D;
    int64_t spare = n_slots + 2 * UP, size = size_of(cache->type), widest = Q > m->n_inner ? Q : m->n_inner;
    int64_t shared = threads * spare + sums_of(n, C > widest ? C : widest, threads);
    for (int64_t t = 0; t < n; t++)
        if (pos[t] < 0 || pos[t] >= n_slots) return 1;
    float *h = malloc(sizeof(float) * (n * (C + Q + H * D + 2 * m->n_inner) + shared));
    if (!h) return 2;
    float *qkv = h + n * C, *y = qkv + n * Q, *inner = y + n * H * D, *gate = inner + n * m->n_inner;
    float *weights = gate + n * m->n_inner, *sums = weights + threads * spare;
    for (int64_t i = 0; i < m->n_layer; i++) {
        const Block *block = m->blocks + i;
        char *keys = (char *)cache->k + i * cache->layer * size, *values = (char *)cache->v + i * cache->layer * size;
        norm(&block->ln_1, x, h, n);
        for (int64_t part = 0, at = 0; part < 3 && block->qkv[part].weight; at += block->qkv[part++].n_out)
            linear_into(&block->qkv[part], h, qkv + at, Q, n, sums, threads);
        for (int64_t t = 0; t < n; t++) {
            float *q = qkv + t * Q, *k = q + H * D, *v = k + HKV * D;
            if (block->q_norm.weight) norm(&block->q_norm, q, q, H), norm(&block->k_norm, k, k, HKV);
            for (int64_t j = 0; cos && j < H + HKV; j++) rope(q + j * D, cos + t * (D / 2), sin + t * (D / 2), D / 2);
            for (int64_t j = 0; j < HKV; j++) {
                int64_t place = (row[t] * cache->row + j * cache->head + pos[t] * cache->slot) * size;
                store(keys + place, cache->type, D, k + j * D);
                store(values + place, cache->type, D, v + j * D);
            }
        }
#pragma omp parallel for num_threads(n * H > 1 && n * H * n_slots * D > 1 << 14 ? threads : 1)
        for (int64_t job = 0; job < n * H; job++) {
            int64_t t = job / H, j = job % H, place = (row[t] * cache->row + j / (H / HKV) * cache->head) * size;
            int64_t first = block->window && pos[t] >= block->window ? pos[t] - block->window + 1 : 0;
            attention(qkv + t * Q + j * D, keys + place, values + place, cache, first, pos[t], D, block->score_scale,
                      weights + omp_get_thread_num() * spare, y + (t * H + j) * D);
        }
        linear_into(&block->proj, y, h, C, n, sums, threads);
        for (int64_t j = 0; j < n * C; j++) x[j] += h[j];
        norm(&block->ln_2, x, h, n);
        linear_into(&block->fc, h, inner, m->n_inner, n, sums, threads);
        if (block->gate.weight) {
            linear_into(&block->gate, h, gate, m->n_inner, n, sums, threads);
            activation(gate, n * m->n_inner, m->activation);
            for (int64_t j = 0; j < n * m->n_inner; j++) inner[j] *= gate[j];
        } else {
            activation(inner, n * m->n_inner, m->activation);
        }
        linear_into(&block->down, inner, h, C, n, sums, threads);
        for (int64_t j = 0; j < n * C; j++) x[j] += h[j];
    }
    norm(&m->ln_f, x, x, n);
    free(h);
    return 0;
}

/* Logits (N, V) of the vectors x (N, C). Returns 0, or 2 where there is no memory. */
int unembed(const Linear *head, const float *x, float *logits, int64_t n, int threads) {
    float *sums = head->by_input ? malloc(sizeof(float) * (1 + sums_of(n, head->n_out, threads))) : 0;
    if (head->by_input && !sums) return 2;
    linear_into(head, x, logits, head->n_out, n, sums, threads);
    free(sums);
    return 0;
}
