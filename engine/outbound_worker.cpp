#include "engine/outbound_worker.h"

#include <openssl/evp.h>
#include <pthread.h>

#include <algorithm>
#include <cassert>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace parsec::engine {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t largest_head = std::size_t{64} << 10;

/// Idle connections are kept that long (seconds); servers close theirs after 60 to 120.
constexpr long keep_idle = 55;

milliseconds time_left(TimePoint deadline, TimePoint now) {
  return std::chrono::duration_cast<milliseconds>(deadline - now);
}

/// The server is alive and says "not now"; the same request may succeed later.
bool is_temporary(long status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/// The connection, not the request, was at fault. A time-out is not tried again: it was waited
/// for long enough.
bool is_lost_connection(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
      return true;
    default:
      return false;
  }
}

/// Its head and its body have ends of their own. Else a connection that was cut off looks like the
/// end of the answer, which libcurl takes for granted.
bool is_complete(CURL* easy, const OutboundRequest& request) {
  if (!request.answer_head.ends_with("\n\r\n") && !request.answer_head.ends_with("\n\n")) {
    return false;
  }
  curl_off_t length = -1;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  return request.method != OutboundRequest::Method::get || request.status != 200 || length >= 0 ||
         !request.answer_header("Transfer-Encoding").empty();
}

/// Not a read-modify-write: there is one writer.
void add_one(std::atomic<std::uint64_t>& count) {
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void check(CURLcode code) { assert(code == CURLE_OK); }

/// S3 wants it in a header; libcurl 7.88 does not add it by itself, and every version takes over
/// what it says.
std::string payload_hash_header(const std::vector<std::byte>& body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const int done = EVP_Digest(body.data(), body.size(), digest, &size, EVP_sha256(), nullptr);
  assert(done == 1);
  static_cast<void>(done);
  std::string header = "x-amz-content-sha256: ";
  for (unsigned i = 0; i < size; ++i) {
    constexpr std::string_view digits = "0123456789abcdef";
    header += {digits[digest[i] >> 4], digits[digest[i] & 15]};
  }
  return header;
}

}  // namespace

OutboundWorker::OutboundWorker() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
      (multi_ = curl_multi_init()) == nullptr) {
    throw std::system_error(ENOMEM, std::generic_category(), "libcurl");
  }
}

OutboundWorker::~OutboundWorker() {
  stop();
  for (const auto& queue : queues_) {
    for (const auto& transfer : queue->under_way) {
      curl_multi_remove_handle(multi_, transfer->easy);
      curl_easy_cleanup(transfer->easy);
      curl_slist_free_all(transfer->headers);
    }
    for (CURL* easy : queue->idle) curl_easy_cleanup(easy);
  }
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

void OutboundWorker::add(OutboundDestination& destination) {
  queues_.push_back(std::make_unique<Queue>());
  queues_.back()->destination = &destination;
  long connections = 0;
  for (const auto& queue : queues_) connections += queue->destination->settings().connections;
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);  // kept, not opened
}

void OutboundWorker::start() {
  // The thread takes no signal: those are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "outbound");
}

void OutboundWorker::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  waker_.notify();
  thread_.join();
}

void OutboundWorker::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    take_requests();
    expire_and_wake_resting();
    start_transfers();
    int running = 0;
    curl_multi_perform(multi_, &running);
    finish_transfers();
    publish_counts();
    wake_shards();
    sleep();
  }
}

bool OutboundWorker::take_requests() {
  bool taken = false;
  for (const auto& queue : queues_) {
    for (const auto& channel : queue->destination->channels_) {
      for (OutboundRequest* request = nullptr; channel->requests_.try_pop(request);) {
        auto transfer = std::make_unique<Transfer>();
        transfer->request.reset(request);
        transfer->channel = channel.get();
        transfer->queue = queue.get();
        queue->waiting.push_back(std::move(transfer));
        add_one(queue->destination->counts_.requests);
        taken = true;
      }
    }
  }
  return taken;
}

bool OutboundWorker::has_requests() const {
  return std::ranges::any_of(queues_, [](const auto& queue) {
    return std::ranges::any_of(queue->destination->channels_,
                               [](const auto& channel) { return !channel->requests_.empty(); });
  });
}

void OutboundWorker::start_transfers() {
  for (const auto& queue : queues_) {
    while (!queue->waiting.empty() &&
           queue->under_way.size() < queue->destination->settings().connections) {
      auto transfer = std::move(queue->waiting.front());
      queue->waiting.pop_front();
      begin(*queue, std::move(transfer));
    }
  }
}

