#include "queuereader/child/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace rivulet {
namespace {

// The children that run, each the leader of its group; 0: a free place.
std::array<std::atomic<pid_t>, kMaxKilledChildren> running{};
static_assert(std::atomic<pid_t>::is_always_lock_free);

void NoteRunning(pid_t pid) {
  for (auto& place : running) {
    pid_t free = 0;
    if (place.compare_exchange_strong(free, pid)) return;
  }
}

/// Before it is reaped: its number may then be another's.
void ForgetRunning(pid_t pid) {
  for (auto& place : running) {
    pid_t found = pid;
    if (place.compare_exchange_strong(found, 0)) return;
  }
}

/// Closed with this.
struct Descriptor {
  Descriptor() = default;
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void Close() {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int Release() { return std::exchange(fd, -1); }
  int fd = -1;
};

struct Pipe {
  Status Open(const std::string& name) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return IoError("cannot run " + name + ": pipe", errno);
    read_end.fd = ends[0];
    write_end.fd = ends[1];
    return {};
  }
  Descriptor read_end;
  Descriptor write_end;
};

/// All that the child needs between fork and exec, made before: the process has threads, so that
/// only async-signal-safe calls are allowed there.
struct Launch {
  char* const* argv;
  int input;
  int output;
  int error;   // -1: as it is
  int report;  // where to tell that exec failed
  bool own_descriptors;
  std::uint64_t memory_bytes;
  pid_t parent;
  int descriptor_limit;
};

void CloseFrom(int first, int limit) {
  if (close_range(static_cast<unsigned>(first), ~0U, 0) == 0) return;
  for (int fd = first; fd < limit; ++fd) close(fd);
}

/// Moves the descriptors to where the child shall find them. Its error pipe becomes the last.
bool PlaceDescriptors(const Launch& launch, int* report) {
  constexpr int kAway = 10;  // beyond every place that is filled below
  const int input = fcntl(launch.input, F_DUPFD, kAway);
  const int output = fcntl(launch.output, F_DUPFD, kAway);
  const int error = fcntl(launch.error >= 0 ? launch.error : STDERR_FILENO, F_DUPFD, kAway);
  const int told = fcntl(launch.report, F_DUPFD, kAway);
  const int null = open("/dev/null", O_RDWR);
  // A parent without standard error has none to give.
  if (input < 0 || output < 0 || told < 0 || null < 0) return false;
  const int away_null = fcntl(null, F_DUPFD, kAway);
  const int known_error = error >= 0 ? error : away_null;
  if (away_null < 0) return false;

  int last = STDERR_FILENO;
  bool placed = dup2(known_error, STDERR_FILENO) >= 0;
  if (launch.own_descriptors) {
    placed = placed && dup2(away_null, STDIN_FILENO) >= 0 &&
             dup2(known_error, STDOUT_FILENO) >= 0 && dup2(input, 3) >= 0 && dup2(output, 4) >= 0;
    last = 4;
  } else {
    placed = placed && dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0;
  }
  *report = last + 1;
  placed = placed && dup2(told, *report) >= 0 && fcntl(*report, F_SETFD, FD_CLOEXEC) == 0;
  CloseFrom(*report + 1, launch.descriptor_limit);
  return placed;
}

void ResetSignals() {
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &defaults, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunInChild(const Launch& launch) {
  int report = launch.report;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the line above.
  if (getppid() != launch.parent) _exit(127);
  bool ready = PlaceDescriptors(launch, &report);
  if (ready && launch.memory_bytes > 0) {
    const rlimit limit{launch.memory_bytes, launch.memory_bytes};
    ready = setrlimit(RLIMIT_DATA, &limit) == 0;
  }
  if (ready) {
    ResetSignals();
    execvp(launch.argv[0], launch.argv);  // glibc's allocates nothing
  }
  const int why = errno;
  [[maybe_unused]] const ssize_t n = write(report, &why, sizeof why);
  _exit(127);
}

/// The errno that the child tells when exec failed; 0 when it worked.
int AwaitExec(int report) {
  int why = 0;
  ssize_t n = 0;
  do {
    n = read(report, &why, sizeof why);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof why) ? why : 0;
}

void IgnorePipeSignal() {
  struct sigaction now {};
  sigaction(SIGPIPE, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

int DescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 65536));
}

/// fork() with all signals blocked, so that no handler of ours runs in the child.
pid_t ForkBlocked(const Launch& launch) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) RunInChild(launch);
  const int why = errno;
  if (pid > 0) NoteRunning(pid);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = why;
  return pid;
}

bool HasEnded(pid_t pid) {
  siginfo_t info{};
  // It stays a zombie, so that its group cannot be another's yet.
  const int done = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG);
  return (done == 0 && info.si_pid == pid) || (done < 0 && errno == ECHILD);
}

bool AwaitEnd(pid_t pid, Duration patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  Duration pause = std::chrono::microseconds(200);
  while (!HasEnded(pid)) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min<Duration>(pause * 2, std::chrono::milliseconds(10));
  }
  return true;
}

std::string Describe(int status) {
  if (WIFEXITED(status)) return fmt::format("exited with {}", WEXITSTATUS(status));
  const char* name = sigabbrev_np(WTERMSIG(status));
  return name != nullptr ? fmt::format("was killed by SIG{}", name)
                         : fmt::format("was killed by signal {}", WTERMSIG(status));
}

}  // namespace

void KillAllChildren() {
  for (const auto& place : running) {
    const pid_t pid = place.load();
    if (pid <= 0) continue;
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);  // it may not have made its group yet
  }
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(const ChildConfig& config) {
  if (config.argv.empty()) return InvalidArgument(config.name + ": needs a program to run");
  IgnorePipeSignal();
  Pipe to_child;
  Pipe from_child;
  Pipe report;
  for (Pipe* pipe : {&to_child, &from_child, &report}) {
    if (Status status = pipe->Open(config.name); !status.ok()) return status;
  }
  std::vector<std::string> words = config.argv;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const pid_t pid = ForkBlocked({argv.data(), to_child.read_end.fd, from_child.write_end.fd,
                                 config.error_fd, report.write_end.fd, config.own_descriptors,
                                 config.memory_bytes, getpid(), DescriptorLimit()});
  if (pid < 0) return IoError("cannot run " + config.argv[0] + ": fork", errno);
  report.write_end.Close();
  if (const int why = AwaitExec(report.read_end.fd); why != 0) {
    ForgetRunning(pid);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return IoError("cannot run " + config.argv[0], why);
  }
  std::unique_ptr<ChildProcess> child(new ChildProcess);  // NOLINT: the constructor is private
  child->pid_ = pid;
  child->input_ = to_child.write_end.Release();
  child->output_ = from_child.read_end.Release();
  fcntl(child->input_, F_SETFL, O_NONBLOCK);
  fcntl(child->output_, F_SETFL, O_NONBLOCK);
  return child;
}

ChildProcess::~ChildProcess() {
  End(Duration::zero());
  close(output_);
}

void ChildProcess::CloseInput() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

std::string ChildProcess::End(Duration patience) {
  if (pid_ < 0) return ended_;
  CloseInput();
  const bool by_itself = AwaitEnd(pid_, patience);
  // Also when it has ended: what it started may still run.
  kill(-pid_, SIGKILL);
  ForgetRunning(pid_);
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = waitpid(pid_, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  pid_ = -1;
  if (reaped < 0) return ended_ = "ended, how is not known";
  return ended_ = by_itself ? Describe(status) : "was killed because it did not end";
}

}  // namespace rivulet
