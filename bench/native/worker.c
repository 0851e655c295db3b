// A worker that costs next to nothing: answers chat completions at once, streams events as fast as they go or paced, on any number of ports.
//
// worker [--ports N] [--answer-bytes N] [--events N] [--pace-ms N]
//
// Prints {"ports":[…]} when it listens and ends when its standard input does. A body with `"stream": true` gets an event stream
// of so many events and `[DONE]`, each in a write and a chunk of its own; every other one a JSON answer. Both carry the 16
// characters of the request's `user` in their id, and events the time they were written at, so that a client can tell that an
// answer is its own and how long it was on its way. A body with `"do_remote_decode":true` is a prefill and gets one token and
// `kv_transfer_params` such as NIXL's; one with any others is a decode and must name what a prefill got. `/tokenize` makes a token of every four bytes; `/stats` counts.
#include "common.h"
#include <getopt.h>

#define MAX_BODY (256 << 20)

enum kind { LISTENER, CONNECTION, TIMER, LIFELINE };
struct source {
  enum kind kind;
  int fd;
};

struct connection {
  struct source source;
  struct buffer in, out;
  size_t sent;                 // of `out`
  bool waits_to_write, dead;
  bool closes;                 // after the answer at hand
  // the request that is being read
  bool has_head;
  size_t seen;                 // bytes looked through for the end of the head
  struct head head;
  size_t body;                 // bytes of a chunked body put together so far, after the head
  size_t raw;                  // where its next undecoded byte stands
  uint64_t chunk_left;
  enum { SIZE, DATA, DATA_END, TRAILER } chunk_state;
  // the stream that is being written
  bool streams;
  int events_left;
  uint64_t due;
  char id[16];
  struct queue *queue;
  struct connection *next, *previous;
};

// Streams in the order of their turns.
struct queue {
  struct connection *first, *last;
};

static int answer_bytes = 300, event_count = 200;
static uint64_t pace;
static int loop, timer;
static uint64_t timer_set;
static struct queue ready, paced;
static struct connection *dead;
static struct { uint64_t answers, streams, events, tokenized, prefills, decodes, others, bad, open; } stats;

static const char head_of_answers[] = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\n";
static const char no_id[] = "0000000000000000";

static char *answer;
static size_t answer_length, answer_id;
static char prefilled[1024];
static size_t prefilled_length;
static char event[512];
static size_t event_length, event_id, event_time;
static char stream_head[256];
static size_t stream_head_length;

static void enqueue(struct queue *queue, struct connection *connection) {
  connection->queue = queue;
  connection->next = NULL;
  connection->previous = queue->last;
  if (queue->last != NULL) queue->last->next = connection;
  else queue->first = connection;
  queue->last = connection;
}

static void dequeue(struct connection *connection) {
  struct queue *queue = connection->queue;
  if (queue == NULL) return;
  if (connection->previous != NULL) connection->previous->next = connection->next;
  else queue->first = connection->next;
  if (connection->next != NULL) connection->next->previous = connection->previous;
  else queue->last = connection->previous;
  connection->queue = NULL;
}

// Freed after the events at hand, which may still name it.
static void end_connection(struct connection *connection) {
  if (connection->dead) return;
  connection->dead = true;
  dequeue(connection);
  close(connection->source.fd);
  connection->next = dead;
  dead = connection;
  stats.open--;
}

static void watch(struct connection *connection, bool to_write) {
  if (connection->waits_to_write == to_write) return;
  connection->waits_to_write = to_write;
  struct epoll_event change = {.events = EPOLLIN | (to_write ? EPOLLOUT : 0), .data.ptr = connection};
  epoll_ctl(loop, EPOLL_CTL_MOD, connection->source.fd, &change);
}

