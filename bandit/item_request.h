// What a request for GET /item asks for.
//
//   n=3              up to so many different items, the best first
//   exclude=a,b      not these; an id with a comma cannot be excluded
//   context={"x":1}  numbers of who will see it, by the names of --features, of which "a.b" is
//                    {"a":{"b":1}} as in the task's messages; what is missing is 0, and other
//                    names are not looked at
//   format=json      or text, the default, but for those who accept JSON
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "http/request.h"

namespace rivulet {

struct ItemRequest {
  std::size_t items = 1;
  bool as_lines = false;  // n= was given: of text, each on a line of its own
  bool as_json = false;
  bool is_head = false;
  std::string excluded;         // as given, decoded
  std::vector<double> context;  // x_0 = 1 first; empty where the policy has none
};

class ItemRequestReader {
 public:
  ItemRequestReader(std::size_t max_items, std::vector<std::string> features)
      : max_items_(max_items), features_(std::move(features)) {}

  /// Fills all of `*out`, whose memory is used again. An error names the parameter, the value and
  /// what would be right; as_json is right then, too.
  Status Read(const Request& request, ItemRequest* out);

 private:
  Status ReadFormat(const Request& request, ItemRequest* out) const;
  Status ReadItems(const Request& request, ItemRequest* out) const;
  Status ReadContext(const Request& request, ItemRequest* out);

  std::size_t max_items_;
  std::vector<std::string> features_;
  JsonDocument document_;
};

/// A parameter's value, fit for a line of an error: escaped, and cut.
std::string ShownValue(std::string_view text);

/// The ids between the commas, empty ones left out; borrowed from `list`.
void SplitIds(std::string_view list, std::vector<std::string_view>* ids);

}  // namespace rivulet
