// The calls of a client on its loop: libcurl's multi handle, its sockets and its timer.
#include "http/client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "http/client_impl.h"

namespace rivulet {

namespace {

constexpr std::size_t kPooledHandles = 64;  // or as many as connections

void InitCurlOnce() {
  [[maybe_unused]] static const CURLcode kDone = curl_global_init(CURL_GLOBAL_DEFAULT);
}

}  // namespace

namespace internal {

ClientImpl::ClientImpl(EventLoop& event_loop, const ClientOptions& client_options)
    : loop(event_loop),
      options(client_options),
      multi((InitCurlOnce(), curl_multi_init())),
      timer(event_loop, [this] { OnTimeout(); }),
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
    const auto found = impl->sockets.find(fd);
    if (found == impl->sockets.end()) return 0;
    found->second.wanted = false;
    if (!found->second.is_connection) impl->sockets.erase(found);
    return 0;
  }
  WatchedSocket& socket = impl->sockets[fd];
  if (!socket.watcher) {
    socket.watcher = std::make_unique<IoWatcher>(
        impl->loop, fd,
        [impl, fd](bool readable, bool writable) { impl->OnReady(fd, readable, writable); });
  }
  socket.wanted = true;
  socket.watcher->Watch((what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
  return 0;
}

void ClientImpl::OnReady(curl_socket_t fd, bool readable, bool writable) {
  const auto found = sockets.find(fd);
  if (found == sockets.end()) return;
  if (!found->second.wanted) return found->second.watcher->Watch(false, false);
  const int mask = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
  Enter([&] {
    int running = 0;
    curl_multi_socket_action(multi, fd, mask, &running);
  });
}

curl_socket_t ClientImpl::OnOpen(void* self, curlsocktype, curl_sockaddr* address) {
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd >= 0) static_cast<ClientImpl*>(self)->sockets[fd].is_connection = true;
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int ClientImpl::OnClose(void* self, curl_socket_t fd) {
  // Before the number can be another's.
  static_cast<ClientImpl*>(self)->sockets.erase(fd);
  return close(fd);
}

int ClientImpl::OnTimer(CURLM*, long timeout_ms, void* self) {
  auto* impl = static_cast<ClientImpl*>(self);
  impl->timeout_at = MonoTime::max();
  if (timeout_ms == 0) {
    impl->timeout_due = true;
    impl->work.Schedule();
  } else if (timeout_ms > 0) {
    const Duration delay = std::chrono::milliseconds(timeout_ms);
    impl->timeout_at = SystemClock().Now() + delay;
    if (impl->timer.active() && impl->timer_armed_for <= impl->timeout_at) return 0;
    impl->timer_armed_for = impl->timeout_at;
    impl->timer.Start(delay);
  }
  return 0;
}

void ClientImpl::OnTimeout() {
  if (timeout_at == MonoTime::max()) return;
  const Duration left = timeout_at - SystemClock().Now();
  if (left > Duration::zero()) {
    timer_armed_for = timeout_at;
    return timer.Start(left);
  }
  timeout_due = true;
  Work();
}

void ClientImpl::Begin(const StatePtr& state) {
  state->client = this;
  state->index = calls.size();
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
    if (status.ok() && curl_multi_add_handle(multi, state->handle->easy.get()) != CURLM_OK) {
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
      if (state->added) curl_easy_pause(state->handle->easy.get(), CURLPAUSE_CONT);
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
    ClientCallState* state = static_cast<ClientHandle*>(user)->call;
    const CURLcode code = message->data.result;
    state->went_well = code == CURLE_OK && !state->paused;
    if (state->cancelled) {
      Remove(state);
    } else {
      Finish(state, StatusOf(*state, code));
    }
  }
}

void ClientImpl::Remove(ClientCallState* state) {
  const StatePtr keep = calls[state->index];
  if (state->added) curl_multi_remove_handle(multi, state->handle->easy.get());
  state->added = false;
  state->idle_timer.reset();
  const bool is_worth_keeping = state->handle && state->handle->easy;
  if (is_worth_keeping && pool.size() < std::max(kPooledHandles, options.max_idle_connections)) {
    state->handle->call = nullptr;
    if (!state->went_well) state->handle->Reset();
    pool.push_back(std::move(state->handle));
  }
  state->handle.reset();
  state->request.body = {};  // on_done may want its owner to be the last
  state->client = nullptr;
  calls.back()->index = state->index;
  calls[state->index] = std::move(calls.back());
  calls.pop_back();
}

void ClientImpl::Finish(ClientCallState* state, Status status) {
  if (!status.ok() && state->added) {
    long request_bytes = 0;
    curl_easy_getinfo(state->handle->easy.get(), CURLINFO_REQUEST_SIZE, &request_bytes);
    state->response.request_sent = request_bytes > 0;
  }
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
  Finish(state, {StatusCode::kUnavailable, fmt::format("nothing received for {} ms",
                                                       ClientMillis(state->request.idle_timeout))});
  Deliver();
}

}  // namespace internal

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
