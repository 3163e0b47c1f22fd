// Which file each message belongs to, and when a file is complete: the heart of ps_to_file.
//
// Messages are gathered in memory by file, and taken away as batches. A file is complete when its
// name's time is over, when it would pass max_file_bytes, or when all are told to be. A file of one
// message may be longer than that.
//
// Compressed files are measured by what the writer told of them, and by what it made of their bytes
// so far (of all files' at first) for those that it was not yet given: they may get longer by what
// is on its way.
//
// Thread: one. No I/O, no clock. Memory: what is gathered, and some 300 bytes a file that is not
// complete.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ps_to_file/file_name.h"
#include "ps_to_file/write_batch.h"

namespace rivulet {

struct GathererConfig {
  std::uint64_t max_file_bytes = 0;                // 0: any
  std::size_t chunk_bytes = std::size_t{1} << 20;  // of one file, taken at once
  bool framed = false;                             // `BYTES\n` before each message
  bool compressed = false;                         // file sizes are other than what was gathered
};

class Gatherer {
 public:
  Gatherer(FileNameFormat format, GathererConfig config);

  /// A file of an earlier run that goes on: its number for batches. Before the first message.
  std::uint64_t Adopt(std::string base, std::uint64_t file_bytes);

  /// Seconds since 1970; to be called before Append(). Files of another time key are complete.
  void SetTime(std::int64_t seconds);
  /// O(message), and what a field costs.
  void Append(std::string_view message);
  void CompleteAll();

  std::uint64_t bytes() const { return bytes_; }
  /// TakeFull() would take something.
  bool has_full() const { return !sealed_.empty() || !complete_.empty(); }
  /// Something is complete that was not taken.
  bool has_complete() const { return !complete_.empty(); }
  std::size_t open_files() const { return parts_.size(); }
  /// Messages that hold a newline, and so look like two to who reads lines.
  std::uint64_t newlines() const { return newlines_; }
  const std::string& time_key() const { return format_.time_key(); }

  /// What has reached chunk_bytes, or is complete.
  WriteBatch TakeFull();
  WriteBatch TakeAll();
  /// The batch is on the disk. Keeps its buffers for more.
  void OnWritten(WriteBatch batch);

 private:
  /// What was written: as it was given, and what it came to.
  struct Told {
    std::uint64_t raw = 0;
    std::uint64_t file = 0;

    void Add(const Told& more) {
      raw += more.raw;
      file += more.file;
    }
  };
  struct Part {
    std::uint64_t id = 0;
    std::string base;
    std::string gathered;
    std::uint64_t messages = 0;    // in gathered
    std::uint64_t file_bytes = 0;  // told by the writer
    std::uint64_t raw_bytes = 0;   // given or to be given, and not told of
    Told told;
    bool begun = false;         // the writer knows it
    bool fills_chunks = false;  // and so the next one
    bool listed = false;        // in gathering_
    bool complete = false;      // in complete_
  };
  /// What has reached chunk_bytes. Put aside at once, so that buffers stay of one size, which is
  /// what makes them fit for the next.
  struct Sealed {
    Part* part = nullptr;
    std::string bytes;
    std::uint64_t messages = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  Part& PartOf(std::string_view message);
  std::uint64_t SizeOf(const Part& part, std::uint64_t more) const;
  void Complete(Part* part);
  void Seal(Part* part);
  void TakeBuffer(Part* part);
  static void Begin(Part* part, WriteBatch* batch);
  void Take(Part* part, WriteBatch* batch);
  void TakeSealed(WriteBatch* batch);

  FileNameFormat format_;
  GathererConfig config_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::string, std::unique_ptr<Part>, Hash, std::equal_to<>> parts_;  // by base
  std::unordered_map<std::uint64_t, Part*> by_id_;
  Part* only_ = nullptr;          // of a format without fields
  std::vector<Part*> gathering_;  // something is gathered for them
  std::vector<Sealed> sealed_;
  std::vector<std::unique_ptr<Part>> complete_;
  std::vector<std::string> buffers_;  // of chunk_bytes
  std::uint64_t bytes_ = 0;           // gathered
  Told told_;                         // of all files
  std::uint64_t newlines_ = 0;
};

}  // namespace rivulet
