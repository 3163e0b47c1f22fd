// Inside the client: what a call and the client keep, and how they meet libcurl. Included by
// http/client*.cc alone.
#pragma once

#include <curl/curl.h>

#include <array>
#include <deque>
#include <unordered_map>

#include "http/client.h"

namespace rivulet::internal {

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using EasyPtr = std::unique_ptr<CURL, EasyDeleter>;
using ListPtr = std::unique_ptr<curl_slist, ListDeleter>;

/// The URL as far as a log may show it: no user, no query, no fragment.
std::string ClientEndpoint(std::string_view method, std::string_view url);
/// Rounded up. libcurl counts in milliseconds.
long ClientMillis(Duration d);

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

// An idle timeout is noticed after that many ticks of a quarter of it.
inline constexpr int kIdleTicks = 4;

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
  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* user);
  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* user);

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

}  // namespace rivulet::internal
