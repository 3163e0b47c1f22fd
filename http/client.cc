#include "http/client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <deque>
#include <unordered_map>

namespace rivulet {

namespace {

// libcurl cuts what it hands over into 16 KiB; a larger buffer means fewer reads on a stream.
constexpr long kStreamBufferBytes = 256 * 1024;
constexpr std::size_t kPooledHandles = 64;
constexpr int kIdleTicks = 4;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using EasyPtr = std::unique_ptr<CURL, EasyDeleter>;
using ListPtr = std::unique_ptr<curl_slist, ListDeleter>;

bool SameName(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool NamesHeader(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         SameName(line.substr(0, name.size()), name);
}

// The URL as far as a log may show it: no user, no query, no fragment.
std::string Endpoint(std::string_view method, std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const auto scheme = url.find("://");
  const auto authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto at = url.substr(authority, url.find('/', authority) - authority).rfind('@');
  const auto host = at == std::string_view::npos ? authority : authority + at + 1;
  return fmt::format("{} {}{}", method, url.substr(0, authority), url.substr(host, 500));
}

Status CheckRequest(const ClientRequest& request) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (request.method.empty() || !std::ranges::all_of(request.method, is_upper)) {
    return InvalidArgument(
        fmt::format("method \"{}\" must be upper-case letters", request.method.substr(0, 40)));
  }
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://")) {
    return InvalidArgument("the URL must begin with http:// or https://");
  }
  if (request.url.find('\0') != std::string::npos) return InvalidArgument("the URL holds a NUL");
  for (const auto& header : request.headers) {
    if (header.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos ||
        header.find(':') == std::string::npos) {
      return InvalidArgument("a header must be \"Name: value\" on one line");
    }
  }
  return Status::Ok();
}

long Millis(Duration d) {
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(d).count());
}

void InitCurlOnce() {
  [[maybe_unused]] static const CURLcode kDone = curl_global_init(CURL_GLOBAL_DEFAULT);
}

}  // namespace

namespace internal {

struct ClientCallState {
  ClientImpl* client = nullptr;  // null once the call has ended in any way
  ClientRequest request;
  Client::DoneCallback on_done;
  ClientResponse response;
  EasyPtr easy;
  ListPtr headers;
  std::unique_ptr<Timer> idle_timer;
  std::size_t index = 0;  // in ClientImpl::calls
  std::uint64_t body_bytes = 0;
  int idle_ticks = 0;
  bool added = false;      // curl_multi holds the handle
  bool cancelled = false;  // to be taken out once curl has returned
  bool paused = false;
  bool head_done = false;
  std::array<char, CURL_ERROR_SIZE> error{};
};
using StatePtr = std::shared_ptr<ClientCallState>;

struct ClientImpl {
  ClientImpl(EventLoop& event_loop, const ClientOptions& client_options);
  ~ClientImpl();

  void Begin(const StatePtr& state);
  Status SetUp(ClientCallState* state);
  void SetUpBody(ClientCallState* state);
  void Cancel(ClientCallState* state);
  // Runs one entry into curl, then everything it left to do.
  template <typename Entry>
  void Enter(Entry entry);
  void Work();
  void TakeFinished();
  void Deliver();
  void Remove(ClientCallState* state);
  void Finish(ClientCallState* state, Status status);
  void OnIdleTick(ClientCallState* state);
  Status StatusOf(const ClientCallState& state, CURLcode code) const;

  static int OnSocket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int OnTimer(CURLM*, long timeout_ms, void* self);
  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* state);
  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* state);

  EventLoop& loop;
  ClientOptions options;
  CURLM* multi;
  Timer timer;
  Deferred work;
  bool timeout_due = false;
  int in_curl = 0;  // curl must not be entered again from its own callbacks
  std::unordered_map<curl_socket_t, std::unique_ptr<IoWatcher>> watchers;
  std::vector<EasyPtr> pool;
  std::vector<StatePtr> calls;     // started and not ended
  std::vector<StatePtr> starting;  // not yet given to curl
  std::vector<StatePtr> resuming;
  std::vector<StatePtr> sweeping;  // cancelled from inside curl
  std::deque<StatePtr> finished;   // on_done is due
};

