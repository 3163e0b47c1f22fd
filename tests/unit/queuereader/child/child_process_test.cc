#include "queuereader/child/child_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "base/log.h"

using namespace rivulet;
using namespace std::chrono_literals;

namespace {

ChildConfig Shell(const std::string& script) {
  ChildConfig config;
  config.argv = {"/bin/sh", "-c", script};
  config.name = "child";
  return config;
}

std::unique_ptr<ChildProcess> Started(const ChildConfig& config) {
  auto child = ChildProcess::Start(config);
  REQUIRE_MESSAGE(child.ok(), child.status().message());
  return std::move(*child);
}

/// All that it writes until it closes its output.
std::string Output(const ChildProcess& child) {
  std::string all;
  std::array<char, 4096> buffer;
  while (true) {
    pollfd ready{child.output(), POLLIN, 0};
    REQUIRE(poll(&ready, 1, 10'000) == 1);
    const ssize_t n = read(child.output(), buffer.data(), buffer.size());
    REQUIRE(n >= 0);
    if (n == 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

std::string Output(const ChildConfig& config) {
  auto child = Started(config);
  child->CloseInput();
  return Output(*child);
}

/// It has gone, or is what its new parent has yet to bury.
bool IsGone(pid_t pid) {
  std::string state;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), state);
  const std::size_t name_end = state.rfind(") ");
  return name_end == std::string::npos || state[name_end + 2] == 'Z';
}

}  // namespace

TEST_CASE("child process: it answers through its pipes, which do not block us") {
  auto child = Started({{"cat"}, "cat", -1, false, 0});
  char byte = 0;
  CHECK(read(child->output(), &byte, 1) < 0);
  CHECK(errno == EAGAIN);
  REQUIRE(write(child->input(), "hello\n", 6) == 6);
  child->CloseInput();
  CHECK(Output(*child) == "hello\n");
  CHECK(child->End(10s) == "exited with 0");
  CHECK(child->End(10s) == "exited with 0");
}

TEST_CASE("child process: all are killed with what they have started, and can be ended as ever") {
  auto child = Started(Shell("sleep 1000 & echo $!; wait"));
  std::string line;
  while (line.empty() || line.back() != '\n') {
    pollfd ready{child->output(), POLLIN, 0};
    REQUIRE(poll(&ready, 1, 10'000) == 1);
    char byte = 0;
    REQUIRE(read(child->output(), &byte, 1) == 1);
    line += byte;
  }
  KillAllChildren();
  CHECK(child->End(10s) == "was killed by SIGKILL");
  for (int i = 0; i < 10'000 && !IsGone(std::stoi(line)); ++i) std::this_thread::sleep_for(1ms);
  CHECK(IsGone(std::stoi(line)));
}

TEST_CASE("child process: a program that cannot be run is told at the start") {
  const auto child = ChildProcess::Start({{"/no/such/program"}, "exec:x", -1, false, 0});
  REQUIRE(!child.ok());
  CHECK(child.status().message() == "cannot run /no/such/program: No such file or directory");
  CHECK(!ChildProcess::Start({{}, "exec:x", -1, false, 0}).ok());
}

TEST_CASE("child process: how it ended is told") {
  CHECK(Started(Shell("exit 3"))->End(10s) == "exited with 3");
  CHECK(Started(Shell("kill -SEGV $$"))->End(10s) == "was killed by SIGSEGV");
  CHECK(Started(Shell("exec sleep 1000"))->End(1ms) == "was killed because it did not end");
}

TEST_CASE("child process: its end is the end of what it has started") {
  auto child = Started(Shell("sleep 1000 <&- >&- & echo $!; exec >&-; wait"));
  const pid_t grandchild = std::stoi(Output(*child));
  CHECK(!IsGone(grandchild));
  child->End(0s);
  for (int i = 0; i < 10'000 && !IsGone(grandchild); ++i) std::this_thread::sleep_for(1ms);
  CHECK(IsGone(grandchild));
}

TEST_CASE("child process: it is killed when the thread that has started it ends") {
  std::unique_ptr<ChildProcess> child;
  std::thread([&child] { child = Started(Shell("exec sleep 1000")); }).join();
  CHECK(child->End(10s) == "was killed by SIGKILL");
}

TEST_CASE("child process: no descriptor of ours is its own") {
  const int ours = open("/dev/null", O_RDONLY);  // not closed by exec
  REQUIRE(ours >= 0);
  // 3, and 5 beside its own: with which the shell looks.
  CHECK(Output(Shell("cd /proc/self/fd; echo *")) == "0 1 2 3\n");
  ChildConfig config = Shell("cd /proc/self/fd; echo * >&4");
  config.own_descriptors = true;
  CHECK(Output(config) == "0 1 2 3 4 5\n");
  close(ours);
}

TEST_CASE("child process: with descriptors of its own, its standard output is its standard error") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  ChildConfig config = Shell("echo out; read line <&3; cat; echo \"$line!\" >&4");
  config.own_descriptors = true;
  config.error_fd = ends[1];
  auto child = Started(config);
  REQUIRE(write(child->input(), "in\n", 3) == 3);
  CHECK(Output(*child) == "in!\n");
  std::array<char, 16> buffer;
  CHECK(read(ends[0], buffer.data(), buffer.size()) == 4);
  CHECK(std::string(buffer.data(), 4) == "out\n");
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("child process: signals are as at a login, whatever we ignore or block") {
  sigset_t term;
  sigset_t before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, &before);
  const std::string status =
      Output({{"grep", "Sig[BI]", "/proc/self/status"}, "grep", -1, false, 0});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // But for 32 and 33, which the C library keeps for itself and whoever started us may ignore.
  constexpr std::uint64_t kOfTheLibrary = std::uint64_t{3} << 31;
  const std::size_t ignored_at = status.find("SigIgn:\t");
  REQUIRE(ignored_at != std::string::npos);
  CHECK(status.substr(0, ignored_at) == "SigBlk:\t0000000000000000\n");
  CHECK((std::stoull(status.substr(ignored_at + 8), nullptr, 16) & ~kOfTheLibrary) == 0);
  struct sigaction ours {};
  sigaction(SIGPIPE, nullptr, &ours);
  const bool ignored = ours.sa_handler == SIG_IGN;
  CHECK(ignored);  // here it must not end us
}

TEST_CASE("child process: its memory can be limited") {
  ChildConfig config = Shell("ulimit -d");
  config.memory_bytes = 100 << 20;
  CHECK(Output(config) == "102400\n");  // in KiB
}

TEST_CASE("child log: lines of standard error are log lines with a name") {
  char path[] = "/tmp/rivulet_child_XXXXXX";
  close(mkstemp(path));
  REQUIRE(InitLog({"tester", false, LogLevel::kInfo, path}).ok());
  {
    EventLoop loop;
    ChildLog log(loop, "exec:x");
    ChildConfig config = Shell("printf 'one\\ntwo\\033\\nthr' >&2; printf 'ee\\nlast' >&2");
    config.error_fd = log.fd();
    Started(config)->End(10s);
    loop.RunOnce(10s);
  }
  CHECK(InitLog({}).ok());
  std::ifstream file(path);
  std::string lines;
  for (std::string line; std::getline(file, line);) lines += line.substr(line.find(' ') + 1) + "\n";
  CHECK(lines ==
        "INFO exec:x: one\nINFO exec:x: two\\x1b\nINFO exec:x: three\nINFO exec:x: last\n");
  unlink(path);
}

TEST_CASE("child log: a line without end takes no memory") {
  char path[] = "/tmp/rivulet_child_XXXXXX";
  close(mkstemp(path));
  REQUIRE(InitLog({"tester", false, LogLevel::kInfo, path}).ok());
  {
    EventLoop loop;
    ChildLog log(loop, "exec:x");
    const std::string kilobytes(10'000, 'a');
    for (int i = 0; i < 5; ++i) {
      REQUIRE(write(log.fd(), kilobytes.data(), kilobytes.size()) == 10'000);
      loop.RunOnce(10s);
    }
    REQUIRE(write(log.fd(), "\nnext\n", 6) == 6);
    loop.RunOnce(10s);
  }
  CHECK(InitLog({}).ok());
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  CHECK(text.str().size() < 2 * 1200);
  CHECK(text.str().ends_with(" INFO exec:x: next\n"));
  unlink(path);
}
