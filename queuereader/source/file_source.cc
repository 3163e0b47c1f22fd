#include "queuereader/source/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "bridge/file_input.h"
#include "bridge/line_cutter.h"
#include "queuereader/source/file_account.h"
#include "queuereader/source/queue_source.h"
#include "queuereader/source/saved_file.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;
constexpr std::size_t kBatchLines = 10'000;
constexpr std::size_t kBatchRetries = 100;
// Beyond, retries go before the rest of the input: their memory is bounded.
constexpr std::size_t kMaxRetries = 10'000;
constexpr char kOfQueues[] =
    "it is of a reader of queues; this one reads files: give it a --checkpoint-name of its own";
constexpr Duration kQuietInput = std::chrono::milliseconds(250);
constexpr std::uint64_t kFormat = 0x31'72'73'65'6c'69'66'20ULL;  // " filesr1"

class FileSource final : public Source {
 public:
  FileSource(EventLoop& loop, const Clock& clock, std::vector<std::string> paths,
             UnfinishedLine unfinished)
      : loop_(loop),
        clock_(clock),
        paths_(std::move(paths)),
        files_(paths_.size()),
        unfinished_(unfinished),
        lines_(kMaxLineBytes),
        timer_(loop, [this] { OnTimer(); }),
        alive_(std::make_shared<bool>(true)) {}
  ~FileSource() override { *alive_ = false; }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Status Look();
  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override {
    fetching_ = true;
    Schedule();
  }
  bool CancelFetch() override {
    fetching_ = false;
    timer_.Cancel();
    return true;
  }
  void Settle(std::vector<Settlement> settlements) override;
  void Touch(std::uint32_t, std::vector<std::string>, std::function<void(const Status&)>) override {
  }
  void AskDrained(std::function<void(bool)> answer) override {
    loop_.Post([answer = std::move(answer)] { answer(true); });
  }
  bool leases() const override { return false; }
  Duration lease() const override { return {}; }
  bool keeps_requeued() const override { return false; }
  bool reads_again() const override { return std::ranges::all_of(files_, &SavedFile::regular); }
  std::size_t unsettled() const override { return unsettled_; }
  std::vector<std::string> Abandon() override;
  std::string origin_name(std::uint32_t origin) const override {
    return FileInputName(paths_[origin]);
  }
  std::size_t origins() const override { return paths_.size(); }
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  double fraction() const override;
  std::string name() const override;

 private:
  void Schedule();
  void OnTimer();
  /// Takes the next step of a Fetch(): a batch, or a piece of a file.
  void Step();
  bool CutLines();
  bool LeavesLastLine() const;
  void ReadPiece();
  void AwaitInput();
  Status BeginAt(const SavedFile& start, const SavedFile& last, bool last_anew);
  Status OpenNext();
  void Fail(const Status& status);
  bool FetchRetries();
  void FetchEnd();
  void Deliver(Batch batch);

  EventLoop& loop_;
  const Clock& clock_;
  std::vector<std::string> paths_;
  std::vector<SavedFile> files_;
  UnfinishedLine unfinished_;
  std::size_t next_ = 0;     // file to open
  std::uint64_t begin_ = 0;  // where in it
  std::unique_ptr<FileInput> input_;
  LineCutter lines_;
  bool ending_ = false;  // the bytes of the file are at their end, its last line may be open
  std::uint64_t bytes_before_ = 0;  // of files that were read
  std::size_t last_lines_ = 0;      // of the batch before
  Status failed_;
  FileAccount account_;

  bool fetching_ = false;
  bool scheduled_ = false;
  bool quiet_ = false;  // the input has brought nothing for kQuietInput
  std::size_t unsettled_ = 0;
  Timer timer_;
  Events events_;
  std::shared_ptr<bool> alive_;
};

Status FileSource::Look() {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    auto file = LookAtFile(i, paths_[i]);
    if (!file.ok()) return file.status();
    files_[i] = std::move(*file);
  }
  return {};
}

void FileSource::Schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.Post([this, alive = alive_] {
    if (!*alive) return;
    scheduled_ = false;
    Step();
  });
}

void FileSource::OnTimer() {
  quiet_ = input_ != nullptr;
  Schedule();
}

void FileSource::Step() {
  if (!fetching_) return;
  const bool all_read = !failed_.ok() || (!input_ && next_ == paths_.size());
  if (quiet_ || all_read || account_.waiting() >= kMaxRetries) {
    quiet_ = false;
    if (FetchRetries()) return;
    if (all_read) return FetchEnd();
    if (account_.waiting() >= kMaxRetries) {
      return timer_.Start(*account_.first_due() - clock_.Now());
    }
  }
  if (CutLines() || !failed_.ok()) return;
  ReadPiece();
}

