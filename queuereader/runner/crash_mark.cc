#include "queuereader/runner/crash_mark.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "queuereader/runner/crash_slot.h"

namespace rivulet {
namespace {

using Slot = CrashSlot;
constexpr std::size_t kTaskBytes = Slot::kTaskBytes;
constexpr std::size_t kMessageBytes = Slot::kMessageBytes;
constexpr std::size_t kFileBytes = 4096;
constexpr std::size_t kStackBytes = 64 << 10;
constexpr char kMagic[8] = {'R', 'V', 'C', 'R', 'A', 'S', 'H', '1'};

/// The file, from its beginning. Texts end with a NUL. `valid` is written last, so that a mark that
/// was not written to its end is none.
struct Page {
  char magic[8];
  std::uint32_t valid;
  char how[32];
  char task[kTaskBytes + 1];
  char message[kMessageBytes + 1];
};
static_assert(sizeof(Page) <= kFileBytes);

struct SignalName {
  int number;
  const char* name;
};
constexpr std::array<SignalName, 5> kSignals{{{SIGSEGV, "SIGSEGV"},
                                              {SIGBUS, "SIGBUS"},
                                              {SIGFPE, "SIGFPE"},
                                              {SIGILL, "SIGILL"},
                                              {SIGABRT, "SIGABRT"}}};

/// Appends to a line without allocating.
class Line {
 public:
  Line& operator<<(const char* text) {
    while (*text && size_ < sizeof bytes_) bytes_[size_++] = *text++;
    return *this;
  }
  void Write() const { [[maybe_unused]] const auto n = write(STDERR_FILENO, bytes_, size_); }

 private:
  char bytes_[kTaskBytes + kMessageBytes + 200] = {};
  std::size_t size_ = 0;
};

std::string_view TextOf(const char* text, std::size_t capacity) {
  return {text, strnlen(text, capacity)};
}

}  // namespace

struct CrashMark::Impl {
  Impl(const Clock& with_clock) : clock(with_clock) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status Map(const std::string& path);
  void ReadPage();
  void UseOwnStack();
  void InstallHandlers();
  bool IsToBlame(const Slot::Copy& copy) const;
  void Note(const char* how);
  void Keep(const Slot::Copy& copy, const char* how);

  static void OnSignal(int number, siginfo_t* info, void* context);
  static void OnExit(int status, void* unused);

  const Clock& clock;
  Slot slot;
  std::optional<Crash> found;
  Page* page = nullptr;
  pthread_t opener = pthread_self();
  pthread_t watched{};
  std::atomic<pthread_t> caller{};  // of a call
  bool watches = false;
  void* stack = nullptr;
  char program[64] = {};
  std::array<struct sigaction, kSignals.size()> before{};
  std::atomic<bool> noted{false};
  bool hung = false;

  static inline std::atomic<Impl*> the_one{nullptr};
};

CrashMark::Impl::~Impl() {
  if (watches) {
    the_one.store(nullptr);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i].number, &before[i], nullptr);
    }
  }
  if (stack) {
    // The stack is its thread's; where that has ended, nobody uses it.
    if (pthread_equal(pthread_self(), watched)) {
      stack_t none{};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
    }
    munmap(stack, kStackBytes);
  }
  if (page) {
    if (!hung) page->valid = 0;
    munmap(page, kFileBytes);
  }
}

Status CrashMark::Impl::Map(const std::string& path) {
  const std::string what = "crash mark " + path;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return IoError(what + ": open", errno);
  // Allocated: a full disk is told now, not by a SIGBUS in the handler.
  if (const int error = posix_fallocate(fd, 0, kFileBytes); error != 0) {
    close(fd);
    return IoError(what + ": allocate", error);
  }
  void* at = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);
  if (at == MAP_FAILED) return IoError(what + ": mmap", error);
  page = static_cast<Page*>(at);
  ReadPage();
  return {};
}

void CrashMark::Impl::ReadPage() {
  const bool ours = std::memcmp(page->magic, kMagic, sizeof kMagic) == 0;
  if (ours && page->valid == 1) {
    found = Crash{std::string(TextOf(page->task, sizeof page->task)),
                  std::string(TextOf(page->message, sizeof page->message)),
                  std::string(TextOf(page->how, sizeof page->how))};
  }
  if (!ours) {
    std::memset(static_cast<void*>(page), 0, kFileBytes);
    std::memcpy(page->magic, kMagic, sizeof kMagic);
  }
}

void CrashMark::Impl::UseOwnStack() {
  stack_t now{};
  // A sanitizer brings a stack of its own, and frees what it finds there.
  if (sigaltstack(nullptr, &now) == 0 && (now.ss_flags & SS_DISABLE)) {
    void* at =
        mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED) {
      stack = at;
      stack_t ours{};
      ours.ss_sp = at;
      ours.ss_size = kStackBytes;
      sigaltstack(&ours, nullptr);
    }
  }
}

