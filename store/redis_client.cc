#include "store/redis_client.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace rivulet {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} << 10;
constexpr std::size_t kLargeReadBytes = std::size_t{256} << 10;
constexpr std::size_t kPieces = 64;  // of one write

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

void AppendRedisWord(std::string* bytes, std::string_view text) {
  const fmt::format_int size(text.size());
  *bytes += '$';
  bytes->append(size.data(), size.size()).append("\r\n").append(text).append("\r\n");
}

void RedisRequest::Add(std::initializer_list<std::string_view> words) {
  const fmt::format_int count(words.size());
  bytes += '*';
  bytes.append(count.data(), count.size()).append("\r\n");
  for (const std::string_view word : words) AppendRedisWord(&bytes, word);
  ++commands;
}

RedisClient::RedisClient(EventLoop& loop, RedisAddress address, RedisClientOptions options)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      name_(address_.Shown()),
      backoff_(options.backoff, options.seed),
      connect_timer_(
          loop,
          [this] {
            if (state_ == State::kAway) {
              Connect();
            } else {
              Lose({StatusCode::kUnavailable, Named(fmt::format("no connection within {} ms",
                                                                Milliseconds(address_.timeout)))});
            }
          }),
      watch_timer_(loop, [this] { WatchTime(); }),
      flush_(loop, [this] { Flush(); }) {
  watch_timer_.StartEvery(std::max<Duration>(address_.timeout / 8, std::chrono::milliseconds(5)));
  Connect();
}

RedisClient::~RedisClient() = default;

std::string RedisClient::Named(std::string_view what) const {
  return fmt::format("{}: {}", name_, what);
}

void RedisClient::Send(RedisRequest request, Callback callback) {
  const std::size_t bytes = request.bytes.size();
  if (queue_.size() >= options_.max_queued_requests ||
      bytes > options_.max_queued_bytes - std::min(queued_bytes_, options_.max_queued_bytes)) {
    callback({{StatusCode::kExhausted,
               Named(fmt::format("{} requests of {} bytes wait for an answer: at most {} of {}",
                                 queue_.size(), queued_bytes_, options_.max_queued_requests,
                                 options_.max_queued_bytes))},
              {}});
    return;
  }
  const MonoTime now = options_.clock->Now();
  if (queue_.empty()) progress_at_ = now;
  Pending pending;
  pending.bytes = bytes;
  queued_bytes_ += bytes;
  if (request.patience) pending.give_up_at = now + *request.patience;
  pending.replies.reserve(request.commands);
  pending.request = std::move(request);
  pending.callback = std::move(callback);
  queue_.push_back(std::move(pending));
  if (state_ == State::kReady) flush_.Schedule();
}

void RedisClient::OnIo(bool readable, bool writable) {
  if (state_ == State::kConnecting) {
    FinishConnect();
    return;
  }
  // Reading first: an answer that is there is an outcome, whatever becomes of the writing.
  if (readable) {
    const auto* reader = reader_.get();
    ReadSome();
    if (reader_.get() != reader) return;
  }
  if (writable) Flush();
}

void RedisClient::Flush() {
  if (state_ != State::kGreeting && state_ != State::kReady) return;
  while (WriteSome()) {
  }
  if (context_) Watch();
}

void RedisClient::Watch() {
  wants_write_ = !greeting_bytes_.empty() || (state_ == State::kReady && sent_ < queue_.size());
  watcher_->Watch(true, wants_write_);
}

// One write; false when there is nothing to write, or no room, or no connection any more.
bool RedisClient::WriteSome() {
  std::array<iovec, kPieces> pieces;
  std::size_t count = 0;
  if (state_ == State::kGreeting) {
    if (greeting_bytes_.empty()) return false;
    pieces[count++] = {greeting_bytes_.data(), greeting_bytes_.size()};
  } else {
    for (std::size_t i = sent_; i < queue_.size() && count < kPieces; ++i) {
      Pending& pending = queue_[i];
      pieces[count++] = {pending.request.bytes.data() + pending.written,
                         pending.bytes - pending.written};
    }
    if (count == 0) return false;
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  const ssize_t written = sendmsg(context_->fd, &message, MSG_NOSIGNAL);
  if (written < 0) {
    if (errno == EAGAIN || errno == EINTR) return errno == EINTR;
    const int error = errno;
    // What the server said before it closed is read first.
    ReadSome();
    if (context_ && state_ != State::kAway) {
      Lose({StatusCode::kUnavailable,
            Named(fmt::format("the connection was lost: {}", std::strerror(error)))});
    }
    return false;
  }
  if (state_ == State::kGreeting) {
    greeting_bytes_.erase(0, static_cast<std::size_t>(written));
    return !greeting_bytes_.empty();
  }
  progress_at_ = options_.clock->Now();
  auto left = static_cast<std::size_t>(written);
  while (left > 0) {
    Pending& pending = queue_[sent_];
    const std::size_t taken = std::min(left, pending.bytes - pending.written);
    pending.written += taken;
    left -= taken;
    if (pending.written < pending.bytes) break;
    std::string().swap(pending.request.bytes);
    ++sent_;
  }
  return sent_ < queue_.size();
}

void RedisClient::ReadSome() {
  // A reply that is larger than what is read at once is read in larger pieces.
  std::array<char, kReadBytes> small;
  std::vector<char> large(reader_->inside_reply() ? kLargeReadBytes : 0);
  char* buffer = large.empty() ? small.data() : large.data();
  const std::size_t size = large.empty() ? small.size() : large.size();
  for (int turn = 0; turn < 16; ++turn) {
    const ssize_t got = read(context_->fd, buffer, size);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return;
      const int error = errno;
      Lose({StatusCode::kUnavailable,
            Named(fmt::format("the connection was lost: {}", std::strerror(error)))});
      return;
    }
    if (got == 0) {
      Lose({StatusCode::kUnavailable, Named("the server closed the connection")});
      return;
    }
    progress_at_ = options_.clock->Now();
    const Status fed = reader_->Feed(buffer, static_cast<std::size_t>(got));
    if (!fed.ok()) {
      Lose({StatusCode::kUnavailable, Named(fed.message())});
      return;
    }
    if (!TakeReplies() || static_cast<std::size_t>(got) < size) return;
  }
}

