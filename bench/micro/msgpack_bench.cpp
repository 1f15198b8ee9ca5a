// msgpack as the hot path uses it: a vlob_update request read, a vlob_read reply written.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>

#include "protocol/bytes/utf8.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/types/fields.h"
#include "protocol/types/reply.h"

namespace parsec::protocol {
namespace {

constexpr DateTime timestamp{1'600'000'000'123456};

engine::OutputBuffer vlob_update(std::size_t blob_bytes) {
  engine::OutputBuffer request;
  msgpack::Writer writer{request};
  writer.map(6);
  writer.str("cmd"), writer.str("vlob_update");
  writer.str("encryption_revision"), writer.integer(1);
  writer.str("vlob_id"), writer.uuid({});
  writer.str("timestamp"), writer.datetime(timestamp);
  writer.str("version"), writer.integer(12345);
  writer.str("blob"), writer.bin(as_bytes(std::string(blob_bytes, 'b')));
  return request;
}

void Parse(benchmark::State& state) {
  const auto request = vlob_update(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(msgpack::parse(request.bytes()));
}
BENCHMARK(Parse)->Arg(256)->Arg(64 * 1024);

/// From bytes to the validated fields of the command.
void ReadVlobUpdate(benchmark::State& state) {
  const auto request = vlob_update(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const auto document = msgpack::parse(request.bytes());
    benchmark::DoNotOptimize(document->find("cmd")->str());
    Fields fields{*document};
    benchmark::DoNotOptimize(fields.required<field::Integer>("encryption_revision"));
    benchmark::DoNotOptimize(fields.required<field::Uuid>("vlob_id"));
    benchmark::DoNotOptimize(fields.required<field::DateTime>("timestamp"));
    benchmark::DoNotOptimize(fields.required<field::Integer>("version"));
    benchmark::DoNotOptimize(fields.required<field::Binary>("blob"));
    if (!fields.valid()) state.SkipWithError("a field is invalid");
  }
}
BENCHMARK(ReadVlobUpdate)->Arg(256)->Arg(64 * 1024);

/// The whole WebSocket message.
void WriteVlobRead(benchmark::State& state) {
  const std::string blob(static_cast<std::size_t>(state.range(0)), 'b');
  engine::OutputBuffer out;
  for (auto _ : state) {
    out.clear();
    Reply reply{out, "ok", 4, blob.size() + 100};
    reply.key("version").integer(12345);
    reply.key("blob").bin(as_bytes(blob));
    reply.key("author").str("alice@dev1");
    reply.key("timestamp").datetime(timestamp);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(WriteVlobRead)->Arg(256)->Arg(64 * 1024);

/// 0: ASCII, 1: letters of two octets.
void CheckUtf8(benchmark::State& state) {
  std::string text;
  while (text.size() < 16 * 1024) text += state.range(0) == 0 ? "ab" : "é";
  for (auto _ : state) benchmark::DoNotOptimize(is_utf8(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(CheckUtf8)->Arg(0)->Arg(1);

}  // namespace
}  // namespace parsec::protocol
