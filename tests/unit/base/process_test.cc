#include "base/process.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

using namespace rivulet;

namespace {

std::string TempDir() {
  char name[] = "/tmp/rivulet_process_XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  return name;
}

std::string Content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

struct Ended {
  int status = 0;
  std::string out;  // standard output and error
};

// Runs `act` in a process of its own, whose exit status is what it returns.
Ended InChild(const std::function<int()>& act) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    const int status = act();
    std::fflush(nullptr);
    _exit(status);
  }
  close(ends[1]);
  Ended ended;
  std::array<char, 256> buffer;
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    ended.out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ended;
}

}  // namespace

TEST_CASE("process: the root is entered and descriptors are raised to the hard limit") {
  const std::string dir = TempDir();
  const Ended ended = InChild([&] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &limit);
    ProcessConfig config;
    config.root = dir;
    if (!EnterRoot(config).ok()) return 1;
    std::ofstream("here") << "x";
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == limit.rlim_max ? 0 : 2;
  });
  CHECK(ended.status == 0);
  CHECK(Content(dir + "/here") == "x");
  unlink((dir + "/here").c_str());
  rmdir(dir.c_str());
}

TEST_CASE("process: a root that is not there is named") {
  ProcessConfig config;
  config.root = "/nonexistent/x";
  CHECK(EnterRoot(config).message() == "--root=/nonexistent/x: No such file or directory");
}

TEST_CASE("process: the pid file names this process and is removed") {
  const std::string dir = TempDir();
  ProcessConfig config;
  config.pid_file = dir + "/pid";
  REQUIRE(WritePidFile(config).ok());
  CHECK(Content(config.pid_file) == std::to_string(getpid()) + "\n");
  CHECK(WritePidFile(config).ok());  // our own
  RemovePidFile(config);
  CHECK(access(config.pid_file.c_str(), F_OK) != 0);
  rmdir(dir.c_str());
}

TEST_CASE("process: a pid file that names a living process is refused and left alone") {
  const std::string dir = TempDir();
  ProcessConfig config;
  config.pid_file = dir + "/pid";
  const std::string parent = std::to_string(getppid());
  std::ofstream(config.pid_file) << parent << "\n";
  const Status status = WritePidFile(config);
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.message() == "--pid-file=" + config.pid_file + ": names process " + parent +
                                ", which runs: must be stopped first, or the file removed");
  RemovePidFile(config);
  CHECK(Content(config.pid_file) == parent + "\n");
  unlink(config.pid_file.c_str());
  rmdir(dir.c_str());
}

TEST_CASE("process: a pid file of a dead process, or of none, is written over") {
  const std::string dir = TempDir();
  ProcessConfig config;
  config.pid_file = dir + "/pid";
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  for (const std::string& content :
       {std::to_string(dead) + "\n", std::string("what"), std::string()}) {
    std::ofstream(config.pid_file) << content;
    CHECK(WritePidFile(config).ok());
    CHECK(Content(config.pid_file) == std::to_string(getpid()) + "\n");
  }
  RemovePidFile(config);
  rmdir(dir.c_str());
}

TEST_CASE("process: a user or group that is not there is named") {
  ProcessConfig config;
  config.user = "no-such-user";
  CHECK(DropPrivileges(config).message() ==
        "--user=no-such-user: must be a user of this machine, or a user id");
  config.user.clear();
  config.group = "no-such-group";
  CHECK(DropPrivileges(config).message() ==
        "--group=no-such-group: must be a group of this machine, or a group id");
}

TEST_CASE("process: root becomes the user, with the user's group, for good") {
  if (getuid() != 0) {
    MESSAGE("skipped: must be root");
    return;
  }
  const Ended ended = InChild([] {
    ProcessConfig config;
    config.user = "nobody";
    if (!DropPrivileges(config).ok()) return 1;
    return getuid() != 0 && geteuid() != 0 && getgid() != 0 && setuid(0) != 0 ? 0 : 2;
  });
  CHECK(ended.status == 0);
}

TEST_CASE("process: the last start-up line is exact") {
  const Ended ended = InChild([] {
    AnnounceListening({}, "127.0.0.1:8080");
    return 0;
  });
  CHECK(ended.out == "listening on 127.0.0.1:8080\n");
}

TEST_CASE("process: in the background the parent ends with 0 once the child has announced") {
  const Ended ended = InChild([] {
    ProcessConfig config;
    config.daemon = true;
    const pid_t parent = getpid();
    if (!Daemonize(config).ok()) return 3;
    if (getpid() == parent || getsid(0) != getpid()) return 4;
    AnnounceListening(config, "here");
    return 5;  // the child's own; nobody waits for it
  });
  CHECK(ended.status == 0);
  CHECK(ended.out == "listening on here\n");
}

TEST_CASE("process: in the background a start that fails ends the parent with 1") {
  ProcessConfig config;
  config.daemon = true;
  const Ended refused = InChild([&] {
    if (!Daemonize(config).ok()) return 3;
    return 1;  // after its one line
  });
  CHECK(refused.status == 1);
  CHECK(refused.out.empty());
  const Ended killed = InChild([&] {
    if (!Daemonize(config).ok()) return 3;
    raise(SIGKILL);
    return 0;
  });
  CHECK(killed.status == 1);
  CHECK(killed.out.find("did not start: ended by signal 9") != std::string::npos);
}
