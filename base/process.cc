#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/print.h"
#include "base/units.h"

namespace rivulet {

namespace {

// The end of the pipe on which the parent waits; -1 when none does.
int started_fd = -1;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  // Without it there are fewer connections, which max-connections follows.
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The parent's part: waits for the byte of AnnounceListening(). Never returns.
[[noreturn]] void AwaitStart(int fd, pid_t child) {
  char byte = 0;
  ssize_t n = 0;
  do {
    n = read(fd, &byte, 1);
  } while (n < 0 && errno == EINTR);
  if (n == 1) _exit(EXIT_SUCCESS);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // A child that ended by itself has said why.
  if (WIFSIGNALED(status)) {
    Print(stderr, "{}: did not start: ended by signal {}\n", program_invocation_short_name,
          WTERMSIG(status));
  }
  _exit(EXIT_FAILURE);
}

Result<uid_t> FindUser(const std::string& name) {
  if (const passwd* user = getpwnam(name.c_str())) return user->pw_uid;
  const auto id = ParseUint(name);
  if (id.ok() && *id < static_cast<uid_t>(-1)) return static_cast<uid_t>(*id);
  return InvalidArgument("--user=" + name + ": must be a user of this machine, or a user id");
}

Result<gid_t> FindGroup(const std::string& name) {
  if (const group* found = getgrnam(name.c_str())) return found->gr_gid;
  const auto id = ParseUint(name);
  if (id.ok() && *id < static_cast<gid_t>(-1)) return static_cast<gid_t>(*id);
  return InvalidArgument("--group=" + name + ": must be a group of this machine, or a group id");
}

Status SetGroups(const std::string& name, gid_t group, const passwd* user) {
  if (getgid() == group && getegid() == group && geteuid() != 0) return {};
  const int done = user != nullptr ? initgroups(user->pw_name, group) : setgroups(1, &group);
  if (done != 0 || setgid(group) != 0) return IoError("--group=" + name, errno);
  return {};
}

// The process that a pid file names, if it can be read and holds a number.
std::optional<pid_t> ReadPidFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::array<char, 32> text{};
  const ssize_t n = read(fd, text.data(), text.size());
  close(fd);
  std::string_view digits(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  digits = digits.substr(0, digits.find('\n'));
  const auto pid = ParseUint(digits);
  if (!pid.ok() || *pid == 0 || *pid > 0x7fffffff) return std::nullopt;
  return static_cast<pid_t>(*pid);
}

}  // namespace

void AddProcessOptions(Options* options, ProcessConfig* config) {
  options->Section("Process");
  options->Text("root", &config->root, "change to this directory first").Metavar("DIR");
  options->Text("user", &config->user, "run as this user once the socket is bound").Metavar("USER");
  options->Text("group", &config->group, "run as this group once the socket is bound")
      .Metavar("GROUP");
  options->Flag("daemon", &config->daemon,
                "run in the background; the command returns once requests are served");
  options->Text("pid-file", &config->pid_file, "write the process id to FILE").Metavar("FILE");
}

Status EnterRoot(const ProcessConfig& config) {
  RaiseDescriptorLimit();
  if (!config.root.empty() && chdir(config.root.c_str()) != 0) {
    return IoError("--root=" + config.root, errno);
  }
  return {};
}

Status Daemonize(const ProcessConfig& config) {
  if (!config.daemon) return {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return IoError("--daemon: pipe", errno);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    const int error_number = errno;
    close(ends[0]);
    close(ends[1]);
    return IoError("--daemon: fork", error_number);
  }
  if (child > 0) {
    close(ends[1]);
    AwaitStart(ends[0], child);
  }
  close(ends[0]);
  started_fd = ends[1];
  if (setsid() < 0) return IoError("--daemon: setsid", errno);
  return {};
}

Status DropPrivileges(const ProcessConfig& config) {
  std::optional<uid_t> uid;
  if (!config.user.empty()) {
    const auto found = FindUser(config.user);
    if (!found.ok()) return found.status();
    uid = *found;
  }
  const passwd* user = uid ? getpwuid(*uid) : nullptr;
  if (!config.group.empty()) {
    const auto group = FindGroup(config.group);
    if (!group.ok()) return group.status();
    if (Status s = SetGroups(config.group, *group, user); !s.ok()) return s;
  } else if (user != nullptr) {
    if (Status s = SetGroups(user->pw_name, user->pw_gid, user); !s.ok()) return s;
  }
  if (!uid || (getuid() == *uid && geteuid() == *uid)) return {};
  if (setuid(*uid) != 0) return IoError("--user=" + config.user, errno);
  if (*uid != 0 && setuid(0) == 0) {
    return {StatusCode::kIoError, "--user=" + config.user + ": root could be had back"};
  }
  return {};
}

Status WritePidFile(const ProcessConfig& config) {
  if (config.pid_file.empty()) return {};
  const std::string& path = config.pid_file;
  if (const auto pid = ReadPidFile(path); pid && *pid != getpid()) {
    if (kill(*pid, 0) == 0 || errno == EPERM) {
      return {StatusCode::kUnavailable,
              fmt::format("--pid-file={}: names process {}, which runs: must be stopped first, or "
                          "the file removed",
                          path, *pid)};
    }
  }
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return IoError("--pid-file=" + path, errno);
  const std::string line = fmt::format("{}\n", getpid());
  const ssize_t n = write(fd, line.data(), line.size());
  const int error_number = n < 0 ? errno : ENOSPC;
  close(fd);
  if (n != static_cast<ssize_t>(line.size())) return IoError("--pid-file=" + path, error_number);
  return {};
}

void RemovePidFile(const ProcessConfig& config) {
  if (config.pid_file.empty()) return;
  if (ReadPidFile(config.pid_file) == getpid()) unlink(config.pid_file.c_str());
}

void AnnounceListening(const ProcessConfig& config, const std::string& where) {
  Print(stdout, "listening on {}\n", where);
  std::fflush(stdout);
  if (!config.daemon || started_fd < 0) return;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO) close(null);
  }
  const char byte = 1;
  [[maybe_unused]] const auto n = write(started_fd, &byte, 1);
  close(started_fd);
  started_fd = -1;
}

}  // namespace rivulet
