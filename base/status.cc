#include "base/status.h"

#include <cstring>

namespace rivulet {

Status IoError(const std::string& what, int error_number) {
  return {StatusCode::kIoError, what + ": " + std::strerror(error_number)};
}

}  // namespace rivulet
