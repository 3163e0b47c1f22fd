// The language:
//
//   mapping    = { line newline }
//   line       = [ statement ] [ "#" comment ]
//   statement  = FIELD "=" SOURCE [ "as" kind ] [ "or" literal ]
//              | FIELD "=" literal
//              | "when" condition | "end"
//              | "drop" [ "when" condition ] | "keep" "when" condition
//   kind       = "text" | "number" | "integer" | "boolean" | "json"
//   literal    = TEXT | NUMBER | "true" | "false"
//   condition  = both { "or" both }
//   both       = negation { "and" negation }
//   negation   = "not" negation | "(" condition ")" | test
//   test       = SOURCE "is" [ "not" ] value { "," value }
//              | SOURCE ( "begins" "with" | "contains" ) value { "," value }
//              | SOURCE "exists" | "bot" | "duplicate" | "param." NAME
//   value      = WORD | TEXT
//
// TEXT is as in JSON. FIELD is names with points between ("geo.country"). What runs between blanks,
// quotes and # = , ( ) is a word. SOURCE is one of
//
//   type party session page id      what the script sent
//   user_agent remote               of the request
//   time time.iso client_time       milliseconds since 1970; "2026-11-21T04:50:00.123Z"
//   viewport.width viewport.height screen.width screen.height
//   bot duplicate                   the marks, true or false
//   param                           all parameters, an object
//   param.NAME[.NAME...]            one of them, as it is: text, number, true, false, array, object
//   location referer                the whole URL, and their parts:
//     .scheme .host .port           in lower case; a port only where one is written
//     .path .query .fragment        as they are, not decoded
//     .path.N                       the N-th segment, decoded
//     .query.NAME                   a parameter, decoded; "" where it has no "="
//     .fragment.path .fragment.path.N .fragment.query .fragment.query.NAME
//                                   the fragment read like the end of a URL: "#/a?b=c"
//
// How it runs: line by line. An assignment whose source has no value (nothing was sent, null, no
// such parameter, no number where one is asked for) and that has no `or` changes nothing; otherwise
// it replaces what its field held. Statements in a `when` run where its condition holds. A `drop`
// that is met ends it. Conditions look at the event, not at fields, so that their order is free.
//
// A condition: any value of the list will do; `is not` is `not ... is`. A value is compared with a
// text as it is, in its case; a bare number with a number; true and false with a boolean. Alone, a
// source holds when it is true. `not` binds most, then `and`, then `or`.
//
// `as`: text writes numbers, booleans, arrays and objects as JSON; number and integer read a text
// that is one, wholly (an integer has no fraction); boolean reads true, false, 1 and 0; json reads
// a text as JSON.
#include "collector/mapping.h"

#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

#include "collector/mapping_program.h"

namespace rivulet {

namespace {

constexpr std::string_view kEverything = R"(time = time
type = type
party = party
session = session
page = page
id = id
client_time = client_time
location = location
referer = referer
user_agent = user_agent
remote = remote
viewport.width = viewport.width
viewport.height = viewport.height
screen.width = screen.width
screen.height = screen.height
bot = bot
duplicate = duplicate
param = param
)";

}  // namespace

struct Mapping::Impl {
  MappingProgram program;
  std::vector<MappingValue> slots;
  std::uint64_t shortened = 0;

  /// False: dropped.
  bool Run(const Event& event) {
    using Op = MappingStatement::Op;
    EventValues& values = program.values;
    values.Begin(event);
    slots.assign(program.fields.slots(), {});
    const auto& statements = program.statements;
    for (std::size_t at = 0; at < statements.size();) {
      const MappingStatement& statement = statements[at++];
      switch (statement.op) {
        case Op::kSet:
          Set(statement);
          break;
        case Op::kWhen:
          if (!statement.condition.Holds(&values)) at = statement.next;
          break;
        case Op::kDrop:
          if (statement.condition.Holds(&values)) return false;
          break;
      }
    }
    return true;
  }

  void Set(const MappingStatement& statement) {
    MappingValue value;
    if (statement.source) value = program.values.As(*statement.source, statement.kind);
    if (value.none() && !statement.literal.empty())
      value = MappingValue::Written(statement.literal);
    if (!value.none()) slots[statement.slot] = value;
  }
};

Mapping::Mapping(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mapping::Mapping(Mapping&&) noexcept = default;
Mapping& Mapping::operator=(Mapping&&) noexcept = default;
Mapping::~Mapping() = default;

Result<Mapping> Mapping::Parse(std::string_view text, std::string_view name) {
  auto program = ParseMappingProgram(text, name);
  if (!program.ok()) return program.status();
  auto impl = std::make_unique<Impl>();
  impl->program = std::move(*program);
  return Mapping(std::move(impl));
}

Result<Mapping> Mapping::Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return IoError(path, errno);
  // One byte more than a mapping may have, so that Parse() says what is wrong.
  std::string text(64 * 1024 + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return IoError(path, errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  return Parse(text, path);
}

Mapping Mapping::Everything() {
  auto mapping = Parse(kEverything, "everything");
  return std::move(mapping).value();
}

Mapping::Made Mapping::Apply(const Event& event, std::string* out) const {
  if (!impl_->Run(event)) return Made::kDropped;
  impl_->shortened +=
      impl_->program.fields.Append(out, impl_->slots, kMaxTextBytes, kMaxMessageBytes);
  return Made::kMessage;
}

std::size_t Mapping::fields() const { return impl_->program.fields.slots(); }
std::uint64_t Mapping::shortened() const { return impl_->shortened; }

}  // namespace rivulet
