// An HTTP/1.1 client on an event loop: libcurl's multi interface behind one header.
//
//   Client client(loop);
//   ClientRequest request;
//   request.method = "POST";
//   request.url = "http://127.0.0.1:8080/put";
//   request.body = std::string("hello");
//   call_ = client.Start(std::move(request), [](ClientResponse response) {
//     if (!response.ok()) LogWarning("{}", response.Describe());
//   });
//
// Thread: a client, its calls and their callbacks belong to the loop's thread. The client must be
// destroyed before its loop; destroying it cancels every call that runs.
//
// Callbacks run from the loop, never inside Start(), Cancel() or Resume(). In any callback the
// caller may start other calls, and cancel, move or destroy this call or others; it must not
// destroy the client.
//
// A call ends in exactly one way: `on_done` is called once, or the call was cancelled (then nothing
// is called any more). An answer of any status code is a success of the call: `status` is OK and
// `code` says which. `status` is not OK when there was no whole answer:
//   kInvalidArgument  the URL or a header is malformed, the URL is longer than 900,000 bytes
//   kUnavailable      not resolved, refused, reset, closed early, a timeout, a malformed answer
//   kTooLarge         the body passed max_body_bytes
//   kExhausted        out of memory or descriptors
// Messages name the URL without its query, which may hold tokens and data.
//
// Connections are kept alive and reused. When a reused connection turns out to be closed before a
// byte of the answer came, the request is sent again on a new one, whatever its method: the server
// may have seen it twice. No redirects are followed, no proxy is taken from the environment unless
// asked, no signal is raised, no `Expect:` is sent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace rivulet {

/// kInvalidArgument when no call to that URL could be made: its host or port is malformed. The
/// message is what would be right.
Status CheckClientUrl(std::string_view url);

/// A request body. Copies are cheap: they share the bytes, so that a retry does not copy them.
class ClientBody {
 public:
  ClientBody() = default;
  ClientBody(std::string bytes);  // NOLINT(*-explicit-*): reads as its bytes
  ClientBody(const std::shared_ptr<const std::string>& bytes);  // NOLINT(*-explicit-*)
  /// A view into bytes that `owner` keeps alive; with no owner the caller keeps them alive and
  /// unchanged until the call has ended.
  ClientBody(std::string_view view, std::shared_ptr<const void> owner);

  std::string_view view() const { return view_; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

/// The answer, or why there is none.
struct ClientResponse {
  Status status;
  int code = 0;  // 0 when no head came
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;      // empty when on_data took it
  std::string endpoint;  // "POST http://host:port/path", without the query
  /// Of a call that failed: some of the request went out, so that a server may have acted on it.
  bool request_sent = false;

  /// A whole answer with a 2xx code.
  bool ok() const { return status.ok() && code >= 200 && code < 300; }
  /// The first header of that name, case-insensitive; empty when there is none.
  std::string_view header(std::string_view name) const;
  bool has_header(std::string_view name) const;
  /// One line for a log: "POST http://127.0.0.1:8080/put: answered 503" or what failed.
  std::string Describe() const;
};

/// What on_data wants next.
enum class ClientFlow {
  kContinue,
  kPause,  // these bytes were taken; no more come until ClientCall::Resume()
  kAbort,  // ends the call: on_done gets kUnavailable "ended by the receiver"
};

struct ClientRequest {
  std::string method = "GET";  // upper case
  std::string url;             // http:// or https://
  std::string unix_socket;     // when set, connects to this socket file, not to the URL's host
  /// PEM file of the authorities that may have signed an https:// server's certificate, instead of
  /// the system's. Certificates and host names are always verified.
  std::string ca_file;
  std::vector<std::string> headers;  // "Name: value", without line ends
  ClientBody body;

  // Zero is no limit. A paused call is not silent: idle_timeout does not run meanwhile.
  Duration connect_timeout = std::chrono::seconds(10);
  Duration timeout{};       // from Start() to the last byte
  Duration idle_timeout{};  // no byte received for that long (noticed up to a quarter later)
  std::uint64_t max_body_bytes = std::uint64_t{64} << 20;  // of the answer; streamed ones count too

  /// Called when the head is there (code and headers; the body is still empty), before any data.
  std::function<void(const ClientResponse& head)> on_head;
  /// When set, gets the body piece by piece, cut anywhere (chunked framing is taken off), instead
  /// of ClientResponse::body. The view is valid during the call only.
  std::function<ClientFlow(std::string_view data)> on_data;
};

namespace internal {
struct ClientCallState;
struct ClientImpl;
}  // namespace internal

/// A call in flight. Destroying it cancels the call; so does assigning another.
class ClientCall {
 public:
  ClientCall() = default;
  ~ClientCall() { Cancel(); }
  ClientCall(ClientCall&& other) noexcept : state_(std::move(other.state_)) {}
  ClientCall& operator=(ClientCall&& other) noexcept;

  /// False once on_done was called (or is being called), after Cancel(), and for an empty handle.
  bool active() const;
  /// Ends the call; its callbacks are not called again. Closes its connection unless it had ended.
  void Cancel();
  /// Goes on after kPause. Nothing to do when the call is not paused.
  void Resume();
  /// Lets the call run to its end without a handle.
  void Detach() { state_.reset(); }

 private:
  friend class Client;
  explicit ClientCall(std::shared_ptr<internal::ClientCallState> state)
      : state_(std::move(state)) {}
  std::shared_ptr<internal::ClientCallState> state_;
};

struct ClientOptions {
  std::size_t max_idle_connections = 64;     // kept alive between calls, all hosts together
  std::size_t max_connections_per_host = 0;  // further calls wait for one; 0 is no limit
  bool proxy_from_environment = false;       // honour http_proxy and the like
};

class Client {
 public:
  using DoneCallback = std::function<void(ClientResponse response)>;

  explicit Client(EventLoop& loop, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Starts a call. Never fails here: what is wrong with the request arrives in `on_done`.
  [[nodiscard]] ClientCall Start(ClientRequest request, DoneCallback on_done);

  /// Runs the loop until this call is done, serving everything else on it meanwhile. For programs
  /// that wait for one answer; must not be called from inside a callback of the same loop.
  ClientResponse Fetch(ClientRequest request);

  /// Calls that were started and have not ended.
  std::size_t active_calls() const;

 private:
  std::unique_ptr<internal::ClientImpl> impl_;
};

}  // namespace rivulet
