#include "collector/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "collector/origin.h"
#include "collector/script.h"
#include "http/bearer.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

namespace {

// GIF89a: one pixel, which is transparent.
constexpr std::string_view kPixel(
    "GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02"
    "\x02\x44\x01\0;",
    43);

EventLimits LimitsOf(const CollectorOptions& options) {
  EventLimits limits;
  limits.max_events = static_cast<std::size_t>(options.max_events);
  limits.max_parameters_bytes = static_cast<std::size_t>(options.max_parameters_bytes);
  return limits;
}

// Do-Not-Track, and Global Privacy Control, which came after it.
bool AsksNotToBeTracked(const Request& request) {
  return request.Header("DNT") == "1" || request.Header("Sec-GPC") == "1";
}

// Strangers read it: what is wrong with the disk stands in the log and at /ping.
constexpr std::string_view kNotSafe = "events cannot be made safe now: try again later";

// For pages of any origin, whatever they ask of what they load (COEP).
void AddCrossOrigin(Reply& reply) {
  reply.AddHeader("Cross-Origin-Resource-Policy", "cross-origin");
}

}  // namespace

CollectorApi::CollectorApi(Daemon& daemon, CollectorOptions options, Mapping mapping,
                           std::string token, std::uint64_t seed)
    : daemon_(daemon),
      options_(std::move(options)),
      mapping_(std::move(mapping)),
      token_(std::move(token)),
      kept_address_(ParseRemoteAddress(options_.remote_address).value()),
      bots_(options_.bot_words),
      duplicates_(options_.duplicate_window, static_cast<std::size_t>(options_.max_ids), seed),
      reader_(LimitsOf(options_)) {}

void CollectorApi::Install() {
  Router& router = daemon_.router();
  // Open: --auth-token-file is not for browsers, who could not keep it.
  router.AddOpen(kActsOrLooks, "/event",
                 [this](const Request& request, Reply& reply) { TakeEvents(request, reply); });
  router.AddOpen(kLooks, "/collector.js",
                 [this](const Request& request, Reply& reply) { ServeScript(request, reply); });
  router.Add(kLooks, "/stats", this, &CollectorApi::Stats);
  daemon_.metrics().AddCollector([this](std::string* out) { WriteMetrics(out); });
}

Status CollectorApi::Open(OutletConfig config) {
  auto outlet =
      Outlet::Open(daemon_.loop(), daemon_.clock(), std::move(config), [this] { OnSafe(); });
  if (!outlet.ok()) return outlet.status();
  outlet_ = std::move(outlet).value();
  daemon_.CheckHealthBy([this] { return outlet_->health(); });
  return Status::Ok();
}

void CollectorApi::Reopen() {
  if (Status s = outlet_->Reopen(); !s.ok()) LogError("{}", s.message());
}

void CollectorApi::OnDraining(Duration timeout) { close_by_ = daemon_.clock().Now() + timeout; }

Status CollectorApi::Close() {
  closing_ = true;
  EventLoop& loop = daemon_.loop();
  Timer deadline(loop, [&loop] { loop.Stop(); });
  deadline.Start(std::max(Duration::zero(), close_by_ - daemon_.clock().Now()));
  outlet_->Drain([&loop] { loop.Stop(); });
  loop.Run();
  return outlet_->Close() ? Status::Ok() : Status{StatusCode::kIoError, "events were lost"};
}

void CollectorApi::OnSafe() {
  if (outlet_ == nullptr || closing_) return;
  daemon_.server().Release(outlet_->safe());
  if (!outlet_->health().ok()) daemon_.server().FailHeld(503, kNotSafe);
}

void CollectorApi::TakeEvents(const Request& request, Reply& reply) {
  if (request.is_head()) return reply.Body(200, "image/gif", kPixel);
  bool trusted = false;
  if (!Admit(request, reply, &trusted) || !Read(request, reply, trusted)) return;
  Publish(options_.honour_dnt && AsksNotToBeTracked(request), trusted);
  Answer(request, reply);
}

bool CollectorApi::Admit(const Request& request, Reply& reply, bool* trusted) {
  const BroughtToken brought = token_.empty() ? BroughtToken::kNone : CompareToken(request, token_);
  if (brought == BroughtToken::kWrong ||
      (brought == BroughtToken::kNone && options_.require_token)) {
    ++counts_.tokens_refused;
    reply.AddHeader("WWW-Authenticate", "Bearer");
    reply.Error(401, brought == BroughtToken::kWrong
                         ? "the token is not that of --sender-token-file"
                         : "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN");
    return false;
  }
  *trusted = brought == BroughtToken::kRight;
  if (!*trusted && !OriginAllowed(request)) {
    ++counts_.origins_refused;
    reply.Error(403, "pages of this origin may not send events here: see --allow-origin");
    return false;
  }
  const bool safe = outlet_->health().ok();
  if (safe && !outlet_->full()) return true;
  ++counts_.refused_when_full;
  reply.Error(503, safe ? "too many events wait for a destination: try again later" : kNotSafe);
  return false;
}

