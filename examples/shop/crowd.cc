// crowd: visitors of the shop, simulated, who click each picture at a rate that is known.
//
//   crowd --shop=http://127.0.0.1:8090 --collector=http://127.0.0.1:8088 --visitors=20000 --day=60s
//
// Each visitor asks the shop what it features (GET /pick), tells the collector what a browser would
// (a page view and the impression; of a click the page view of where it leads), and clicks or not.
// A line a second says how the day goes; with --api= it is compared at the end with what the bandit
// has learned, and pictures of that are drawn four times a day into --out=.
//
// Exits 1 when not everything that was sent has been learned, when more than 1 % of the visitors
// were not answered or their events not taken, or when the bandit chose for fewer than 90 % of
// them; with --alone also when more was learned than was sent.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/random.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/options.h"
#include "base/print.h"
#include "base/terminal_line.h"
#include "examples/shop/account.h"
#include "examples/shop/album.h"
#include "examples/shop/day.h"
#include "examples/shop/learned.h"
#include "examples/shop/visitors.h"
#include "http/client.h"

namespace rivulet::shop {
namespace {

struct CrowdOptions {
  std::string shop;
  std::string collector;
  std::string api;
  std::string out;
  std::string rates = "one-best";
  double best = 0.12;
  std::uint64_t visitors = 20'000;
  std::uint64_t concurrency = 32;
  std::uint64_t seed = 1;
  Duration day = std::chrono::seconds(60);
  Duration settle = std::chrono::seconds(15);
  bool drift = false;
  bool alone = false;
};

class Crowd {
 public:
  Crowd(CrowdOptions options, Tastes tastes, EventLoop* loop, Client* client)
      : options_(std::move(options)),
        loop_(*loop),
        client_(*client),
        tastes_(std::move(tastes)),
        tally_(options_.visitors),
        arrivals_(loop_, [this] { Arrive(); }),
        progress_(loop_, [this] { Say(); }) {}

  /// The whole day.
  void Run() {
    Print(stdout, "{} visitors in {}; {} is the picture to find: {:.1f} % of who see it click\n",
          options_.visitors, RoughDuration(options_.day), tastes_.best(),
          100 * tastes_.best_rate());
    std::fflush(stdout);
    progress_.StartEvery(std::chrono::seconds(1));
    begin_ = clock_.Now();
    Arrive();
    loop_.Run();
    progress_.Cancel();
    Say();
  }

