#include "collector/marks.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace rivulet {

namespace {

constexpr std::size_t kMaxProbes = 128;
constexpr std::size_t kFirstSlots = 64;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// `lower` stands at the beginning of `text`, in any case.
bool BeginsWith(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(),
                    [](char wanted, char c) { return wanted == Lower(c); });
}

}  // namespace

const std::vector<std::string_view>& BotWords::Known() {
  static const std::vector<std::string_view> known = {"bot",
                                                      "crawl",
                                                      "spider",
                                                      "slurp",
                                                      "headless",
                                                      "phantomjs",
                                                      "selenium",
                                                      "puppeteer",
                                                      "playwright",
                                                      "lighthouse",
                                                      "pagespeed",
                                                      "monitor",
                                                      "uptime",
                                                      "pingdom",
                                                      "preview",
                                                      "archiver",
                                                      "scrapy",
                                                      "scraper",
                                                      "curl/",
                                                      "wget/",
                                                      "python-",
                                                      "python/",
                                                      "aiohttp",
                                                      "httpx/",
                                                      "httpie/",
                                                      "libwww",
                                                      "java/",
                                                      "okhttp",
                                                      "go-http-client",
                                                      "node-fetch",
                                                      "axios/",
                                                      "ruby",
                                                      "httpclient",
                                                      "facebookexternalhit",
                                                      "mediapartners",
                                                      "feedfetcher",
                                                      "postmanruntime"};
  return known;
}

BotWords::BotWords(const std::vector<std::string>& more) {
  words_.assign(Known().begin(), Known().end());
  for (const std::string& word : more) {
    if (word.empty()) continue;
    std::string lower = word;
    std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
    words_.push_back(std::move(lower));
  }
  std::sort(words_.begin(), words_.end());
  for (std::size_t first = 0; first < ranges_.size(); ++first) {
    const auto begins = [first](const std::string& word) {
      return static_cast<unsigned char>(word[0]) == first;
    };
    const auto begin = std::find_if(words_.begin(), words_.end(), begins);
    const auto end = std::find_if_not(begin, words_.end(), begins);
    ranges_[first] = {static_cast<std::uint16_t>(begin - words_.begin()),
                      static_cast<std::uint16_t>(end - words_.begin())};
  }
}

bool BotWords::IsBot(std::string_view user_agent) const {
  for (std::size_t at = 0; at < user_agent.size(); ++at) {
    const auto [begin, end] = ranges_[static_cast<unsigned char>(Lower(user_agent[at]))];
    for (std::size_t word = begin; word < end; ++word) {
      if (!BeginsWith(user_agent.substr(at), words_[word])) continue;
      // A make of telephones.
      const bool cubot =
          words_[word] == "bot" && at >= 2 && BeginsWith(user_agent.substr(at - 2), "cubot");
      if (!cubot) return true;
    }
  }
  return user_agent.empty();
}

DuplicateFilter::DuplicateFilter(Duration window, std::size_t max_entries, std::uint64_t seed)
    : window_(window), max_used_(max_entries / 2), seed_(seed) {}

bool DuplicateFilter::Seen(std::string_view party, std::string_view id, MonoTime now) {
  if (id.empty() || window_ <= Duration::zero() || max_used_ == 0) return false;
  if (newer_.used == 0 && older_.used == 0) since_ = now;
  // Where nothing came for long, the time at which it should have been done counts.
  if (now - since_ >= window_) Rotate(now - since_ < 2 * window_ ? since_ + window_ : now);
  // No id holds a newline: event_reader.h says what one is.
  key_.assign(party);
  key_ += '\n';
  key_ += id;
  const std::uint64_t hash = XXH3_64bits_withSeed(key_.data(), key_.size(), seed_);
  const std::uint64_t fingerprint = hash == 0 ? 1 : hash;
  if (Holds(newer_, fingerprint) || Holds(older_, fingerprint)) return true;
  if (newer_.used >= max_used_ || !Add(fingerprint)) {
    Rotate(now);
    Add(fingerprint);
  }
  return false;
}

std::size_t DuplicateFilter::memory_bytes() const {
  return (newer_.slots.capacity() + older_.slots.capacity()) * sizeof(std::uint64_t);
}

bool DuplicateFilter::Holds(const Generation& generation, std::uint64_t fingerprint) {
  const std::size_t size = generation.slots.size();
  for (std::size_t i = 0; i < std::min(kMaxProbes, size); ++i) {
    const std::uint64_t held = generation.slots[(fingerprint + i) & (size - 1)];
    if (held == fingerprint) return true;
    if (held == 0) return false;
  }
  return false;
}

bool DuplicateFilter::Put(Generation* generation, std::uint64_t fingerprint) {
  const std::size_t size = generation->slots.size();
  for (std::size_t i = 0; i < std::min(kMaxProbes, size); ++i) {
    std::uint64_t& slot = generation->slots[(fingerprint + i) & (size - 1)];
    if (slot != 0) continue;
    slot = fingerprint;
    ++generation->used;
    return true;
  }
  return false;
}

bool DuplicateFilter::Add(std::uint64_t fingerprint) {
  if (2 * (newer_.used + 1) > newer_.slots.size()) Grow(&newer_);
  return Put(&newer_, fingerprint);
}

void DuplicateFilter::Grow(Generation* generation) {
  Generation larger;
  larger.slots.resize(std::max(kFirstSlots, 2 * generation->slots.size()));
  for (const std::uint64_t fingerprint : generation->slots) {
    // What finds no room is forgotten; somebody who knew the seed chose it so.
    if (fingerprint != 0) Put(&larger, fingerprint);
  }
  *generation = std::move(larger);
}

void DuplicateFilter::Rotate(MonoTime at) {
  // After two windows nothing in either of them counts any more.
  older_ = at - since_ >= 2 * window_ ? Generation() : std::move(newer_);
  newer_ = Generation();
  since_ = at;
}

}  // namespace rivulet
