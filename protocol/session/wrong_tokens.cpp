#include "protocol/session/wrong_tokens.h"

#include <algorithm>

#include "protocol/session/strangers.h"

namespace parsec::protocol {

WrongTokens::Verdict WrongTokens::add(std::string_view address, engine::TimePoint now) {
  if (entries_.size() >= most_addresses) forget_old(now);
  Entry& entry = entries_[address_share_of(address).value_or(std::string{address})];
  if (now - entry.last > forgotten_after) entry.count = 0;
  entry.last = now;
  ++entry.count;
  constexpr std::uint32_t most_doublings = 20;
  const auto pause = first_ * (1U << std::min(entry.count - 1, most_doublings));
  return {entry.count, std::min<std::chrono::milliseconds>(pause, most_)};
}

/// If all of them are young, all are forgotten: better than to remember without end.
void WrongTokens::forget_old(engine::TimePoint now) {
  std::erase_if(entries_,
                [&](const auto& entry) { return now - entry.second.last > forgotten_after; });
  if (entries_.size() >= most_addresses) entries_.clear();
}

}  // namespace parsec::protocol
