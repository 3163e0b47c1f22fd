// Status and Result: how a fallible call answers.
//
// Exceptions do not cross a library boundary here. A call that can fail returns a Status (no
// value) or a Result<T> (a value or a Status). The message is for people: it names the thing, the
// value and what would be right, in one line without a trailing newline or full stop.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace rivulet {

enum class StatusCode {
  kOk,
  kInvalidArgument,  // the caller's input is wrong and will stay wrong
  kNotFound,         // the named thing does not exist
  kTooLarge,         // a size limit was passed
  kExhausted,        // a bounded resource is full now; a later try may succeed
  kUnavailable,      // a peer or file cannot be reached now; a later try may succeed
  kIoError,          // the operating system refused; the message carries strerror
  kCorrupt,          // stored bytes are not what was written
  kConflict,         // something that was required does not hold; nothing was done
  kUnknownOutcome,   // it may have been done or not, and doing it again could do it twice
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status InvalidArgument(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}

/// An I/O failure: "WHAT: strerror(error_number)".
Status IoError(const std::string& what, int error_number);

/// A value, or the Status that says why there is none. Never an OK status without a value.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}  // NOLINT(*-explicit-*)
  Result(Status status)
      : state_(std::in_place_index<0>, std::move(status)) {  // NOLINT(*-explicit-*)
    assert(!std::get<0>(state_).ok());
  }

  bool ok() const { return state_.index() == 1; }
  /// OK when a value is held.
  Status status() const { return ok() ? Status() : std::get<0>(state_); }

  /// Requires ok().
  T& value() & { return std::get<1>(state_); }
  const T& value() const& { return std::get<1>(state_); }
  T&& value() && { return std::get<1>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace rivulet
