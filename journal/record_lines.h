// The records of a journal as JSON lines, for people.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace rivulet {

class SegmentScanner;

/// Appends the members of an object, without its braces, that tell a record. False, and what it
/// appended is taken back, when the record is not to be told.
using RecordDescriber = std::function<bool(std::string_view record, std::string* out)>;

/// Appends a line for each record of the scanner's batch: segment, offset in the file, and what the
/// describer tells. Nothing for a void batch.
void AppendRecordLines(const SegmentScanner& scanner, const RecordDescriber& describe,
                       std::string* out);

/// What a describer tells of a record that makes no sense to it: why, and at most so many bytes of
/// it in hex.
void AppendUnknownRecord(std::string* out, std::string_view record, std::string_view why,
                         std::size_t max_bytes);

}  // namespace rivulet