  /// What came of it, as text. False when not all that was sent has been learned.
  bool Report() {
    Print(stdout, "\n  {:<24} {:>8} {:>8} {:>8} {:>8}\n", "picture", drifted_ ? "rate now" : "rate",
          "shown", "clicks", "seen");
    auto rates = tastes_.rates();
    std::stable_sort(rates.begin(), rates.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    constexpr std::size_t kMostLines = 12;
    if (rates.size() > kMostLines) rates.resize(kMostLines);
    for (const auto& [id, rate] : rates) {
      const Tally::Counts counts = tally_.CountsOf(id);
      const std::string seen = counts.shown == 0 ? "" : Percent(counts.clicks, counts.shown);
      Print(stdout, "  {:<24} {:>6.1f} % {:>8} {:>8} {:>8}\n", id, 100 * rate, counts.shown,
            counts.clicks, seen);
    }
    Print(stdout, "\nbest picture among the last tenth: {:.0f} %\n", 100 * tally_.share_of_best());
    Print(stdout, "{} clicks of {} visitors; pictures at random: {:.0f}\n", tally_.clicks(),
          tally_.visitors(), tally_.clicks_at_random());
    Print(stdout, "regret {:.0f} clicks; pictures at random: {:.0f}\n", tally_.regret(),
          tally_.regret_at_random());
    const bool well = WereAnswered(sent_, options_.visitors, !options_.api.empty());
    return (options_.api.empty() || Compare()) && well;
  }

  /// What the bandit knew before the first visitor.
  Status ReadBefore() {
    if (options_.api.empty()) return {};
    auto read = Ask();
    if (!read.ok()) return read.status();
    before_ = std::move(read).value();
    return {};
  }

 private:
  struct Visit {
    Visitor visitor;
    ClientCall call;
  };
  using Place = std::list<Visit>::iterator;

  /// The simulated time, from 0 to 1.
  double Now() const {
    return std::chrono::duration<double>(clock_.Now() - begin_) /
           std::chrono::duration<double>(options_.day);
  }

  void Arrive() {
    while (visits_.size() < options_.concurrency && next_ < options_.visitors) {
      const double share =
          (static_cast<double>(next_) + 0.5) / static_cast<double>(options_.visitors);
      const double wait = TimeOfVisitor(share) - Now();
      if (wait > 0) {
        const auto delay = std::chrono::duration<double>(options_.day) * wait;
        return arrivals_.Start(std::chrono::duration_cast<Duration>(delay));
      }
      Begin();
    }
    if (visits_.empty() && next_ == options_.visitors) loop_.Stop();
  }

  void Begin() {
    if (options_.drift && !drifted_ && Now() >= 0.5) {
      drifted_ = true;
      tastes_.Drift();
      Print(stdout, "{}  tastes change: the picture to find is {} now\n", ClockOf(Now()),
            tastes_.best());
    }
    if (shot_ < kShots.size() - 1 && Now() >= kShots[shot_].time) Photograph(kShots[shot_++].name);
    const Place visit = visits_.insert(visits_.end(), Visit{Visitor(options_.seed, next_++), {}});
    ClientRequest request;
    request.url = options_.shop + "/pick";
    request.timeout = kPatience;
    visit->call = client_.Start(std::move(request), [this, visit](const ClientResponse& response) {
      OnPick(visit, response);
    });
  }
  void OnPick(Place visit, const ClientResponse& response) {
    auto pick = response.ok() ? ReadPick(response.body) : InvalidArgument(response.Describe());
    if (!pick.ok()) {
      ++sent_.turned_away;
      return End(visit);
    }
    Visitor& visitor = visit->visitor;
    visitor.pick = std::move(pick).value();
    sent_.by_bandit += visitor.pick.by_bandit ? 1 : 0;
    const double rate = tastes_.RateOf(visitor.pick.item);
    tally_.Shown(tastes_, visitor.pick.item);
    Send(visit, visitor.FrontPageEvents(options_.shop), [this, visit, rate](bool taken) {
      (taken ? sent_.impressions : sent_.refused) += 1;
      if (!visit->visitor.Likes(rate)) return End(visit);
      tally_.Clicked(visit->visitor.pick.item);
      Send(visit, visit->visitor.ClickEvents(options_.shop), [this, visit](bool also_taken) {
        (also_taken ? sent_.clicks : sent_.refused) += 1;
        End(visit);
      });
    });
  }
  template <typename Then>
  void Send(Place visit, std::string body, Then then) {
    ClientRequest request;
    request.method = "POST";
    request.url = options_.collector + "/event";
    request.headers = {fmt::format("User-Agent: {}", visit->visitor.user_agent()),
                       "Content-Type: text/plain;charset=UTF-8"};
    request.body = std::move(body);
    request.timeout = kPatience;
    visit->call = client_.Start(std::move(request),
                                [then](const ClientResponse& response) { then(response.ok()); });
  }
  void End(Place visit) {
    visits_.erase(visit);
    Arrive();
  }

  void Say() {
    if (tally_.visitors() == said_) return;
    said_ = tally_.visitors();
    Print(stdout,
          "{}  {:>6} visitors  {:>6}  best picture {} {:>3.0f} %  regret {:.0f} of {:.0f}\n",
          ClockOf(Now()), tally_.visitors(), Percent(tally_.clicks(), tally_.visitors()),
          ProgressBar(tally_.share_of_best()), 100 * tally_.share_of_best(), tally_.regret(),
          tally_.regret_at_random());
    std::fflush(stdout);
  }

  /// The bandit's posteriors as they are now.
  void Photograph(std::string_view name) {
    if (options_.out.empty() || options_.api.empty()) return;
    photograph_ = client_.Start(
        PictureRequest(), [this, name](const ClientResponse& response) { Keep(name, response); });
  }
  ClientRequest PictureRequest() const {
    ClientRequest request;
    request.url = options_.api + "/arms?format=svg";
    request.timeout = kPatience;
    return request;
  }
  void Keep(std::string_view name, const ClientResponse& response) {
    const std::string path = fmt::format("{}/{}.svg", options_.out, name);
    if (response.ok() && std::ofstream(path) << response.body) return kept_.push_back(name);
    Print(stderr, "crowd: {}: {}\n", path,
          response.ok() ? "cannot be written" : response.Describe());
  }
  void KeepIndex() {
    std::ofstream(options_.out + "/index.html") << AlbumPage(kept_);
    Print(stdout, "pictures: {}/index.html\n", options_.out);
  }

  Result<Learned> Ask() {
    ClientRequest request;
    request.url = options_.api + "/arms?format=json";
    request.timeout = kPatience;
    const ClientResponse response = client_.Fetch(std::move(request));
    if (!response.ok()) return InvalidArgument(response.Describe());
    return ReadLearned(response.body);
  }
  /// With what the bandit has learned, once it has learned all.
  bool Compare() {
    const MonoTime give_up = clock_.Now() + options_.settle;
    Learned learned;
    std::string trouble;
    do {
      auto read = Ask();
      if (read.ok()) read = Since(*read, before_);
      trouble = read.status().message();
      if (read.ok()) learned = std::move(read).value();
      if (learned.impressions >= sent_.impressions && learned.clicks >= sent_.clicks) break;
      loop_.RunOnce(std::chrono::milliseconds(50));
    } while (clock_.Now() < give_up);
    if (!trouble.empty()) Print(stderr, "crowd: {}\n", trouble);
    if (!options_.out.empty()) {
      Keep(kShots.back().name, client_.Fetch(PictureRequest()));
      KeepIndex();
    }
    std::string verdict = "which it is";
    if (learned.best != tastes_.best()) {
      const bool tried = tally_.CountsOf(tastes_.best()).shown > 0;
      verdict =
          fmt::format("but it is {}{}", tastes_.best(), tried ? "" : ", which was never tried");
    }
    Print(stdout,
          "the bandit takes {} for the best, {}: {:.1f} % ({:.1f} to {:.1f} with 95 %), round {}\n",
          learned.best, verdict, 100 * learned.mean, 100 * learned.low, 100 * learned.high,
          learned.round);
    return SaySums(sent_, learned, options_.alone) && trouble.empty();
  }

  static constexpr Duration kPatience = std::chrono::seconds(5);

  CrowdOptions options_;
  SystemClock clock_;
  EventLoop& loop_;
  Client& client_;
  Tastes tastes_;
  Tally tally_;
  Sent sent_;
  Learned before_;
  MonoTime begin_{};
  std::uint64_t next_ = 0;
  std::uint64_t said_ = 0;
  std::size_t shot_ = 0;
  std::vector<std::string_view> kept_;  // of kShots, by name
  bool drifted_ = false;
  std::list<Visit> visits_;
  ClientCall photograph_;
  Timer arrivals_;
  Timer progress_;
};

/// The ids of the shop's pictures.
Result<std::vector<std::string>> ReadCatalogue(Client* client, const std::string& shop) {
  ClientRequest request;
  request.url = shop + "/catalogue";
  request.timeout = std::chrono::seconds(10);
  const ClientResponse response = client->Fetch(std::move(request));
  if (!response.ok()) return InvalidArgument(response.Describe());
  auto ids = ReadIds(response.body);
  if (ids.ok() && ids->empty()) {
    return InvalidArgument(fmt::format("{}/catalogue: has no pictures", shop));
  }
  return ids;
}

Result<Tastes> MakeTastes(const CrowdOptions& options, const std::vector<std::string>& pictures) {
  Random random(options.seed);
  if (options.rates == "one-best") return Tastes::OneBest(pictures, options.best, &random);
  if (options.rates == "beta") return Tastes::OfCatalogue(pictures, &random);
  return Tastes::Read(options.rates, pictures);
}

int Main(const CrowdOptions& options) {
  EventLoop loop;
  Client client(loop);
  const auto pictures = ReadCatalogue(&client, options.shop);
  const auto tastes = pictures.ok() ? MakeTastes(options, *pictures) : pictures.status();
  if (!tastes.ok()) {
    Print(stderr, "crowd: {}\n", tastes.status().message());
    return 1;
  }
  if (!options.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.out, error);
    if (error) {
      Print(stderr, "crowd: --out={}: cannot be made: {}\n", options.out, error.message());
      return 1;
    }
  }
  Crowd crowd(options, *tastes, &loop, &client);
  if (Status s = crowd.ReadBefore(); !s.ok()) {
    Print(stderr, "crowd: {}\n", s.message());
    return 1;
  }
  crowd.Run();
  return crowd.Report() ? 0 : 1;
}

Status CheckUrl(const std::string& url) {
  if (url.starts_with("http://") || url.starts_with("https://")) return CheckClientUrl(url);
  return InvalidArgument("an http:// or https:// URL");
}

}  // namespace
}  // namespace rivulet::shop

