// The floor of a replay: answers every request with the bytes of some files, by sendfile alone, and
// closes. Serves one connection at a time. For measuring only.
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/options.h"

namespace {

constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

void SendFiles(int client, const std::vector<std::string>& paths) {
  if (send(client, kHead.data(), kHead.size(), MSG_NOSIGNAL) < 0) return;
  for (const std::string& path : paths) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (file < 0 || fstat(file, &about) != 0) return;
    off_t at = 0;
    while (at < about.st_size) {
      if (sendfile(client, file, &at, static_cast<std::size_t>(about.st_size - at)) <= 0) break;
    }
    close(file);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> paths;
  rivulet::Options options("sendfile_loop", "sends files by sendfile to whoever asks");
  options.Texts("file", &paths, "file to send; more than once: one behind the other");
  if (auto code = options.Parse(argc, argv)) return *code;

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      listen(listener, 16) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    perror("sendfile_loop");
    return 1;
  }
  fmt::print("listening on 127.0.0.1:{}\n", ntohs(address.sin_port));
  static_cast<void>(fflush(stdout));
  for (;;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return 1;
    char request[4096];
    if (recv(client, request, sizeof request, 0) > 0) SendFiles(client, paths);
    close(client);
  }
}
