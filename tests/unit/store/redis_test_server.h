// A real redis-server in a temporary folder, on a unix socket, for tests; and words to it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "store/redis_client.h"

namespace rivulet {

class RedisTestServer {
 public:
  static bool Installed() { return std::filesystem::exists("/usr/bin/redis-server"); }

  explicit RedisTestServer(std::vector<std::string> options = {}) : options_(std::move(options)) {
    char folder[] = "/tmp/rivulet_redis_XXXXXX";
    folder_ = mkdtemp(folder);
    Start();
  }
  ~RedisTestServer() {
    Kill();
    std::filesystem::remove_all(folder_);
  }
  RedisTestServer(const RedisTestServer&) = delete;
  RedisTestServer& operator=(const RedisTestServer&) = delete;

  /// On the test's main thread: it ends with the thread that started it.
  void Start() {
    std::vector<std::string> words = {
        "redis-server", "--port", "0", "--unixsocket", socket_path(),   "--dir",
        folder_,        "--save", "",  "--logfile",    folder_ + "/log"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::filesystem::remove(socket_path());
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // when the thread that calls this ends
      execv("/usr/bin/redis-server", arguments.data());
      _exit(127);
    }
    for (int i = 0; i < 2000 && Ask({"PING"}).substr(0, 5) != "+PONG"; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  std::string socket_path() const { return folder_ + "/s"; }
  RedisAddress address() const {
    RedisAddress address;
    address.unix_path = socket_path();
    return address;
  }
  /// The first bytes of the reply to one command; "" where there is none.
  std::string Ask(std::initializer_list<std::string_view> words) const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_path().c_str(), sizeof address.sun_path - 1);
    std::string reply;
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      RedisRequest request;
      request.Add(words);
      [[maybe_unused]] const auto sent =
          send(fd, request.bytes.data(), request.bytes.size(), MSG_NOSIGNAL);
      char bytes[4096];
      const ssize_t got = read(fd, bytes, sizeof bytes);
      if (got > 0) reply.assign(bytes, static_cast<std::size_t>(got));
    }
    close(fd);
    return reply;
  }

 private:
  std::vector<std::string> options_;
  std::string folder_;
  pid_t pid_ = 0;
};

}  // namespace rivulet
