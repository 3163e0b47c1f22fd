// Crashes are those of real processes: a fork() that ends as the test says.
#include "queuereader/runner/crash_mark.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace rivulet {
namespace {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "crash_mark.XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string mark() const { return (path / "reader.crash").string(); }
  std::filesystem::path path;
};

struct Ended {
  int status = 0;
  std::string error;  // what it wrote there
};

/// Runs `body` in a process of its own, with a mark that watches it.
Ended InProcess(const std::string& path, const std::function<void(CrashMark&)>& body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr);  // or both write it
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    // The tests' own handlers are not the program's.
    for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM})
      signal(number, SIG_DFL);
    const SystemClock clock;
    auto mark = CrashMark::Open(clock, path);
    if (!mark.ok()) _exit(99);
    (*mark)->WatchThisThread("my_reader");
    body(**mark);
    mark->reset();
    _exit(0);
  }
  close(ends[1]);
  Ended ended;
  char bytes[4096];
  for (ssize_t n = 0; (n = read(ends[0], bytes, sizeof bytes)) > 0;) {
    ended.error.append(bytes, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  waitpid(pid, &ended.status, 0);
  return ended;
}

std::optional<CrashMark::Crash> Found(const std::string& path) {
  const FakeClock clock;
  auto mark = CrashMark::Open(clock, path);
  REQUIRE(mark.ok());
  return (*mark)->found();
}

TEST_CASE("crash mark: a fatal signal is told with task and message, and found by the next start") {
  for (const auto& row : {std::pair{SIGSEGV, "SIGSEGV"},
                          {SIGBUS, "SIGBUS"},
                          {SIGFPE, "SIGFPE"},
                          {SIGILL, "SIGILL"},
                          {SIGABRT, "SIGABRT"}}) {
    const int number = row.first;
    const char* const name = row.second;
    CAPTURE(name);
    Folder folder;
    const Ended ended = InProcess(folder.mark(), [number](CrashMark& mark) {
      mark.Enter("clicks", "http://q/1#17");
      mark.Leave();
      mark.Enter("moments", "http://q/1#18");
      raise(number);
    });
    CHECK(WIFSIGNALED(ended.status));
    CHECK(WTERMSIG(ended.status) == number);
    CHECK(ended.error ==
          "my_reader: " + std::string(name) + " in task moments on message http://q/1#18\n");
    const auto found = Found(folder.mark());
    REQUIRE(found);
    CHECK(found->task == "moments");
    CHECK(found->message == "http://q/1#18");
    CHECK(found->how == name);
    CHECK_FALSE(Found(folder.mark()));  // the start that found it ended in order
  }
}

TEST_CASE("crash mark: a fault is told, and then takes its course") {
  Folder folder;
  const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
    mark.Enter("t", "m");
    void* closed = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *static_cast<volatile char*>(closed) = 1;
  });
  CHECK(ended.status != 0);  // a signal, or what a sanitizer makes of it
  CHECK(ended.error.starts_with("my_reader: SIGSEGV in task t on message m\n"));
  CHECK(Found(folder.mark()));
}

/// For ever: each call needs the room of the one above it.
int Deeper(const volatile char* above) {
  volatile char room[4096];
  room[0] = *above;
  return above == nullptr ? 0 : Deeper(room) + room[0];
}

TEST_CASE("crash mark: a stack that overflows is told, on a stack of its own") {
  Folder folder;
  const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
    std::thread([&mark] {
      // As the thread that runs tasks does, so that the loop's gets the signals.
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, nullptr);
      mark.WatchThisThread("my_reader");
      mark.Enter("t", "m");
      const volatile char first = 1;
      Deeper(&first);
    }).join();
  });
  CHECK(ended.status != 0);
  CHECK(ended.error.starts_with("my_reader: SIGSEGV in task t on message m\n"));
}