bool RedisClient::TakeReplies() {
  const auto* reader = reader_.get();
  while (true) {
    Result<RedisReply*> next = reader_->Next();
    if (!next.ok()) {
      // What greets with other words than a Redis will not become one.
      const bool stranger = state_ == State::kGreeting;
      const bool too_large = next.status().code() == StatusCode::kTooLarge && !stranger;
      Lose({stranger    ? StatusCode::kInvalidArgument
            : too_large ? StatusCode::kTooLarge
                        : StatusCode::kUnavailable,
            Named(fmt::format("{}: {}",
                              stranger ? "is no Redis server" : "sent what cannot be taken",
                              next.status().message()))});
      return false;
    }
    if (*next == nullptr) return true;
    if (state_ == State::kGreeting) {
      OnGreeting(**next);
    } else if (!OnReply(**next)) {
      return false;
    }
    // A callback, or a refused greeting, may have closed the connection.
    if (reader_.get() != reader) return false;
  }
}

bool RedisClient::OnReply(RedisReply& reply) {
  const bool asked = !queue_.empty() && queue_.front().written > 0;
  const bool last = asked && queue_.front().replies.size() + 1 == queue_.front().request.commands;
  // The answer to a command that was not sent whole is an answer to something else.
  if (!asked || (last && sent_ == 0)) {
    const std::string said = reply.kind == RedisReply::Kind::kError ? ": " + reply.text : "";
    Lose({StatusCode::kUnavailable, Named(fmt::format("sent a reply that nobody asked for ({}{})",
                                                      RedisKindName(reply.kind), said))});
    return false;
  }
  queue_.front().replies.push_back(std::move(reply));
  if (!last) return true;
  Pending done = std::move(queue_.front());
  queue_.pop_front();
  --sent_;
  GiveOutcome(std::move(done), {});
  return true;
}

void RedisClient::GiveOutcome(Pending pending, Status status) {
  queued_bytes_ -= pending.bytes;
  pending.callback({std::move(status), std::move(pending.replies)});
}

void RedisClient::Lose(Status why) {
  // Of the request that comes first: its answer would be as large again.
  const bool too_large = why.code() == StatusCode::kTooLarge;
  state_ = State::kAway;
  status_ = too_large ? Status(StatusCode::kUnavailable, why.message()) : std::move(why);
  watcher_.reset();
  context_.reset();
  reader_.reset();
  greeting_.clear();
  greeting_bytes_.clear();
  connect_timer_.Start(backoff_.Next());
  std::vector<Pending> lost;
  while (!queue_.empty() && queue_.front().written > 0) {
    Pending& first = queue_.front();
    if (first.written < first.bytes && first.request.commands == 1) {
      first.written = 0;
      break;
    }
    lost.push_back(std::move(first));
    queue_.pop_front();
  }
  sent_ = 0;
  const std::string text = status_.message();
  for (std::size_t i = 0; i < lost.size(); ++i) {
    const bool at_fault = too_large && i == 0;
    GiveOutcome(std::move(lost[i]),
                {at_fault ? StatusCode::kTooLarge : StatusCode::kUnknownOutcome, text});
  }
}

void RedisClient::CheckAlive() {
  if (state_ == State::kReady) ReadSome();
}

void RedisClient::Disconnect(const std::string& why) {
  if (state_ == State::kAway) return;
  Lose({StatusCode::kUnavailable, Named(why)});
}

void RedisClient::GiveUp(const std::string& why) {
  if (!queue_.empty() && queue_.front().written > 0) Disconnect(why);
  std::deque<Pending> given_up;
  given_up.swap(queue_);
  sent_ = 0;
  const std::string text = status_.ok() ? Named(why) : status_.message();
  for (Pending& pending : given_up) {
    GiveOutcome(std::move(pending), {StatusCode::kUnavailable, text});
  }
}

void RedisClient::WatchTime() {
  const MonoTime now = options_.clock->Now();
  if (state_ == State::kReady && !queue_.empty() && queue_.front().written > 0 &&
      now - progress_at_ > address_.timeout) {
    Disconnect(fmt::format("no answer within {} ms", Milliseconds(address_.timeout)));
  }
  if (state_ == State::kReady) return;
  // Nothing is sent in part here.
  std::vector<Pending> late;
  for (auto at = queue_.begin(); at != queue_.end();) {
    if (at->give_up_at && *at->give_up_at <= now) {
      late.push_back(std::move(*at));
      at = queue_.erase(at);
    } else {
      ++at;
    }
  }
  const std::string text = status_.ok() ? Named("no connection yet") : status_.message();
  for (Pending& pending : late) {
    GiveOutcome(std::move(pending), {StatusCode::kUnavailable, text});
  }
}

}  // namespace rivulet
