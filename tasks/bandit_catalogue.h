// Where a bandit's newcomers come from: the items that could be in the set.
//
//   FILE         an id a line; of a line that begins with '{', its "id" or "item". Read again when
//                it has changed
//   URL          http or https: GET answers ["a","b"], or an array of objects with an "id" or
//                "item", or {"items":[…]} with either
//   URL/_search  of an ElasticSearch: POST of a query that draws at random; the ids are
//                hits.hits[]._id
//
// A comma in a URL is written %2C, for a comma ends a task's argument. Ids are strings of 1 to
// kMaxItemBytes, UTF-8, or whole numbers. Bounded: 4 MiB a file or answer, 5 s. Either is asked
// on a thread of its own, so that neither a server nor a file system that hangs holds learning; but
// Check() reads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/random.h"
#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

/// The text of a regular file of at most `most_bytes`; errors name it.
Result<std::string> ReadRegularFile(const std::string& path, std::size_t most_bytes);

/// How a file is read, on any thread, and how long for.
struct CatalogueFiles {
  std::function<Result<std::string>(const std::string& path, std::size_t most_bytes)> read =
      ReadRegularFile;
  Duration patience = std::chrono::seconds(5);
};

class BanditCatalogue {
 public:
  /// `where`: a path or a URL.
  explicit BanditCatalogue(std::string where, CatalogueFiles files = {});
  /// These alone.
  explicit BanditCatalogue(std::vector<std::string> items);
  /// Breaks off what is asked of a URL, and waits for its thread: some 50 ms. A file that hangs
  /// keeps its thread, which is not waited for.
  ~BanditCatalogue();
  BanditCatalogue(BanditCatalogue&& other) noexcept;
  BanditCatalogue& operator=(BanditCatalogue&&) = delete;

  /// Begins to ask, a search for `size` ids; nothing where it is asked already, or has answered
  /// just now, or there is nothing to ask. Of a file, waits for kQuickFile for the answer.
  void Ask(std::size_t size, Random& random, MonoTime now);
  /// It has been asked, and the answer not been taken.
  bool asked() const { return request_ != nullptr; }
  /// That answer has not come.
  bool asking() const;
  /// Draw() need not wait: an answer that is young enough is here, or a file has had its time,
  /// or there is nothing to ask. An answer that was waited for with this may be older.
  bool IsReady(MonoTime now) const;
  /// Until the answer has come, at most that long.
  void Await(Duration most) const;

  /// Up to `count` different ids that are not `held` (of which there are `held_count`), drawn at
  /// random: fewer where the catalogue has no more. O(ids of the catalogue). Takes the answer,
  /// and waits for it where it has not come, of a file for its patience at most.
  Result<std::vector<std::string>> Draw(std::size_t count, std::size_t held_count,
                                        const std::function<bool(const std::string&)>& held,
                                        Random& random);

  /// Reads a file now; OK of what is none. Errors name the file and the line.
  Status Check();

 private:
  struct FileIds;
  struct Request;  // in flight, or answered

  /// What the file holds; nothing of one of this version.
  static Result<FileIds> ReadFile(const std::string& path, const CatalogueFiles& files,
                                  const std::string& version);
  Status TakeAnswer(std::vector<std::string>* ids);
  bool IsFile() const;

  std::string where_;  // empty: items_ are all there are
  CatalogueFiles files_;
  std::vector<std::string> items_;
  std::string version_;  // of the file that items_ are of
  std::unique_ptr<Request> request_;
};

/// An older answer is asked for again. So is what was read of a file before there was any need of
/// it, and is older than kFreshFile; a file that is slow may take longer than that.
inline constexpr Duration kFreshAnswer = std::chrono::minutes(1);
inline constexpr Duration kFreshFile = std::chrono::seconds(1);
/// In which a file on a disk has been read.
inline constexpr Duration kQuickFile = std::chrono::milliseconds(200);

/// The first of each, in order.
std::vector<std::string> WithoutRepeats(const std::vector<std::string>& ids);
/// The ids of a file's text, in order.
Result<std::vector<std::string>> CatalogueLines(std::string_view text);
/// The ids of a JSON answer, of either kind of URL.
Result<std::vector<std::string>> CatalogueAnswer(std::string_view json);

}  // namespace rivulet