static void say(struct connection *connection, const char *bytes, size_t length) {
  if (connection->out.length == 0) {
    ssize_t written = send(connection->source.fd, bytes, length, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) return end_connection(connection);
    if (written > 0) {
      bytes += written;
      length -= (size_t)written;
    }
    if (length == 0) return;
  }
  append(&connection->out, bytes, length);
  watch(connection, true);
}

static void schedule(struct connection *connection) {
  struct queue *queue = pace > 0 ? &paced : &ready;
  enqueue(queue, connection);
  // one that is late goes before those that are not
  for (struct connection *before; pace > 0 && (before = connection->previous) != NULL && before->due > connection->due;) {
    connection->previous = before->previous;
    before->next = connection->next;
    connection->next = before;
    before->previous = connection;
    if (connection->previous != NULL) connection->previous->next = connection;
    else queue->first = connection;
    if (before->next != NULL) before->next->previous = before;
    else queue->last = before;
  }
}

// The next event of a stream, in a write of its own.
static void write_event(struct connection *connection) {
  char bytes[sizeof stream_head + sizeof event];
  size_t at = 0;
  bool first = connection->events_left == event_count;
  if (first) {
    memcpy(bytes, stream_head, stream_head_length);
    at = stream_head_length;
  }
  dequeue(connection);
  stats.events++;
  if (connection->events_left-- > 0) {
    memcpy(bytes + at, event, event_length);
    memcpy(bytes + at + event_id, connection->id, 16);
    write_hex(bytes + at + event_time, now_ns());
    at += event_length;
    connection->due += pace;
    schedule(connection);
  } else {
    static const char last[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    memcpy(bytes + at, last, sizeof last - 1);
    at += sizeof last - 1;
    connection->streams = false;
  }
  say(connection, bytes, at);
  if (connection->dead) return;
  // a reader that is slow gets its next event when it has read
  if (connection->out.length > 0) dequeue(connection);
  else if (!connection->streams && connection->closes) end_connection(connection);
}

// The value after a key; keys stand near the beginning or the end of a body more often than not.
static const char *value_of(const char *key, const char *body, size_t length, bool anywhere) {
  size_t size = strlen(key), near = length < 2048 ? length : 2048;
  const char *found = memmem(body, near, key, size);
  if (found == NULL && near < length) found = memmem(body + length - near, near, key, size);
  if (found == NULL && anywhere && 2 * near < length) found = memmem(body + near, length - near, key, size);
  if (found == NULL) return NULL;
  for (found += size; found < body + length && *found == ' ';) found++;
  return found;
}

static void refuse(struct connection *connection, const char *status, const char *why) {
  char bytes[512];
  int length = snprintf(bytes, sizeof bytes, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n%s", status, strlen(why), why);
  stats.bad++;
  say(connection, bytes, (size_t)length);
  if (!connection->dead) end_connection(connection);
}

static void reply(struct connection *connection, const char *status, const char *type, const char *body, size_t length) {
  char head[256];
  int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nserver: uvicorn\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n", status, type, length);
  append(&connection->out, head, (size_t)size);
  append(&connection->out, body, length);
}

static void tokenize(struct connection *connection, const char *body, size_t length) {
  // what is said before the conversation has no tokens, so that one that has grown begins with those it had
  const char *text = value_of("\"messages\":", body, length, true);
  if (text == NULL) text = value_of("\"prompt\":", body, length, true);
  if (text == NULL) text = body;
  size_t left = (size_t)(body + length - text), count = left / 4;
  struct buffer tokens = {0};
  reserve(&tokens, count * 6 + 128);
  char *to = tokens.bytes + sprintf(tokens.bytes, "{\"count\":%zu,\"max_model_len\":1000000,\"tokens\":[", count);
  for (size_t i = 0; i < count; i++, text += 4) {
    uint32_t word;
    memcpy(&word, text, 4);
    // five digits whatever the word, so that none needs a division by a variable length
    uint32_t token = 10000 + word * 2654435761u % 40000;
    for (int digit = 4; digit >= 0; digit--, token /= 10) to[digit] = (char)('0' + token % 10);
    to[5] = ',';
    to += 6;
  }
  if (count > 0) to--;
  to += sprintf(to, "],\"token_strs\":null}");
  stats.tokenized++;
  reply(connection, "200 OK", "application/json", tokens.bytes, (size_t)(to - tokens.bytes));
  release(&tokens);
}

static void complete(struct connection *connection, const char *body, size_t length) {
  size_t last = length;
  while (last > 0 && (body[last - 1] == '\n' || body[last - 1] == ' ')) last--;
  if (last < 2 || body[0] != '{' || body[last - 1] != '}') return refuse(connection, "400 Bad Request", "{\"error\":\"the body is no JSON object\"}");
  const char *user = value_of("\"user\":", body, length, true), *streams = value_of("\"stream\":", body, length, true);
  static const char begins[] = "\"do_remote_decode\":true", kept[] = "\"remote_request_id\":\"chatcmpl-p\"";
  // routers put it first or last: most requests have none, and are not looked through for it
  const char *transfer = value_of("\"kv_transfer_params\":", body, length, false);
  if (transfer != NULL) {
    size_t left = (size_t)(body + length - transfer);
    if (memmem(transfer, left, begins, sizeof begins - 1) != NULL) {
      stats.prefills++;
      return say(connection, prefilled, prefilled_length);
    }
    if (memmem(transfer, left, kept, sizeof kept - 1) == NULL) return refuse(connection, "400 Bad Request", "{\"error\":\"nobody keeps such blocks\"}");
    stats.decodes++;
  }
  memcpy(connection->id, user != NULL && body + length - user > 18 && user[17] == '"' ? user + 1 : no_id, 16);
  if (streams != NULL && body + length - streams >= 4 && memcmp(streams, "true", 4) == 0) {
    stats.streams++;
    connection->streams = true;
    connection->events_left = event_count;
    connection->due = now_ns();
    return write_event(connection);
  }
  stats.answers++;
  memcpy(answer + answer_id, connection->id, 16);
  say(connection, answer, answer_length);
}

static void respond(struct connection *connection, const char *body, size_t length) {
  const char *bytes = connection->in.bytes;
  size_t line = (size_t)((const char *)memchr(bytes, '\r', connection->head.length) - bytes);
  bool post = line > 5 && memcmp(bytes, "POST ", 5) == 0;
  if (!post && !(line > 4 && memcmp(bytes, "GET ", 4) == 0)) return refuse(connection, "405 Method Not Allowed", "{\"detail\":\"Method Not Allowed\"}");
  const char *path = bytes + (post ? 5 : 4);
  size_t size = strcspn(path, "? \r");
  const char json[] = "application/json";
  if (post && (same(path, size, "/v1/chat/completions") || same(path, size, "/v1/completions"))) return complete(connection, body, length);
  if (post && same(path, size, "/tokenize")) tokenize(connection, body, length);
  else if (!post && same(path, size, "/health")) reply(connection, "200 OK", json, "", 0);
  else if (!post && same(path, size, "/v1/models")) {
    static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":0,\"owned_by\":\"vllm\",\"root\":\"bench\",\"parent\":null,\"max_model_len\":1000000,\"permission\":[]}]}";
    reply(connection, "200 OK", json, models, sizeof models - 1);
  } else if (!post && same(path, size, "/metrics")) {
    static const char metrics[] = "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\",model_name=\"bench\"} 0\n# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{engine=\"0\",model_name=\"bench\"} 0\n";
    reply(connection, "200 OK", "text/plain; version=0.0.4", metrics, sizeof metrics - 1);
  } else if (!post && same(path, size, "/stats")) {
    char text[512];
    int told = snprintf(text, sizeof text, "{\"answers\":%llu,\"streams\":%llu,\"events\":%llu,\"tokenized\":%llu,\"prefills\":%llu,\"decodes\":%llu,\"others\":%llu,\"bad\":%llu,\"open\":%llu}",
      (unsigned long long)stats.answers, (unsigned long long)stats.streams, (unsigned long long)stats.events, (unsigned long long)stats.tokenized,
      (unsigned long long)stats.prefills, (unsigned long long)stats.decodes, (unsigned long long)stats.others, (unsigned long long)stats.bad, (unsigned long long)stats.open);
    reply(connection, "200 OK", json, text, (size_t)told);
  } else {
    static const char missing[] = "{\"detail\":\"Not Found\"}";
    stats.others++;
    reply(connection, "404 Not Found", json, missing, sizeof missing - 1);
  }
}

// Puts the data of chunks together behind the head. 1: the body is whole, 0: more must come, -1: it is broken.
static int decode(struct connection *connection) {
  struct buffer *in = &connection->in;
  char *bytes = in->bytes;
  while (true) {
    size_t left = in->length - connection->raw;
    if (connection->chunk_state == SIZE) {
      int line = chunk_size(bytes + connection->raw, left, &connection->chunk_left);
      if (line <= 0) return line;
      connection->raw += (size_t)line;
      connection->chunk_state = connection->chunk_left == 0 ? TRAILER : DATA;
    } else if (connection->chunk_state == DATA) {
      size_t some = left < connection->chunk_left ? left : (size_t)connection->chunk_left;
      memmove(bytes + connection->head.length + connection->body, bytes + connection->raw, some);
      connection->body += some;
      connection->raw += some;
      connection->chunk_left -= some;
      if (connection->chunk_left > 0) return 0;
      connection->chunk_state = DATA_END;
    } else if (connection->chunk_state == DATA_END) {
      if (left < 2) return 0;
      if (memcmp(bytes + connection->raw, "\r\n", 2) != 0) return -1;
      connection->raw += 2;
      connection->chunk_state = SIZE;
    } else {
      const char *end = memchr(bytes + connection->raw, '\n', left);
      if (end == NULL) return left > MAX_HEAD ? -1 : 0;
      bool empty = end == bytes + connection->raw + 1;
      connection->raw = (size_t)(end - bytes) + 1;
      if (empty) return 1;
    }
  }
}

// Answers what has been read whole; one stream at a time.
static void process(struct connection *connection) {
  struct buffer *in = &connection->in;
  while (!connection->dead && !connection->streams && in->length > 0) {
    if (!connection->has_head) {
      size_t length = head_end(in->bytes, in->length, connection->seen);
      connection->seen = in->length;
      if (length == 0 && in->length <= MAX_HEAD) return;
      if (length == 0 || !read_head(in->bytes, length, &connection->head)) return refuse(connection, "400 Bad Request", "{\"error\":\"the head makes no sense\"}");
      connection->has_head = true;
      connection->body = 0;
      connection->raw = length;
      connection->chunk_state = SIZE;
      if (connection->head.content_length > MAX_BODY) return refuse(connection, "413 Payload Too Large", "{\"error\":\"the body is too long\"}");
      if (connection->head.wants_continue) say(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
      if (connection->dead) return;
      if (connection->head.content_length > 0) reserve(in, (size_t)connection->head.content_length);
    }
    size_t length, used;
    if (connection->head.chunked) {
      int whole = decode(connection);
      if (whole < 0) return refuse(connection, "400 Bad Request", "{\"error\":\"the chunks make no sense\"}");
      if (whole == 0) return;
      length = connection->body;
      used = connection->raw;
    } else {
      length = connection->head.content_length > 0 ? (size_t)connection->head.content_length : 0;
      used = connection->head.length + length;
      if (in->length < used) return;
    }
    respond(connection, in->bytes + connection->head.length, length);
    if (connection->dead) return;
    connection->closes = connection->head.close;
    take(in, used);
    connection->has_head = false;
    connection->seen = 0;
    if (connection->out.length > 0 && !connection->waits_to_write) {
      // answers that were put together in the buffer
      struct buffer out = connection->out;
      connection->out = (struct buffer){0};
      say(connection, out.bytes, out.length);
      release(&out);
    }
    if (connection->closes && !connection->dead && !connection->streams && connection->out.length == 0) return end_connection(connection);
    if (connection->closes) return;
  }
}

static void read_some(struct connection *connection) {
  struct buffer *in = &connection->in;
  reserve(in, 16384);
  ssize_t count = recv(connection->source.fd, in->bytes + in->length, in->capacity - in->length, 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) return end_connection(connection);
  in->length += (size_t)count;
  if (in->length > 2 * MAX_BODY) return end_connection(connection);
  process(connection);
}

static void write_some(struct connection *connection) {
  struct buffer *out = &connection->out;
  while (connection->sent < out->length) {
    ssize_t written = send(connection->source.fd, out->bytes + connection->sent, out->length - connection->sent, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) return end_connection(connection);
    connection->sent += (size_t)written;
  }
  release(out);
  connection->sent = 0;
  watch(connection, false);
  if (!connection->streams && connection->closes) return end_connection(connection);
  if (!connection->streams) return process(connection);
  if (connection->queue != NULL) return;
  connection->due = now_ns() + pace;
  schedule(connection);
}

static void accept_all(int listener) {
  while (true) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) die("out of memory");
    connection->source = (struct source){CONNECTION, fd};
    no_delay(fd);
    struct epoll_event change = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &change) != 0) die("epoll: %s", strerror(errno));
    stats.open++;
  }
}

