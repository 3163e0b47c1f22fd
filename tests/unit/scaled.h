// How long random tests go on.
#pragma once

#include <cstdlib>

namespace rivulet {

/// `steps`, and ten times as many where RIVULET_LONG is in the environment: for who changed what is
/// tested and has a minute.
inline int LongerIfAsked(int steps) {
  return std::getenv("RIVULET_LONG") != nullptr ? 10 * steps : steps;
}

/// `steps`, and a tenth of them where a sanitizer makes each many times as slow: the other build
/// takes them all, and what a sanitizer finds it finds early.
constexpr int Scaled(int steps) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return steps / 10;
#else
  return steps;
#endif
}

}  // namespace rivulet
