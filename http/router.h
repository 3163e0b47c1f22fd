// Which handler answers which path.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "http/message.h"
#include "http/upload.h"

namespace rivulet {

class Reply;
class Request;

using Handler = std::function<void(const Request&, Reply&)>;

struct Route {
  std::string path;
  MethodSet methods = 0;
  Handler handler;
  UploadOpener open_upload;             // may be empty
  LatencyHistogram* latency = nullptr;  // of the registry
  bool open = false;                    // answered without the token
  bool prefix = false;                  // answers what is below its path, too
  std::uint32_t served_in_batch = 0;    // of the server: answers not yet observed in `latency`
};

/// The methods of routes that only look, that act, and that act but can be looked at by HEAD.
inline constexpr MethodSet kLooks = Bit(Method::kGet) | Bit(Method::kHead);
inline constexpr MethodSet kActs = Bit(Method::kGet) | Bit(Method::kPost);
inline constexpr MethodSet kActsOrLooks = kActs | Bit(Method::kHead);

class Router {
 public:
  explicit Router(MetricRegistry* metrics) : metrics_(metrics) {}

  /// A handler of a route with HEAD in its methods must change nothing when request.is_head().
  void Add(MethodSet methods, std::string path, Handler handler);
  /// A member function as handler; `self` must outlive the router's use.
  template <typename T>
  void Add(MethodSet methods, std::string path, T* self,
           void (T::*handler)(const Request&, Reply&)) {
    Add(methods, std::move(path), [self, handler](const Request& request, Reply& reply) {
      (self->*handler)(request, reply);
    });
  }
  /// Answers every path that begins with `prefix` ("/tasks/") and has no route of its own. What
  /// follows is in Request::path(), percent-decoded: it may hold anything, slashes too.
  void AddPrefix(MethodSet methods, std::string prefix, Handler handler);
  /// The route, which was added before, takes chunked bodies as they come (http/upload.h).
  void AddUpload(std::string_view path, UploadOpener open);
  /// A route that needs no token.
  void AddOpen(MethodSet methods, std::string path, Handler handler);

  /// The route of exactly this path, else the longest prefix that it begins with, else nullptr.
  /// O(routes), which are few.
  Route* Find(std::string_view path);
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

 private:
  MetricRegistry* metrics_;
  std::vector<std::unique_ptr<Route>> routes_;
};

/// "GET, HEAD, OPTIONS": the value of an Allow field.
std::string AllowValue(MethodSet methods);

}  // namespace rivulet
