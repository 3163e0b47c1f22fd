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
struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using EasyPtr = std::unique_ptr<CURL, EasyDeleter>;
using ListPtr = std::unique_ptr<curl_slist, ListDeleter>;
using UrlPtr = std::unique_ptr<CURLU, UrlDeleter>;

/// The URL as far as a log may show it: no user, no query, no fragment.
std::string ClientEndpoint(std::string_view method, std::string_view url);
/// Rounded up. libcurl counts in milliseconds.
long ClientMillis(Duration d);

/// An easy handle that stays set up for calls of one kind: setting it up costs more than all else
/// that we do for a call. What calls of a kind differ in is set for each: the body, and the URL
/// where it is another one.
struct ClientHandle {
  EasyPtr easy;
  ListPtr header_list;
  UrlPtr parsed_url;  // of `url`, once a second call had the same
  ClientCallState* call = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};

  bool set_up = false;
  std::string url;
  std::string endpoint;  // ClientEndpoint of the last call
  // The kind.
  std::string method;
  std::vector<std::string> headers;
  std::string unix_socket;
  std::string ca_file;
  Duration connect_timeout{};
  Duration timeout{};
  bool sends_body = false;
  bool is_body_large = false;
  bool streams = false;

  /// Nothing but the URL and the body has to be set for this request.
  bool IsFor(const ClientRequest& request) const;
  Status SetUp(const ClientRequest& request, const ClientOptions& options);
  Status SetUrl(const std::string& wanted);
  void SetBody(std::string_view body) const;
  void Reset();

 private:
  void SetHeaders();
  void SetMethod() const;
};
using HandlePtr = std::unique_ptr<ClientHandle>;

struct ClientCallState {
  ClientImpl* client = nullptr;  // null once the call has ended in any way
  ClientRequest request;
  Client::DoneCallback on_done;
  ClientResponse response;
  HandlePtr handle;
  std::unique_ptr<Timer> idle_timer;
  std::size_t index = 0;  // in ClientImpl::calls
  std::uint64_t body_bytes = 0;
  int idle_ticks = 0;
  bool added = false;      // curl_multi holds the handle
  bool went_well = false;  // to its end: the handle may be used as it is
  bool cancelled = false;  // to be taken out once curl has returned
  bool paused = false;
  bool head_done = false;
};
using StatePtr = std::shared_ptr<ClientCallState>;

// A socket that curl wants events of. What it wants changes twice a request, and a system call each
// time would cost much: of a connection that curl keeps, we go on watching, until an event comes
// that nobody wants.
struct WatchedSocket {
  std::unique_ptr<IoWatcher> watcher;
  bool is_connection = false;  // of OnOpen: OnClose tells when it goes
  bool wanted = false;
};

// An idle timeout is noticed after that many ticks of a quarter of it.
inline constexpr int kIdleTicks = 4;

struct ClientImpl {
  ClientImpl(EventLoop& event_loop, const ClientOptions& client_options);
  ~ClientImpl();

  void Begin(const StatePtr& state);
  Status SetUp(ClientCallState* state);
  HandlePtr TakeHandle(const ClientRequest& request);
  void SetCallbacks(ClientHandle* handle);
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
  void OnTimeout();
  void OnReady(curl_socket_t fd, bool readable, bool writable);
  Status StatusOf(const ClientCallState& state, CURLcode code) const;

  static int OnSocket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static curl_socket_t OnOpen(void* self, curlsocktype, curl_sockaddr* address);
  static int OnClose(void* self, curl_socket_t fd);
  static int OnTimer(CURLM*, long timeout_ms, void* self);
  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* user);
  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* user);

  EventLoop& loop;
  ClientOptions options;
  CURLM* multi;
  // Armed for curl's time or an earlier one: that time changes with every call, and mostly it only
  // moves on.
  Timer timer;
  MonoTime timer_armed_for{};
  MonoTime timeout_at = MonoTime::max();
  Deferred work;
  bool timeout_due = false;
  int in_curl = 0;  // curl must not be entered again from its own callbacks
  std::unordered_map<curl_socket_t, WatchedSocket> sockets;
  std::vector<HandlePtr> pool;
  std::vector<StatePtr> calls;     // started and not ended
  std::vector<StatePtr> starting;  // not yet given to curl
  std::vector<StatePtr> resuming;
  std::vector<StatePtr> sweeping;  // cancelled from inside curl
  std::deque<StatePtr> finished;   // on_done is due
};

}  // namespace rivulet::internal
