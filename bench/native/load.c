// A load generator that costs less than what it measures: one thread, keep-alive connections, every answer checked.
//
// load --port N --corpus FILE [--connections N] [--seconds S | --requests N] [--warmup S] [--rate R] [--events N] [--path PATH] [--timeout S] [--seed N]
//
// Closed loop: each connection sends its next request when it has its answer. With --rate, requests leave at random moments at
// that rate, on whichever connection is free, and their time counts from the moment they were due.
//
// The corpus has a request body a line; lines that follow each other are turns of one conversation, an empty line ends it. A run
// of 16 tildes is replaced each time a conversation is gone through again, alike in all its turns, so that no prompt comes twice;
// that of the field `user` is replaced with each request, and the answer must repeat it.
//
// Prints {"phase":"begin"} when the warm-up is over and {"phase":"end",…} with all figures; times are in microseconds.
#include "common.h"
#include "histogram.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <math.h>

#define MARK 16
// Bytes kept of an answer that is no stream.
#define KEPT 8192

enum error { CONNECT, CLOSED, STATUS, INCOMPLETE, FOREIGN, TIMEOUT, BROKEN, ERRORS };
static const char *const error_names[] = {"connect", "closed", "status", "incomplete", "foreign", "timeout", "broken"};

// One request of the corpus: its bytes, and where its marks stand.
struct turn {
  char *bytes;
  size_t length, mark_count, *marks;
  size_t user; // 0: there is none
};

struct conversation {
  size_t first, turns;
};

struct connection {
  int fd;
  enum { CONNECTING, IDLE, BUSY, WAITING } state;
  bool waits_to_write;
  struct buffer out;
  size_t sent;
  // what it says
  size_t conversation, turn;
  uint64_t instance, started;
  char id[MARK];
  // what it hears
  enum { HEAD, LENGTH, SIZE, DATA, DATA_END, TRAILER, REST } phase;
  struct buffer pending; // the head, or the line of a chunk, as far as it came
  struct head head;
  int status;
  uint64_t left;
  bool streams;
  struct buffer body; // of an answer that is no stream; the line of an event that is not whole
  char last;
  bool done, foreign, strange;
  int events;
  uint64_t previous_event;
};

static struct turn *turns;
static struct conversation *conversations;
static size_t turn_count, conversation_count;

static struct sockaddr_in address;
static const char *path = "/v1/chat/completions";
static int connection_count = 1, expected_events;
static double warmup, seconds = 1, rate, patience = 30;
static uint64_t request_limit, seed = 1;

static int loop, timer;
static struct connection *connections;
static size_t *idle, idle_count;
static uint64_t instances, launched, next_due, random_state;
static bool measuring, over;

static struct {
  uint64_t requests, events, bytes, errors[ERRORS];
  struct histogram latency, first, gap, delay;
} stats;
static char first_error[400];

static uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15ull;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ value >> 27) * 0x94d049bb133111ebull;
  return value ^ value >> 31;
}

// Above 0 and at most 1.
static double chance(void) {
  return ((double)(mix(random_state++) >> 11) + 1) / 9007199254740992.0;
}

