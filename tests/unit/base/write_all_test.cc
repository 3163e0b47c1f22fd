#include "base/write_all.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

namespace rivulet {
namespace {

TEST_CASE(
    "write all: more than a pipe takes at once arrives whole, whatever signals come between") {
  struct sigaction before {};
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};  // and no SA_RESTART: a write ends with what was taken
  REQUIRE(sigaction(SIGUSR2, &nothing, &before) == 0);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::string sent;
  while (sent.size() < 1'000'000) sent += std::to_string(sent.size()) + " ";
  std::string received;
  std::thread reader([&received, fd = ends[0], writer = pthread_self()] {
    char piece[5000];
    for (ssize_t n = 0; (n = read(fd, piece, sizeof piece)) > 0;) {
      received.append(piece, static_cast<std::size_t>(n));
      pthread_kill(writer, SIGUSR2);
    }
  });
  CHECK(WriteAll(ends[1], sent) == 0);
  CHECK(WriteAll(ends[1], {}) == 0);
  close(ends[1]);
  reader.join();
  close(ends[0]);
  sigaction(SIGUSR2, &before, nullptr);
  CHECK((received == sent));  // without printing a megabyte
}

TEST_CASE("write all: what failed is told by its number") {
  CHECK(WriteAll(-1, "x") == EBADF);
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  REQUIRE(full >= 0);
  CHECK(WriteAll(full, "x") == ENOSPC);
  close(full);
}

}  // namespace
}  // namespace rivulet
