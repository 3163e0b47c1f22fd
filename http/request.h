// A request as a handler sees it: views into the connection's buffers, valid while the handler
// runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/query.h"
#include "http/request_parser.h"

namespace rivulet {

class Request {
 public:
  /// `head` describes the bytes at `base`. All three must outlive the request.
  Request(const RequestHead& head, const char* base, std::string_view path, std::string_view body,
          std::string_view peer)
      : head_(head), base_(base), path_(path), body_(body), peer_(peer) {}

  Method method() const { return head_.method; }
  /// HEAD: the answer's head is wanted, and nothing may change.
  bool is_head() const { return head_.method == Method::kHead; }
  bool http11() const { return head_.http11; }
  /// Percent-decoded.
  std::string_view path() const { return path_; }
  /// As sent.
  std::string_view query() const { return head_.query.In(base_); }
  /// The whole body, de-chunked; empty without one.
  std::string_view body() const { return body_; }
  /// Who asks: "127.0.0.1:4711", "[::1]:4711" or "unix:".
  std::string_view peer() const { return peer_; }

  /// The first field of that name. O(fields).
  std::optional<std::string_view> Header(std::string_view name) const {
    for (std::size_t i = 0; i < head_.field_count; ++i) {
      if (EqualsIgnoreCase(head_.fields[i].name.In(base_), name))
        return head_.fields[i].value.In(base_);
    }
    return std::nullopt;
  }
  /// The last field of that name: what the nearest proxy added. O(fields).
  std::optional<std::string_view> LastHeader(std::string_view name) const {
    for (std::size_t i = head_.field_count; i-- > 0;) {
      if (EqualsIgnoreCase(head_.fields[i].name.In(base_), name))
        return head_.fields[i].value.In(base_);
    }
    return std::nullopt;
  }
  /// A field of that name lists the token, or has it alone; without regard to case. O(bytes of the
  /// fields of that name).
  bool HasToken(std::string_view name, std::string_view token) const {
    for (std::size_t i = 0; i < head_.field_count; ++i) {
      if (!EqualsIgnoreCase(head_.fields[i].name.In(base_), name)) continue;
      if (ListsToken(head_.fields[i].value.In(base_), token)) return true;
    }
    return false;
  }
  /// The decoded query parameter of that name.
  std::optional<std::string> Param(std::string_view name) const {
    if (head_.query.size == 0) return std::nullopt;
    return FindParameter(query(), name);
  }
  /// True when the Accept field names application/json.
  bool accepts_json() const {
    const auto accept = Header("Accept");
    return accept && accept->find(kApplicationJson) != std::string_view::npos;
  }

 private:
  const RequestHead& head_;
  const char* base_;
  std::string_view path_;
  std::string_view body_;
  std::string_view peer_;
};

}  // namespace rivulet