ClientImpl::ClientImpl(EventLoop& event_loop, const ClientOptions& client_options)
    : loop(event_loop),
      options(client_options),
      multi((InitCurlOnce(), curl_multi_init())),
      timer(event_loop,
            [this] {
              timeout_due = true;
              Work();
            }),
      work(event_loop, [this] { Work(); }) {
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &OnSocket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &OnTimer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                    static_cast<long>(std::max<std::size_t>(options.max_idle_connections, 1)));
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                    static_cast<long>(options.max_connections_per_host));
}

ClientImpl::~ClientImpl() {
  while (!calls.empty()) Remove(calls.back().get());
  for (auto& state : finished) state->client = nullptr;
  curl_multi_cleanup(multi);
}

int ClientImpl::OnSocket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto* impl = static_cast<ClientImpl*>(self);
  if (what == CURL_POLL_REMOVE) {
    impl->watchers.erase(fd);
    return 0;
  }
  auto& watcher = impl->watchers[fd];
  if (!watcher) {
    watcher = std::make_unique<IoWatcher>(impl->loop, fd, [impl, fd](bool readable, bool writable) {
      const int mask = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
      impl->Enter([&] {
        int running = 0;
        curl_multi_socket_action(impl->multi, fd, mask, &running);
      });
    });
  }
  watcher->Watch((what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
  return 0;
}

int ClientImpl::OnTimer(CURLM*, long timeout_ms, void* self) {
  auto* impl = static_cast<ClientImpl*>(self);
  if (timeout_ms < 0) {
    impl->timer.Cancel();
  } else if (timeout_ms == 0) {
    impl->timer.Cancel();
    impl->timeout_due = true;
    impl->work.Schedule();
  } else {
    impl->timer.Start(std::chrono::milliseconds(timeout_ms));
  }
  return 0;
}

std::size_t ClientImpl::OnHeader(char* data, std::size_t, std::size_t size, void* user) {
  auto* state = static_cast<ClientCallState*>(user);
  if (state->cancelled) return 0;
  state->idle_ticks = 0;
  if (state->head_done) return size;  // a trailer
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  auto& response = state->response;
  if (line.empty()) {
    long code = 0;
    curl_easy_getinfo(state->easy.get(), CURLINFO_RESPONSE_CODE, &code);
    if (code >= 100 && code < 200) {
      response.headers.clear();
      return size;
    }
    response.code = static_cast<int>(code);
    state->head_done = true;
    if (state->request.on_head) state->request.on_head(response);
    return state->cancelled ? 0 : size;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) {
    response.headers.clear();  // a status line
    return size;
  }
  auto value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  response.headers.emplace_back(line.substr(0, colon), value);
  return size;
}

std::size_t ClientImpl::OnBody(char* data, std::size_t, std::size_t size, void* user) {
  auto* state = static_cast<ClientCallState*>(user);
  if (state->cancelled) return 0;
  if (state->paused) return CURL_WRITEFUNC_PAUSE;
  state->idle_ticks = 0;
  const auto limit = state->request.max_body_bytes;
  state->body_bytes += size;
  if (limit != 0 && state->body_bytes > limit) {
    state->response.status = {StatusCode::kTooLarge,
                              fmt::format("the answer is longer than {} bytes", limit)};
    return 0;
  }
  if (!state->request.on_data) {
    state->response.body.append(data, size);
    return size;
  }
  switch (state->request.on_data({data, size})) {
    case ClientFlow::kContinue:
      break;
    case ClientFlow::kPause:
      state->paused = true;
      break;
    case ClientFlow::kAbort:
      state->response.status = {StatusCode::kUnavailable, "ended by the receiver"};
      return 0;
  }
  return state->cancelled ? 0 : size;
}

Status ClientImpl::SetUp(ClientCallState* state) {
  const auto& request = state->request;
  if (auto status = CheckRequest(request); !status.ok()) return status;
  if (pool.empty()) {
    state->easy.reset(curl_easy_init());
  } else {
    state->easy = std::move(pool.back());
    pool.pop_back();
  }
  CURL* easy = state->easy.get();
  if (easy == nullptr) return {StatusCode::kExhausted, "out of memory"};

  if (curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str()) != CURLE_OK) {
    return InvalidArgument("the URL is longer than 8 MB");
  }
  curl_easy_setopt(easy, CURLOPT_PRIVATE, state);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->error.data());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  if (!options.proxy_from_environment) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  // curl reads zero as its default of five minutes.
  const long connect_timeout = Millis(request.connect_timeout);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   connect_timeout == 0 ? 1L << 30 : connect_timeout);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, Millis(request.timeout));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, state);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, state);
  if (request.on_data) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kStreamBufferBytes);
  SetUpBody(state);
  if (request.idle_timeout > Duration::zero()) {
    state->idle_timer = std::make_unique<Timer>(loop, [this, state] { OnIdleTick(state); });
    state->idle_timer->StartEvery(
        std::max<Duration>(request.idle_timeout / kIdleTicks, std::chrono::milliseconds(1)));
  }
  return Status::Ok();
}