// One turn of a stream; requests that came behind the one it answers have theirs when it is over.
static void take_turn(struct connection *connection) {
  write_event(connection);
  if (!connection->dead && !connection->streams && connection->out.length == 0) process(connection);
}

// Streams whose turn has come; those within a tenth of a millisecond go together.
static void keep_pace(void) {
  uint64_t now = now_ns() + 100000;
  while (paced.first != NULL && paced.first->due <= now) take_turn(paced.first);
  uint64_t next = paced.first == NULL ? 0 : paced.first->due;
  if (next != timer_set) {
    timer_set = next;
    if (next != 0) set_timer(timer, next);
  }
}

static int listen_anywhere(struct source *source) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0) die("cannot listen: %s", strerror(errno));
  getsockname(fd, (struct sockaddr *)&address, &size);
  *source = (struct source){LISTENER, fd};
  struct epoll_event change = {.events = EPOLLIN, .data.ptr = source};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &change) != 0) die("epoll: %s", strerror(errno));
  return ntohs(address.sin_port);
}

static void prepare(void) {
  static const char before[] = "{\"id\":\"chatcmpl-0000000000000000\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
  static const char after[] = "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":32,\"total_tokens\":96}}";
  int text = answer_bytes - (int)(sizeof before + sizeof after - 2);
  if (text < 1) text = 1;
  size_t length = sizeof before + sizeof after - 2 + (size_t)text;
  answer = malloc(length + 512);
  if (answer == NULL) die("out of memory");
  size_t at = (size_t)sprintf(answer, "%scontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", head_of_answers, length);
  answer_id = at + 16;
  memcpy(answer + at, before, sizeof before - 1);
  memset(answer + at + sizeof before - 1, 'w', (size_t)text);
  memcpy(answer + at + sizeof before - 1 + text, after, sizeof after - 1);
  answer_length = at + length;

  static const char kept[] = "{\"id\":\"chatcmpl-p\",\"object\":\"chat.completion\",\"created\":1767225600,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"w\"},\"finish_reason\":\"length\"}],"
    "\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":1,\"total_tokens\":65},\"kv_transfer_params\":{\"do_remote_prefill\":true,\"do_remote_decode\":false,\"remote_block_ids\":[[1,2,3,4]],"
    "\"remote_engine_id\":\"7f1c4b0e-6d7a-4f0e-9f3b-0c8d1e2f3a4b\",\"remote_request_id\":\"chatcmpl-p\",\"remote_host\":\"127.0.0.1\",\"remote_port\":5600,\"tp_size\":1}}";
  prefilled_length = (size_t)snprintf(prefilled, sizeof prefilled, "%scontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", head_of_answers, sizeof kept - 1, kept);

  const char *data = "data: {\"id\":\"chatcmpl-0000000000000000\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" t0000000000000000\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
  event_length = (size_t)sprintf(event, "%zx\r\n%s\r\n", strlen(data), data);
  event_id = (size_t)(strstr(event, "chatcmpl-") - event) + 9;
  event_time = (size_t)(strstr(event, "\" t0") - event) + 3;
  stream_head_length = (size_t)sprintf(stream_head, "%scontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n", head_of_answers);
}

