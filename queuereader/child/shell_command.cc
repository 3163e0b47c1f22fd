#include "queuereader/child/shell_command.h"

#include <algorithm>
#include <array>

namespace rivulet {
namespace {

// Quoted they would do no harm; then the shell stays, which does none either.
constexpr std::string_view kOperators = ";|&<>()$`\\#\n\r";
// What a shell knows by itself and may have no program for.
constexpr std::array<std::string_view, 43> kBuiltins = {
    ".",      ":",     "!",     "alias",  "bg",   "break",    "case",   "cd",       "command",
    "eval",   "exec",  "exit",  "export", "fc",   "fg",       "for",    "function", "getopts",
    "hash",   "if",    "jobs",  "local",  "read", "readonly", "return", "set",      "shift",
    "source", "time",  "times", "trap",   "type", "typeset",  "ulimit", "umask",    "unalias",
    "unset",  "until", "wait",  "while",  "{",    "[[",       "declare"};

/// NAME=value, of a value that is a word as it is written.
bool SetsVariable(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  const std::string_view name = word.substr(0, equals);
  return (name[0] < '0' || name[0] > '9') && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

}  // namespace

std::string ExecInPlaceOfShell(std::string_view command) {
  std::string text(command);
  if (command.find_first_of(kOperators) != std::string_view::npos) return text;
  std::size_t at = 0;
  while (true) {
    at = command.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return text;
    const std::size_t end = std::min(command.find_first_of(" \t", at), command.size());
    const std::string_view word = command.substr(at, end - at);
    if (SetsVariable(word) && word.find_first_of("'\"") == std::string_view::npos) {
      at = end;
      continue;
    }
    const bool stays = word.front() == '-' || word.find_first_of("='\"*?[~") != word.npos ||
                       std::find(kBuiltins.begin(), kBuiltins.end(), word) != kBuiltins.end();
    return stays ? text : text.insert(at, "exec ");
  }
}

}  // namespace rivulet
