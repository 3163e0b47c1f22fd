// generate: click events as a link shortener's feed carries them, one JSON object a line.
//
//   generate --count=3000 --seed=7 --malformed=5 > clicks.jsonl
//
// The fields are those of the 1.usa.gov feed: a user agent, c country, nk known client, tz time
// zone, gr region, g and h hashes, l login, al accepted languages, hh short host, r referrer, u
// long URL, t time of the click, hc time the link was made (seconds since 1970), cy city, ll
// latitude and longitude, kw keyword. Lines with only _heartbeat_ come between. Times are not
// monotone. The same options give the same bytes.
#include <fmt/core.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numbers>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/options.h"
#include "examples/clicks/vocabulary.h"

namespace rivulet::clicks {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014). The standard's distributions differ between libraries, so
// the few that are needed are here.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1p-53; }
  std::size_t Below(std::size_t n) { return static_cast<std::size_t>(Bits() % n); }
  bool Chance(double probability) { return Uniform() < probability; }
  double Exponential(double mean) { return -mean * std::log1p(-Uniform()); }
  double Normal() {
    return std::sqrt(-2.0 * std::log1p(-Uniform())) * std::cos(2.0 * std::numbers::pi * Uniform());
  }

  /// An element, by its weight.
  template <typename Table>
  const auto& Pick(const Table& table) {
    double total = 0;
    for (const auto& entry : table) total += entry.weight;
    double left = Uniform() * total;
    for (const auto& entry : table) {
      left -= entry.weight;
      if (left < 0) return entry;
    }
    return table.back();
  }

 private:
  std::uint64_t state_;
};

struct Link {
  std::string hash;
  std::string login;
  std::string short_host;
  std::string url;
  std::string keyword;  // empty: none
  std::int64_t created;
  double weight;
};

std::string MakeHash(Random* random) {
  static constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string hash;
  for (int i = 0; i < 6; ++i) hash += kDigits[random->Below(kDigits.size())];
  return hash;
}

