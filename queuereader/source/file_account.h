// The account of lines that were read from files: which are in hand, which are settled, and which
// are to be tried again.
//
// A line is known by its file and the byte behind it, at every try. Pure: no I/O, no clock. O(1) a
// line that is settled in the order of lines, O(log n) another, a retry likewise.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "algorithms/bytes.h"
#include "base/clock.h"
#include "queuereader/source/source.h"

namespace rivulet {

struct LinePlace {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;  // behind the line, of the uncompressed bytes
  bool operator==(const LinePlace&) const = default;
  bool operator<(const LinePlace& other) const {
    return std::tie(file, offset) < std::tie(other.file, other.offset);
  }
};

class FileAccount {
 public:
  struct Retry {
    LinePlace line;
    std::string body;
  };

  /// This line was read, which begins at byte `begin`; lines come in order. True: it is in hand
  /// now. False: it was settled before LoadLines().
  bool Read(LinePlace line, std::uint64_t begin);
  /// Of a line in hand, or of a retry in hand. A line that is returned stays in hand.
  void Settle(Settlement settlement, MonoTime now);
  /// The first retry that is due, which is in hand now; valid until the next call. Or nullptr.
  const Retry* TakeRetry(MonoTime now);

  /// The last line that was settled, or that is among the retries. Before it lie such alone, but
  /// for those that were overtaken.
  const LinePlace& last() const { return last_; }
  /// Where to begin, to read all that is not settled: `offset` before the line.
  LinePlace start() const;
  std::size_t in_hand() const {
    return in_hand_.size() + overtaken_.size() + retries_in_hand_.size();
  }
  /// Retries that wait, and when the first of them is due.
  std::size_t waiting() const { return waiting_.size(); }
  std::optional<MonoTime> first_due() const;
  /// Takes the retries away; the bodies of those that wait.
  std::vector<std::string> Abandon();

  /// The last line is given, and which were overtaken.
  void SaveLines(std::string* bytes) const;
  /// False when that is not what SaveLines() wrote.
  bool LoadLines(ByteReader* bytes, LinePlace last);

  /// All retries, those in hand too. Due times are saved by the wall clock.
  void SaveRetries(std::string* bytes, MonoTime now, WallTime wall) const;
  /// False when that is not what SaveRetries() wrote. The lines of files that `anew` names (by
  /// index) are read again from the beginning, so their retries get places that no line has.
  bool LoadRetries(ByteReader* bytes, MonoTime now, WallTime wall, const std::vector<bool>& anew);

 private:
  struct Line {
    LinePlace place;
    std::uint64_t begin;
  };

  void SettleLine(LinePlace place);

  LinePlace last_;
  LinePlace loaded_;                              // last_ when it was loaded
  std::deque<Line> in_hand_;                      // in order, behind last_
  std::map<LinePlace, std::uint64_t> overtaken_;  // in hand, before last_; where each begins
  std::multimap<MonoTime, Retry> waiting_;
  std::map<LinePlace, std::multimap<MonoTime, Retry>::node_type> retries_in_hand_;
};

}  // namespace rivulet
