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
// kMaxItemBytes, UTF-8, or whole numbers. Bounded: 4 MiB a file or answer, 5 s. Files are read on
// the caller's thread; a URL is asked on one of its own.
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

class BanditCatalogue {
 public:
  /// `where`: a path or a URL.
  explicit BanditCatalogue(std::string where);
  /// These alone.
  explicit BanditCatalogue(std::vector<std::string> items);
  /// Breaks off what is asked, and waits for its thread: some 50 ms.
  ~BanditCatalogue();
  BanditCatalogue(BanditCatalogue&& other) noexcept;
  BanditCatalogue& operator=(BanditCatalogue&&) = delete;

  /// Begins to ask a URL for `size` ids where it is a search; nothing where it is asked already,
  /// or has answered just now, or is none.
  void Ask(std::size_t size, Random& random, MonoTime now);
  /// A URL has been asked, and its answer not been taken.
  bool asked() const { return request_ != nullptr; }
  /// That answer has not come.
  bool asking() const;
  /// Draw() need not wait: an answer of the last kFreshAnswer is here, or there is no URL.
  bool IsReady(MonoTime now) const;
  /// Until the answer has come, at most that long.
  void Await(Duration most) const;

  /// Up to `count` different ids that are not `held` (of which there are `held_count`), drawn at
  /// random: fewer where the catalogue has no more. O(ids of the catalogue). Takes a URL's answer,
  /// and waits for it where it has not come.
  Result<std::vector<std::string>> Draw(std::size_t count, std::size_t held_count,
                                        const std::function<bool(const std::string&)>& held,
                                        Random& random);

  /// Reads a file now; OK of what is none. Errors name the file and the line.
  Status Check();

 private:
  Status ReadFile();

  struct Request;  // in flight, or answered

  std::string where_;  // empty: items_ are all there are
  std::vector<std::string> items_;
  std::string version_;  // of the file that items_ are of
  std::unique_ptr<Request> request_;
};

/// An older answer is asked for again.
inline constexpr Duration kFreshAnswer = std::chrono::minutes(1);

/// The text of a regular file of at most `most_bytes`; errors name it.
Result<std::string> ReadRegularFile(const std::string& path, std::size_t most_bytes);

/// The first of each, in order.
std::vector<std::string> WithoutRepeats(const std::vector<std::string>& ids);
/// The ids of a file's text, in order.
Result<std::vector<std::string>> CatalogueLines(std::string_view text);
/// The ids of a JSON answer, of either kind of URL.
Result<std::vector<std::string>> CatalogueAnswer(std::string_view json);

}  // namespace rivulet