void CrashMark::Impl::InstallHandlers() {
  // A fault whose signal is blocked ends the process without a word.
  sigset_t fatal;
  sigemptyset(&fatal);
  for (const SignalName& one : kSignals) sigaddset(&fatal, one.number);
  pthread_sigmask(SIG_UNBLOCK, &fatal, nullptr);
  if (watches) return;  // another thread before
  watches = true;
  struct sigaction action {};
  action.sa_sigaction = &OnSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i].number, &action, &before[i]);
  }
  static const bool registered = on_exit(&OnExit, nullptr) == 0;
  static_cast<void>(registered);
}

/// A crash of the loop's thread is none of the task's; one of a thread that a task made is.
bool CrashMark::Impl::IsToBlame(const Slot::Copy& copy) const {
  if (copy.is_call && pthread_equal(pthread_self(), caller)) return true;
  return pthread_equal(pthread_self(), watched) || !pthread_equal(pthread_self(), opener);
}

void CrashMark::Impl::Note(const char* how) {
  Slot::Copy copy{};
  if (noted.exchange(true) || !slot.Read(&copy, true) || !IsToBlame(copy)) return;
  if (!copy.is_call) Keep(copy, how);
  Line line;
  line << program << ": " << how << " in task " << copy.task
       << (copy.is_call ? " while " : " on message ") << copy.message << "\n";
  line.Write();
}

void CrashMark::Impl::Keep(const Slot::Copy& copy, const char* how) {
  if (!page) return;
  page->valid = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::strncpy(page->how, how, sizeof page->how - 1);
  std::memcpy(page->task, copy.task, sizeof page->task);
  std::memcpy(page->message, copy.message, sizeof page->message);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  page->valid = 1;
}

void CrashMark::Impl::OnSignal(int number, siginfo_t* info, void*) {
  const int saved_errno = errno;
  const bool from_outside = info->si_code <= 0 && info->si_pid != getpid();
  Impl* self = the_one.load();
  struct sigaction next {};
  next.sa_handler = SIG_DFL;
  const char* how = "a signal";
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i].number != number) continue;
    how = kSignals[i].name;
    if (self) next = self->before[i];
  }
  if (self && !from_outside) self->Note(how);
  sigaction(number, &next, nullptr);
  // A fault happens again on return, and takes its course; a signal that was sent is sent again.
  if (info->si_code <= 0) raise(number);
  errno = saved_errno;
}

void CrashMark::Impl::OnExit(int status, void*) {
  Impl* self = the_one.load();
  Slot::Copy copy{};
  if (!self || !self->slot.Read(&copy, true) || !self->IsToBlame(copy)) return;
  self->Note("a call of exit()");
  // The loop's thread still runs: destructors of what it uses must not. And a reader that a task
  // ended has not done its work, whatever the task says.
  std::fflush(stdout);
  _exit(status == 0 ? EXIT_FAILURE : status);
}

CrashMark::CrashMark(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CrashMark::~CrashMark() = default;

Result<std::unique_ptr<CrashMark>> CrashMark::Open(const Clock& clock, const std::string& path) {
  auto impl = std::make_unique<Impl>(clock);
  if (!path.empty()) {
    if (Status status = impl->Map(path); !status.ok()) return status;
  }
  return std::unique_ptr<CrashMark>(new CrashMark(std::move(impl)));
}

const std::optional<CrashMark::Crash>& CrashMark::found() const { return impl_->found; }

void CrashMark::WatchThisThread(const std::string& program) {
  if (impl_->page) impl_->page->valid = 0;
  program.copy(impl_->program, sizeof impl_->program - 1);
  impl_->watched = pthread_self();
  Impl::the_one.store(impl_.get());
  impl_->UseOwnStack();
  impl_->InstallHandlers();
}

void CrashMark::WatchCalls(const std::string& program) {
  program.copy(impl_->program, sizeof impl_->program - 1);
  impl_->watched = pthread_self();
  Impl::the_one.store(impl_.get());
  impl_->InstallHandlers();
}

void CrashMark::EnterCall(std::string_view task, std::string_view what) {
  impl_->caller.store(pthread_self());
  MessageName name;
  name.origin = what;
  name.kind = MessageName::Kind::kCall;
  impl_->slot.Enter(task, name, impl_->clock.Now());
}

void CrashMark::Enter(std::string_view task, const MessageName& message, MonoTime since) {
  impl_->slot.Enter(task, message, since);
}

void CrashMark::Enter(std::string_view task, std::string_view message) {
  MessageName name;
  name.origin = message;
  impl_->slot.Enter(task, name, impl_->clock.Now());
}

void CrashMark::Leave() { impl_->slot.Leave(); }

void CrashMark::Hung(const char* how) {
  Slot::Copy copy{};
  if (!impl_->slot.Read(&copy, false) || copy.is_call || impl_->noted.exchange(true)) return;
  impl_->hung = true;
  impl_->Keep(copy, how);
}

std::optional<CrashMark::Current> CrashMark::current() const {
  Slot::Copy copy{};
  if (!impl_->slot.Read(&copy, false)) return std::nullopt;
  return Current{copy.task, copy.message, MonoTime(Duration(copy.since)), copy.is_call};
}

std::string CrashMark::Current::Place() const {
  if (is_call) return "while " + message;
  return "on " + (message.empty() ? "a message" : message);
}

}  // namespace rivulet
