#include "bandit/api.h"

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "bandit/arms_views.h"
#include "bandit/item_answers.h"
#include "bandit/item_request.h"
#include "base/units.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

namespace {

// Ids are data of others: nothing but what we say they are.
constexpr std::string_view kNoSniff = "nosniff";
constexpr std::string_view kNoStore = "no-store";

std::uint64_t SeedOf(const BanditApiOptions& options) {
  if (options.has_seed) return options.seed;
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

// Calls add(name, value) for each field of the answer.
template <typename Add>
void EachField(const ItemAnswer& answer, Add add) {
  add("X-Arms", ArmsStateName(answer.state));
  if (answer.has_age) {
    add("X-Arms-Age", Digits(answer.age).text());
    add("X-Round", Digits(answer.round).text());
  }
  add("Cache-Control", kNoStore);
  add("X-Content-Type-Options", kNoSniff);
  if (answer.status == 503) add("Retry-After", "1");
}

// Whether a browser wants something to look at.
bool WantsPage(const Request& request) {
  const auto accept = request.Header("Accept");
  return accept && accept->find("text/html") != std::string_view::npos && !request.accepts_json();
}

}  // namespace

struct BanditApi::Impl {
  struct Waiting {
    PendingReply reply;
    ItemRequest request;
    MonoTime asked_at{};
  };

  Impl(Daemon& the_daemon, ArmsSource& the_source, const BanditApiOptions& options)
      : daemon(the_daemon),
        source(the_source),
        reads_each_request(options.reads_each_request),
        reader(options.max_items, ContextNames(options)),
        answers(the_source, options, SeedOf(options)),
        page(ArmsPageHtml("bandit")),
        views(daemon.loop(), [this](const ArmsLook& look) { return Report(look); }) {}

  void Item(const Request& request, Reply& reply);
  void ReadThenAnswer(const ItemRequest& ask, Reply& reply);
  void AnswerWaiting(std::uint64_t number);
  void Count(const ItemRequest& ask, const ItemAnswer& answer);

  void Arms(const Request& request, Reply& reply);
  ArmsReport Report(const ArmsLook& look);

  Daemon& daemon;
  ArmsSource& source;
  const bool reads_each_request;
  ItemRequestReader reader;
  ItemAnswers answers;
  const std::string page;
  ArmsViews views;
  BanditApiStats stats;