void ClientImpl::SetUpBody(ClientCallState* state) {
  const auto& request = state->request;
  CURL* easy = state->easy.get();
  const auto body = request.body.view();
  bool has_type = false;
  bool has_accept = false;
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const auto& header : request.headers) {
    has_type |= NamesHeader(header, "Content-Type");
    has_accept |= NamesHeader(header, "Accept");
    list = curl_slist_append(list, header.c_str());
  }
  // Otherwise curl says that every body is a form.
  if (!has_type) list = curl_slist_append(list, "Content-Type:");
  if (!has_accept) list = curl_slist_append(list, "Accept:");
  state->headers.reset(list);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "GET" && body.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    // Not copied by curl: the state holds the body's owner until the call has ended.
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
    if (request.method != "POST") {
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }
}

void ClientImpl::Begin(const StatePtr& state) {
  state->client = this;
  state->index = calls.size();
  state->response.endpoint = Endpoint(state->request.method, state->request.url);
  calls.push_back(state);
  starting.push_back(state);
  work.Schedule();
}

template <typename Entry>
void ClientImpl::Enter(Entry entry) {
  ++in_curl;
  entry();
  --in_curl;
  TakeFinished();
  Deliver();
}

void ClientImpl::Work() {
  std::vector<StatePtr> batch;
  batch.swap(sweeping);
  for (auto& state : batch) {
    if (state->client != nullptr) Remove(state.get());
  }
  batch.clear();
  batch.swap(starting);
  for (auto& state : batch) {
    if (state->client == nullptr || state->cancelled) continue;
    Status status = SetUp(state.get());
    if (status.ok() && curl_multi_add_handle(multi, state->easy.get()) != CURLM_OK) {
      status = {StatusCode::kExhausted, "out of memory"};
    }
    state->added = status.ok();
    if (!status.ok()) Finish(state.get(), std::move(status));
  }
  batch.clear();
  batch.swap(resuming);
  Enter([&] {
    for (auto& state : batch) {
      if (state->client == nullptr || state->cancelled || !state->paused) continue;
      state->paused = false;
      state->idle_ticks = 0;
      if (state->added) curl_easy_pause(state->easy.get(), CURLPAUSE_CONT);
    }
    if (timeout_due) {
      timeout_due = false;
      int running = 0;
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
  });
}

void ClientImpl::TakeFinished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    void* user = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
    auto* state = static_cast<ClientCallState*>(user);
    const CURLcode code = message->data.result;
    if (state->cancelled) {
      Remove(state);
    } else {
      Finish(state, StatusOf(*state, code));
    }
  }
}

Status ClientImpl::StatusOf(const ClientCallState& state, CURLcode code) const {
  if (code == CURLE_OK) return Status::Ok();
  if (!state.response.status.ok()) return state.response.status;
  const char* why = state.error[0] != '\0' ? state.error.data() : curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return InvalidArgument(why);
    case CURLE_OUT_OF_MEMORY:
      return {StatusCode::kExhausted, why};
    default:
      return {StatusCode::kUnavailable, why};
  }
}

