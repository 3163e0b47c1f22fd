// A server of scripted answers on a unix socket, for tests of what a real one never does: it takes
// connections one after the other, and answers each by the next script. Its own thread.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "store/redis_client.h"

namespace rivulet {

/// What one connection is answered. The greeting (PING) is answered "+PONG" before.
struct FakeAnswers {
  /// Sent when `after` commands came, the greeting's not counted; then it is closed.
  std::string bytes;
  std::size_t after = 1;
  bool close = true;
  bool bytewise = false;
  std::string greeting = "+PONG\r\n";
};

class RedisFakeServer {
 public:
  explicit RedisFakeServer(std::vector<FakeAnswers> scripts) : scripts_(std::move(scripts)) {
    char folder[] = "/tmp/rivulet_fake_XXXXXX";
    folder_ = mkdtemp(folder);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (folder_ + "/s").c_str(), sizeof address.sun_path - 1);
    [[maybe_unused]] const int bound =
        bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener_, 8);
    thread_ = std::thread([this] { Serve(); });
  }
  ~RedisFakeServer() {
    stopping_ = true;
    thread_.join();
    close(listener_);
    std::filesystem::remove_all(folder_);
  }
  RedisFakeServer(const RedisFakeServer&) = delete;
  RedisFakeServer& operator=(const RedisFakeServer&) = delete;

  RedisAddress address() const {
    RedisAddress address;
    address.unix_path = folder_ + "/s";
    return address;
  }
  /// The commands that each connection was sent, "HINCRBY key field 1", the greeting left out.
  std::vector<std::vector<std::string>> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  void Serve() {
    for (std::size_t i = 0; !stopping_; ++i) {
      int link = -1;
      while (!stopping_ && link < 0) {
        if (Ready(listener_)) link = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      }
      if (link < 0) return;
      {
        const std::lock_guard lock(mutex_);
        received_.emplace_back();
      }
      if (i < scripts_.size()) Answer(link, scripts_[i]);
      close(link);
    }
  }
  static bool Ready(int fd) {
    pollfd waited = {fd, POLLIN, 0};
    return poll(&waited, 1, 5) > 0;
  }
  void Answer(int link, const FakeAnswers& script) {
    if (Take(link) != "PING") return;
    Send(link, script.greeting, false);
    for (std::size_t n = 0; n < script.after; ++n) {
      const std::string command = Take(link);
      if (command.empty()) return;
      const std::lock_guard lock(mutex_);
      received_.back().push_back(command);
    }
    Send(link, script.bytes, script.bytewise);
    char ignored[4096];
    while (!script.close && !stopping_) {
      if (Ready(link) && read(link, ignored, sizeof ignored) <= 0) return;
    }
  }
  static void Send(int link, std::string_view bytes, bool bytewise) {
    while (!bytes.empty()) {
      const ssize_t sent = send(link, bytes.data(), bytewise ? 1 : bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  std::string Line(int link) {
    std::string line;
    for (char c = 0; !stopping_;) {
      if (!Ready(link)) continue;
      if (read(link, &c, 1) != 1) return "";
      if (c == '\n') break;
      if (c != '\r') line += c;
    }
    return line;
  }
  std::string Take(int link) {
    const std::string head = Line(link);
    if (head.empty() || head[0] != '*') return "";
    std::string command;
    for (int words = std::atoi(head.c_str() + 1); words > 0 && !stopping_; --words) {
      auto left = static_cast<std::size_t>(std::atoi(Line(link).c_str() + 1)) + 2;
      std::string word;
      while (left > 0 && !stopping_) {
        char bytes[4096];
        if (!Ready(link)) continue;
        const ssize_t got = read(link, bytes, std::min(left, sizeof bytes));
        if (got <= 0) return "";
        word.append(bytes, static_cast<std::size_t>(got));
        left -= static_cast<std::size_t>(got);
      }
      if (word.size() < 2) return "";
      word.resize(word.size() - 2);
      command += (command.empty() ? "" : " ") + word;
    }
    return command;
  }

  std::vector<FakeAnswers> scripts_;
  std::string folder_;
  int listener_ = -1;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<std::vector<std::string>> received_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace rivulet