TEST_CASE("crash mark: an exit() in a task is a crash, and no success") {
  for (const int status : {0, 7}) {
    Folder folder;
    const Ended ended = InProcess(folder.mark(), [status](CrashMark& mark) {
      mark.Enter("t", "m");
      exit(status);
    });
    CHECK(WIFEXITED(ended.status));
    CHECK(WEXITSTATUS(ended.status) == (status == 0 ? 1 : status));
    CHECK(ended.error == "my_reader: a call of exit() in task t on message m\n");
    REQUIRE(Found(folder.mark()));
  }
}

TEST_CASE("crash mark: no message is to blame for what did not happen while it was in hand") {
  Folder folder;
  SUBCASE("an end in order") {
    InProcess(folder.mark(), [](CrashMark& mark) { mark.Enter("t", "m"); });
  }
  SUBCASE("a kill from outside") {
    InProcess(folder.mark(), [](CrashMark& mark) {
      mark.Enter("t", "m");
      raise(SIGKILL);
    });
  }
  SUBCASE("a fatal signal from outside") {
    const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
      mark.Enter("t", "m");
      const pid_t parent = getpid();
      if (fork() == 0) {
        kill(parent, SIGABRT);
        _exit(0);
      }
      for (;;) pause();
    });
    CHECK(WIFSIGNALED(ended.status));
    CHECK(ended.error.empty());
  }
  SUBCASE("a crash after the message") {
    const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
      mark.Enter("t", "m");
      mark.Leave();
      raise(SIGSEGV);
    });
    CHECK(ended.error.empty());
  }
  SUBCASE("a crash of the loop's thread") {
    const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
      std::atomic<bool> entered = false;
      std::thread tasks([&] {
        mark.WatchThisThread("my_reader");
        mark.Enter("t", "m");
        entered = true;
        for (;;) pause();
      });
      while (!entered) std::this_thread::yield();
      raise(SIGABRT);
    });
    CHECK(WTERMSIG(ended.status) == SIGABRT);
    CHECK(ended.error.empty());
  }
  CHECK_FALSE(Found(folder.mark()));
}

TEST_CASE(
    "crash mark: a crash in a call besides is told, whichever thread calls, and kept by none") {
  Folder folder;
  const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
    std::thread([&mark] { mark.WatchThisThread("my_reader"); }).join();
    mark.EnterCall("t", "its state was saved");
    raise(SIGABRT);
  });
  CHECK(WTERMSIG(ended.status) == SIGABRT);
  CHECK(ended.error == "my_reader: SIGABRT in task t while its state was saved\n");
  CHECK_FALSE(Found(folder.mark()));
  const FakeClock clock;
  auto mark = CrashMark::Open(clock, "");
  REQUIRE(mark.ok());
  (*mark)->EnterCall("t", "its state was saved");
  CHECK((*mark)->current()->Place() == "while its state was saved");
  (*mark)->Enter("t", "m");
  CHECK((*mark)->current()->Place() == "on m");
}

TEST_CASE("crash mark: what was found is there until a process watches, and no longer") {
  Folder folder;
  InProcess(folder.mark(), [](CrashMark& mark) {
    mark.Enter("t", "m");
    raise(SIGSEGV);
  });
  const pid_t pid = fork();
  if (pid == 0) {
    const SystemClock clock;
    const auto mark = CrashMark::Open(clock, folder.mark());
    raise(SIGKILL);
  }
  waitpid(pid, nullptr, 0);
  const Ended next =
      InProcess(folder.mark(), [](CrashMark& mark) { _exit(mark.found() ? 0 : 98); });
  CHECK(next.status == 0);
  CHECK_FALSE(Found(folder.mark()));
}

TEST_CASE("crash mark: a hang is found by the next start, though the process ends in order") {
  Folder folder;
  const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
    mark.Hung("nothing in hand");
    mark.Enter("t", "m");
    mark.Hung("a hang");
    mark.Leave();
  });
  CHECK(ended.status == 0);
  CHECK(ended.error.empty());
  const auto found = Found(folder.mark());
  REQUIRE(found);
  CHECK(found->task == "t");
  CHECK(found->message == "m");
  CHECK(found->how == "a hang");
}