void OutboundWorker::begin(Queue& queue, std::unique_ptr<Transfer> transfer) {
  if (queue.idle.empty()) {
    transfer->easy = curl_easy_init();
    if (transfer->easy == nullptr) {
      transfer->request->failure = "out of memory";
      return answer(std::move(transfer));
    }
  } else {
    transfer->easy = queue.idle.back();
    queue.idle.pop_back();
  }
  ++transfer->tries;
  set_up(queue.destination->settings(), *transfer);
  const auto added = curl_multi_add_handle(multi_, transfer->easy);
  assert(added == CURLM_OK);
  static_cast<void>(added);
  queue.under_way.push_back(std::move(transfer));
}

void OutboundWorker::set_up(const OutboundDestinationSettings& settings, Transfer& transfer) {
  auto& request = *transfer.request;
  request.status = 0;
  request.answer.clear();
  request.answer_head.clear();
  request.failure.clear();
  CURL* easy = transfer.easy;
  const auto left = time_left(request.deadline, Clock::now()).count();
  check(curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str()));
  check(curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer));
  check(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
  check(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error));
  check(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, std::max<long>(1, left)));
  check(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, long{settings.connect_timeout.count()}));
  check(curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, keep_idle));
  check(curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L));
  // A name that does not resolve must not hold up the end of the process.
  check(curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
  check(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
  check(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1}));
  check(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body));
  check(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer));
  check(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_head));
  check(curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer));
  // libcurl has the distribution's certificates built in; others have their usual variable.
  if (const char* certificates = std::getenv("SSL_CERT_FILE");
      certificates != nullptr && *certificates != '\0') {
    check(curl_easy_setopt(easy, CURLOPT_CAINFO, certificates));
  }

  if (request.method == OutboundRequest::Method::head) {
    check(curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
  } else if (request.method == OutboundRequest::Method::put) {
    // Not CURLOPT_UPLOAD: signing covers a body only if libcurl has it as a whole.
    check(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT"));
    check(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           static_cast<curl_off_t>(request.body.size())));
    const void* body = request.body.empty() ? "" : static_cast<const void*>(request.body.data());
    check(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body));
  }
  for (const auto& header : request.headers) {
    transfer.headers = curl_slist_append(transfer.headers, header.c_str());
  }
  if (request.signing && request.signing->service == "s3") {
    const auto header = payload_hash_header(request.body);
    transfer.headers = curl_slist_append(transfer.headers, header.c_str());
  }
  check(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers));
  if (request.signing) {
    const auto& signing = *request.signing;
    const auto scheme = "aws:amz:" + signing.region + ":" + signing.service;
    check(curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, scheme.c_str()));
    check(curl_easy_setopt(easy, CURLOPT_USERNAME, signing.key.c_str()));
    check(curl_easy_setopt(easy, CURLOPT_PASSWORD, signing.secret.c_str()));
  }
}

std::size_t OutboundWorker::on_body(char* data, std::size_t size, std::size_t count,
                                    void* transfer) {
  auto& request = *static_cast<Transfer*>(transfer)->request;
  const std::size_t bytes = size * count;
  if (bytes > request.largest_answer - request.answer.size()) return CURL_WRITEFUNC_ERROR;
  const auto* first = reinterpret_cast<const std::byte*>(data);
  request.answer.insert(request.answer.end(), first, first + bytes);
  return bytes;
}

std::size_t OutboundWorker::on_head(char* data, std::size_t size, std::size_t count,
                                    void* transfer) {
  auto& request = *static_cast<Transfer*>(transfer)->request;
  const std::string_view line{data, size * count};
  if (line.starts_with("HTTP/")) request.answer_head.clear();  // that was a 1xx before
  if (line.size() > largest_head - request.answer_head.size()) return CURL_WRITEFUNC_ERROR;
  request.answer_head += line;
  return line.size();
}

void OutboundWorker::finish_transfers() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* done = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &done);
    finish(done, message->data.result);
  }
}

