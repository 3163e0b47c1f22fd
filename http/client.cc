// The calls of a client on its loop: libcurl's multi handle, its sockets and its timer.
#include "http/client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>

#include "http/client_impl.h"

namespace rivulet {

namespace {

constexpr std::size_t kPooledHandles = 64;

void InitCurlOnce() {
  [[maybe_unused]] static const CURLcode kDone = curl_global_init(CURL_GLOBAL_DEFAULT);
}

}  // namespace

namespace internal {

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
void ClientImpl::Begin(const StatePtr& state) {
  state->client = this;
  state->index = calls.size();
  state->response.endpoint = ClientEndpoint(state->request.method, state->request.url);
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
