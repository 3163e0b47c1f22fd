// Where a bandit's newcomers come from: the items that could be in the set.
//
//   FILE         an id a line; of a line that begins with '{', its "id" or "item". Read again when
//                it has changed
//   URL          http or https: GET answers ["a","b"], or an array of objects with an "id" or
//                "item", or {"items":[…]} with either
//   URL/_search  of an ElasticSearch: POST of a query that draws at random; the ids are
//                hits.hits[]._id, or "id" or "item" of its _source
//
// A comma in a URL is written %2C, for a comma ends a task's argument. Ids are strings of 1 to
// kMaxItemBytes, or whole numbers. Bounded: 4 MiB a file or answer, 5 s. Thread: the task's, which
// waits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/random.h"
#include "base/status.h"

namespace rivulet {

class BanditCatalogue {
 public:
  /// `where`: a path or a URL.
  explicit BanditCatalogue(std::string where);
  /// These alone.
  explicit BanditCatalogue(std::vector<std::string> items) : items_(std::move(items)) {}

  /// Up to `count` different ids that are not `held` (of which there are `held_count`), drawn at
  /// random: fewer where the catalogue has no more. O(ids of the catalogue).
  Result<std::vector<std::string>> Draw(std::size_t count, std::size_t held_count,
                                        const std::function<bool(const std::string&)>& held,
                                        Random& random);

  /// Reads a file now; OK of what is none. Errors name the file and the line.
  Status Check();

 private:
  Status ReadFile();
  /// The URL, for `size` ids where it is a search.
  Result<std::vector<std::string>> Ask(std::size_t size, std::uint64_t seed) const;

  std::string where_;  // empty: items_ are all there are
  std::vector<std::string> items_;
  std::string version_;  // of the file that items_ are of
};

/// The first of each, in order.
std::vector<std::string> WithoutRepeats(const std::vector<std::string>& ids);
/// The ids of a file's text, in order.
Result<std::vector<std::string>> CatalogueLines(std::string_view text);
/// The ids of a JSON answer, of either kind of URL.
Result<std::vector<std::string>> CatalogueAnswer(std::string_view json);

}  // namespace rivulet
