#include "db/workers/cost_estimator.h"

#include <algorithm>

namespace parsec::db {
namespace {

/// Of a function that was never executed.
constexpr float unknown_cost = 100;
/// A byte that is sent, stored or received, beside the time that is known: some 4 ns.
constexpr float bytes_of_a_microsecond = 256;
/// Weight of what is new: it takes some three measurements to forget one.
constexpr float learning_rate = 0.4F;
/// The mean over all organizations follows slowly.
constexpr float general_learning_rate = 0.05F;

}  // namespace

std::uint64_t CostEstimator::key_of(const Function* function, std::uint64_t organization) {
  std::uint64_t key = (reinterpret_cast<std::uintptr_t>(function) >> 3) * 0x9E3779B97F4A7C15;
  key ^= organization;
  key ^= key >> 29;
  return key | 1;  // never that of an empty entry
}

CostEstimator::Entry CostEstimator::general_of(const Function* function) const {
  const std::uint64_t key = key_of(function, 0);
  const Entry& entry = entries_[key >> 1 & (size - 1)];
  return entry.key == key ? entry : Entry{key, unknown_cost, 0};
}

CostEstimator::Entry CostEstimator::known_of(const Request& request) const {
  const std::uint64_t key = key_of(request.function, request.flow.organization);
  const Entry& entry = entries_[key >> 1 & (size - 1)];
  return entry.key == key ? entry : general_of(request.function);
}

float CostEstimator::cost_of(const Request& request) const {
  return known_of(request).microseconds;
}

std::size_t CostEstimator::result_bytes_of(const Request& request) const {
  return static_cast<std::size_t>(known_of(request).result_bytes);
}

CostEstimator::Entry& CostEstimator::entry_for(const Request& request) {
  const std::uint64_t key = key_of(request.function, request.flow.organization);
  Entry& entry = entries_[key >> 1 & (size - 1)];
  if (entry.key != key) {
    entry = general_of(request.function);
    entry.key = key;
  }
  return entry;
}

void CostEstimator::learn(const Job& job, float microseconds) {
  const auto bytes = static_cast<float>(job.result_bytes);
  Entry& own = entry_for(*job.request);
  own.microseconds += learning_rate * (microseconds - own.microseconds);
  own.result_bytes += learning_rate * (bytes - own.result_bytes);
  const std::uint64_t key = key_of(job.request->function, 0);
  Entry& general = entries_[key >> 1 & (size - 1)];
  if (general.key != key) general = {key, microseconds, bytes};
  general.microseconds += general_learning_rate * (microseconds - general.microseconds);
  general.result_bytes += general_learning_rate * (bytes - general.result_bytes);
}

void CostEstimator::note(std::span<const Job> segment, float microseconds) {
  weights_.clear();
  float total = 0;
  for (const Job& job : segment) {
    const Request& request = *job.request;
    const auto bytes = static_cast<float>(request.size_bytes() + job.result_bytes);
    weights_.push_back(cost_of(request) + bytes / bytes_of_a_microsecond);
    total += weights_.back();
  }
  for (std::size_t i = 0; i < segment.size(); ++i) {
    learn(segment[i], std::max(1.0F, microseconds * weights_[i] / total));
  }
}

void CostEstimator::suspect(const Request& request, float microseconds) {
  Entry& entry = entry_for(request);
  entry.microseconds = std::max(entry.microseconds, microseconds);
}

}  // namespace parsec::db