void ClientImpl::Remove(ClientCallState* state) {
  const StatePtr keep = calls[state->index];
  if (state->added) curl_multi_remove_handle(multi, state->easy.get());
  state->added = false;
  state->idle_timer.reset();
  if (state->easy && pool.size() < kPooledHandles) {
    curl_easy_reset(state->easy.get());
    pool.push_back(std::move(state->easy));
  }
  state->easy.reset();
  state->headers.reset();
  state->request.body = {};  // on_done may want its owner to be the last
  state->client = nullptr;
  calls.back()->index = state->index;
  calls[state->index] = std::move(calls.back());
  calls.pop_back();
}

void ClientImpl::Finish(ClientCallState* state, Status status) {
  finished.push_back(calls[state->index]);
  Remove(state);
  state->client = this;  // until on_done is called it may still be cancelled
  state->response.status = std::move(status);
}

void ClientImpl::Deliver() {
  while (!finished.empty()) {
    const StatePtr state = std::move(finished.front());
    finished.pop_front();
    if (state->cancelled) continue;
    state->client = nullptr;
    auto on_done = std::move(state->on_done);
    if (on_done) on_done(std::move(state->response));
  }
}

void ClientImpl::Cancel(ClientCallState* state) {
  if (state->cancelled) return;
  state->cancelled = true;
  const bool running = state->index < calls.size() && calls[state->index].get() == state;
  if (!running) {
    state->client = nullptr;
  } else if (in_curl > 0) {
    sweeping.push_back(calls[state->index]);
    work.Schedule();
  } else {
    Remove(state);
  }
}

void ClientImpl::OnIdleTick(ClientCallState* state) {
  if (state->paused || ++state->idle_ticks <= kIdleTicks) return;
  Finish(state, {StatusCode::kUnavailable,
                 fmt::format("nothing received for {} ms", Millis(state->request.idle_timeout))});
  Deliver();
}

}  // namespace internal

ClientBody::ClientBody(std::string bytes)
    : ClientBody(std::make_shared<const std::string>(std::move(bytes))) {}
ClientBody::ClientBody(std::shared_ptr<const std::string> bytes)
    : owner_(bytes), view_(bytes ? std::string_view(*bytes) : std::string_view()) {}
ClientBody::ClientBody(std::string_view view, std::shared_ptr<const void> owner)
    : owner_(std::move(owner)), view_(view) {}

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (SameName(key, name)) return value;
  }
  return {};
}

bool ClientResponse::has_header(std::string_view name) const {
  return std::ranges::any_of(headers, [&](const auto& h) { return SameName(h.first, name); });
}

std::string ClientResponse::Describe() const {
  if (!status.ok()) return fmt::format("{}: {}", endpoint, status.message());
  return fmt::format("{}: answered {}", endpoint, code);
}

ClientCall& ClientCall::operator=(ClientCall&& other) noexcept {
  if (this != &other) {
    Cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

bool ClientCall::active() const {
  return state_ && state_->client != nullptr && !state_->cancelled;
}

void ClientCall::Cancel() {
  // The state may be what the caller's callback lives in: it goes when the client lets go of it.
  const auto state = std::move(state_);
  if (state && state->client != nullptr) state->client->Cancel(state.get());
}

void ClientCall::Resume() {
  if (!active() || !state_->paused) return;
  state_->client->resuming.push_back(state_);
  state_->client->work.Schedule();
}

Client::Client(EventLoop& loop, ClientOptions options)
    : impl_(std::make_unique<internal::ClientImpl>(loop, options)) {}
Client::~Client() = default;

ClientCall Client::Start(ClientRequest request, DoneCallback on_done) {
  auto state = std::make_shared<internal::ClientCallState>();
  state->request = std::move(request);
  state->on_done = std::move(on_done);
  impl_->Begin(state);
  return ClientCall(std::move(state));
}

ClientResponse Client::Fetch(ClientRequest request) {
  ClientResponse answer;
  bool done = false;
  const ClientCall call = Start(std::move(request), [&](ClientResponse response) {
    answer = std::move(response);
    done = true;
  });
  while (!done) impl_->loop.RunOnce(std::chrono::seconds(1));
  return answer;
}

std::size_t Client::active_calls() const { return impl_->calls.size(); }

}  // namespace rivulet
