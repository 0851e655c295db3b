// Durations in buckets that are at most 0.8 % wide, whatever their size.
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define BUCKETS (128 * 58)

// Values are nanoseconds.
struct histogram {
  uint64_t count, sum, largest;
  uint32_t buckets[BUCKETS];
};

// 0 to 255 each have a bucket; above, each power of two has 128.
static inline unsigned bucket_of(uint64_t value) {
  if (value < 256) return (unsigned)value;
  unsigned shift = 56 - (unsigned)__builtin_clzll(value);
  return shift * 128 + (unsigned)(value >> shift);
}

// The middle of a bucket.
static inline double bucket_value(unsigned bucket) {
  if (bucket < 256) return bucket;
  unsigned shift = bucket / 128 - 1;
  return ((double)(bucket % 128 + 128) + 0.5) * (double)(1ull << shift);
}

static inline void record(struct histogram *histogram, uint64_t value) {
  unsigned bucket = bucket_of(value);
  histogram->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  histogram->count++;
  histogram->sum += value;
  if (value > histogram->largest) histogram->largest = value;
}

// The value below which that share of the values lie.
static inline double quantile(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->count), passed = 0;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
    passed += histogram->buckets[bucket];
    if (passed <= wanted) continue;
    double value = bucket_value(bucket);
    return value < (double)histogram->largest ? value : (double)histogram->largest;
  }
  return (double)histogram->largest;
}

// As an object of microseconds; null when it is empty.
static inline void print_histogram(const char *name, const struct histogram *histogram) {
  if (histogram->count == 0) {
    printf(",\"%s\":null", name);
    return;
  }
  printf(",\"%s\":{\"count\":%llu,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", name,
    (unsigned long long)histogram->count, (double)histogram->sum / (double)histogram->count / 1e3, quantile(histogram, 0.5) / 1e3,
    quantile(histogram, 0.9) / 1e3, quantile(histogram, 0.99) / 1e3, quantile(histogram, 0.999) / 1e3, (double)histogram->largest / 1e3);
}

#endif
