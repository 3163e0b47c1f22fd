#include "queuereader/child/child_pool_worker.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rivulet {
namespace {

// Fewer and larger writes and reads; where it is refused, a pipe has 64 KiB.
constexpr int kPipeBytes = 256 * 1024;
constexpr std::size_t kReadBytes = 64 * 1024;

}  // namespace

Status ChildPoolWorker::Start(const ChildConfig& config) {
  auto process = ChildProcess::Start(config);
  if (!process.ok()) return process.status();
  process_ = std::move(*process);
  fcntl(process_->input(), F_SETPIPE_SZ, kPipeBytes);
  fcntl(process_->output(), F_SETPIPE_SZ, kPipeBytes);
  out_.clear();
  out_begin_ = 0;
  written_ = 0;
  answered_ = 0;
  in_begin_ = 0;
  in_end_ = 0;
  has_answered = false;
  alone = false;
  pace_ = {};
  last_answered.reset();
  pending = ChildAnswer();
  return {};
}

void ChildPoolWorker::CloseInput() {
  if (process_) process_->CloseInput();
}

std::string ChildPoolWorker::End(Duration patience) {
  if (!process_) return {};
  std::string how = process_->End(patience);
  process_.reset();
  return how;
}

void ChildPoolWorker::Owe(std::size_t message, MonoTime now) {
  if (owed_.empty()) waiting_since_ = paced_ = now;
  owed_.push_back({message, written_ + out_.size() - out_begin_});
}

void ChildPoolWorker::Flush() {
  while (has_unwritten()) {
    const ssize_t n = write(input(), out_.data() + out_begin_, out_.size() - out_begin_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) break;
    out_begin_ += static_cast<std::size_t>(n);
    written_ += static_cast<std::uint64_t>(n);
  }
  out_.clear();
  out_begin_ = 0;
}

bool ChildPoolWorker::Receive() {
  if (in_begin_ > 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_.size() - in_end_ < kReadBytes) in_.resize(std::max(in_.size() * 2, kReadBytes));
  while (true) {
    const ssize_t n = read(output(), in_.data() + in_end_, in_.size() - in_end_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    in_end_ += static_cast<std::size_t>(n);
    return n > 0;
  }
}

void ChildPoolWorker::NotePace(std::size_t answers, MonoTime now) {
  if (answers == 0) return;
  const Duration each = (now - paced_) / static_cast<Duration::rep>(answers);
  // The faster of the two: to look too early costs less than too late.
  pace_ = pace_ > Duration::zero() ? std::min(each, (pace_ * 3 + each) / 4) : each;
  paced_ = now;
}

bool ChildPoolWorker::has_not_read_owed() const {
  int unread = 0;
  return ioctl(input(), FIONREAD, &unread) == 0 &&
         static_cast<std::uint64_t>(unread) >= written_ - answered_;
}

std::size_t ChildPoolWorker::TakeOwed(MonoTime now) {
  const Owed first = owed_.front();
  owed_.pop_front();
  answered_ = first.end;
  waiting_since_ = now;
  return first.message;
}

std::vector<std::size_t> ChildPoolWorker::Forget() {
  std::vector<std::size_t> messages;
  for (const Owed& owed : owed_) messages.push_back(owed.message);
  owed_.clear();
  return messages;
}

}  // namespace rivulet
