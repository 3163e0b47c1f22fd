// How long random tests go on.
#pragma once

namespace rivulet {

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