static void read_corpus(const char *file) {
  FILE *in = fopen(file, "rb");
  if (in == NULL) die("%s: %s", file, strerror(errno));
  struct buffer all = {0};
  for (size_t count = 1; count > 0;) {
    reserve(&all, 1 << 20);
    count = fread(all.bytes + all.length, 1, all.capacity - all.length, in);
    all.length += count;
  }
  fclose(in);
  struct buffer turn_list = {0}, conversation_list = {0};
  struct conversation current = {0};
  for (size_t at = 0; at <= all.length;) {
    const char *line = all.bytes + at, *end = at < all.length ? memchr(line, '\n', all.length - at) : NULL;
    size_t length = end == NULL ? all.length - at : (size_t)(end - line);
    if (length == 0) {
      if (current.turns > 0) append(&conversation_list, &current, sizeof current);
      current = (struct conversation){.first = turn_list.length / sizeof(struct turn)};
    } else {
      char start[512];
      char from[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, &address.sin_addr, from, sizeof from);
      int size = snprintf(start, sizeof start, "POST %s HTTP/1.1\r\nhost: %s:%d\r\naccept: application/json\r\nauthorization: Bearer bench\r\nuser-agent: bench\r\n"
        "content-type: application/json\r\ncontent-length: %zu\r\n\r\n", path, from, ntohs(address.sin_port), length);
      if (size >= (int)sizeof start) die("the path is too long");
      struct turn turn = {.length = (size_t)size + length};
      turn.bytes = malloc(turn.length);
      if (turn.bytes == NULL) die("out of memory");
      memcpy(turn.bytes, start, (size_t)size);
      memcpy(turn.bytes + size, line, length);
      struct buffer marks = {0};
      for (size_t i = (size_t)size; i + MARK <= turn.length; i++) {
        if (memcmp(turn.bytes + i, "~~~~~~~~~~~~~~~~", MARK) != 0) continue;
        if (i > 8 && memcmp(turn.bytes + i - 8, "\"user\":\"", 8) == 0) turn.user = i;
        else append(&marks, &i, sizeof i);
        i += MARK - 1;
      }
      turn.marks = (size_t *)(void *)marks.bytes;
      turn.mark_count = marks.length / sizeof(size_t);
      append(&turn_list, &turn, sizeof turn);
      current.turns++;
    }
    at += length + 1;
  }
  if (current.turns > 0) append(&conversation_list, &current, sizeof current);
  release(&all);
  turns = (struct turn *)(void *)turn_list.bytes;
  turn_count = turn_list.length / sizeof *turns;
  conversations = (struct conversation *)(void *)conversation_list.bytes;
  conversation_count = conversation_list.length / sizeof *conversations;
  if (conversation_count == 0) die("%s holds no request", file);
}

static void watch(struct connection *connection, uint32_t events, int operation) {
  struct epoll_event change = {.events = events, .data.u64 = (uint64_t)(connection - connections)};
  if (epoll_ctl(loop, operation, connection->fd, &change) != 0) die("epoll: %s", strerror(errno));
  connection->waits_to_write = (events & EPOLLOUT) != 0;
}