int main(int argc, char** argv) {
  using namespace rivulet;
  Options options("crowd",
                  "simulated visitors of the shop, who click each picture at a known rate");
  shop::CrowdOptions crowd;
  options.Text("shop", &crowd.shop, "the shop's URL")
      .Metavar("URL")
      .Check(shop::CheckUrl)
      .Required();
  options.Text("collector", &crowd.collector, "the collector's URL")
      .Metavar("URL")
      .Check(shop::CheckUrl)
      .Required();
  options
      .Text("api", &crowd.api, "the bandit's URL: compares what it has learned with what was sent")
      .Metavar("URL")
      .Check(shop::CheckUrl);
  options.Text("out", &crowd.out, "folder for pictures of what the bandit knows, four times a day")
      .Metavar("DIR");
  options.Uint("visitors", &crowd.visitors, "visitors in the day")
      .Metavar("N")
      .Range(1, 100'000'000);
  options.Time("day", &crowd.day, "how long the day takes").Metavar("TIME");
  options
      .Text("rates", &crowd.rates,
            "how likely each picture is clicked: one-best, beta (1 and 19), or a file of ID RATE "
            "lines")
      .Metavar("WHAT");
  options.Real("best", &crowd.best, "the rate of the best picture of one-best")
      .Metavar("RATE")
      .Range(0, 1);
  options.Flag("drift", &crowd.drift, "tastes change at noon: another picture is the best");
  options.Flag("alone", &crowd.alone,
               "nobody else visits: more learned than sent is an error, too");
  options.Uint("concurrency", &crowd.concurrency, "visitors at a time").Metavar("N").Range(1, 1000);
  options.Uint("seed", &crowd.seed, "of rates and visitors").Metavar("N");
  options.Time("settle", &crowd.settle, "time the bandit is given to learn the last events")
      .Metavar("TIME");
  if (const auto code = options.Parse(argc, argv)) return *code;
  return shop::Main(crowd);
}
