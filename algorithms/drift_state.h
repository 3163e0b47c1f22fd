// What a drift detector says of the value just given to it.
#pragma once

#include <string_view>

namespace rivulet {

enum class DriftState {
  kStable,
  kWarning,  // perhaps; not every detector warns
  kDrift,    // the stream has changed
};

inline std::string_view DriftStateName(DriftState state) {
  switch (state) {
    case DriftState::kStable:
      return "stable";
    case DriftState::kWarning:
      return "warning";
    case DriftState::kDrift:
      break;
  }
  return "drift";
}

}  // namespace rivulet
