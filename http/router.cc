#include "http/router.h"

#include <cassert>

namespace rivulet {

void Router::Add(MethodSet methods, std::string path, Handler handler) {
  assert(Find(path) == nullptr || Find(path)->path != path);
  auto route = std::make_unique<Route>();
  route->latency = &metrics_->AddHistogram("rivulet_http_request_duration_seconds",
                                           "Time from reading a request to writing its answer.",
                                           {{"endpoint", path}});
  route->path = std::move(path);
  route->methods = methods;
  route->handler = std::move(handler);
  routes_.push_back(std::move(route));
}

void Router::AddUpload(std::string_view path, UploadOpener open) {
  Route* const route = Find(path);
  assert(route != nullptr);
  route->open_upload = std::move(open);
}

void Router::AddOpen(MethodSet methods, std::string path, Handler handler) {
  Add(methods, std::move(path), std::move(handler));
  routes_.back()->open = true;
}

void Router::AddPrefix(MethodSet methods, std::string prefix, Handler handler) {
  Add(methods, std::move(prefix), std::move(handler));
  routes_.back()->prefix = true;
}

Route* Router::Find(std::string_view path) {
  Route* longest = nullptr;
  for (const auto& route : routes_) {
    if (route->path == path) return route.get();
    const bool begins = route->prefix && path.starts_with(route->path);
    if (begins && (longest == nullptr || route->path.size() > longest->path.size())) {
      longest = route.get();
    }
  }
  return longest;
}

std::string AllowValue(MethodSet methods) {
  std::string value;
  for (const Method m : {Method::kGet, Method::kHead, Method::kPost, Method::kPut, Method::kDelete,
                         Method::kPatch}) {
    if ((methods & Bit(m)) != 0) value.append(MethodName(m)).append(", ");
  }
  return value + "OPTIONS";
}

}  // namespace rivulet