bool FileSource::CutLines() {
  if (!input_) return false;
  Batch batch;
  const auto origin = static_cast<std::uint32_t>(next_ - 1);
  std::string_view line;
  while (batch.messages.size() < kBatchLines) {
    auto found = lines_.Next(&line);
    if (found == LineCutter::Found::kNothing && ending_) {
      found = lines_.End(&line);
      ending_ = false;
      if (found == LineCutter::Found::kLine && LeavesLastLine()) {
        LogInfo("the last line of {} has no newline yet: it is left for the next run",
                paths_[origin]);
        found = LineCutter::Found::kNothing;
      }
      bytes_before_ += input_->position_bytes();
      input_.reset();
    }
    if (found == LineCutter::Found::kNothing) break;
    if (found == LineCutter::Found::kTooLong) {
      Fail({StatusCode::kTooLarge,
            fmt::format("{}: a line of {} bytes, which ends at byte {}, is longer than 64MiB",
                        FileInputName(paths_[origin]), lines_.too_long_bytes(), lines_.offset())});
      break;
    }
    const LinePlace place{origin, lines_.offset()};
    const std::uint64_t begin = place.offset - line.size() - (input_ ? 1 : 0);
    if (line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || !account_.Read(place, begin)) continue;
    Delivery message;
    message.offset = batch.bytes.size();
    message.size = line.size();
    message.origin = origin;
    message.place = place.offset;
    if (batch.bytes.empty()) {
      batch.bytes.reserve(line.size() + lines_.rest_bytes());
      batch.messages.reserve(last_lines_);
    }
    batch.bytes += line;
    batch.messages.push_back(message);
  }
  if (batch.messages.empty()) return false;
  last_lines_ = batch.messages.size();
  Deliver(std::move(batch));
  return true;
}

// A file that others follow is not looked at again; a compressed one is written as a whole.
bool FileSource::LeavesLastLine() const {
  return unfinished_ == UnfinishedLine::kLeave && next_ == paths_.size() && input_->regular() &&
         paths_[next_ - 1] != "-" && DetectCompression(input_->head()) == CompressionFormat::kNone;
}

void FileSource::ReadPiece() {
  if (!input_) {
    if (next_ == paths_.size()) return Schedule();
    if (Status status = OpenNext(); !status.ok()) Fail(status);
    return Schedule();
  }
  const auto piece = input_->Read();
  if (!piece.ok()) return Fail(piece.status());
  if (piece->state == FileInput::Piece::State::kWait) return AwaitInput();
  ending_ = piece->state == FileInput::Piece::State::kEnd;
  lines_.Give(piece->bytes);
  // Most pieces hold a line; one that does not gives way to what else the loop has to do.
  if (!CutLines()) Schedule();
}

void FileSource::AwaitInput() {
  input_->WhenReadable([this] {
    timer_.Cancel();
    Schedule();
  });
  if (auto due = account_.first_due()) {
    timer_.Start(std::max<Duration>(kQuietInput, *due - clock_.Now()));
  }
}

Status FileSource::OpenNext() {
  const std::size_t file = next_++;
  auto input = FileInput::Open(loop_, paths_[file]);
  if (!input.ok()) return input.status();
  if (Status status = (*input)->Skip(begin_); !status.ok()) return status;
  input_ = std::move(*input);
  files_[file].Describe(*input_);
  lines_ = LineCutter(kMaxLineBytes, begin_);
  begin_ = 0;
  return {};
}

void FileSource::Fail(const Status& status) {
  failed_ = status;
  input_.reset();
  Schedule();
}

bool FileSource::FetchRetries() {
  Batch batch;
  const MonoTime now = clock_.Now();
  while (batch.messages.size() < kBatchRetries) {
    const FileAccount::Retry* retry = account_.TakeRetry(now);
    if (!retry) break;
    Delivery message;
    message.offset = batch.bytes.size();
    message.size = retry->body.size();
    message.origin = retry->line.file;
    message.place = retry->line.offset;
    message.requeued = true;
    batch.bytes += retry->body;
    batch.messages.push_back(message);
  }
  if (batch.messages.empty()) return false;
  Deliver(std::move(batch));
  return true;
}

void FileSource::FetchEnd() {
  if (auto due = account_.first_due()) return timer_.Start(*due - clock_.Now());
  Batch batch;
  batch.state = Batch::State::kEnded;
  if (!failed_.ok()) {
    // What was read before is run before it is told; Settle() comes back here.
    if (account_.in_hand() > 0) return;
    batch.state = Batch::State::kFailed;
    batch.status = failed_;
  }
  Deliver(std::move(batch));
}

