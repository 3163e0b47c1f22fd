// The fields of the message that a mapping makes: a tree, because `geo.country` makes an object.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/mapping_value.h"

namespace rivulet {

class MappingFields {
 public:
  /// The slot of the field, which is made when it is not there. The message has fields in the order
  /// they were added, and what is of one object together. Errors, without file and line: a path
  /// that is none, and one that is both a value and an object.
  Result<std::size_t> Add(std::string_view path, std::size_t line);
  std::size_t slots() const { return slots_; }

  /// Appends the object of those slots that hold something. What would make it longer than
  /// `max_bytes` is left out, and texts are cut; returns how many values these were.
  std::size_t Append(std::string* out, const std::vector<MappingValue>& slots,
                     std::size_t max_text_bytes, std::size_t max_bytes) const;

 private:
  struct Field {
    std::string name;
    std::string prefix;  // "name":
    std::size_t line = 0;
    std::size_t slot = 0;       // of a value
    std::vector<Field> fields;  // of an object
  };
  struct Output {
    std::string* out;
    std::size_t end;  // of the text
    std::size_t max_text_bytes;
    std::size_t shortened;
  };

  static bool AppendObject(const Field& object, const std::vector<MappingValue>& slots,
                           Output* output);

  Field root_;
  std::size_t slots_ = 0;
};

}  // namespace rivulet
