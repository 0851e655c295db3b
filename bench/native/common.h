// What the worker and the load generator share: time, buffers that grow, and reading the head of an HTTP message.
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
// A head longer than this is refused.
#define MAX_HEAD 32768

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

// Nanoseconds of the clock that all processes of a machine share.
static inline uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

// Bytes that are appended at the end and taken from the front.
struct buffer {
  char *bytes;
  size_t length, capacity;
};

static inline void reserve(struct buffer *buffer, size_t more) {
  size_t wanted = buffer->length + more;
  if (wanted <= buffer->capacity) return;
  size_t capacity = buffer->capacity ? buffer->capacity : 4096;
  while (capacity < wanted) capacity *= 2;
  char *bytes = realloc(buffer->bytes, capacity);
  if (bytes == NULL) die("out of memory");
  buffer->bytes = bytes;
  buffer->capacity = capacity;
}

static inline void append(struct buffer *buffer, const void *bytes, size_t length) {
  if (length == 0) return;
  reserve(buffer, length);
  memcpy(buffer->bytes + buffer->length, bytes, length);
  buffer->length += length;
}

static inline void take(struct buffer *buffer, size_t length) {
  buffer->length -= length;
  if (buffer->length > 0) memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

static inline void release(struct buffer *buffer) {
  free(buffer->bytes);
  *buffer = (struct buffer){0};
}

// What the head of a message says about its body and its connection.
struct head {
  size_t length;          // of the head, its empty line included
  int64_t content_length; // -1: not said
  bool chunked, close, wants_continue;
};

static inline bool same(const char *text, size_t length, const char *word) {
  return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

// Whether a comma-separated value has the word in it.
static inline bool lists(const char *value, size_t length, const char *word) {
  size_t wanted = strlen(word);
  for (size_t i = 0; i + wanted <= length; i++) {
    bool begins = i == 0 || value[i - 1] == ' ' || value[i - 1] == ',';
    bool ends = i + wanted == length || value[i + wanted] == ' ' || value[i + wanted] == ',' || value[i + wanted] == ';';
    if (begins && ends && strncasecmp(value + i, word, wanted) == 0) return true;
  }
  return false;
}

// Decimal digits and nothing else; -1 otherwise.
static inline int64_t decimal(const char *text, size_t length) {
  int64_t value = 0;
  if (length == 0 || length > 15) return -1;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// Where the empty line after the head ends; 0 when it has not come. `seen` bytes were looked at before.
static inline size_t head_end(const char *bytes, size_t length, size_t seen) {
  size_t from = seen > 3 ? seen - 3 : 0;
  if (length < from + 4) return 0;
  const char *end = memmem(bytes + from, length - from, "\r\n\r\n", 4);
  return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

// Reads the header lines of a whole head. False when they make no sense.
static inline bool read_head(const char *bytes, size_t length, struct head *head) {
  *head = (struct head){.length = length, .content_length = -1};
  const char *end = bytes + length - 2;
  const char *line = memmem(bytes, length, "\r\n", 2);
  if (line == NULL) return false;
  for (line += 2; line < end;) {
    const char *stop = memmem(line, (size_t)(end - line) + 2, "\r\n", 2);
    if (stop == NULL) return false;
    const char *colon = memchr(line, ':', (size_t)(stop - line));
    if (colon == NULL || colon == line) return false;
    const char *value = colon + 1;
    while (value < stop && (*value == ' ' || *value == '\t')) value++;
    const char *tail = stop;
    while (tail > value && (tail[-1] == ' ' || tail[-1] == '\t')) tail--;
    size_t name = (size_t)(colon - line), size = (size_t)(tail - value);
    if (same(line, name, "content-length")) {
      int64_t told = decimal(value, size);
      if (told < 0 || (head->content_length >= 0 && head->content_length != told)) return false;
      head->content_length = told;
    } else if (same(line, name, "transfer-encoding")) {
      if (!same(value, size, "chunked")) return false;
      head->chunked = true;
    } else if (same(line, name, "connection")) {
      if (lists(value, size, "close")) head->close = true;
    } else if (same(line, name, "expect")) {
      if (same(value, size, "100-continue")) head->wants_continue = true;
    }
    line = stop + 2;
  }
  return !(head->chunked && head->content_length >= 0);
}

// The size at the start of a chunk. Returns the length of its line; 0 when the line is not whole, -1 when it is no size.
static inline int chunk_size(const char *bytes, size_t length, uint64_t *size) {
  const char *end = memchr(bytes, '\n', length);
  if (end == NULL) return length > 256 ? -1 : 0;
  uint64_t value = 0;
  const char *at = bytes;
  for (; at < end; at++) {
    int digit = *at >= '0' && *at <= '9' ? *at - '0' : (*at | 32) >= 'a' && (*at | 32) <= 'f' ? (*at | 32) - 'a' + 10 : -1;
    if (digit < 0) break;
    value = value << 4 | (uint64_t)digit;
    if (value > 1ull << 40) return -1;
  }
  // an extension of the chunk is let pass
  if (at == bytes || end[-1] != '\r' || (at != end - 1 && *at != ';' && *at != ' ')) return -1;
  *size = value;
  return (int)(end - bytes) + 1;
}

static inline void write_hex(char *to, uint64_t value) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 15; i >= 0; i--, value >>= 4) to[i] = digits[value & 15];
}

static inline void set_timer(int timer, uint64_t at) {
  struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / SECOND), .tv_nsec = (long)(at % SECOND)}};
  // zero would disarm it
  if (at == 0) when.it_value.tv_nsec = 1;
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

// As many files as the system lets this process have.
static inline void raise_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void no_delay(int socket) {
  int yes = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// The value of an option that must be a number.
static inline double number(const char *option, const char *text) {
  char *end;
  errno = 0;
  double value = strtod(text, &end);
  if (errno != 0 || end == text || *end != '\0' || value < 0) die("--%s: %s is no number", option, text);
  return value;
}

#endif
