#pragma once

namespace rivulet {
inline constexpr char kVersion[] = "0.1.0";
}  // namespace rivulet
