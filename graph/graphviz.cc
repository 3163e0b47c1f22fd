#include "graph/graphviz.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

namespace rivulet {
namespace {

constexpr std::size_t kMaxSaidBytes = 1000;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// A temporary file from its beginning.
std::string ContentOf(std::FILE* file) {
  std::string content;
  std::rewind(file);
  char bytes[65536];
  while (const std::size_t got = std::fread(bytes, 1, sizeof bytes, file)) {
    content.append(bytes, got);
  }
  return content;
}

/// Runs it with these as standard input, output and error; its exit status, or -1 and errno.
int RunProgram(const std::string& program, int input, int output, int errors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  std::string name = program;
  std::string format = "-Tsvg";
  char* const arguments[] = {name.data(), format.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    errno = error;
    return -1;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<std::string> GraphvizSvg(const std::string& program, std::string_view dot) {
  const File input(std::tmpfile());
  const File output(std::tmpfile());
  const File errors(std::tmpfile());
  if (!input || !output || !errors) return IoError("a temporary file", errno);
  if (std::fwrite(dot.data(), 1, dot.size(), input.get()) < dot.size() ||
      std::fflush(input.get()) != 0) {
    return IoError("a temporary file", errno);
  }
  std::rewind(input.get());
  const int exit_status =
      RunProgram(program, fileno(input.get()), fileno(output.get()), fileno(errors.get()));
  if (exit_status == 127 || (exit_status < 0 && errno == ENOENT)) {
    return Status(StatusCode::kNotFound,
                  fmt::format("--format=svg: graphviz's program '{}' is not installed: install the "
                              "package graphviz, or use --format=dot",
                              program));
  }
  if (exit_status < 0) return IoError(program, errno);
  const std::string said = ContentOf(errors.get());
  if (exit_status != 0) {
    const std::string first = said.substr(0, std::min(said.find('\n'), kMaxSaidBytes));
    return Status(StatusCode::kIoError, fmt::format("{} ended with {}{}{}", program, exit_status,
                                                    first.empty() ? "" : ": ", first));
  }
  std::fwrite(said.data(), 1, said.size(), stderr);  // warnings
  return ContentOf(output.get());
}

}  // namespace rivulet