void FileSource::Deliver(Batch batch) {
  if (!batch.messages.empty()) batch.state = Batch::State::kMessages;
  fetching_ = false;
  timer_.Cancel();
  events_.fetched(std::move(batch));
}

void FileSource::Settle(std::vector<Settlement> settlements) {
  std::vector<std::uint64_t> tokens;
  tokens.reserve(settlements.size());
  const MonoTime now = clock_.Now();
  for (Settlement& settlement : settlements) {
    tokens.push_back(settlement.token);
    account_.Settle(std::move(settlement), now);
  }
  unsettled_ += tokens.size();
  loop_.Post([this, alive = alive_, tokens = std::move(tokens)] {
    for (std::uint64_t token : tokens) {
      if (!*alive || unsettled_ == 0) return;
      --unsettled_;
      events_.settled(token, Settled::kDone, {});
    }
  });
  // A Fetch() may wait for this: at the end, or for its input.
  if (fetching_) Schedule();
}

std::vector<std::string> FileSource::Abandon() {
  unsettled_ = 0;
  CancelFetch();
  return account_.Abandon();
}

std::string FileSource::Save() const {
  std::string bytes;
  PutUint64(&bytes, kFormat);
  for (const LinePlace& place : {account_.last(), account_.start()}) {
    SavedFile file = files_[place.file];
    file.offset = file.regular ? place.offset : 0;
    PutSavedFile(&bytes, file);
  }
  account_.SaveLines(&bytes);
  account_.SaveRetries(&bytes, clock_.Now(), clock_.WallNow());
  return bytes;
}

Status FileSource::Load(std::string_view saved) {
  if (saved == kQueuePlace) return InvalidArgument(kOfQueues);
  Status corrupt(StatusCode::kCorrupt, "the place in " + name() + " is not what was saved");
  ByteReader bytes(saved);
  if (bytes.Uint64() != kFormat) return corrupt;
  const SavedFile last = TakeSavedFile(&bytes);
  const SavedFile start = TakeSavedFile(&bytes);
  if (!bytes.ok() || start.index > last.index) return corrupt;
  const auto known = IsAmong(paths_, last);
  if (!known.ok()) return known.status();

  LinePlace place;
  std::vector<bool> anew(paths_.size(), true);
  if (*known) {
    const auto offset = WhereToGoOn(loop_, last);
    if (!offset.ok()) return offset.status();
    place = {static_cast<std::uint32_t>(last.index), *offset};
    next_ = last.index;
    begin_ = *offset;
    if (*offset > 0) files_[next_] = last;
    std::fill_n(anew.begin(), next_, false);
    anew[next_] = *offset == 0;
    if (Status status = BeginAt(start, last, *offset == 0); !status.ok()) return status;
  }
  if (!account_.LoadLines(&bytes, place) ||
      !account_.LoadRetries(&bytes, clock_.Now(), clock_.WallNow(), anew) || !bytes.Finished()) {
    return corrupt;
  }
  for (std::size_t i = 0; i < next_; ++i) bytes_before_ += files_[i].size_bytes;
  return {};
}

Status FileSource::BeginAt(const SavedFile& start, const SavedFile& last, bool last_anew) {
  if (start.index == last.index) {
    if (!last_anew) begin_ = start.offset;
    return {};
  }
  // Lines of an earlier file were overtaken, and are still to be run.
  if (Status status = MustBeThere(loop_, paths_, start); !status.ok()) return status;
  next_ = start.index;
  begin_ = start.offset;
  files_[next_] = start;
  return {};
}

double FileSource::fraction() const {
  if (!reads_again()) return -1;
  std::uint64_t all = 0;
  for (const SavedFile& file : files_) all += file.size_bytes;
  const std::uint64_t read = bytes_before_ + (input_ ? input_->position_bytes() : 0);
  return all == 0 ? 1 : std::min(1.0, static_cast<double>(read) / static_cast<double>(all));
}

std::string FileSource::name() const {
  std::string all;
  for (const std::string& path : paths_) all += (all.empty() ? "" : ", ") + FileInputName(path);
  return all;
}

}  // namespace

Result<std::unique_ptr<Source>> OpenFileSource(EventLoop& loop, const Clock& clock,
                                               std::vector<std::string> paths,
                                               UnfinishedLine unfinished) {
  if (paths.empty()) return InvalidArgument("no file to read");
  auto source = std::make_unique<FileSource>(loop, clock, std::move(paths), unfinished);
  if (Status status = source->Look(); !status.ok()) return status;
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace rivulet
