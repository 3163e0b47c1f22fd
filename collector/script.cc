#include "collector/script.h"

#include <cstddef>

// Of collector/script_asset.S.
extern "C" {
extern const char rivulet_collector_script[];
extern const char rivulet_collector_script_end[];
}

namespace rivulet {

std::string_view CollectorScript() {
  return {rivulet_collector_script,
          static_cast<std::size_t>(rivulet_collector_script_end - rivulet_collector_script)};
}

}  // namespace rivulet
