// Text for people: wrapping, and the name that was probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivulet {

/// `text` in lines of at most `width` bytes, broken at spaces; a longer word has a line of its own.
/// A word that starts with "--" stays with the word before it, so that no line looks like an
/// option.
std::vector<std::string> WrapText(std::string_view text, std::size_t width);

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (the optimal
/// string alignment distance). O(|a| |b|).
std::size_t EditDistance(std::string_view a, std::string_view b);

/// The candidate that `name` was probably meant to be: one that it begins, else the nearest within
/// a third of its length and at least 1; empty when there is none.
std::string_view NearestName(std::string_view name,
                             const std::vector<std::string_view>& candidates);

}  // namespace rivulet
