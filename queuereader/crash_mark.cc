#include "queuereader/crash_mark.h"

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

namespace rivulet {
namespace {

constexpr std::size_t kTaskBytes = 200;
constexpr std::size_t kMessageBytes = 1000;
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

/// What one thread writes and others read without waiting (a sequence lock). Every word is an
/// atomic: stores release and loads acquire, so that who sees a word of a later writing sees its
/// sequence too. On x86-64 all of it is plain moves.
class Slot {
 public:
  void Enter(std::string_view task, std::string_view message, MonoTime since) {
    const std::uint64_t n = sequence_.load(std::memory_order_relaxed);
    sequence_.store(n + 1, std::memory_order_relaxed);
    since_.store(since.time_since_epoch().count(), std::memory_order_release);
    const std::uint64_t task_bytes = task_.Write(task);
    const std::uint64_t message_bytes = message_.Write(message);
    sizes_.store(kActive | task_bytes << 16 | message_bytes, std::memory_order_release);
    sequence_.store(n + 2, std::memory_order_release);
  }
  void Leave() {
    const std::uint64_t n = sequence_.load(std::memory_order_relaxed);
    sequence_.store(n + 1, std::memory_order_relaxed);
    sizes_.store(0, std::memory_order_release);
    sequence_.store(n + 2, std::memory_order_release);
  }

  struct Copy {
    char task[kTaskBytes + 1];
    char message[kMessageBytes + 1];
    std::int64_t since;
  };
  /// False when nothing is in hand. Safe in a signal handler; there `once` (the writer may be the
  /// one that was interrupted).
  bool Read(Copy* copy, bool once) const {
    for (;;) {
      const std::uint64_t before = sequence_.load(std::memory_order_acquire);
      const std::uint64_t sizes = sizes_.load(std::memory_order_acquire);
      copy->since = since_.load(std::memory_order_acquire);
      task_.Read((sizes >> 16) & 0xffff, copy->task);
      message_.Read(sizes & 0xffff, copy->message);
      const std::uint64_t after = sequence_.load(std::memory_order_relaxed);
      const bool whole = before == after && before % 2 == 0;
      if (whole) return (sizes & kActive) != 0;
      if (once) return false;
    }
  }

 private:
  static constexpr std::uint64_t kActive = std::uint64_t{1} << 32;

  template <std::size_t kBytes>
  class Text {
   public:
    std::uint64_t Write(std::string_view text) {
      const std::size_t size = std::min(text.size(), kBytes);
      for (std::size_t at = 0, word = 0; at < size; at += 8, ++word) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, std::min<std::size_t>(8, size - at));
        words_[word].store(bytes, std::memory_order_release);
      }
      return size;
    }
    void Read(std::uint64_t size, char* out) const {
      size = std::min<std::uint64_t>(size, kBytes);
      for (std::size_t at = 0, word = 0; at < size; at += 8, ++word) {
        const std::uint64_t bytes = words_[word].load(std::memory_order_acquire);
        std::memcpy(out + at, &bytes, std::min<std::size_t>(8, size - at));
      }
      for (std::size_t i = 0; i < size; ++i) {
        const auto c = static_cast<unsigned char>(out[i]);
        if (c < 0x20 || c == 0x7f) out[i] = '?';
      }
      out[size] = '\0';
    }

   private:
    std::array<std::atomic<std::uint64_t>, kBytes / 8> words_{};
  };

  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<std::uint64_t> sizes_{0};
  std::atomic<std::int64_t> since_{0};
  Text<kTaskBytes> task_;
  Text<kMessageBytes> message_;
};

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
  void InstallHandlers();
  bool IsToBlame() const;
  void Note(const char* how);

  static void OnSignal(int number, siginfo_t* info, void* context);
  static void OnExit(int status, void* unused);

  const Clock& clock;
  Slot slot;
  std::optional<Crash> found;
  Page* page = nullptr;
  pthread_t opener = pthread_self();
  pthread_t watched{};
  bool watches = false;
  void* stack = nullptr;
  char program[64] = {};
  std::array<struct sigaction, kSignals.size()> before{};
  std::atomic<bool> noted{false};

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
    page->valid = 0;
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

void CrashMark::Impl::InstallHandlers() {
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
bool CrashMark::Impl::IsToBlame() const {
  return pthread_equal(pthread_self(), watched) || !pthread_equal(pthread_self(), opener);
}

void CrashMark::Impl::Note(const char* how) {
  Slot::Copy copy{};
  if (noted.exchange(true) || !IsToBlame() || !slot.Read(&copy, true)) return;
  if (page) {
    page->valid = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    std::strncpy(page->how, how, sizeof page->how - 1);
    std::memcpy(page->task, copy.task, sizeof page->task);
    std::memcpy(page->message, copy.message, sizeof page->message);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    page->valid = 1;
  }
  Line line;
  line << program << ": " << how << " in task " << copy.task << " on message " << copy.message
       << "\n";
  line.Write();
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
  if (!self || !self->IsToBlame() || !self->slot.Read(&copy, true)) return;
  self->Note("exit(3)");
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
  impl_->InstallHandlers();
}

void CrashMark::Enter(std::string_view task, std::string_view message) {
  impl_->slot.Enter(task, message, impl_->clock.Now());
}

void CrashMark::Leave() { impl_->slot.Leave(); }

std::optional<CrashMark::Current> CrashMark::current() const {
  Slot::Copy copy{};
  if (!impl_->slot.Read(&copy, false)) return std::nullopt;
  return Current{copy.task, copy.message, MonoTime(Duration(copy.since))};
}

}  // namespace rivulet