int main(int argc, char **argv) {
  int ports = 1;
  static const struct option options[] = {
    {"ports", required_argument, NULL, 'p'}, {"answer-bytes", required_argument, NULL, 'b'},
    {"events", required_argument, NULL, 'e'}, {"pace-ms", required_argument, NULL, 'm'}, {0}
  };
  for (int which, option; (which = getopt_long(argc, argv, "", options, &option)) != -1;) {
    if (which == 'p') ports = (int)number("ports", optarg);
    else if (which == 'b') answer_bytes = (int)number("answer-bytes", optarg);
    else if (which == 'e') event_count = (int)number("events", optarg);
    else if (which == 'm') pace = (uint64_t)(number("pace-ms", optarg) * 1e6);
    else return 2;
  }
  if (ports < 1 || event_count < 1) die("--ports and --events are at least 1");
  raise_limit();
  prepare();
  loop = epoll_create1(EPOLL_CLOEXEC);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  static struct source ticks, lifeline = {LIFELINE, 0};
  ticks = (struct source){TIMER, timer};
  struct epoll_event change = {.events = EPOLLIN, .data.ptr = &ticks};
  epoll_ctl(loop, EPOLL_CTL_ADD, timer, &change);
  change.data.ptr = &lifeline;
  epoll_ctl(loop, EPOLL_CTL_ADD, 0, &change);
  struct source *listeners = calloc((size_t)ports, sizeof *listeners);
  if (listeners == NULL) die("out of memory");
  printf("{\"ports\":[");
  for (int i = 0; i < ports; i++) printf("%s%d", i > 0 ? "," : "", listen_anywhere(&listeners[i]));
  printf("]}\n");
  fflush(stdout);

  struct epoll_event events[256];
  for (bool running = true; running;) {
    int count = epoll_wait(loop, events, 256, ready.first != NULL ? 0 : -1);
    if (count < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      struct source *source = events[i].data.ptr;
      if (source->kind == LISTENER) accept_all(source->fd);
      else if (source->kind == TIMER) {
        uint64_t times;
        if (read(timer, &times, sizeof times) > 0) timer_set = 0;
      } else if (source->kind == LIFELINE) {
        char bytes[64];
        if (read(0, bytes, sizeof bytes) <= 0) running = false;
      } else {
        struct connection *connection = (struct connection *)source;
        if (!connection->dead && events[i].events & EPOLLOUT) write_some(connection);
        if (!connection->dead && events[i].events & ~(uint32_t)EPOLLOUT) read_some(connection);
      }
    }
    // one event for each stream that was ready before, so that all get on alike
    struct connection *last = ready.last;
    for (bool more = last != NULL; more;) {
      struct connection *turn = ready.first;
      more = turn != NULL && turn != last;
      if (turn != NULL) take_turn(turn);
    }
    keep_pace();
    while (dead != NULL) {
      struct connection *gone = dead;
      dead = gone->next;
      release(&gone->in);
      release(&gone->out);
      free(gone);
    }
  }
  free(answer);
  free(listeners);
  return 0;
}
