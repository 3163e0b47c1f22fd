// Text for people on standard output and standard error.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <utility>

namespace rivulet {

/// As fmt::print, but a write that fails (a full disk, a reader that has gone) throws nothing and
/// ends nothing: a program works on though nobody can read what it says. std::ferror(to) knows.
template <typename... Args>
void Print(std::FILE* to, fmt::format_string<Args...> format, Args&&... args) {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
  std::fwrite(text.data(), 1, text.size(), to);
}

}  // namespace rivulet
