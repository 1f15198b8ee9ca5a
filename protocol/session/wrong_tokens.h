// Wrong administration tokens, by address (of IPv6: one /64): the more of them, the longer the
// answer to the next one takes. The right token is never kept waiting: an administrator behind the
// same proxy as somebody who guesses must get in. Shard thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/handler.h"

namespace parsec::protocol {

class WrongTokens {
 public:
  /// The first pause; each further one is twice as long, up to the most.
  WrongTokens(std::chrono::milliseconds first, std::chrono::milliseconds most)
      : first_(first), most_(most) {}

  struct Verdict {
    std::uint32_t count;  // of this address lately, this one included
    std::chrono::milliseconds pause;
  };
  Verdict add(std::string_view address, engine::TimePoint now);

  static constexpr std::chrono::minutes forgotten_after{10};
  static constexpr std::size_t most_addresses = 1024;

 private:
  struct Entry {
    std::uint32_t count = 0;
    engine::TimePoint last;
  };
  void forget_old(engine::TimePoint now);

  const std::chrono::milliseconds first_;
  const std::chrono::milliseconds most_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace parsec::protocol