void OutboundWorker::finish(Transfer* done, CURLcode code) {
  Queue& queue = *done->queue;
  const auto place = std::ranges::find(queue.under_way, done, &std::unique_ptr<Transfer>::get);
  assert(place != queue.under_way.end());
  auto transfer = std::move(*place);
  *place = std::move(queue.under_way.back());
  queue.under_way.pop_back();

  auto& request = *transfer->request;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &request.status);
  if (code == CURLE_OK && !is_complete(transfer->easy, request)) code = CURLE_PARTIAL_FILE;
  curl_multi_remove_handle(multi_, transfer->easy);
  curl_easy_reset(transfer->easy);
  queue.idle.push_back(std::exchange(transfer->easy, nullptr));
  curl_slist_free_all(std::exchange(transfer->headers, nullptr));

  const auto& settings = queue.destination->settings();
  const bool again = code == CURLE_OK ? is_temporary(request.status) : is_lost_connection(code);
  const auto rest = settings.retry_delay * (1 << std::min(transfer->tries - 1, 10U));
  if (again && transfer->tries < settings.tries && Clock::now() + rest < request.deadline) {
    transfer->not_before = Clock::now() + rest;
    add_one(queue.destination->counts_.retries);
    queue.resting.push_back(std::move(transfer));
    return;
  }
  if (code == CURLE_OK) {
    request.result = OutboundRequest::Result::answered;
  } else {
    request.result = code == CURLE_OPERATION_TIMEDOUT ? OutboundRequest::Result::timed_out
                                                      : OutboundRequest::Result::failed;
    request.failure = code == CURLE_WRITE_ERROR    ? "the answer is too large"
                      : transfer->error[0] != '\0' ? transfer->error
                                                   : curl_easy_strerror(code);
    request.answer.clear();
  }
  answer(std::move(transfer));
}

void OutboundWorker::answer(std::unique_ptr<Transfer> transfer) {
  OutboundCounts& counts = transfer->queue->destination->counts_;
  switch (transfer->request->result) {
    case OutboundRequest::Result::answered:
      add_one(counts.answered);
      break;
    case OutboundRequest::Result::failed:
      add_one(counts.failed);
      break;
    case OutboundRequest::Result::timed_out:
      add_one(counts.timed_out);
      break;
  }
  const bool pushed = transfer->channel->replies_.try_push(transfer->request.release());
  assert(pushed);  // it holds all that may be outstanding
  static_cast<void>(pushed);
  transfer->channel->answered_ = true;
}

void OutboundWorker::expire_and_wake_resting() {
  const auto now = Clock::now();
  const auto expire = [&](std::unique_ptr<Transfer>& transfer) {
    if (now < transfer->request->deadline) return false;
    transfer->request->result = OutboundRequest::Result::timed_out;
    transfer->request->failure = "no time was left";
    answer(std::move(transfer));
    return true;
  };
  for (const auto& queue : queues_) {
    std::erase_if(queue->waiting, expire);
    std::erase_if(queue->resting, [&](std::unique_ptr<Transfer>& transfer) {
      if (now < transfer->not_before) return false;
      queue->waiting.push_front(std::move(transfer));
      return true;
    });
  }
}

/// Before the shards learn of answers: who has one sees it counted.
void OutboundWorker::publish_counts() {
  for (const auto& queue : queues_) {
    OutboundCounts& counts = queue->destination->counts_;
    counts.waiting.store(queue->waiting.size(), std::memory_order_relaxed);
    counts.under_way.store(queue->under_way.size(), std::memory_order_relaxed);
    counts.resting.store(queue->resting.size(), std::memory_order_relaxed);
  }
}

void OutboundWorker::wake_shards() {
  for (const auto& queue : queues_) {
    for (const auto& channel : queue->destination->channels_) {
      if (!std::exchange(channel->answered_, false)) continue;
      if (auto* waker = channel->shard_waker_.load(std::memory_order_acquire)) waker->notify();
    }
  }
}

int OutboundWorker::time_to_next(milliseconds most) const {
  auto next = Clock::now() + most;
  const auto now = Clock::now();
  for (const auto& queue : queues_) {
    for (const auto& transfer : queue->waiting) next = std::min(next, transfer->request->deadline);
    for (const auto& transfer : queue->resting) next = std::min(next, transfer->not_before);
  }
  // One more, as the rest of a millisecond would be spent turning.
  return static_cast<int>(
      std::max(milliseconds{0}, time_left(next, now) + milliseconds{1}).count());
}

void OutboundWorker::sleep() {
  const bool can_start = std::ranges::any_of(queues_, [](const auto& queue) {
    return !queue->waiting.empty() &&
           queue->under_way.size() < queue->destination->settings().connections;
  });
  waker_.park();
  // After park(), see waker.h.
  if (can_start || has_requests() || stopping_.load(std::memory_order_acquire)) {
    waker_.unpark();
    return;
  }
  constexpr milliseconds longest{60'000};
  curl_waitfd extra{waker_.fd(), CURL_WAIT_POLLIN, 0};
  curl_multi_poll(multi_, &extra, 1, time_to_next(longest), nullptr);
  waker_.unpark();
  waker_.drain();
}

}  // namespace parsec::engine