// The GET of a picture says no Origin: where the page is told, it is in the Referer.
bool CollectorApi::OriginAllowed(const Request& request) const {
  if (request.method() == Method::kPost || request.Header("Origin")) {
    return daemon_.server().OriginAllowed(request);
  }
  const auto referer = request.Header("Referer");
  return !referer ||
         RefererAllowed(*referer, options_.allow_origins, request.Header("Host").value_or(""));
}

bool CollectorApi::Read(const Request& request, Reply& reply, bool trusted) {
  EventSender sender;
  std::string_view peer = request.peer();
  if (options_.trust_forwarded) {
    peer = ForwardedPeer(peer, request.LastHeader("X-Forwarded-For").value_or(""));
  }
  remote_ = KeptAddress(peer, kept_address_);
  sender.remote = remote_;
  sender.user_agent = request.Header("User-Agent").value_or("");
  sender.location = request.Header("Referer").value_or("");
  sender.at = daemon_.clock().WallNow();
  sender.trusted = trusted;
  Status read;
  if (request.method() == Method::kPost) {
    read = reader_.ReadBody(request.body(), sender);
  } else {
    reader_.ReadQuery(request.query(), sender);
  }
  counts_.events_refused += read.ok() ? reader_.refused().size() : 1;
  if (read.ok()) return true;
  reply.Error(read.code() == StatusCode::kTooLarge ? 413 : 400, read.message());
  return false;
}

void CollectorApi::Publish(bool do_not_track, bool trusted) {
  mark_ = 0;
  const MonoTime now = daemon_.clock().Now();
  for (Event& event : reader_.events()) {
    ++counts_.events;
    if (do_not_track) {
      ++counts_.dnt;
      continue;
    }
    if (trusted) {  // which may have told another address
      told_remote_ = KeptAddress(event.remote, kept_address_);
      event.remote = told_remote_;
    }
    event.bot = bots_.IsBot(event.user_agent);
    event.duplicate = duplicates_.Seen(event.party, event.id, now);
    counts_.bots += event.bot ? 1 : 0;
    counts_.duplicates += event.duplicate ? 1 : 0;
    message_.clear();
    if ((event.bot && options_.drop_bots) || (event.duplicate && options_.drop_duplicates) ||
        mapping_.Apply(event, &message_) == Mapping::Made::kDropped) {
      ++counts_.dropped;
      // Who sends it again wants to know whether it arrived: the first one may not be safe yet.
      if (event.duplicate) mark_ = outlet_->end();
      continue;
    }
    mark_ = outlet_->Take(message_);
    ++counts_.messages;
  }
  counts_.values_shortened = mapping_.shortened();
}

void CollectorApi::Answer(const Request& request, Reply& reply) {
  if (mark_ > outlet_->safe()) reply.HoldUntil(mark_);
  if (request.accepts_json()) return AnswerJson(reply);
  if (reader_.events().empty()) return reply.Error(400, reader_.refused().front().reason);
  if (request.method() == Method::kPost) return reply.Text(204, {});
  AddCrossOrigin(reply);
  reply.AddHeader("Cache-Control", "no-store");
  reply.Body(200, "image/gif", kPixel);
}

void CollectorApi::AnswerJson(Reply& reply) {
  const std::size_t events = reader_.events().size();
  std::string body = fmt::format(R"({{"taken":{},"refused":[)", events);
  const char* comma = "";
  for (const RefusedEvent& refused : reader_.refused()) {
    fmt::format_to(std::back_inserter(body), R"({}{{"index":{},"error":)", comma, refused.index);
    AppendJsonString(&body, refused.reason);
    body.push_back('}');
    comma = ",";
  }
  body.append("]}\n");
  reply.Body(events > 0 ? 200 : 400, kApplicationJson, body);
}

void CollectorApi::ServeScript(const Request& /*request*/, Reply& reply) {
  AddCrossOrigin(reply);
  reply.AddHeader("X-Content-Type-Options", "nosniff");
  reply.AddHeader("Cache-Control", "max-age=3600");
  reply.Body(200, "text/javascript; charset=utf-8", CollectorScript());
}

}  // namespace rivulet
