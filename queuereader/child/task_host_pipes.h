// The pipes between a task host and its reader. Included by task_host.cc alone.
//
// Thread: one.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/write_all.h"
#include "queuereader/child/task_host_frames.h"

namespace rivulet {

/// The pipes to the parent. Where the parent is gone the process ends: nobody waits for it.
class HostPipes {
 public:
  HostPipes(int in, int out) : in_(in), out_(out) {}

  /// The next frame; nothing at the end of input. What was taken before is void.
  std::optional<HostFrame> Next() {
    if (ahead_) {
      buffer_ = std::move(*ahead_);
      ahead_.reset();
      rest_ = buffer_;
    }
    for (HostFrame frame;;) {
      if (Take(&rest_, &frame)) return frame;
      Flush();
      buffer_.erase(0, buffer_.size() - rest_.size());
      const bool more = Read(&buffer_);
      rest_ = buffer_;
      if (!more) return std::nullopt;
    }
  }
  /// The next frame, if it is there already and has this letter. What was taken stays.
  std::optional<HostFrame> NextOfSame(char letter) {
    std::string_view rest = rest_;
    HostFrame frame;
    if (ahead_ || !Take(&rest, &frame) || frame.letter != letter) return std::nullopt;
    rest_ = rest;
    return frame;
  }
  /// Sends a request, and waits for the frame R that answers it, which may lie behind messages that
  /// were sent ahead. What was taken stays.
  std::string Ask() {
    Flush();
    if (!ahead_) ahead_ = std::string(rest_);
    std::size_t at = 0;
    for (HostFrame frame;;) {
      std::string_view rest = std::string_view(*ahead_).substr(at);
      if (Take(&rest, &frame)) {
        const std::size_t end = ahead_->size() - rest.size();
        if (frame.letter == 'R') {
          std::string body(frame.body);
          ahead_->erase(at, end - at);
          return body;
        }
        at = end;
        continue;
      }
      if (!Read(&*ahead_)) _exit(EXIT_SUCCESS);
    }
  }

  std::string& out() { return written_; }
  void Flush() {
    if (WriteAll(out_, written_) != 0) _exit(EXIT_FAILURE);
    written_.clear();
  }

 private:
  static constexpr std::size_t kReadBytes = 64 << 10;

  static bool Take(std::string_view* rest, HostFrame* frame) {
    std::string why;
    const HostTook took = TakeHostFrame(rest, frame, &why);
    if (took != HostTook::kBroken) return took == HostTook::kFrame;
    fmt::print(stderr, "task host: the reader {}\n", why);
    _exit(EXIT_FAILURE);
  }
  bool Read(std::string* into) const {
    const std::size_t size = into->size();
    into->resize(size + kReadBytes);
    ssize_t n = 0;
    do {
      n = read(in_, into->data() + size, kReadBytes);
    } while (n < 0 && errno == EINTR);
    into->resize(size + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    return n > 0;
  }

  int in_;
  int out_;
  std::string buffer_;
  std::string_view rest_;             // of buffer_
  std::optional<std::string> ahead_;  // what follows rest_, once a reply was waited for
  std::string written_;
};

}  // namespace rivulet
