// Pictures of what the bandit knew at times of the day, and the page that shows them.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "examples/shop/day.h"

namespace rivulet::shop {

struct Shot {
  std::string_view name;
  double time;  // from 0 to 1
};

inline constexpr std::array<Shot, 4> kShots = {
    {{"morning", 0.25}, {"noon", 0.5}, {"evening", 0.75}, {"night", 1}}};

/// An HTML page of those of kShots that are in `kept`, each NAME.svg beside it.
inline std::string AlbumPage(const std::vector<std::string_view>& kept) {
  std::string page = R"(<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A day of the bandit</title>
<style>
body { font: 16px/1.5 sans-serif; margin: 1.5rem auto; max-width: 860px; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
img { max-width: 100%; }
</style>
<h1>What the bandit knew</h1>
)";
  for (const Shot& shot : kShots) {
    if (std::find(kept.begin(), kept.end(), shot.name) == kept.end()) continue;
    page += fmt::format("<h2>{0}, {1}</h2>\n<img src=\"{0}.svg\" alt=\"posteriors\">\n", shot.name,
                        ClockOf(shot.time));
  }
  return page;
}

}  // namespace rivulet::shop
