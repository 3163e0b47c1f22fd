// Memory for tables that are read all over: large ones in huge pages, where the system has them
// (/sys/kernel/mm/transparent_hugepage/enabled: always or madvise), so that an access misses the
// cache alone, and not also the processor's table of pages.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace rivulet {

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
using TableMemory = std::unique_ptr<void, FreeMemory>;

constexpr std::size_t kCacheLineBytes = 64;

/// As it comes, beginning with a cache line. Where `bytes` are a multiple of 2 MiB: in huge pages.
/// Throws std::bad_alloc.
inline TableMemory AllocateTable(std::size_t bytes) {
  constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
  const bool huge = bytes >= kHugePageBytes && bytes % kHugePageBytes == 0;
  void* memory = std::aligned_alloc(huge ? kHugePageBytes : kCacheLineBytes, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  // A wish, as which it may fail.
  if (huge) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  return TableMemory(memory);
}

}  // namespace rivulet
