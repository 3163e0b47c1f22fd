// A mapping as it is run (collector/mapping.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/mapping_condition.h"
#include "collector/mapping_fields.h"
#include "collector/mapping_source.h"

namespace rivulet {

struct MappingStatement {
  enum class Op : unsigned char {
    kSet,
    kWhen,  // where the condition does not hold it goes on at `next`
    kDrop,  // where it holds
  };

  Op op = Op::kSet;
  std::size_t slot = 0;
  std::optional<std::size_t> source;
  MappingKind kind = MappingKind::kAsIs;
  std::string literal;  // JSON, in place of the source or where that has no value; empty: none
  MappingCondition condition;
  std::size_t next = 0;
};

struct MappingProgram {
  std::vector<MappingStatement> statements;
  MappingFields fields;
  EventValues values;
};

Result<MappingProgram> ParseMappingProgram(std::string_view text, std::string_view name);

}  // namespace rivulet