  ItemRequest asked;  // of the request that is served, kept for its memory
  std::string fields;
  // Answers that wait for the store, the first of them number `first_waiting`. One that was given
  // is empty until those before it are.
  std::deque<std::optional<Waiting>> waiting;
  std::uint64_t first_waiting = 0;
};

void BanditApi::Impl::Count(const ItemRequest& ask, const ItemAnswer& answer) {
  if (ask.is_head) return;
  if (answer.status == 503) ++stats.unanswered;
  if (answer.status != 200) return;
  ++stats.answers;
  stats.picks += answer.picked;
  if (answer.state == ArmsState::kLastKnown) ++stats.last_known;
  if (answer.state == ArmsState::kFallback) ++stats.fallback;
}

void BanditApi::Impl::Item(const Request& request, Reply& reply) {
  if (Status s = reader.Read(request, &asked); !s.ok()) return reply.Error(400, s.message());
  if (reads_each_request) return ReadThenAnswer(asked, reply);
  const MonoTime now = daemon.clock().Now();
  const ItemAnswer& answer = answers.Answer(asked, now, now);
  Count(asked, answer);
  EachField(answer, [&reply](auto name, auto value) { reply.AddHeader(name, value); });
  reply.Body(answer.status, answer.content_type, answer.body);
}

void BanditApi::Impl::ReadThenAnswer(const ItemRequest& ask, Reply& reply) {
  const std::uint64_t number = first_waiting + waiting.size();
  waiting.emplace_back(Waiting{reply.Defer(), ask, daemon.clock().Now()});
  source.ReadNow([this, number] { AnswerWaiting(number); });
}

void BanditApi::Impl::AnswerWaiting(std::uint64_t number) {
  Waiting served = *std::move(waiting[number - first_waiting]);
  waiting[number - first_waiting].reset();
  while (!waiting.empty() && !waiting.front()) {
    waiting.pop_front();
    ++first_waiting;
  }
  if (!served.reply.alive()) return;
  const ItemAnswer& answer = answers.Answer(served.request, daemon.clock().Now(), served.asked_at);
  Count(served.request, answer);
  fields.clear();
  EachField(answer, [this](auto name, auto value) {
    fields.append(name).append(": ").append(value).append("\r\n");
  });
  served.reply.Send(answer.status, answer.content_type, answer.body, fields);
}

ArmsReport BanditApi::Impl::Report(const ArmsLook& look) {
  const KnownArms& known = source.known();
  const MonoTime now = daemon.clock().Now();
  return {.picker = answers.picker(),
          .policy = answers.policy(),
          .prior = answers.prior(),
          .state = answers.State(now, look.since),
          .status = known.status,
          .age = known.arms == nullptr ? std::nullopt : std::optional(now - known.asked_at),
          .picks = stats.picks,
          .fallbacks = stats.fallback,
          .health = daemon.health(),
          .start_time = daemon.start_time(),
          .most_arms = look.most_arms};
}

void BanditApi::Impl::Arms(const Request& request, Reply& reply) {
  const std::string format = request.Param("format").value_or(WantsPage(request) ? "html" : "json");
  if (format == "html") return ServePage(request, reply, page, daemon.hosts());
  if (format != "json" && format != "svg") {
    return reply.Error(400, "format=" + ShownValue(format) + ": must be json, svg or html");
  }
  std::uint64_t most = kShownArms;
  if (const auto n = request.Param("n")) {
    const auto given = ParseUint(*n);
    most = given.ok() ? *given : 0;
    if (most == 0 || most > kMostShownArms) {
      return reply.Error(400, fmt::format("n={}: must be a whole number from 1 to {}",
                                          ShownValue(*n), kMostShownArms));
    }
  }
  const ArmsLook look{format == "svg", most, daemon.clock().Now()};
  if (!reads_each_request) return views.Answer(reply.Defer(), look);
  auto pending = std::make_shared<PendingReply>(reply.Defer());
  source.ReadNow([this, pending, look] { views.Answer(std::move(*pending), look); });
}

BanditApi::BanditApi(Daemon& daemon, ArmsSource& source, const BanditApiOptions& options)
    : impl_(std::make_unique<Impl>(daemon, source, options)) {}

BanditApi::~BanditApi() = default;

BanditApiStats BanditApi::stats() const { return impl_->stats; }

void BanditApi::Install() {
  Router& router = impl_->daemon.router();
  router.Add(kLooks, "/item", impl_.get(), &Impl::Item);
  router.Add(kLooks, "/arms", impl_.get(), &Impl::Arms);
  MetricRegistry& metrics = impl_->daemon.metrics();
  const auto counter = [this, &metrics](const char* name, const char* help,
                                        std::uint64_t BanditApiStats::*count) {
    metrics.AddCounterFunction(name, help, [impl = impl_.get(), count] {
      return static_cast<double>(impl->stats.*count);
    });
  };
  counter("rivulet_bandit_picks_total", "Items drawn from arms and answered.",
          &BanditApiStats::picks);
  counter("rivulet_bandit_last_known_total", "Answers from arms that could not be read anew.",
          &BanditApiStats::last_known);
  counter("rivulet_bandit_fallback_total", "Answers of the fallback.", &BanditApiStats::fallback);
  counter("rivulet_bandit_unanswered_total", "Requests for an item that had neither.",
          &BanditApiStats::unanswered);
}

}  // namespace rivulet
