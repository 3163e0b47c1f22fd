#include "simplequeue/taking.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/base64.h"
#include "base/frames.h"
#include "base/json.h"
#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/params.h"
#include "simplequeue/receipt.h"

namespace rivulet {

namespace {

using Format = Taking::Format;

template <typename Number>
void AppendInt(std::string* out, Number number) {
  const fmt::format_int digits(number);
  out->append(digits.data(), digits.size());
}

bool ParseFormat(const Request& request, Reply& reply, Taking* taking) {
  const auto format = request.Param("format");
  if (!format) {
    if (taking->leases()) taking->format = Format::kFramed;
  } else if (*format == "framed") {
    taking->format = Format::kFramed;
  } else if (*format == "json") {
    taking->format = Format::kJson;
  } else {
    reply.Error(400, "format must be framed or json, or absent");
    return false;
  }
  return true;
}

bool ParseSeparator(const Request& request, Reply& reply, const QueueOptions& options,
                    Taking* taking) {
  auto separator = request.Param("separator");
  if (separator && taking->leases()) {
    reply.Error(400,
                "separator with lease: a receipt needs a frame, so format must be framed "
                "(the default) or json");
    return false;
  }
  taking->separator = std::move(separator).value_or(options.mget_item_sep);
  return true;
}

// A separator after every message but the last one of as many as were wanted.
std::size_t Separators(const Taking& taking, std::size_t messages) {
  return messages == taking.items ? messages - 1 : messages;
}

void AppendMessageJson(std::string* out, std::uint64_t id, std::uint32_t attempts, WallTime put_at,
                       std::string_view body) {
  out->append("\"id\": ");
  AppendInt(out, id);
  out->append(",\"attempts\": ");
  AppendInt(out, attempts);
  out->append(",\"put_at\": ");
  AppendUnixTime(out, put_at);
  out->push_back(',');
  AppendBodyMember(out, body);
  out->push_back('}');
}

}  // namespace

bool ParseTaking(const Request& request, Reply& reply, const QueueOptions& options, bool many,
                 Taking* taking) {
  taking->many = many;
  if (many && !ItemsParam(request, reply, &taking->items)) return false;
  if (many && options.max_mget != 0) taking->items = std::min(taking->items, options.max_mget);
  if (!request.query().empty()) {
    const DurationBounds lease{std::chrono::milliseconds(1), options.max_lease, "--max-lease"};
    const DurationBounds wait{Duration::zero(), options.max_wait, "--max-wait"};
    if (!DurationParam(request, reply, "lease", lease, &taking->lease) ||
        !DurationParam(request, reply, "wait", wait, &taking->wait)) {
      return false;
    }
  }
  return !many ||
         (ParseFormat(request, reply, taking) && ParseSeparator(request, reply, options, taking));
}

void AppendUnixTime(std::string* out, WallTime when) {
  const auto millis =
      std::chrono::floor<std::chrono::milliseconds>(when).time_since_epoch().count();
  AppendInt(out, millis / 1000);
  const auto rest = static_cast<unsigned>(millis % 1000);
  const char decimals[] = {'.', static_cast<char>('0' + rest / 100),
                           static_cast<char>('0' + rest / 10 % 10),
                           static_cast<char>('0' + rest % 10)};
  out->append(decimals, sizeof decimals);
}

void AppendBodyMember(std::string* out, std::string_view body) {
  if (IsValidUtf8(body)) {
    out->append("\"body\": ");
    AppendJsonString(out, body);
    return;
  }
  out->append("\"body_base64\": \"");
  AppendBase64(out, body);
  out->push_back('"');
}

std::size_t MessagesBytes(const Taking& taking, std::span<const Queue::Message> messages) {
  std::size_t bytes = 0;
  if (taking.format == Format::kFramed) {
    for (const Queue::Message& message : messages) bytes += FrameBytes(message.body);
    return bytes;
  }
  for (const Queue::Message& message : messages) bytes += message.body.size();
  return bytes + (taking.many ? Separators(taking, messages.size()) * taking.separator.size() : 0);
}

void AppendMessages(std::string* out, const Taking& taking, const Queue& queue,
                    const UnixTimes& times, std::span<const Queue::Message> messages) {
  if (taking.format == Format::kJson) {
    out->push_back('[');
    for (const Queue::Message& message : messages) {
      MessageInfo info;
      queue.Find(message.id, &info);
      out->append(&message == messages.data() ? "{" : ",\n{");
      AppendMessageJson(out, message.id, info.attempts, times.At(info.put_at), message.body);
    }
    out->append("]\n");
  } else if (taking.format == Format::kFramed) {
    for (const Queue::Message& message : messages) AppendFrame(out, message.body);
  } else {
    const std::size_t separators = taking.many ? Separators(taking, messages.size()) : 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      out->append(messages[i].body);
      if (i < separators) out->append(taking.separator);
    }
  }
}

void AppendLeases(std::string* out, const Taking& taking, const Queue& queue, std::uint32_t epoch,
                  const UnixTimes& times, std::span<const Queue::Lease> leases) {
  if (taking.format == Format::kFramed) {
    for (const Queue::Lease& lease : leases) {
      AppendReceipt(out, {queue.number(), {lease.id, lease.number}, epoch});
      out->push_back(' ');
      AppendInt(out, lease.attempts);
      out->push_back(' ');
      AppendFrame(out, lease.body);
    }
    return;
  }
  out->push_back('[');
  for (const Queue::Lease& lease : leases) {
    out->append(&lease == leases.data() ? "{" : ",\n{").append("\"receipt\": \"");
    AppendReceipt(out, {queue.number(), {lease.id, lease.number}, epoch});
    out->append("\",");
    AppendMessageJson(out, lease.id, lease.attempts, times.At(lease.put_at), lease.body);
  }
  out->append("]\n");
}

LeaseFields::LeaseFields(const Queue& queue, std::uint32_t epoch, const UnixTimes& times,
                         const Queue::Lease& lease) {
  AppendInt(&id, lease.id);
  AppendReceipt(&receipt, {queue.number(), {lease.id, lease.number}, epoch});
  AppendInt(&attempts, lease.attempts);
  AppendUnixTime(&put_at, times.At(lease.put_at));
}

}  // namespace rivulet