TEST_CASE("crash mark: a message is named by its origin and its number there") {
  const FakeClock clock;
  auto mark = CrashMark::Open(clock, "");
  REQUIRE(mark.ok());
  using Kind = MessageName::Kind;
  const auto named = [&](const MessageName& name) {
    (*mark)->Enter("t", name, clock.Now());
    return (*mark)->current()->message;
  };
  const std::uint64_t most = ~std::uint64_t{0};
  CHECK(named({"a queue", Kind::kPlain, 7, 7}) == "a queue");
  CHECK(named({"a queue", Kind::kLeased, 7, 0}) == "a queue message 7");
  CHECK(named({"a queue", Kind::kLeased, 7, 0xab}) == "a queue message 7-ab");
  CHECK(named({"a file", Kind::kLine, most, 1}) == "a file byte 18446744073709551615");
  CHECK(named({std::string(990, 'o'), Kind::kLeased, most, most}) ==
        std::string(936, 'o') + " message 18446744073709551615-ffffffffffffffff");
  CHECK(named({}).empty());
}

TEST_CASE("crash mark: names are cut, and control bytes replaced") {
  Folder folder;
  const Ended ended = InProcess(folder.mark(), [](CrashMark& mark) {
    mark.Enter(std::string(250, 'a'), std::string("b\n\0\x7f", 4) + std::string(1000, 'c'));
    raise(SIGSEGV);
  });
  CHECK(ended.error == "my_reader: SIGSEGV in task " + std::string(200, 'a') + " on message b???" +
                           std::string(996, 'c') + "\n");
  const auto found = Found(folder.mark());
  REQUIRE(found);
  CHECK(found->task == std::string(200, 'a'));
  CHECK(found->message == "b???" + std::string(996, 'c'));
}

TEST_CASE("crash mark: a file of something else, or cut short, tells of no crash") {
  for (const std::string& bytes : {std::string("hello"), std::string(5000, '\1'), std::string()}) {
    Folder folder;
    std::ofstream(folder.mark()) << bytes;
    CHECK_FALSE(Found(folder.mark()));
  }
}

TEST_CASE("crash mark: a file that cannot be opened is told with its path") {
  const FakeClock clock;
  const auto mark = CrashMark::Open(clock, "/nonexistent/reader.crash");
  REQUIRE_FALSE(mark.ok());
  CHECK(mark.status().message() ==
        "crash mark /nonexistent/reader.crash: open: No such file or directory");
}

TEST_CASE("crash mark: what is in hand can be asked for at any time") {
  FakeClock clock;
  auto mark = CrashMark::Open(clock, "");
  REQUIRE(mark.ok());
  CHECK_FALSE((*mark)->current());
  (*mark)->Enter("t", "m");
  const MonoTime since = clock.Now();
  clock.Advance(std::chrono::seconds(3));
  const auto current = (*mark)->current();
  REQUIRE(current);
  CHECK(current->task == "t");
  CHECK(current->message == "m");
  CHECK(current->since == since);
  (*mark)->Leave();
  CHECK_FALSE((*mark)->current());
}

TEST_CASE("crash mark: what is read while another thread writes is of one message") {
  const FakeClock clock;
  auto mark = CrashMark::Open(clock, "");
  REQUIRE(mark.ok());
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 20'000; ++i) {
      const std::string name(static_cast<std::size_t>(i % 90 + 1), static_cast<char>('a' + i % 7));
      (*mark)->Enter(name, name);
      (*mark)->Leave();
    }
    done = true;
  });
  bool whole = true;
  while (!done) {
    const auto current = (*mark)->current();
    if (current) whole = whole && current->task == current->message && !current->task.empty();
  }
  writer.join();
  CHECK(whole);
}

}  // namespace
}  // namespace rivulet