static void open_connection(struct connection *connection) {
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->fd < 0) die("socket: %s", strerror(errno));
  no_delay(connection->fd);
  connection->state = CONNECTING;
  connection->out.length = connection->sent = connection->pending.length = connection->body.length = 0;
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    stats.errors[CONNECT]++;
    close(connection->fd);
    connection->fd = -1;
    connection->state = WAITING;
    return;
  }
  watch(connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

// The first thing that went wrong, for people.
static void note(const char *what, const char *bytes, size_t length) {
  if (first_error[0] != '\0') return;
  int at = snprintf(first_error, sizeof first_error, "%s", what);
  for (size_t i = 0; i < length && at < (int)sizeof first_error - 2; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    first_error[at++] = byte < 32 || byte > 126 || byte == '"' || byte == '\\' ? (byte == '"' ? '\'' : ' ') : (char)byte;
  }
  first_error[at] = '\0';
}

// The connection is of no use any more; a new one takes its place, at the next tick when there is none to be had.
static void replace(struct connection *connection) {
  if (connection->state == IDLE) {
    for (size_t i = 0; i < idle_count; i++) if (idle[i] == (size_t)(connection - connections)) idle[i--] = idle[--idle_count];
  }
  if (connection->fd >= 0) close(connection->fd);
  connection->fd = -1;
  if (over) connection->state = WAITING;
  else open_connection(connection);
}

static void fail(struct connection *connection, enum error error, const char *bytes, size_t length) {
  stats.errors[error]++;
  note(error_names[error], bytes, length);
  connection->turn = 0;
  replace(connection);
}

static void flush(struct connection *connection) {
  struct buffer *out = &connection->out;
  while (connection->sent < out->length) {
    ssize_t written = send(connection->fd, out->bytes + connection->sent, out->length - connection->sent, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) {
      if (!connection->waits_to_write) watch(connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      return;
    }
    // whoever closed may have said why: that is read first
    if (written < 0) break;
    connection->sent += (size_t)written;
  }
  out->length = connection->sent = 0;
  if (connection->waits_to_write) watch(connection, EPOLLIN, EPOLL_CTL_MOD);
}

// Sends the next request of the connection's conversation, or the first of another one.
static void fire(struct connection *connection, uint64_t due) {
  if (over || (request_limit > 0 && launched >= request_limit)) {
    connection->state = IDLE;
    idle[idle_count++] = (size_t)(connection - connections);
    return;
  }
  if (connection->turn == 0 || connection->turn >= conversations[connection->conversation].turns) {
    connection->turn = 0;
    connection->instance = instances++;
    connection->conversation = connection->instance % conversation_count;
  }
  const struct turn *turn = &turns[conversations[connection->conversation].first + connection->turn++];
  connection->out.length = connection->sent = 0;
  append(&connection->out, turn->bytes, turn->length);
  uint64_t salt = mix(seed << 40 ^ connection->instance);
  for (size_t i = 0; i < turn->mark_count; i++) write_hex(connection->out.bytes + turn->marks[i], mix(salt + i));
  if (turn->user > 0) {
    write_hex(connection->id, mix(seed << 40 ^ launched ^ 1ull << 63));
    memcpy(connection->out.bytes + turn->user, connection->id, MARK);
  } else connection->id[0] = '\0';
  launched++;
  connection->state = BUSY;
  connection->started = due;
  connection->phase = HEAD;
  connection->pending.length = connection->body.length = 0;
  connection->done = connection->foreign = connection->strange = false;
  connection->last = '\0';
  connection->events = 0;
  flush(connection);
}

// The connection has nothing to do: in a closed loop that never lasts.
static void rest(struct connection *connection, uint64_t now) {
  if (rate == 0) return fire(connection, now);
  connection->state = IDLE;
  idle[idle_count++] = (size_t)(connection - connections);
}

// Requests that are due leave while connections are free.
static void fire_due(uint64_t now) {
  while (rate > 0 && !over && idle_count > 0 && next_due <= now) {
    struct connection *connection = &connections[idle[--idle_count]];
    fire(connection, next_due);
    next_due += (uint64_t)(-log(chance()) * 1e9 / rate);
  }
}

static void finish(struct connection *connection, uint64_t now) {
  const struct buffer *body = &connection->body;
  if (connection->status != 200) return fail(connection, STATUS, body->bytes, body->length);
  if (connection->streams) {
    bool all = connection->done && (expected_events == 0 || connection->events == expected_events + 1);
    if (connection->strange || !all) {
      char text[64];
      int length = snprintf(text, sizeof text, ": a stream of %d events%s", connection->events, connection->done ? "" : " without its end");
      return fail(connection, INCOMPLETE, text, (size_t)length);
    }
  } else {
    bool all = expected_events == 0 && body->length > 1 && body->bytes[0] == '{' && connection->last == '}' && memmem(body->bytes, body->length, "\"choices\"", 9) != NULL;
    if (!all) return fail(connection, INCOMPLETE, body->bytes, body->length);
    if (connection->id[0] != '\0' && memmem(body->bytes, body->length, connection->id, MARK) == NULL) connection->foreign = true;
  }
  if (connection->foreign) return fail(connection, FOREIGN, connection->id, MARK);
  stats.requests++;
  record(&stats.latency, now - connection->started);
  if (connection->head.close) {
    connection->state = WAITING;
    return replace(connection);
  }
  rest(connection, now);
}

static void hear_line(struct connection *connection, const char *line, size_t length, uint64_t now) {
  if (line == NULL) return;
  if (length > 0 && line[length - 1] == '\r') length--;
  if (length < 6 || memcmp(line, "data: ", 6) != 0) return;
  if (connection->events++ == 0) {
    record(&stats.first, now - connection->started);
    if (connection->id[0] != '\0' && memmem(line, length, connection->id, MARK) == NULL) connection->foreign = true;
  } else record(&stats.gap, now - connection->previous_event);
  connection->previous_event = now;
  stats.events++;
  if (same(line + 6, length - 6, "[DONE]")) {
    connection->done = true;
    return;
  }
  static const char stamp[] = "\"content\":\" t";
  const char *at = memmem(line, length, stamp, sizeof stamp - 1);
  if (at == NULL || at + sizeof stamp - 1 + 16 > line + length) {
    if (memmem(line, length, "\"choices\"", 9) == NULL || connection->done) connection->strange = true;
    return;
  }
  uint64_t written = 0;
  for (const char *digit = at + sizeof stamp - 1; digit < at + sizeof stamp - 1 + 16; digit++) written = written << 4 | (uint64_t)(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
  if (written <= now) record(&stats.delay, now - written);
}

static void hear(struct connection *connection, const char *bytes, size_t length, uint64_t now) {
  stats.bytes += length;
  struct buffer *body = &connection->body;
  if (!connection->streams) {
    size_t room = KEPT - body->length;
    append(body, bytes, length < room ? length : room);
    for (size_t i = length; i > 0; i--) {
      if (bytes[i - 1] == '\n' || bytes[i - 1] == ' ' || bytes[i - 1] == '\r') continue;
      connection->last = bytes[i - 1];
      break;
    }
    return;
  }
  while (length > 0) {
    const char *end = memchr(bytes, '\n', length);
    size_t size = end == NULL ? length : (size_t)(end - bytes);
    if (end == NULL || body->length > 0) append(body, bytes, size);
    if (end == NULL) return;
    if (body->length > 0) hear_line(connection, body->bytes, body->length, now);
    else hear_line(connection, bytes, size, now);
    body->length = 0;
    bytes += size + 1;
    length -= size + 1;
  }
}

// Reads head lines in which only a part may have come. Returns the bytes used; `*whole` tells whether it was all.
static size_t collect(struct connection *connection, const char *bytes, size_t length, bool *whole) {
  struct buffer *pending = &connection->pending;
  size_t before = pending->length, some = length < MAX_HEAD ? length : MAX_HEAD;
  append(pending, bytes, some);
  size_t end = head_end(pending->bytes, pending->length, before);
  *whole = end > 0;
  if (end == 0) return some;
  pending->length = end;
  return end - before;
}

// The head of an answer came; false when it makes no sense.
static bool begin_answer(struct connection *connection) {
  const char *bytes = connection->pending.bytes;
  size_t length = connection->pending.length;
  if (length < 13 || memcmp(bytes, "HTTP/1.", 7) != 0 || !read_head(bytes, length, &connection->head)) return false;
  connection->status = (int)decimal(bytes + 9, 3);
  if (bytes[7] == '0') connection->head.close = true;
  if (connection->status < 200) {
    connection->pending.length = 0;
    return connection->status >= 100;
  }
  connection->streams = memmem(bytes, length, "text/event-stream", 17) != NULL && connection->status == 200;
  connection->left = connection->head.content_length > 0 ? (uint64_t)connection->head.content_length : 0;
  connection->phase = connection->head.chunked ? SIZE : connection->head.content_length >= 0 ? LENGTH : REST;
  if (connection->phase == REST) connection->head.close = true;
  connection->pending.length = 0;
  return true;
}

// A line of the chunked coding: used bytes, or 0 when it is not whole, which is then kept, or -1.
static int next_size(struct connection *connection, const char *bytes, size_t length) {
  if (connection->pending.length == 0) {
    int used = chunk_size(bytes, length, &connection->left);
    if (used != 0) return used;
    append(&connection->pending, bytes, length);
    return 0;
  }
  size_t before = connection->pending.length, some = length < 256 ? length : 256;
  append(&connection->pending, bytes, some);
  int used = chunk_size(connection->pending.bytes, connection->pending.length, &connection->left);
  if (used == 0) return 0;
  connection->pending.length = 0;
  return used < 0 ? -1 : used - (int)before;
}

// Takes in what came. False when it was the end of the answer, or made no sense.
static void consume(struct connection *connection, const char *bytes, size_t length, uint64_t now) {
  while (length > 0 || (connection->phase == LENGTH && connection->left == 0)) {
    size_t used = 0;
    if (connection->phase == HEAD) {
      bool whole;
      used = collect(connection, bytes, length, &whole);
      if (!whole && connection->pending.length > MAX_HEAD) return fail(connection, BROKEN, NULL, 0);
      if (whole && !begin_answer(connection)) return fail(connection, BROKEN, connection->pending.bytes, connection->pending.length);
    } else if (connection->phase == LENGTH || connection->phase == DATA) {
      used = length < connection->left ? length : (size_t)connection->left;
      hear(connection, bytes, used, now);
      connection->left -= used;
      if (connection->left == 0 && connection->phase == LENGTH) {
        if (used < length) return fail(connection, BROKEN, bytes + used, length - used);
        return finish(connection, now);
      }
      if (connection->left == 0) connection->phase = DATA_END;
    } else if (connection->phase == SIZE) {
      int line = next_size(connection, bytes, length);
      if (line < 0) return fail(connection, BROKEN, bytes, length);
      if (line == 0) return;
      used = (size_t)line;
      connection->phase = connection->left == 0 ? TRAILER : DATA;
    } else if (connection->phase == DATA_END) {
      // CR LF, maybe one at a time
      if (*bytes != (connection->pending.length == 0 ? '\r' : '\n')) return fail(connection, BROKEN, bytes, length);
      append(&connection->pending, bytes, 1);
      used = 1;
      if (connection->pending.length == 2) {
        connection->pending.length = 0;
        connection->phase = SIZE;
      }
    } else if (connection->phase == TRAILER) {
      // lines up to an empty one
      append(&connection->pending, bytes, 1);
      used = 1;
      size_t size = connection->pending.length;
      if (size > MAX_HEAD) return fail(connection, BROKEN, NULL, 0);
      const char *all = connection->pending.bytes;
      if (*bytes == '\n' && ((size == 2 && all[0] == '\r') || (size >= 4 && memcmp(all + size - 4, "\r\n\r\n", 4) == 0))) {
        if (used < length) return fail(connection, BROKEN, bytes + used, length - used);
        return finish(connection, now);
      }
    } else {
      hear(connection, bytes, length, now);
      used = length;
    }
    bytes += used;
    length -= used;
  }
}

static char inbox[256 * 1024];

static void read_some(struct connection *connection) {
  ssize_t count = recv(connection->fd, inbox, sizeof inbox, 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count > 0) {
    if (connection->state == BUSY) return consume(connection, inbox, (size_t)count, now_ns());
    return fail(connection, BROKEN, inbox, (size_t)count);
  }
  if (connection->state == CONNECTING) return fail(connection, CONNECT, NULL, 0);
  if (connection->state != BUSY) return replace(connection);
  if (count == 0 && connection->phase == REST) return finish(connection, now_ns());
  fail(connection, CLOSED, NULL, 0);
}

static void write_some(struct connection *connection, uint64_t now) {
  if (connection->state != CONNECTING) return flush(connection);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    stats.errors[CONNECT]++;
    note("connect ", strerror(error), strlen(strerror(error)));
    close(connection->fd);
    connection->fd = -1;
    connection->state = WAITING;
    return;
  }
  watch(connection, EPOLLIN, EPOLL_CTL_MOD);
  rest(connection, now);
}

// Ten times a second: who waits for too long, and who has no connection.
static void look_round(uint64_t now) {
  for (int i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    if (connection->state == BUSY && now > connection->started && (double)(now - connection->started) > patience * 1e9) fail(connection, TIMEOUT, NULL, 0);
    else if (connection->state == WAITING && !over) open_connection(connection);
  }
}

static double own_cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(double took, double cpu) {
  uint64_t errors = 0;
  for (int i = 0; i < ERRORS; i++) errors += stats.errors[i];
  printf("{\"phase\":\"end\",\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"requests\":%llu,\"events\":%llu,\"bytes\":%llu,\"failed\":%llu,\"errors\":{", took, cpu,
    (unsigned long long)stats.requests, (unsigned long long)stats.events, (unsigned long long)stats.bytes, (unsigned long long)errors);
  for (int i = 0, some = 0; i < ERRORS; i++) if (stats.errors[i] > 0) printf("%s\"%s\":%llu", some++ ? "," : "", error_names[i], (unsigned long long)stats.errors[i]);
  printf("},\"firstError\":\"%s\"", first_error);
  print_histogram("latency", &stats.latency);
  print_histogram("first", &stats.first);
  print_histogram("gap", &stats.gap);
  print_histogram("delay", &stats.delay);
  printf("}\n");
  fflush(stdout);
}

static bool all_done(void) {
  if (request_limit == 0 || launched < request_limit) return false;
  for (int i = 0; i < connection_count; i++) if (connections[i].state == BUSY) return false;
  return true;
}

static void read_options(int argc, char **argv) {
  const char *corpus = NULL, *host = "127.0.0.1";
  int port = 0;
  static const struct option options[] = {
    {"port", required_argument, NULL, 'p'}, {"host", required_argument, NULL, 'h'}, {"path", required_argument, NULL, 'P'},
    {"corpus", required_argument, NULL, 'f'}, {"connections", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 's'},
    {"warmup", required_argument, NULL, 'w'}, {"requests", required_argument, NULL, 'n'}, {"rate", required_argument, NULL, 'r'},
    {"events", required_argument, NULL, 'e'}, {"timeout", required_argument, NULL, 't'}, {"seed", required_argument, NULL, 'S'}, {0}
  };
  for (int which, option = 0; (which = getopt_long(argc, argv, "", options, &option)) != -1;) {
    if (which == '?') exit(2);
    const char *name = options[option].name;
    if (which == 'f') corpus = optarg;
    else if (which == 'h') host = optarg;
    else if (which == 'P') path = optarg;
    else {
      double value = number(name, optarg);
      if (which == 'p') port = (int)value;
      else if (which == 'c') connection_count = (int)value;
      else if (which == 's') seconds = value;
      else if (which == 'w') warmup = value;
      else if (which == 'n') request_limit = (uint64_t)value;
      else if (which == 'r') rate = value;
      else if (which == 'e') expected_events = (int)value;
      else if (which == 't') patience = value;
      else seed = (uint64_t)value;
    }
  }
  if (corpus == NULL || port <= 0 || port > 65535 || connection_count < 1) die("--corpus, --port and at least one connection are needed");
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("--host: %s is no IPv4 address", host);
  if (request_limit > 0) warmup = 0;
  read_corpus(corpus);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  raise_limit();
  random_state = mix(seed);
  loop = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event change = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
  epoll_ctl(loop, EPOLL_CTL_ADD, timer, &change);
  connections = calloc((size_t)connection_count, sizeof *connections);
  idle = calloc((size_t)connection_count, sizeof *idle);
  if (connections == NULL || idle == NULL) die("out of memory");
  uint64_t start = now_ns(), begin = start + (uint64_t)(warmup * 1e9), tick = start + SECOND / 10, armed = 0;
  next_due = start;
  for (int i = 0; i < connection_count; i++) open_connection(&connections[i]);

  double cpu = 0;
  uint64_t end = UINT64_MAX;
  struct epoll_event events[256];
  while (true) {
    uint64_t now = now_ns();
    if (!measuring && now >= begin) {
      memset(&stats, 0, sizeof stats);
      first_error[0] = '\0';
      measuring = true;
      begin = now;
      if (request_limit == 0) end = begin + (uint64_t)(seconds * 1e9);
      cpu = own_cpu();
      printf("{\"phase\":\"begin\"}\n");
      fflush(stdout);
    }
    if (measuring && (now >= end || all_done())) {
      over = true;
      report((double)(now - begin) / 1e9, own_cpu() - cpu);
      break;
    }
    if (now >= tick) {
      look_round(now);
      tick = now + SECOND / 10;
    }
    fire_due(now);
    uint64_t next = tick < (measuring ? end : begin) ? tick : measuring ? end : begin;
    if (rate > 0 && idle_count > 0 && next_due < next) next = next_due;
    if (next != armed) set_timer(timer, armed = next);
    int count = epoll_wait(loop, events, 256, -1);
    if (count < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
    now = now_ns();
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == UINT64_MAX) {
        uint64_t times;
        if (read(timer, &times, sizeof times) > 0) armed = 0;
        continue;
      }
      struct connection *connection = &connections[events[i].data.u64];
      int fd = connection->fd;
      if (events[i].events & EPOLLOUT) write_some(connection, now);
      // a new connection in its place has said nothing yet
      if (connection->fd == fd && fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT) read_some(connection);
    }
  }
  for (int i = 0; i < connection_count; i++) {
    if (connections[i].fd >= 0) close(connections[i].fd);
    release(&connections[i].out);
    release(&connections[i].pending);
    release(&connections[i].body);
  }
  for (size_t i = 0; i < turn_count; i++) {
    free(turns[i].bytes);
    free(turns[i].marks);
  }
  free(turns);
  free(conversations);
  free(connections);
  free(idle);
  return 0;
}