/// Links whose popularity falls as 1/rank and whose age is log-normal, two weeks in the middle.
std::vector<Link> MakeLinks(std::size_t count, std::int64_t start, Random* random) {
  constexpr double kMedianAgeSeconds = 14 * 86400.0;
  constexpr double kMaxAgeSeconds = 3 * 365 * 86400.0;
  std::vector<Link> links;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* office = kOffices[random->Below(kOffices.size())];
    const auto* subject = kSubjects[random->Below(kSubjects.size())];
    const double age = kMedianAgeSeconds * std::exp(2.0 * random->Normal());
    links.push_back(Link{
        .hash = MakeHash(random),
        .login = random->Pick(kLogins).text,
        .short_host = random->Pick(kShortHosts).text,
        .url = fmt::format("http://{}.example.gov/{}/{}", office, subject, random->Below(10'000)),
        .keyword = random->Chance(0.03) ? subject : "",
        .created = start - 10 - static_cast<std::int64_t>(std::min(age, kMaxAgeSeconds)),
        .weight = 1.0 / static_cast<double>(i + 1)});
  }
  return links;
}

void AppendText(std::string* out, std::string_view key, std::string_view value) {
  *out += fmt::format(", \"{}\": ", key);
  AppendJsonString(out, value);
}

std::string ClickLine(const Link& link, std::int64_t t, Random* random) {
  const Place& place = random->Pick(kPlaces);
  // One client in seven is nowhere that its address tells.
  const bool located = !random->Chance(1.0 / 7);
  const char* languages = random->Pick(kLanguages).text;
  std::string line = "{ \"a\": ";
  AppendJsonString(&line, random->Pick(kAgents).text);
  if (located) AppendText(&line, "c", place.country);
  line += fmt::format(", \"nk\": {}", random->Chance(0.45) ? 1 : 0);
  AppendText(&line, "tz", located ? place.time_zone : "");
  if (located) AppendText(&line, "gr", place.region);
  AppendText(&line, "g", link.hash);
  AppendText(&line, "h", link.hash);
  AppendText(&line, "l", link.login);
  if (*languages != '\0') AppendText(&line, "al", languages);
  AppendText(&line, "hh", link.short_host);
  AppendText(&line, "r", random->Pick(kReferrers).text);
  AppendText(&line, "u", link.url);
  if (!link.keyword.empty()) AppendText(&line, "kw", link.keyword);
  line += fmt::format(", \"t\": {}, \"hc\": {}", t, link.created);
  if (located) {
    AppendText(&line, "cy", place.city);
    line += fmt::format(", \"ll\": [ {:.6f}, {:.6f} ]", place.latitude, place.longitude);
  }
  return line + " }";
}

/// A line that is no JSON: cut short, or of another kind altogether.
std::string MalformedLine(const std::string& line, Random* random) {
  switch (random->Below(3)) {
    case 0:
      return line.substr(0, 1 + random->Below(line.size() - 1));
    case 1:
      return "<html><body>502 Bad Gateway</body></html>";
    default:
      return line + "}";
  }
}

struct Config {
  std::uint64_t count = 3000;
  std::uint64_t seed = 1;
  std::uint64_t malformed = 0;
  std::uint64_t links = 400;
  std::uint64_t start = 1'700'000'000;
  double per_second = 1.0;
  Duration heartbeat = std::chrono::seconds(30);
};

bool Print(const std::string& line) {
  return std::fputs(line.c_str(), stdout) >= 0 && std::fputc('\n', stdout) != EOF;
}

/// Writes everything to standard output; false when it cannot be written.
bool Generate(const Config& config) {
  Random random(config.seed);
  const auto start = static_cast<std::int64_t>(config.start);
  const auto links = MakeLinks(config.links, start, &random);
  const double heartbeat = std::chrono::duration<double>(config.heartbeat).count();
  double now = 0;
  double next_heartbeat = heartbeat;
  std::uint64_t malformed = 0;
  for (std::uint64_t i = 0; i < config.count; ++i) {
    now += random.Exponential(1.0 / config.per_second);
    for (; heartbeat > 0 && now >= next_heartbeat; next_heartbeat += heartbeat) {
      const auto beat = start + static_cast<std::int64_t>(next_heartbeat);
      if (!Print(fmt::format("{{\"_heartbeat_\": {}}}", beat))) return false;
    }
    // Some events arrive late, behind those that came after them.
    const double late = random.Chance(0.12) ? random.Exponential(1.5) : 0;
    const auto t = start + static_cast<std::int64_t>(std::max(0.0, now - late));
    const auto line = ClickLine(random.Pick(links), t, &random);
    if (!Print(line)) return false;
    while (malformed * config.count < config.malformed * (i + 1)) {
      if (!Print(MalformedLine(line, &random))) return false;
      ++malformed;
    }
  }
  return std::fflush(stdout) == 0;
}

}  // namespace
}  // namespace rivulet::clicks

int main(int argc, char** argv) {
  rivulet::clicks::Config config;
  rivulet::Options options("generate", "click events, one JSON object a line");
  options.Uint("count", &config.count, "clicks to make").Metavar("N").Range(0, 1e9);
  options.Uint("seed", &config.seed, "another seed gives other clicks").Metavar("N");
  options.Uint("malformed", &config.malformed, "lines that are no JSON, spread among them")
      .Metavar("N")
      .Range(0, 1e9);
  options.Uint("links", &config.links, "links that are clicked").Metavar("N").Range(1, 1e7);
  options.Uint("start", &config.start, "time of the first click, in seconds since 1970")
      .Metavar("T")
      .Range(0, 4e9);
  options.Real("per-second", &config.per_second, "clicks a second of the clicks' own time")
      .Metavar("N")
      .Range(1e-6, 1e9);
  options.Time("heartbeat", &config.heartbeat, "time between heartbeat lines; 0: none")
      .Metavar("TIME");
  if (auto code = options.Parse(argc, argv)) return *code;
  if (!rivulet::clicks::Generate(config)) {
    std::perror("generate: standard output");
    return 1;
  }
  return 0;
}
